//! Small checkpoints of every architecture, made here: any part of them can be spoilt before it is written.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};
use slipstream::checkpoint::{Checkpoint, CheckpointError};
use tempfile::TempDir;

pub const HIDDEN: u64 = 8;
pub const WIDTH: u64 = 12;
pub const TOKENS: u64 = 270;
pub const EXPERTS: u64 = 3;
/// Width of the embeddings each layer has of its own.
pub const OWN: u64 = 4;
pub const BACKBONE: u64 = 10;

/// A tensor to be written.
#[derive(Clone)]
pub struct Stored {
    pub dtype: String,
    pub shape: Vec<u64>,
    pub bytes: Vec<u8>,
}

impl Stored {
    /// BF16 values that depend on the name and the place.
    pub fn bf16(name: &str, shape: &[u64]) -> Stored {
        let seed = name.bytes().fold(7_u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let count: u64 = shape.iter().product();
        let value =
            |at: u64| 0x3c00 + (seed.wrapping_add(at.wrapping_mul(2_654_435_761)) >> 7 & 0x3ff) as u16;
        let bytes = (0..count).flat_map(|at| value(at).to_le_bytes()).collect();
        Stored { dtype: "BF16".to_owned(), shape: shape.to_vec(), bytes }
    }

    /// The values of a BF16 tensor.
    pub fn values(&self) -> Vec<f32> {
        let words = self.bytes.as_chunks::<2>().0;
        words.iter().map(|word| f32::from_bits(u32::from(u16::from_le_bytes(*word)) << 16)).collect()
    }
}

/// A checkpoint before it is written.
pub struct Folder {
    pub config: Value,
    pub tensors: BTreeMap<String, Stored>,
    /// JSON files and texts by their names.
    pub files: BTreeMap<&'static str, String>,
}

pub fn full(layer: u64) -> bool {
    layer % 3 == 2
}

impl Folder {
    fn new(class: &str, text: Value, prefix: &str) -> Folder {
        let layers = text["num_hidden_layers"].as_u64().expect("a number");
        let types: Vec<&str> = (0..layers)
            .map(|layer| if full(layer) { "full_attention" } else { "sliding_attention" })
            .collect();
        let mut numbers = json!({
            "hidden_size": HIDDEN, "intermediate_size": WIDTH, "num_attention_heads": 4, "head_dim": 2,
            "num_key_value_heads": 2, "global_head_dim": 4, "hidden_size_per_layer_input": 0,
            "layer_types": types, "sliding_window": 16, "max_position_embeddings": 512, "vocab_size": TOKENS,
        });
        merge(&mut numbers, text);
        let config = json!({ "architectures": [class], "text_config": numbers, "eos_token_id": [1, 106] });
        let mut folder = Folder { config, tensors: BTreeMap::new(), files: BTreeMap::new() };
        folder.add(&format!("{prefix}embed_tokens.weight"), &[TOKENS, HIDDEN]);
        folder.add(&format!("{prefix}norm.weight"), &[HIDDEN]);
        folder.files.insert("tokenizer.json", tokenizer().to_string());
        folder.files.insert("tokenizer_config.json", tokenizer_config().to_string());
        folder.files.insert("chat_template.jinja", "{{ messages }}\r\n".to_owned());
        let generation = json!({"top_k": 64, "top_p": 0.95, "temperature": 1.0, "suppress_tokens": [7, 8]});
        folder.files.insert("generation_config.json", generation.to_string());
        folder
    }

    pub fn add(&mut self, name: &str, shape: &[u64]) {
        self.tensors.insert(name.to_owned(), Stored::bf16(name, shape));
    }

    /// What every layer has.
    fn layer(&mut self, prefix: &str, layer: u64, width: u64) {
        let head_dim = if full(layer) { 4 } else { 2 };
        for (name, shape) in [
            ("input_layernorm.weight", &[HIDDEN][..]),
            ("self_attn.q_proj.weight", &[4 * head_dim, HIDDEN]),
            ("self_attn.q_norm.weight", &[head_dim]),
            ("self_attn.o_proj.weight", &[HIDDEN, 4 * head_dim]),
            ("post_attention_layernorm.weight", &[HIDDEN]),
            ("pre_feedforward_layernorm.weight", &[HIDDEN]),
            ("post_feedforward_layernorm.weight", &[HIDDEN]),
            ("mlp.gate_proj.weight", &[width, HIDDEN]),
            ("mlp.up_proj.weight", &[width, HIDDEN]),
            ("mlp.down_proj.weight", &[HIDDEN, width]),
            ("layer_scalar", &[1]),
        ] {
            self.add(&format!("{prefix}layers.{layer}.{name}"), shape);
        }
    }

