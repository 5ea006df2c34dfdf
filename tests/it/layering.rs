//! Who may import whom, and where `unsafe` may stand: docs/ARCHITECTURE.md, enforced.

use std::fs;
use std::path::{Path, PathBuf};

/// Modules, and the modules of ours that each may name after `crate::`.
const ALLOWED: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    ("cli", &["engine", "error", "event", "gguf", "llama", "models", "request", "token", "tui"]),
    ("tui", &["event", "request", "token"]),
    ("engine", &["event", "llama", "request", "sampling", "spec", "token"]),
    ("models", &["gguf"]),
    ("spec", &["event", "request", "sampling", "token"]),
    ("sampling", &["request", "token"]),
    ("gguf", &[]),
    ("llama", &["request", "token"]),
    ("event", &["request", "token"]),
    ("error", &["event"]),
    ("request", &[]),
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

/// The modules of ours that a text names by `crate::name`.
fn imports(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines().map(code) {
        for (at, _) in line.match_indices("crate::") {
            // `$crate::` and `other_crate::` are something else.
            if line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
                continue;
            }
            let rest = &line[at + "crate::".len()..];
            let names: Vec<&str> = match rest.strip_prefix('{') {
                Some(list) => list.split([',', '}']).map(str::trim).collect(),
                None => vec![rest],
            };
            for name in names {
                let name: String = name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if !name.is_empty() {
                    found.push(name);
                }
            }
        }
    }
    found
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
            assert_eq!(module, "llama", "{path}:{}: {line}", number + 1);
            let above = &lines[number.saturating_sub(6)..=number];
            let reasoned = above.iter().any(|line| line.contains("SAFETY") || line.contains("# Safety"));
            // A function type or a callback's signature is no block.
            let is_signature = code(line).contains("extern \"C\"") || code(line).contains("fn ");
            assert!(reasoned || is_signature, "{path}:{}: no reason given: {line}", number + 1);
        }
    }
}

#[test]
fn the_check_itself_sees_what_it_should() {
    assert_eq!(imports("use crate::{event, token::TokenId};"), ["event", "token"]);
    assert_eq!(imports("let x = crate::llama::Model; // crate::tui"), ["llama"]);
    assert!(imports("use other_crate::x; $crate::y").is_empty());
}
