//! Q6_K with 256-bit vectors, one row of weights at a time: with AVX2 alone, or AVX-VNNI's sum of two products.

use std::arch::x86_64::{
    __m256, __m256i, _MM_HINT_T0, _mm_loadu_si128, _mm_prefetch, _mm_set1_epi16, _mm_setr_epi8,
    _mm_shuffle_epi8, _mm256_and_si256, _mm256_cvtepi8_epi16, _mm256_cvtepi32_ps, _mm256_cvtph_ps,
    _mm256_fmadd_ps, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_mul_ps,
    _mm256_or_si256, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_ps, _mm256_setzero_ps,
    _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_slli_epi16, _mm256_srli_epi16, _mm256_sub_epi16,
};

use super::super::activation_k::ActivationBlockK;
use super::super::kernel::{Batch, Rows};
use super::super::vectors::{add_products, add_products_at_once, load, total};
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
            /// # Safety
            /// See [`Rows::rows`]; the processor has the instructions.
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
                        // SAFETY: so many blocks there are, in the weights and in every row, by the caller's promise.
                        let (block, activations) = unsafe {
                            let block = &*weights.cast::<WeightBlock>().add(group * blocks + index);
                            (block, std::array::from_fn::<_, ROWS, _>(|row| &*activations[row].add(index)))
                        };
                        let scales = Scales::of(block);
                        let mut wholes = activations.map(|activation| scales.correction(activation));
                        // Half a block's weights and scales fit the sixteen registers.
                        for part in 0..2 {
                            let half = Half::of(block, &scales, part);
                            for (whole, activation) in wholes.iter_mut().zip(activations) {
                                let chunks = activation.values.as_chunks::<32>().0;
                                for quarter in 0..4 {
                                    let values = load(&chunks[4 * part + quarter]);
                                    // Two byte products sum within 16 bits (2 · 63 · 127 < 32,768).
                                    let pairs = _mm256_maddubs_epi16(half.weights[quarter], values);
                                    *whole = $add(*whole, pairs, half.scales[quarter]);
                                }
                            }
                        }
                        for ((sum, whole), activation) in sums.iter_mut().zip(wholes).zip(activations) {
                            let scale = _mm256_mul_ps(scales.scale, _mm256_set1_ps(activation.scale));
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
kernel!(AvxVnni, "avx2,fma,f16c,avxvnni", add_products_at_once);

/// What belongs to a whole super-block.
struct Scales {
    /// Those of the first sixteen of each 32 columns in the low half, of the second in the high one.
    of_sixteens: __m256i,
    /// −32 · every scale, in the columns' order.
    corrections: __m256i,
    /// Of the scales.
    scale: __m256,
}

impl Scales {
    /// Asks also for what lies some way ahead.
    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    fn of(block: &WeightBlock) -> Scales {
        let ahead = std::ptr::from_ref(block).cast::<i8>().wrapping_add(AHEAD);
        for line in [0, 64, 128, 192] {
            _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(line));
        }
        // SAFETY: sixteen scales of one byte.
        let scales = unsafe { _mm_loadu_si128(block.scales.as_ptr().cast()) };
        let apart = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
        let negative = _mm256_sub_epi16(_mm256_setzero_si256(), _mm256_cvtepi8_epi16(scales));
        Scales {
            of_sixteens: _mm256_cvtepi8_epi16(_mm_shuffle_epi8(scales, apart)),
            corrections: _mm256_slli_epi16::<5>(negative),
            scale: _mm256_cvtph_ps(_mm_set1_epi16(block.scale.cast_signed())),
        }
    }

    /// What the products of weights of 0..63 are too large by, less than nothing: the lanes' whole numbers start with it.
    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    fn correction(&self, activation: &ActivationBlockK) -> __m256i {
        // SAFETY: sixteen sums of two bytes.
        let sums = unsafe { _mm256_loadu_si256(activation.sums.as_ptr().cast()) };
        _mm256_madd_epi16(sums, self.corrections)
    }
}

/// Half of a super-block, 128 columns.
struct Half {
    /// 32 columns each, as 0..63.
    weights: [__m256i; 4],
    /// Theirs, one for every two weights.
    scales: [__m256i; 4],
}

impl Half {
    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    fn of(block: &WeightBlock, scales: &Scales, part: usize) -> Half {
        let joined = |low: __m256i, high: __m256i| {
            let low = _mm256_and_si256(low, _mm256_set1_epi8(15));
            _mm256_or_si256(low, _mm256_and_si256(high, _mm256_set1_epi8(48)))
        };
        let (low, high) = (block.low.as_chunks().0, block.high.as_chunks().0);
        let (first, second, high) = (load(&low[2 * part]), load(&low[2 * part + 1]), load(&high[part]));
        Half {
            weights: [
                joined(first, _mm256_slli_epi16::<4>(high)),
                joined(second, _mm256_slli_epi16::<2>(high)),
                joined(_mm256_srli_epi16::<4>(first), high),
                joined(_mm256_srli_epi16::<4>(second), _mm256_srli_epi16::<2>(high)),
            ],
            scales: std::array::from_fn(|quarter| {
                // The two bytes of one number of each half.
                let number = _mm256_set1_epi16(((4 * part + quarter) * 0x0202 + 0x0100) as i16);
                _mm256_shuffle_epi8(scales.of_sixteens, number)
            }),
        }
    }
}
