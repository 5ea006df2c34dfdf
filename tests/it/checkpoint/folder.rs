//! Small checkpoints of every architecture, made here: any part of them can be spoilt before it is written.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};
use slipstream::checkpoint::{Checkpoint, CheckpointError};
use tempfile::TempDir;

/// Tokens of the vocabulary.
pub const TOKENS: u64 = 273;

/// Sizes of a model.
#[derive(Clone, Copy)]
pub struct Sizes {
    pub hidden: u64,
    /// Of the dense feed-forward part.
    pub width: u64,
    pub heads: u64,
    pub head_dim: u64,
    pub full_head_dim: u64,
    /// Of the embeddings each layer has of its own.
    pub own: u64,
    pub experts: u64,
    pub expert_width: u64,
    /// Of the target's hidden row, for a drafter.
    pub backbone: u64,
}

/// As little as shows every rule.
pub const SMALL: Sizes = Sizes {
    hidden: 8,
    width: 12,
    heads: 4,
    head_dim: 2,
    full_head_dim: 4,
    own: 4,
    experts: 3,
    expert_width: 6,
    backbone: 10,
};

/// Rows of whole blocks of 256 weights, and some of 32 only.
pub const WIDE: Sizes = Sizes {
    hidden: 256,
    width: 288,
    heads: 4,
    head_dim: 32,
    full_head_dim: 64,
    own: 32,
    experts: 4,
    expert_width: 32,
    backbone: 256,
};

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
        let value = |at: u64| {
            let mixed = seed.wrapping_add(at).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            // From 2^-7 to 2, of either sign.
            (mixed >> 48 & 0x8000) as u16 | (0x3c00 + (mixed >> 40 & 0x3ff) as u16)
        };
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
    pub sizes: Sizes,
    /// Before the names of most tensors.
    pub prefix: &'static str,
    pub config: Value,
    pub tensors: BTreeMap<String, Stored>,
    /// JSON files and texts by their names.
    pub files: BTreeMap<&'static str, String>,
}

impl Folder {
    pub fn add(&mut self, name: &str, shape: &[u64]) {
        self.tensors.insert(name.to_owned(), Stored::bf16(name, shape));
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
