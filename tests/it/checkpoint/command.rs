//! `slipstream quantize FOLDER OUT` from outside: what it refuses, and weights that were trained for 4 bits.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use slipstream::checkpoint::Checkpoint;
use slipstream::quantize::pipeline::{Job, PipelineError, Target};
use slipstream::quantize::{FileType, Ggml, ModelFacts, Options, Plan, Source as _, quantized_metadata};

use super::folder::{Folder, SMALL, Stored, WIDE, file};
use crate::cli::{json as printed, run};

/// A folder with checkpoints in it, and what is made of them.
struct Work(tempfile::TempDir);

impl Work {
    fn new() -> Work {
        Work(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    fn write(&self, name: &str, folder: &Folder) -> String {
        fs::create_dir_all(self.path(name)).expect("a folder");
        folder.write(&self.path(name));
        self.text(name)
    }

    /// What is beside the checkpoints.
    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).expect("the folder").map(|entry| entry.expect("an entry"));
        let files = entries.filter(|entry| entry.path().is_file());
        files.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    /// The error, where nothing is left behind.
    fn refused(&self, input: &str, more: &[&str]) -> Value {
        let out = self.text("out.gguf");
        let words = [&["quantize", input, &out, "--json"], more].concat();
        let (code, out, _) = run(&words);
        let object: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"));
        assert_eq!(object["error"]["code"], code, "{out}");
        assert_eq!(self.files(), [""; 0], "{out}");
        object["error"].clone()
    }
}

#[test]
fn every_bad_checkpoint_is_refused_and_leaves_nothing_behind() {
    const NORM: &str = "model.language_model.norm.weight";
    const SECOND: &str = "model-00002-of-00002.safetensors";
    let index = |path: &Path, change: &dyn Fn(&mut Value)| {
        let path = path.join("model.safetensors.index.json");
        let mut value = serde_json::from_slice(&fs::read(&path).expect("there")).expect("JSON");
        change(&mut value);
        fs::write(&path, value.to_string()).expect("write");
    };
    let shard = |path: &Path, bytes: &[u8]| fs::write(path.join(SECOND), bytes).expect("write");
    let weight = |path: &Path, bits: u16| {
        let mut folder = Folder::mixture(WIDE);
        let tensor = folder.tensors.get_mut("model.language_model.layers.1.mlp.up_proj.weight");
        let place = 2 * (7 * WIDE.hidden as usize + 3);
        tensor.expect("there").bytes[place..][..2].copy_from_slice(&bits.to_le_bytes());
        folder.write_shards(path);
    };
    let remove = |path: &Path, name: &str| fs::remove_file(path.join(name)).expect("there");
    let overlap = r#"{"a":{"dtype":"U8","shape":[5],"data_offsets":[0,5]},
        "b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}"#;
    type Spoil<'a> = Box<dyn Fn(&Path) + 'a>;
    let cases: Vec<(&str, Spoil<'_>)> = vec![
        ("1 of the 2 files", Box::new(|path| remove(path, SECOND))),
        (
            "in no file: model.more.weight",
            Box::new(|path| index(path, &|all| all["weight_map"]["model.more.weight"] = json!(SECOND))),
        ),
        (
            "has the shape [7], expected [256] by config.json",
            Box::new(|path| {
                let mut folder = Folder::mixture(WIDE);
                folder.add(NORM, &[7]);
                folder.write_shards(path);
            }),
        ),
        ("claims 255 bytes; at most 1 are possible", Box::new(|path| shard(path, b"\xff\0\0\0\0\0\0\0{"))),
        ("`a` and `b` overlap", Box::new(|path| shard(path, &file(overlap, &[0; 8])))),
        (
            "unknown type `BF17`",
            Box::new(|path| {
                let mut folder = Folder::mixture(WIDE);
                folder.add(NORM, &[WIDE.hidden]);
                folder.tensors.get_mut(NORM).expect("there").dtype = "BF17".to_owned();
                folder.write_shards(path);
            }),
        ),
        ("has no tokenizer.json", Box::new(|path| remove(path, "tokenizer.json"))),
        ("has no config.json", Box::new(|path| remove(path, "config.json"))),
        ("`blk.1.ffn_up.weight` at row 7, column 3 is NaN", Box::new(|path| weight(path, 0x7fc0))),
        ("`blk.1.ffn_up.weight` at row 7, column 3 is -inf", Box::new(|path| weight(path, 0xff80))),
    ];
    let work = Work::new();
    for (number, (part, spoil)) in cases.iter().enumerate() {
        let name = format!("{number}");
        fs::create_dir(work.path(&name)).expect("a folder");
        Folder::mixture(WIDE).write_shards(&work.path(&name));
        spoil(&work.path(&name));
        for file_type in ["Q4_K_M", "BF16"] {
            let error = work.refused(&work.text(&name), &["--type", file_type]);
            assert_eq!(error["code"], 3, "{part}: {error}");
            assert!(error["message"].as_str().is_some_and(|text| text.contains(part)), "{part}: {error}");
            assert!(error["help"].as_str().is_some_and(|text| !text.is_empty()), "{part}: {error}");
        }
    }
    // A vector of another kind of number.
    let mut folder = Folder::mixture(WIDE);
    folder.tensors.insert(NORM.to_owned(), Stored { dtype: "I16".to_owned(), ..Stored::bf16("x", &[256]) });
    let error = work.refused(&work.write("integers", &folder), &["--type", "Q8_0"]);
    assert!(error["message"].as_str().is_some_and(|text| text.contains("of type I16")), "{error}");
}

#[test]
fn another_architecture_is_sent_the_way_that_works() {
    let work = Work::new();
    let mut folder = Folder::mixture(SMALL);
    folder.config["architectures"] = json!(["Qwen3ForCausalLM"]);
    let error = work.refused(&work.write("other", &folder), &["--type", "Q4_K_M"]);
    assert_eq!(error["code"], 3);
    let help = error["help"].as_str().expect("help");
    assert!(help.contains("convert_hf_to_gguf.py") && help.contains("slipstream quantize"), "{help}");
}

#[test]
fn one_file_of_a_checkpoint_is_not_it() {
    let work = Work::new();
    work.write("mini", &Folder::mixture(SMALL));
    let error = work.refused(&work.text("mini/model.safetensors"), &["--type", "Q8_0"]);
    assert!(error["help"].as_str().is_some_and(|help| help.contains("folder")), "{error}");
    // Nor is one of them overwritten.
    let input = work.text("mini");
    let (code, out, _) =
        run(&["quantize", &input, &work.text("mini/config.json"), "--type", "Q8_0", "--force", "--json"]);
    assert_eq!(code, 2, "{out}");
}

/// All matrices on a lattice: 4-bit numbers times a scale for each block, the largest one often not where ggml's Q4_0
/// looks for it.
fn on_lattice(mut folder: Folder) -> Folder {
    let mut state = 1_u64;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as u32
    };
    for tensor in folder.tensors.values_mut().filter(|tensor| tensor.shape.len() > 1) {
        for block in tensor.bytes.as_chunks_mut::<64>().0 {
            let scale = f32::from_bits((0x3c00 + next() % 0x180) << 16);
            for word in block.as_chunks_mut::<2>().0 {
                let value = (f32::from(next() as u8 % 16) - 8.0) * scale;
                // The scale has 8 digits and the number 4: a product of 12, rounded to 8.
                let bits = value.to_bits();
                *word =
                    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16).to_le_bytes()[..2].try_into().expect("two");
            }
        }
    }
    folder
}

