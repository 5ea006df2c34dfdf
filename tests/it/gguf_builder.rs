//! Writes small GGUF files for tests, good and bad: every number can be made to lie. (The real writer is
//! elsewhere; this one must be able to write what no writer should.)

use slipstream::gguf::{GgmlType, ValueType};

/// A GGUF under construction.
#[derive(Clone)]
pub struct Builder {
    /// Written as the version.
    pub version: u32,
    /// Written as the number of tensors, in place of the true one.
    pub claimed_tensors: Option<u64>,
    /// Written as the number of metadata entries, in place of the true one.
    pub claimed_entries: Option<u64>,
    /// Where the data section is aligned to.
    pub alignment: usize,
    /// Metadata entries, encoded.
    pub entries: Vec<Vec<u8>>,
    /// Descriptions of tensors, encoded.
    pub tensors: Vec<Vec<u8>>,
    /// Bytes of the data section.
    pub data: usize,
}

/// A length and the bytes.
pub fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

impl Builder {
    /// An empty file, version 3.
    pub fn new() -> Builder {
        Builder {
            version: 3,
            claimed_tensors: None,
            claimed_entries: None,
            alignment: 32,
            entries: Vec::new(),
            tensors: Vec::new(),
            data: 0,
        }
    }

    /// A file of an architecture.
    pub fn model(architecture: &str) -> Builder {
        Builder::new().text("general.architecture", architecture)
    }

    /// An entry, its value's bytes as they are.
    pub fn entry(mut self, key: &str, type_id: u32, value: &[u8]) -> Builder {
        self.entries.push([&string(key)[..], &type_id.to_le_bytes(), value].concat());
        self
    }

    /// Bytes in place of an entry.
    pub fn raw_entry(mut self, bytes: &[u8]) -> Builder {
        self.entries.push(bytes.to_vec());
        self
    }

    /// A text.
    pub fn text(self, key: &str, value: &str) -> Builder {
        self.entry(key, ValueType::String.id(), &string(value))
    }

    /// A number.
    pub fn number(self, key: &str, value: u32) -> Builder {
        self.entry(key, ValueType::U32.id(), &value.to_le_bytes())
    }

    /// An array, its elements' bytes as they are.
    pub fn array(self, key: &str, element: u32, length: u64, bytes: &[u8]) -> Builder {
        self.entry(
            key,
            ValueType::Array.id(),
            &[&element.to_le_bytes()[..], &length.to_le_bytes(), bytes].concat(),
        )
    }

    /// An array of texts.
    pub fn texts(self, key: &str, items: &[String]) -> Builder {
        let bytes: Vec<u8> = items.iter().flat_map(|item| string(item)).collect();
        self.array(key, ValueType::String.id(), items.len() as u64, &bytes)
    }

    /// An array of numbers.
    pub fn numbers(self, key: &str, items: &[i32]) -> Builder {
        let bytes: Vec<u8> = items.iter().flat_map(|item| item.to_le_bytes()).collect();
        self.array(key, ValueType::I32.id(), items.len() as u64, &bytes)
    }

    /// An array of truth values.
    pub fn bools(self, key: &str, items: &[bool]) -> Builder {
        let bytes: Vec<u8> = items.iter().map(|&item| u8::from(item)).collect();
        self.array(key, ValueType::Bool.id(), items.len() as u64, &bytes)
    }

    /// A description of a tensor, as it is; `data` bytes are added to the file for it.
    pub fn raw_tensor(mut self, name: &str, dims: &[u64], type_id: u32, offset: u64, data: usize) -> Builder {
        let mut bytes = string(name);
        bytes.extend((dims.len() as u32).to_le_bytes());
        bytes.extend(dims.iter().flat_map(|dim| dim.to_le_bytes()));
        bytes.extend(type_id.to_le_bytes());
        bytes.extend(offset.to_le_bytes());
        self.tensors.push(bytes);
        self.data += data;
        self
    }

