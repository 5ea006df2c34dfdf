//! Crafted GGUF files: each fault has its own error, nothing panics, and memory stays a small multiple of what
//! is really in the file. (The table is here; the random files are in `gguf_hostile/properties.rs`.)

mod properties;

use std::io::{self, Read};

use slipstream::gguf::{GgmlType, GgufError, Header, Part, ReadOptions, Value, ValueType};

use crate::gguf_builder::Builder;

fn read(bytes: &[u8]) -> Result<Header, GgufError> {
    Header::from_bytes(bytes, ReadOptions::default())
}

fn good() -> Builder {
    Builder::model("test")
        .number("test.block_count", 2)
        .texts("words", &["a".to_owned(), String::new(), "ccc".to_owned()])
        .numbers("numbers", &[1, -2, 3])
        .tensor("a.weight", &[32, 4], GgmlType::Q4_0)
        .tensor("b.weight", &[5], GgmlType::F32)
}

#[test]
fn a_good_file_is_read_in_its_own_order() {
    let header = read(&good().build()).expect("a good file");
    assert_eq!(header.architecture(), Some("test"));
    assert_eq!(header.arch_u32("block_count"), Some(2));
    let keys: Vec<&str> = header.key_values.iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!(keys, ["general.architecture", "test.block_count", "words", "numbers"]);
    let words: Vec<Value> =
        header.get_array("words").and_then(|words| words.items()).expect("kept").collect();
    assert_eq!(words.iter().filter_map(Value::as_str).collect::<Vec<_>>(), ["a", "", "ccc"]);
    assert_eq!(header.get_array("numbers").and_then(|all| all.to_u32s()), None, "-2 is no u32");
    assert_eq!(header.tensors[0].shape(), [32, 4]);
    assert_eq!((header.tensors[0].bytes, header.tensors[1].offset, header.parameters()), (72, 96, 133));
    let version_2 = read(&Builder { version: 2, ..good() }.build()).expect("version 2");
    assert_eq!(version_2.version, 2);
}

#[test]
fn a_long_array_leaves_its_length_and_a_hash_of_its_content() {
    let options = ReadOptions { keep_elements: 2 };
    let of = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let file = Builder::new().texts("words", &words).build();
        Header::from_bytes(&file, options).expect("good").get_array("words").expect("there").clone()
    };
    let array = of(&["ab", "c", "d"]);
    assert!(array.items().is_none());
    assert_eq!((array.element, array.length), (ValueType::String, 3));
    assert_eq!(array, of(&["ab", "c", "d"]));
    for other in [["a", "bc", "d"], ["ab", "d", "c"], ["ab", "c", "d\0"]] {
        assert_ne!(array.hash, of(&other).hash, "{other:?}");
    }
    let kept = Header::from_bytes(
        &Builder::new().texts("words", &["ab".to_owned(), "c".to_owned(), "d".to_owned()]).build(),
        ReadOptions::EVERYTHING,
    );
    assert_eq!(kept.expect("good").get_array("words").expect("there").hash, array.hash, "kept or not");
}

#[test]
fn a_file_cut_at_any_byte_is_refused() {
    let file = good().build();
    // Behind the last tensor's data there is only padding, which llama.cpp does not ask for either.
    let needed = file.len() - 12;
    assert!(read(&file[..needed]).is_ok());
    for len in 0..needed {
        match read(&file[..len]) {
            Err(GgufError::Truncated { available, offset, needed, .. }) => {
                assert!(offset + available == len as u64 && needed > available, "at {len}");
            }
            Err(GgufError::TooMany { most, found, .. }) => assert!(found > most, "at {len}"),
            Err(GgufError::TensorPastEnd { end, file_len, .. }) => {
                assert!(end > file_len && file_len == len as u64, "at {len}");
            }
            other => panic!("cut at {len}: {other:?}"),
        }
    }
}

#[test]
fn a_file_that_is_shorter_than_its_length_said_is_refused() {
    let file = good().build();
    for claimed in [file.len() as u64 + 1, 1 << 40, u64::MAX] {
        // Longer than it is, but all that the header needs is there.
        assert!(Header::read(&file[..], claimed, ReadOptions::default()).is_ok());
        let cut = Header::read(&file[..60], claimed, ReadOptions::default());
        assert!(matches!(cut, Err(GgufError::Truncated { available: ..60, .. })), "{cut:?}");
    }
}