#[test]
fn weights_on_a_lattice_are_noticed_and_kept() {
    let work = Work::new();
    let input = work.write("mini-qat", &on_lattice(Folder::mixture(WIDE)));
    let drafter = on_lattice(Folder::assistant("Gemma4AssistantForCausalLM", WIDE));
    let drafter = work.write("mini-qat-assistant", &drafter);
    let out = work.text("out.gguf");
    for input in [&input, &drafter] {
        let object = printed(&["quantize", input, &out, "--type", "Q4_0", "--force", "--json"]);
        let lattice = &object["lattice"];
        let number = |key: &str| lattice[key].as_f64().expect("a number");
        assert!(number("weights") > 100_000.0, "{lattice}");
        assert!(number("exact") / number("weights") > 0.999, "{lattice}");
        let object =
            printed(&["quantize", input, &out, "--type", "Q4_0", "--qat", "off", "--force", "--json"]);
        assert_eq!(object["lattice"], Value::Null, "{object}");
    }
    let object = printed(&["quantize", &input, &out, "--type", "Q6_K", "--force", "--json"]);
    let notes = object["notes"].to_string();
    assert!(notes.contains("lie on a 4-bit lattice"), "{object}");
    let input = work.write("mini", &Folder::mixture(WIDE));
    let object = printed(&["quantize", &input, &out, "--type", "Q4_0", "--force", "--json"]);
    assert!(!object["notes"].to_string().contains("lattice"), "{object}");
}

