//! Weights in plain rows of blocks of 32 columns, as they lie in a file: one kernel over a step that unpacks a block.
//!
//! Every result is llama.cpp's `ggml_vec_dot_*` bit for bit: eight lanes, one for each four columns of a block; each takes, block
//! after block, one fused multiply-add of its exact integer sum and the product of the scales; then they meet pairwise. Products
//! of the scales are exact themselves: both went through half precision.

mod activation;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod formats;
#[cfg(test)]
mod tests;

pub use activation::LaneBlock;
pub use formats::{Format, IQ4_NL, IQ4_NL_RAISED, Iq4Nl, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0};

use super::activation::BLOCK;
use super::half;
use super::instructions::InstructionSet;
use super::kernel::{self, Batch, Kernel, Rows, Strip, WIDEST};

/// Lanes of a sum, as many as a 256-bit register has.
const LANES: usize = 8;

/// The kernel for a format on a set of instructions.
#[must_use]
pub fn kernel<F: Format>(set: InstructionSet) -> Kernel {
    Kernel {
        group: 1,
        columns: BLOCK,
        weight_bytes: size_of::<F>(),
        activation_bytes: size_of::<LaneBlock>(),
        quantize: activation::quantizer::<F>(set),
        strip: strip::<F>(set),
        irregular: reference::<F>,
    }
}

fn strip<F: Format>(set: InstructionSet) -> Strip {
    match set {
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 => in_passes::<F, avx2::Avx2<F>, 4, { avx2::TILE }>,
        #[cfg(target_arch = "x86_64")]
        InstructionSet::AvxVnni => in_passes::<F, avx2::AvxVnni<F>, 4, { avx2::TILE }>,
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512Vnni => in_passes::<F, avx512::Avx512Vnni<F>, WIDEST, { avx512::TILE }>,
        _ => reference::<F>,
    }
}

/// A [`Strip`] of functions that hold `TILE` rows of weights at a time, and so many registers that more than `MOST` rows of
/// activations (half as many where a format keeps two sums) need a further pass: over each tile, which is in the first cache then.
///
/// # Safety
/// See [`Strip`].
unsafe fn in_passes<F: Format, R: Rows, const MOST: usize, const TILE: usize>(
    weights: *const u8,
    blocks: usize,
    groups: usize,
    batch: &Batch,
) {
    let most = if F::IS_CHOSEN { MOST / 2 } else { MOST };
    if batch.count <= most {
        // SAFETY: the caller's promises.
        return unsafe { kernel::strip::<R>(weights, blocks, groups, batch) };
    }
    for first in (0..groups).step_by(TILE) {
        for start in (0..batch.count).step_by(most) {
            let mut some = Batch::EMPTY;
            for row in start..batch.count.min(start + most) {
                some.push(batch.activations[row], batch.outputs[row].wrapping_add(first));
            }
            // SAFETY: a part of the caller's rows of weights, and of the results.
            unsafe {
                let tile = weights.add(first * blocks * size_of::<F>());
                kernel::strip::<R>(tile, blocks, TILE.min(groups - first), &some);
            }
        }
    }
}

/// The reference, and the kernel for rows with values that are no numbers.
///
/// # Safety
/// See [`Strip`].
pub unsafe fn reference<F: Format>(weights: *const u8, blocks: usize, groups: usize, batch: &Batch) {
    for row in 0..batch.count {
        for group in 0..groups {
            // SAFETY: so many blocks there are, by the caller's promise, and room for the results.
            unsafe {
                let weights = weights.cast::<F>().add(group * blocks);
                let activations = batch.activations[row].cast::<LaneBlock>();
                let weights = std::slice::from_raw_parts(weights, blocks);
                let activations = std::slice::from_raw_parts(activations, blocks);
                batch.outputs[row].add(group).write(dot(weights, activations));
            }
        }
    }
}

fn dot<F: Format>(weights: &[F], activations: &[LaneBlock]) -> f32 {
    let mut sums = [[0.0_f32; LANES]; 2];
    let mut minimum = 0.0_f32;
    let paired = if F::IS_CHOSEN { weights.len() / 2 * 2 } else { weights.len() };
    for (index, (block, activation)) in weights[..paired].iter().zip(activations).enumerate() {
        let scale = half::to_single(block.scale()) * activation.scale;
        let values = activation.values.as_flattened();
        let sums = &mut sums[if F::IS_CHOSEN { index % 2 } else { 0 }];
        for (lane, sum) in sums.iter_mut().enumerate() {
            let whole: i32 = (4 * lane..4 * lane + 4)
                .map(|column| product::<F>(block.weight(column), values[column]))
                .sum();
            *sum = (whole as f32).mul_add(scale, *sum);
        }
        minimum = half::to_single(block.minimum()).mul_add(activation.sum, minimum);
    }
    let lanes: [f32; LANES] =
        std::array::from_fn(|lane| if F::IS_CHOSEN { sums[0][lane] + sums[1][lane] } else { sums[0][lane] });
    let four: [f32; 4] = std::array::from_fn(|lane| lanes[lane + 4] + lanes[lane]);
    let mut sum = (four[0] + four[2]) + (four[1] + four[3]);
    if F::HAS_MINIMUM {
        sum += minimum;
    }
    match weights[paired..].first() {
        Some(last) => last_block(last, &activations[paired], sum),
        None => sum,
    }
}

/// A weight times an activation: exact, but that magnitude times turned activation turns -128, in 8 bits, into itself.
fn product<F: Format>(weight: i32, activation: i8) -> i32 {
    let is_turned = F::OFFSET != 0 && weight < 0;
    let turned = if is_turned { activation.wrapping_neg() } else { activation };
    if is_turned { -weight * i32::from(turned) } else { weight * i32::from(turned) }
}

/// Where blocks are taken in pairs, an odd last one is added as a whole; nothing is turned in it.
#[inline]
fn last_block<F: Format>(block: &F, activation: &LaneBlock, sum: f32) -> f32 {
    let values = activation.values.as_flattened();
    let whole: i32 = (0..BLOCK).map(|column| block.weight(column) * i32::from(values[column])).sum();
    (whole as f32).mul_add(half::to_single(block.scale()) * activation.scale, sum)
}
