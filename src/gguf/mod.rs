//! GGUF files: reads their headers (metadata and tensor descriptions, never the weights), and writes whole ones.
//!
//! A model file is somebody else's data, so everything in it is checked before it is believed: a count is
//! compared with the bytes that are really left before anything is allocated for it, sums are checked, names
//! are unique, tensors lie inside the file and do not overlap. What fails is a typed [`GgufError`] that says
//! what was found, what was expected and where. llama.cpp reads the same file later and *aborts* on some of
//! these faults, which is why the check comes first.
//!
//! Memory stays a small multiple of the header's size: arrays (a vocabulary has 262,144 strings) are kept as
//! the raw bytes of the file, and only up to [`ReadOptions::keep_elements`]; of longer ones the length and a
//! [hash](Array::hash) of the content remain, enough to compare two vocabularies.
//!
//! | file | holds |
//! |---|---|
//! | `types.rs` | tables: value types, tensor types, `general.file_type` |
//! | `source.rs` | the only place that reads bytes; knows how many are left |
//! | `value.rs` | metadata values and arrays |
//! | `reader.rs` | the parser and the [`Header`] it makes |
//! | `layout.rs` | shapes, sizes and offsets of tensors |
//! | `error.rs` | what can be wrong |
//! | `writer.rs` | [`Layout`], what a new file will be, and the [`Writer`] that fills it |
//! | `printable.rs` | strings from a file made safe for a terminal |

mod error;
mod layout;
mod printable;
mod reader;
mod source;
mod types;
mod value;
mod writer;

pub use error::{GgufError, Part};
pub use layout::Tensor;
pub use printable::{Printable, needs_escape, printable};
pub use reader::{Header, KeyValue, ReadOptions, Split};
pub use types::{GgmlType, ValueType, file_type_name};
pub use value::{Array, Items, Value};
pub use writer::{Layout, LayoutError, NewTensor, Writer};

/// The first four bytes of every GGUF file.
pub const MAGIC: [u8; 4] = *b"GGUF";

/// Alignment of tensor data where `general.alignment` is absent (`GGUF_DEFAULT_ALIGNMENT` of gguf.h).
pub const DEFAULT_ALIGNMENT: u64 = 32;

/// The largest alignment believed. Files in the wild use 32; llama.cpp's readers need at most a page.
pub const MAX_ALIGNMENT: u64 = 1 << 20;

/// Dimensions of a tensor at most (`GGML_MAX_DIMS` of ggml.h).
pub const MAX_DIMS: usize = 4;

/// Bytes of a tensor's name at most (`GGML_MAX_NAME` of ggml.h is 64 with the closing zero).
pub const MAX_TENSOR_NAME: u64 = 63;

/// Bytes of a key at most (the GGUF specification: 2^16 - 1).
pub const MAX_KEY: u64 = 65_535;

/// Bytes of a string value at most. Chat templates, the longest in use, are below 200 KiB; llama.cpp's own cap
/// is 1 GiB.
pub const MAX_STRING: u64 = 16 << 20;

/// Arrays inside arrays at most. llama.cpp refuses the first level of it; no known file has any.
pub const MAX_ARRAY_DEPTH: u32 = 3;

/// Metadata entries at most; real files have below 100.
pub const MAX_KEY_VALUES: u64 = 1 << 16;

/// Tensors at most; the largest models in use have a few thousand.
pub const MAX_TENSORS: u64 = 1 << 18;

/// Bytes of metadata and tensor descriptions together at most; Gemma 4, with 262,144 tokens, has 16 MiB.
pub const MAX_HEADER: u64 = 256 << 20;
