//! With NEON's dot product: four rows of weights at a time.
//!
//! No products of matrices (i8mm), also where the processor has them: of every two rows of activations the columns would have to
//! be put side by side first, which for four rows of weights costs nearly what it saves.

use std::arch::aarch64::{
    int8x16_t, int32x4_t, vandq_s8, vcvt_f32_f16, vcvtq_n_f32_s32, vdupq_n_f32, vdupq_n_s8, vdupq_n_s32,
    vfmaq_f32, vld1_u16, vld1q_s8, vmulq_n_f32, vreinterpret_f16_u16, vreinterpretq_s8_s32,
    vreinterpretq_s32_s8, vshlq_n_s8, vst1q_f32, vuzp1q_s32, vuzp2q_s32,
};
use std::arch::asm;

use super::super::activation::ActivationBlock;
use super::super::kernel::{Batch, Rows};
use super::{GROUP, WeightBlock};

/// With NEON and its dot product, for rows interleaved by `RUN` columns, four or eight.
pub struct Neon<const RUN: usize>;

impl<const RUN: usize> Rows for Neon<RUN> {
    /// # Safety
    /// See [`Rows::rows`]; the processor has the instructions.
    #[target_feature(enable = "neon,dotprod")]
    unsafe fn rows<const ROWS: usize>(weights: *const u8, blocks: usize, groups: usize, batch: &Batch) {
        let weights = weights.cast::<WeightBlock>();
        let activations = batch.activations.map(<*const u8>::cast::<ActivationBlock>);
        for group in 0..groups {
            let mut sums = [vdupq_n_f32(0.0); ROWS];
            for index in 0..blocks {
                // SAFETY: so many blocks there are, by the caller's promise, with four scales of two bytes each.
                let (block, scales) = unsafe {
                    let block = &*weights.add(group * blocks + index);
                    (block, vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(block.scales.as_ptr()))))
                };
                let parts = unpack::<RUN>(block);
                for (row, sum) in sums.iter_mut().enumerate() {
                    // SAFETY: every row of activations has so many blocks, by the caller's promise.
                    let activation = unsafe { &*activations[row].add(index) };
                    // Sixteen times the sum: the nibbles are the upper halves of their bytes.
                    let whole = vcvtq_n_f32_s32::<4>(dot(parts, activation));
                    *sum = vfmaq_f32(*sum, whole, vmulq_n_f32(scales, activation.scale));
                }
            }
            for (row, sum) in sums.iter().enumerate() {
                // SAFETY: room for the rows of all groups is the caller's promise.
                unsafe { vst1q_f32(batch.outputs[row].add(group * GROUP), *sum) };
            }
        }
    }
}

/// Columns 0-3, 4-7, … 28-31 of four rows, each times sixteen.
#[target_feature(enable = "neon,dotprod")]
#[inline]
fn unpack<const RUN: usize>(block: &WeightBlock) -> [int8x16_t; 8] {
    let at = block.nibbles.as_ptr().cast::<i8>();
    // SAFETY: a block has four times sixteen bytes of nibbles.
    let mut packed = unsafe { [0, 16, 32, 48].map(|byte| vld1q_s8(at.add(byte))) };
    if RUN == 8 {
        // Loaded: columns 0-7 of rows 0 and 1, of rows 2 and 3, columns 8-15 of rows 0 and 1, of rows 2 and 3.
        let fours = packed.map(|bytes| vreinterpretq_s32_s8(bytes));
        packed = [
            vuzp1q_s32(fours[0], fours[1]),
            vuzp2q_s32(fours[0], fours[1]),
            vuzp1q_s32(fours[2], fours[3]),
            vuzp2q_s32(fours[2], fours[3]),
        ]
        .map(|fours| vreinterpretq_s8_s32(fours));
    }
    let high = vdupq_n_s8(0xf0_u8 as i8);
    std::array::from_fn(|part| {
        let bytes = packed[part % 4];
        if part < 4 { vshlq_n_s8::<4>(bytes) } else { vandq_s8(bytes, high) }
    })
}

/// The sums of the products of four rows. Exact: 16 · 8 · 127 · 32 < 2²⁴.
#[target_feature(enable = "neon,dotprod")]
#[inline]
fn dot(parts: [int8x16_t; 8], activation: &ActivationBlock) -> int32x4_t {
    let [first, second, third, fourth, fifth, sixth, seventh, eighth] = parts;
    let mut sum = vdupq_n_s32(0);
    // SAFETY: a block has 32 values. The instructions, whose intrinsics Rust still calls unstable, change `sum` alone.
    unsafe {
        let values = activation.values.as_ptr();
        asm!(
            "sdot {sum:v}.4s, {first:v}.16b, {low:v}.4b[0]",
            "sdot {sum:v}.4s, {second:v}.16b, {low:v}.4b[1]",
            "sdot {sum:v}.4s, {third:v}.16b, {low:v}.4b[2]",
            "sdot {sum:v}.4s, {fourth:v}.16b, {low:v}.4b[3]",
            "sdot {sum:v}.4s, {fifth:v}.16b, {high:v}.4b[0]",
            "sdot {sum:v}.4s, {sixth:v}.16b, {high:v}.4b[1]",
            "sdot {sum:v}.4s, {seventh:v}.16b, {high:v}.4b[2]",
            "sdot {sum:v}.4s, {eighth:v}.16b, {high:v}.4b[3]",
            sum = inout(vreg) sum,
            first = in(vreg) first,
            second = in(vreg) second,
            third = in(vreg) third,
            fourth = in(vreg) fourth,
            fifth = in(vreg) fifth,
            sixth = in(vreg) sixth,
            seventh = in(vreg) seventh,
            eighth = in(vreg) eighth,
            low = in(vreg) vld1q_s8(values),
            high = in(vreg) vld1q_s8(values.add(16)),
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sum
}
