//! Small random models of Gemma 4's shape: enough of a file for llama.cpp's own quantization, and every kind of tensor
//! that its rules tell apart. Rows of 256 for the types with large blocks, others for the fallbacks, and one tensor of
//! more than one piece of work.

use std::path::Path;

use slipstream::gguf::{Array, GgmlType, Layout, NewTensor, Value, Writer};
use slipstream::llama::quantize_rows;
use slipstream::quantize::{Imatrix, SourceTensor};

/// A generator of numbers that are always the same.
pub struct Numbers(pub u64);

impl Numbers {
    /// From 0 to 1.
    pub fn unit(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1_u64 << 24) as f32
    }

    /// Like a weight: near 0, some far from it.
    pub fn weight(&mut self) -> f32 {
        let sum: f32 = (0..4).map(|_| self.unit()).sum();
        (sum - 2.0) * 0.04 * if self.unit() < 0.01 { 8.0 } else { 1.0 }
    }
}

pub const LAYERS: u32 = 6;
pub const EXPERTS: u64 = 4;
/// More rows than fit a piece of work.
const TOKENS: u64 = 4200;

fn is_full(layer: u32) -> bool {
    layer % 3 == 2
}

/// The names, shapes and types: weights of `dtype`, the rest F32.
pub fn tensors(dtype: GgmlType) -> Vec<SourceTensor> {
    let mut all: Vec<(String, Vec<u64>, bool)> = vec![
        ("token_embd.weight".to_owned(), vec![256, TOKENS], false),
        ("output_norm.weight".to_owned(), vec![256], true),
        ("rope_freqs.weight".to_owned(), vec![64], true),
    ];
    for layer in 0..LAYERS {
        let full = u64::from(is_full(layer));
        for (name, shape, is_vector) in [
            ("attn_norm.weight", vec![256], true),
            ("attn_q.weight", vec![256, 128 << full], false),
            ("attn_q_norm.weight", vec![64 << full], true),
            ("attn_k.weight", vec![256, 64], false),
            ("attn_k_norm.weight", vec![64 << full], true),
            ("attn_v.weight", vec![256, 64], false),
            ("attn_output.weight", vec![128 << full, 256], false),
            ("post_attention_norm.weight", vec![256], true),
            ("ffn_norm.weight", vec![256], true),
            ("ffn_gate.weight", vec![256, 96], false),
            ("ffn_up.weight", vec![256, 96], false),
            ("ffn_down.weight", vec![96, 256], false),
            ("ffn_gate_inp.weight", vec![256, EXPERTS], true),
            ("ffn_gate_inp.scale", vec![256], true),
            ("ffn_gate_up_exps.weight", vec![256, 64, EXPERTS], false),
            ("ffn_down_exps.weight", vec![32, 256, EXPERTS], false),
            ("ffn_down_exps.scale", vec![EXPERTS], true),
            ("post_ffw_norm.weight", vec![256], true),
            ("layer_output_scale.weight", vec![1], true),
        ] {
            // Full-attention layers take their keys for values.
            if full == 0 || name != "attn_v.weight" {
                all.push((format!("blk.{layer}.{name}"), shape, is_vector));
            }
        }
    }
    all.into_iter()
        .map(|(name, shape, is_vector)| SourceTensor {
            name,
            shape,
            dtype: if is_vector { GgmlType::F32 } else { dtype },
            always_f32: false,
        })
        .collect()
}

/// The metadata llama.cpp wants, in no order that a quantized file has.
pub fn metadata() -> Vec<(String, Value)> {
    let sliding: Vec<bool> = (0..LAYERS).map(|layer| !is_full(layer)).collect();
    let kv_heads: Vec<i32> = sliding.iter().map(|&sliding| if sliding { 2 } else { 1 }).collect();
    let tokens: Vec<String> = (0..TOKENS).map(|id| format!("t{id}")).collect();
    let number = |key: &str, value| (format!("gemma4.{key}"), Value::U32(value));
    vec![
        ("general.architecture".to_owned(), Value::String("gemma4".to_owned())),
        ("general.file_type".to_owned(), Value::U32(32)),
        ("general.quantization_version".to_owned(), Value::U32(2)),
        ("general.name".to_owned(), Value::String("tiny".to_owned())),
        number("block_count", LAYERS),
        number("context_length", 4096),
        number("embedding_length", 256),
        number("feed_forward_length", 96),
        number("attention.head_count", 2),
        ("gemma4.attention.head_count_kv".to_owned(), Value::Array(Array::of_i32s(&kv_heads))),
        number("attention.key_length", 128),
        number("attention.value_length", 128),
        number("attention.key_length_swa", 64),
        number("attention.value_length_swa", 64),
        number("attention.sliding_window", 512),
        ("gemma4.attention.sliding_window_pattern".to_owned(), Value::Array(Array::of_bools(&sliding))),
        ("gemma4.attention.layer_norm_rms_epsilon".to_owned(), Value::F32(1e-6)),
        number("embedding_length_per_layer_input", 0),
        number("expert_count", EXPERTS as u32),
        number("expert_used_count", 2),
        number("expert_feed_forward_length", 32),
        ("tokenizer.ggml.model".to_owned(), Value::String("gemma4".to_owned())),
        (
            "tokenizer.ggml.tokens".to_owned(),
            Value::Array(Array::of_texts(tokens.iter().map(String::as_str))),
        ),
        ("tokenizer.ggml.add_bos_token".to_owned(), Value::Bool(true)),
    ]
}

