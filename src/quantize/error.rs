//! Why a plan cannot be made: data, turned into words only here.

use crate::gguf::{GgmlType, Printable};

/// A name from a file, in an error message.
fn named(text: &str) -> Printable<'_> {
    Printable::short(text, 100)
}

/// A request that cannot be carried out, found before anything is read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Metadata without which types cannot be chosen.
    #[error("the model's metadata have no usable `{key}`", key = named(.key))]
    MissingKey {
        /// The key.
        key: String,
    },
    /// A tensor of an expert model that belongs to no layer of it.
    #[error("the tensor `{name}` belongs to none of the model's {layers} layers", name = named(.name))]
    NoLayer {
        /// The tensor.
        name: String,
        /// Layers of the model.
        layers: u32,
    },
    /// An unusable `--tensor-type`.
    #[error("`--tensor-type {text}` cannot be used: {what}", text = named(.text))]
    BadOverride {
        /// What was given.
        text: String,
        /// What is wrong with it.
        what: String,
    },
    /// A type that was asked for by name and that the tensor's rows do not fit.
    #[error(
        "the tensor `{name}` cannot become {asked}: its rows have {columns} weights, which is no multiple of \
         {asked}'s block of {}", .asked.block_size(), name = named(.name))]
    RaggedRow {
        /// The tensor.
        name: String,
        /// The type.
        asked: GgmlType,
        /// Weights of a row.
        columns: u64,
    },
    /// llama-quant.cpp has no type to fall back to.
    #[error("the tensor `{name}` cannot become {asked}: its rows have {columns} weights, and nothing comes after {asked}", name = named(.name))]
    NoFallback {
        /// The tensor.
        name: String,
        /// The type.
        asked: GgmlType,
        /// Weights of a row.
        columns: u64,
    },
    /// A type that is garbage without an importance matrix.
    #[error("the tensor `{name}` would become {given}, which needs an importance matrix{}", if *.has_imatrix { ", and the one given has no entry for it" } else { "" }, name = named(.name))]
    NeedsImatrix {
        /// The tensor.
        name: String,
        /// The type.
        given: GgmlType,
        /// Whether there is an imatrix at all.
        has_imatrix: bool,
    },
    /// An imatrix entry of another shape.
    #[error(
        "the imatrix `{file}` is of another model: its entry for `{name}` has {found} values, the tensor needs \
         {expected}", name = named(.name), file = named(.file))]
    ImatrixShape {
        /// The imatrix.
        file: String,
        /// The tensor.
        name: String,
        /// Values of the entry.
        found: u64,
        /// Values the tensor needs: its row length times its experts.
        expected: u64,
    },
    /// An imatrix that has nothing to say about this model.
    #[error(
        "the imatrix `{file}` is of another model: none of its {entries} entries (the first is `{example}`) names a \
         tensor to be quantized", file = named(.file), example = named(.example))]
    ImatrixForeign {
        /// The imatrix.
        file: String,
        /// Its entries.
        entries: usize,
        /// One of them.
        example: String,
    },
    /// A source that is quantized already.
    #[error("the tensor `{name}` is quantized already ({from}); quantizing it again to {given} loses twice", name = named(.name))]
    Requantize {
        /// The tensor.
        name: String,
        /// The type it has.
        from: GgmlType,
        /// The type it would get.
        given: GgmlType,
    },
    /// `--qat` and `--imatrix`.
    #[error("weights trained for quantization (QAT) and an importance matrix exclude each other")]
    LatticeWithImatrix,
    /// A size that nothing fits.
    #[error("nothing fits into {wanted} bytes of weights; the smallest recipe needs {smallest}")]
    TooSmall {
        /// Bytes there may be.
        wanted: u64,
        /// Bytes of the smallest recipe.
        smallest: u64,
    },
    /// A size that is none.
    #[error("`{text}` is no size; write it like 13.5GiB, 14G or 14.2GB", text = named(.text))]
    BadSize {
        /// What was given.
        text: String,
    },
    /// A tensor of more weights than can be counted.
    #[error("the shape {shape:?} of the tensor `{name}` is not possible", name = named(.name))]
    BadShape {
        /// The tensor.
        name: String,
        /// Its shape.
        shape: Vec<u64>,
    },
}

impl PlanError {
    /// What a person can do about it.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            PlanError::MissingKey { .. } | PlanError::NoLayer { .. } | PlanError::BadShape { .. } => {
                "The source is damaged or incomplete: fetch it again."
            }
            PlanError::BadOverride { .. } => "Write it like `--tensor-type 'attn_[qk]=q8_0'`.",
            PlanError::RaggedRow { .. } | PlanError::NoFallback { .. } => {
                "Choose a type with blocks of 32 for it: Q4_0, Q5_0, Q8_0, IQ4_NL."
            }
            PlanError::NeedsImatrix { has_imatrix: false, .. } => {
                "Give one with `--imatrix FILE`, or choose a type that needs none: IQ3_S, Q3_K_M, IQ4_XS or larger."
            }
            PlanError::NeedsImatrix { has_imatrix: true, .. }
            | PlanError::ImatrixShape { .. }
            | PlanError::ImatrixForeign { .. } => {
                "Use the imatrix that was collected on this model, with fused gate and up experts; `slipstream inspect` shows the tensors."
            }
            PlanError::Requantize { .. } => "Start from the BF16 or F16 original.",
            PlanError::LatticeWithImatrix => {
                "Leave `--imatrix` away: the weights lie on the 4-bit lattice already and are stored without loss. `--qat off` treats them as ordinary ones."
            }
            PlanError::TooSmall { .. } => {
                "Allow more, choose a smaller model, or give an imatrix, which opens the types of 2 bits."
            }
            PlanError::BadSize { .. } => "G and GiB are 1024 x 1024 x 1024 bytes, GB is 1000 x 1000 x 1000.",
        }
    }
}