    fn keys_and_values(&mut self, prefix: &str, layer: u64, kv_heads: u64, has_values: bool) {
        let head_dim = if full(layer) { 4 } else { 2 };
        let rows = head_dim * kv_heads;
        self.add(&format!("{prefix}layers.{layer}.self_attn.k_proj.weight"), &[rows, HIDDEN]);
        self.add(&format!("{prefix}layers.{layer}.self_attn.k_norm.weight"), &[head_dim]);
        if has_values {
            self.add(&format!("{prefix}layers.{layer}.self_attn.v_proj.weight"), &[rows, HIDDEN]);
        }
    }

    /// Like the 26B: experts, keys that are values, a vision tower.
    pub fn mixture() -> Folder {
        let text = json!({
            "num_hidden_layers": 3, "enable_moe_block": true, "num_experts": EXPERTS, "top_k_experts": 2,
            "moe_intermediate_size": 6, "attention_k_eq_v": true, "num_global_key_value_heads": 1,
            "final_logit_softcapping": 30.0,
        });
        let prefix = "model.language_model.";
        let mut folder = Folder::new("Gemma4ForConditionalGeneration", text, prefix);
        for layer in 0..3 {
            folder.layer(prefix, layer, WIDTH);
            folder.keys_and_values(prefix, layer, if full(layer) { 1 } else { 2 }, !full(layer));
            for (name, shape) in [
                ("router.proj.weight", &[EXPERTS, HIDDEN][..]),
                ("router.scale", &[HIDDEN]),
                ("router.per_expert_scale", &[EXPERTS]),
                ("experts.gate_up_proj", &[EXPERTS, 12, HIDDEN]),
                ("experts.down_proj", &[EXPERTS, HIDDEN, 6]),
                ("pre_feedforward_layernorm_2.weight", &[HIDDEN]),
                ("post_feedforward_layernorm_1.weight", &[HIDDEN]),
                ("post_feedforward_layernorm_2.weight", &[HIDDEN]),
            ] {
                folder.add(&format!("{prefix}layers.{layer}.{name}"), shape);
            }
        }
        folder.add("model.vision_tower.patch_embedder.input_proj.weight", &[4, 12]);
        folder.add("model.embed_vision.embedding_projection.weight", &[HIDDEN, 4]);
        folder
    }

    /// Like E2B: embeddings for each layer, shared keys and values, wider layers where they are shared.
    pub fn edge() -> Folder {
        let text = json!({
            "num_hidden_layers": 6, "hidden_size_per_layer_input": OWN, "num_kv_shared_layers": 3,
            "use_double_wide_mlp": true,
        });
        let prefix = "model.language_model.";
        let mut folder = Folder::new("Gemma4ForConditionalGeneration", text, prefix);
        folder.add(&format!("{prefix}embed_tokens_per_layer.weight"), &[TOKENS, 6 * OWN]);
        folder.add(&format!("{prefix}per_layer_model_projection.weight"), &[6 * OWN, HIDDEN]);
        folder.add(&format!("{prefix}per_layer_projection_norm.weight"), &[OWN]);
        for layer in 0..6 {
            folder.layer(prefix, layer, if layer < 3 { WIDTH } else { 2 * WIDTH });
            // A layer that shares them may come with its own all the same.
            if layer < 4 {
                folder.keys_and_values(prefix, layer, 2, true);
            }
            for (name, shape) in [
                ("per_layer_input_gate.weight", &[OWN, HIDDEN][..]),
                ("per_layer_projection.weight", &[HIDDEN, OWN]),
                ("post_per_layer_input_norm.weight", &[HIDDEN]),
            ] {
                folder.add(&format!("{prefix}layers.{layer}.{name}"), shape);
            }
        }
        folder.add("model.audio_tower.output_proj.weight", &[2, 2]);
        folder
    }

    /// Like the 31B saved by transformers 5 as a text model, or the 12B: numbers in another form, no inner prefix.
    pub fn dense(class: &str) -> Folder {
        let text = json!({
            "num_hidden_layers": 3, "attention_k_eq_v": true,
            "per_layer_config": {"2": {"head_dim": 4, "num_key_value_heads": 1}},
        });
        let mut folder = Folder::new(class, text, "model.");
        let inner = folder.config["text_config"].as_object_mut().expect("an object");
        inner.remove("global_head_dim");
        if class == "Gemma4ForCausalLM" {
            let mut config = folder.config["text_config"].take();
            merge(&mut config, json!({ "architectures": [class] }));
            folder.config = config;
        }
        for layer in 0..3 {
            folder.layer("model.", layer, WIDTH);
            folder.keys_and_values("model.", layer, if full(layer) { 1 } else { 2 }, !full(layer));
        }
        folder
    }

