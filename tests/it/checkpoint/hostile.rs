//! Bad checkpoints: each fault has its own error, and nothing panics.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use slipstream::checkpoint::{Checkpoint, CheckpointError, ConfigError, TokenizerError};
use slipstream::quantize::Source as _;

use super::folder::{Folder, SMALL, Stored, TOKENS, safetensors};

fn config_error(key: &str, value: Value) -> ConfigError {
    let mut folder = Folder::mixture(SMALL);
    folder.set(key, value);
    match folder.error() {
        CheckpointError::Config { source, .. } => source,
        other => panic!("{key}: {other}"),
    }
}

#[test]
fn numbers_that_no_model_has_are_refused() {
    for (key, value) in [
        ("num_hidden_layers", json!(0)),
        ("num_hidden_layers", json!(513)),
        ("num_hidden_layers", json!(u64::MAX)),
        ("hidden_size", json!(-1)),
        ("hidden_size", json!(8.5)),
        ("hidden_size", json!("8")),
        ("hidden_size", json!(1_u64 << 40)),
        ("num_kv_shared_layers", json!(4)),
        ("layer_types", json!(["full_attention"])),
        ("layer_types", json!(["sliding_attention", "linear_attention", "full_attention"])),
        ("layer_types", json!(7)),
        ("rms_norm_eps", json!("small")),
        ("final_logit_softcapping", json!(1e300)),
        ("use_double_wide_mlp", json!(1)),
        ("use_bidirectional_attention", json!("all")),
        ("rope_parameters", json!({"full_attention": {"rope_type": "yarn", "partial_rotary_factor": 0.25}})),
        (
            "rope_parameters",
            json!({"full_attention": {"rope_type": "proportional", "partial_rotary_factor": 1.5}}),
        ),
        ("per_layer_config", json!([])),
        ("per_layer_config", json!({"2": 3})),
        // Of two full layers, one is different; and so is a sliding one.
        ("per_layer_config", json!({"0": {"head_dim": 4}, "2": {"head_dim": 4}})),
    ] {
        let error = config_error(key, value.clone());
        let ConfigError::Value { key: found, .. } = &error else { panic!("{key} {value}: {error}") };
        assert!(found.starts_with(key), "{error}");
    }
    for value in [json!({}), json!({"full_attention": {"rope_type": "proportional"}})] {
        assert!(matches!(config_error("rope_parameters", value), ConfigError::Missing { .. }));
    }
    assert!(matches!(config_error("per_layer_config", json!({})), ConfigError::Missing { .. }));
}

#[test]
fn other_architectures_are_sent_the_way_that_works() {
    for (value, shown) in [
        (json!(["Qwen3ForCausalLM"]), "`Qwen3ForCausalLM`"),
        (json!([]), "(none is named)"),
        (Value::Null, "(none is named)"),
        (json!(["Gemma4\u{1b}[2J"]), "Gemma4\\u{1b}[2J"),
    ] {
        let mut folder = Folder::mixture(SMALL);
        folder.config["architectures"] = value;
        let error = folder.error();
        assert!(error.to_string().contains(shown), "{error}");
        assert!(
            error.help().contains("convert_hf_to_gguf.py") && error.help().contains("slipstream quantize")
        );
    }
}

#[test]
fn quantized_weights_are_refused_and_the_marks_of_training_for_it_are_not() {
    let mut folder = Folder::mixture(SMALL);
    folder.config["quantization_config"] = json!({"quant_method": "fp8"});
    let error = folder.error();
    assert!(
        matches!(error, CheckpointError::Config { source: ConfigError::Quantized { .. }, .. }),
        "{error}"
    );
    folder.config["quantization_config"] = json!({"bits": 4});
    folder.open().1.expect("only a remark");
}

#[test]
fn a_missing_or_unknown_tensor_is_named() {
    let mut folder = Folder::mixture(SMALL);
    folder.tensors.remove("model.language_model.layers.1.self_attn.v_proj.weight");
    let error = folder.error();
    let CheckpointError::MissingTensors { names } = &error else { panic!("{error}") };
    assert_eq!(names, &["blk.1.attn_v.weight"]);

    let mut folder = Folder::mixture(SMALL);
    folder.add("model.language_model.layers.1.self_attn.q_proj.bias", &[8]);
    assert!(matches!(folder.error(), CheckpointError::UnknownTensor { .. }));

    let mut folder = Folder::mixture(SMALL);
    folder.add("model.language_model.layers.3.input_layernorm.weight", &[SMALL.hidden]);
    assert!(matches!(folder.error(), CheckpointError::Surplus { .. }), "there are three layers");

    let mut folder = Folder::mixture(SMALL);
    folder.add("model.norm.weight", &[SMALL.hidden]);
    let error = folder.error();
    let CheckpointError::Twice { name, .. } = &error else { panic!("{error}") };
    assert_eq!(name, "output_norm.weight");
}

