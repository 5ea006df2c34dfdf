//! Good checkpoints: tensors, their rows, metadata.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::time::{Duration, SystemTime};

use slipstream::checkpoint::Checkpoint;
use slipstream::gguf::{GgmlType, Value};
use slipstream::quantize::{Source as _, SourceError};

use super::folder::{Folder, SMALL, Stored, TOKENS};

fn opened(folder: &Folder) -> (tempfile::TempDir, Checkpoint) {
    let (path, opened) = folder.open();
    (path, opened.unwrap_or_else(|error| panic!("{error}")))
}

fn index(checkpoint: &Checkpoint, name: &str) -> usize {
    let found = checkpoint.tensors().iter().position(|tensor| tensor.name == name);
    found.unwrap_or_else(|| panic!("no {name}"))
}

fn all_rows(checkpoint: &Checkpoint, name: &str) -> Vec<f32> {
    let number = index(checkpoint, name);
    let tensor = &checkpoint.tensors()[number];
    let mut values = vec![0.0; (tensor.columns() * tensor.rows()) as usize];
    checkpoint.read_rows(number, 0..tensor.rows(), &mut values).expect("rows");
    values
}

fn value<'a>(checkpoint: &'a Checkpoint, key: &str) -> Option<&'a Value> {
    checkpoint.metadata().iter().find(|entry| entry.0 == key).map(|entry| &entry.1)
}

fn keys(checkpoint: &Checkpoint) -> Vec<&str> {
    checkpoint.metadata().iter().map(|entry| entry.0.as_str()).collect()
}

#[test]
fn a_mixture_has_every_tensor_and_the_reference_converters_keys() {
    let folder = Folder::mixture(SMALL);
    let (path, checkpoint) = opened(&folder);
    assert_eq!(checkpoint.tensors()[0].name, "rope_freqs.weight");
    assert_eq!(checkpoint.tensors().len(), folder.tensors.len() - 2 + 1, "two of the tower, one computed");
    assert_eq!(checkpoint.dropped().len(), 2);
    // A quarter of the four dimensions is turned: of two pairs, none and a half.
    assert_eq!(all_rows(&checkpoint, "rope_freqs.weight"), [1e30, 1e30]);
    for (name, stored, shape, always_f32) in [
        ("token_embd.weight", "embed_tokens.weight", vec![SMALL.hidden, TOKENS], false),
        ("output_norm.weight", "norm.weight", vec![SMALL.hidden], true),
        ("blk.0.attn_v.weight", "layers.0.self_attn.v_proj.weight", vec![SMALL.hidden, 4], false),
        ("blk.2.attn_k.weight", "layers.2.self_attn.k_proj.weight", vec![SMALL.hidden, 4], false),
        ("blk.2.layer_output_scale.weight", "layers.2.layer_scalar", vec![1], true),
        ("blk.1.ffn_gate_inp.weight", "layers.1.router.proj.weight", vec![SMALL.hidden, SMALL.experts], true),
        ("blk.1.ffn_gate_inp.scale", "layers.1.router.scale", vec![SMALL.hidden], true),
        ("blk.1.ffn_down_exps.scale", "layers.1.router.per_expert_scale", vec![SMALL.experts], true),
        (
            "blk.1.ffn_gate_up_exps.weight",
            "layers.1.experts.gate_up_proj",
            vec![SMALL.hidden, 12, SMALL.experts],
            false,
        ),
        (
            "blk.1.ffn_down_exps.weight",
            "layers.1.experts.down_proj",
            vec![6, SMALL.hidden, SMALL.experts],
            false,
        ),
    ] {
        let tensor = &checkpoint.tensors()[index(&checkpoint, name)];
        assert_eq!((&tensor.shape, tensor.always_f32), (&shape, always_f32), "{name}");
        assert_eq!(tensor.dtype, GgmlType::BF16);
        let stored = &folder.tensors[&format!("model.language_model.{stored}")];
        assert_eq!(all_rows(&checkpoint, name), stored.values(), "{name}");
    }
    assert!(!checkpoint.tensors().iter().any(|tensor| tensor.name == "blk.2.attn_v.weight"));
    let expected = "general.architecture general.type general.sampling.top_k general.sampling.top_p \
        general.sampling.temp general.name general.size_label gemma4.block_count gemma4.context_length \
        gemma4.embedding_length gemma4.feed_forward_length gemma4.attention.head_count \
        gemma4.attention.head_count_kv gemma4.rope.freq_base gemma4.rope.freq_base_swa \
        gemma4.attention.layer_norm_rms_epsilon gemma4.expert_count gemma4.expert_used_count \
        gemma4.attention.key_length gemma4.attention.value_length general.file_type \
        gemma4.final_logit_softcapping gemma4.attention.sliding_window gemma4.attention.shared_kv_layers \
        gemma4.embedding_length_per_layer_input gemma4.attention.sliding_window_pattern \
        gemma4.attention.key_length_swa gemma4.attention.value_length_swa gemma4.expert_feed_forward_length \
        gemma4.rope.dimension_count gemma4.rope.dimension_count_swa general.quantization_version \
        tokenizer.ggml.model tokenizer.ggml.tokens tokenizer.ggml.scores tokenizer.ggml.token_type \
        tokenizer.ggml.merges tokenizer.ggml.bos_token_id tokenizer.ggml.eos_token_id \
        tokenizer.ggml.unknown_token_id tokenizer.ggml.padding_token_id tokenizer.ggml.mask_token_id \
        tokenizer.chat_template tokenizer.ggml.add_space_prefix tokenizer.ggml.add_bos_token";
    assert_eq!(keys(&checkpoint), expected.split_whitespace().collect::<Vec<_>>());
    let array = |key| value(&checkpoint, key).and_then(Value::as_array).and_then(|array| array.to_u32s());
    assert_eq!(array("gemma4.attention.head_count_kv"), Some(vec![2, 2, 1]));
    assert_eq!(value(&checkpoint, "gemma4.attention.key_length"), Some(&Value::U32(4)));
    assert_eq!(value(&checkpoint, "gemma4.rope.freq_base"), Some(&Value::F32(1e6)));
    assert_eq!(value(&checkpoint, "general.sampling.top_k"), Some(&Value::I32(64)));
    assert_eq!(value(&checkpoint, "general.sampling.top_p"), Some(&Value::F32(0.95)));
    let template = value(&checkpoint, "tokenizer.chat_template").and_then(Value::as_str);
    let template = template.expect("a template");
    assert!(template.contains("['role'] }}\n{{"), "a line ends as Python reads it: {template}");
    let kinds = array("tokenizer.ggml.token_type").expect("kinds");
    assert_eq!(kinds[..15], [3, 3, 3, 3, 3, 4, 3, 3, 1, 1, 1, 1, 1, 1, 1]);
    assert!(kinds[15..271].iter().all(|&kind| kind == 6));
    assert_eq!(kinds[271..], [4, 3]);
    let merges = value(&checkpoint, "tokenizer.ggml.merges").and_then(Value::as_array).expect("merges");
    let merges: Vec<Value> = merges.items().expect("kept").collect();
    let merges: Vec<&str> = merges.iter().filter_map(Value::as_str).collect();
    assert_eq!(merges, ["a b", "▁ a", "\u{120} b"]);
    drop(path);
}

