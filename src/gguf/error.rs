//! What can be wrong with a GGUF file: data, turned into words only here.

use std::{fmt, io};

use super::printable::Printable;
use super::types::ValueType;
use super::{MAX_ALIGNMENT, MAX_ARRAY_DEPTH, MAX_DIMS, MAX_HEADER};

/// What was being read when the file ended, or what a count or length belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The first four bytes.
    Magic,
    /// The format version.
    Version,
    /// The number of tensors and of metadata entries.
    Counts,
    /// A metadata key.
    Key,
    /// A metadata value.
    Value,
    /// The elements of an array.
    Array,
    /// A tensor's name.
    TensorName,
    /// A tensor's shape, type and offset.
    TensorInfo,
    /// The metadata entries together.
    KeyValues,
    /// The tensor descriptions together.
    Tensors,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Part::Magic => "the magic number",
            Part::Version => "the format version",
            Part::Counts => "the numbers of tensors and metadata entries",
            Part::Key => "a metadata key",
            Part::Value => "a metadata value",
            Part::Array => "an array",
            Part::TensorName => "a tensor's name",
            Part::TensorInfo => "a tensor's description",
            Part::KeyValues => "metadata entries",
            Part::Tensors => "tensors",
        })
    }
}

/// A name from the file, in an error message.
fn named(text: &str) -> Printable<'_> {
    Printable::short(text, 80)
}

fn shown_magic(found: &[u8; 4]) -> String {
    if found.iter().all(|byte| byte.is_ascii_graphic()) {
        format!("`{}`", String::from_utf8_lossy(found))
    } else {
        format!("bytes {:02x} {:02x} {:02x} {:02x}", found[0], found[1], found[2], found[3])
    }
}

fn shown_type(id: u32, retired: Option<&str>) -> String {
    retired.map_or_else(|| format!("number {id}"), |name| format!("{name} (number {id}), which was retired"))
}

