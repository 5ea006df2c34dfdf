//! What can be wrong with the header of a safetensors file: data, turned into words only here.

use std::io;

use super::safetensors::{Dtype, MAX_DIMS};
use crate::gguf::Printable;

/// A name from a file, in an error message.
fn named(text: &str) -> Printable<'_> {
    Printable::short(text, 100)
}

/// Why a file is no safetensors file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The medium failed.
    #[error("reading the header failed: {source}")]
    Io {
        /// What the system says.
        source: io::Error,
    },
    /// Not even a header.
    #[error("the file ends after {file_len} bytes, within its header")]
    TooShort {
        /// Bytes of the file.
        file_len: u64,
    },
    /// A header longer than the file, or than any real one.
    #[error("the header claims {found} bytes; at most {most} are possible")]
    HeaderLength {
        /// What the file says.
        found: u64,
        /// What the rest of the file, or the limit, allows.
        most: u64,
    },
    /// Not the format.
    #[error("it is no safetensors file: its header does not begin with `{{`")]
    NotSafetensors,
    /// JSON that is none, or something else than a table of tensors.
    #[error("the header is no table of tensors: {}", Printable::short(.message, 200))]
    Json {
        /// What the parser says.
        message: String,
    },
    /// Two tensors of the same name.
    #[error("the tensor `{}` occurs twice", named(.name))]
    Duplicate {
        /// The name.
        name: String,
    },
    /// A type that the format does not have.
    #[error("the tensor `{}` is of the unknown type `{}`", named(.name), named(.found))]
    UnknownDtype {
        /// The tensor.
        name: String,
        /// Its type.
        found: String,
    },
    /// More dimensions than any real tensor has.
    #[error("the tensor `{}` has {found} dimensions, expected at most {}", named(.name), MAX_DIMS)]
    Dimensions {
        /// The tensor.
        name: String,
        /// Dimensions.
        found: usize,
    },
    /// Data outside the file: a broken download, usually.
    #[error("the file is cut off or damaged: the tensor `{}` lies at bytes {begin} to {end} of the data, of which there are {data_len}", named(.name))]
    Range {
        /// The tensor.
        name: String,
        /// Where it begins.
        begin: u64,
        /// Where it ends.
        end: u64,
        /// Bytes of all data.
        data_len: u64,
    },
    /// A size that is not the shape's.
    #[error("the tensor `{}` has {found} bytes; its shape {shape:?} of {dtype} needs {}", named(.name), needed(*.expected))]
    Size {
        /// The tensor.
        name: String,
        /// Bytes it has.
        found: u64,
        /// Bytes it needs, `None` where no file could hold them.
        expected: Option<u64>,
        /// Its type.
        dtype: Dtype,
        /// Its shape.
        shape: Vec<u64>,
    },
    /// Two tensors that share bytes.
    #[error("the data of the tensors `{}` and `{}` overlap (byte {offset}, expected at least {expected})", named(.first), named(.second))]
    Overlap {
        /// The one that begins first.
        first: String,
        /// The other.
        second: String,
        /// Where the other begins.
        offset: u64,
        /// Where the first ends.
        expected: u64,
    },
    /// Bytes that belong to nothing.
    #[error("{} bytes before the tensor `{}` belong to no tensor", .offset - .expected, named(.name))]
    Gap {
        /// The tensor.
        name: String,
        /// Where it begins.
        offset: u64,
        /// Where the one before it ends.
        expected: u64,
    },
    /// Bytes behind the last tensor.
    #[error("the data end at byte {end} and the file holds {data_len} bytes of them")]
    Trailing {
        /// Where the last tensor ends.
        end: u64,
        /// Bytes of all data.
        data_len: u64,
    },
}

fn needed(bytes: Option<u64>) -> String {
    bytes.map_or("more than any file can have".to_owned(), |bytes| bytes.to_string())
}

impl HeaderError {
    pub(super) fn json(error: serde_json::Error) -> HeaderError {
        HeaderError::Json { message: error.to_string() }
    }

    /// What a person can do about it.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            HeaderError::Io { .. } => "Check that the disk is connected and that you may read the file.",
            HeaderError::TooShort { .. } | HeaderError::HeaderLength { .. } | HeaderError::Range { .. } => {
                "The download is probably incomplete: compare the file's size with the original and fetch it again. \
                 A file of some hundred bytes is often a Git LFS pointer: run `git lfs pull`."
            }
            HeaderError::NotSafetensors => {
                "Fetch the file again; a web page may have been saved in its place."
            }
            _ => "The file is damaged or was written by a faulty program; fetch it again.",
        }
    }
}
