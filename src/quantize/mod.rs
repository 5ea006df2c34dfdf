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
//! | `source.rs` | [`Source`]: where weights come from |

mod category;
mod error;
mod file_type;
pub mod imatrix;
pub mod lattice;
mod mixture;
mod model;
mod overrides;
mod plan;
mod ram;
mod row;
mod sensitivity;
mod size;
mod source;
mod target;

pub use category::{Category, Kept};
pub use error::PlanError;
pub use file_type::FileType;
pub use imatrix::{Imatrix, ImatrixError};
pub use model::ModelFacts;
pub use overrides::{Override, quantizable};
pub use plan::{Note, Options, Plan};
pub use ram::{Suggestion, reserve, suggest};
pub use row::{Importance, Method, Reason, Row};
pub use sensitivity::{Class, harm, type_error};
pub use size::parse_size;
pub use source::{Source, SourceError, SourceTensor};
pub use target::{Model, Recipe, bytes_at, file_type_within, recipe};
