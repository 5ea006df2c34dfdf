//! config.json of a Gemma 4 checkpoint: the numbers of the model.
//!
//! Two forms are in use. The first names what full-attention layers have different (`global_head_dim`,
//! `num_global_key_value_heads`); transformers since 5.2 writes `per_layer_config` instead, a table of layers. And it
//! leaves out what equals its defaults, which therefore stand here (configuration_gemma4.py and
//! configuration_gemma4_unified.py of transformers 5.24).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::attention::{FullLayers, Rope, sliding_layers};
use super::config_error::ConfigError;
use super::fields::{Fields, MAX_SIZE};

/// Layers at most (`LLAMA_MAX_LAYERS` of llama.cpp's llama-hparams.h). As in quantize/model.rs: this reader stands alone, so
/// that it can be fuzzed without the rest.
const MAX_LAYERS: u64 = 512;

/// What kind of checkpoint it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// E2B, E4B, 26B-A4B, 31B.
    Target,
    /// The 12B, whose encoders have no transformer of their own.
    Unified,
    /// The drafter of a [`Class::Target`].
    Assistant,
    /// The drafter of a [`Class::Unified`].
    UnifiedAssistant,
}

/// `architectures[0]` of config.json, and what it is.
const CLASSES: [(&str, Class); 5] = [
    ("Gemma4ForConditionalGeneration", Class::Target),
    ("Gemma4ForCausalLM", Class::Target),
    ("Gemma4UnifiedForConditionalGeneration", Class::Unified),
    ("Gemma4AssistantForCausalLM", Class::Assistant),
    ("Gemma4UnifiedAssistantForCausalLM", Class::UnifiedAssistant),
];

impl Class {
    /// Whether it is a drafter.
    #[must_use]
    pub fn is_assistant(self) -> bool {
        matches!(self, Class::Assistant | Class::UnifiedAssistant)
    }

    /// Whether it is of the 12B's family, whose defaults differ.
    fn is_unified(self) -> bool {
        matches!(self, Class::Unified | Class::UnifiedAssistant)
    }

    /// `general.architecture` of its GGUF.
    #[must_use]
    pub fn architecture(self) -> &'static str {
        if self.is_assistant() { "gemma4-assistant" } else { "gemma4" }
    }
}

/// Everything config.json says that a GGUF needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What kind of checkpoint it is.
    pub class: Class,
    /// Width of the hidden row.
    pub hidden: u64,
    /// Width of the dense feed-forward part.
    pub feed_forward: u64,
    /// Whether that is twice as wide in layers without keys and values of their own.
    pub is_double_wide: bool,
    /// Attention heads.
    pub heads: u64,
    /// Key-value heads, of sliding layers where full ones have another number.
    pub kv_heads: u64,
    /// Key-value heads of full-attention layers where they have another number.
    pub full_kv_heads: Option<u64>,
    /// Width of a head in sliding layers.
    pub head_dim: u64,
    /// Width of a head in full-attention layers.
    pub full_head_dim: u64,
    /// For each layer, whether it attends to a sliding window only.
    pub is_sliding: Vec<bool>,
    /// Tokens of that window.
    pub sliding_window: u64,
    /// Layers at the end that use keys and values of earlier ones.
    pub shared_kv_layers: u64,
    /// Width of the embeddings each layer has of its own; 0 where there are none.
    pub per_layer_input: u64,
    /// Whether layers have experts.
    pub is_mixture: bool,
    /// Experts of a layer.
    pub experts: Option<u64>,
    /// Experts that a token uses.
    pub experts_used: Option<u64>,
    /// Width of an expert.
    pub expert_feed_forward: Option<u64>,
    /// Tokens of context.
    pub context: u64,
    /// The norms' epsilon.
    pub rms_epsilon: f64,
    /// Base of the rotary frequencies of full-attention layers.
    pub full_rope_theta: f64,
    /// And of sliding layers.
    pub sliding_rope_theta: Option<f64>,
    /// The part of a head, in full-attention layers, that is turned at all.
    pub rotary_factor: f64,
    /// Cap of the final scores.
    pub softcap: Option<f64>,
    /// Width of the target's hidden row, for a drafter.
    pub backbone_hidden: Option<u64>,
    /// `bos_token_id` and the like: `None` where it is there and no single number.
    pub token_ids: BTreeMap<String, Option<u64>>,
    /// The name or path it was saved under.
    pub saved_as: Option<String>,
}

impl Config {
    /// Layers.
    #[must_use]
    pub fn layers(&self) -> u64 {
        self.is_sliding.len() as u64
    }

    /// Whether a layer has keys and values of its own.
    #[must_use]
    pub fn has_own_kv(&self, layer: u64) -> bool {
        layer < self.layers() - self.shared_kv_layers
    }

