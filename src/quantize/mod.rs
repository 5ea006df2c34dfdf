//! Offline quantization: which type each tensor gets, and the bytes.
//!
//! | file | holds |
//! |---|---|
//! | `file_type.rs` | [`FileType`]: llama-quantize's words for a whole file |
//! | `model.rs` | [`ModelFacts`]: what the rules ask of a model |
//! | `category.rs` | what a tensor is, by its name; what is never quantized |
//! | `mixture.rs` | the rules of llama-quant.cpp |
//! | `overrides.rs` | [`Override`]: `--tensor-type REGEX=TYPE` |
//! | `plan.rs`, `row.rs` | [`Plan`]: the type of each tensor, and why |
//! | `sensitivity.rs` | [`harm`]: what types cost in quality, as measured |
//! | `target.rs`, `size.rs`, `ram.rs` | [`recipe`], [`suggest`]: the best that fits |
//! | `imatrix/` | [`Imatrix`]: both formats |
//! | `lattice/` | weights trained for quantization, stored without loss |
//! | `pipeline/` | the machine: reads, quantizes in parallel, writes in order |
//! | `metadata.rs` | the new file's metadata |
//! | `quantizer.rs`, `ggml.rs` | [`Quantizer`]: who makes bytes of rows |
//! | `source.rs`, `widen.rs` | [`Source`]: where weights come from |
//! | `source_file.rs` | [`SourceFile`]: a file read by many threads, and noticed when it changes |
//! | `from_gguf.rs` | [`GgufSource`]: from a GGUF file |

mod category;
mod error;
mod file_type;
mod from_gguf;
mod ggml;
pub mod imatrix;
pub mod lattice;
mod metadata;
mod mixture;
mod model;
mod overrides;
pub mod pipeline;
mod plan;
mod quantizer;
mod ram;
mod row;
mod sensitivity;
mod size;
mod source;
mod source_file;
mod target;
pub mod widen;

pub use category::{Category, Kept};
pub use error::PlanError;
pub use file_type::FileType;
pub use from_gguf::{GgufSource, GgufSourceError};
pub use ggml::Ggml;
pub use imatrix::{Imatrix, ImatrixError};
pub use metadata::{QUANTIZATION_VERSION, converted_metadata, quantized_metadata};
pub use mixture::without_layer;
pub use model::ModelFacts;
pub use overrides::{Override, no_type, quantizable};
pub use plan::{Note, Options, Plan};
pub use quantizer::{Quantizer, QuantizerError};
pub use ram::{Suggestion, reserve, suggest};
pub use row::{Importance, Method, Reason, Row};
pub use sensitivity::{Class, harm, type_error};
pub use size::parse_size;
pub use source::{Source, SourceError, SourceTensor};
pub use source_file::SourceFile;
pub use target::{Model, Recipe, bytes_at, file_type_within, recipe};
