//! Activations of plain rows: those of ../activation.rs with a correction for every lane, and the sum for formats with minima.

use super::super::activation::{BLOCK, Quantized, quantize_block};
use super::super::half;
use super::super::instructions::InstructionSet;
use super::super::kernel::Quantize;
use super::Format;

/// 32 quantized activations, in halves: columns 0..16, then 16..32. Halves of corrections and values lie at multiples of 16 bytes, so that none spans two lines of a
/// cache.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct LaneBlock {
    /// What a quantized step is worth.
    pub scale: f32,
    /// The sum of the block's values, in half precision: llama.cpp's `block_q8_1.s`. Only where the format has minima.
    pub sum: f32,
    unused: [u32; 2],
    /// −[`Raised::OFFSET`](super::super::activation::Raised::OFFSET) · the sum of the four values of each lane: what is too much once weights are raised by the offset.
    pub corrections: [[i32; 4]; 2],
    /// The values.
    pub values: [[i8; 16]; 2],
}

const _: () = assert!(size_of::<LaneBlock>() == 80);

impl LaneBlock {
    /// Of zeros.
    pub const ZERO: LaneBlock =
        LaneBlock { scale: 0.0, sum: 0.0, unused: [0; 2], corrections: [[0; 4]; 2], values: [[0; 16]; 2] };

    fn of<F: Format>(quantized: &Quantized) -> LaneBlock {
        let Quantized { values, scale, step, sum } = *quantized;
        let four = |lane: usize| values[4 * lane..][..4].iter().copied().map(i32::from).sum::<i32>();
        let correction = |lane: usize| -F::OFFSET * four(lane);
        let sum = if F::HAS_MINIMUM { half::to_single(half::from_single(step * sum as f32)) } else { 0.0 };
        LaneBlock {
            scale,
            sum,
            unused: [0; 2],
            corrections: [0, 4].map(|first| std::array::from_fn(|lane| correction(first + lane))),
            values: [0, 16].map(|first| std::array::from_fn(|column| values[first + column])),
        }
    }
}

/// What quantizes for a format with a set of instructions.
pub fn quantizer<F: Format>(set: InstructionSet) -> Quantize {
    match set {
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 | InstructionSet::AvxVnni | InstructionSet::Avx512Vnni => {
            super::avx2::quantize_at::<F>
        }
        _ => quantize_at::<F>,
    }
}

/// # Safety
/// See [`Quantize`].
unsafe fn quantize_at<F: Format>(row: &[f32], place: *mut u8) -> bool {
    let mut is_irregular = false;
    for (number, values) in row.as_chunks::<BLOCK>().0.iter().enumerate() {
        let quantized = quantize_block(values);
        is_irregular |= quantized.is_irregular();
        // SAFETY: room for the row's blocks is the caller's promise.
        unsafe { place.cast::<LaneBlock>().add(number).write(LaneBlock::of::<F>(&quantized)) };
    }
    is_irregular
}
