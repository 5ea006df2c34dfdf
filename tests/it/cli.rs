//! The program from outside: arguments and standard input in; standard output, standard error and exit code out.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::drive::{drafter_file, target_file};
use crate::gguf_builder::Builder;

/// The built-in files are written here once, for all tests.
fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache")
}

pub fn slipstream(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_slipstream"));
    command.args(arguments).env("SLIPSTREAM_CACHE", cache()).env("NO_COLOR", "1");
    // One thread: a busy machine must not make two wait for each other.
    command.env("SLIPSTREAM_THREADS", "1");
    // Whoever runs the tests may have a config file.
    command.env("SLIPSTREAM_CONFIG", Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-config.toml"));
    command.env("SLIPSTREAM_DATA", Path::new(env!("CARGO_TARGET_TMPDIR")).join("data"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn finish(mut command: Command) -> (i32, String, String) {
    text(command.output().expect("the program runs"))
}

fn text(output: Output) -> (i32, String, String) {
    let code = output.status.code().expect("an exit code, not a signal: nothing may abort");
    (code, String::from_utf8(output.stdout).expect("UTF-8"), String::from_utf8(output.stderr).expect("UTF-8"))
}

pub fn run(arguments: &[&str]) -> (i32, String, String) {
    finish(slipstream(arguments))
}

fn with_input(arguments: &[&str], input: &[u8]) -> (i32, String, String) {
    let mut child = slipstream(arguments).stdin(Stdio::piped()).spawn().expect("the program runs");
    child.stdin.take().expect("a pipe").write_all(input).expect("written");
    text(child.wait_with_output().expect("the program ends"))
}

pub fn json(arguments: &[&str]) -> Value {
    let (code, out, err) = run(arguments);
    assert_eq!(code, 0, "{err}");
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
}

const ASK: &[&str] = &["run", "pocket", "-p", "What is a lantern?", "-n", "24", "--temp", "0"];

fn ask(more: &[&str]) -> Vec<&'static str> {
    let more = more.iter().map(|word| &*Box::leak((*word).to_owned().into_boxed_str()));
    ASK.iter().copied().chain(more).collect()
}

#[test]
fn the_answer_goes_to_standard_output_and_the_rest_to_standard_error() {
    let (code, out, err) = run(ASK);
    assert_eq!(code, 0, "{err}");
    assert!(out.ends_with('\n') && out.trim().len() > 3, "{out:?}");
    assert!(err.contains("t/s") && err.contains("% accepted") && err.contains("first token"), "{err:?}");
    // No decoration off a terminal.
    assert!(!out.contains('\x1b') && !err.contains('\x1b'));
    let (_, quiet_out, quiet_err) = run(&ask(&["--quiet"]));
    assert_eq!((quiet_out, quiet_err.as_str()), (out, ""));
}

#[test]
fn json_has_the_fields_of_the_contract() {
    let reply = json(&ask(&["--json", "--draft", "3"]));
    for field in [
        "text",
        "reasoning",
        "tokens",
        "stop_reason",
        "prompt_n",
        "prompt_ms",
        "prompt_per_second",
        "first_token_ms",
        "startup_ms",
        "predicted_n",
        "predicted_ms",
        "predicted_per_second",
        "draft_n",
        "draft_n_accepted",
        "draft_rounds",
        "accept_len",
        "tested_by_position",
        "accepted_by_position",
        "plain_per_second",
        "gain",
        "spec_state",
        "spec_reason",
        "draft_kind",
        "kernels",
        "kernels_reason",
        "seed",
        "model",
        "drafter",
        "version",
        "llama_build",
    ] {
        assert!(reply.get(field).is_some(), "{field} is missing");
    }
    assert_eq!(reply["draft_kind"], "mtp");
    assert_eq!(reply["spec_state"], "on");
    assert_eq!(reply["spec_reason"], Value::Null);
    assert!(reply["first_token_ms"].as_f64() >= reply["startup_ms"].as_f64());
    assert!(reply["predicted_n"].as_u64().is_some_and(|count| count <= 24));
    let off = json(&ask(&["--json", "--draft", "off"]));
    assert_eq!((&off["spec_state"], &off["spec_reason"]), (&"off".into(), &"turned off".into()));
    assert_eq!(off["text"], reply["text"], "the drafter cannot change the text");
    assert!(off["plain_per_second"].as_f64().is_some());
    let none = json(&ask(&["--json", "-d", "none"]));
    assert_eq!(
        (&none["draft_kind"], &none["spec_reason"]),
        (&"none".into(), &"no drafter was asked for".into())
    );
}

#[test]
fn the_same_seed_gives_the_same_text_whatever_the_drafter() {
    let text = |more: &[&str]| {
        let mut arguments =
            vec!["run", "pocket", "-p", "Define courage.", "-n", "40", "--seed", "7", "--json"];
        arguments.extend_from_slice(more);
        json(&arguments)["text"].as_str().expect("a text").to_owned()
    };
    let plain = text(&["-d", "none"]);
    for more in [&["--draft", "3"][..], &["--draft", "1"], &["--drafter-kind", "lookup"]] {
        assert_eq!(text(more), plain, "{more:?}");
    }
}

#[test]
fn events_come_as_one_json_object_a_line() {
    let (code, out, err) = run(&ask(&["--jsonl"]));
    assert_eq!(code, 0, "{err}");
    let events: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(events[0]["event"], "ready");
    for event in events.iter().filter(|event| event["event"] == "text") {
        let bytes: u64 =
            event["tokens"].as_array().expect("tokens").iter().filter_map(|t| t[0].as_u64()).sum();
        assert_eq!(bytes, event["text"].as_str().expect("text").len() as u64, "{event}");
    }
    let text: String = events
        .iter()
        .filter(|event| event["event"] == "text")
        .map(|event| event["text"].as_str().expect("text"))
        .collect();
    let last = events.last().expect("a last event");
    assert_eq!(last["event"], "done");
    assert_eq!(last["reply"]["text"], text);
}

#[test]
fn the_prompt_may_come_through_a_pipe() {
    let (_, expected, _) = run(ASK);
    for arguments in [
        &["run", "pocket", "-p", "-", "-n", "24", "--temp", "0"][..],
        &["run", "pocket", "-n", "24", "--greedy"],
    ] {
        let (code, out, err) = with_input(arguments, b"What is a lantern?\n");
        assert_eq!((code, &out), (0, &expected), "{err}");
    }
    let (code, _, err) = with_input(&["run", "pocket", "-p", "-"], b"caf\xe9");
    assert_eq!(code, 2);
    assert!(err.contains("not UTF-8") && err.contains("byte 3"), "{err}");
    let (code, _, err) = with_input(&["run", "pocket"], b"");
    assert_eq!(code, 2);
    assert!(err.contains("the prompt is empty"), "{err}");
}

/// `slipstream run … | head -c 1` once would have written into a closed pipe for the rest of the reply.
#[test]
fn a_closed_pipe_ends_the_reply_quietly() {
    let mut child =
        slipstream(&["run", "pocket", "-p", "x", "--ignore-eos", "-n", "3000", "-q"]).spawn().expect("runs");
    let mut out = child.stdout.take().expect("a pipe");
    out.read_exact(&mut [0; 1]).expect("a first byte");
    drop(out);
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(0));
}

#[cfg(unix)]
#[test]
fn an_interrupt_reports_what_there_is() {
    let mut child = slipstream(&["run", "pocket", "-p", "x", "--ignore-eos", "-n", "3500", "--json"])
        .spawn()
        .expect("runs");
    std::thread::sleep(std::time::Duration::from_millis(600));
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(kill.success());
    let mut out = String::new();
    child.stdout.take().expect("a pipe").read_to_string(&mut out).expect("read");
    let status = child.wait().expect("it ends");
    // Fast machines may have finished before the signal.
    let reply: Value = serde_json::from_str(&out).expect("a whole object");
    let cancelled = reply["stop_reason"] == "cancelled";
    assert_eq!(status.code(), Some(if cancelled { 130 } else { 0 }), "{}", reply["stop_reason"]);
}

/// What a person gets wrong, with the exit code and the words that help.
#[test]
fn wrong_use_is_told_with_exit_code_2() {
    for (arguments, words) in [
        (&["frobnicate"][..], "unrecognized subcommand"),
        (&["run", "pocket", "-p", "x", "-n", "0"], "0 is not in 1.."),
        (&["run", "pocket", "-p", "x", "-n", "-5"], "-5"),
        (&["run", "pocket", "-p", "x", "-c", "0"], "0 is not in 1.."),
        (&["run", "pocket", "-p", "x", "-t", "0"], "0 is not in 1..=512"),
        (&["run", "pocket", "-p", "x", "--temp", "-1"], "must be from 0 to 100"),
        (&["run", "pocket", "-p", "x", "--temp", "NaN"], "not a number"),
        (&["run", "pocket", "-p", "x", "--top-p", "1.5"], "must be from 0 to 1"),
        (&["run", "pocket", "-p", "x", "--repeat-penalty", "0"], "above 0"),
        (&["run", "pocket", "-p", "x", "--draft", "99"], "from 0 to 16"),
        (&["run", "pocket", "-p", "x", "--draft", "often"], "expected auto, on, off"),
        (&["run", "pocket", "-p", "x", "--n-max", "0"], "1..=16"),
        (&["run", "pocket", "-p", "x", "--gpu-layers", "many"], "expected a number or `auto`"),
        (&["run", "pocket", "-m", "other.gguf", "-p", "x"], "two models were given"),
        (&["chat", "pocket"], "needs a terminal"),
    ] {
        let (code, out, err) = run(arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {err}");
        assert!(err.contains(words), "{arguments:?}: {err}");
    }
}

#[test]
fn problems_come_as_objects_where_json_was_asked_for() {
    let (code, out, _) = run(&["run", "/nowhere/at/all.gguf", "-p", "x", "--json"]);
    let object: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &object["error"]["code"]), (3, &3.into()));
    assert!(object["error"]["message"].as_str().is_some_and(|text| text.contains("/nowhere/at/all.gguf")));
    assert!(object["error"]["help"].is_string());
    let (code, out, _) = run(&["run", "pocket", "-p", "x", "--json", "--temp", "-1"]);
    let object: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &object["error"]["code"]), (2, &2.into()));
}