#[test]
fn an_edge_model_has_its_own_embeddings_and_wide_layers() {
    let folder = Folder::edge(SMALL);
    let (_path, checkpoint) = opened(&folder);
    let shape = |name| checkpoint.tensors()[index(&checkpoint, name)].shape.clone();
    assert_eq!(shape("per_layer_token_embd.weight"), [6 * SMALL.own, TOKENS]);
    assert_eq!(shape("per_layer_model_proj.weight"), [SMALL.hidden, 6 * SMALL.own]);
    assert_eq!(shape("blk.5.ffn_down.weight"), [2 * SMALL.width, SMALL.hidden]);
    assert_eq!(shape("blk.3.attn_k.weight"), [SMALL.hidden, 4]);
    let widths = value(&checkpoint, "gemma4.feed_forward_length").and_then(Value::as_array);
    assert_eq!(widths.and_then(|widths| widths.to_u32s()), Some(vec![12, 12, 12, 24, 24, 24]));
    assert_eq!(value(&checkpoint, "gemma4.attention.shared_kv_layers"), Some(&Value::U32(3)));
    assert_eq!(value(&checkpoint, "gemma4.embedding_length_per_layer_input"), Some(&Value::U32(4)));
    assert_eq!(value(&checkpoint, "gemma4.attention.head_count_kv"), Some(&Value::U32(2)));
    assert_eq!(value(&checkpoint, "gemma4.expert_count"), None);
}

#[test]
fn both_forms_of_the_numbers_and_both_prefixes_say_the_same() {
    let (_newer_path, newer) = opened(&Folder::dense("Gemma4ForCausalLM", SMALL));
    let mut older = Folder::dense("Gemma4ForCausalLM", SMALL);
    older.set("per_layer_config", serde_json::Value::Null);
    older.set("global_head_dim", 4.into()).set("num_global_key_value_heads", 1.into());
    let tensors = std::mem::take(&mut older.tensors);
    older.tensors = tensors
        .into_iter()
        .map(|(name, tensor)| (name.replacen("model.", "model.language_model.", 1), tensor))
        .collect();
    let (_older_path, older) = opened(&older);
    let without_name = |checkpoint: &Checkpoint| {
        let entries = checkpoint.metadata().iter().filter(|entry| entry.0 != "general.name");
        entries.cloned().collect::<Vec<_>>()
    };
    assert_eq!(without_name(&newer), without_name(&older));
    assert_eq!(newer.tensors(), older.tensors());
}