/// A fault, a file that has it, and the error it must give.
type Case = (&'static str, Vec<u8>, fn(&GgufError) -> bool);

fn lied(length: u64) -> Vec<u8> {
    length.to_le_bytes().to_vec()
}

fn nested(depth: u32) -> Vec<u8> {
    let mut bytes = [&ValueType::U8.id().to_le_bytes()[..], &lied(1), &[7]].concat();
    for _ in 1..depth {
        bytes = [&ValueType::Array.id().to_le_bytes()[..], &lied(1), &bytes].concat();
    }
    bytes
}

fn header_cases() -> Vec<Case> {
    let key = |bytes: &[u8]| Builder::new().raw_entry(bytes).build();
    let mut big_endian = Builder::new().build();
    big_endian[4..8].copy_from_slice(&3_u32.to_be_bytes());
    vec![
        ("empty", vec![], |e| matches!(e, GgufError::Truncated { part: Part::Magic, available: 0, .. })),
        (
            "another kind",
            b"PK\x03\x04 and so on".to_vec(),
            |e| matches!(e, GgufError::NotGguf { found } if found == b"PK\x03\x04"),
        ),
        ("ggml of old", b"tjgg\x01\0\0\0".to_vec(), |e| matches!(e, GgufError::NotGguf { .. })),
        ("version 0", Builder { version: 0, ..good() }.build(), |e| {
            matches!(e, GgufError::UnsupportedVersion { found: 0 })
        }),
        ("version 1", Builder { version: 1, ..good() }.build(), |e| {
            matches!(e, GgufError::UnsupportedVersion { found: 1 })
        }),
        ("version 4", Builder { version: 4, ..good() }.build(), |e| {
            matches!(e, GgufError::UnsupportedVersion { found: 4 })
        }),
        ("big-endian", big_endian, |e| matches!(e, GgufError::BigEndian { version: 3 })),
        ("entries without end", Builder { claimed_entries: Some(u64::MAX), ..good() }.build(), |e| {
            matches!(e, GgufError::TooMany { part: Part::KeyValues, found: u64::MAX, .. })
        }),
        ("tensors without end", Builder { claimed_tensors: Some(1 << 63), ..good() }.build(), |e| {
            matches!(e, GgufError::TooMany { part: Part::Tensors, .. })
        }),
        ("one entry too many", Builder { claimed_entries: Some(5), ..good() }.build(), |_| true),
        ("an endless key", key(&lied(u64::MAX)), |e| {
            matches!(e, GgufError::TooMany { part: Part::KeyValues, .. })
        }),
        ("an endless key, padded", key(&[lied(u64::MAX), vec![0; 64]].concat()), |e| {
            matches!(e, GgufError::Truncated { part: Part::Key, needed: u64::MAX, available: 64, .. })
        }),
        ("a giant key", key(&[lied(100_000), vec![b'k'; 100_020]].concat()), |e| {
            matches!(e, GgufError::StringTooLong { part: Part::Key, found: 100_000, most: 65_535, .. })
        }),
        ("a giant text", Builder::new().text("k", &"x".repeat((16 << 20) + 1)).build(), |e| {
            matches!(e, GgufError::StringTooLong { part: Part::Value, .. })
        }),
        ("a key without characters", Builder::new().number("", 1).build(), |e| {
            matches!(e, GgufError::EmptyName { part: Part::Key, offset: 24 })
        }),
        (
            "a key of no UTF-8",
            key(&[&lied(2)[..], b"\xff\xfe", &4_u32.to_le_bytes(), &[0; 4]].concat()),
            |e| matches!(e, GgufError::InvalidUtf8 { part: Part::Key, offset: 24 }),
        ),
        (
            "a key twice",
            Builder::new().number("k", 1).number("j", 1).number("k", 2).build(),
            |e| matches!(e, GgufError::DuplicateKey { key, offset: 58 } if key == "k"),
        ),
        ("an unknown type", Builder::new().entry("k", 13, &[0; 8]).build(), |e| {
            matches!(e, GgufError::UnknownValueType { found: 13, offset: 33, .. })
        }),
        ("an unknown element type", Builder::new().array("k", u32::MAX, 0, &[]).build(), |e| {
            matches!(e, GgufError::UnknownValueType { found: u32::MAX, offset: 37, .. })
        }),
        ("an endless array", Builder::new().array("k", 10, u64::MAX, &[0; 64]).build(), |e| {
            matches!(e, GgufError::TooMany { part: Part::Array, found: u64::MAX, most: 8, .. })
        }),
        (
            "an array whose bytes overflow",
            Builder::new().array("k", 10, (1 << 61) + 1, &[0; 64]).build(),
            |e| matches!(e, GgufError::TooMany { part: Part::Array, .. }),
        ),
        ("endless texts", Builder::new().array("k", 8, 1 << 40, &[0; 64]).build(), |e| {
            matches!(e, GgufError::TooMany { part: Part::Array, most: 8, .. })
        }),
        (
            "an endless text among texts",
            Builder::new().array("k", 8, 2, &[lied(u64::MAX), lied(0)].concat()).build(),
            |e| matches!(e, GgufError::Truncated { part: Part::Array, needed: u64::MAX, available: 8, .. }),
        ),
        (
            "arrays four deep",
            Builder::new().entry("k", 9, &nested(4)).build(),
            |e| matches!(e, GgufError::NestedTooDeep { key, .. } if key == "k"),
        ),
        ("arrays a thousand deep", Builder::new().entry("k", 9, &nested(1000)).build(), |e| {
            matches!(e, GgufError::NestedTooDeep { .. })
        }),
        ("alignment 0", Builder::new().number("general.alignment", 0).build(), |e| {
            matches!(e, GgufError::BadAlignment { found: 0 })
        }),
        ("alignment 24", Builder::new().number("general.alignment", 24).build(), |e| {
            matches!(e, GgufError::BadAlignment { found: 24 })
        }),
        ("a huge alignment", Builder::new().number("general.alignment", 1 << 31).build(), |e| {
            matches!(e, GgufError::BadAlignment { found: 0x8000_0000 })
        }),
        ("alignment as text", Builder::new().text("general.alignment", "32").build(), |e| {
            matches!(e, GgufError::WrongValueType { found: ValueType::String, expected: ValueType::U32, .. })
        }),
    ]
}

fn tensor_cases() -> Vec<Case> {
    let one = |name: &str, dims: &[u64], type_id: u32, offset: u64| {
        Builder::new().raw_tensor(name, dims, type_id, offset, 256).build()
    };
    let two =
        |offset: u64| Builder::new().raw_tensor("a", &[32], 0, 0, 128).raw_tensor("b", &[32], 0, offset, 256);
    vec![
        ("no dimensions", one("t", &[], 0, 0), |e| matches!(e, GgufError::BadDimensions { found: 0, .. })),
        ("five dimensions", one("t", &[1; 5], 0, 0), |e| {
            matches!(e, GgufError::BadDimensions { found: 5, .. })
        }),
        ("a dimension of 0", one("t", &[32, 0], 0, 0), |e| {
            matches!(e, GgufError::EmptyTensor { dimension: 1, .. })
        }),
        (
            "a product over 64 bits",
            one("t", &[1 << 32, 1 << 32, 2], 0, 0),
            |e| matches!(e, GgufError::ShapeOverflow { shape, .. } if shape.len() == 3),
        ),
        ("a product over 63 bits", one("t", &[1 << 32, 1 << 31], 24, 0), |e| {
            matches!(e, GgufError::ShapeOverflow { .. })
        }),
        ("bytes over 63 bits", one("t", &[1 << 61], 0, 0), |e| matches!(e, GgufError::ShapeOverflow { .. })),
        ("a negative size", one("t", &[u64::MAX], 24, 0), |e| matches!(e, GgufError::ShapeOverflow { .. })),
        ("a ragged row", one("t", &[33], 2, 0), |e| {
            matches!(e, GgufError::RaggedRow { row: 33, block: 32, type_name: "Q4_0", .. })
        }),
        ("a ragged row of a block of 256", one("t", &[704, 2], 12, 0), |e| {
            matches!(e, GgufError::RaggedRow { row: 704, block: 256, .. })
        }),
        ("an unknown type", one("t", &[32], 43, 0), |e| {
            matches!(e, GgufError::UnknownTensorType { found: 43, retired: None, .. })
        }),
        ("a retired type", one("t", &[32], 31, 0), |e| {
            matches!(e, GgufError::UnknownTensorType { found: 31, retired: Some("Q4_0_4_4"), .. })
        }),
        ("a type of all ones", one("t", &[32], u32::MAX, 0), |e| {
            matches!(e, GgufError::UnknownTensorType { .. })
        }),
        ("an unaligned offset", one("t", &[32], 0, 4), |e| {
            matches!(e, GgufError::UnalignedTensor { offset: 4, alignment: 32, .. })
        }),
        ("an offset past the end", one("t", &[32], 0, 1 << 40), |e| {
            matches!(e, GgufError::TensorPastEnd { file_len: 320, .. })
        }),
        ("an offset that overflows", one("t", &[32], 0, u64::MAX - 31), |e| {
            matches!(e, GgufError::TensorPastEnd { end: u64::MAX, .. })
        }),
        ("data past the end", one("t", &[1024], 0, 0), |e| matches!(e, GgufError::TensorPastEnd { .. })),
        ("the same place twice", two(0).build(), |e| matches!(e, GgufError::OverlappingTensors { .. })),
        (
            "an overlap",
            two(96).build(),
            |e| matches!(e, GgufError::OverlappingTensors { first, second, offset: 96, expected: 128 } if first == "a" && second == "b"),
        ),
        (
            "a name twice",
            Builder::new().tensor("t", &[8], GgmlType::F32).tensor("t", &[8], GgmlType::F32).build(),
            |e| matches!(e, GgufError::DuplicateTensor { name } if name == "t"),
        ),
        ("a name of 64 bytes", one(&"n".repeat(64), &[32], 0, 0), |e| {
            matches!(e, GgufError::StringTooLong { part: Part::TensorName, found: 64, most: 63, .. })
        }),
        ("no name", one("", &[32], 0, 0), |e| {
            matches!(e, GgufError::EmptyName { part: Part::TensorName, .. })
        }),
    ]
}

#[test]
fn every_fault_has_its_own_error() {
    for (fault, file, expected) in header_cases().into_iter().chain(tensor_cases()) {
        match read(&file) {
            Ok(_) => panic!("{fault}: accepted"),
            Err(error) => {
                assert!(expected(&error), "{fault}: {error:?}");
                let words = format!("{error} {}", error.help());
                assert!(!words.chars().any(char::is_control) && words.len() < 600, "{fault}: {words}");
            }
        }
    }
}

#[test]
fn what_is_unusual_but_legal_is_accepted() {
    let file = Builder::new().entry("k", 9, &nested(3)).build();
    let header = read(&file).expect("arrays three deep");
    let Some(Value::Array(inner)) = header.get_array("k").and_then(|k| k.items()).and_then(|mut k| k.next())
    else {
        panic!("an array in an array");
    };
    let Some(Value::Array(innermost)) = inner.items().and_then(|mut items| items.next()) else {
        panic!("a third")
    };
    assert_eq!(innermost.items().expect("kept").collect::<Vec<_>>(), [Value::U8(7)]);

    let file = Builder { alignment: 64, ..Builder::new() }
        .number("general.alignment", 64)
        .raw_tensor("later", &[16], 0, 128, 0)
        .raw_tensor("first", &[16], 0, 0, 192);
    assert_eq!(read(&file.build()).expect("any order, with a gap").alignment, 64);
    assert!(read(&Builder::new().build()).expect("nothing in it").tensors.is_empty());

    let text = [&2_u64.to_le_bytes()[..], b"\xffa"].concat();
    let header = read(&Builder::new().entry("k", 8, &text).build()).expect("a text that is not UTF-8");
    assert_eq!(header.get_str("k"), Some("\u{fffd}a"));
}

#[test]
fn names_from_a_file_do_not_reach_the_terminal_as_they_are() {
    let evil = "\u{1b}]0;pwned\u{7}\u{9b}2J\u{202e}";
    let file = Builder::model(evil)
        .text("general.name", evil)
        .text(evil, "x")
        .texts("words", &[evil.to_owned()])
        .tensor(evil, &[8], GgmlType::F32);
    let header = read(&file.build()).expect("odd, but legal");
    let path = std::path::Path::new("/tmp/\u{1b}[31m.gguf");
    let text = slipstream::cli::inspect::text(&header, path);
    let json = slipstream::cli::inspect::json_text(&slipstream::cli::inspect::json(&header, path));
    for shown in [&text, &json] {
        assert!(
            !shown.contains(|c: char| c != '\n' && c.is_control()) && !shown.contains('\u{202e}'),
            "{shown}"
        );
    }
    let back: serde_json::Value = serde_json::from_str(&json).expect("still JSON");
    assert_eq!(back["architecture"], evil);
    assert_eq!(back["metadata"][3]["value"][0], evil);

    let twice =
        read(&Builder::new().number(evil, 1).number(evil, 1).build()).expect_err("a key twice").to_string();
    assert!(!twice.chars().any(char::is_control), "{twice}");
}

/// Counts the bytes handed out.
struct Counting<'a> {
    bytes: &'a [u8],
    handed_out: &'a mut u64,
}

impl Read for Counting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read(buffer)?;
        *self.handed_out += count as u64;
        Ok(count)
    }
}

#[test]
fn weights_are_not_read() {
    let file = Builder::new().tensor("big", &[1 << 20], GgmlType::F32).build();
    let mut handed_out = 0;
    let reader = Counting { bytes: &file, handed_out: &mut handed_out };
    Header::read(reader, file.len() as u64, ReadOptions::default()).expect("good");
    assert!(handed_out <= 1 << 16, "{handed_out} bytes read: more than one buffer");
}