#[test]
fn shapes_and_types_must_be_those_of_the_model() {
    let name = "model.language_model.layers.0.mlp.up_proj.weight";
    let mut folder = Folder::mixture(SMALL);
    folder.add(name, &[SMALL.hidden, 12]);
    let error = folder.error();
    let CheckpointError::Shape { found, expected, .. } = &error else { panic!("{error}") };
    assert_eq!((found, expected), (&vec![8, 12], &vec![12, 8]));

    let mut folder = Folder::mixture(SMALL);
    folder.tensors.insert(
        name.to_owned(),
        Stored { dtype: "I16".to_owned(), ..Stored::bf16(name, &[12, SMALL.hidden]) },
    );
    assert!(matches!(folder.error(), CheckpointError::Type { .. }));

    let mut folder = Folder::mixture(SMALL);
    folder.add("model.language_model.embed_tokens.weight", &[TOKENS - 1, SMALL.hidden]);
    assert!(matches!(folder.error(), CheckpointError::Shape { .. }), "a token without a row");
}

fn shards_error(spoil: impl FnOnce(&Path, &mut Value)) -> CheckpointError {
    let path = tempfile::tempdir().expect("a folder");
    Folder::mixture(SMALL).write_shards(path.path());
    let index = path.path().join("model.safetensors.index.json");
    let mut value = serde_json::from_slice(&fs::read(&index).expect("there")).expect("JSON");
    spoil(path.path(), &mut value);
    fs::write(&index, value.to_string()).expect("write");
    Checkpoint::open(path.path()).expect_err("spoilt")
}

#[test]
fn index_and_files_must_agree() {
    const SECOND: &str = "model-00002-of-00002.safetensors";
    let error = shards_error(|path, _| fs::remove_file(path.join(SECOND)).expect("there"));
    let CheckpointError::MissingShards { names, of: 2, .. } = &error else { panic!("{error}") };
    assert_eq!(names, &[SECOND]);

    let error = shards_error(|_, index| index["weight_map"]["model.more.weight"] = json!(SECOND));
    let CheckpointError::Absent { names, .. } = &error else { panic!("{error}") };
    assert_eq!(names, &["model.more.weight"]);

    let norm = "model.language_model.norm.weight";
    let error = shards_error(|_, index| {
        index["weight_map"].as_object_mut().expect("an object").remove(norm);
    });
    let CheckpointError::Misplaced { names, .. } = &error else { panic!("{error}") };
    assert_eq!(names, &[norm]);

    let error = shards_error(|_, index| {
        let place = &mut index["weight_map"][norm];
        let other = if place == SECOND { "model-00001-of-00002.safetensors" } else { SECOND };
        *place = json!(other);
    });
    assert!(matches!(error, CheckpointError::Misplaced { .. }), "{error}");

    for name in
        ["../x.safetensors", "/etc/x.safetensors", "..", "a/b.safetensors", "x.bin", "", "c:x.safetensors"]
    {
        let error = shards_error(|_, index| index["weight_map"]["x"] = json!(name));
        assert!(matches!(error, CheckpointError::ShardName { .. }), "{name}: {error}");
    }
    let error = shards_error(|_, index| *index = json!({"weight_map": 7}));
    assert!(matches!(error, CheckpointError::Json { .. }), "{error}");
    let error = shards_error(|_, index| *index = json!({"weight_map": {}}));
    assert!(matches!(error, CheckpointError::NoWeights { .. }), "{error}");
    let error = shards_error(|path, _| {
        let file = fs::OpenOptions::new().write(true).open(path.join(SECOND)).expect("there");
        file.set_len(5000).expect("shorter");
    });
    assert!(matches!(error, CheckpointError::Shard { .. }), "{error}");
}

#[test]
fn missing_files_are_named() {
    let empty = tempfile::tempdir().expect("a folder");
    let error = Checkpoint::open(empty.path()).expect_err("nothing there");
    assert!(matches!(error, CheckpointError::Missing { name: "config.json", .. }), "{error}");

    for (name, is_expected) in
        [("tokenizer.json", true), ("tokenizer_config.json", false), ("chat_template.jinja", false)]
    {
        let mut folder = Folder::mixture(SMALL);
        folder.files.remove(name);
        assert_eq!(folder.open().1.is_err(), is_expected, "{name}");
    }
    let path = tempfile::tempdir().expect("a folder");
    Folder::mixture(SMALL).write(path.path());
    fs::rename(path.path().join("model.safetensors"), path.path().join("pytorch_model.bin")).expect("rename");
    let error = Checkpoint::open(path.path()).expect_err("no weights");
    assert!(matches!(error, CheckpointError::NoWeights { has_pickles: true, .. }), "{error}");
}

