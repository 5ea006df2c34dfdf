//! What config.json says of attention: which layers see a window only, what the others have different, and the rotary
//! embeddings of both.

use serde_json::Value;

use super::config_error::ConfigError;
use super::fields::{Fields, MAX_SIZE};

/// Five sliding layers and a full one by turns where nothing else is said; the last one is always a full one.
pub(super) fn sliding_layers(fields: &Fields<'_>, layers: u64) -> Result<Vec<bool>, ConfigError> {
    const KEY: &str = "layer_types";
    let mut is_sliding: Vec<bool> = match fields.0.get(KEY) {
        None | Some(Value::Null) => (1..=layers).map(|layer| layer % 6 != 0).collect(),
        Some(Value::Array(types)) if types.len() as u64 == layers => {
            let is_sliding = types.iter().map(|layer_type| match layer_type.as_str() {
                Some("sliding_attention") => Ok(true),
                Some("full_attention") => Ok(false),
                _ => {
                    let expected = "\"sliding_attention\" or \"full_attention\"".to_owned();
                    Err(ConfigError::value(KEY, layer_type, expected))
                }
            });
            is_sliding.collect::<Result<_, _>>()?
        }
        Some(Value::Array(types)) => {
            let found = format!("{} layers", types.len());
            return Err(ConfigError::Value { key: KEY.to_owned(), found, expected: format!("{layers}") });
        }
        Some(other) => return Err(ConfigError::value(KEY, other, "an array".to_owned())),
    };
    if let Some(last) = is_sliding.last_mut() {
        *last = false;
    }
    Ok(is_sliding)
}

/// What full-attention layers have different.
pub(super) struct FullLayers {
    pub head_dim: u64,
    pub kv_heads: Option<u64>,
}

impl FullLayers {
    pub(super) fn read(
        fields: &Fields<'_>,
        is_sliding: &[bool],
        head_dim: u64,
        kv_heads: u64,
    ) -> Result<FullLayers, ConfigError> {
        const TABLE: &str = "per_layer_config";
        let table = match fields.0.get(TABLE) {
            None | Some(Value::Null) => return FullLayers::from_global(fields),
            Some(Value::Object(table)) => table,
            Some(other) => return Err(ConfigError::value(TABLE, other, "a table of layers".to_owned())),
        };
        let mut full = [None, None];
        for (layer, entry) in table {
            let Some(&is_sliding) = layer.parse().ok().and_then(|layer: usize| is_sliding.get(layer)) else {
                continue;
            };
            let Some(entry) = entry.as_object() else {
                return Err(ConfigError::value(TABLE, entry, "a table for each layer".to_owned()));
            };
            for (index, (key, usual)) in
                [("head_dim", head_dim), ("num_key_value_heads", kv_heads)].into_iter().enumerate()
            {
                let Some(found) = Fields(entry).optional_count(key, 1..=MAX_SIZE)? else { continue };
                // The GGUF has one number for sliding layers and one for full ones.
                let expected = if is_sliding { usual } else { *full[index].get_or_insert(found) };
                if found != expected {
                    let key = format!("{TABLE}.{layer}.{key}");
                    let (found, expected) = (found.to_string(), format!("{expected}, as in layers before"));
                    return Err(ConfigError::Value { key, found, expected });
                }
            }
        }
        let missing = || ConfigError::Missing { key: format!("{TABLE}.N.head_dim of full-attention layers") };
        Ok(FullLayers { head_dim: full[0].ok_or_else(missing)?, kv_heads: full[1] })
    }

    fn from_global(fields: &Fields<'_>) -> Result<FullLayers, ConfigError> {
        // Without `attention_k_eq_v` transformers ignores the number.
        let kv_heads = match fields.truth("attention_k_eq_v")? {
            true => fields.optional_count("num_global_key_value_heads", 1..=MAX_SIZE)?,
            false => None,
        };
        Ok(FullLayers { head_dim: fields.count("global_head_dim", 512, 1..=MAX_SIZE)?, kv_heads })
    }
}

/// Rotary embeddings.
pub(super) struct Rope {
    pub full_theta: f64,
    pub sliding_theta: Option<f64>,
    pub factor: f64,
}

impl Rope {
    pub(super) fn read(fields: &Fields<'_>) -> Result<Rope, ConfigError> {
        let Some(rope) = fields.object("rope_parameters")? else {
            return Ok(Rope { full_theta: 1e6, sliding_theta: Some(1e4), factor: 0.25 });
        };
        let missing = |key: &str| ConfigError::Missing { key: format!("rope_parameters.{key}") };
        let full = rope.object("full_attention")?.ok_or_else(|| missing("full_attention"))?;
        let kind = full.0.get("rope_type").unwrap_or(&Value::Null);
        if kind.as_str() != Some("proportional") {
            let expected = "\"proportional\"".to_owned();
            return Err(ConfigError::value("rope_parameters.full_attention.rope_type", kind, expected));
        }
        let factor = full.number("partial_rotary_factor")?;
        let factor = factor.ok_or_else(|| missing("full_attention.partial_rotary_factor"))?;
        if !(0.0..=1.0).contains(&factor) {
            let key = "rope_parameters.full_attention.partial_rotary_factor".to_owned();
            return Err(ConfigError::Value { key, found: factor.to_string(), expected: "0 to 1".to_owned() });
        }
        let sliding = rope.object("sliding_attention")?;
        Ok(Rope {
            full_theta: full.number("rope_theta")?.unwrap_or(1e6),
            sliding_theta: sliding.map(|sliding| sliding.number("rope_theta")).transpose()?.flatten(),
            factor,
        })
    }
}
