//! One pass equals two: the quantized file of a checkpoint is what llama.cpp's own quantization makes of the checkpoint's
//! BF16 file.

use std::path::Path;

use slipstream::checkpoint::Checkpoint;
use slipstream::gguf::GgmlType;
use slipstream::llama::{Backend, quantize_file};
use slipstream::quantize::{FileType, Imatrix, Options, PlanError, Source as _};

use super::folder::{Folder, WIDE};
use crate::cli::json;
use crate::quantize::equality::{ours, request, same};
use crate::quantize::tiny;

/// Compares the files of all `types`; returns those that both refuse.
fn refused(folder: &Folder, types: &[FileType], imatrix: Option<&Imatrix>) -> Vec<FileType> {
    let backend = Backend::start(None).expect("llama.cpp starts");
    let work = tempfile::tempdir().expect("a folder");
    let path = |name: &str| work.path().join(name);
    let text = |path: &Path| path.to_string_lossy().into_owned();
    std::fs::create_dir(path("mini")).expect("a folder");
    folder.write(&path("mini"));
    // As the command makes it.
    json(&["quantize", &text(&path("mini")), &text(&path("bf16.gguf")), "--type", "BF16", "--json"]);
    let checkpoint = Checkpoint::open(&path("mini")).expect("a checkpoint");
    let is_refused = |file_type: &FileType| {
        let options = Options { imatrix, ..Options::new(*file_type) };
        let (mine, theirs) = (path("mine.gguf"), path("theirs.gguf"));
        let theirs_made = quantize_file(backend, &path("bf16.gguf"), &theirs, &request(&options));
        match ours(&checkpoint, &options, &mine) {
            Ok(_) => {
                theirs_made.unwrap_or_else(|error| panic!("{file_type}: {error}"));
                let read = |path: &Path| std::fs::read(path).expect("a file");
                same(&read(&mine), &read(&theirs), file_type.name());
                false
            }
            Err(PlanError::NeedsImatrix { .. } | PlanError::NoFallback { .. }) => {
                assert!(theirs_made.is_err(), "{file_type}: llama.cpp makes a file");
                true
            }
            Err(other) => panic!("{file_type}: {other}"),
        }
    };
    types.iter().copied().filter(is_refused).collect()
}

/// An importance matrix for all matrices of a checkpoint but the embeddings and one of this name.
fn imatrix(folder: &Folder, missing: &str) -> Imatrix {
    let (_path, checkpoint) = folder.open();
    let checkpoint = checkpoint.expect("a checkpoint");
    let tensors = checkpoint.tensors().iter().filter(|tensor| {
        let is_matrix = tensor.shape.len() > 1 && !tensor.always_f32;
        is_matrix && !tensor.name.contains("token_embd") && tensor.name != missing
    });
    tiny::imatrix_of(tensors)
}

/// One of each way of quantizing.
const FEW: [FileType; 4] = [FileType::Q4_0, FileType::Q4_K_M, FileType::Q8_0, FileType::IQ4_XS];

#[test]
fn every_type_of_a_mixture() {
    let folder = Folder::mixture(WIDE);
    let types: Vec<FileType> = FileType::all().filter(|each| each.base().is_quantized()).collect();
    // Rows of 96 and 32 weights.
    assert_eq!(refused(&folder, &types, Some(&imatrix(&folder, ""))), [FileType::Q1_0]);
    assert_eq!(refused(&folder, &FEW, None), []);
}

#[test]
fn the_other_architectures() {
    for folder in [
        Folder::edge(WIDE),
        Folder::dense("Gemma4UnifiedForConditionalGeneration", WIDE),
        Folder::assistant("Gemma4AssistantForCausalLM", WIDE),
    ] {
        assert_eq!(refused(&folder, &FEW, None), []);
        let imatrix = imatrix(&folder, "blk.1.ffn_up.weight");
        assert_eq!(refused(&folder, &[FileType::Q5_K_S, FileType::IQ3_S], Some(&imatrix)), []);
    }
}

#[test]
fn weights_of_32_bits_take_the_way_over_bf16() {
    let mut folder = Folder::dense("Gemma4ForCausalLM", WIDE);
    for tensor in folder.tensors.values_mut() {
        let wide = |word: [u8; 2]| [word[1], 0x90, word[0], word[1]];
        tensor.bytes = tensor.bytes.as_chunks::<2>().0.iter().flat_map(|&word| wide(word)).collect();
        tensor.dtype = "F32".to_owned();
    }
    let (_path, checkpoint) = folder.open();
    let tensors = checkpoint.expect("a checkpoint").tensors().to_vec();
    let matrices = tensors.iter().filter(|tensor| !tensor.always_f32);
    assert!(matrices.clone().count() > 0 && matrices.clone().all(|tensor| tensor.dtype == GgmlType::BF16));
    assert_eq!(refused(&folder, &FEW, None), []);
}
