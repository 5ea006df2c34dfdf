//! What a kernel is: how its weights and activations lie in memory, and the functions that multiply them.

use super::activation::{self, ActivationBlock, BLOCK};
use super::activation_arm;
use super::activation_k::{self, ActivationBlockK, SUPER_BLOCK};
use super::instructions::InstructionSet;
use super::{q4_0, q6_k};

/// Most rows of activations that a kernel multiplies with one unpacking of the weights.
pub const WIDEST: usize = 8;

/// One to eight quantized rows of activations, and where their results go.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    /// The first block of each row; the first `count` count.
    pub activations: [*const u8; WIDEST],
    /// The first result of each row, that of the first row of weights handed over.
    pub outputs: [*mut f32; WIDEST],
    /// How many.
    pub count: usize,
}

impl Batch {
    /// Without rows.
    pub const EMPTY: Batch =
        Batch { activations: [std::ptr::null(); WIDEST], outputs: [std::ptr::null_mut(); WIDEST], count: 0 };

    /// Adds a row.
    ///
    /// # Panics
    /// Where the batch is full.
    pub fn push(&mut self, activations: *const u8, output: *mut f32) {
        self.activations[self.count] = activations;
        self.outputs[self.count] = output;
        self.count += 1;
    }
}

/// Multiplies `groups` groups of interleaved weight rows, each `blocks` blocks long, with a batch.
///
/// # Safety
/// So many blocks lie behind `weights` and behind every row of activations; every output has room for the rows of all
/// groups, which nobody else touches; the processor has the kernel's instructions.
pub type Strip = unsafe fn(weights: *const u8, blocks: usize, groups: usize, batch: &Batch);

/// Quantizes a row of activations; returns whether it holds a value that is no number.
///
/// # Safety
/// The row is a whole number of blocks, and `place` has room for them; the processor has the kernel's instructions.
pub type Quantize = unsafe fn(row: &[f32], place: *mut u8) -> bool;

/// Everything about one type of weights on one set of instructions.
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    /// Rows of weights interleaved in a group.
    pub group: usize,
    /// Columns that a block spans.
    pub columns: usize,
    /// Bytes of a block of a whole group.
    pub weight_bytes: usize,
    /// Bytes of a block of one row of activations.
    pub activation_bytes: usize,
    /// Makes the blocks of activations.
    pub quantize: Quantize,
    /// The product for rows of numbers.
    pub strip: Strip,
    /// The product for rows with something that is no number, as llama.cpp treats it.
    pub irregular: Strip,
}

/// A kernel's inner function for a fixed number of rows, which [`strip`] picks from the batch.
pub trait Rows {
    /// The whole strip with the first `ROWS` rows of the batch.
    ///
    /// # Safety
    /// See [`Strip`].
    unsafe fn rows<const ROWS: usize>(weights: *const u8, blocks: usize, groups: usize, batch: &Batch);
}

/// A [`Strip`] of functions for each number of rows.
///
/// # Safety
/// See [`Strip`].
pub unsafe fn strip<R: Rows>(weights: *const u8, blocks: usize, groups: usize, batch: &Batch) {
    // SAFETY: the caller's promises are those of `rows`.
    unsafe {
        match batch.count {
            1 => R::rows::<1>(weights, blocks, groups, batch),
            2 => R::rows::<2>(weights, blocks, groups, batch),
            3 => R::rows::<3>(weights, blocks, groups, batch),
            4 => R::rows::<4>(weights, blocks, groups, batch),
            5 => R::rows::<5>(weights, blocks, groups, batch),
            6 => R::rows::<6>(weights, blocks, groups, batch),
            7 => R::rows::<7>(weights, blocks, groups, batch),
            8 => R::rows::<8>(weights, blocks, groups, batch),
            _ => {}
        }
    }
}

/// How llama.cpp lays out rows of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interleaving {
    /// Rows in a group; 1 where rows lie one after the other.
    pub rows: u32,
    /// Columns of a row that stay side by side in a block of a group; 0 where rows lie one after the other.
    pub columns: u32,
}

