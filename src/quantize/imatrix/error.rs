//! What can be wrong with an importance matrix.

use std::io;

use crate::gguf::{GgufError, Printable};

fn named(text: &str) -> Printable<'_> {
    Printable::short(text, 100)
}

/// Why a file cannot be read as an importance matrix.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImatrixError {
    /// The medium failed, not the format.
    #[error("the imatrix cannot be read: {source}")]
    Io {
        /// What the system says.
        source: io::Error,
    },
    /// A damaged GGUF file.
    #[error("the imatrix cannot be read: {source}")]
    Gguf {
        /// What is wrong.
        source: GgufError,
    },
    /// A GGUF file of something else.
    #[error("a GGUF file, but no imatrix: {found}; expected tensors that end in `.in_sum2` and `.counts`")]
    OtherGguf {
        /// What it is instead.
        found: String,
    },
    /// A GGUF imatrix without what llama-quantize demands.
    #[error("the imatrix has no `{key}` in its metadata")]
    MissingKey {
        /// The key.
        key: &'static str,
    },
    /// Sums and counts that do not belong together.
    #[error("the imatrix entry `{}` is broken: {what}", named(.tensor))]
    BadEntry {
        /// The tensor it is for.
        tensor: String,
        /// What is wrong.
        what: String,
    },
    /// Two entries of one name.
    #[error("the imatrix has two entries for `{}`", named(.tensor))]
    Duplicate {
        /// The tensor they are for.
        tensor: String,
    },
    /// A number that is no mean of squares.
    #[error("the imatrix entry `{}` has the value {found} in column {column}; expected a number from 0 to 1e20", named(.tensor))]
    BadValue {
        /// The tensor it is for.
        tensor: String,
        /// Where, from 0.
        column: usize,
        /// What stands there.
        found: f32,
    },
    /// Neither format.
    #[error("no imatrix: neither a GGUF file nor a legacy `.dat` ({what})")]
    NotImatrix {
        /// What was found.
        what: String,
    },
    /// A legacy file that ends too early.
    #[error(
        "the imatrix is cut off: entry {entry} of {entries} needs {needed} bytes at byte {offset}, {available} are left"
    )]
    Truncated {
        /// The entry, from 1.
        entry: u32,
        /// Entries the file claims.
        entries: u32,
        /// Where.
        offset: u64,
        /// Bytes needed.
        needed: u64,
        /// Bytes left.
        available: u64,
    },
}

impl ImatrixError {
    /// What a person can do about it.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            ImatrixError::Io { .. } => "Check the path, and that you may read the file.",
            ImatrixError::OtherGguf { .. } | ImatrixError::NotImatrix { .. } => {
                "Give the file that llama-imatrix wrote: `imatrix.gguf`, or the older `imatrix.dat`."
            }
            ImatrixError::Gguf { .. } | ImatrixError::Truncated { .. } => {
                "The download is probably incomplete: compare its size with the original and fetch it again."
            }
            _ => "Collect it anew with llama-imatrix, or fetch another one.",
        }
    }
}
