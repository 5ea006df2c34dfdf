//! Does the chat slow generation down? `cargo bench --bench against_run -- [MODEL] [repeats=12] [tokens=1500] [threads=1]
//! [draft=0]
//! [columns=200] [rows=50]`.
//!
//! Method: `slipstream run` and the chat, in a pseudo-terminal that is read at once, take turns with the same
//! question, seed and options, each in a fresh process; who begins changes with every repeat. Both tell the engine's own
//! rate, tokens after the first by the time since the first. The figure is the median of the paired ratios.

#![allow(clippy::print_stdout)]

#[path = "../tests/it/pty.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod pty;

use std::path::Path;
use std::process::Command;

use pty::Run;

const QUESTION: &str = "Count from 1 to 20.";

fn argument(name: &str, usual: &str) -> String {
    let prefix = format!("{name}=");
    let given = std::env::args().find_map(|argument| Some(argument.strip_prefix(&prefix)?.to_owned()));
    given.unwrap_or_else(|| usual.to_owned())
}

fn main() {
    let model = std::env::args().skip(1).find(|argument| !argument.contains('=') && argument != "--bench");
    let model = model.unwrap_or_else(|| "pocket".to_owned());
    let repeats: usize = argument("repeats", "12").parse().expect("a number of repeats");
    let tokens = argument("tokens", "1500");
    let (threads, draft) = (argument("threads", "1"), argument("draft", "0"));
    let options: Vec<&str> = [
        &*model,
        "--ignore-eos",
        "--seed",
        "7",
        "-n",
        &tokens,
        "-c",
        "4096",
        "-t",
        &threads,
        "--draft",
        &draft,
    ]
    .into();
    let stored = tempfile::tempdir().expect("a folder");
    let stored = stored.path();
    let mut pairs = Vec::new();
    for repeat in 0..repeats {
        let pair = if repeat % 2 == 0 {
            let alone = run(stored, &options);
            (chat(stored, &options, &tokens), alone)
        } else {
            let shown = chat(stored, &options, &tokens);
            (shown, run(stored, &options))
        };
        println!("chat {:.1} t/s, run {:.1} t/s: {:.4}", pair.0, pair.1, pair.0 / pair.1);
        pairs.push(pair);
    }
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0
    };
    let mut ratios: Vec<f64> = pairs.iter().map(|(chat, run)| chat / run).collect();
    ratios.sort_by(f64::total_cmp);
    println!(
        "draft {draft}, {threads} thread(s), {tokens} tokens, {repeats} pairs: chat {:.1}, run {:.1} t/s, ratio {:.4} \
         (quartiles {:.4}–{:.4}, all {:.4}–{:.4})",
        median(pairs.iter().map(|pair| pair.0).collect()),
        median(pairs.iter().map(|pair| pair.1).collect()),
        median(ratios.clone()),
        ratios[ratios.len() / 4],
        ratios[ratios.len() * 3 / 4],
        ratios[0],
        ratios[ratios.len() - 1],
    );
}

fn run(stored: &Path, options: &[&str]) -> f64 {
    let output = Command::new(env!("CARGO_BIN_EXE_slipstream"))
        .arg("run")
        .args(options)
        .args(["-p", QUESTION, "--json"])
        .env("SLIPSTREAM_DATA", stored)
        .env("SLIPSTREAM_CONFIG", stored.join("none.toml"))
        .output()
        .expect("run");
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("an object");
    told["predicted_per_second"].as_f64().unwrap_or_else(|| panic!("no rate in {told}"))
}

fn chat(stored: &Path, options: &[&str], tokens: &str) -> f64 {
    let cells = |name, usual| argument(name, usual).parse().expect("a number of cells");
    let mut run = Run::of(cells("columns", "200"), cells("rows", "50"), |command| {
        command.arg("chat");
        command.args(options);
        command.env("SLIPSTREAM_DATA", stored);
    });
    run.wait_for("? help");
    run.keys(QUESTION);
    run.keys("\r");
    run.wait_for("token limit reached");
    let contents = run.contents();
    let footer =
        contents.lines().find_map(|line| line.split_once("token limit reached · ")).expect("a footer").1;
    let (rate, rest) = footer.split_once(" t/s · ").expect("a rate");
    assert!(rest.starts_with(&format!("{tokens} tokens")), "another reply: {footer}");
    run.keys("\x04");
    let _ = run.end();
    rate.parse().expect("a rate")
}
