//! Random files, and good files with something changed: an error or a header, never a panic, never much memory.

use std::path::Path;

use proptest::prelude::*;
use slipstream::gguf::{Header, ReadOptions, Value, ValueType};

use crate::gguf_builder::{Builder, Shape};

/// Bytes a header holds on the heap, as far as they can be told from outside.
fn held(header: &Header) -> usize {
    let values: usize = header
        .key_values
        .iter()
        .map(|entry| match &entry.value {
            Value::String(text) => text.capacity(),
            // Kept arrays are the file's own bytes.
            Value::Array(array) => {
                array.items().map_or(0, |items| size_of_val(&items) + array.length as usize)
            }
            _ => 0,
        })
        .sum();
    let names: usize = header.key_values.iter().map(|entry| entry.key.capacity()).sum();
    let tensors: usize = header.tensors.iter().map(|tensor| tensor.name.capacity()).sum();
    values
        + names
        + tensors
        + header.key_values.capacity() * size_of_val(&header.key_values[..1.min(header.key_values.len())])
        + header.tensors.capacity() * size_of_val(&header.tensors[..1.min(header.tensors.len())])
}

fn never_worse_than_an_error(file: &[u8]) {
    for options in [ReadOptions::default(), ReadOptions { keep_elements: 0 }, ReadOptions::EVERYTHING] {
        match Header::from_bytes(file, options) {
            Ok(header) => {
                assert!(
                    held(&header) <= 32 * file.len() + 4096,
                    "{} bytes for {}",
                    held(&header),
                    file.len()
                );
                for tensor in &header.tensors {
                    assert!(header.data_offset + tensor.offset + tensor.bytes <= file.len() as u64);
                }
                let path = Path::new("x.gguf");
                let shown = slipstream::cli::inspect::text(&header, path);
                assert!(!shown.contains(|c: char| c != '\n' && c.is_control()));
                let _ = slipstream::cli::inspect::json(&header, path);
                if let Ok(model) = slipstream::models::identify(path, &header) {
                    let plan = slipstream::models::MemoryPlan::default();
                    let _ = slipstream::models::MemoryEstimate::check(&model, Some(&model), plan, 1);
                    let _ = slipstream::models::fits(&model, &model);
                }
            }
            Err(error) => assert!(!format!("{error}{}", error.help()).chars().any(char::is_control)),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        never_worse_than_an_error(&bytes);
    }

    #[test]
    fn any_bytes_behind_a_good_beginning(
        tensors in 0_u64..8, entries in 0_u64..8, bytes in proptest::collection::vec(any::<u8>(), 0..512),
    ) {
        let head = [b"GGUF\x03\0\0\0", &tensors.to_le_bytes()[..], &entries.to_le_bytes()[..]].concat();
        never_worse_than_an_error(&[head, bytes].concat());
    }

    #[test]
    fn a_good_file_with_some_bytes_changed(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(), is_cut in any::<bool>(),
    ) {
        let mut file = Shape::default().target().build();
        // The header is where the decisions are; the data are only zeros.
        let header = file.len() - 48 * 68 - 256;
        for (index, byte) in changes {
            let at = index.index(header);
            file[at] = byte;
        }
        if is_cut {
            file.truncate(cut.index(file.len()));
        }
        never_worse_than_an_error(&file);
    }

    #[test]
    fn a_good_file_with_a_number_changed(
        at in any::<prop::sample::Index>(),
        number in prop_oneof![Just(0_u64), Just(u64::MAX), Just(1 << 63), Just(1 << 32), Just(u64::MAX - 31), any::<u64>()],
    ) {
        let mut file = Shape::default().drafter().build();
        let at = at.index(file.len() - 8);
        file[at..at + 8].copy_from_slice(&number.to_le_bytes());
        never_worse_than_an_error(&file);
    }
}

#[test]
fn a_header_of_short_texts_costs_a_small_multiple() {
    let words: Vec<String> = (0..100_000).map(|_| String::new()).collect();
    never_worse_than_an_error(&Builder::new().texts("words", &words).build());
    let mut many = Builder::new();
    for index in 0..5_000 {
        many = many.entry(&format!("{index:x}"), ValueType::U8.id(), &[1]);
    }
    never_worse_than_an_error(&many.build());
}
