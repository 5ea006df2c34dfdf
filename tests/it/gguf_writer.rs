//! What our writer writes, our reader reads; and it is what the other writer of these tests makes.

use proptest::prelude::*;

use super::gguf_builder::Builder;
use slipstream::gguf::{Array, GgmlType, Header, Layout, NewTensor, ReadOptions, Value, Writer};

fn entry(key: &str, value: Value) -> (String, Value) {
    (key.to_owned(), value)
}

/// A value of every type.
fn metadata() -> Vec<(String, Value)> {
    vec![
        entry("general.architecture", Value::String("gemma4".to_owned())),
        entry("a.u8", Value::U8(200)),
        entry("a.i8", Value::I8(-3)),
        entry("a.u16", Value::U16(65_000)),
        entry("a.i16", Value::I16(-30_000)),
        entry("a.u32", Value::U32(4_000_000_000)),
        entry("a.i32", Value::I32(-5)),
        entry("a.f32", Value::F32(1e-6)),
        entry("a.bool", Value::Bool(true)),
        entry("a.u64", Value::U64(u64::MAX)),
        entry("a.i64", Value::I64(i64::MIN)),
        entry("a.f64", Value::F64(0.1)),
        entry("a.empty", Value::String(String::new())),
        entry("texts", Value::Array(Array::of_texts(["a", "", "\u{2581}länger als acht"]))),
        entry("numbers", Value::Array(Array::of_i32s(&[-1, 2, 3]))),
        entry("counts", Value::Array(Array::of_u32s(&[7]))),
        entry("scores", Value::Array(Array::of_f32s(&[-1000.0, 0.5]))),
        entry("flags", Value::Array(Array::of_bools(&[true, false, true]))),
        entry("nothing", Value::Array(Array::of_u32s(&[]))),
    ]
}

/// The whole file, data written in pieces of `piece` bytes.
fn written(layout: &Layout, piece: usize) -> Vec<u8> {
    let mut writer = Writer::begin(Vec::new(), layout).expect("write the header");
    for (number, tensor) in layout.tensors().iter().enumerate() {
        let data = vec![number as u8 + 1; tensor.bytes as usize];
        for part in data.chunks(piece) {
            writer.write(part).expect("write data");
        }
    }
    assert_eq!(writer.position(), layout.file_bytes());
    writer.finish().expect("a whole file")
}

const TENSORS: [NewTensor<'static>; 3] = [
    NewTensor { name: "token_embd.weight", shape: &[64, 3], tensor_type: GgmlType::Q8_0 },
    NewTensor { name: "output_norm.weight", shape: &[5], tensor_type: GgmlType::F32 },
    NewTensor { name: "experts", shape: &[32, 2, 3], tensor_type: GgmlType::BF16 },
];

#[test]
fn a_written_file_is_read_as_it_was_meant() {
    let layout = Layout::new(&metadata(), &TENSORS).expect("a layout");
    let file = written(&layout, 7);
    assert_eq!(file.len() as u64, layout.file_bytes());
    let header = Header::from_bytes(&file, ReadOptions::EVERYTHING).expect("our own file");
    let read: Vec<(String, Value)> =
        header.key_values.iter().map(|each| (each.key.clone(), each.value.clone())).collect();
    assert_eq!(read, metadata(), "values and hashes");
    assert_eq!(header.tensors, layout.tensors());
    assert_eq!(header.data_offset, layout.header().len() as u64);
    for (number, tensor) in header.tensors.iter().enumerate() {
        let begin = (header.data_offset + tensor.offset) as usize;
        let data = &file[begin..begin + tensor.bytes as usize];
        assert!(data.iter().all(|&byte| usize::from(byte) == number + 1), "{}", tensor.name);
    }
}

#[test]
fn both_writers_write_the_same_header() {
    let entries = [
        entry("general.architecture", Value::String("gemma4".to_owned())),
        entry("n", Value::U32(3)),
        entry("tokens", Value::Array(Array::of_texts(["a", "bc"]))),
        entry("flags", Value::Array(Array::of_bools(&[true, false]))),
    ];
    let layout = Layout::new(&entries, &TENSORS[..1]).expect("a layout");
    let other = Builder::model("gemma4")
        .number("n", 3)
        .texts("tokens", &["a".to_owned(), "bc".to_owned()])
        .bools("flags", &[true, false])
        .tensor("token_embd.weight", &[64, 3], GgmlType::Q8_0)
        .build();
    assert_eq!(layout.header(), &other[..layout.header().len()]);
    assert_eq!(layout.file_bytes(), other.len() as u64);
}