    /// A good tensor of zeros behind the others.
    pub fn tensor(self, name: &str, dims: &[u64], tensor_type: GgmlType) -> Builder {
        let elements: u64 = dims.iter().product();
        let bytes = (elements / tensor_type.block_size() * tensor_type.block_bytes()) as usize;
        let padded = bytes.next_multiple_of(self.alignment);
        let offset = self.data as u64;
        self.raw_tensor(name, dims, tensor_type.id(), offset, padded)
    }

    /// The file.
    pub fn build(&self) -> Vec<u8> {
        let mut file = b"GGUF".to_vec();
        file.extend(self.version.to_le_bytes());
        file.extend(self.claimed_tensors.unwrap_or(self.tensors.len() as u64).to_le_bytes());
        file.extend(self.claimed_entries.unwrap_or(self.entries.len() as u64).to_le_bytes());
        file.extend(self.entries.concat());
        file.extend(self.tensors.concat());
        if !self.tensors.is_empty() {
            file.resize(file.len().next_multiple_of(self.alignment), 0);
        }
        file.resize(file.len() + self.data, 0);
        file
    }
}

/// What a test changes about a pair of Gemma 4 shape.
#[derive(Clone)]
pub struct Shape {
    /// The target's row width.
    pub width: u32,
    /// Tokens.
    pub tokens: u32,
    /// The beginning of every token's text.
    pub token_prefix: &'static str,
    /// Heads of sliding layers and of full ones.
    pub heads: (i32, i32),
    /// Key widths of sliding layers and of full ones.
    pub keys: (u32, u32),
    /// The name in the metadata.
    pub name: &'static str,
    /// The type of the weights.
    pub tensor_type: GgmlType,
}

impl Default for Shape {
    fn default() -> Shape {
        Shape {
            width: 64,
            tokens: 48,
            token_prefix: "t",
            heads: (2, 1),
            keys: (16, 32),
            name: "Gemma 4 Tiny It",
            tensor_type: GgmlType::Q8_0,
        }
    }
}

impl Shape {
    fn common(&self, architecture: &str, sliding: &[bool]) -> Builder {
        let tokens: Vec<String> = (0..self.tokens).map(|id| format!("{}{id}", self.token_prefix)).collect();
        let heads: Vec<i32> =
            sliding.iter().map(|&is_sliding| if is_sliding { self.heads.0 } else { self.heads.1 }).collect();
        let key = |suffix: &str| format!("{architecture}.{suffix}");
        Builder::model(architecture)
            .text("general.name", self.name)
            .number(&key("block_count"), sliding.len() as u32)
            .number(&key("context_length"), 4096)
            .number(&key("feed_forward_length"), 128)
            .number(&key("attention.head_count"), 4)
            .numbers(&key("attention.head_count_kv"), &heads)
            .number(&key("attention.key_length"), self.keys.1)
            .number(&key("attention.value_length"), self.keys.1)
            .number(&key("attention.key_length_swa"), self.keys.0)
            .number(&key("attention.value_length_swa"), self.keys.0)
            .number(&key("attention.sliding_window"), 512)
            .bools(&key("attention.sliding_window_pattern"), sliding)
            .texts("tokenizer.ggml.tokens", &tokens)
    }

    /// The target's file.
    pub fn target(&self) -> Builder {
        self.target_with(&[true, true, true, false])
    }

    /// The target's file with these kinds of layers.
    pub fn target_with(&self, sliding: &[bool]) -> Builder {
        self.common("gemma4", sliding)
            .number("gemma4.embedding_length", self.width)
            .tensor("token_embd.weight", &[64, self.tokens.into()], self.tensor_type)
            .tensor("output_norm.weight", &[64], GgmlType::F32)
    }

    /// The drafter's file.
    pub fn drafter(&self) -> Builder {
        self.drafter_of("gemma4-assistant")
    }

    /// The drafter's file under another architecture's name.
    pub fn drafter_of(&self, architecture: &str) -> Builder {
        self.common(architecture, &[true, false])
            .number(&format!("{architecture}.embedding_length"), 32)
            .number(&format!("{architecture}.embedding_length_out"), self.width)
            .number(&format!("{architecture}.nextn_predict_layers"), 2)
            .tensor("token_embd.weight", &[32, self.tokens.into()], self.tensor_type)
    }
}
