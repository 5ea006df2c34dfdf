//! Weights of 4 bits with one scale for 32 (Q4_0, IQ4_NL), eight rows interleaved as llama.cpp repacks them, and the reference
//! kernel: slow, plain, and the measure of the others.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;

use super::activation::{self, ActivationBlock, BLOCK, Raised};
use super::half;
use super::instructions::InstructionSet;
use super::kernel::{self, Batch, Kernel, Strip};
use super::plain::IQ4_NL;

/// Rows in a group.
pub const GROUP: usize = 8;

/// llama.cpp's `block_q4_0x8` and `block_iq4_nlx8`: 32 columns of eight neighbouring rows.
///
/// Chunk `i` of eight bytes belongs to row `i % 8` and holds columns `8·(i/8) + 0..8` in its low nibbles and 16 further
/// in its high ones.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct WeightBlock {
    /// Half-precision scales of the rows.
    pub scales: [u16; GROUP],
    /// The nibbles.
    pub nibbles: [u8; GROUP * BLOCK / 2],
}

const _: () = assert!(size_of::<WeightBlock>() == 144 && size_of::<ActivationBlock>() == 40);

/// What nibbles stand for.
pub trait Nibbles: Raised {
    /// Whether nibbles choose from a table; else they are signed numbers.
    const IS_CHOSEN: bool;

    /// The weight.
    fn weight(nibble: u8) -> i8;
}

/// Signed numbers.
#[derive(Clone, Copy, Debug)]
pub struct Q4_0;

impl Raised for Q4_0 {
    const OFFSET: i32 = 8;
}

impl Nibbles for Q4_0 {
    const IS_CHOSEN: bool = false;

    fn weight(nibble: u8) -> i8 {
        ((nibble << 4) as i8) >> 4
    }
}

/// Places in a table.
#[derive(Clone, Copy, Debug)]
pub struct Iq4Nl;

impl Raised for Iq4Nl {
    const OFFSET: i32 = 128;
}

impl Nibbles for Iq4Nl {
    const IS_CHOSEN: bool = true;

    fn weight(nibble: u8) -> i8 {
        IQ4_NL[usize::from(nibble)]
    }
}

/// The kernel for a set of instructions.
#[must_use]
pub fn kernel<N: Nibbles>(set: InstructionSet) -> Kernel {
    Kernel {
        group: GROUP,
        columns: BLOCK,
        weight_bytes: size_of::<WeightBlock>(),
        activation_bytes: size_of::<ActivationBlock>(),
        quantize: activation::quantizer::<N>(set),
        strip: strip::<N>(set),
        irregular: reference::<N>,
    }
}

/// The product for a set of instructions.
#[must_use]
pub fn strip<N: Nibbles>(set: InstructionSet) -> Strip {
    match set {
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 => kernel::strip::<avx2::Avx2<N>>,
        #[cfg(target_arch = "x86_64")]
        InstructionSet::AvxVnni => kernel::strip::<avx2::AvxVnni<N>>,
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512Vnni => kernel::strip::<avx512::Avx512Vnni<N>>,
        _ => reference::<N>,
    }
}

/// The reference, and the kernel for rows with values that are no numbers: what llama.cpp's sign trick makes of -128 with a
/// negative weight, no dot-product instruction does.
///
/// # Safety
/// See [`Strip`].
pub unsafe fn reference<N: Nibbles>(weights: *const u8, blocks: usize, groups: usize, batch: &Batch) {
    for row in 0..batch.count {
        for group in 0..groups {
            for lane in 0..GROUP {
                let mut sum = 0.0_f32;
                for index in 0..blocks {
                    // SAFETY: so many blocks there are, by the caller's promise.
                    let (block, activation) = unsafe {
                        let block = &*weights.cast::<WeightBlock>().add(group * blocks + index);
                        (block, &*batch.activations[row].cast::<ActivationBlock>().add(index))
                    };
                    let scale = half::to_single(block.scales[lane]) * activation.scale;
                    sum = (dot::<N>(block, lane, activation) as f32).mul_add(scale, sum);
                }
                // SAFETY: room for the rows of all groups is the caller's promise.
                unsafe { batch.outputs[row].add(group * GROUP + lane).write(sum) };
            }
        }
    }
}

fn dot<N: Nibbles>(block: &WeightBlock, lane: usize, activation: &ActivationBlock) -> i32 {
    let mut sum = 0;
    for column in 0..BLOCK / 2 {
        let byte = block.nibbles[(column / 8 * GROUP + lane) * 8 + column % 8];
        sum += product(N::weight(byte & 15), activation.values[column]);
        sum += product(N::weight(byte >> 4), activation.values[column + 16]);
    }
    sum
}

/// Magnitude of the weight times the activation with the weight's sign, in 8 bits: -(-128) is -128.
fn product(weight: i8, activation: i8) -> i32 {
    let turned = if weight < 0 { activation.wrapping_neg() } else { activation };
    i32::from(weight.unsigned_abs()) * i32::from(turned)
}