#[test]
fn what_no_reader_would_accept_is_refused() {
    let message = |metadata: &[(String, Value)], tensors: &[NewTensor<'_>]| {
        Layout::new(metadata, tensors).expect_err("must be refused").to_string()
    };
    let twice = [entry("k", Value::U8(1)), entry("k", Value::U8(2))];
    assert!(message(&twice, &[]).contains("`k` occurs twice"));
    assert!(message(&[], &[TENSORS[0], TENSORS[0]]).contains("token_embd.weight` occurs twice"));
    assert!(message(&[entry("", Value::U8(1))], &[]).contains("0 bytes, expected 1"));
    let long = "n".repeat(64);
    let tensor = NewTensor { name: &long, ..TENSORS[0] };
    assert!(message(&[], &[tensor]).contains("64 bytes, expected 1 to 63"));
    let ragged = NewTensor { name: "r", shape: &[33], tensor_type: GgmlType::Q8_0 };
    assert!(message(&[], &[ragged]).contains("33 elements"));
    let odd = [entry("general.alignment", Value::U32(24))];
    assert!(message(&odd, &[]).contains("power of two"));
    let whole = written(&Layout::new(&metadata(), &TENSORS).expect("a layout"), 64);
    let cut = Header::from_bytes(&whole, ReadOptions { keep_elements: 0 }).expect("a header");
    let entries: Vec<_> = cut.key_values.into_iter().map(|each| (each.key, each.value)).collect();
    assert!(message(&entries, &[]).contains("not kept"));
}

#[test]
fn a_tensor_gets_its_bytes_and_no_more() {
    let layout = Layout::new(&[], &TENSORS).expect("a layout");
    let mut writer = Writer::begin(Vec::new(), &layout).expect("write the header");
    let bytes = layout.tensors()[0].bytes as usize;
    assert!(writer.write(&vec![0; bytes + 1]).is_err());
    writer.write(&vec![0; bytes]).expect("as many as it has");
    let missing = writer.finish().expect_err("two tensors are missing");
    assert!(missing.to_string().contains("output_norm.weight"), "{missing}");
}

proptest! {
    #[test]
    fn a_resumed_file_has_the_bytes_of_one_written_at_once(piece in 1_usize..40, stop in 0_usize..40) {
        let layout = Layout::new(&metadata(), &TENSORS).expect("a layout");
        let whole = written(&layout, piece);
        // As far as some whole piece.
        let mut writer = Writer::begin(Vec::new(), &layout).expect("write the header");
        let pieces: Vec<Vec<u8>> = layout.tensors().iter().enumerate().flat_map(|(number, tensor)| {
            let data = vec![number as u8 + 1; tensor.bytes as usize];
            data.chunks(piece).map(<[u8]>::to_vec).collect::<Vec<_>>()
        }).collect();
        let stop = stop.min(pieces.len());
        for each in &pieces[..stop] {
            writer.write(each).expect("write data");
        }
        let position = writer.position();
        let begun = std::mem::take(writer.get_mut());
        prop_assert_eq!(begun.len() as u64, position);
        let mut writer = Writer::resume(begun, &layout, position).expect("a place where writers stop");
        for each in &pieces[stop..] {
            writer.write(each).expect("write data");
        }
        prop_assert_eq!(writer.finish().expect("a whole file"), whole);
    }
}

#[test]
fn nothing_goes_on_within_the_header_or_padding() {
    let layout = Layout::new(&metadata(), &TENSORS).expect("a layout");
    let header = layout.header().len() as u64;
    let norm = layout.tensors()[1].clone();
    let resumes = |position| Writer::resume(Vec::new(), &layout, position).is_some();
    assert!(resumes(header) && resumes(layout.file_bytes()));
    assert!(!resumes(header - 1));
    assert!(!resumes(header + norm.offset + norm.bytes), "padding follows");
    assert!(!resumes(layout.file_bytes() + 1));
}
