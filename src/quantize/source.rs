//! Where weights come from.

use crate::gguf::GgmlType;

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
