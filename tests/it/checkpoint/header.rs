//! Headers of safetensors files: what a good one says, and that each fault has its own error.

use slipstream::checkpoint::{HeaderError, read_header};

use super::folder::file;

fn header_error(header: &str, data: &[u8]) -> HeaderError {
    let bytes = file(header, data);
    let error = read_header(&bytes[..], bytes.len() as u64).expect_err(header);
    let shown = format!("{error} {}", error.help());
    assert!(!shown.contains(char::is_control), "{shown}");
    error
}

#[test]
fn a_good_header_is_sorted_and_its_offsets_are_those_of_the_file() {
    let header = r#"{"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"__metadata__":{"x":"y"},
        "a":{"shape":[2,2],"dtype":"BF16","data_offsets":[4,12],"more":null},
        "none":{"dtype":"U8","shape":[3,0],"data_offsets":[4,4]}}  "#;
    let bytes = file(header, &[0; 12]);
    let tensors = read_header(&bytes[..], bytes.len() as u64).expect("good");
    let found: Vec<_> = tensors.iter().map(|each| (each.name.as_str(), each.offset, each.bytes)).collect();
    let start = 8 + header.len() as u64;
    assert_eq!(found, [("a", start + 4, 8), ("b", start, 4), ("none", start + 4, 0)]);
    assert_eq!(read_header(&file("{}", &[])[..], 10).expect("empty"), []);
}

#[test]
fn every_fault_of_a_header_has_its_own_error() {
    type Error = HeaderError;
    let one = |dtype: &str, shape: &str, offsets: &str| {
        format!(r#"{{"x":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#)
    };
    let error = |dtype, shape, offsets| header_error(&one(dtype, shape, offsets), &[0; 8]);
    assert!(matches!(error("BF17", "[4]", "[0,8]"), Error::UnknownDtype { .. }));
    assert!(matches!(error("BF16", "[3]", "[0,8]"), Error::Size { found: 8, expected: Some(6), .. }));
    assert!(matches!(error("F4", "[3]", "[0,2]"), Error::Size { expected: None, .. }));
    let huge = "[4294967296,4294967296]";
    assert!(matches!(error("U8", huge, "[0,8]"), Error::Size { expected: None, .. }));
    assert!(matches!(error("U8", "[9223372036854775808]", "[0,8]"), Error::Size { expected: None, .. }));
    assert!(matches!(error("U8", "[1,1,1,1,1,1,1,1,8]", "[0,8]"), Error::Dimensions { found: 9, .. }));
    assert!(matches!(error("U8", "[9]", "[0,9]"), Error::Range { end: 9, data_len: 8, .. }));
    assert!(matches!(error("U8", "[8]", "[8,0]"), Error::Range { .. }));
    assert!(matches!(error("U8", "[0]", "[18446744073709551615,18446744073709551615]"), Error::Range { .. }));
    assert!(matches!(error("U8", "[4]", "[4,8]"), Error::Gap { offset: 4, expected: 0, .. }));
    assert!(matches!(error("U8", "[4]", "[0,4]"), Error::Trailing { end: 4, data_len: 8 }));
    for bad in ["[-1]", "[1.5]", "[\"8\"]", "8", "[18446744073709551616]"] {
        assert!(matches!(error("U8", bad, "[0,8]"), Error::Json { .. }), "{bad}");
    }
    assert!(matches!(error("U8", "[8]", "[0,8,9]"), Error::Json { .. }));

    let entry =
        |begin, end| format!(r#"{{"dtype":"U8","shape":[{}],"data_offsets":[{begin},{end}]}}"#, end - begin);
    let overlap = format!(r#"{{"a":{},"b":{}}}"#, entry(0, 5), entry(4, 8));
    assert!(matches!(header_error(&overlap, &[0; 8]), Error::Overlap { offset: 4, expected: 5, .. }));
    let same = format!(r#"{{"a":{},"b":{}}}"#, entry(0, 8), entry(0, 8));
    assert!(matches!(header_error(&same, &[0; 8]), Error::Overlap { .. }));
    let twice = format!(r#"{{"a":{},"a":{}}}"#, entry(0, 4), entry(4, 8));
    assert!(matches!(header_error(&twice, &[0; 8]), Error::Duplicate { .. }));
    assert!(matches!(header_error(r#"{"a":{"dtype":"U8"}}"#, &[]), Error::Json { .. }));
    assert!(matches!(header_error("[]", &[]), Error::NotSafetensors));
    assert!(matches!(header_error("", &[]), Error::NotSafetensors));
    assert!(matches!(header_error("{} {}", &[]), Error::Json { .. }));
    let nested = format!("{{\"a\":{}", "[".repeat(100_000));
    assert!(matches!(header_error(&nested, &[]), Error::Json { .. }));
    assert!(matches!(header_error("{\"\u{1b}[2J\":0}", &[]), Error::Json { .. }));
}

#[test]
fn lengths_that_the_file_does_not_have_are_refused_before_anything_is_read() {
    for length in [3, 4, 100_000_001, u64::MAX] {
        let mut bytes = u64::to_le_bytes(length).to_vec();
        bytes.extend(b"{}");
        let error = read_header(&bytes[..], bytes.len() as u64).expect_err("too long");
        assert!(matches!(error, HeaderError::HeaderLength { found, most: 2 } if found == length), "{error}");
    }
    let error = read_header(&[0; 7][..], 7).expect_err("short");
    assert!(matches!(error, HeaderError::TooShort { file_len: 7 }));
    // A file that is shorter than its length said.
    let error = read_header(&[9, 0, 0, 0, 0, 0, 0, 0, b'{'][..], 100).expect_err("short");
    assert!(matches!(error, HeaderError::TooShort { file_len: 9 }));
}