/// Files that are no models, or not the right ones: exit code 3, the file named, and nothing aborts.
#[test]
fn bad_files_are_told_with_exit_code_3() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    fs::write(at("text.gguf"), "this is no model").expect("written");
    fs::write(at("empty.gguf"), "").expect("written");
    let whole = fs::read(target_file()).expect("the target");
    fs::write(at("cut.gguf"), &whole[..whole.len() / 3]).expect("written");
    fs::write(at("cut-header.gguf"), &whole[..2000]).expect("written");
    let unknown = Builder::new().text("general.architecture", "no-such-thing").build();
    fs::write(at("unknown.gguf"), unknown).expect("written");
    let drafter = drafter_file().to_string_lossy().into_owned();
    for (file, words) in [
        (at("missing.gguf"), "no file"),
        (folder.path().to_string_lossy().into_owned(), "is not a file"),
        (at("text.gguf"), "text.gguf"),
        (at("empty.gguf"), "empty.gguf"),
        (at("cut.gguf"), "cut.gguf"),
        (at("cut-header.gguf"), "cut-header.gguf"),
        (at("unknown.gguf"), "no-such-thing"),
        (drafter, "not a model to chat with"),
    ] {
        let (code, out, err) = run(&["run", &file, "-p", "x", "-n", "4"]);
        assert_eq!((code, out.as_str()), (3, ""), "{file}: {err}");
        assert!(err.starts_with("error: ") && err.contains(words) && err.contains("help: "), "{file}: {err}");
    }
}