#[test]
fn the_12b_suppresses_tokens_and_a_text_model_does_not() {
    let (_path, unified) = opened(&Folder::dense("Gemma4UnifiedForConditionalGeneration", SMALL));
    let suppressed = value(&unified, "tokenizer.ggml.suppress_tokens").and_then(Value::as_array);
    assert_eq!(suppressed.and_then(|all| all.to_u32s()), Some(vec![7, 8]));
    let (_path, text) = opened(&Folder::dense("Gemma4ForCausalLM", SMALL));
    assert_eq!(value(&text, "tokenizer.ggml.suppress_tokens"), None);
}

#[test]
fn drafters_have_projections_and_no_keys() {
    for class in ["Gemma4AssistantForCausalLM", "Gemma4UnifiedAssistantForCausalLM"] {
        let mut folder = Folder::assistant(class, SMALL);
        folder.set("num_kv_shared_layers", serde_json::Value::Null);
        let (_path, checkpoint) = opened(&folder);
        let shape = |name| checkpoint.tensors()[index(&checkpoint, name)].shape.clone();
        assert_eq!(shape("nextn.pre_projection.weight"), [2 * SMALL.backbone, SMALL.hidden]);
        assert_eq!(shape("nextn.post_projection.weight"), [SMALL.hidden, SMALL.backbone]);
        assert_eq!(checkpoint.dropped().len(), 2);
        let value =
            |key: &str| value(&checkpoint, &format!("gemma4-assistant.{key}")).and_then(Value::as_u32);
        assert_eq!(value("embedding_length_out"), Some(10));
        assert_eq!(value("nextn_predict_layers"), Some(3));
        assert_eq!(value("attention.shared_kv_layers"), Some(3), "filled in");
    }
}

#[test]
fn shards_and_one_file_give_the_same() {
    let folder = Folder::edge(SMALL);
    let (_path, whole) = opened(&folder);
    let path = tempfile::tempdir().expect("a folder");
    folder.write_shards(path.path());
    let shards = Checkpoint::open(path.path()).expect("good");
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let files: Vec<String> = shards.files().map(name).collect();
    assert_eq!(files.len(), 8, "five small ones and the index, two of weights: {files:?}");
    assert_eq!(files[0], "config.json");
    for tensor in whole.tensors() {
        assert_eq!(all_rows(&whole, &tensor.name), all_rows(&shards, &tensor.name), "{}", tensor.name);
    }
    assert_eq!(whole.tensors().len(), shards.tensors().len());
}

#[test]
fn rows_are_read_from_anywhere_and_only_whole() {
    let folder = Folder::mixture(SMALL);
    let (_path, checkpoint) = opened(&folder);
    let number = index(&checkpoint, "blk.0.ffn_down_exps.weight");
    let expected = folder.tensors["model.language_model.layers.0.experts.down_proj"].values();
    let mut values = vec![0.0; 3 * 6];
    checkpoint.read_rows(number, 7..10, &mut values).expect("rows across two experts");
    assert_eq!(values, expected[7 * 6..10 * 6]);
    checkpoint.read_rows(number, 5..5, &mut []).expect("no rows");
    #[expect(clippy::reversed_empty_ranges)]
    for rows in [0..2, 22..25, 4..1, u64::MAX - 2..u64::MAX] {
        let error = checkpoint.read_rows(number, rows.clone(), &mut values).expect_err("not these");
        assert!(matches!(error, SourceError::Rows { have: 24, .. }), "{rows:?}: {error}");
    }
    assert!(matches!(checkpoint.read_rows(9999, 0..1, &mut values), Err(SourceError::Rows { .. })));
}

#[test]
fn single_precision_is_rounded_to_bf16_and_vectors_are_not() {
    let mut folder = Folder::dense("Gemma4ForCausalLM", SMALL);
    // The first is a tie to the even one below, the second is nearer to the one above.
    let values = [f32::from_bits(0x3f80_8000), f32::from_bits(0x3f80_8001)];
    for tensor in folder.tensors.values_mut() {
        let count = tensor.bytes.len() / 2;
        tensor.dtype = "F32".to_owned();
        tensor.bytes = (0..count).flat_map(|at| values[at % 2].to_le_bytes()).collect();
    }
    let (_path, checkpoint) = opened(&folder);
    let matrix = index(&checkpoint, "blk.0.attn_q.weight");
    assert_eq!(checkpoint.tensors()[matrix].dtype, GgmlType::BF16);
    let rounded = [1.0, f32::from_bits(0x3f81_0000)];
    assert_eq!(all_rows(&checkpoint, "blk.0.attn_q.weight")[..2], rounded);
    assert_eq!(all_rows(&checkpoint, "blk.0.attn_norm.weight")[..2], values);
    let checkpoint = checkpoint.unrounded();
    assert_eq!(checkpoint.tensors()[matrix].dtype, GgmlType::F32);
    assert_eq!(all_rows(&checkpoint, "blk.0.attn_q.weight")[..2], values);
}

