//! Values of a Gemma 4 file that llama.cpp takes on trust and would abort over: each is checked before the file is
//! loaded. What other architectures may contain is llama.cpp's business; its last words are ours (`llama::backend`).

use crate::gguf::{Header, Value};

/// A value outside what the architecture allows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} is {found}, expected {expected}")]
pub struct BadValue {
    /// The metadata key.
    pub key: String,
    /// The value in the file.
    pub found: String,
    /// What would be right.
    pub expected: String,
}

/// More layers than any model has: llama.cpp's own limit (`LLAMA_MAX_LAYERS`).
const MAX_LAYERS: u32 = 512;
/// More experts than any model has: llama.cpp's own limit (`LLAMA_MAX_EXPERTS`).
const MAX_EXPERTS: u32 = 512;

/// Checks the values of a Gemma 4 target or drafter. Other files pass.
///
/// # Errors
/// The first value that is wrong.
pub fn check(header: &Header) -> Result<(), BadValue> {
    let Some(architecture @ ("gemma4" | "gemma4-assistant")) = header.architecture() else { return Ok(()) };
    let values = Values { header, architecture };
    values.within("block_count", 1, MAX_LAYERS)?;
    let layers = values.get("block_count").unwrap_or(1);
    values.within("embedding_length", 1, 1 << 20)?;
    values.within("context_length", 1, 1 << 30)?;
    values.within("nextn_predict_layers", 0, layers)?;
    let most_shared = if architecture == "gemma4" { layers.saturating_sub(1) } else { layers };
    values.within("attention.shared_kv_layers", 0, most_shared)?;
    values.within("attention.sliding_window", 1, 1 << 30)?;
    for (key, value, rope) in [
        ("attention.key_length", "attention.value_length", "rope.dimension_count"),
        ("attention.key_length_swa", "attention.value_length_swa", "rope.dimension_count_swa"),
    ] {
        values.within(key, 2, 1 << 16)?;
        let Some(length) = values.get(key) else { continue };
        values.within(value, length, length)?;
        values.within(rope, 2, length)?;
        if values.get(rope).is_some_and(|count| count % 2 == 1) {
            return Err(values.bad(rope, "an even number".to_owned()));
        }
    }
    values.within("expert_count", 0, MAX_EXPERTS)?;
    match values.get("expert_count").unwrap_or(0) {
        0 => values.within("expert_used_count", 0, 0)?,
        experts => values.within("expert_used_count", 1, experts)?,
    }
    let epsilon = "attention.layer_norm_rms_epsilon";
    let small = |value: f32| value > 0.0 && value < 1.0;
    if values.value(epsilon).is_some_and(|value| !value.as_f32().is_some_and(small)) {
        return Err(values.bad(epsilon, "a number between 0 and 1".to_owned()));
    }
    values.tokenizer()
}

struct Values<'a> {
    header: &'a Header,
    architecture: &'a str,
}

impl Values<'_> {
    fn value(&self, suffix: &str) -> Option<&Value> {
        self.header.arch(suffix)
    }

    fn get(&self, suffix: &str) -> Option<u32> {
        self.value(suffix)?.as_u32()
    }

    fn bad(&self, suffix: &str, expected: String) -> BadValue {
        let found = self.value(suffix).map_or_else(|| "missing".to_owned(), short);
        BadValue { key: format!("{}.{suffix}", self.architecture), found, expected }
    }

    /// A single number must lie within the bounds; what is missing or differs by layer is left to llama.cpp.
    fn within(&self, suffix: &str, least: u32, most: u32) -> Result<(), BadValue> {
        match self.value(suffix) {
            None | Some(Value::Array(_)) => Ok(()),
            Some(value) if value.as_u32().is_some_and(|value| (least..=most).contains(&value)) => Ok(()),
            Some(_) if least == most => Err(self.bad(suffix, least.to_string())),
            Some(_) => Err(self.bad(suffix, format!("a number from {least} to {most}"))),
        }
    }

    /// The vocabulary is of the kind that Gemma 4 has, and its special tokens are in it.
    fn tokenizer(&self) -> Result<(), BadValue> {
        let bad =
            |key: &str, found: String, expected: String| BadValue { key: key.to_owned(), found, expected };
        if let Some(kind) = self.header.get_str("tokenizer.ggml.model")
            && !matches!(kind, "gemma4" | "llama" | "gpt2" | "none" | "no_vocab")
        {
            let found = crate::gguf::Printable::short(kind, 40).to_string();
            return Err(bad("tokenizer.ggml.model", format!("`{found}`"), "`gemma4`".to_owned()));
        }
        let Some(count) = self.header.get_array("tokenizer.ggml.tokens").map(|tokens| tokens.length) else {
            return Ok(());
        };
        for name in ["bos", "eos", "eot", "unknown", "padding", "mask", "separator"] {
            let key = format!("tokenizer.ggml.{name}_token_id");
            if let Some(id) = self.header.get(&key)
                && id.as_u64().is_none_or(|id| id >= count)
            {
                return Err(bad(&key, short(id), format!("the number of one of the {count} tokens")));
            }
        }
        Ok(())
    }
}

fn short(value: &Value) -> String {
    match value {
        Value::String(text) => crate::gguf::Printable::short(text, 40).to_string(),
        Value::Array(_) => "a list".to_owned(),
        _ => value
            .as_u64()
            .map(|number| number.to_string())
            .or_else(|| value.as_f32().map(|number| number.to_string()))
            .unwrap_or_else(|| "no whole number".to_owned()),
    }
}
