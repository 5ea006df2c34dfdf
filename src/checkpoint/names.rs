//! Names: what a tensor of the checkpoint is called in a GGUF, or that it does not go there.
//!
//! The rules are those of the reference converter (conversion/gemma.py and the tensor map of gguf-py, b11434), of which
//! only what Gemma 4 has is here: a name that is in no table is an error, never a guess.

use super::config::Class;

/// What becomes of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes into the GGUF under this name.
    Kept(String),
    /// It is of a part that a text model's GGUF does not hold.
    Dropped,
    /// Nobody knows it.
    Unknown,
}

/// Parts of names of the vision and audio towers; of the drafter's clustered head, which llama.cpp does not use; and of
/// values that are computed anew.
const DROPPED: [&str; 4] = ["vision_", "vision.", "audio_", "audio."];
const DROPPED_OF_ASSISTANTS: &str = "masked_embedding";
const DROPPED_ENDS: [&str; 3] = [".attention.masked_bias", ".attention.bias", ".rotary_emb.inv_freq"];

/// Tensors outside the layers: name, name in the GGUF.
const OUTSIDE: [(&str, &str); 3] = [
    ("model.embed_tokens.weight", "token_embd.weight"),
    ("model.norm.weight", "output_norm.weight"),
    // Absent where the scores come from the embeddings.
    ("lm_head.weight", "output.weight"),
];

const OUTSIDE_OF_TARGETS: [(&str, &str); 3] = [
    ("model.embed_tokens_per_layer.weight", "per_layer_token_embd.weight"),
    ("model.per_layer_model_projection.weight", "per_layer_model_proj.weight"),
    ("model.per_layer_projection_norm.weight", "per_layer_proj_norm.weight"),
];

const OUTSIDE_OF_ASSISTANTS: [(&str, &str); 2] = [
    ("pre_projection.weight", "nextn.pre_projection.weight"),
    ("post_projection.weight", "nextn.post_projection.weight"),
];

/// Tensors of a layer.
const LAYER: [(&str, &str); 11] = [
    ("input_layernorm.weight", "attn_norm.weight"),
    ("self_attn.q_proj.weight", "attn_q.weight"),
    ("self_attn.o_proj.weight", "attn_output.weight"),
    ("self_attn.q_norm.weight", "attn_q_norm.weight"),
    ("post_attention_layernorm.weight", "post_attention_norm.weight"),
    ("pre_feedforward_layernorm.weight", "ffn_norm.weight"),
    ("post_feedforward_layernorm.weight", "post_ffw_norm.weight"),
    ("mlp.gate_proj.weight", "ffn_gate.weight"),
    ("mlp.up_proj.weight", "ffn_up.weight"),
    ("mlp.down_proj.weight", "ffn_down.weight"),
    ("layer_scalar", "layer_output_scale.weight"),
];

const LAYER_OF_TARGETS: [(&str, &str); 14] = [
    ("self_attn.k_proj.weight", "attn_k.weight"),
    ("self_attn.v_proj.weight", "attn_v.weight"),
    ("self_attn.k_norm.weight", "attn_k_norm.weight"),
    ("router.proj.weight", "ffn_gate_inp.weight"),
    ("router.scale", "ffn_gate_inp.scale"),
    ("router.per_expert_scale", "ffn_down_exps.scale"),
    // Gate and up of all experts in one: rows of the gate first.
    ("experts.gate_up_proj", "ffn_gate_up_exps.weight"),
    ("experts.down_proj", "ffn_down_exps.weight"),
    ("pre_feedforward_layernorm_2.weight", "pre_ffw_norm_2.weight"),
    ("post_feedforward_layernorm_1.weight", "post_ffw_norm_1.weight"),
    ("post_feedforward_layernorm_2.weight", "post_ffw_norm_2.weight"),
    ("per_layer_input_gate.weight", "inp_gate.weight"),
    ("per_layer_projection.weight", "proj.weight"),
    ("post_per_layer_input_norm.weight", "post_norm.weight"),
];

fn find(table: &[(&'static str, &'static str)], name: &str) -> Option<&'static str> {
    table.iter().find(|entry| entry.0 == name).map(|entry| entry.1)
}

/// What becomes of a tensor of this name.
#[must_use]
pub fn fate(class: Class, name: &str) -> Fate {
    let is_assistant = class.is_assistant();
    let is_dropped = DROPPED.iter().any(|part| name.contains(part))
        || DROPPED_ENDS.iter().any(|end| name.ends_with(end))
        || (is_assistant && name.contains(DROPPED_OF_ASSISTANTS));
    if is_dropped {
        return Fate::Dropped;
    }
    // `model.language_model.layers…` where there are towers beside it, `model.layers…` in a text-only checkpoint.
    let name = name.replace("language_model.", "");
    let kept = match name.strip_prefix("model.layers.") {
        Some(rest) => layer_name(rest, is_assistant),
        None => {
            let own = if is_assistant { &OUTSIDE_OF_ASSISTANTS[..] } else { &OUTSIDE_OF_TARGETS };
            // A drafter's scores always come from its embeddings.
            let found = find(&OUTSIDE, &name).filter(|&found| !is_assistant || found != "output.weight");
            found.or_else(|| find(own, &name)).map(str::to_owned)
        }
    };
    kept.map_or(Fate::Unknown, Fate::Kept)
}

