//! Checkpoints of Gemma 4 and its MTP drafters as Hugging Face distributes them (a folder with config.json, safetensors
//! and a tokenizer), as a source of weights and metadata: what the reference converter, llama.cpp's
//! convert_hf_to_gguf.py, would have written into a GGUF, without the GGUF.
//!
//! Every tensor of the text model becomes one tensor, its bytes unchanged but for their type; the towers for images and
//! sound are left out. Weights of 32 bits are rounded to BF16, as with the converter's `--outtype bf16`, unless
//! [`Checkpoint::unrounded`] is asked for; weights of half precision stay what they are.
//!
//! The folder is somebody else's data: lengths are compared with the files before anything is allocated, every tensor
//! is compared with what config.json says before anything is written, and names that nobody knows are errors. Only
//! headers and the small files are read on opening; weights are read row by row, never mapped into memory.
//!
//! | file | holds |
//! |---|---|
//! | `safetensors.rs` | the header of a file of weights |
//! | `shards.rs` | all files of weights, and the index of them |
//! | `config.rs`, `attention.rs`, `fields.rs` | config.json: the numbers of the model |
//! | `names.rs` | what tensors are called in a GGUF |
//! | `expected.rs` | which tensors and shapes llama.cpp will ask for |
//! | `weights.rs` | where each tensor of the GGUF comes from, and its rows |
//! | `keys.rs`, `general.rs`, `model_card.rs`, `naming.rs` | the metadata |
//! | `tokenizer.rs`, `tokenizer_json.rs`, `special.rs`, `post_processor.rs` | the vocabulary |
//! | `files.rs` | reading small files |

mod attention;
mod config;
mod config_error;
mod error;
mod expected;
mod fields;
mod files;
mod general;
mod keys;
mod model_card;
mod names;
mod naming;
mod post_processor;
mod safetensors;
mod safetensors_error;
mod shards;
mod special;
mod tokenizer;
mod tokenizer_error;
mod tokenizer_json;
mod weights;

use std::ops::Range;
use std::path::{Path, PathBuf};

pub use config::{Class, Config};
pub use config_error::ConfigError;
pub use error::CheckpointError;
pub use safetensors::{Dtype, StoredTensor, read_header};
pub use safetensors_error::HeaderError;
pub use tokenizer_error::TokenizerError;

use crate::gguf::Value;
use crate::quantize::{Source, SourceError, SourceTensor};
use keys::Keys;
use model_card::ModelCard;
use shards::Shards;
use weights::Weights;

/// An opened checkpoint.
#[derive(Debug)]
pub struct Checkpoint {
    config: Config,
    metadata: Vec<(String, Value)>,
    weights: Weights,
    small_files: Vec<PathBuf>,
}

impl Checkpoint {
    /// Opens a folder: reads everything but the weights, and checks that they are all there.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn open(folder: &Path) -> Result<Checkpoint, CheckpointError> {
        let json = files::read_config(folder)?;
        let config = Config::parse(&json)
            .map_err(|source| CheckpointError::Config { path: folder.join("config.json"), source })?;
        let shards = Shards::open(folder)?;
        let mut vocabulary = Keys::default();
        let tokens = tokenizer::add_vocabulary(&mut vocabulary, files::read_tokenizer(folder)?, &config)
            .map_err(|source| CheckpointError::Tokenizer { folder: folder.to_owned(), source })?;
        let weights = Weights::new(shards, &config, tokens)?;

        let mut keys = Keys::default();
        let generation = files::read_generation(folder);
        // `.` has no name.
        let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        // A README that is no text says nothing.
        let readme = files::read_text(folder, "README.md").ok().flatten();
        let card = ModelCard::read(readme.as_deref().unwrap_or_default());
        let architecture = config.class.architecture();
        let saved_as = config.saved_as.as_deref();
        general::add_general(
            &mut keys,
            architecture,
            &generation,
            &whole,
            saved_as,
            weights.tensors(),
            &card,
        );
        let suppressed = generation.get("suppress_tokens").and_then(serde_json::Value::as_array);
        let suppressed = suppressed.into_iter().flatten().filter_map(serde_json::Value::as_i64);
        let suppressed: Vec<i32> = suppressed.filter_map(|token| token.try_into().ok()).collect();
        keys::add_model(&mut keys, &config, &suppressed);
        for (key, value) in vocabulary.into_entries() {
            keys.set(key, value);
        }
        let small_files = files::small_files(folder);
        Ok(Checkpoint { config, metadata: keys.into_entries(), weights, small_files })
    }

    /// Gives weights of 32 bits as they are, instead of rounded to BF16.
    #[must_use]
    pub fn unrounded(mut self) -> Checkpoint {
        self.weights.unround();
        self
    }

    /// What config.json says.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// All files that were read: first the small ones, then those of weights.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.small_files.iter().map(PathBuf::as_path).chain(self.weights.files())
    }

    /// Names of the tensors that a text model's GGUF does not hold.
    #[must_use]
    pub fn dropped(&self) -> &[String] {
        self.weights.dropped()
    }
}

impl Source for Checkpoint {
    fn metadata(&self) -> &[(String, Value)] {
        &self.metadata
    }

    fn tensors(&self) -> &[SourceTensor] {
        self.weights.tensors()
    }

    fn read_rows(&self, tensor: usize, rows: Range<u64>, into: &mut [f32]) -> Result<(), SourceError> {
        self.weights.read_rows(tensor, rows, into)
    }

    fn check_unchanged(&self) -> Result<(), SourceError> {
        self.weights.check_unchanged()
    }
}
