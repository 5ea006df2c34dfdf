//! Q6_K with 256-bit vectors, one row of weights at a time: with AVX2 alone, or AVX-VNNI's sum of two products.

use std::arch::x86_64::{
    __m256, __m256i, _MM_HINT_T0, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32, _mm_loadu_si128, _mm_movehdup_ps,
    _mm_movehl_ps, _mm_prefetch, _mm_set1_epi16, _mm_setr_epi8, _mm_shuffle_epi8, _mm256_add_epi32,
    _mm256_and_si256, _mm256_castps256_ps128, _mm256_cvtepi8_epi16, _mm256_cvtepi32_ps, _mm256_cvtph_ps,
    _mm256_dpwssd_avx_epi32, _mm256_extractf128_ps, _mm256_fmadd_ps, _mm256_loadu_si256, _mm256_madd_epi16,
    _mm256_maddubs_epi16, _mm256_mul_ps, _mm256_or_si256, _mm256_set1_epi8, _mm256_set1_epi16,
    _mm256_set1_ps, _mm256_setzero_ps, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_slli_epi16,
    _mm256_srli_epi16, _mm256_sub_epi16,
};

use super::super::activation_k::ActivationBlockK;
use super::super::kernel::{Batch, Rows};
use super::WeightBlock;

/// Bytes that the prefetch runs ahead.
const AHEAD: usize = 2048;

/// With AVX2, FMA and F16C.
pub struct Avx2;
/// With AVX-VNNI beside those.
pub struct AvxVnni;

/// The two kernels differ in one function and the instructions it may use.
macro_rules! kernel {
    ($set:ident, $features:literal, $add:ident) => {
        impl Rows for $set {
            #[target_feature(enable = $features)]
            unsafe fn rows<const ROWS: usize>(
                weights: *const u8,
                blocks: usize,
                groups: usize,
                batch: &Batch,
            ) {
                let activations = batch.activations.map(<*const u8>::cast::<ActivationBlockK>);
                for group in 0..groups {
                    let mut sums = [_mm256_setzero_ps(); ROWS];
                    for index in 0..blocks {
                        // SAFETY: so many blocks there are, by the caller's promise.
                        let block = unsafe {
                            Unpacked::of(&*weights.cast::<WeightBlock>().add(group * blocks + index))
                        };
                        for (row, sum) in sums.iter_mut().enumerate() {
                            // SAFETY: every row of activations has so many blocks, by the caller's promise; sixteen sums of
                            // two bytes.
                            let (activation, sixteens) = unsafe {
                                let activation = &*activations[row].add(index);
                                (activation, _mm256_loadu_si256(activation.sums.as_ptr().cast()))
                            };
                            let mut whole = _mm256_madd_epi16(sixteens, block.corrections);
                            for (part, values) in activation.values.as_chunks::<32>().0.iter().enumerate() {
                                // SAFETY: 32 bytes.
                                let values = unsafe { _mm256_loadu_si256(values.as_ptr().cast()) };
                                // Two byte products sum within 16 bits (2 · 63 · 127 < 32,768).
                                let pairs = _mm256_maddubs_epi16(block.weights[part], values);
                                whole = $add(whole, pairs, block.scales[part]);
                            }
                            let scale = _mm256_mul_ps(block.scale, _mm256_set1_ps(activation.scale));
                            *sum = _mm256_fmadd_ps(scale, _mm256_cvtepi32_ps(whole), *sum);
                        }
                    }
                    for (row, sum) in sums.iter().enumerate() {
                        // SAFETY: room for the rows of all groups is the caller's promise.
                        unsafe { batch.outputs[row].add(group).write(total(*sum)) };
                    }
                }
            }
        }
    };
}

kernel!(Avx2, "avx2,fma,f16c", add_products);
kernel!(AvxVnni, "avx2,fma,f16c,avxvnni", _mm256_dpwssd_avx_epi32);

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn add_products(sum: __m256i, first: __m256i, second: __m256i) -> __m256i {
    _mm256_add_epi32(sum, _mm256_madd_epi16(first, second))
}

/// A super-block.
struct Unpacked {
    /// 32 columns each, as 0..63.
    weights: [__m256i; 8],
    /// Theirs, one for every two weights.
    scales: [__m256i; 8],
    /// −32 · every scale: with the sums of sixteen activations what the weights are too large by.
    corrections: __m256i,
    /// Of the scales.
    scale: __m256,
}

impl Unpacked {
    /// Asks also for what lies some way ahead.
    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    fn of(block: &WeightBlock) -> Unpacked {
        let ahead = std::ptr::from_ref(block).cast::<i8>().wrapping_add(AHEAD);
        for line in [0, 64, 128, 192] {
            _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(line));
        }
        // SAFETY: 32 bytes.
        let load = |bytes: &[u8; 32]| unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) };
        let joined = |low: __m256i, high: __m256i| {
            let low = _mm256_and_si256(low, _mm256_set1_epi8(15));
            _mm256_or_si256(low, _mm256_and_si256(high, _mm256_set1_epi8(48)))
        };
        let (low, high) = (block.low.as_chunks().0, block.high.as_chunks().0);
        let half = |part: usize| {
            let (first, second, high) = (load(&low[2 * part]), load(&low[2 * part + 1]), load(&high[part]));
            [
                joined(first, _mm256_slli_epi16::<4>(high)),
                joined(second, _mm256_slli_epi16::<2>(high)),
                joined(_mm256_srli_epi16::<4>(first), high),
                joined(_mm256_srli_epi16::<4>(second), _mm256_srli_epi16::<2>(high)),
            ]
        };
        let ([a, b, c, d], [e, f, g, h]) = (half(0), half(1));

        // SAFETY: sixteen scales of one byte.
        let scales = unsafe { _mm_loadu_si128(block.scales.as_ptr().cast()) };
        let corrections = _mm256_sub_epi16(_mm256_setzero_si256(), _mm256_cvtepi8_epi16(scales));
        // Those of the first sixteen of each 32 columns in the low half, of the second in the high one.
        let apart = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
        let scales = _mm256_cvtepi8_epi16(_mm_shuffle_epi8(scales, apart));
        Unpacked {
            weights: [a, b, c, d, e, f, g, h],
            scales: std::array::from_fn(|part| {
                // The two bytes of number `part` of each half.
                let number = _mm256_set1_epi16((part * 0x0202 + 0x0100) as i16);
                _mm256_shuffle_epi8(scales, number)
            }),
            corrections: _mm256_slli_epi16::<5>(corrections),
            scale: _mm256_cvtph_ps(_mm_set1_epi16(block.scale.cast_signed())),
        }
    }
}

/// The lanes together, in llama.cpp's order.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn total(sums: __m256) -> f32 {
    let four = _mm_add_ps(_mm256_extractf128_ps::<1>(sums), _mm256_castps256_ps128(sums));
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
}
