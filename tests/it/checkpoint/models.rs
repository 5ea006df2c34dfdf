//! The models that the checkpoints of the tests are of: each architecture, in little.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::folder::{Folder, Sizes, Stored, TOKENS};

/// Turns between their marks; a line ends as on another system.
const TEMPLATE: &str = "{{ bos_token }}{% for m in messages %}<|turn>{{ m['role'] }}\r\n{{ m['content'] }}<turn|>\n\
    {% endfor %}{% if add_generation_prompt %}<|turn>model\n{% endif %}";

pub fn full(layer: u64) -> bool {
    layer % 3 == 2
}

impl Folder {
    /// What all models have: the vocabulary's embeddings, the last norm, a tokenizer.
    fn new(class: &str, sizes: Sizes, prefix: &'static str, text: Value) -> Folder {
        let layers = text["num_hidden_layers"].as_u64().expect("a number");
        let types: Vec<&str> = (0..layers)
            .map(|layer| if full(layer) { "full_attention" } else { "sliding_attention" })
            .collect();
        let mut numbers = json!({
            "hidden_size": sizes.hidden, "intermediate_size": sizes.width, "num_attention_heads": sizes.heads,
            "head_dim": sizes.head_dim, "global_head_dim": sizes.full_head_dim, "num_key_value_heads": 2,
            "hidden_size_per_layer_input": 0, "layer_types": types, "moe_intermediate_size": null, "sliding_window": 16,
            "max_position_embeddings": 512, "vocab_size": TOKENS,
            "num_kv_shared_layers": 0, "use_double_wide_mlp": false, "rms_norm_eps": 1e-6,
            "rope_parameters": {
                "full_attention": {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1e6},
                "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
            },
        });
        merge(&mut numbers, text);
        let config = json!({ "architectures": [class], "text_config": numbers, "eos_token_id": [1, 106] });
        let mut folder = Folder { sizes, prefix, config, tensors: BTreeMap::new(), files: BTreeMap::new() };
        folder.add_inner("embed_tokens.weight", &[TOKENS, sizes.hidden]);
        folder.add_inner("norm.weight", &[sizes.hidden]);
        folder.files.insert("tokenizer.json", tokenizer().to_string());
        folder.files.insert("tokenizer_config.json", tokenizer_config().to_string());
        folder.files.insert("chat_template.jinja", TEMPLATE.to_owned());
        let generation = json!({"top_k": 64, "top_p": 0.95, "temperature": 1.0, "suppress_tokens": [7, 8]});
        folder.files.insert("generation_config.json", generation.to_string());
        folder
    }

    fn add_inner(&mut self, name: &str, shape: &[u64]) {
        self.add(&format!("{}{name}", self.prefix), shape);
    }

    fn add_to_layer(&mut self, layer: u64, tensors: &[(&str, &[u64])]) {
        for (name, shape) in tensors {
            self.add_inner(&format!("layers.{layer}.{name}"), shape);
        }
    }

    fn head_dim(&self, layer: u64) -> u64 {
        if full(layer) { self.sizes.full_head_dim } else { self.sizes.head_dim }
    }

    /// What every layer has.
    fn layer(&mut self, layer: u64, width: u64) {
        let (hidden, head_dim) = (self.sizes.hidden, self.head_dim(layer));
        let rows = self.sizes.heads * head_dim;
        self.add_to_layer(
            layer,
            &[
                ("input_layernorm.weight", &[hidden]),
                ("self_attn.q_proj.weight", &[rows, hidden]),
                ("self_attn.q_norm.weight", &[head_dim]),
                ("self_attn.o_proj.weight", &[hidden, rows]),
                ("post_attention_layernorm.weight", &[hidden]),
                ("pre_feedforward_layernorm.weight", &[hidden]),
                ("post_feedforward_layernorm.weight", &[hidden]),
                ("mlp.gate_proj.weight", &[width, hidden]),
                ("mlp.up_proj.weight", &[width, hidden]),
                ("mlp.down_proj.weight", &[hidden, width]),
                ("layer_scalar", &[1]),
            ],
        );
    }