#[test]
fn a_drafter_of_another_vocabulary_is_refused_with_both_sizes() {
    let folder = tempfile::tempdir().expect("a folder");
    let other = folder.path().join("other.gguf");
    let tokens: Vec<String> = (0..100).map(|number| format!("t{number}")).collect();
    let drafter = Builder::new()
        .text("general.architecture", "gemma4-assistant")
        .number("gemma4-assistant.block_count", 2)
        .number("gemma4-assistant.embedding_length", 64)
        .number("gemma4-assistant.embedding_length_out", 192)
        .text("tokenizer.ggml.model", "gemma4")
        .texts("tokenizer.ggml.tokens", &tokens)
        .build();
    fs::write(&other, drafter).expect("written");
    let other = other.to_string_lossy().into_owned();
    let (code, out, err) = run(&["run", "pocket", "-d", &other, "-p", "x", "-n", "4"]);
    assert_eq!((code, out.as_str()), (3, ""), "{err}");
    assert!(err.contains("does not fit") && err.contains("100"), "{err}");
}

#[test]
fn more_context_than_memory_is_told_with_exit_code_4() {
    let (code, out, err) = run(&["run", "pocket", "-c", "2000000000", "-p", "x"]);
    assert_eq!((code, out.as_str()), (4, ""), "{err}");
    assert!(err.contains("not enough memory") && err.contains("--ctx"), "{err}");
}

#[cfg(unix)]
#[test]
fn a_read_only_cache_is_told() {
    let mut command = slipstream(&["run", "pocket", "-p", "x"]);
    command.env("SLIPSTREAM_CACHE", "/dev/null/cache");
    let (code, _, err) = finish(command);
    assert_eq!(code, 1);
    assert!(
        err.contains("writing the built-in model to /dev/null/cache failed")
            && err.contains("SLIPSTREAM_CACHE"),
        "{err}"
    );
}

