//! Q4_0 with AVX2: four byte products sum within 16 bits (4 · 15 · 127 · 2 < 32,768), then one widening add.

use std::arch::x86_64::{
    __m256i, _MM_HINT_T0, _mm_loadu_si128, _mm_prefetch, _mm256_add_epi16, _mm256_add_epi32,
    _mm256_and_si256, _mm256_cvtepi32_ps, _mm256_cvtph_ps, _mm256_fmadd_ps, _mm256_hadd_epi32,
    _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_mul_ps, _mm256_permutevar8x32_ps,
    _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_epi64x, _mm256_set1_ps,
    _mm256_setr_epi32, _mm256_setzero_ps, _mm256_srli_epi16, _mm256_storeu_ps, _mm256_xor_si256,
};

use super::q4_0::{Batch, WeightBlock};

/// The kernel for as many rows as the batch has.
///
/// # Safety
/// See [`super::q4_0::Strip`]; the processor has AVX2, FMA and F16C.
pub unsafe fn strip(weights: &[WeightBlock], batch: &Batch) {
    // SAFETY: the caller's promises are those of `rows`.
    unsafe {
        match batch.count {
            1 => rows::<1>(weights, batch),
            2 => rows::<2>(weights, batch),
            3 => rows::<3>(weights, batch),
            4 => rows::<4>(weights, batch),
            5 => rows::<5>(weights, batch),
            6 => rows::<6>(weights, batch),
            7 => rows::<7>(weights, batch),
            8 => rows::<8>(weights, batch),
            _ => {}
        }
    }
}

/// Blocks that the prefetch runs ahead.
const AHEAD: usize = 8;

/// The whole strip with `ROWS` rows of activations.
///
/// # Safety
/// See [`strip`].
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn rows<const ROWS: usize>(weights: &[WeightBlock], batch: &Batch) {
    let low = _mm256_set1_epi8(15);
    // Undoes the sign that llama.cpp's repacking gives the nibbles: 0..15 stand for -8..7 again.
    let flip = _mm256_set1_epi8(0x88_u8 as i8);
    // Adding neighbours within half a vector leaves the rows in the order 0 1 4 5 2 3 6 7.
    let order = _mm256_setr_epi32(0, 1, 4, 5, 2, 3, 6, 7);
    let length = batch.activations[0].len();
    for (group, blocks) in weights.chunks_exact(length).enumerate() {
        let mut sums = [_mm256_setzero_ps(); ROWS];
        for (index, block) in blocks.iter().enumerate() {
            let ahead = blocks.as_ptr().wrapping_add(index + AHEAD).cast::<i8>();
            let at = block.nibbles.as_ptr().cast::<__m256i>();
            // SAFETY: a block has 128 bytes of nibbles and 16 of scales; a prefetch may point anywhere.
            let (packed, scales) = unsafe {
                _mm_prefetch::<_MM_HINT_T0>(ahead);
                _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(64));
                let packed = [
                    _mm256_xor_si256(_mm256_loadu_si256(at.add(0)), flip),
                    _mm256_xor_si256(_mm256_loadu_si256(at.add(1)), flip),
                    _mm256_xor_si256(_mm256_loadu_si256(at.add(2)), flip),
                    _mm256_xor_si256(_mm256_loadu_si256(at.add(3)), flip),
                ];
                (packed, _mm_loadu_si128(block.scales.as_ptr().cast()))
            };
            let scales = _mm256_permutevar8x32_ps(_mm256_cvtph_ps(scales), order);
            // Rows 0-3 and 4-7; columns 0-7, 8-15, 16-23, 24-31.
            let first = [
                _mm256_and_si256(packed[0], low),
                _mm256_and_si256(packed[2], low),
                _mm256_and_si256(_mm256_srli_epi16::<4>(packed[0]), low),
                _mm256_and_si256(_mm256_srli_epi16::<4>(packed[2]), low),
            ];
            let second = [
                _mm256_and_si256(packed[1], low),
                _mm256_and_si256(packed[3], low),
                _mm256_and_si256(_mm256_srli_epi16::<4>(packed[1]), low),
                _mm256_and_si256(_mm256_srli_epi16::<4>(packed[3]), low),
            ];
            for (row, sum) in sums.iter_mut().enumerate() {
                // SAFETY: all rows of activations are as long as a group of weights.
                let activation = unsafe { batch.activations[row].get_unchecked(index) };
                let values = [
                    _mm256_set1_epi64x(activation.eight(0)),
                    _mm256_set1_epi64x(activation.eight(1)),
                    _mm256_set1_epi64x(activation.eight(2)),
                    _mm256_set1_epi64x(activation.eight(3)),
                ];
                let start = _mm256_set1_epi32(activation.correction);
                let whole = _mm256_hadd_epi32(dot(start, first, values), dot(start, second, values));
                let scale = _mm256_mul_ps(scales, _mm256_set1_ps(activation.scale));
                *sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(whole), scale, *sum);
            }
        }
        for (row, sum) in sums.iter().enumerate() {
            // SAFETY: room for eight floats a group is the caller's promise.
            unsafe {
                let at = batch.outputs[row].add(group * 8);
                // The order undoes itself.
                _mm256_storeu_ps(at, _mm256_permutevar8x32_ps(*sum, order));
            }
        }
    }
}

/// Two sums a row of weights, on top of `start`.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn dot(start: __m256i, weights: [__m256i; 4], values: [__m256i; 4]) -> __m256i {
    let product = |part: usize| _mm256_maddubs_epi16(weights[part], values[part]);
    let sum =
        _mm256_add_epi16(_mm256_add_epi16(product(0), product(1)), _mm256_add_epi16(product(2), product(3)));
    _mm256_add_epi32(start, _mm256_madd_epi16(sum, _mm256_set1_epi16(1)))
}