    fn keys_and_values(&mut self, layer: u64, kv_heads: u64, has_values: bool) {
        let (hidden, head_dim) = (self.sizes.hidden, self.head_dim(layer));
        let rows = head_dim * kv_heads;
        self.add_to_layer(
            layer,
            &[("self_attn.k_proj.weight", &[rows, hidden]), ("self_attn.k_norm.weight", &[head_dim])],
        );
        if has_values {
            self.add_to_layer(layer, &[("self_attn.v_proj.weight", &[rows, hidden])]);
        }
    }

    /// Like the 26B: experts, keys that are values, a vision tower.
    pub fn mixture(sizes: Sizes) -> Folder {
        let Sizes { hidden, experts, expert_width, .. } = sizes;
        let text = json!({
            "num_hidden_layers": 3, "enable_moe_block": true, "num_experts": experts, "top_k_experts": 2,
            "moe_intermediate_size": expert_width, "attention_k_eq_v": true, "num_global_key_value_heads": 1,
            "final_logit_softcapping": 30.0,
        });
        let mut folder = Folder::new("Gemma4ForConditionalGeneration", sizes, "model.language_model.", text);
        for layer in 0..3 {
            folder.layer(layer, sizes.width);
            folder.keys_and_values(layer, if full(layer) { 1 } else { 2 }, !full(layer));
            folder.add_to_layer(
                layer,
                &[
                    ("router.proj.weight", &[experts, hidden]),
                    ("router.scale", &[hidden]),
                    ("router.per_expert_scale", &[experts]),
                    ("experts.gate_up_proj", &[experts, 2 * expert_width, hidden]),
                    ("experts.down_proj", &[experts, hidden, expert_width]),
                    ("pre_feedforward_layernorm_2.weight", &[hidden]),
                    ("post_feedforward_layernorm_1.weight", &[hidden]),
                    ("post_feedforward_layernorm_2.weight", &[hidden]),
                ],
            );
        }
        folder.add("model.vision_tower.patch_embedder.input_proj.weight", &[4, 12]);
        folder.add("model.embed_vision.embedding_projection.weight", &[hidden, 4]);
        folder
    }

    /// Like E2B: embeddings for each layer, shared keys and values, wider layers where they are shared.
    pub fn edge(sizes: Sizes) -> Folder {
        let Sizes { hidden, width, own, .. } = sizes;
        let text = json!({
            "num_hidden_layers": 6, "hidden_size_per_layer_input": own, "num_kv_shared_layers": 3,
            "use_double_wide_mlp": true,
        });
        let mut folder = Folder::new("Gemma4ForConditionalGeneration", sizes, "model.language_model.", text);
        folder.add_inner("embed_tokens_per_layer.weight", &[TOKENS, 6 * own]);
        folder.add_inner("per_layer_model_projection.weight", &[6 * own, hidden]);
        folder.add_inner("per_layer_projection_norm.weight", &[own]);
        for layer in 0..6 {
            folder.layer(layer, if layer < 3 { width } else { 2 * width });
            // A layer that shares them may come with its own all the same.
            if layer < 4 {
                folder.keys_and_values(layer, 2, true);
            }
            folder.add_to_layer(
                layer,
                &[
                    ("per_layer_input_gate.weight", &[own, hidden]),
                    ("per_layer_projection.weight", &[hidden, own]),
                    ("post_per_layer_input_norm.weight", &[hidden]),
                ],
            );
        }
        folder.add("model.audio_tower.output_proj.weight", &[2, 2]);
        folder
    }

