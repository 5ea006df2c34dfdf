//! The metadata of the GGUF, in the order in which the reference converter writes them.
//!
//! It sets some keys twice; the first time decides the place and the last one the value. [`Keys`] does the same, so that
//! the functions here can follow the converter's classes from the outer to the inner one (conversion/base.py:
//! `ModelBase`, `TextModel`; conversion/gemma.py: `Gemma3Model`, `Gemma4Model` and what follows).

use super::config::{Class, Config};
use crate::gguf::{Array, Value};
use crate::quantize::{FileType, QUANTIZATION_VERSION};

/// Entries, each key once.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys(Vec<(String, Value)>);

impl Keys {
    /// Sets a key: in its place where it is there already, else at the end.
    pub(super) fn set(&mut self, key: impl Into<String>, value: Value) {
        let key = key.into();
        match self.0.iter_mut().find(|entry| entry.0 == key) {
            Some(entry) => entry.1 = value,
            None => self.0.push((key, value)),
        }
    }

    /// Sets a text, unless it is empty: the writer leaves those out.
    pub(super) fn set_text(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            self.set(key, Value::String(text.to_owned()));
        }
    }

    pub(super) fn into_entries(self) -> Vec<(String, Value)> {
        self.0
    }
}

/// Keys of one architecture.
struct Model<'a> {
    keys: &'a mut Keys,
    prefix: &'static str,
}

impl Model<'_> {
    fn set(&mut self, key: &str, value: Value) {
        self.keys.set(format!("{}.{key}", self.prefix), value);
    }

    /// A number that the config reader has found to be far below 2^32.
    fn count(&mut self, key: &str, value: u64) {
        self.set(key, Value::U32(value as u32));
    }

    fn number(&mut self, key: &str, value: f64) {
        self.set(key, Value::F32(value as f32));
    }

    /// The converter's arrays of numbers are signed.
    fn counts(&mut self, key: &str, values: impl Iterator<Item = u64>) {
        let values: Vec<i32> = values.map(|value| value as i32).collect();
        self.set(key, Value::Array(Array::of_i32s(&values)));
    }
}

/// Adds what config.json says; `suppressed` are tokens never to be generated (generation_config.json).
pub(super) fn add_model(keys: &mut Keys, config: &Config, suppressed: &[i32]) {
    let mut model = Model { keys, prefix: config.class.architecture() };
    model.count("block_count", config.layers());
    model.count("context_length", config.context);
    model.count("embedding_length", config.hidden);
    model.count("feed_forward_length", config.feed_forward);
    model.count("attention.head_count", config.heads);
    model.count("attention.head_count_kv", config.kv_heads);
    model.number("rope.freq_base", config.full_rope_theta);
    if let Some(theta) = config.sliding_rope_theta {
        model.number("rope.freq_base_swa", theta);
    }
    model.number("attention.layer_norm_rms_epsilon", config.rms_epsilon);
    if let Some(experts) = config.experts {
        model.count("expert_count", experts);
    }
    if let Some(used) = config.experts_used {
        model.count("expert_used_count", used);
    }
    model.count("attention.key_length", config.full_head_dim);
    model.count("attention.value_length", config.full_head_dim);
    model.keys.set("general.file_type", Value::U32(FileType::BF16.id()));
    if let Some(cap) = config.softcap {
        model.number("final_logit_softcapping", cap);
    }
    model.count("attention.sliding_window", config.sliding_window);
    model.count("attention.shared_kv_layers", config.shared_kv_layers);
    model.count("embedding_length_per_layer_input", config.per_layer_input);
    let pattern = Value::Array(Array::of_bools(&config.is_sliding));
    model.set("attention.sliding_window_pattern", pattern);
    model.count("attention.key_length_swa", config.head_dim);
    model.count("attention.value_length_swa", config.head_dim);
    if let Some(width) = config.expert_feed_forward {
        model.count("expert_feed_forward_length", width);
    }
    if config.is_double_wide {
        let widths = (0..config.layers()).map(|layer| config.feed_forward_of(layer));
        model.counts("feed_forward_length", widths);
    }
    if let Some(full) = config.full_kv_heads {
        let heads =
            config.is_sliding.iter().map(|&is_sliding| if is_sliding { config.kv_heads } else { full });
        model.counts("attention.head_count_kv", heads);
    }
    model.count("rope.dimension_count", config.full_head_dim);
    model.count("rope.dimension_count_swa", config.head_dim);
    if config.class == Class::Unified && !suppressed.is_empty() {
        let suppressed = Value::Array(Array::of_i32s(suppressed));
        model.keys.set("tokenizer.ggml.suppress_tokens", suppressed);
    }
    if let Some(backbone) = config.backbone_hidden {
        model.count("embedding_length_out", backbone);
        model.count("nextn_predict_layers", config.layers());
    }
    model.keys.set("general.quantization_version", Value::U32(QUANTIZATION_VERSION));
}

/// The frequency factors of full-attention layers: 1 for the pairs that are turned, and so large a number for the others
/// that they are not (conversion/gemma.py, `generate_extra_tensors`).
pub(super) fn rope_factors(config: &Config) -> Vec<f32> {
    const NOT_TURNED: f32 = 1e30;
    let pairs = config.full_head_dim / 2;
    let turned = (config.full_head_dim as f64 * config.rotary_factor / 2.0) as u64;
    (0..pairs).map(|pair| if pair < turned { 1.0 } else { NOT_TURNED }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_time_decides_the_place_and_the_last_the_value() {
        let mut keys = Keys::default();
        keys.set("a", Value::U32(1));
        keys.set("b", Value::U32(2));
        keys.set("a", Value::U32(3));
        keys.set_text("c", "");
        assert_eq!(keys.into_entries(), [("a".to_owned(), Value::U32(3)), ("b".to_owned(), Value::U32(2))]);
    }
}
