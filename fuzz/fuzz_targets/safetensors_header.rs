//! Any bytes, read as a safetensors file: an error or tensors that lie within it, never a panic, and no memory beyond a
//! small multiple of the bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../src/gguf/mod.rs"]
#[allow(dead_code, unused_imports)]
mod gguf;
#[path = "../../src/checkpoint/safetensors.rs"]
#[allow(dead_code)]
mod safetensors;
#[path = "../../src/checkpoint/safetensors_error.rs"]
mod safetensors_error;

fuzz_target!(|bytes: &[u8]| {
    match safetensors::read_header(bytes, bytes.len() as u64) {
        Ok(tensors) => {
            let mut data = 0;
            for tensor in &tensors {
                assert!(tensor.offset + tensor.bytes <= bytes.len() as u64);
                let elements: u64 = tensor.shape.iter().product();
                assert_eq!(elements * tensor.dtype.bits, tensor.bytes * 8);
                data += tensor.bytes;
            }
            assert!(data <= bytes.len() as u64, "no two share bytes");
            assert!(tensors.windows(2).all(|pair| pair[0].name < pair[1].name));
        }
        Err(error) => assert!(!format!("{error} {}", error.help()).contains(char::is_control)),
    }
});
