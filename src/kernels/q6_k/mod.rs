//! Weights of 6 bits in super-blocks of 256 with sixteen scales (Q6_K), in plain rows, and the reference kernel: slow, plain,
//! and the measure of the others.
//!
//! A row gets the bits of llama.cpp's `ggml_vec_dot_q6_K_q8_K` for AVX2, which builds for AVX-512 run as well. That keeps eight
//! sums a row: lane `l` takes columns `4·l..4·l+4` of every 32, as weights of 0..63, and the 32 too many are taken off with
//! the sums of sixteen activations — of the sixteens `2·l` and `2·l+1`, whichever columns they are. Each lane becomes a
//! single-precision number, rounded, and joins its running sum with one fused multiply-add a super-block; so a lane's whole
//! number must be llama.cpp's, not only the total.

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

/// Running sums of a row.
const LANES: usize = 8;

/// llama.cpp's `block_q6_K`: 256 columns of one row, as numbers of 0..63 that stand for −32..31.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct WeightBlock {
    /// The lower four bits. Of each 128 columns 64 bytes: columns 0..64 in the low nibbles, 64..128 in the high ones.
    pub low: [u8; SUPER_BLOCK / 2],
    /// The upper two bits. Of each 128 columns 32 bytes: columns 0..32 in the lowest two bits, then 32 further each.
    pub high: [u8; SUPER_BLOCK / 4],
    /// Of sixteen columns each.
    pub scales: [i8; SUPER_BLOCK / 16],
    /// Half-precision scale of the scales.
    pub scale: u16,
}

const _: () = assert!(size_of::<WeightBlock>() == 210);

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
            let mut sums = [0.0_f32; LANES];
            for index in 0..blocks {
                // SAFETY: so many blocks there are, by the caller's promise.
                let (block, activation) = unsafe {
                    let block = &*weights.cast::<WeightBlock>().add(group * blocks + index);
                    (block, &*batch.activations[row].cast::<ActivationBlockK>().add(index))
                };
                let scale = activation.scale * half::to_single(block.scale);
                for (lane, sum) in sums.iter_mut().enumerate() {
                    *sum = scale.mul_add(dot(block, lane, activation) as f32, *sum);
                }
            }
            // SAFETY: room for the rows of all groups is the caller's promise.
            unsafe { batch.outputs[row].add(group).write(total(sums)) };
        }
    }
}

/// A lane's whole number.
fn dot(block: &WeightBlock, lane: usize, activation: &ActivationBlockK) -> i32 {
    let of_sixteen = |at: usize| i32::from(block.scales[at]) * i32::from(activation.sums[at]);
    let mut sum = -32 * (of_sixteen(2 * lane) + of_sixteen(2 * lane + 1));
    for column in (0..SUPER_BLOCK).filter(|column| column / 4 % LANES == lane) {
        let product = weight(block, column) * i32::from(activation.values[column]);
        sum += i32::from(block.scales[column / 16]) * product;
    }
    sum
}

/// A weight as 0..63.
fn weight(block: &WeightBlock, column: usize) -> i32 {
    let (part, within) = (column / 128, column % 128);
    let low = block.low[part * 64 + within % 64] >> (within / 64 * 4) & 15;
    let high = block.high[part * 32 + within % 32] >> (within / 32 * 2) & 3;
    i32::from(high << 4 | low)
}

/// The lanes together, in llama.cpp's order.
fn total(sums: [f32; LANES]) -> f32 {
    let four: [f32; 4] = std::array::from_fn(|lane| sums[lane + 4] + sums[lane]);
    (four[0] + four[2]) + (four[1] + four[3])
}
