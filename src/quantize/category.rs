//! What a tensor is, by its name: the broad categories that the type rules speak of, and the names that are never
//! quantized. A port of `tensor_get_category` and `tensor_allows_quantization` of llama-quant.cpp (b11434).

use std::fmt;

/// `per_layer_token_embd.weight`, which an override may name even where `--embedding-type` is given.
pub(super) const PER_LAYER_EMBEDDING: &str = "per_layer_token_embd.weight";

/// The role of a tensor in the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Category {
    /// `token_embd`, `per_layer_token_embd`.
    Embedding,
    /// `attn_q`.
    AttentionQuery,
    /// `attn_k`.
    AttentionKey,
    /// `attn_v`.
    AttentionValue,
    /// `attn_qkv`: three in one.
    AttentionFused,
    /// `attn_kv_b`.
    AttentionCompressed,
    /// `attn_output`.
    AttentionOutput,
    /// `ffn_up…`.
    FeedForwardUp,
    /// `ffn_gate…`, among them `ffn_gate_up_exps`.
    FeedForwardGate,
    /// `ffn_down…`.
    FeedForwardDown,
    /// `output.weight`.
    Output,
    /// Anything else.
    Other,
}

impl Category {
    /// The category of a tensor's name.
    #[must_use]
    pub fn of(name: &str) -> Category {
        const PARTS: [(&str, Category); 9] = [
            ("attn_qkv.weight", Category::AttentionFused),
            ("attn_kv_b.weight", Category::AttentionCompressed),
            ("attn_v.weight", Category::AttentionValue),
            ("attn_k.weight", Category::AttentionKey),
            ("attn_q.weight", Category::AttentionQuery),
            ("attn_output.weight", Category::AttentionOutput),
            ("ffn_up", Category::FeedForwardUp),
            ("ffn_gate", Category::FeedForwardGate),
            ("ffn_down", Category::FeedForwardDown),
        ];
        match name {
            "output.weight" => Category::Output,
            "token_embd.weight" | PER_LAYER_EMBEDDING => Category::Embedding,
            _ => PARTS.iter().find(|(part, _)| name.contains(part)).map_or(Category::Other, |part| part.1),
        }
    }

    /// Whether the rules treat it as `attn_v`.
    pub(super) fn is_value_like(self) -> bool {
        matches!(self, Category::AttentionValue | Category::AttentionFused | Category::AttentionCompressed)
    }
}

/// Why a tensor keeps the type it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kept {
    /// A single row of numbers.
    Vector,
    /// The name does not end in `weight`.
    NotAWeight,
    /// A norm.
    Norm,
    /// It routes tokens to experts.
    Router,
    /// The output matrix, which was asked to be left alone.
    Output,
    /// A small or delicate matrix, by this part of its name.
    Named(&'static str),
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kept::Vector => f.write_str("one-dimensional: never quantized"),
            Kept::NotAWeight => f.write_str("no weight matrix: never quantized"),
            Kept::Norm => f.write_str("a norm: never quantized"),
            Kept::Router => f.write_str("routes to experts: never quantized"),
            Kept::Output => f.write_str("left alone as asked"),
            Kept::Named(part) => write!(f, "`{part}`: never quantized"),
        }
    }
}

/// Parts of names that llama-quant.cpp never quantizes.
const NEVER: [&str; 33] = [
    "ffn_gate_tid2eid.weight",
    "altup",
    "laurel",
    "per_layer_model_proj",
    "ssm_conv1d",
    "shortconv.conv.weight",
    "indexer.k_proj.weight",
    "indexer.q_proj.weight",
    "time_mix_first.weight",
    "time_mix_w0.weight",
    "time_mix_w1.weight",
    "time_mix_w2.weight",
    "time_mix_v0.weight",
    "time_mix_v1.weight",
    "time_mix_v2.weight",
    "time_mix_a0.weight",
    "time_mix_a1.weight",
    "time_mix_a2.weight",
    "time_mix_g1.weight",
    "time_mix_g2.weight",
    "time_mix_decay_w1.weight",
    "time_mix_decay_w2.weight",
    "time_mix_lerp_fused.weight",
    "attn_rel_b.weight",
    ".position_embd",
    "sam.pos_embd",
    "sam.neck.",
    "sam.net_",
    ".rel_pos",
    ".patch_embd",
    ".patch_merger",
    "a.rvq.codebook",
    "mm.a.code_embd",
];

