//! `slipstream licenses`: the licences of what is built into the program. Grammars of code are other people's work, and
//! most of their licences ask that they be told.

use std::fmt::Write as _;

use super::print;
use crate::error::Problem;

/// Parts, whose they are, and the terms.
const PARTS: &[(&str, &str)] = &[
    ("slipstream", include_str!("../../LICENSE")),
    (
        "the built-in pair: trained on WordNet 3.0 and text of our own",
        include_str!("../../assets/pocket/WORDNET-LICENSE.txt"),
    ),
    ("llama.cpp and ggml", "MIT License, as above, Copyright (c) 2023-2026 The ggml authors"),
    ("SQLite", "in the public domain"),
    ("the Rust packages", "in the sources, cargo tree --prefix none --format '{p}: {l}' lists them"),
    ("the grammars that colour code: collected by the bat project (https://github.com/sharkdp/bat)", ""),
];

/// Runs the command.
///
/// # Errors
/// Where the output cannot be written.
pub fn run() -> Result<u8, Problem> {
    let mut text = String::new();
    for (part, terms) in PARTS {
        section(&mut text, part, terms);
    }
    for grammar in two_face::acknowledgement::listing().for_syntaxes() {
        let name = grammar.rel_path.to_string_lossy();
        section(&mut text, name.trim_start_matches("syntaxes/"), &grammar.text);
    }
    print(&text)
}

fn section(text: &mut String, title: &str, terms: &str) {
    let _ = writeln!(text, "== {title}\n");
    if !terms.is_empty() {
        let _ = writeln!(text, "{}\n", terms.trim_end());
    }
}
