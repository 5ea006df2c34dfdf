//! Weights of 4 bits with one scale for 32 (Q4_0), rows interleaved as llama.cpp repacks them, and the reference kernel: slow,
//! plain, and the measure of the others.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;

use super::activation::{ActivationBlock, BLOCK};
use super::half;
use super::instructions::InstructionSet;
use super::kernel::{Batch, Strip};

/// Rows in a group on x86, and columns of each that lie side by side.
pub const GROUP: usize = 8;
/// Rows in a group on ARM.
pub const ARM_GROUP: usize = 4;

/// llama.cpp's `block_q4_0x8` and `block_q4_0x4`: 32 columns of eight or four neighbouring rows.
///
/// In runs of 8 bytes, or of 4: run `i` belongs to row `i % ROWS` and holds columns `8·(i/ROWS) + 0..8` in its low nibbles and
/// 16 further in its high ones; every nibble is a signed number.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct WeightBlock<const ROWS: usize = GROUP> {
    /// Half-precision scales of the rows.
    pub scales: [u16; ROWS],
    /// The nibbles; no run is longer than an array, but rows do not lie in arrays of their own.
    pub nibbles: [[u8; BLOCK / 2]; ROWS],
}

const _: () = assert!(size_of::<WeightBlock>() == 144 && size_of::<ActivationBlock>() == 40);
const _: () = assert!(size_of::<WeightBlock<ARM_GROUP>>() == 72);

/// The kernel for eight rows interleaved by eight columns, as llama.cpp lays them out on x86.
#[must_use]
pub fn strip(set: InstructionSet) -> Strip {
    match set {
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 => super::kernel::strip::<avx2::Avx2>,
        #[cfg(target_arch = "x86_64")]
        InstructionSet::AvxVnni => super::kernel::strip::<avx2::AvxVnni>,
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512Vnni => super::kernel::strip::<avx512::Avx512Vnni>,
        _ => reference::<GROUP, 8>,
    }
}

/// The kernel for four rows interleaved by `RUN` columns, four or eight, as llama.cpp lays them out on ARM.
#[must_use]
pub fn arm_strip<const RUN: usize>(set: InstructionSet) -> Strip {
    match set {
        #[cfg(target_arch = "aarch64")]
        InstructionSet::Neon => super::kernel::strip::<neon::Neon<RUN>>,
        _ => reference::<ARM_GROUP, RUN>,
    }
}

/// The reference for `ROWS` rows interleaved by `RUN` columns. On x86 also the kernel for rows with values that are no numbers:
/// what llama.cpp's sign trick makes of -128 with a negative weight, no dot-product instruction does.
///
/// # Safety
/// See [`Strip`].
pub unsafe fn reference<const ROWS: usize, const RUN: usize>(
    weights: *const u8,
    blocks: usize,
    groups: usize,
    batch: &Batch,
) {
    for row in 0..batch.count {
        for group in 0..groups {
            for lane in 0..ROWS {
                let mut sum = 0.0_f32;
                for index in 0..blocks {
                    // SAFETY: so many blocks there are, by the caller's promise.
                    let (block, activation) = unsafe {
                        let block = &*weights.cast::<WeightBlock<ROWS>>().add(group * blocks + index);
                        (block, &*batch.activations[row].cast::<ActivationBlock>().add(index))
                    };
                    let scale = half::to_single(block.scales[lane]) * activation.scale;
                    sum = (dot::<ROWS, RUN>(block, lane, activation) as f32).mul_add(scale, sum);
                }
                // SAFETY: room for the rows of all groups is the caller's promise.
                unsafe { batch.outputs[row].add(group * ROWS + lane).write(sum) };
            }
        }
    }
}

fn dot<const ROWS: usize, const RUN: usize>(
    block: &WeightBlock<ROWS>,
    lane: usize,
    activation: &ActivationBlock,
) -> i32 {
    let nibbles = block.nibbles.as_flattened();
    let mut sum = 0;
    for column in 0..BLOCK / 2 {
        let byte = nibbles[(column / RUN * ROWS + lane) * RUN + column % RUN];
        sum += product(signed(byte & 15), activation.values[column]);
        sum += product(signed(byte >> 4), activation.values[column + 16]);
    }
    sum
}

fn signed(nibble: u8) -> i8 {
    ((nibble << 4) as i8) >> 4
}

/// Magnitude of the weight times the activation with the weight's sign, in 8 bits: -(-128) is -128.
fn product(weight: i8, activation: i8) -> i32 {
    let turned = if weight < 0 { activation.wrapping_neg() } else { activation };
    i32::from(weight.unsigned_abs()) * i32::from(turned)
}
