//! The `general.*` entries before the model's numbers: recommended sampling, a name, the model's size, and what README.md
//! says; as the reference converter writes them (`Metadata` of gguf-py/gguf/metadata.py, b11434).

use std::path::Path;

use serde_json::{Map, Value as Json};

use super::keys::Keys;
use super::model_card::ModelCard;
use super::naming::NameParts;
use crate::gguf::Value;
use crate::quantize::SourceTensor;

/// Sampling: key in generation_config.json, name in the GGUF, whether it is a whole number.
const SAMPLING: [(&str, &str, bool); 11] = [
    ("top_k", "top_k", true),
    ("top_p", "top_p", false),
    ("min_p", "min_p", false),
    ("xtc_probability", "xtc_probability", false),
    ("xtc_threshold", "xtc_threshold", false),
    ("temperature", "temp", false),
    ("penalty_last_n", "penalty_last_n", true),
    ("penalty_repeat", "penalty_repeat", false),
    ("mirostat", "mirostat", true),
    ("mirostat_tau", "mirostat_tau", false),
    ("mirostat_eta", "mirostat_eta", false),
];

/// Adds what comes before the model's numbers.
pub(super) fn add_general(
    keys: &mut Keys,
    architecture: &str,
    generation: &Map<String, Json>,
    folder: &Path,
    saved_as: Option<&str>,
    tensors: &[SourceTensor],
    card: &ModelCard,
) {
    keys.set_text("general.architecture", architecture);
    keys.set_text("general.type", "model");
    for (key, name, is_whole) in SAMPLING {
        let other = if key == "penalty_repeat" { generation.get("repetition_penalty") } else { None };
        let Some(value) = generation.get(key).or(other) else { continue };
        let value = match is_whole {
            true => value.as_i64().and_then(|value| i32::try_from(value).ok()).map(Value::I32),
            false => value.as_f64().map(|value| Value::F32(value as f32)),
        };
        if let Some(value) = value {
            keys.set(format!("general.sampling.{name}"), value);
        }
    }
    let weights = total_weights(tensors);
    // Of the folder it was saved from, where that is a model's name and no path.
    let saved = saved_as.filter(|name| name.matches('/').count() <= 1).unwrap_or_default();
    let folder = folder.file_name().unwrap_or_default().to_string_lossy();
    let parts = NameParts::read(saved, weights).or(NameParts::read(&folder, weights));
    let size_label = parts.size_label.unwrap_or_else(|| size_label(tensors));
    for (key, text) in [
        ("general.name", parts.name.unwrap_or_default()),
        ("general.version", parts.version.unwrap_or_default()),
        ("general.organization", parts.organization.unwrap_or_default()),
        ("general.finetune", parts.finetune.unwrap_or_default()),
        ("general.basename", parts.basename.unwrap_or_default()),
        ("general.size_label", size_label),
    ] {
        keys.set_text(key, &text);
    }
    card.add(keys, weights);
}

fn total_weights(tensors: &[SourceTensor]) -> u64 {
    tensors.iter().map(SourceTensor::elements).fold(0, u64::saturating_add)
}

/// How large a model is, in the words of leader boards: `5.1B`, or `128x2.6B` with experts.
fn size_label(tensors: &[SourceTensor]) -> String {
    let (mut shared, mut expert, mut experts, mut of_experts) = (0_u64, 0_u64, 0_u64, 0_u64);
    for tensor in tensors {
        let weights = tensor.elements();
        match tensor.shape.get(2) {
            Some(&count) if tensor.name.contains("_exps.") && count > 0 => {
                expert = expert.saturating_add(weights / count);
                experts += count;
                of_experts += 1;
            }
            _ => shared = shared.saturating_add(weights),
        }
    }
    let size = rounded(shared.saturating_add(expert));
    match experts.checked_div(of_experts) {
        Some(experts) if experts > 0 => format!("{experts}x{size}"),
        _ => size,
    }
}

/// A number of weights with at least two digits.
fn rounded(weights: u64) -> String {
    let weights = weights as f64;
    let (scaled, suffix) = match weights {
        _ if weights > 1e12 => (weights * 1e-12, "T"),
        _ if weights > 1e9 => (weights * 1e-9, "B"),
        _ if weights > 1e6 => (weights * 1e-6, "M"),
        _ => (weights * 1e-3, "K"),
    };
    let whole = scaled.round_ties_even().to_string();
    let digits = 2_usize.saturating_sub(whole.trim_start_matches('0').len());
    format!("{scaled:.digits$}{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::GgmlType;

    #[test]
    fn sizes_as_the_reference_rounds_them() {
        for (weights, expected) in [
            (12, "0.01K"),
            (950, "1.0K"),
            (99_500, "100K"),
            (12_345, "12K"),
            (5_100_000_000, "5.1B"),
            (25_233_142_046, "25B"),
            (419_700_000, "420M"),
            (9_960_000, "10M"),
            (1_000_000, "1000K"),
        ] {
            assert_eq!(rounded(weights), expected, "{weights}");
        }
        let tensor = |name: &str, shape: &[u64]| SourceTensor {
            name: name.to_owned(),
            shape: shape.to_vec(),
            dtype: GgmlType::BF16,
            always_f32: false,
        };
        let all = [
            tensor("token_embd.weight", &[1000, 10]),
            tensor("blk.0.ffn_down_exps.weight", &[100, 100, 8]),
            tensor("blk.0.ffn_down_exps.scale", &[8]),
        ];
        assert_eq!(size_label(&all), "8x20K");
    }
}