#[test]
fn half_precision_stays_what_it_is() {
    let mut folder = Folder::dense("Gemma4ForCausalLM", SMALL);
    for tensor in folder.tensors.values_mut() {
        tensor.dtype = "F16".to_owned();
        // 1 + 2^-10 is no BF16 number.
        tensor.bytes =
            tensor.bytes.as_chunks::<2>().0.iter().flat_map(|_| 0x3c01_u16.to_le_bytes()).collect();
    }
    let (_path, checkpoint) = opened(&folder);
    assert_eq!(checkpoint.tensors()[index(&checkpoint, "blk.0.attn_q.weight")].dtype, GgmlType::F16);
    assert!(all_rows(&checkpoint, "blk.0.attn_q.weight").iter().all(|&value| value == 1.0 + 2_f32.powi(-10)));
}

#[test]
fn rows_behind_the_vocabulary_are_left_out() {
    let mut folder = Folder::edge(SMALL);
    for (name, columns) in
        [("embed_tokens.weight", SMALL.hidden), ("embed_tokens_per_layer.weight", 6 * SMALL.own)]
    {
        folder.add(&format!("model.language_model.{name}"), &[TOKENS + 5, columns]);
    }
    let (_path, checkpoint) = opened(&folder);
    let stored = &folder.tensors["model.language_model.embed_tokens.weight"];
    let rows = all_rows(&checkpoint, "token_embd.weight");
    assert_eq!(rows, stored.values()[..(TOKENS * SMALL.hidden) as usize]);
}

#[test]
fn a_file_that_changes_meanwhile_is_noticed() {
    let folder = Folder::dense("Gemma4ForCausalLM", SMALL);
    let (path, checkpoint) = opened(&folder);
    let file = path.path().join("model.safetensors");
    checkpoint.check_unchanged().expect("untouched");
    let open = || OpenOptions::new().write(true).open(&file).expect("there");
    let before = fs::metadata(&file).and_then(|about| about.modified()).expect("a time");
    open().set_modified(before + Duration::from_secs(1)).expect("another time");
    assert!(matches!(checkpoint.check_unchanged(), Err(SourceError::Changed { .. })));
    open().set_modified(before).expect("the time");
    checkpoint.check_unchanged().expect("as before");
    open().set_len(4000).expect("shorter");
    open().set_modified(SystemTime::now()).expect("a time");
    assert!(matches!(checkpoint.check_unchanged(), Err(SourceError::Changed { .. })));
    // The last tensor by name lies at the end.
    let number = index(&checkpoint, "output_norm.weight");
    let error = checkpoint.read_rows(number, 0..1, &mut [0.0; SMALL.hidden as usize]).expect_err("not there");
    assert!(matches!(error, SourceError::Changed { .. }), "{error}");
}

#[test]
fn numbers_left_out_have_the_defaults_of_transformers() {
    let mut folder = Folder::dense("Gemma4ForCausalLM", SMALL);
    let config = folder.config.as_object_mut().expect("an object");
    for key in ["layer_types", "sliding_window", "max_position_embeddings", "rope_parameters"] {
        config.remove(key);
    }
    config.insert("per_layer_config".to_owned(), serde_json::Value::Null);
    config.insert("global_head_dim".to_owned(), 4.into());
    config.insert("num_global_key_value_heads".to_owned(), 1.into());
    // Without types of layers, five of six are sliding, and the last one is not.
    let (_path, checkpoint) = opened(&folder);
    assert_eq!(checkpoint.config().is_sliding, [true, true, false]);
    assert_eq!(checkpoint.config().sliding_window, 512);
    assert_eq!(checkpoint.config().context, 131_072);
    assert_eq!(checkpoint.config().rms_epsilon, 1e-6);
    assert_eq!(value(&checkpoint, "gemma4.rope.freq_base"), Some(&Value::F32(1e6)));
    assert_eq!(value(&checkpoint, "gemma4.rope.freq_base_swa"), Some(&Value::F32(1e4)));
}

#[test]
fn a_tensor_of_one_number_may_have_no_dimensions() {
    let mut folder = Folder::dense("Gemma4ForCausalLM", SMALL);
    let scalar = Stored { shape: vec![], ..Stored::bf16("x", &[1]) };
    folder.tensors.insert("model.layers.0.layer_scalar".to_owned(), scalar);
    let (_path, checkpoint) = opened(&folder);
    assert_eq!(checkpoint.tensors()[index(&checkpoint, "blk.0.layer_output_scale.weight")].shape, [1]);
}
