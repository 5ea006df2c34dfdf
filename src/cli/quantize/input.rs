//! What is quantized: a checkpoint folder, or a GGUF file.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use sha2::{Digest as _, Sha256};

use super::args::RecipeArgs;
use crate::checkpoint::Checkpoint;
use crate::error::{Kind, Problem};
use crate::llama::build_info;
use crate::models::fingerprint;
use crate::quantize::{GgufSource, Source};

/// An opened source.
pub(super) enum Input {
    /// A GGUF file.
    Gguf(GgufSource),
    /// A checkpoint folder.
    Checkpoint(Box<Checkpoint>),
}

impl Input {
    /// Opens what lies at a path, to be made into what the recipe says.
    pub(super) fn open(path: &Path, recipe: &RecipeArgs) -> Result<Input, Problem> {
        if path.is_dir() {
            let checkpoint = Checkpoint::open(path)
                .map_err(|error| Problem::new(Kind::File, error.to_string(), error.help()))?;
            // A quantized file is made of BF16 weights, as with the reference's two steps; one of 16 or 32 bits is made
            // of the weights themselves.
            let checkpoint = if recipe.is_conversion() { checkpoint.unrounded() } else { checkpoint };
            return Ok(Input::Checkpoint(Box::new(checkpoint)));
        }
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            let message = format!("{} is one file of a checkpoint", path.display());
            return Err(Problem::new(Kind::File, message, "give the folder that it lies in"));
        }
        let source = GgufSource::open(path)
            .map_err(|error| Problem::new(Kind::File, error.to_string(), error.help()))?;
        Ok(Input::Gguf(source))
    }

    /// As a source.
    pub(super) fn source(&self) -> &dyn Source {
        match self {
            Input::Gguf(source) => source,
            Input::Checkpoint(checkpoint) => &**checkpoint,
        }
    }

    /// Whether it is a checkpoint.
    pub(super) fn is_checkpoint(&self) -> bool {
        matches!(self, Input::Checkpoint(_))
    }

    /// Whether it only changes its form: then the file is laid out as the reference converter does.
    pub(super) fn is_converted_by(&self, recipe: &RecipeArgs) -> bool {
        self.is_checkpoint() && recipe.is_conversion()
    }

    fn files(&self) -> Vec<PathBuf> {
        match self {
            Input::Gguf(source) => source.files().map(Path::to_owned).collect(),
            Input::Checkpoint(checkpoint) => checkpoint.files().map(Path::to_owned).collect(),
        }
    }

    /// What the new file's bytes depend on beside the recipe: the source's files as they are now, and this build.
    pub(super) fn identity(&self) -> String {
        let mut text = format!("{} {}\n", env!("CARGO_PKG_VERSION"), build_info());
        for path in self.files() {
            let about = path.metadata().ok();
            let length = about.as_ref().map_or(0, std::fs::Metadata::len);
            let modified = about
                .and_then(|about| about.modified().ok())
                .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
                .map_or(0, |time| time.as_nanos());
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            // Writing into a String cannot fail.
            let _ = writeln!(text, "{name} {length} {modified}");
        }
        text
    }

    /// What it is, for a card: SHA-256 over the fingerprints of its files (lengths and samples, not every byte).
    pub(super) fn fingerprint(&self) -> Result<String, Problem> {
        let mut hash = Sha256::new();
        for path in self.files() {
            let found = fingerprint(&path).map_err(|error| {
                Problem::new(Kind::Fault, format!("reading {} failed: {error}", path.display()), "")
            })?;
            hash.update(found);
        }
        Ok(hex::encode(hash.finalize()))
    }

    /// The GGUF file that llama.cpp can load as it is.
    pub(super) fn loadable(&self) -> Option<&Path> {
        match self {
            Input::Gguf(source) => source.files().next(),
            Input::Checkpoint(_) => None,
        }
    }

    /// Whether a path is one of its files.
    pub(super) fn holds(&self, path: &Path) -> bool {
        let Ok(path) = path.canonicalize() else { return false };
        self.files().iter().any(|file| file.canonicalize().is_ok_and(|file| file == path))
    }
}
