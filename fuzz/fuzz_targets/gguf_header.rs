//! Any bytes, read as a GGUF header: an error or a header, never a panic, and no memory beyond a small multiple of
//! the bytes (`-rss_limit_mb` sees to that).
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../src/gguf/mod.rs"]
#[allow(dead_code, unused_imports)]
mod gguf;

use gguf::{Header, ReadOptions, printable};

fuzz_target!(|bytes: &[u8]| {
    for options in [
        ReadOptions::default(),
        ReadOptions { keep_elements: 0 },
        ReadOptions::EVERYTHING,
    ] {
        match Header::from_bytes(bytes, options) {
            Ok(header) => {
                for tensor in &header.tensors {
                    assert!(header.data_offset + tensor.offset + tensor.bytes <= bytes.len() as u64);
                }
                for entry in &header.key_values {
                    assert!(!printable(&entry.key).to_string().contains(char::is_control));
                    let items = entry.value.as_array().and_then(|array| array.items());
                    // What was kept can be decoded to its last element.
                    if let (Some(items), Some(array)) = (items, entry.value.as_array()) {
                        assert_eq!(items.count() as u64, array.length);
                    }
                }
            }
            Err(error) => assert!(!format!("{error} {}", error.help()).contains(char::is_control)),
        }
    }
});
