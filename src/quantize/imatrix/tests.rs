use super::*;
use crate::gguf::GgmlType;

/// A GGUF file of metadata entries and F32 tensors.
struct Builder {
    entries: Vec<Vec<u8>>,
    tensors: Vec<(String, Vec<u64>, Vec<f32>)>,
}

fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

impl Builder {
    fn new() -> Builder {
        Builder { entries: Vec::new(), tensors: Vec::new() }
            .entry("general.type", 8, &string("imatrix"))
            .entry(
                "imatrix.datasets",
                9,
                &[&8_u32.to_le_bytes()[..], &1_u64.to_le_bytes(), &string("chat.txt")].concat(),
            )
            .entry("imatrix.chunk_count", 4, &7_u32.to_le_bytes())
            .entry("imatrix.chunk_size", 4, &512_u32.to_le_bytes())
    }

    fn entry(mut self, key: &str, kind: u32, value: &[u8]) -> Builder {
        self.entries.push([&string(key)[..], &kind.to_le_bytes(), value].concat());
        self
    }

    fn tensor(mut self, name: &str, shape: &[u64], values: &[f32]) -> Builder {
        self.tensors.push((name.to_owned(), shape.to_vec(), values.to_vec()));
        self
    }

    fn build(&self) -> Vec<u8> {
        let mut bytes = [&b"GGUF"[..], &3_u32.to_le_bytes()].concat();
        bytes.extend((self.tensors.len() as u64).to_le_bytes());
        bytes.extend((self.entries.len() as u64).to_le_bytes());
        bytes.extend(self.entries.concat());
        let mut data = Vec::new();
        for (name, shape, values) in &self.tensors {
            bytes.extend(string(name));
            bytes.extend((shape.len() as u32).to_le_bytes());
            bytes.extend(shape.iter().flat_map(|size| size.to_le_bytes()));
            bytes.extend(GgmlType::F32.id().to_le_bytes());
            bytes.extend((data.len() as u64).to_le_bytes());
            data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            data.resize(data.len().next_multiple_of(32), 0);
        }
        bytes.resize(bytes.len().next_multiple_of(32), 0);
        [bytes, data].concat()
    }
}

fn experts() -> Builder {
    Builder::new()
        .tensor("blk.0.ffn_down_exps.weight.in_sum2", &[2, 3], &[8.0, 16.0, 1.0, 2.0, 3.0, 6.0])
        .tensor("blk.0.ffn_down_exps.weight.counts", &[1, 3], &[4.0, 0.0, 3.0])
        .tensor("blk.0.attn_q.weight.in_sum2", &[2, 1], &[1.0, 3.0])
        .tensor("blk.0.attn_q.weight.counts", &[1, 1], &[2.0])
        .tensor("blk.0.attn_q.weight.in_sum", &[2, 1], &[-1.0, 3.0])
}

/// A legacy file: entries of (name, batches, sums), then what comes after them.
fn legacy(entries: &[(&str, i32, &[f32])], tail: &[u8]) -> Vec<u8> {
    let mut bytes = (entries.len() as i32).to_le_bytes().to_vec();
    for (name, batches, sums) in entries {
        bytes.extend((name.len() as i32).to_le_bytes());
        bytes.extend(name.as_bytes());
        bytes.extend(batches.to_le_bytes());
        bytes.extend((sums.len() as i32).to_le_bytes());
        bytes.extend(sums.iter().flat_map(|sum| sum.to_le_bytes()));
    }
    bytes.extend(tail);
    bytes
}

fn message(bytes: &[u8]) -> String {
    Imatrix::from_bytes(bytes, "x").expect_err("an error").to_string()
}

#[test]
fn sums_become_means_for_each_expert_and_one_where_no_token_came() {
    let imatrix = Imatrix::from_bytes(&experts().build(), "a/imatrix.gguf").expect("an imatrix");
    let entry = imatrix.entry("blk.0.ffn_down_exps.weight").expect("an entry");
    assert_eq!(entry.values, [2.0, 4.0, 1.0, 1.0, 1.0, 2.0]);
    assert_eq!((entry.experts, entry.unseen), (3, 1));
    assert_eq!(imatrix.entry("blk.0.attn_q.weight").expect("an entry").values, [0.5, 1.5]);
    assert_eq!(imatrix.entries().len(), 2);
}

