//! One line of a plan: a tensor, the type asked for it, the type it gets, and why.

use std::fmt;

use super::category::Kept;
use super::error::PlanError;
use super::source::SourceTensor;
use crate::gguf::GgmlType;

/// Why a type was asked for a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It keeps the type it has.
    Kept(Kept),
    /// The file type's first type.
    FileType,
    /// The mixture that the file type stands for gives tensors of this name and layer another type.
    Mixture,
    /// `--pure`: the file type's first type for all.
    Pure,
    /// `--tensor-type`.
    Override {
        /// The pattern that matched.
        pattern: String,
    },
    /// `--output-type`.
    OutputType,
    /// `--embedding-type`.
    EmbeddingType,
    /// Its weights lie on the 4-bit lattice.
    Lattice,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Kept(kept) => kept.fmt(f),
            Reason::FileType => f.write_str("file type"),
            Reason::Mixture => f.write_str("the file type's rule for this name"),
            Reason::Pure => f.write_str("--pure"),
            Reason::Override { pattern } => write!(f, "--tensor-type {pattern}"),
            Reason::OutputType => f.write_str("--output-type"),
            Reason::EmbeddingType => f.write_str("--embedding-type"),
            Reason::Lattice => f.write_str("on the 4-bit lattice"),
        }
    }
}

/// Whether a tensor's columns are weighed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    /// There is no imatrix, or nothing to quantize.
    NotNeeded,
    /// The imatrix has an entry.
    Weighted,
    /// There is an imatrix, but no entry that fits: quantized without.
    Missing,
    /// No entry fits, and the type is garbage without: [`Plan::check`](super::Plan::check) refuses.
    Needed,
}

/// How a tensor's bytes are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Its bytes are taken over.
    Copy,
    /// ggml converts or quantizes.
    Ggml,
    /// Each block's lattice is found (QAT).
    Lattice,
}

/// A tensor of the plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its number in the source.
    pub source: usize,
    /// Its name.
    pub name: String,
    /// Its sizes, the row length first.
    pub shape: Vec<u64>,
    /// The type it has, or has when it is not quantized.
    pub from: GgmlType,
    /// The type asked for.
    pub asked: GgmlType,
    /// The type it gets.
    pub given: GgmlType,
    /// Why that type was asked.
    pub reason: Reason,
    /// Whether its columns are weighed.
    pub importance: Importance,
    /// How its bytes are made.
    pub method: Method,
    /// Bytes it takes.
    pub bytes: u64,
}

impl Row {
    #[allow(clippy::too_many_arguments, reason = "the fields, once")]
    pub(super) fn new(
        source: usize,
        tensor: &SourceTensor,
        from: GgmlType,
        asked: GgmlType,
        given: GgmlType,
        reason: Reason,
        importance: Importance,
        on_lattice: bool,
    ) -> Result<Row, PlanError> {
        let elements = tensor.shape.iter().try_fold(1_u64, |product, &size| product.checked_mul(size));
        let bytes = elements.and_then(|all| (all / given.block_size()).checked_mul(given.block_bytes()));
        let bytes = bytes
            .filter(|&bytes| i64::try_from(bytes).is_ok())
            .ok_or_else(|| PlanError::BadShape { name: tensor.name.clone(), shape: tensor.shape.clone() })?;
        let method = match from == given {
            true => Method::Copy,
            false if on_lattice => Method::Lattice,
            false => Method::Ggml,
        };
        let (name, shape) = (tensor.name.clone(), tensor.shape.clone());
        Ok(Row { source, name, shape, from, asked, given, reason, importance, method, bytes })
    }

    /// Its weights.
    #[must_use]
    pub fn elements(&self) -> u64 {
        self.shape.iter().product()
    }

    /// Whether its rows do not fit the type asked.
    #[must_use]
    pub fn is_fallback(&self) -> bool {
        self.asked != self.given
    }

    /// Whether its type changes.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.from != self.given
    }

    /// Why it gets its type, in words.
    #[must_use]
    pub fn why(&self) -> String {
        let mut text = self.reason.to_string();
        if self.is_fallback() {
            let (columns, block) = (self.shape[0], self.asked.block_size());
            text += &format!("; {}'s blocks of {block} do not fit rows of {columns}", self.asked);
        }
        match self.importance {
            Importance::Missing => text += "; not in the imatrix",
            Importance::Needed => text += "; needs an imatrix",
            Importance::NotNeeded | Importance::Weighted => {}
        }
        text
    }
}
