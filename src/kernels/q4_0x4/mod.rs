//! Weights of 4 bits with one scale for 32 (Q4_0), four rows interleaved as llama.cpp repacks them on ARM, and the reference
//! kernel: slow, plain, and the measure of the other.
//!
//! The bits of `ggml_gemv_q4_0_4x4_q8_0` and `ggml_gemv_q4_0_4x8_q8_0` for ARM. Those sum the columns in different orders, but in
//! whole numbers, and then both do the same: one fused multiply-add a block, of the sum and the product of the scales.

mod activation;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(test)]
mod tests;

use super::activation::{ActivationBlock, BLOCK};
use super::half;
use super::instructions::InstructionSet;
use super::kernel::{Batch, Kernel, Strip};

/// Rows in a group.
pub const GROUP: usize = 4;

/// llama.cpp's `block_q4_0x4`: 32 columns of four neighbouring rows.
///
/// In runs of four bytes, or of eight: run `i` belongs to row `i % 4` and holds as many columns, from the `i/4`th run on, in its
/// low nibbles and those 16 further in its high ones; every nibble is a signed number.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct WeightBlock {
    /// Half-precision scales of the rows.
    pub scales: [u16; GROUP],
    /// The nibbles.
    pub nibbles: [u8; GROUP * BLOCK / 2],
}

const _: () = assert!(size_of::<WeightBlock>() == 72 && size_of::<ActivationBlock>() == 40);

/// The kernel for rows interleaved by `RUN` columns, four or eight.
#[must_use]
pub fn kernel<const RUN: usize>(set: InstructionSet) -> Kernel {
    Kernel {
        group: GROUP,
        columns: BLOCK,
        weight_bytes: size_of::<WeightBlock>(),
        activation_bytes: size_of::<ActivationBlock>(),
        quantize: activation::quantize_at,
        strip: strip::<RUN>(set),
        irregular: reference::<RUN>,
    }
}

/// The product for a set of instructions.
#[must_use]
pub fn strip<const RUN: usize>(set: InstructionSet) -> Strip {
    match set {
        #[cfg(target_arch = "aarch64")]
        InstructionSet::Neon => super::kernel::strip::<neon::Neon<RUN>>,
        _ => reference::<RUN>,
    }
}

/// The reference. Right for rows with values that are no numbers as well: their scale tells.
///
/// # Safety
/// See [`Strip`].
pub unsafe fn reference<const RUN: usize>(weights: *const u8, blocks: usize, groups: usize, batch: &Batch) {
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
                    sum = (dot::<RUN>(block, lane, activation) as f32).mul_add(scale, sum);
                }
                // SAFETY: room for the rows of all groups is the caller's promise.
                unsafe { batch.outputs[row].add(group * GROUP + lane).write(sum) };
            }
        }
    }
}

fn dot<const RUN: usize>(block: &WeightBlock, lane: usize, activation: &ActivationBlock) -> i32 {
    let mut sum = 0;
    for column in 0..BLOCK / 2 {
        let byte = block.nibbles[(column / RUN * GROUP + lane) * RUN + column % RUN];
        // The nibbles with their signs, in the upper halves of bytes.
        let (low, high) = ((byte << 4) as i8 >> 4, byte as i8 >> 4);
        sum += i32::from(low) * i32::from(activation.values[column]);
        sum += i32::from(high) * i32::from(activation.values[column + 16]);
    }
    sum
}
