//! Who may import whom, and where `unsafe` may stand: docs/ARCHITECTURE.md, enforced.

use std::fs;
use std::path::{Path, PathBuf};

/// Modules, and the modules of ours that each may name after `crate::`.
const ALLOWED: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    (
        "cli",
        &[
            "bench",
            "checkpoint",
            "engine",
            "error",
            "event",
            "exact",
            "experiment",
            "gguf",
            "llama",
            "models",
            "quantize",
            "request",
            "sessions",
            "token",
            "tui",
            "tuning",
        ],
    ),
    ("tuning", &["spec"]),
    // Of `sessions` only what it keeps, as values: the file is beyond the host.
    ("tui", &["event", "request", "sessions", "token"]),
    ("bench", &[]),
    ("engine", &["event", "experiment", "kernels", "llama", "request", "sampling", "spec", "token"]),
    ("models", &["gguf"]),
    // `llama` in quantize/ggml.rs only: the rest knows a trait.
    ("quantize", &["gguf", "llama"]),
    // Of `quantize` only what a source of weights is, and numbers that every file has.
    ("checkpoint", &["gguf", "quantize"]),
    ("spec", &["event", "request", "sampling", "token"]),
    ("sampling", &["request", "token"]),
    ("gguf", &[]),
    ("llama", &["kernels", "request", "token"]),
    ("kernels", &[]),
    ("event", &["experiment", "request", "token"]),
    ("experiment", &["request", "token"]),
    ("exact", &["event", "experiment", "token"]),
    ("error", &["event"]),
    ("request", &[]),
    ("sessions", &["event", "request", "token"]),
    ("token", &[]),
];

/// The crates that only `llama` may name.
const MACHINE_CRATES: &[&str] = &["llama_cpp_2", "llama_cpp_sys_2", "ggml_sys"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("read a source folder") {
        let path = entry.expect("read a folder entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// (module, path below src, text) of every source file.
fn files() -> Vec<(String, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    sources(&root, &mut paths);
    paths
        .into_iter()
        .map(|path| {
            let below = path.strip_prefix(&root).expect("below src");
            let first = below.iter().next().expect("a first part").to_string_lossy();
            let module = first.trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).expect("read a source file");
            (module, below.to_string_lossy().replace('\\', "/"), text)
        })
        .collect()
}

/// The code of a line: without its comment. Good enough for `use` lines and keywords.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

/// The modules of ours that a text names by `crate::name` or `crate::{name::…, name}`, over as many lines as it takes.
fn imports(text: &str) -> Vec<String> {
    let text: String = text.lines().map(code).flat_map(|line| [line, "\n"]).collect();
    let mut found = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        // `$crate::` and `other_crate::` are something else.
        if text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &text[at + "crate::".len()..];
        let Some(list) = rest.strip_prefix('{') else {
            found.push(first_name(rest));
            continue;
        };
        // Only names at the list's own level are modules: what stands in inner braces belongs to them.
        let (mut depth, mut item) = (0, String::new());
        for c in list.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => found.push(first_name(&std::mem::take(&mut item))),
                _ if depth == 0 => item.push(c),
                _ => {}
            }
        }
        found.push(first_name(&item));
    }
    found.retain(|name| !name.is_empty());
    found
}

fn first_name(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn imports_go_down_only() {
    let mut wrong = Vec::new();
    for (module, path, text) in files() {
        if module == "lib" {
            continue;
        }
        let (_, allowed) = ALLOWED.iter().find(|(name, _)| *name == module).unwrap_or_else(|| {
            panic!("{path}: the module `{module}` has no place in the layers; give it one")
        });
        for name in imports(&text) {
            if name != module && !allowed.contains(&name.as_str()) {
                wrong.push(format!("{path}: {module} -> {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "forbidden imports:\n{}", wrong.join("\n"));
}

#[test]
fn only_the_safe_layer_names_the_machine() {
    for (module, path, text) in files() {
        for (number, line) in text.lines().enumerate() {
            let names_machine = MACHINE_CRATES.iter().any(|name| code(line).contains(name));
            assert!(module == "llama" || !names_machine, "{path}:{}: {line}", number + 1);
        }
    }
}

#[test]
fn unsafe_stands_in_the_safe_layer_only_and_gives_its_reason() {
    let keyword = ["un", "safe"].concat();
    for (module, path, text) in files() {
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let is_block =
                code(line).split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word == keyword);
            if !is_block {
                continue;
            }
            // The kernels need raw loads and target features.
            assert!(module == "llama" || module == "kernels", "{path}:{}: {line}", number + 1);
            let above = &lines[number.saturating_sub(6)..=number];
            let reasoned = above.iter().any(|line| line.contains("SAFETY") || line.contains("# Safety"));
            // A callback's type or signature says what C may do, not what we do.
            let is_signature = code(line).contains("extern \"C\"");
            assert!(reasoned || is_signature, "{path}:{}: no reason given: {line}", number + 1);
        }
    }
}

#[test]
fn the_check_itself_sees_what_it_should() {
    assert_eq!(imports("use crate::{event, token::TokenId};"), ["event", "token"]);
    assert_eq!(imports("use crate::{\n    spec::{Cycle, tui},\n    gguf,\n};"), ["spec", "gguf"]);
    assert_eq!(imports("let x = crate::llama::Model; // crate::tui"), ["llama"]);
    assert!(imports("use other_crate::x; $crate::y").is_empty());
}
