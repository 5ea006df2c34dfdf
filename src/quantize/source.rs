//! Where weights come from: a checkpoint folder, or a GGUF file.
//!
//! A source knows its metadata and its tensors before a byte of weights is read, and gives rows of any tensor as
//! [`f32`], in any order and from several threads at once: the pipeline reads each row once, in pieces of bounded size.
//! A type below 32 bits is widened exactly; so a BF16 checkpoint, and the BF16 GGUF made of it, give equal rows.

use std::io;
use std::ops::Range;
use std::path::PathBuf;

use crate::gguf::{GgmlType, Printable, Value};

/// A tensor of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceTensor {
    /// Its GGUF name.
    pub name: String,
    /// Its sizes, the row length first.
    pub shape: Vec<u64>,
    /// The type it has.
    pub dtype: GgmlType,
    /// Whether it is written as F32 whatever the type asked.
    pub always_f32: bool,
}

impl SourceTensor {
    /// Elements of a row; 0 where it has no dimensions.
    #[must_use]
    pub fn columns(&self) -> u64 {
        self.shape.first().copied().unwrap_or(0)
    }

    /// Rows of all its matrices together (the experts of a layer are one tensor).
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.shape.iter().skip(1).fold(1, |rows, &size| rows.saturating_mul(size))
    }

    /// Elements of all its matrices together.
    #[must_use]
    pub fn elements(&self) -> u64 {
        self.shape.iter().fold(1, |product, &size| product.saturating_mul(size))
    }

    /// Elements of some of its rows; `None` where it has no such rows.
    #[must_use]
    pub fn elements_of(&self, rows: &Range<u64>) -> Option<u64> {
        let count = rows.end.checked_sub(rows.start).filter(|_| rows.end <= self.rows())?;
        count.checked_mul(self.columns())
    }

    /// Rows of one matrix: a piece of work never crosses from one expert into the next.
    #[must_use]
    pub fn rows_of_matrix(&self) -> u64 {
        self.shape.get(1).copied().unwrap_or(1)
    }
}

/// A model that can be quantized.
pub trait Source: Sync {
    /// Its metadata, in the order in which the reference writes them.
    fn metadata(&self) -> &[(String, Value)];

    /// Its tensors, in any order; names are unique.
    fn tensors(&self) -> &[SourceTensor];

    /// Reads `rows` of the tensor with the index `tensor`, counted over all its matrices, into `into`, which holds
    /// exactly as many.
    ///
    /// # Errors
    /// [`SourceError`] where they cannot be read.
    fn read_rows(&self, tensor: usize, rows: Range<u64>, into: &mut [f32]) -> Result<(), SourceError>;

    /// Reads the bytes of `rows` as they are: for tensors that are taken over and hold no numbers that
    /// [`read_rows`](Source::read_rows) could give. A source of numbers only has none.
    ///
    /// # Errors
    /// [`SourceError`] where they cannot be read.
    fn read_bytes(&self, tensor: usize, rows: Range<u64>, into: &mut [u8]) -> Result<(), SourceError> {
        let (_, _) = (rows, into);
        let tensor = &self.tensors()[tensor];
        Err(SourceError::Type { tensor: tensor.name.clone(), found: tensor.dtype })
    }

    /// Whether the files are still those that were opened; asked when all is read.
    ///
    /// # Errors
    /// [`SourceError::Changed`].
    fn check_unchanged(&self) -> Result<(), SourceError> {
        Ok(())
    }
}

/// Why rows of a source could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The medium failed.
    #[error("reading {path} at byte {offset} failed: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// What the system says.
        source: io::Error,
    },
    /// The file is not the one that was opened: another length, or written since.
    #[error("{path} has changed while it was read: {found}, expected {expected}")]
    Changed {
        /// The file.
        path: PathBuf,
        /// What it is now, e.g. its length.
        found: String,
        /// What it was at the start.
        expected: String,
    },
    /// A tensor of a type whose elements cannot be read as numbers here.
    #[error("the tensor `{}` is of type {found}, expected F32, F16 or BF16", Printable::short(.tensor, 80))]
    Type {
        /// The tensor.
        tensor: String,
        /// Its type.
        found: GgmlType,
    },
    /// Rows that the tensor does not have, or a buffer of another size: a fault of the caller.
    #[error("rows {}..{} of the tensor `{}` ({values} values) were asked for; it has {have}", .rows.start, .rows.end, Printable::short(.tensor, 80))]
    Rows {
        /// The tensor.
        tensor: String,
        /// The rows asked for.
        rows: Range<u64>,
        /// Values there was room for.
        values: usize,
        /// The rows there are.
        have: u64,
    },
}

impl SourceError {
    /// What is said to somebody who asks `tensor` of `tensors` for rows that it does not have, or has no room for.
    #[must_use]
    pub fn no_rows(tensors: &[SourceTensor], tensor: usize, rows: Range<u64>, values: usize) -> SourceError {
        let (name, have) = tensors
            .get(tensor)
            .map_or((format!("number {tensor}"), 0), |each| (each.name.clone(), each.rows()));
        SourceError::Rows { tensor: name, rows, values, have }
    }

    /// What a person can do about it.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            SourceError::Io { .. } => "Check that the disk is connected and that the file is whole.",
            SourceError::Changed { .. } => "Wait until the download or copy has ended, then start again.",
            SourceError::Type { .. } => "Quantize the original F32, F16 or BF16 model instead.",
            SourceError::Rows { .. } => "This is a fault of slipstream; please report it.",
        }
    }
}