impl Interleaving {
    /// Row after row.
    pub const PLAIN: Interleaving = Interleaving { rows: 1, columns: 0 };
}

/// The types of weights that have kernels, as they lie in llama.cpp's buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    /// Q4_0, eight rows interleaved by eight columns (`block_q4_0x8`), on x86.
    Q4_0x8,
    /// Q6_K, plain rows (`block_q6_K`), on x86.
    Q6K,
    /// Q4_0, four rows interleaved by four columns (`block_q4_0x4`), on ARM with dot products only.
    Q4_0x4x4,
    /// Q4_0, four rows interleaved by eight columns, on ARM with products of 8-bit matrices (i8mm).
    Q4_0x4x8,
}

impl Weights {
    /// All.
    pub const ALL: [Weights; 4] = [Self::Q4_0x8, Self::Q6K, Self::Q4_0x4x4, Self::Q4_0x4x8];

    /// From ggml's number of the type, and how llama.cpp interleaved its rows.
    #[must_use]
    pub fn of(ggml_type: u32, interleaving: Interleaving) -> Option<Weights> {
        Self::ALL.into_iter().find(|weights| weights.in_ggml() == (ggml_type, interleaving))
    }

    /// ggml's number of the type, and how llama.cpp interleaves its rows.
    #[must_use]
    pub fn in_ggml(self) -> (u32, Interleaving) {
        match self {
            Self::Q4_0x8 => (2, Interleaving { rows: 8, columns: 8 }),
            Self::Q6K => (14, Interleaving::PLAIN),
            Self::Q4_0x4x4 => (2, Interleaving { rows: 4, columns: 4 }),
            Self::Q4_0x4x8 => (2, Interleaving { rows: 4, columns: 8 }),
        }
    }

    /// Whether a set of instructions has a kernel for it. The plain code has those of this kind of processor: each gives the
    /// bits of llama.cpp there.
    #[must_use]
    pub fn has_kernel(self, set: InstructionSet) -> bool {
        let arm = matches!(self, Self::Q4_0x4x4 | Self::Q4_0x4x8);
        match set {
            InstructionSet::Reference => arm == cfg!(target_arch = "aarch64"),
            InstructionSet::Neon => arm,
            InstructionSet::Avx2 | InstructionSet::AvxVnni | InstructionSet::Avx512Vnni => !arm,
        }
    }

    /// The kernel on a set of instructions that [is supported](InstructionSet::is_supported) and [has
    /// one](Weights::has_kernel).
    #[must_use]
    pub fn kernel(self, set: InstructionSet) -> Kernel {
        match self {
            Self::Q4_0x8 => Kernel {
                group: q4_0::GROUP,
                columns: BLOCK,
                weight_bytes: size_of::<q4_0::WeightBlock>(),
                activation_bytes: size_of::<ActivationBlock>(),
                quantize: activation::quantize_at,
                strip: q4_0::strip(set),
                irregular: q4_0::reference::<{ q4_0::GROUP }, 8>,
            },
            Self::Q6K => Kernel {
                group: 1,
                columns: SUPER_BLOCK,
                weight_bytes: size_of::<q6_k::WeightBlock>(),
                activation_bytes: size_of::<ActivationBlockK>(),
                quantize: activation_k::quantize_at,
                strip: q6_k::strip(set),
                irregular: q6_k::reference,
            },
            Self::Q4_0x4x4 => q4_0_on_arm::<4>(set),
            Self::Q4_0x4x8 => q4_0_on_arm::<8>(set),
        }
    }
}

fn q4_0_on_arm<const RUN: usize>(set: InstructionSet) -> Kernel {
    Kernel {
        group: q4_0::ARM_GROUP,
        columns: BLOCK,
        weight_bytes: size_of::<q4_0::WeightBlock<{ q4_0::ARM_GROUP }>>(),
        activation_bytes: size_of::<ActivationBlock>(),
        quantize: activation_arm::quantize_at,
        strip: q4_0::arm_strip::<RUN>(set),
        irregular: q4_0::reference::<{ q4_0::ARM_GROUP }, RUN>,
    }
}
