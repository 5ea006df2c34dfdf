//! `slipstream quantize` from outside.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use slipstream::gguf::GgmlType;

use super::tiny;
use crate::cli::{json, run, slipstream};

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Files {
        let files = Files { folder: tempfile::tempdir().expect("a folder") };
        tiny::write(Path::new(&files.path("in.gguf")), GgmlType::BF16, 3);
        files
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).expect("the folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect("a file")
    }

    /// `slipstream quantize in.gguf OUT …`
    fn command(&self, out: &str, more: &[&str]) -> Command {
        slipstream(&[&["quantize", &self.path("in.gguf"), &self.path(out)], more].concat())
    }

    /// Exit code and error message.
    fn refused(&self, arguments: &[&str]) -> (i64, String) {
        let (code, out, _) = run(&[&["quantize"], arguments, &["--json"]].concat());
        let object: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"));
        let error = &object["error"];
        assert_eq!(error["code"], code, "{out}");
        (error["code"].as_i64().expect("a code"), error["message"].as_str().expect("a message").to_owned())
    }
}

#[test]
fn a_file_is_made_and_described() {
    let files = Files::new();
    let (input, out) = (files.path("in.gguf"), files.path("out.gguf"));
    let object = json(&["quantize", &input, &out, "--type", "q4_k_m", "--json"]);
    assert_eq!(object["bytes"], files.bytes("out.gguf").len());
    assert_eq!(object["file_type"], "Q4_K_M");
    assert_eq!(object["sha256"].as_str().map(str::len), Some(64));
    let why = object["fallbacks"][0]["why"].as_str().expect("a reason");
    assert!(why.contains("blocks of 256 do not fit rows of"), "{why}");
    let inspected = json(&["inspect", &out, "--json"]);
    assert_eq!(inspected["bytes"], object["bytes"]);
    assert_eq!(files.names(), ["in.gguf", "out.gguf"]);

    // A person is told of every fallback, and the file is the same whatever the threads.
    let (code, text, told) =
        run(&["quantize", &input, &files.path("two.gguf"), "--type", "Q4_K_M", "-t", "3"]);
    assert_eq!(code, 0, "{told}");
    assert!(text.contains("bits per weight") && text.contains("SHA-256"), "{text}");
    assert!(told.contains("Q5_0 in place of Q4_K, whose blocks do not fit rows of 96"), "{told}");
    assert!(files.bytes("two.gguf") == files.bytes("out.gguf"));
}

