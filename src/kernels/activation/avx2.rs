//! [`super::quantize`] with AVX2: the sequence of llama.cpp's `quantize_row_q8_0`.

use std::arch::x86_64::{
    __m256, __m256i, _mm_add_epi32, _mm_cvtph_ps, _mm_cvtps_ph, _mm_cvtsi128_si32, _mm_cvtss_f32, _mm_max_ps,
    _mm_max_ss, _mm_movehdup_ps, _mm_movehl_ps, _mm_set_ss, _mm_shuffle_epi32, _mm256_add_epi32,
    _mm256_andnot_ps, _mm256_castps256_ps128, _mm256_castsi256_si128, _mm256_cmpeq_epi8, _mm256_cvtps_epi32,
    _mm256_extractf128_ps, _mm256_extracti128_si256, _mm256_loadu_ps, _mm256_madd_epi16,
    _mm256_maddubs_epi16, _mm256_max_ps, _mm256_movemask_epi8, _mm256_mul_ps, _mm256_or_si256,
    _mm256_packs_epi16, _mm256_packs_epi32, _mm256_permutevar8x32_epi32, _mm256_set1_epi8, _mm256_set1_epi16,
    _mm256_set1_ps, _mm256_setr_epi32, _mm256_setzero_si256, _mm256_storeu_si256,
};

use super::{ActivationBlock, BLOCK, IMPOSSIBLE, Raised};

/// As [`super::Quantized`].
#[derive(Clone, Copy, Debug)]
pub struct Quantized {
    /// In the order of the columns.
    pub values: __m256i,
    /// What a step is worth, through half precision.
    pub scale: f32,
    /// The same before it was rounded.
    pub step: f32,
    /// Sums of values, eight that make up the whole.
    pub sums: __m256i,
}

/// As [`super::quantize_at`].
///
/// # Safety
/// `place` has room for the row's blocks; the processor has AVX2, FMA and F16C.
#[target_feature(enable = "avx2,fma,f16c")]
pub unsafe fn quantize_at<R: Raised>(row: &[f32], place: *mut u8) -> bool {
    let mut marks = _mm256_setzero_si256();
    for (number, values) in row.as_chunks::<BLOCK>().0.iter().enumerate() {
        let quantized = quantize_block(values);
        marks = marked(marks, quantized.values);
        let correction = -R::OFFSET * total(fours(quantized.values));
        // SAFETY: the caller's promise; every field is written.
        unsafe {
            let block = place.cast::<ActivationBlock>().add(number);
            (&raw mut (*block).scale).write(quantized.scale);
            (&raw mut (*block).correction).write(correction);
            _mm256_storeu_si256((&raw mut (*block).values).cast(), quantized.values);
        }
    }
    any(marks)
}

/// As [`super::quantize_block`].
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
pub fn quantize_block(values: &[f32; BLOCK]) -> Quantized {
    // SAFETY: four times eight values.
    let lanes = [0, 8, 16, 24].map(|first| unsafe { _mm256_loadu_ps(values.as_ptr().add(first)) });
    let largest = largest_magnitude(lanes);
    let inverse = if largest == 0.0 { 0.0 } else { 127.0 / largest };
    // Conversion rounds to the nearest, ties to even; llama.cpp rounds before it, which changes nothing.
    let whole = lanes.map(|values| _mm256_cvtps_epi32(_mm256_mul_ps(values, _mm256_set1_ps(inverse))));
    let packed =
        _mm256_packs_epi16(_mm256_packs_epi32(whole[0], whole[1]), _mm256_packs_epi32(whole[2], whole[3]));
    // Packing works within halves: fours of values are back in order only after this.
    let values = _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    let step = largest / 127.0;
    Quantized {
        values,
        scale: through_half(step),
        step,
        sums: _mm256_add_epi32(_mm256_add_epi32(whole[0], whole[1]), _mm256_add_epi32(whole[2], whole[3])),
    }
}

/// What is left of a number in half precision.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
pub fn through_half(value: f32) -> f32 {
    _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtps_ph::<0>(_mm_set_ss(value))))
}

/// The order of the operands decides what becomes of a NaN: as in llama.cpp.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn largest_magnitude(lanes: [__m256; 4]) -> f32 {
    let magnitudes = lanes.map(|values| _mm256_andnot_ps(_mm256_set1_ps(-0.0), values));
    let two = _mm256_max_ps(magnitudes[0], magnitudes[1]);
    let eight = _mm256_max_ps(_mm256_max_ps(two, magnitudes[2]), magnitudes[3]);
    let four = _mm_max_ps(_mm256_extractf128_ps::<1>(eight), _mm256_castps256_ps128(eight));
    let pair = _mm_max_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_max_ss(pair, _mm_movehdup_ps(pair)))
}

/// Sums of four neighbouring values.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
pub fn fours(values: __m256i) -> __m256i {
    _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), values), _mm256_set1_epi16(1))
}

/// The sum of eight numbers; wraps.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
pub fn total(numbers: __m256i) -> i32 {
    let four = _mm_add_epi32(_mm256_castsi256_si128(numbers), _mm256_extracti128_si256::<1>(numbers));
    let pair = _mm_add_epi32(four, _mm_shuffle_epi32::<0b00_00_11_10>(four));
    _mm_cvtsi128_si32(_mm_add_epi32(pair, _mm_shuffle_epi32::<0b00_00_00_01>(pair)))
}

/// `marks` with those of the values that stand for no number.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
pub fn marked(marks: __m256i, values: __m256i) -> __m256i {
    _mm256_or_si256(marks, _mm256_cmpeq_epi8(values, _mm256_set1_epi8(IMPOSSIBLE)))
}

/// Whether there is a mark.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
pub fn any(marks: __m256i) -> bool {
    _mm256_movemask_epi8(marks) != 0
}