/// Why a file cannot be read as GGUF. `offset` is always a byte position in the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GgufError {
    /// The medium failed, not the format.
    #[error("reading failed at byte {offset}: {source}")]
    Io {
        /// Where.
        offset: u64,
        /// What the system says.
        source: io::Error,
    },
    /// Another kind of file.
    #[error("not a GGUF file: it begins with {}, expected `GGUF`", shown_magic(.found))]
    NotGguf {
        /// Its first bytes.
        found: [u8; 4],
    },
    /// Written for a big-endian machine.
    #[error("a big-endian GGUF file (version {version}); only little-endian ones are supported")]
    BigEndian {
        /// The version, read in its own byte order.
        version: u32,
    },
    /// A format version that is too old or too new.
    #[error("GGUF version {found}; versions 2 and 3 are supported")]
    UnsupportedVersion {
        /// The version.
        found: u32,
    },
    /// The file ends too early.
    #[error("the file is cut off: {part} at byte {offset} needs {needed} bytes, {available} are left")]
    Truncated {
        /// What was being read.
        part: Part,
        /// Where it begins.
        offset: u64,
        /// Bytes needed, at least.
        needed: u64,
        /// Bytes left.
        available: u64,
    },
    /// A count that the rest of the file cannot hold, or that no real file has.
    #[error("the file claims {found} {part} at byte {offset}; at most {most} are possible there")]
    TooMany {
        /// Of what.
        part: Part,
        /// Where the count stands.
        offset: u64,
        /// The count.
        found: u64,
        /// What the bytes left, or the limit, allow.
        most: u64,
    },
    /// A string longer than any real one.
    #[error("{part} at byte {offset} claims {found} bytes; at most {most} are accepted")]
    StringTooLong {
        /// Of what.
        part: Part,
        /// Where its length stands.
        offset: u64,
        /// The length.
        found: u64,
        /// The limit.
        most: u64,
    },
    /// Metadata larger than any real one.
    #[error("the header goes on past byte {offset}; at most {} bytes of it are accepted", MAX_HEADER)]
    HeaderTooLong {
        /// Where reading stopped.
        offset: u64,
    },
    /// A key or a tensor name that is not UTF-8.
    #[error("{part} at byte {offset} is not UTF-8")]
    InvalidUtf8 {
        /// Of what.
        part: Part,
        /// Where it begins.
        offset: u64,
    },
    /// A key or a tensor name without characters.
    #[error("{part} at byte {offset} is empty")]
    EmptyName {
        /// Of what.
        part: Part,
        /// Where.
        offset: u64,
    },
    /// Two entries of the same key.
    #[error("the key `{}` occurs twice (again at byte {offset})", named(.key))]
    DuplicateKey {
        /// The key.
        key: String,
        /// Where the second one begins.
        offset: u64,
    },
    /// A number that is no value type.
    #[error("the value of `{}` has type {found} at byte {offset}; types 0 to 12 exist", named(.key))]
    UnknownValueType {
        /// The key.
        key: String,
        /// The number.
        found: u32,
        /// Where.
        offset: u64,
    },
    /// Arrays in arrays in arrays.
    #[error("the value of `{}` nests arrays deeper than {} at byte {offset}", named(.key), MAX_ARRAY_DEPTH)]
    NestedTooDeep {
        /// The key.
        key: String,
        /// Where.
        offset: u64,
    },
    /// A value of another type than its key demands.
    #[error("`{}` is of type {found}, expected {expected}", named(.key))]
    WrongValueType {
        /// The key.
        key: String,
        /// The type in the file.
        found: ValueType,
        /// The type needed.
        expected: ValueType,
    },
    /// A value its key does not allow.
    #[error("`general.alignment` is {found}, expected a power of two up to {}", MAX_ALIGNMENT)]
    BadAlignment {
        /// The value.
        found: u64,
    },
    /// Two tensors of the same name.
    #[error("the tensor `{}` occurs twice", named(.name))]
    DuplicateTensor {
        /// The name.
        name: String,
    },
    /// No dimensions, or more than four.
    #[error("the tensor `{}` has {found} dimensions, expected 1 to {}", named(.name), MAX_DIMS)]
    BadDimensions {
        /// The tensor.
        name: String,
        /// Dimensions.
        found: u32,
    },
    /// A dimension of size 0.
    #[error("the tensor `{}` is empty: dimension {dimension} is 0", named(.name))]
    EmptyTensor {
        /// The tensor.
        name: String,
        /// Which dimension, from 0.
        dimension: usize,
    },
    /// More elements or bytes than can be counted.
    #[error("the shape {shape:?} of the tensor `{}` is larger than any memory", named(.name))]
    ShapeOverflow {
        /// The tensor.
        name: String,
        /// Its dimensions.
        shape: Vec<u64>,
    },
    /// A type llama.cpp does not have, or no longer.
    #[error("the tensor `{}` has the type {}; this build cannot read it", named(.name), shown_type(*.found, *.retired))]
    UnknownTensorType {
        /// The tensor.
        name: String,
        /// The number.
        found: u32,
        /// The name the number once had.
        retired: Option<&'static str>,
    },
    /// A row that is not a whole number of blocks.
    #[error("rows of the tensor `{}` have {row} elements, which is no multiple of {type_name}'s block of {block}", named(.name))]
    RaggedRow {
        /// The tensor.
        name: String,
        /// Elements of a row.
        row: u64,
        /// The type's name.
        type_name: &'static str,
        /// Elements of a block.
        block: u64,
    },
    /// An offset that is no multiple of the alignment.
    #[error("the data of the tensor `{}` begin at offset {offset}, which is no multiple of the alignment {alignment}", named(.name))]
    UnalignedTensor {
        /// The tensor.
        name: String,
        /// Its offset in the data section.
        offset: u64,
        /// The alignment.
        alignment: u64,
    },
    /// Two tensors that share bytes.
    #[error("the data of the tensors `{}` and `{}` overlap (offset {offset}, expected at least {expected})", named(.first), named(.second))]
    OverlappingTensors {
        /// The one that begins first.
        first: String,
        /// The other.
        second: String,
        /// Where the other begins in the data section.
        offset: u64,
        /// Where the first ends.
        expected: u64,
    },
    /// Data past the end of the file: a broken download, usually.
    #[error("the file is cut off: the data of the tensor `{}` end at byte {end}, the file has {file_len}", named(.name))]
    TensorPastEnd {
        /// The tensor.
        name: String,
        /// Where its data would end.
        end: u64,
        /// The file's length.
        file_len: u64,
    },
}

impl GgufError {
    /// What a person can do about it.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            GgufError::Io { .. } => "Check that the disk is connected and that you may read the file.",
            GgufError::NotGguf { .. } => {
                "Give the path of a .gguf file. A checkpoint folder (safetensors) becomes one with `slipstream quantize`."
            }
            GgufError::BigEndian { .. } => {
                "Download the little-endian file, or convert it on the machine it was made for."
            }
            GgufError::UnsupportedVersion { found } if *found < 2 => {
                "The file is from 2023; download a newer conversion of the model."
            }
            GgufError::UnsupportedVersion { .. } => "The file is newer than this program; update slipstream.",
            GgufError::Truncated { .. } | GgufError::TensorPastEnd { .. } => {
                "The download is probably incomplete: compare its size with the original and fetch it again."
            }
            GgufError::UnknownTensorType { retired: Some(_), .. } => {
                "Download the plain Q4_0 (or IQ4_NL) file instead: it is rearranged for this machine while loading."
            }
            GgufError::UnknownTensorType { retired: None, .. } => {
                "The file was made for another program or a newer llama.cpp; update slipstream or choose another file."
            }
            _ => {
                "The file is damaged or was written by a faulty program; fetch it again or choose another one."
            }
        }
    }
}