/// The name of a layer's tensor: `rest` is `N.…`.
fn layer_name(rest: &str, is_assistant: bool) -> Option<String> {
    let (number, rest) = rest.split_once('.')?;
    let layer: u32 = number.parse().ok().filter(|layer: &u32| layer.to_string() == number)?;
    // Some writers end all names in `.weight`.
    let ends = [rest, rest.strip_suffix(".weight").unwrap_or(rest)];
    let found = ends.iter().find_map(|rest| {
        find(&LAYER, rest).or_else(|| find(&LAYER_OF_TARGETS, rest).filter(|_| !is_assistant))
    })?;
    Some(format!("blk.{layer}.{found}"))
}

/// Whether the reference converter stores a tensor of this name and number of dimensions as F32, whatever type the file
/// is to have.
#[must_use]
pub fn is_always_f32(name: &str, dimensions: usize) -> bool {
    dimensions <= 1
        || name.ends_with("_norm.weight")
        || name.ends_with(".ffn_gate_inp.weight")
        || !name.ends_with(".weight")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(name: &str) -> Fate {
        Fate::Kept(name.to_owned())
    }

    #[test]
    fn both_prefixes_mean_the_same() {
        for prefix in ["model.", "model.language_model.", "language_model.model."] {
            let name = |rest: &str| fate(Class::Target, &format!("{prefix}{rest}"));
            assert_eq!(name("embed_tokens.weight"), kept("token_embd.weight"));
            assert_eq!(name("layers.12.self_attn.v_proj.weight"), kept("blk.12.attn_v.weight"));
            assert_eq!(name("layers.0.layer_scalar"), kept("blk.0.layer_output_scale.weight"));
            assert_eq!(name("layers.0.experts.gate_up_proj"), kept("blk.0.ffn_gate_up_exps.weight"));
            assert_eq!(name("layers.0.experts.down_proj.weight"), kept("blk.0.ffn_down_exps.weight"));
            assert_eq!(name("layers.0.router.scale"), kept("blk.0.ffn_gate_inp.scale"));
        }
    }

    #[test]
    fn towers_are_dropped_and_strangers_are_not_guessed() {
        for name in [
            "model.vision_tower.encoder.layers.0.mlp.gate_proj.linear.weight",
            "model.embed_vision.embedding_projection.weight",
            "model.audio_tower.layers.3.lconv1d.linear_end.linear.weight",
            "model.embed_audio.embedding_projection.weight",
            "model.vision_embedder.patch_dense.weight",
        ] {
            assert_eq!(fate(Class::Unified, name), Fate::Dropped, "{name}");
        }
        for name in [
            "model.layers.0.self_attn.q_proj.bias",
            "model.layers.01.input_layernorm.weight",
            "model.layers.-1.input_layernorm.weight",
            "model.layers.0.mlp.gate_proj.weight_scale",
            "masked_embedding.centroids.weight",
            "pre_projection.weight",
            "",
        ] {
            assert_eq!(fate(Class::Target, name), Fate::Unknown, "{name}");
        }
    }

    #[test]
    fn a_drafter_has_its_own() {
        let fate = |name| fate(Class::Assistant, name);
        assert_eq!(fate("masked_embedding.token_ordering"), Fate::Dropped);
        assert_eq!(fate("pre_projection.weight"), kept("nextn.pre_projection.weight"));
        assert_eq!(fate("model.layers.3.self_attn.q_proj.weight"), kept("blk.3.attn_q.weight"));
        assert_eq!(fate("model.layers.3.self_attn.k_proj.weight"), Fate::Unknown);
        assert_eq!(fate("lm_head.weight"), Fate::Unknown);
    }

    #[test]
    fn vectors_norms_and_the_router_stay_f32() {
        for (name, dimensions, expected) in [
            ("blk.0.layer_output_scale.weight", 1, true),
            ("blk.0.attn_q_norm.weight", 2, true),
            ("blk.0.ffn_gate_inp.weight", 2, true),
            ("blk.0.ffn_down_exps.scale", 1, true),
            ("per_layer_model_proj.weight", 2, false),
            ("blk.0.ffn_down_exps.weight", 3, false),
        ] {
            assert_eq!(is_always_f32(name, dimensions), expected, "{name}");
        }
    }
}