#[test]
fn metadata_are_those_that_llama_quantize_appends() {
    let long = format!("{}ä", "x".repeat(126));
    let imatrix = Imatrix::from_bytes(&experts().build(), &long).expect("an imatrix");
    let text = |text: &str| Value::String(text.to_owned());
    assert_eq!(
        imatrix.metadata(),
        [
            ("quantize.imatrix.file".to_owned(), text(&"x".repeat(126))),
            ("quantize.imatrix.dataset".to_owned(), text("chat.txt")),
            ("quantize.imatrix.entries_count".to_owned(), Value::U32(2)),
            ("quantize.imatrix.chunks_count".to_owned(), Value::U32(7)),
        ]
    );
    let bare =
        Imatrix::from_bytes(&legacy(&[("blk.0.attn_q.weight", 1, &[1.0])], &[]), "b").expect("an imatrix");
    assert_eq!(bare.metadata().len(), 2, "neither text nor chunks are known");
}

#[test]
fn a_legacy_file_gives_its_sums_by_batch() {
    let tail = [&9_i32.to_le_bytes()[..], &8_i32.to_le_bytes(), b"wiki.txt"].concat();
    let entries: [(&str, i32, &[f32]); 2] =
        [("blk.0.attn_q.weight", 4, &[2.0, 6.0]), ("output.weight", 0, &[5.0])];
    let imatrix = Imatrix::from_bytes(&legacy(&entries, &tail), "x.dat").expect("an imatrix");
    assert_eq!(imatrix.entry("blk.0.attn_q.weight").expect("one").values, [0.5, 1.5]);
    assert_eq!(imatrix.entry("output.weight").expect("one").values, [5.0]);
    assert_eq!((imatrix.chunks, imatrix.datasets.as_slice()), (9, &["wiki.txt".to_owned()][..]));
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_an_error() {
    let whole = experts().build();
    // The last tensor is padded; what counts is its data.
    for length in 0..whole.len() - 24 {
        assert!(Imatrix::from_bytes(&whole[..length], "x").is_err(), "{length} of {}", whole.len());
    }
    let entries: [(&str, i32, &[f32]); 2] =
        [("blk.0.attn_q.weight", 4, &[2.0, 6.0]), ("output.weight", 1, &[5.0])];
    let whole = legacy(&entries, &[]);
    for length in 0..whole.len() {
        assert!(Imatrix::from_bytes(&whole[..length], "x").is_err(), "{length} of {}", whole.len());
    }
    assert!(
        message(&whole[..whole.len() - 1]).contains("entry 2 of 2 needs 4 bytes"),
        "{}",
        message(&whole[..whole.len() - 1])
    );
}

#[test]
fn what_is_something_else_is_named() {
    let model = Builder { entries: Vec::new(), tensors: Vec::new() }
        .entry("general.architecture", 8, &string("gemma4"))
        .tensor("token_embd.weight", &[1], &[1.0]);
    assert!(message(&model.build()).contains("no imatrix: its type is `model` (gemma4), with 1 tensors"));
    assert!(message(b"{\"model\": 1}").contains("neither a GGUF file nor a legacy"));
    assert!(message(b"").contains("the file has 0 bytes"));
    let mut without = experts();
    without.entries.remove(2);
    assert!(message(&without.build()).contains("no `imatrix.chunk_count`"));
}

#[test]
fn entries_that_cannot_be_are_named_with_their_tensor() {
    let alone = Builder::new().tensor("a.weight.in_sum2", &[2], &[1.0, 1.0]).build();
    assert!(message(&alone).contains("`a.weight` is broken: there is no `.counts`"));
    let uneven = Builder::new().tensor("a.weight.in_sum2", &[3], &[1.0, 1.0, 1.0]).tensor(
        "a.weight.counts",
        &[2],
        &[1.0, 1.0],
    );
    assert!(message(&uneven.build()).contains("3 sums cannot be shared out to 2 counts"));
    for bad in [f32::NAN, f32::INFINITY, -1.0] {
        let counts =
            Builder::new().tensor("a.weight.in_sum2", &[1], &[1.0]).tensor("a.weight.counts", &[1], &[bad]);
        assert!(message(&counts.build()).contains("tokens were counted"), "{bad}");
        let sums =
            Builder::new().tensor("a.weight.in_sum2", &[1], &[bad]).tensor("a.weight.counts", &[1], &[1.0]);
        assert!(message(&sums.build()).contains("in column 0"), "{bad}");
        assert!(message(&legacy(&[("a", 1, &[1.0, bad])], &[])).contains("in column 1"), "{bad}");
    }
    // ggml aborted the process over such a one.
    let huge = message(&legacy(&[("a", 1, &[1e20, 3e38])], &[]));
    assert!(huge.contains("in column 1; expected a number from 0 to 1e20"), "{huge}");
    assert!(message(&legacy(&[("a", 1, &[1.0]), ("a", 1, &[1.0])], &[])).contains("two entries for `a`"));
    assert!(message(&legacy(&[("a", 1, &[])], &[])).contains("claims 0 values"));
    assert!(message(&legacy(&[("a\u{7}", 1, &[1.0])], &[])).contains("no readable name"));
}
