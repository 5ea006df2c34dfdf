//! Importance matrices: how strongly each column of each weight matrix is used, as `llama-imatrix` collected it.
//!
//! Two formats: GGUF, with the sums of squares and how many tokens they are of (per expert), and the older `.dat`.
//! Both become what llama-quantize hands to ggml (`load_imatrix` of tools/quantize/quantize.cpp, b11434): the mean
//! square of a column, and 1 for the columns of an expert that no token reached. Unlike llama-quantize, a file
//! that is cut off, is something else, or holds an impossible number is an error, never a warning.

mod error;
mod gguf;
mod legacy;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek};
use std::path::Path;

pub use error::ImatrixError;

use crate::gguf::{MAGIC, Value};

/// Bytes of a text that llama-quantize copies into the file's metadata (`val_str` of `llama_model_kv_override`).
const METADATA_BYTES: usize = 127;

/// The largest mean square believed (`LARGEST_IMPORTANCE` of llama/quantize.rs; this reader stands alone, so that it can be
/// fuzzed without the rest). The squares of half-precision activations end at 4e9.
const MOST: f32 = 1e20;

/// An importance matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct Imatrix {
    /// The file's path as it was given; it is written into the quantized file.
    pub file: String,
    /// The texts it was collected on.
    pub datasets: Vec<String>,
    /// Pieces of text it was collected on; 0 where the file does not say.
    pub chunks: u32,
    entries: BTreeMap<String, Entry>,
}

/// One matrix's columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Mean squares, one for each column; experts one after the other.
    pub values: Vec<f32>,
    /// Experts (1 for a dense matrix).
    pub experts: u32,
    /// Experts that no token reached, so that their columns count the same.
    pub unseen: u32,
}

impl Imatrix {
    /// Reads a file of either format.
    ///
    /// # Errors
    /// Where the file cannot be read, is cut off, or is no importance matrix.
    pub fn open(path: &Path) -> Result<Imatrix, ImatrixError> {
        let io = |source| ImatrixError::Io { source };
        let file = File::open(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        let name = path.to_string_lossy().into_owned();
        Imatrix::read(BufReader::new(file), length, name)
    }

    /// Reads what `reader` holds from its beginning to `length`.
    ///
    /// # Errors
    /// As [`Imatrix::open`].
    pub fn read(mut reader: impl Read + Seek, length: u64, file: String) -> Result<Imatrix, ImatrixError> {
        let io = |source| ImatrixError::Io { source };
        let mut magic = Vec::new();
        reader.by_ref().take(MAGIC.len() as u64).read_to_end(&mut magic).map_err(io)?;
        reader.rewind().map_err(io)?;
        let imatrix = match magic == MAGIC {
            true => gguf::read(reader, length, file)?,
            false => legacy::read(reader, length, file)?,
        };
        imatrix.check_values()?;
        Ok(imatrix)
    }

    /// Reads a file that is in memory.
    ///
    /// # Errors
    /// As [`Imatrix::open`].
    pub fn from_bytes(bytes: &[u8], file: &str) -> Result<Imatrix, ImatrixError> {
        Imatrix::read(Cursor::new(bytes), bytes.len() as u64, file.to_owned())
    }

    /// The entry of a tensor.
    #[must_use]
    pub fn entry(&self, tensor: &str) -> Option<&Entry> {
        self.entries.get(tensor)
    }

    /// All entries, in the order of their names.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(name, entry)| (name.as_str(), entry))
    }

    /// What llama-quantize appends to the metadata of a file made with it, in its order.
    #[must_use]
    pub fn metadata(&self) -> Vec<(String, Value)> {
        let text = |text: &str| Value::String(text[..text.floor_char_boundary(METADATA_BYTES)].to_owned());
        let mut found = vec![("quantize.imatrix.file".to_owned(), text(&self.file))];
        if let Some(first) = self.datasets.first() {
            found.push(("quantize.imatrix.dataset".to_owned(), text(first)));
        }
        let count = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        found.push(("quantize.imatrix.entries_count".to_owned(), Value::U32(count)));
        if self.chunks > 0 {
            found.push(("quantize.imatrix.chunks_count".to_owned(), Value::U32(self.chunks)));
        }
        found
    }

    /// A mean of squares is a number, 0 or more, and not so large that ggml's searches would overflow and abort.
    fn check_values(&self) -> Result<(), ImatrixError> {
        for (name, entry) in &self.entries {
            if let Some(column) = entry.values.iter().position(|value| !(0.0..=MOST).contains(value)) {
                let found = entry.values[column];
                return Err(ImatrixError::BadValue { tensor: name.clone(), column, found });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
