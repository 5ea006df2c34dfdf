//! Why a folder is no checkpoint that can be converted: data, turned into words only here.

use std::io;
use std::path::PathBuf;

use super::config_error::ConfigError;
use super::safetensors::Dtype;
use super::safetensors_error::HeaderError;
use super::tokenizer_error::TokenizerError;
use crate::gguf::Printable;

/// A name from a file, in an error message.
fn named(text: &str) -> Printable<'_> {
    Printable::short(text, 100)
}

/// Why a folder is no checkpoint that can be converted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// A file that cannot be read.
    #[error("reading {path} failed: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file that belongs to every checkpoint.
    #[error("the folder {folder} has no {name}")]
    Missing {
        /// The folder.
        folder: PathBuf,
        /// The file.
        name: &'static str,
    },
    /// A file larger than any real one.
    #[error("{path} has {found} bytes, expected at most {most}")]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Its length.
        found: u64,
        /// The limit.
        most: u64,
    },
    /// JSON that is none, or of another form.
    #[error("reading {path} failed: {}", Printable::short(.message, 200))]
    Json {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        message: String,
    },
    /// config.json.
    #[error("reading {path} failed: {source}")]
    Config {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ConfigError,
    },
    /// The tokenizer.
    #[error("reading the tokenizer of {folder} failed: {source}")]
    Tokenizer {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: TokenizerError,
    },
    /// Weights in the older form, or none.
    #[error("the folder {folder} has no safetensors files{}", if *.has_pickles { ", only pytorch_model*.bin" } else { "" })]
    NoWeights {
        /// The folder.
        folder: PathBuf,
        /// Whether there are files of PyTorch's own format.
        has_pickles: bool,
    },
    /// An index that leads out of the folder.
    #[error("{path} names the file `{}`, expected the name of a safetensors file beside it", named(.name))]
    ShardName {
        /// The index.
        path: PathBuf,
        /// What it names.
        name: String,
    },
    /// Files that the index names and that are not there.
    #[error("{} of the {of} files of {folder} are missing: {}", .names.len(), listed(.names))]
    MissingShards {
        /// The folder.
        folder: PathBuf,
        /// The files.
        names: Vec<String>,
        /// Files there should be.
        of: usize,
    },
    /// A file of weights that is none.
    #[error("reading {path} failed: {source}")]
    Shard {
        /// The file.
        path: PathBuf,
        /// Why.
        source: HeaderError,
    },
    /// Tensors that the index names and that no file has.
    #[error("{} tensors that {path} names are in no file: {}", .names.len(), listed(.names))]
    Absent {
        /// The index.
        path: PathBuf,
        /// The tensors.
        names: Vec<String>,
    },
    /// Tensors that the index does not name, or names in another file.
    #[error("{} tensors are not where {path} says: {}", .names.len(), listed(.names))]
    Misplaced {
        /// The index.
        path: PathBuf,
        /// The tensors.
        names: Vec<String>,
    },
    /// A tensor in two files, or two tensors that become one.
    #[error("the tensors `{}` and `{}` both become `{}`", named(.first), named(.second), named(.name))]
    Twice {
        /// A tensor.
        first: String,
        /// The other one.
        second: String,
        /// What they would become.
        name: String,
    },
    /// A tensor that nobody knows.
    #[error("the tensor `{}` is none of Gemma 4's", named(.name))]
    UnknownTensor {
        /// Its name.
        name: String,
    },
    /// A tensor of a type that is none of weights.
    #[error("the tensor `{}` is of type {found}, expected BF16, F16 or F32", named(.name))]
    Type {
        /// Its name.
        name: String,
        /// Its type.
        found: Dtype,
    },
    /// A tensor of another shape than config.json demands.
    #[error("the tensor `{}` has the shape {found:?}, expected {expected:?} by config.json", named(.name))]
    Shape {
        /// Its name.
        name: String,
        /// Its shape, rows first.
        found: Vec<u64>,
        /// What it should be.
        expected: Vec<u64>,
    },
    /// A tensor that config.json has no place for.
    #[error("the tensor `{}` has no place in the model that config.json describes", named(.name))]
    Surplus {
        /// Its name.
        name: String,
    },
    /// Tensors that the model does not work without.
    #[error("{} tensors are missing: {} (names of the GGUF)", .names.len(), listed(.names))]
    MissingTensors {
        /// Their names in the GGUF.
        names: Vec<String>,
    },
}

/// The first few of several names.
fn listed(names: &[String]) -> String {
    const FEW: usize = 3;
    let mut text: Vec<String> = names.iter().take(FEW).map(|name| named(name).to_string()).collect();
    if names.len() > FEW {
        text.push("…".to_owned());
    }
    text.join(", ")
}

impl CheckpointError {
    /// What a person can do about it.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            CheckpointError::Io { .. } => "Check that the disk is connected and that you may read the file.",
            CheckpointError::Missing { .. } | CheckpointError::MissingShards { .. } => {
                "The download is incomplete: fetch the missing files, or give the folder that has them."
            }
            CheckpointError::NoWeights { has_pickles: true, .. } => {
                "Fetch the checkpoint in the safetensors format; files of PyTorch's own format can run code when they \
                 are read."
            }
            CheckpointError::NoWeights { .. } => {
                "Give a folder with config.json and model*.safetensors, or a GGUF file."
            }
            CheckpointError::Config { source, .. } => source.help(),
            CheckpointError::Tokenizer { source, .. } => source.help(),
            CheckpointError::Shard { source, .. } => source.help(),
            CheckpointError::UnknownTensor { .. } | CheckpointError::Surplus { .. } => {
                "If the checkpoint is right, it is of a newer model than this program: convert it with llama.cpp's \
                 `convert_hf_to_gguf.py FOLDER --outtype bf16`, then give that GGUF to `slipstream quantize`."
            }
            CheckpointError::Type { .. } => "Start from the BF16 original.",
            CheckpointError::Json { .. } | CheckpointError::TooLong { .. } => {
                "Fetch the file again; a web page or a Git LFS pointer may have been saved in its place."
            }
            _ => "The files do not belong together or are incomplete; fetch the checkpoint again.",
        }
    }
}