#[test]
fn a_pointer_in_place_of_weights_is_told() {
    let path = tempfile::tempdir().expect("a folder");
    Folder::mixture(SMALL).write(path.path());
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
    fs::write(path.path().join("model.safetensors"), pointer).expect("write");
    let error = Checkpoint::open(path.path()).expect_err("a pointer");
    assert!(error.help().contains("git lfs pull"), "{error}: {}", error.help());
}

fn tokenizer_error(change: impl FnOnce(&mut Value)) -> CheckpointError {
    let mut folder = Folder::mixture(SMALL);
    let mut tokenizer = serde_json::from_str(&folder.files["tokenizer.json"]).expect("JSON");
    change(&mut tokenizer);
    folder.files.insert("tokenizer.json", tokenizer.to_string());
    folder.error()
}

#[test]
fn tokenizers_of_another_kind_are_refused() {
    let is = |error: &CheckpointError, expected: fn(&TokenizerError) -> bool| matches!(error, CheckpointError::Tokenizer { source, .. } if expected(source));
    let error = tokenizer_error(|all| all["model"]["type"] = json!("Unigram"));
    assert!(is(&error, |error| matches!(error, TokenizerError::Model { .. })), "{error}");
    let error = tokenizer_error(|all| all["model"]["byte_fallback"] = json!(false));
    assert!(is(&error, |error| matches!(error, TokenizerError::Model { .. })), "{error}");
    let error = tokenizer_error(|all| all["decoder"] = Value::Null);
    assert!(is(&error, |error| matches!(error, TokenizerError::Decoder { .. })), "{error}");
    let error = tokenizer_error(|all| all["model"]["vocab"]["a"] = json!(5000));
    assert!(is(&error, |error| matches!(error, TokenizerError::Gap { id: 5000, .. })), "{error}");
    let error = tokenizer_error(|all| all["model"]["vocab"]["a"] = json!(0));
    assert!(is(&error, |error| matches!(error, TokenizerError::Twice { .. })), "{error}");
    let error = tokenizer_error(|all| all["added_tokens"][9]["content"] = json!("<other>"));
    assert!(is(&error, |error| matches!(error, TokenizerError::NoSuchToken { .. })), "{error}");
    for merges in [json!([["a"]]), json!([["a", "b", "c"]]), json!([7]), json!({})] {
        let error = tokenizer_error(|all| all["model"]["merges"] = merges.clone());
        assert!(matches!(error, CheckpointError::Json { .. }), "{merges}: {error}");
    }
}

#[test]
fn a_special_number_behind_the_vocabulary_is_refused() {
    let mut folder = Folder::mixture(SMALL);
    folder.files.remove("tokenizer_config.json");
    folder.config["pad_token_id"] = json!(TOKENS);
    let error = folder.error();
    assert!(
        matches!(
            &error,
            CheckpointError::Tokenizer { source: TokenizerError::NoSuchId { id: TOKENS, .. }, .. }
        ),
        "{error}"
    );
}

#[test]
fn weights_that_are_no_numbers_are_given_as_they_are() {
    // The pipeline names the tensor, the row and the column.
    let name = "model.language_model.layers.0.self_attn.q_proj.weight";
    let mut folder = Folder::mixture(SMALL);
    let tensor = folder.tensors.get_mut(name).expect("there");
    tensor.bytes[2 * 9..][..2].copy_from_slice(&0x7fc0_u16.to_le_bytes());
    let (_path, checkpoint) = folder.open();
    let checkpoint = checkpoint.expect("only headers are read");
    let number =
        checkpoint.tensors().iter().position(|tensor| tensor.name == "blk.0.attn_q.weight").expect("there");
    let mut row = [0.0; SMALL.hidden as usize];
    checkpoint.read_rows(number, 1..2, &mut row).expect("a row");
    assert!(row[1].is_nan() && row.iter().filter(|value| value.is_nan()).count() == 1);
}

#[test]
fn two_files_with_the_same_tensor_are_refused() {
    let path = tempfile::tempdir().expect("a folder");
    let folder = Folder::mixture(SMALL);
    folder.write(path.path());
    let again = folder.tensors.iter().filter(|entry| entry.0.ends_with("model.norm.weight"));
    fs::write(path.path().join("model-2.safetensors"), safetensors(again)).expect("write");
    let error = Checkpoint::open(path.path()).expect_err("twice");
    assert!(matches!(error, CheckpointError::Twice { .. }), "{error}");
}
