//! Any bytes, read as config.json: an error, or numbers of a model that are possible.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../src/gguf/mod.rs"]
#[allow(dead_code, unused_imports)]
mod gguf;
#[path = "../../src/checkpoint/attention.rs"]
mod attention;
#[path = "../../src/checkpoint/config.rs"]
#[allow(dead_code)]
mod config;
#[path = "../../src/checkpoint/config_error.rs"]
mod config_error;
#[path = "../../src/checkpoint/expected.rs"]
#[allow(dead_code)]
mod expected;
#[path = "../../src/checkpoint/fields.rs"]
mod fields;

fuzz_target!(|bytes: &[u8]| {
    match config::Config::parse(bytes) {
        Ok(config) => {
            assert!((1..=512).contains(&config.layers()));
            assert!(config.shared_kv_layers <= config.layers());
            // No product overflows, and every layer has what every layer has.
            let expected = expected::expected(&config, 1 << 22);
            assert!(expected.len() as u64 >= 11 * config.layers());
        }
        Err(error) => assert!(!format!("{error} {}", error.help()).contains(char::is_control)),
    }
});