    /// Like the 31B saved by transformers 5 as a text model, or the 12B: numbers in another form, no inner prefix.
    pub fn dense(class: &str, sizes: Sizes) -> Folder {
        let text = json!({
            "num_hidden_layers": 3, "attention_k_eq_v": true,
            "per_layer_config": {"2": {"head_dim": sizes.full_head_dim, "num_key_value_heads": 1}},
        });
        let mut folder = Folder::new(class, sizes, "model.", text);
        let inner = folder.config["text_config"].as_object_mut().expect("an object");
        inner.remove("global_head_dim");
        if class == "Gemma4ForCausalLM" {
            let mut config = folder.config["text_config"].take();
            merge(&mut config, json!({ "architectures": [class] }));
            folder.config = config;
        }
        for layer in 0..3 {
            folder.layer(layer, sizes.width);
            folder.keys_and_values(layer, if full(layer) { 1 } else { 2 }, !full(layer));
        }
        folder
    }

    /// The sizes of a drafter for such a target.
    pub fn drafter_of(target: Sizes) -> Sizes {
        Sizes { hidden: target.hidden / 2, backbone: target.hidden, ..target }
    }

    /// A drafter.
    pub fn assistant(class: &str, sizes: Sizes) -> Folder {
        let Sizes { hidden, backbone, .. } = sizes;
        let text = json!({
            "num_hidden_layers": 3, "attention_k_eq_v": true, "num_global_key_value_heads": 1, "num_kv_shared_layers": 3,
        });
        let mut folder = Folder::new(class, sizes, "model.", text);
        merge(&mut folder.config, json!({ "backbone_hidden_size": backbone }));
        folder.add("pre_projection.weight", &[hidden, 2 * backbone]);
        folder.add("post_projection.weight", &[backbone, hidden]);
        folder.add("masked_embedding.centroids.weight", &[2, hidden]);
        let ordering = Stored {
            dtype: "I64".to_owned(),
            shape: vec![TOKENS],
            bytes: (0..TOKENS).flat_map(u64::to_le_bytes).collect(),
        };
        folder.tensors.insert("masked_embedding.token_ordering".to_owned(), ordering);
        for layer in 0..3 {
            folder.layer(layer, sizes.width);
        }
        folder
    }
}

fn merge(into: &mut Value, from: Value) {
    let Value::Object(from) = from else { panic!("an object") };
    into.as_object_mut().expect("an object").extend(from);
}

/// The special tokens, which stand first.
const SPECIAL: [&str; 8] =
    ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<|tool_call>", "<|turn>", "<turn|>"];

/// The special tokens, a few letters, the bytes, and two tokens behind the vocabulary's end.
fn tokenizer() -> Value {
    let texts = SPECIAL.into_iter().chain(["a", "b", "▁", "ab", "▁a", " ", " b"]);
    let bytes = (0..=255).map(|byte| format!("<0x{byte:02X}>"));
    let vocab = texts.map(str::to_owned).chain(bytes);
    let vocab: Map<String, Value> = vocab.enumerate().map(|(id, text)| (text, json!(id))).collect();
    let added = SPECIAL.iter().enumerate();
    let mut added: Vec<Value> =
        added.map(|(id, text)| json!({"id": id, "content": text, "special": true})).collect();
    added.push(json!({"id": TOKENS - 2, "content": "<more>", "special": false}));
    added.push(json!({"id": TOKENS - 1, "content": "<video>", "special": true}));
    json!({
        "added_tokens": added,
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        "post_processor": null,
        "decoder": {"type": "Sequence", "decoders": []},
        "model": {
            "type": "BPE", "byte_fallback": true, "vocab": vocab,
            "merges": [["a", "b"], ["▁", "a"], [" ", "b"]],
        },
    })
}

fn tokenizer_config() -> Value {
    json!({
        "bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>", "pad_token": "<pad>",
        "mask_token": {"__type": "AddedToken", "content": "<mask>"}, "stc_token": "<|tool_call>", "sot_token": "<|turn>",
        "eot_token": "<turn|>",
        "extra_special_tokens": ["<video>"], "tokenizer_class": "GemmaTokenizer", "model_max_length": 1e30,
    })
}
