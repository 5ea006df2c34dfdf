//! Random headers and configs, and good ones with something changed: an error or a value, never a panic.

use proptest::prelude::*;
use slipstream::checkpoint::{Config, read_header};

use super::folder::{Folder, SMALL, Stored, file, safetensors};

fn check_header(bytes: &[u8]) {
    match read_header(bytes, bytes.len() as u64) {
        Ok(tensors) => {
            for tensor in &tensors {
                assert!(tensor.offset + tensor.bytes <= bytes.len() as u64);
                let elements: u64 = tensor.shape.iter().product();
                assert_eq!(elements * tensor.dtype.bits, tensor.bytes * 8);
            }
            assert!(tensors.windows(2).all(|pair| pair[0].name < pair[1].name));
        }
        Err(error) => assert!(!format!("{error} {}", error.help()).contains(char::is_control)),
    }
}

fn check_config(bytes: &[u8]) {
    match Config::parse(bytes) {
        Ok(config) => assert!((1..=512).contains(&config.layers())),
        Err(error) => assert!(!format!("{error} {}", error.help()).contains(char::is_control)),
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_header_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..256), text in ".{0,200}") {
        check_header(&bytes);
        check_header(&file(&text, &bytes));
        check_config(&bytes);
        check_config(text.as_bytes());
    }

    #[test]
    fn a_good_header_with_changed_bytes(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let names = ["a".to_owned(), "model.b".to_owned()];
        let tensors = [Stored::bf16("a", &[3, 2]), Stored::bf16("b", &[4])];
        let mut bytes = safetensors(names.iter().zip(&tensors));
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        check_header(&bytes);
        let cut = bytes.len() / 2;
        check_header(&bytes[..cut]);
    }

    #[test]
    fn a_good_config_with_changed_bytes(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut bytes = Folder::mixture(SMALL).config.to_string().into_bytes();
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        check_config(&bytes);
    }

    #[test]
    fn a_good_config_with_a_changed_value(
        key in any::<prop::sample::Index>(),
        value in prop_oneof![
            any::<u64>().prop_map(Into::into), any::<i64>().prop_map(Into::into), any::<f64>().prop_map(Into::into),
            ".{0,9}".prop_map(Into::into), Just(serde_json::Value::Null), any::<bool>().prop_map(Into::into),
            Just(serde_json::json!({"2": {"head_dim": 7}})), Just(serde_json::json!([1])),
        ],
    ) {
        let mut config = Folder::mixture(SMALL).config;
        let text = config["text_config"].as_object_mut().expect("an object");
        let keys: Vec<String> = text.keys().cloned().collect();
        text.insert(keys[key.index(keys.len())].clone(), value);
        check_config(config.to_string().as_bytes());
    }
}
