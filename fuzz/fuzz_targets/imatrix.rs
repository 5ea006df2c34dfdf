//! Any bytes, read as an importance matrix of either format: an error or an imatrix, never a panic, and no memory
//! beyond a small multiple of the bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../src/gguf/mod.rs"]
#[allow(dead_code, unused_imports)]
mod gguf;
#[path = "../../src/quantize/imatrix/mod.rs"]
#[allow(dead_code)]
mod imatrix;

use imatrix::Imatrix;

fuzz_target!(|bytes: &[u8]| {
    match Imatrix::from_bytes(bytes, "fuzz.gguf") {
        Ok(imatrix) => {
            let mut values = 0;
            for (name, entry) in imatrix.entries() {
                assert!(imatrix.entry(name) == Some(entry));
                assert!(entry.values.iter().all(|value| value.is_finite() && *value >= 0.0));
                values += entry.values.len();
            }
            assert!(values * 4 <= bytes.len());
            assert!(imatrix.metadata().len() >= 2);
        }
        Err(error) => assert!(!format!("{error} {}", error.help()).contains(char::is_control)),
    }
});