    /// A drafter.
    pub fn assistant(class: &str) -> Folder {
        let text =
            json!({ "num_hidden_layers": 3, "attention_k_eq_v": true, "num_global_key_value_heads": 1 });
        let mut folder = Folder::new(class, text, "model.");
        merge(&mut folder.config, json!({ "backbone_hidden_size": BACKBONE }));
        folder.add("pre_projection.weight", &[HIDDEN, 2 * BACKBONE]);
        folder.add("post_projection.weight", &[BACKBONE, HIDDEN]);
        folder.add("masked_embedding.centroids.weight", &[2, HIDDEN]);
        let ordering = Stored {
            dtype: "I64".to_owned(),
            shape: vec![TOKENS],
            bytes: (0..TOKENS).flat_map(u64::to_le_bytes).collect(),
        };
        folder.tensors.insert("masked_embedding.token_ordering".to_owned(), ordering);
        for layer in 0..3 {
            folder.layer("model.", layer, WIDTH);
        }
        folder
    }

    /// Changes an entry of the text model's numbers.
    pub fn set(&mut self, key: &str, value: Value) -> &mut Folder {
        let part = match self.config.get("text_config") {
            Some(_) => &mut self.config["text_config"],
            None => &mut self.config,
        };
        part[key] = value;
        self
    }

    /// Writes everything; the weights into one file.
    pub fn write(&self, path: &Path) {
        self.write_small(path);
        fs::write(path.join("model.safetensors"), safetensors(self.tensors.iter())).expect("write");
    }

    /// Writes everything, the weights into two files with an index.
    pub fn write_shards(&self, path: &Path) {
        self.write_small(path);
        let mut map = Map::new();
        for (number, name) in
            [(0, "model-00001-of-00002.safetensors"), (1, "model-00002-of-00002.safetensors")]
        {
            let part =
                || self.tensors.iter().enumerate().filter(|(at, _)| at % 2 == number).map(|each| each.1);
            fs::write(path.join(name), safetensors(part())).expect("write");
            map.extend(part().map(|(tensor, _)| (tensor.clone(), json!(name))));
        }
        let index = json!({ "metadata": {"total_size": 1}, "weight_map": map });
        fs::write(path.join("model.safetensors.index.json"), index.to_string()).expect("write");
    }

    fn write_small(&self, path: &Path) {
        fs::write(path.join("config.json"), self.config.to_string()).expect("write");
        for (name, text) in &self.files {
            fs::write(path.join(name), text).expect("write");
        }
    }

    /// Writes and opens it.
    pub fn open(&self) -> (TempDir, Result<Checkpoint, CheckpointError>) {
        // A name that says nothing of the model.
        let folder = tempfile::Builder::new().prefix("mini").tempdir().expect("a folder");
        self.write(folder.path());
        let opened = Checkpoint::open(folder.path());
        (folder, opened)
    }

    /// The error of a spoilt one.
    pub fn error(&self) -> CheckpointError {
        let error = self.open().1.expect_err("spoilt");
        let shown = format!("{error} {}", error.help());
        assert!(!shown.contains(char::is_control), "{shown}");
        error
    }
}

/// A file of weights.
pub fn safetensors<'a>(tensors: impl Iterator<Item = (&'a String, &'a Stored)>) -> Vec<u8> {
    let (mut header, mut data) = (Map::new(), Vec::new());
    header.insert("__metadata__".to_owned(), json!({ "format": "pt" }));
    for (name, tensor) in tensors {
        let begin = data.len();
        data.extend(&tensor.bytes);
        let entry =
            json!({ "dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [begin, data.len()] });
        header.insert(name.clone(), entry);
    }
    file(&Value::Object(header).to_string(), &data)
}

/// A file with any header.
pub fn file(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn merge(into: &mut Value, from: Value) {
    let Value::Object(from) = from else { panic!("an object") };
    into.as_object_mut().expect("an object").extend(from);
}

/// Five special tokens, a tool's, the bytes, a few letters, and one token behind the vocabulary's end.
fn tokenizer() -> Value {
    let texts =
        ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<|tool_call>", "<|turn>", "a", "b", "▁", "ab", "▁a"];
    let bytes = (0..=255).map(|byte| format!("<0x{byte:02X}>"));
    let vocab = texts.iter().map(|&text| text.to_owned()).chain(bytes);
    let vocab: Map<String, Value> = vocab.enumerate().map(|(id, text)| (text, json!(id))).collect();
    let added = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<|tool_call>", "<|turn>"];
    let mut added: Vec<Value> = added
        .iter()
        .enumerate()
        .map(|(id, text)| json!({"id": id, "content": text, "special": true}))
        .collect();
    added.push(json!({"id": 268, "content": "<more>", "special": false}));
    added.push(json!({"id": 269, "content": "<video>", "special": true}));
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
        "mask_token": {"content": "<mask>"}, "stc_token": "<|tool_call>", "sot_token": "<|turn>",
        "extra_special_tokens": ["<video>"], "tokenizer_class": "GemmaTokenizer", "model_max_length": 1e30,
    })
}
