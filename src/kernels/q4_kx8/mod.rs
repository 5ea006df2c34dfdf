//! Weights of 4 bits in super-blocks of 256 with eight scales and minima (Q4_K), eight rows interleaved as llama.cpp repacks
//! them, and the reference kernel: slow, plain, and the measure of the others.
//!
//! A row gets the bits of llama.cpp's `ggml_gemv_q4_K_8x8_q8_K` for AVX2, which builds for AVX-512 run as well. Each super-block
//! adds two numbers to two running sums of a row, each by one fused multiply-add: the products with the scales, and the
//! minima with the sums of the activations. Both are whole until then, in one lane a row.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(test)]
mod tests;

use super::activation_k::{ActivationBlockK, SUPER_BLOCK};
use super::half;
use super::instructions::InstructionSet;
use super::kernel::{Batch, Strip};
use super::six_bits::{self, PACKED};

/// Rows in a group.
pub const GROUP: usize = 8;

/// Columns that share a scale and a minimum.
const SUB_BLOCK: usize = 32;

/// llama.cpp's `block_q4_Kx8`: 256 columns of eight neighbouring rows, as numbers of 0..15.
///
/// Of every 64 columns, 256 bytes of nibbles. Chunk `i` of eight bytes among them belongs to row `i % 8` and holds columns
/// `8·(i/8) + 0..8` in its low nibbles and 32 further in its high ones.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct WeightBlock {
    /// Half-precision scales of the rows' scales.
    pub scales: [u16; GROUP],
    /// Half-precision scales of the rows' minima.
    pub minima: [u16; GROUP],
    /// Of each 32 columns, the scales and minima of the rows.
    pub packed: [[u8; PACKED]; SUPER_BLOCK / SUB_BLOCK],
    /// The nibbles.
    pub nibbles: [u8; GROUP * SUPER_BLOCK / 2],
}

const _: () = assert!(size_of::<WeightBlock>() == 1152);

/// The kernel for a set of instructions.
#[must_use]
pub fn strip(set: InstructionSet) -> Strip {
    match set {
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 => super::kernel::strip::<avx2::Avx2>,
        #[cfg(target_arch = "x86_64")]
        InstructionSet::AvxVnni => super::kernel::strip::<avx2::AvxVnni>,
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512Vnni => super::kernel::strip::<avx512::Avx512Vnni>,
        _ => reference,
    }
}

/// The reference. Right for rows with values that are no numbers as well: those quantize to 0..127, as llama.cpp's do, and the
/// rest is in the scale.
///
/// # Safety
/// See [`Strip`].
pub unsafe fn reference(weights: *const u8, blocks: usize, groups: usize, batch: &Batch) {
    for row in 0..batch.count {
        for group in 0..groups {
            for lane in 0..GROUP {
                let (mut sum, mut least) = (0.0_f32, 0.0_f32);
                for index in 0..blocks {
                    // SAFETY: so many blocks there are, by the caller's promise.
                    let (block, activation) = unsafe {
                        let block = &*weights.cast::<WeightBlock>().add(group * blocks + index);
                        (block, &*batch.activations[row].cast::<ActivationBlockK>().add(index))
                    };
                    let [products, minima] = dot(block, lane, activation);
                    let scale = |half: u16| half::to_single(half) * activation.scale;
                    sum = (products as f32).mul_add(scale(block.scales[lane]), sum);
                    least = (minima as f32).mul_add(scale(block.minima[lane]), least);
                }
                // SAFETY: room for the rows of all groups is the caller's promise.
                unsafe { batch.outputs[row].add(group * GROUP + lane).write(sum - least) };
            }
        }
    }
}

/// The whole numbers of a row: products times scales, and minima times sums of activations.
fn dot(block: &WeightBlock, lane: usize, activation: &ActivationBlockK) -> [i32; 2] {
    let mut sums = [0; 2];
    for (part, packed) in block.packed.iter().enumerate() {
        let [scale, minimum] = six_bits::unpack(packed).map(|numbers| i32::from(numbers[lane]));
        for within in 0..SUB_BLOCK {
            let byte = block.nibbles[part / 2 * 256 + (within / 8 * GROUP + lane) * 8 + within % 8];
            let weight = i32::from(byte >> (part % 2 * 4) & 15);
            sums[0] += scale * weight * i32::from(activation.values[part * SUB_BLOCK + within]);
        }
        sums[1] +=
            minimum * (i32::from(activation.sums[2 * part]) + i32::from(activation.sums[2 * part + 1]));
    }
    sums
}
