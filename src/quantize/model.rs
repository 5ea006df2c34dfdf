//! The few facts about a model that decide types: read from its metadata, as llama.cpp's loader reads them.

use super::error::PlanError;
use crate::gguf::Value;

/// Layers llama.cpp can hold (`LLAMA_MAX_LAYERS` of llama-hparams.h).
const MAX_LAYERS: u32 = 512;

/// What the rules of llama-quant.cpp ask of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFacts {
    /// `general.architecture`.
    pub architecture: String,
    /// Layers (`block_count`).
    pub layers: u32,
    /// Experts of a mixture-of-experts layer; 0 where there are none.
    pub experts: u32,
    /// Attention heads that share a key-value head in the first layer (`n_gqa`).
    pub heads_per_kv_head: u32,
    /// Whether llama.cpp takes it for a 70B, whose `attn_v` gets more bits.
    pub is_70b: bool,
}

impl ModelFacts {
    /// Reads the facts.
    ///
    /// # Errors
    /// Where the metadata name no architecture or no layers.
    pub fn read(metadata: &[(String, Value)]) -> Result<ModelFacts, PlanError> {
        let find = |key: &str| metadata.iter().find(|entry| entry.0 == key).map(|entry| &entry.1);
        let architecture = find("general.architecture")
            .and_then(Value::as_str)
            .ok_or(PlanError::MissingKey { key: "general.architecture".to_owned() })?;
        let value = |name: &str| find(&format!("{architecture}.{name}"));
        let layers = value("block_count")
            .and_then(Value::as_u32)
            .filter(|layers| (1..=MAX_LAYERS).contains(layers))
            .ok_or_else(|| PlanError::MissingKey { key: format!("{architecture}.block_count") })?;
        let heads = value("attention.head_count").and_then(first).unwrap_or(0);
        // llama-model.cpp: as many key-value heads as heads where the file does not say.
        let kv_heads = value("attention.head_count_kv").and_then(first).unwrap_or(heads);
        let is_70b = match architecture {
            "llama" => layers == 80 && heads != kv_heads,
            "deci" | "qwen2" | "olmo" => layers == 80,
            "jais2" => layers == 68,
            _ => false,
        };
        Ok(ModelFacts {
            architecture: architecture.to_owned(),
            layers,
            experts: value("expert_count").and_then(Value::as_u32).unwrap_or(0),
            heads_per_kv_head: heads.checked_div(kv_heads).unwrap_or(0),
            is_70b,
        })
    }
}

/// The first layer's number, of a value for all layers or one for each.
fn first(value: &Value) -> Option<u32> {
    match value {
        Value::Array(array) => array.items()?.next()?.as_u32(),
        one => one.as_u32(),
    }
}