#[test]
fn a_checkpoint_that_changes_meanwhile_becomes_no_file() {
    let work = Work::new();
    work.write("mini", &Folder::dense("Gemma4ForCausalLM", WIDE));
    let checkpoint = Checkpoint::open(&work.path("mini")).expect("a checkpoint");
    let facts = ModelFacts::read(checkpoint.metadata()).expect("facts");
    let plan = Plan::new(&facts, checkpoint.tensors(), &Options::new(FileType::Q8_0)).expect("a plan");
    let metadata = quantized_metadata(checkpoint.metadata(), FileType::Q8_0, None);
    let job = Job {
        source: &checkpoint,
        plan: &plan,
        imatrix: None,
        metadata: &metadata,
        quantizer: &Ggml,
        threads: 1,
        identity: "test",
    };
    let out = work.path("out.gguf");
    let target =
        Target { path: &out, force: false, resume: false, keep: true, mark_every: Target::MARK_EVERY };
    let weights = work.path("mini/model.safetensors");
    let error = slipstream::quantize::pipeline::run(&job, &target, &AtomicBool::new(false), &mut |_| {
        let weights = fs::OpenOptions::new().write(true).open(&weights).expect("there");
        weights.set_modified(SystemTime::now() + Duration::from_secs(5)).expect("a time");
    })
    .expect_err("changed");
    assert!(matches!(error, PipelineError::Changed { .. }), "{error}");
    assert_eq!(work.files(), [""; 0]);
}

#[test]
fn a_pair_of_checkpoints_becomes_a_pair_of_files_with_a_card() {
    let work = Work::new();
    let target = work.write("gemma-4-1M-it", &Folder::mixture(WIDE));
    let drafter = Folder::assistant("Gemma4AssistantForCausalLM", Folder::drafter_of(WIDE));
    let drafter = work.write("gemma-4-1M-it-assistant", &drafter);
    let out = work.text("out");
    let card = printed(&["quantize", "--pair", &target, &drafter, &out, "--type", "Q4_K_M", "--json"]);
    for (part, name) in
        [("target", "gemma-4-1M-it-Q4_K_M.gguf"), ("drafter", "gemma-4-1M-it-assistant-Q4_0.gguf")]
    {
        assert_eq!(card[part]["file"], name, "{card}");
        assert_eq!(card[part]["bytes"], fs::metadata(work.path("out").join(name)).expect("a file").len());
    }
    let quality = &card["measured"]["quality"];
    assert_eq!(quality["reference"], "the source", "{card}");
    assert_eq!(quality["places"], 256, "{card}");
    let mut left: Vec<String> = fs::read_dir(work.path("out"))
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    left.sort();
    let files = ["CARD.md", "card.json", "gemma-4-1M-it-Q4_K_M.gguf", "gemma-4-1M-it-assistant-Q4_0.gguf"];
    assert_eq!(left, files, "the file that was compared with is gone");
}
