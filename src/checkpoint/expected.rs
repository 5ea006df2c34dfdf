//! Which tensors a model of these numbers has, and their shapes: what llama.cpp's loader will ask for
//! (src/models/gemma4.cpp and gemma4-assistant.cpp, b11434). A checkpoint that does not have them is found out before
//! gigabytes are written.

use std::collections::BTreeMap;

use super::config::Config;

/// A tensor that the loader knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Its shape, the row length first.
    pub shape: Vec<u64>,
    /// Whether the model does not load without it.
    pub is_required: bool,
}

/// All tensors by their names in the GGUF. `tokens` is the length of the vocabulary.
#[must_use]
pub fn expected(config: &Config, tokens: u64) -> BTreeMap<String, Expected> {
    let mut all = BTreeMap::new();
    let mut add = |name: String, shape: &[u64], is_required| {
        all.insert(name, Expected { shape: shape.to_vec(), is_required });
    };
    let hidden = config.hidden;
    add("token_embd.weight".to_owned(), &[hidden, tokens], true);
    add("output_norm.weight".to_owned(), &[hidden], true);
    if let Some(backbone) = config.backbone_hidden {
        add("nextn.pre_projection.weight".to_owned(), &[2 * backbone, hidden], true);
        add("nextn.post_projection.weight".to_owned(), &[hidden, backbone], true);
    } else {
        add("output.weight".to_owned(), &[hidden, tokens], false);
    }
    let own = config.per_layer_input;
    if own > 0 {
        let all_layers = own * config.layers();
        add("per_layer_token_embd.weight".to_owned(), &[all_layers, tokens], true);
        add("per_layer_model_proj.weight".to_owned(), &[hidden, all_layers], true);
        add("per_layer_proj_norm.weight".to_owned(), &[own], true);
    }
    for layer in 0..config.layers() {
        for (name, shape, is_required) in of_layer(config, layer) {
            add(format!("blk.{layer}.{name}.weight"), &shape, is_required);
        }
        if config.is_mixture {
            let experts = config.experts.unwrap_or(0);
            add(format!("blk.{layer}.ffn_gate_inp.scale"), &[hidden], true);
            add(format!("blk.{layer}.ffn_down_exps.scale"), &[experts], false);
        }
    }
    all
}

/// The weights of a layer: name, shape, whether they are required.
fn of_layer(config: &Config, layer: u64) -> Vec<(&'static str, Vec<u64>, bool)> {
    let is_sliding = config.is_sliding[layer as usize];
    let (head_dim, kv_heads) = match is_sliding {
        true => (config.head_dim, config.kv_heads),
        false => (config.full_head_dim, config.full_kv_heads.unwrap_or(config.kv_heads)),
    };
    let (hidden, width) = (config.hidden, config.feed_forward_of(layer));
    let is_assistant = config.class.is_assistant();
    let mut all = vec![
        ("attn_norm", vec![hidden], true),
        ("attn_q", vec![hidden, head_dim * config.heads], true),
        ("attn_output", vec![head_dim * config.heads, hidden], true),
        ("attn_q_norm", vec![head_dim], true),
        ("post_attention_norm", vec![hidden], true),
        ("ffn_norm", vec![hidden], true),
        ("ffn_gate", vec![hidden, width], true),
        ("ffn_up", vec![hidden, width], true),
        ("ffn_down", vec![width, hidden], true),
        ("post_ffw_norm", vec![hidden], true),
        ("layer_output_scale", vec![1], is_assistant),
    ];
    if !is_assistant {
        // Layers that use the keys and values of earlier ones may still come with their own.
        let has_own = config.has_own_kv(layer);
        all.extend([
            ("attn_k", vec![hidden, head_dim * kv_heads], has_own),
            ("attn_k_norm", vec![head_dim], has_own),
            // Where there are none, the keys are the values.
            ("attn_v", vec![hidden, head_dim * kv_heads], has_own && is_sliding),
        ]);
    }
    if config.is_mixture {
        let (experts, width) = (config.experts.unwrap_or(0), config.expert_feed_forward.unwrap_or(0));
        all.extend([
            ("ffn_gate_inp", vec![hidden, experts], true),
            ("ffn_gate_up_exps", vec![hidden, 2 * width, experts], true),
            ("ffn_down_exps", vec![width, hidden, experts], true),
            ("pre_ffw_norm_2", vec![hidden], true),
            ("post_ffw_norm_1", vec![hidden], true),
            ("post_ffw_norm_2", vec![hidden], true),
        ]);
    }
    let own = config.per_layer_input;
    if own > 0 {
        all.extend([
            ("inp_gate", vec![hidden, own], true),
            ("proj", vec![own, hidden], true),
            ("post_norm", vec![hidden], true),
        ]);
    }
    all
}