/// The bytes of random weights.
pub fn data(numbers: &mut Numbers, tensor: &SourceTensor) -> Vec<u8> {
    let count: u64 = tensor.shape.iter().product();
    let weights: Vec<f32> = (0..count).map(|_| numbers.weight()).collect();
    quantize_rows(tensor.dtype.id(), &weights, tensor.shape[0] as usize).expect("stored weights")
}

/// Writes a GGUF file of random weights.
pub fn write(path: &Path, dtype: GgmlType, seed: u64) {
    let tensors = tensors(dtype);
    let new: Vec<NewTensor<'_>> = tensors
        .iter()
        .map(|each| NewTensor { name: &each.name, shape: &each.shape, tensor_type: each.dtype })
        .collect();
    let layout = Layout::new(&metadata(), &new).expect("a layout");
    let mut writer = Writer::begin(Vec::new(), &layout).expect("write the header");
    let mut numbers = Numbers(seed);
    for tensor in &tensors {
        writer.write(&data(&mut numbers, tensor)).expect("write weights");
    }
    std::fs::write(path, writer.finish().expect("a whole file")).expect("write the file");
}

/// An importance matrix of the tiny model, without the embedding and the tensor `missing`.
pub fn imatrix(missing: &str) -> Imatrix {
    let tensors = tensors(GgmlType::BF16);
    let is_weighed = |tensor: &&SourceTensor| {
        tensor.dtype == GgmlType::BF16 && tensor.name != "token_embd.weight" && tensor.name != missing
    };
    imatrix_of(tensors.iter().filter(is_weighed))
}

/// An importance matrix as `llama-imatrix` writes it; one expert was never reached.
pub fn imatrix_of<'a>(tensors: impl Iterator<Item = &'a SourceTensor>) -> Imatrix {
    let mut numbers = Numbers(7);
    let mut parts: Vec<(String, Vec<u64>, Vec<f32>)> = Vec::new();
    for tensor in tensors {
        let (columns, experts) = (tensor.shape[0], tensor.shape.get(2).copied().unwrap_or(1));
        let counts: Vec<f32> =
            (0..experts).map(|expert| if experts > 1 && expert == 2 { 0.0 } else { 16.0 }).collect();
        let sums = counts.iter().flat_map(|&count| {
            let row: Vec<f32> = (0..columns).map(|_| numbers.unit() * 3.0 * count).collect();
            row
        });
        let sums = sums.collect();
        parts.push((format!("{}.in_sum2", tensor.name), vec![columns, experts], sums));
        parts.push((format!("{}.counts", tensor.name), vec![1, experts], counts));
    }
    let entries = [
        ("general.type".to_owned(), Value::String("imatrix".to_owned())),
        ("imatrix.datasets".to_owned(), Value::Array(Array::of_texts(["tiny.txt"]))),
        ("imatrix.chunk_count".to_owned(), Value::U32(5)),
        ("imatrix.chunk_size".to_owned(), Value::U32(512)),
    ];
    let new: Vec<NewTensor<'_>> =
        parts.iter().map(|(name, shape, _)| NewTensor { name, shape, tensor_type: GgmlType::F32 }).collect();
    let layout = Layout::new(&entries, &new).expect("a layout");
    let mut writer = Writer::begin(Vec::new(), &layout).expect("write the header");
    for (_, _, values) in &parts {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        writer.write(&bytes).expect("write values");
    }
    Imatrix::from_bytes(&writer.finish().expect("a whole file"), "tiny.imatrix").expect("an imatrix")
}