    /// Width of the dense feed-forward part of a layer.
    #[must_use]
    pub fn feed_forward_of(&self, layer: u64) -> u64 {
        let is_wide = self.is_double_wide && !self.has_own_kv(layer);
        self.feed_forward * if is_wide { 2 } else { 1 }
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn parse(json: &[u8]) -> Result<Config, ConfigError> {
        let root: Map<String, Value> = serde_json::from_slice(json).map_err(ConfigError::json)?;
        let nothing = Map::new();
        // A text-only checkpoint has no inner part.
        let text = root.get("text_config").and_then(Value::as_object);
        let class = class(&root, text.unwrap_or(&nothing))?;
        refuse_quantized(&root)?;
        let fields = Fields(text.unwrap_or(&root));
        let numbers = |key, default| fields.count(key, default, 1..=MAX_SIZE);
        let layers = fields.count("num_hidden_layers", 30, 1..=MAX_LAYERS)?;
        let is_sliding = sliding_layers(&fields, layers)?;
        let (head_dim, kv_heads) = (numbers("head_dim", 256)?, numbers("num_key_value_heads", 4)?);
        let full = FullLayers::read(&fields, &is_sliding, head_dim, kv_heads)?;
        let rope = Rope::read(&fields)?;
        let shared = fields.count("num_kv_shared_layers", 0, 0..=layers)?;
        refuse_bidirectional(&fields)?;
        Ok(Config {
            class,
            hidden: numbers("hidden_size", 2304)?,
            feed_forward: numbers("intermediate_size", 9216)?,
            is_double_wide: fields.truth("use_double_wide_mlp")?,
            heads: numbers("num_attention_heads", 8)?,
            kv_heads,
            full_kv_heads: full.kv_heads,
            head_dim,
            full_head_dim: full.head_dim,
            is_sliding,
            sliding_window: numbers("sliding_window", if class.is_unified() { 1024 } else { 512 })?,
            // A drafter has no keys and values at all; transformers fills this in where it is missing.
            shared_kv_layers: if class.is_assistant() && shared == 0 { layers } else { shared },
            per_layer_input: match class {
                Class::Target => fields.count("hidden_size_per_layer_input", 256, 0..=MAX_SIZE)?,
                _ => fields.count("hidden_size_per_layer_input", 0, 0..=MAX_SIZE)?,
            },
            is_mixture: fields.truth("enable_moe_block")?,
            experts: fields.optional_count("num_experts", 0..=MAX_SIZE)?,
            experts_used: fields.optional_count("top_k_experts", 0..=MAX_SIZE)?,
            expert_feed_forward: fields.optional_count("moe_intermediate_size", 0..=MAX_SIZE)?,
            context: fields.count(
                "max_position_embeddings",
                if class.is_unified() { 262_144 } else { 131_072 },
                1..=u64::from(u32::MAX),
            )?,
            rms_epsilon: fields.number("rms_norm_eps")?.unwrap_or(1e-6),
            full_rope_theta: rope.full_theta,
            sliding_rope_theta: rope.sliding_theta,
            rotary_factor: rope.factor,
            // 0 turns it off.
            softcap: fields.number("final_logit_softcapping")?.filter(|&cap| cap != 0.0),
            backbone_hidden: match class {
                Class::Assistant => Some(Fields(&root).count("backbone_hidden_size", 1536, 1..=MAX_SIZE)?),
                Class::UnifiedAssistant => {
                    Some(Fields(&root).count("backbone_hidden_size", 3840, 1..=MAX_SIZE)?)
                }
                _ => None,
            },
            token_ids: token_ids(&root, text),
            saved_as: root.get("_name_or_path").and_then(Value::as_str).map(str::to_owned),
        })
    }
}

fn class(root: &Map<String, Value>, text: &Map<String, Value>) -> Result<Class, ConfigError> {
    // As the reference converter looks for it.
    let architectures = [text, root].into_iter().find_map(|part| part.get("architectures")?.as_array());
    let found = architectures.and_then(|all| all.first()?.as_str());
    let class = CLASSES.iter().find(|entry| Some(entry.0) == found).map(|entry| entry.1);
    class.ok_or_else(|| ConfigError::Architecture { found: found.map(str::to_owned) })
}

/// Weights in another program's quantized form are none of ours. The "unquantized" QAT checkpoints describe how they
/// were trained in the same place, but name no method.
fn refuse_quantized(root: &Map<String, Value>) -> Result<(), ConfigError> {
    let about = root.get("quantization_config").and_then(Value::as_object);
    let method = |key| about.and_then(|about| about.get(key)).filter(|value| !value.is_null());
    match method("quant_method").or_else(|| method("quant_algo")) {
        Some(method) => Err(ConfigError::Quantized { method: method.to_string() }),
        None => Ok(()),
    }
}

/// Attention to later tokens in all layers: an encoder, which a text model's GGUF has no place for.
fn refuse_bidirectional(fields: &Fields<'_>) -> Result<(), ConfigError> {
    match fields.0.get("use_bidirectional_attention") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(text)) if text == "vision" => Ok(()),
        Some(other) => {
            Err(ConfigError::value("use_bidirectional_attention", other, "null or \"vision\"".to_owned()))
        }
    }
}

/// `*_token_id` of both parts; what the outer one says counts.
fn token_ids(root: &Map<String, Value>, text: Option<&Map<String, Value>>) -> BTreeMap<String, Option<u64>> {
    let entries = text.into_iter().flatten().chain(root);
    let entries = entries.filter(|(key, value)| key.ends_with("_token_id") && !value.is_null());
    entries.map(|(key, value)| (key.clone(), value.as_u64())).collect()
}
