//! Files of 16 and 32 bits are those of llama.cpp's own converter: by the hashes that scripts/quantize/reference.sh has
//! recorded in tests/data/quantize/converted.txt.

use std::fs;
use std::path::{Path, PathBuf};

use super::folder::{Folder, WIDE};
use crate::cli::json;

/// Names, which the metadata tell of, and what they are.
fn checkpoints() -> Vec<(&'static str, Folder)> {
    let small = Folder::drafter_of(WIDE);
    let single = |mut folder: Folder| {
        for tensor in folder.tensors.values_mut() {
            // Beyond what BF16 holds.
            let wide = |word: [u8; 2]| [word[0] ^ 0x80, word[1], word[0], word[1]];
            tensor.bytes = tensor.bytes.as_chunks::<2>().0.iter().flat_map(|&word| wide(word)).collect();
            tensor.dtype = "F32".to_owned();
        }
        folder
    };
    vec![
        ("gemma-4-1M-it", Folder::mixture(WIDE)),
        ("edge", Folder::edge(WIDE)),
        ("Mini-Text-v2", Folder::dense("Gemma4ForCausalLM", WIDE)),
        ("single", single(Folder::dense("Gemma4ForCausalLM", WIDE))),
        ("unified", Folder::dense("Gemma4UnifiedForConditionalGeneration", WIDE)),
        ("assistant", Folder::assistant("Gemma4AssistantForCausalLM", small)),
        ("unified-assistant", Folder::assistant("Gemma4UnifiedAssistantForCausalLM", small)),
    ]
}

fn write_into(root: &Path) -> Vec<PathBuf> {
    let written = checkpoints().into_iter().map(|(name, folder)| {
        let path = root.join(name);
        fs::create_dir_all(&path).expect("a folder");
        folder.write(&path);
        path
    });
    written.collect()
}

#[test]
fn files_are_the_reference_converters() {
    let recorded = include_str!("../../data/quantize/converted.txt");
    let mut recorded: Vec<&str> = recorded.lines().filter(|line| !line.starts_with('#')).collect();
    // Where the script finds them.
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("checkpoints");
    let out = root.join("out.gguf").to_string_lossy().into_owned();
    let mut made = Vec::new();
    for path in write_into(&root) {
        for file_type in ["bf16", "f16", "f32"] {
            let input = path.to_string_lossy();
            let object = json(&["quantize", &input, &out, "--type", file_type, "--force", "--json"]);
            let name = path.file_name().expect("a name").to_string_lossy();
            made.push(format!("{name} {file_type} {}", object["sha256"].as_str().expect("a hash")));
        }
    }
    made.sort();
    recorded.sort_unstable();
    assert_eq!(made, recorded);
}
