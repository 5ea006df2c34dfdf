//! Weights of 4 or 5 bits in super-blocks of 256 with eight scales and minima (Q4_K, Q5_K), in plain rows, and the reference
//! kernel: slow, plain, and the measure of the others.
//!
//! A row gets the bits of llama.cpp's `ggml_vec_dot_q4_K_q8_K` and `ggml_vec_dot_q5_K_q8_K` for AVX2, which builds for AVX-512 run
//! as well. These keep eight sums a row: lane `l` takes columns `4·l..4·l+4` of every 32. Each lane's whole number becomes a
//! single-precision one, rounded, and joins its running sum with one fused multiply-add a super-block. The minima times the
//! sums of the activations are taken off: with Q4_K in four lanes of 64 columns each, with Q5_K all in one.

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

/// Running sums of a row.
const LANES: usize = 8;

/// Running sums of a row's minima, where they are not one.
const LANES_OF_MINIMA: usize = 4;

/// 256 columns of one row, with `HIGH` bytes for the fifth bits: none or 32.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct WeightBlock<const HIGH: usize> {
    /// Half-precision scale of the scales.
    pub scale: u16,
    /// Half-precision scale of the minima.
    pub minimum: u16,
    /// Scales and minima of 32 columns each.
    pub packed: [u8; PACKED],
    /// The fifth bits, if there are any: those of columns 0..32 lowest, then 32 further each.
    pub high: [u8; HIGH],
    /// The lower four bits. Of each 64 columns 32 bytes: the first 32 columns in the low nibbles, the others in the high ones.
    pub nibbles: [u8; SUPER_BLOCK / 2],
}

/// llama.cpp's `block_q4_K`.
pub type Q4K = WeightBlock<0>;
/// llama.cpp's `block_q5_K`.
pub type Q5K = WeightBlock<32>;

const _: () = assert!(size_of::<Q4K>() == 144 && size_of::<Q5K>() == 176);

impl<const HIGH: usize> WeightBlock<HIGH> {
    /// Whether llama.cpp adds up a super-block's minima before they become one single-precision number.
    const MINIMA_AS_ONE: bool = HIGH > 0;
}

/// The kernel for a set of instructions.
#[must_use]
pub fn strip<const HIGH: usize>(set: InstructionSet) -> Strip {
    match set {
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 => super::kernel::strip::<avx2::Avx2<HIGH>>,
        #[cfg(target_arch = "x86_64")]
        InstructionSet::AvxVnni => super::kernel::strip::<avx2::AvxVnni<HIGH>>,
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512Vnni => super::kernel::strip::<avx512::Avx512Vnni<HIGH>>,
        _ => reference::<HIGH>,
    }
}

/// The reference. Right for rows with values that are no numbers as well: those quantize to 0..127, as llama.cpp's do, and the
/// rest is in the scale.
///
/// # Safety
/// See [`Strip`].
pub unsafe fn reference<const HIGH: usize>(weights: *const u8, blocks: usize, groups: usize, batch: &Batch) {
    for row in 0..batch.count {
        for group in 0..groups {
            let mut sums = [0.0_f32; LANES];
            let mut least = [0.0_f32; LANES_OF_MINIMA];
            for index in 0..blocks {
                // SAFETY: so many blocks there are, by the caller's promise.
                let (block, activation) = unsafe {
                    let block = &*weights.cast::<WeightBlock<HIGH>>().add(group * blocks + index);
                    (block, &*batch.activations[row].cast::<ActivationBlockK>().add(index))
                };
                let scale = activation.scale * half::to_single(block.scale);
                for (lane, sum) in sums.iter_mut().enumerate() {
                    *sum = scale.mul_add(dot(block, lane, activation) as f32, *sum);
                }
                let scale = -activation.scale * half::to_single(block.minimum);
                for (least, whole) in least.iter_mut().zip(minima(block, activation)) {
                    *least = scale.mul_add(whole as f32, *least);
                }
            }
            // Where one lane holds all, nothing was added to the others.
            let least = if WeightBlock::<HIGH>::MINIMA_AS_ONE {
                least[0]
            } else {
                (least[0] + least[2]) + (least[1] + least[3])
            };
            // SAFETY: room for the rows of all groups is the caller's promise.
            unsafe { batch.outputs[row].add(group).write(total(sums) + least) };
        }
    }
}

/// A lane's whole number.
fn dot<const HIGH: usize>(block: &WeightBlock<HIGH>, lane: usize, activation: &ActivationBlockK) -> i32 {
    let scales = six_bits::unpack(&block.packed)[0];
    let columns = (0..SUPER_BLOCK).filter(|column| column / 4 % LANES == lane);
    columns
        .map(|column| {
            let product = weight(block, column) * i32::from(activation.values[column]);
            i32::from(scales[column / 32]) * product
        })
        .sum()
}

/// A weight as 0..15 or 0..31.
fn weight<const HIGH: usize>(block: &WeightBlock<HIGH>, column: usize) -> i32 {
    let (part, within) = (column / 32, column % 32);
    let low = block.nibbles[part / 2 * 32 + within] >> (part % 2 * 4) & 15;
    let high = block.high.get(within).map_or(0, |high| high >> part & 1);
    i32::from(high << 4 | low)
}

/// The lanes' whole numbers of the minima.
fn minima<const HIGH: usize>(
    block: &WeightBlock<HIGH>,
    activation: &ActivationBlockK,
) -> [i32; LANES_OF_MINIMA] {
    let minima = six_bits::unpack(&block.packed)[1];
    let sums = &activation.sums;
    let of_32 = |part: usize| i32::from(minima[part]) * i32::from(sums[2 * part] + sums[2 * part + 1]);
    let lanes: [i32; LANES_OF_MINIMA] = std::array::from_fn(|lane| of_32(2 * lane) + of_32(2 * lane + 1));
    if WeightBlock::<HIGH>::MINIMA_AS_ONE { [lanes.iter().sum(), 0, 0, 0] } else { lanes }
}

/// The lanes together, in llama.cpp's order.
fn total(sums: [f32; LANES]) -> f32 {
    let four: [f32; 4] = std::array::from_fn(|lane| sums[lane + 4] + sums[lane]);
    (four[0] + four[2]) + (four[1] + four[3])
}
