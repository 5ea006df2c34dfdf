//! `slipstream quantize --pair` on the built-in pair, unpacked to 32 bits: what its card says is known beforehand.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use slipstream::gguf::{GgmlType, Header, Layout, NewTensor, ReadOptions, Writer};
use slipstream::quantize::widen::widen;

#[cfg(unix)]
use super::command::wait_for;
#[cfg(unix)]
use crate::cli::slipstream;
use crate::cli::{json, run};

/// The values of blocks of Q8_0 or Q4_0.
fn unpacked(tensor_type: GgmlType, bytes: &[u8]) -> Vec<f32> {
    let mut all = Vec::new();
    for block in bytes.chunks_exact(tensor_type.block_bytes() as usize) {
        let (scale, codes) = block.split_at(2);
        let mut value = [0.0];
        widen(GgmlType::F16, scale, &mut value);
        match tensor_type {
            GgmlType::Q8_0 => all.extend(codes.iter().map(|&code| f32::from(code as i8) * value[0])),
            GgmlType::Q4_0 => {
                let code = |code: u8| (f32::from(code) - 8.0) * value[0];
                all.extend(codes.iter().map(|byte| code(byte & 15)));
                all.extend(codes.iter().map(|byte| code(byte >> 4)));
            }
            other => panic!("{other} is in none of the built-in files"),
        }
    }
    all
}

/// Writes a file with the same weights, as F32.
fn unpack(name: &str, to: &Path) {
    let bytes = fs::read(Path::new("assets/pocket").join(name)).expect("a built-in file");
    let header = Header::from_bytes(&bytes, ReadOptions::EVERYTHING).expect("a header");
    let metadata: Vec<_> =
        header.key_values.iter().map(|each| (each.key.clone(), each.value.clone())).collect();
    let tensors: Vec<NewTensor<'_>> = header
        .tensors
        .iter()
        .map(|each| NewTensor { name: &each.name, shape: each.shape(), tensor_type: GgmlType::F32 })
        .collect();
    let layout = Layout::new(&metadata, &tensors).expect("a layout");
    let mut writer = Writer::begin(Vec::new(), &layout).expect("write the header");
    for tensor in &header.tensors {
        let begin = (header.data_offset + tensor.offset) as usize;
        let data = &bytes[begin..begin + tensor.bytes as usize];
        match tensor.tensor_type {
            GgmlType::F32 => writer.write(data).expect("write"),
            packed => {
                let values = unpacked(packed, data);
                let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                writer.write(&data).expect("write");
            }
        }
    }
    fs::write(to, writer.finish().expect("a whole file")).expect("write the file");
}

struct Pair {
    folder: tempfile::TempDir,
}