/// The same for one architecture.
const NEVER_IN_GLM5_NEXT: [&str; 14] = [
    "hc_",
    "indexer.attn_q_b",
    "indexer.attn_k",
    "indexer.proj",
    "indexer_compressor_gate",
    "indexer_compressor_ape",
    "ssm_f_a.weight",
    "ssm_f_b.weight",
    "ssm_g_a.weight",
    "ssm_g_b.weight",
    "ssm_beta.weight",
    "attn_kv_a_mqa.weight",
    "attn_k_b.weight",
    "attn_v_b.weight",
];

/// Why a tensor of this name and shape is not quantized; `None` where it may be.
pub(super) fn kept(architecture: &str, name: &str, shape: &[u64], leave_output: bool) -> Option<Kept> {
    // ggml counts dimensions up to the last that is more than 1.
    if shape.iter().skip(1).all(|&size| size == 1) {
        return Some(Kept::Vector);
    }
    if !name.ends_with("weight") {
        return Some(Kept::NotAWeight);
    }
    if name.contains("_norm.weight") {
        return Some(Kept::Norm);
    }
    if leave_output && name == "output.weight" {
        return Some(Kept::Output);
    }
    if name.contains("ffn_gate_inp.weight") {
        return Some(Kept::Router);
    }
    if let Some(whole) = ["position_embd.weight", "token_types.weight"].iter().find(|whole| name == **whole) {
        return Some(Kept::Named(whole));
    }
    let special: &[&'static str] = if architecture == "glm5-next" { &NEVER_IN_GLM5_NEXT } else { &[] };
    NEVER.iter().chain(special).find(|part| name.contains(**part)).map(|part| Kept::Named(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_are_found_in_names() {
        for (name, category) in [
            ("blk.3.ffn_gate_up_exps.weight", Category::FeedForwardGate),
            ("blk.3.ffn_down_exps.weight", Category::FeedForwardDown),
            ("blk.3.attn_v.weight", Category::AttentionValue),
            ("blk.3.inp_gate.weight", Category::Other),
            ("per_layer_token_embd.weight", Category::Embedding),
            ("blk.0.attn_output.weight", Category::AttentionOutput),
        ] {
            assert_eq!(Category::of(name), category, "{name}");
        }
    }

    #[test]
    fn some_names_are_never_quantized() {
        let kept = |name, shape: &[u64]| kept("gemma4", name, shape, false);
        assert_eq!(kept("blk.0.attn_norm.weight", &[2816]), Some(Kept::Vector));
        assert_eq!(kept("blk.0.attn_norm.weight", &[2816, 1, 1]), Some(Kept::Vector));
        assert_eq!(kept("blk.0.some_norm.weight", &[8, 8]), Some(Kept::Norm));
        assert_eq!(kept("blk.0.ffn_gate_inp.weight", &[2816, 128]), Some(Kept::Router));
        assert_eq!(
            kept("per_layer_model_proj.weight", &[1536, 8960]),
            Some(Kept::Named("per_layer_model_proj"))
        );
        assert_eq!(kept("blk.0.ffn_down_exps.scale", &[4, 4]), Some(Kept::NotAWeight));
        assert_eq!(kept("blk.0.attn_q.weight", &[2816, 4096]), None);
        assert_eq!(kept("blk.0.attn_k_b.weight", &[8, 8]), None);
        assert_eq!(
            super::kept("glm5-next", "blk.0.attn_k_b.weight", &[8, 8], false),
            Some(Kept::Named("attn_k_b.weight"))
        );
    }
}