#[test]
fn a_dry_run_says_what_would_be_written() {
    let files = Files::new();
    let input = files.path("in.gguf");
    let object = json(&["quantize", &input, "--dry-run", "--type", "IQ2_XXS", "--json"]);
    assert_eq!(object["needs_imatrix"], true);
    let (code, text, told) = run(&["quantize", &input, "--dry-run", "--type", "Q4_K_M"]);
    assert_eq!(code, 0, "{told}");
    for part in ["blk.5.ffn_down_exps.weight", "Q5_0", "never quantized", "bits per weight", "of memory"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(files.names(), ["in.gguf"]);
    let planned = json(&["quantize", &input, "--dry-run", "--type", "Q6_K", "--json"]);
    let made = json(&["quantize", &input, &files.path("out.gguf"), "--type", "Q6_K", "--json"]);
    assert_eq!(planned["bytes"], made["bytes"]);
    assert_eq!(planned["types"], made["types"]);
}

#[test]
fn a_size_is_kept() {
    let files = Files::new();
    let input = files.path("in.gguf");
    let out = files.path("out.gguf");
    let object = json(&["quantize", &input, &out, "--target-size", "1.2MiB", "--json"]);
    let bytes = object["weight_bytes"].as_u64().expect("bytes");
    assert!((1 << 20..=1_258_291).contains(&bytes), "{bytes}");
    assert_eq!(object["fallbacks"].as_array().map(Vec::len), Some(0));
    let object = json(&["quantize", &input, "--dry-run", "--bpw", "5.5", "--json"]);
    let bits = object["bits_per_weight"].as_f64().expect("bits");
    assert!((5.0..=5.5).contains(&bits), "{bits}");
    let object = json(&["quantize", &input, "--dry-run", "--for-ram", "16G", "--json"]);
    assert_eq!(object["file_type"], "Q8_0", "{object}");
    assert_eq!(files.refused(&[&input, &out, "--target-size", "1KiB", "--force"]).0, 4);
    // More room than any recipe takes is told, not used.
    let object = json(&["quantize", &input, "--dry-run", "--bpw", "100", "--json"]);
    let notes = object["notes"].to_string();
    assert!(notes.contains("nothing above Q8_0"), "{notes}");
    // Where nothing is left for weights, what took it is told.
    let (code, message) = files.refused(&[&input, &out, "--for-ram", "2G", "--force"]);
    assert!(code == 4 && message.contains("of 2.0 GiB, 2.0 GiB are left to the system"), "{message}");
}

#[test]
fn what_cannot_be_done_is_refused_before_anything_is_written() {
    let files = Files::new();
    let input = files.path("in.gguf");
    let out = files.path("out.gguf");
    // A pipe stands for /dev/null, which `--force` would have replaced.
    #[cfg(unix)]
    {
        let pipe = files.path("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
        let (code, message) = files.refused(&[&input, &pipe, "--type", "Q4_0", "--force"]);
        assert!(code == 2 && message.contains("no ordinary file"), "{message}");
        fs::remove_file(pipe).expect("the pipe");
    }
    let cases: [(&[&str], i64, &str); 13] = [
        (&[&input, &out], 2, "--type"),
        (&[&input, "--type", "Q4_0"], 2, "<OUT>"),
        (&[&input, &out, "--type", "Q4_9"], 2, "no file type"),
        (&[&input, &out, "--type", "Q4_0", "--output-type", "Q9"], 2, "no tensor type"),
        (&[&input, &out, "--type", "Q4_0", "--tensor-type", "attn"], 2, "no `=`"),
        (&[&input, &out, "--type", "Q4_0", "--bpw", "4"], 2, "cannot be used with"),
        (&[&input, &out, "--type", "IQ2_XXS"], 2, "needs an importance matrix"),
        (&[&input, &input, "--type", "Q4_0", "--force"], 2, "what is to be quantized"),
        (&[&input, &files.path("no/out.gguf"), "--type", "Q4_0"], 2, "does not exist"),
        (&[&input, &files.path("."), "--type", "Q4_0"], 2, "is a folder"),
        (&[&input, &files.path("new/"), "--type", "Q4_0"], 2, "is a folder"),
        (&[&files.path("none.gguf"), &out, "--type", "Q4_0"], 3, "none.gguf"),
        (&[&input, &out, "--type", "Q4_0", "--imatrix", &input], 3, "imatrix"),
    ];
    for (arguments, code, part) in cases {
        let (found, message) = files.refused(arguments);
        assert_eq!(found, code, "{arguments:?}: {message}");
        assert!(message.contains(part), "{arguments:?}: {message}");
    }
    assert_eq!(files.names(), ["in.gguf"]);
    // Where the new file begins, nothing is cut off that is to be read.
    let bytes = files.bytes("in.gguf");
    for (suffix, more) in
        [(".partial", &[][..]), (".partial", &["--resume"]), (".partial.journal", &["--force"])]
    {
        fs::rename(&input, format!("{out}{suffix}")).expect("rename");
        let begun = format!("{out}{suffix}");
        let (code, message) = files.refused(&[&[&*begun, &out, "--type", "Q4_0"], more].concat());
        assert!(code == 2 && message.contains("what is to be quantized"), "{message}");
        fs::rename(format!("{out}{suffix}"), &input).expect("rename");
        assert!(files.bytes("in.gguf") == bytes);
    }
    // Something that is in the way.
    fs::create_dir(format!("{out}.partial")).expect("a folder");
    let (code, message) = files.refused(&[&input, &out, "--type", "Q4_0"]);
    assert!(code == 1 && message.contains("creating") && message.contains("out.gguf.partial"), "{message}");
    fs::remove_dir(format!("{out}.partial")).expect("the folder");
    assert_eq!(files.names(), ["in.gguf"]);
    json(&["quantize", &input, &out, "--type", "Q4_0", "--json"]);
    let (code, message) = files.refused(&[&input, &out, "--type", "Q8_0"]);
    assert!(code == 2 && message.contains("exists already"), "{message}");
    let (code, message) = files.refused(&[&out, &files.path("again.gguf"), "--type", "Q8_0"]);
    assert!(code == 3 && message.contains("quantized already"), "{message}");
    json(&["quantize", &input, &out, "--type", "Q8_0", "--force", "--json"]);
}

/// The partial file, when the header is in it.
#[cfg(unix)]
pub fn wait_for(partial: &Path) {
    let begun = std::time::Instant::now();
    while fs::metadata(partial).map_or(0, |about| about.len()) == 0 {
        assert!(begun.elapsed().as_secs() < 60, "{} does not appear", partial.display());
        std::thread::yield_now();
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_or_killed_run_is_continued_and_ends_with_the_same_bytes() {
    let files = Files::new();
    // Slow enough to be met at work.
    let recipe = ["--type", "IQ3_S"];
    let made = files.command("whole.gguf", &recipe).output().expect("the program runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    for (signal, code) in [("-INT", Some(130)), ("-TERM", Some(130)), ("-KILL", None)] {
        let child = files.command("out.gguf", &recipe).spawn().expect("the program runs");
        wait_for(Path::new(&files.path("out.gguf.partial")));
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
        let ended = child.wait_with_output().expect("the program ends");
        assert_eq!(ended.status.code(), code, "{signal}: {}", String::from_utf8_lossy(&ended.stderr));
        assert!(!Path::new(&files.path("out.gguf")).exists(), "{signal}");
        let resumed = files.command("out.gguf", &[&recipe[..], &["--resume"]].concat()).output();
        let resumed = resumed.expect("the program runs");
        assert!(resumed.status.success(), "{signal}: {}", String::from_utf8_lossy(&resumed.stderr));
        assert!(files.bytes("out.gguf") == files.bytes("whole.gguf"), "{signal}");
        assert_eq!(files.names(), ["in.gguf", "out.gguf", "whole.gguf"], "{signal}");
        fs::remove_file(files.path("out.gguf")).expect("remove");
    }
}

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_no_file_and_can_be_continued() {
    let files = Files::new();
    let out = files.path("out.gguf");
    // A limit on the length of files stands for the disk: writing fails in the midst of it.
    let limited = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 1000; exec \"$@\"", "sh"])
        .args([env!("CARGO_BIN_EXE_slipstream"), "quantize", &files.path("in.gguf"), &out])
        .args(["--type", "Q8_0", "--json"])
        .env("SLIPSTREAM_CONFIG", files.path("none.toml"))
        .output()
        .expect("sh runs");
    let object: Value = serde_json::from_slice(&limited.stdout).expect("JSON");
    assert_eq!(limited.status.code(), Some(4), "{object}");
    let message = object["error"]["message"].as_str().expect("a message");
    assert!(message.contains("out.gguf.partial failed after"), "{message}");
    assert!(!Path::new(&out).exists());
    let object = json(&["quantize", &files.path("in.gguf"), &out, "--type", "Q8_0", "--resume", "--json"]);
    assert!(object["resumed_bytes"].as_u64() > Some(0), "{object}");
    json(&["quantize", &files.path("in.gguf"), &files.path("whole.gguf"), "--type", "Q8_0", "--json"]);
    assert!(files.bytes("out.gguf") == files.bytes("whole.gguf"));
}