impl Pair {
    fn new() -> Pair {
        let pair = Pair { folder: tempfile::tempdir().expect("a folder") };
        unpack("pocket-target-Q8_0.gguf", &pair.path("pocket-target-F32.gguf"));
        unpack("pocket-drafter-Q4_0.gguf", &pair.path("pocket-drafter-F32.gguf"));
        pair
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    /// `quantize --pair TARGET DRAFTER out …`
    fn arguments(&self, more: &[&str]) -> Vec<String> {
        let target = self.text("pocket-target-F32.gguf");
        let words = ["quantize", "--pair", &target, &self.text("pocket-drafter-F32.gguf"), &self.text("out")];
        words.iter().chain(more).map(|&word| word.to_owned()).collect()
    }
}

#[test]
fn a_pair_is_made_measured_and_described() {
    let pair = Pair::new();
    let arguments = pair.arguments(&["--type", "Q8_0", "--json"]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let card = json(&arguments);
    let (target, drafter) = ("out/pocket-target-Q8_0.gguf", "out/pocket-drafter-Q4_0.gguf");
    for (name, part) in [(target, &card["target"]), (drafter, &card["drafter"])] {
        assert_eq!(part["bytes"], fs::metadata(pair.path(name)).expect("a file").len(), "{name}");
    }
    // The drafter's weights lie on a 4-bit lattice, for they were Q4_0: it comes back whole. The target's do not.
    assert!(card["lineage"].as_str().expect("a remark").contains("the target was not"), "{card}");
    let lattice = &card["drafter"]["lattice"];
    assert!(lattice["exact"].as_u64() > Some(0), "{card}");
    let share = lattice["exact"].as_f64().expect("a number") / lattice["weights"].as_f64().expect("a number");
    assert!(share > 0.999, "{share}");
    let measured = &card["measured"];
    let quality = &measured["quality"];
    assert_eq!(quality["reference"], "the source");
    assert_eq!(quality["places"], 256);
    // The source was Q8_0 once: what is left is the noise of its own rounding.
    assert!(quality["kld_mean"].as_f64().expect("a number") < 1e-3, "{quality}");
    assert!(quality["same_top"].as_f64().expect("a number") > 0.97, "{quality}");
    assert!(measured["tested_by_position"][0].as_u64() > Some(0), "{measured}");
    assert_eq!(measured["tested_by_position"].as_array().map(Vec::len), Some(3));
    let text = fs::read_to_string(pair.path("out/CARD.md")).expect("the card");
    for part in ["mean KL divergence from the source", "accepted, by place", "ffn_down_exps", "SHA-256"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let stored: Value =
        serde_json::from_slice(&fs::read(pair.path("out/card.json")).expect("the card")).expect("JSON");
    assert_eq!(stored, card);

    // Once more, going on: nothing is left to be made.
    let before = fs::metadata(pair.path(target)).expect("a file").modified().expect("a time");
    let arguments = pair.arguments(&["--type", "Q8_0", "--resume", "--no-check", "--json"]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let again = json(&arguments);
    assert_eq!(again["target"]["sha256"], card["target"]["sha256"]);
    assert_eq!(again["measured"], Value::Null);
    assert_eq!(fs::metadata(pair.path(target)).expect("a file").modified().expect("a time"), before);
}

#[test]
fn files_that_do_not_belong_together_are_refused_before_work() {
    let pair = Pair::new();
    let target = pair.text("pocket-target-F32.gguf");
    let (code, out, _) =
        run(&["quantize", "--pair", &target, &target, &pair.text("out"), "--type", "Q8_0", "--json"]);
    assert_eq!(code, 3, "{out}");
    assert!(out.contains("is no drafter for"), "{out}");
    assert!(!pair.path("out").exists());
    // And what to do where they were only swapped.
    let drafter = pair.text("pocket-drafter-F32.gguf");
    let (code, out, _) =
        run(&["quantize", "--pair", &drafter, &target, &pair.text("out"), "--type", "Q8_0", "--json"]);
    assert_eq!(code, 3, "{out}");
    assert!(out.contains("the wrong way round"), "{out}");
}

#[cfg(unix)]
#[test]
fn a_pair_that_was_killed_goes_on_with_what_it_had() {
    let pair = Pair::new();
    let arguments = pair.arguments(&["--type", "IQ3_S", "--no-check", "--json"]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut child = slipstream(&arguments).spawn().expect("the program runs");
    wait_for(&pair.path("out/pocket-target-IQ3_S.gguf.partial"));
    child.kill().expect("killed");
    child.wait().expect("ended");
    for name in ["CARD.md", "card.json", "pocket-target-IQ3_S.gguf"] {
        assert!(!pair.path("out").join(name).exists(), "{name} is not whole, or says what is not there");
    }
    let drafter = pair.path("out/pocket-drafter-Q4_0.gguf");
    let modified = || fs::metadata(&drafter).expect("the first file").modified().expect("a time");
    let before = modified();
    let card = json(&[&arguments[..], &["--resume"]].concat());
    assert_eq!(modified(), before, "made only once");
    assert!(card["drafter"]["lattice"]["exact"].as_u64() > Some(0), "still known: {card}");
    let mut left: Vec<_> = fs::read_dir(pair.path("out")).expect("the folder").flatten().collect();
    left.sort_by_key(|entry| entry.file_name());
    let left: Vec<String> =
        left.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let files = ["CARD.md", "card.json", "pocket-drafter-Q4_0.gguf", "pocket-target-IQ3_S.gguf"];
    assert_eq!(left, files);
}

/// A file of other weights looks the same from outside: length, header and name. `--resume` took it for its own.
#[test]
fn going_on_does_not_take_what_was_made_from_another_source() {
    let pair = Pair::new();
    let command = |more: &[&str]| {
        let arguments = pair.arguments(&[&["--type", "Q8_0", "--no-check", "--json"], more].concat());
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (code, out, _) = run(&arguments);
        (code, serde_json::from_str::<Value>(&out).expect("JSON"))
    };
    let (code, first) = command(&[]);
    assert_eq!(code, 0, "{first}");
    let source = pair.path("pocket-drafter-F32.gguf");
    let mut bytes = fs::read(&source).expect("the drafter");
    let middle = bytes.len() / 8;
    let weight = &mut bytes.as_chunks_mut::<4>().0[middle];
    *weight = if *weight == 0.5_f32.to_le_bytes() { -0.5_f32 } else { 0.5 }.to_le_bytes();
    fs::write(&source, bytes).expect("write");
    // Another source; and, with the right one, other settings that show in no header.
    for more in [&["--resume"][..], &["--resume", "--qat", "off"]] {
        let (code, error) = command(more);
        let message = error["error"]["message"].as_str().expect("a message");
        assert!(code == 2 && message.contains("from another source"), "{error}");
    }
    assert!(pair.path("out/card.json").exists(), "it still tells of what is there");
    let (code, second) = command(&["--resume", "--force"]);
    assert_eq!(code, 0, "{second}");
    assert_ne!(second["drafter"]["sha256"], first["drafter"]["sha256"]);
    assert_eq!(second["target"]["sha256"], first["target"]["sha256"]);
    let (code, third) = command(&["--resume"]);
    assert_eq!((code, &third["drafter"]["sha256"]), (0, &second["drafter"]["sha256"]));
    // Nor a file that somebody has damaged since.
    let made = pair.path("out/pocket-drafter-Q4_0.gguf");
    let mut bytes = fs::read(&made).expect("the file");
    let last = bytes.len() - 3;
    bytes[last] ^= 0x40;
    fs::write(&made, bytes).expect("write");
    assert_eq!(command(&["--resume"]).0, 2);
}

#[cfg(unix)]
#[test]
fn the_scripts_make_a_pair_and_a_table() {
    let pair = Pair::new();
    let made = Command::new("scripts/quantize/sweep.sh")
        .args([pair.path("pocket-target-F32.gguf"), pair.path("pocket-drafter-F32.gguf"), pair.path("sweep")])
        .args(["Q4_0", "Q8_0"])
        .env("SLIPSTREAM", env!("CARGO_BIN_EXE_slipstream"))
        .env("SLIPSTREAM_THREADS", "1")
        .env("SLIPSTREAM_CONFIG", pair.path("none.toml"))
        .env("SLIPSTREAM_DATA", pair.path("data"))
        .env("KEEP", "0")
        .output()
        .expect("the script runs");
    let text = String::from_utf8_lossy(&made.stdout).into_owned();
    assert!(made.status.success(), "{text}{}", String::from_utf8_lossy(&made.stderr));
    let rows: Vec<&str> = text.lines().skip(2).collect();
    assert!(rows.len() == 2 && rows[0].starts_with("| Q4_0 |") && rows[1].starts_with("| Q8_0 |"), "{text}");
    assert!(!pair.path("sweep/Q4_0/pocket-target-Q4_0.gguf").exists(), "KEEP=0");
}
