//! What a kernel is: how its weights and activations lie in memory, and the functions that multiply them.

use super::activation_k::{self, ActivationBlockK, SUPER_BLOCK};
use super::instructions::InstructionSet;
use super::{plain, q4_0, q4_0x4, q4_kx8, q6_k, q45_k};

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
    /// Eight rows by eight columns: on x86.
    pub const EIGHT: Interleaving = Interleaving { rows: 8, columns: 8 };
}

/// The types of weights that have kernels, as they lie in llama.cpp's buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    /// Q4_0, eight rows interleaved (`block_q4_0x8`).
    Q4_0x8,
    /// IQ4_NL, eight rows interleaved (`block_iq4_nlx8`).
    Iq4Nlx8,
    /// Q4_0 in plain rows.
    Q4_0,
    /// Q4_1 in plain rows.
    Q4_1,
    /// Q5_0 in plain rows.
    Q5_0,
    /// Q5_1 in plain rows.
    Q5_1,
    /// Q8_0 in plain rows.
    Q8_0,
    /// IQ4_NL in plain rows.
    Iq4Nl,
    /// Q4_K, eight rows interleaved (`block_q4_Kx8`).
    Q4Kx8,
    /// Q4_K, plain rows (`block_q4_K`).
    Q4K,
    /// Q5_K, plain rows (`block_q5_K`).
    Q5K,
    /// Q6_K, plain rows (`block_q6_K`).
    Q6K,
    /// Q4_0, four rows interleaved by four columns (`block_q4_0x4`): on ARM with dot products.
    Q4_0x4x4,
    /// Q4_0, four rows interleaved by eight columns: on ARM with products of matrices (i8mm) as well.
    Q4_0x4x8,
}

impl Weights {
    /// All.
    pub const ALL: [Weights; 14] = [
        Self::Q4_0x8,
        Self::Iq4Nlx8,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Iq4Nl,
        Self::Q4Kx8,
        Self::Q4K,
        Self::Q5K,
        Self::Q6K,
        Self::Q4_0x4x4,
        Self::Q4_0x4x8,
    ];

    /// From ggml's number of the type, and how llama.cpp interleaved its rows.
    #[must_use]
    pub fn of(ggml_type: u32, interleaving: Interleaving) -> Option<Weights> {
        Self::ALL.into_iter().find(|weights| weights.in_ggml() == (ggml_type, interleaving))
    }

    /// ggml's number of the type, and how its rows are interleaved.
    #[must_use]
    pub fn in_ggml(self) -> (u32, Interleaving) {
        match self {
            Self::Q4_0x8 => (2, Interleaving::EIGHT),
            Self::Iq4Nlx8 => (20, Interleaving::EIGHT),
            Self::Q4_0 => (2, Interleaving::PLAIN),
            Self::Q4_1 => (3, Interleaving::PLAIN),
            Self::Q5_0 => (6, Interleaving::PLAIN),
            Self::Q5_1 => (7, Interleaving::PLAIN),
            Self::Q8_0 => (8, Interleaving::PLAIN),
            Self::Iq4Nl => (20, Interleaving::PLAIN),
            Self::Q4Kx8 => (12, Interleaving::EIGHT),
            Self::Q4K => (12, Interleaving::PLAIN),
            Self::Q5K => (13, Interleaving::PLAIN),
            Self::Q6K => (14, Interleaving::PLAIN),
            Self::Q4_0x4x4 => (2, Interleaving { rows: 4, columns: 4 }),
            Self::Q4_0x4x8 => (2, Interleaving { rows: 4, columns: 8 }),
        }
    }

    /// Whether a set of instructions has a kernel for it. The plain code counts those of this kind of processor: it gives the
    /// bits of llama.cpp there.
    #[must_use]
    pub fn has_kernel(self, set: InstructionSet) -> bool {
        let is_of_arm = matches!(self, Self::Q4_0x4x4 | Self::Q4_0x4x8);
        match set {
            InstructionSet::Reference => is_of_arm == cfg!(target_arch = "aarch64"),
            InstructionSet::Neon => is_of_arm,
            InstructionSet::Avx2 | InstructionSet::AvxVnni | InstructionSet::Avx512Vnni => !is_of_arm,
        }
    }

    /// The kernel on a set of instructions that [is supported](InstructionSet::is_supported) and [has
    /// one](Weights::has_kernel).
    #[must_use]
    pub fn kernel(self, set: InstructionSet) -> Kernel {
        match self {
            Self::Q4_0x8 => q4_0::kernel::<q4_0::Q4_0>(set),
            Self::Iq4Nlx8 => q4_0::kernel::<q4_0::Iq4Nl>(set),
            Self::Q4_0 => plain::kernel::<plain::Q4_0>(set),
            Self::Q4_1 => plain::kernel::<plain::Q4_1>(set),
            Self::Q5_0 => plain::kernel::<plain::Q5_0>(set),
            Self::Q5_1 => plain::kernel::<plain::Q5_1>(set),
            Self::Q8_0 => plain::kernel::<plain::Q8_0>(set),
            Self::Iq4Nl => plain::kernel::<plain::Iq4Nl>(set),
            Self::Q4Kx8 => {
                super_blocks::<q4_kx8::WeightBlock>(q4_kx8::GROUP, q4_kx8::strip(set), q4_kx8::reference)
            }
            Self::Q4K => super_blocks::<q45_k::Q4K>(1, q45_k::strip::<0>(set), q45_k::reference::<0>),
            Self::Q5K => super_blocks::<q45_k::Q5K>(1, q45_k::strip::<32>(set), q45_k::reference::<32>),
            Self::Q6K => super_blocks::<q6_k::WeightBlock>(1, q6_k::strip(set), q6_k::reference),
            Self::Q4_0x4x4 => q4_0x4::kernel::<4>(set),
            Self::Q4_0x4x8 => q4_0x4::kernel::<8>(set),
        }
    }
}

/// A kernel for a type in super-blocks, whose reference is right for all rows.
fn super_blocks<Block>(group: usize, strip: Strip, reference: Strip) -> Kernel {
    Kernel {
        group,
        columns: SUPER_BLOCK,
        weight_bytes: size_of::<Block>(),
        activation_bytes: size_of::<ActivationBlockK>(),
        quantize: activation_k::quantize_at,
        strip,
        irregular: reference,
    }
}