/// A built-in file that was cut off by a full disk or a kill is written again.
#[test]
fn a_damaged_cache_file_is_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let once = || {
        let mut command = slipstream(&["run", "pocket", "-p", "x", "-n", "2", "-q"]);
        command.env("SLIPSTREAM_CACHE", folder.path());
        finish(command)
    };
    assert_eq!(once().0, 0);
    let files: Vec<_> =
        fs::read_dir(folder.path()).expect("listed").map(|entry| entry.expect("an entry").path()).collect();
    assert_eq!(files.len(), 2, "no partial files stay: {files:?}");
    for file in &files {
        fs::write(file, "cut off").expect("written");
    }
    let (code, _, err) = once();
    assert_eq!(code, 0, "{err}");
}

#[test]
fn inspect_shows_a_file_and_refuses_what_is_none() {
    let file = target_file().to_string_lossy().into_owned();
    let (code, out, err) = run(&["inspect", &file]);
    assert_eq!(code, 0, "{err}");
    for words in ["general.architecture", "gemma4", "token_embd.weight", "Q8_0"] {
        assert!(out.contains(words), "{words} is missing in:\n{out}");
    }
    let (code, out, _) = run(&["inspect", &file, "--json"]);
    let object: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(code, 0);
    assert!(object.is_object());
    let (code, _, err) = run(&["inspect", env!("CARGO_BIN_EXE_slipstream")]);
    assert_eq!(code, 3, "{err}");
}

#[test]
fn the_machine_is_reported() {
    let (code, out, err) = run(&["doctor", "--json"]);
    assert_eq!(code, 0, "{err}");
    let object: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(object["cpu_features_missing"], serde_json::json!([]), "{out}");
    assert!(object["memory_bytes"].as_u64().is_some_and(|bytes| bytes > 0));
    assert_eq!(run(&["list"]).0, 0);
    assert!(run(&["completions", "bash"]).1.contains("slipstream"));
    assert!(run(&["man"]).1.contains(".TH"));
    let (code, out, _) = run(&["licenses"]);
    assert_eq!(code, 0);
    for words in
        ["== slipstream\n\nMIT License", "== the built-in pair", "WordNet", "ggml authors", "01_Packages"]
    {
        assert!(out.contains(words), "{words}");
    }
}

#[test]
fn help_teaches() {
    let (code, out, _) = run(&["--help"]);
    assert_eq!(code, 0);
    for words in ["Examples:", "slipstream chat pocket", "run", "inspect"] {
        assert!(out.contains(words), "{words}");
    }
    let (code, out, _) = run(&["run", "--help"]);
    assert_eq!(code, 0);
    for option in
        ["--drafter", "--draft", "--n-max", "--p-min", "--seed", "--stop", "--json", "--kv-type", "--raw"]
    {
        assert!(out.contains(option), "{option}");
    }
}

/// A copy of `file` in which the value of one metadata key is other bytes.
fn patched(file: &Path, key: &str, value: &[u8]) -> Vec<u8> {
    let mut bytes = fs::read(file).expect("the file");
    let at =
        bytes.windows(key.len()).position(|window| window == key.as_bytes()).expect("the key is in the file");
    // A key is followed by its value's type, four bytes.
    let start = at + key.len() + 4;
    bytes[start..start + value.len()].copy_from_slice(value);
    bytes
}

/// Each of these once ended the process inside llama.cpp (an assertion, a division by zero, an endless loop).
#[test]
fn values_that_llama_cpp_would_abort_over_are_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let bad = folder.path().join("bad.gguf");
    let number = |value: u32| value.to_le_bytes();
    for (key, value) in [
        ("gemma4.block_count", number(0)),
        ("gemma4.block_count", number(i32::MAX as u32)),
        ("gemma4.attention.layer_norm_rms_epsilon", f32::NAN.to_le_bytes()),
        ("gemma4.attention.layer_norm_rms_epsilon", (-1.0_f32).to_le_bytes()),
        ("gemma4.attention.value_length", number(7)),
        ("gemma4.rope.dimension_count", number(3)),
        ("gemma4.rope.dimension_count", number(0)),
        ("gemma4.expert_count", number(1)),
        ("gemma4.expert_used_count", number(0)),
        ("tokenizer.ggml.bos_token_id", number(7_000_000)),
    ] {
        fs::write(&bad, patched(&target_file(), key, &value)).expect("written");
        let (code, out, err) = run(&["run", &bad.to_string_lossy(), "-d", "none", "-p", "x", "-n", "2"]);
        assert_eq!((code, out.as_str()), (3, ""), "{key} {value:?}: {err}");
        assert!(err.contains(key) || err.contains("expert_used_count"), "{key}: {err}");
    }
    fs::write(&bad, patched(&drafter_file(), "gemma4-assistant.block_count", &number(0))).expect("written");
    let (code, _, err) = run(&["run", "pocket", "-d", &bad.to_string_lossy(), "-p", "x", "-n", "2"]);
    assert_eq!(code, 3, "{err}");
    assert!(err.contains("gemma4-assistant.block_count"), "{err}");
}
