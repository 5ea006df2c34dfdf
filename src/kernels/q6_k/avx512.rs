//! Q6_K with AVX-512 VNNI: two rows of weights at a time, one in each half of a vector.

use std::arch::x86_64::{
    __m512, __m512i, _mm_loadu_si128, _mm_set1_epi16, _mm_setr_epi8, _mm256_broadcastsi128_si256,
    _mm256_loadu_si256, _mm256_set_m128i, _mm256_shuffle_epi8, _mm512_and_si512, _mm512_broadcast_i64x4,
    _mm512_cvtepi8_epi16, _mm512_cvtepi32_ps, _mm512_cvtph_ps, _mm512_fmadd_ps, _mm512_maddubs_epi16,
    _mm512_mul_ps, _mm512_set1_epi8, _mm512_set1_epi16, _mm512_set1_ps, _mm512_setzero_ps,
    _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_slli_epi16, _mm512_srli_epi16, _mm512_sub_epi16,
    _mm512_ternarylogic_epi32,
};

use super::super::activation_k::ActivationBlockK;
use super::super::kernel::{Batch, Rows};
use super::super::vectors::{add_products_512, load, load_both, prefetch, totals};
use super::WeightBlock;

/// Blocks that the prefetch runs ahead, in each of the two rows.
const AHEAD: usize = 8;

/// With AVX-512 F, BW, VL and VNNI, FMA and F16C.
pub struct Avx512Vnni;

impl Rows for Avx512Vnni {
    /// # Safety
    /// See [`Rows::rows`]; the processor has the instructions.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
    unsafe fn rows<const ROWS: usize>(weights: *const u8, blocks: usize, groups: usize, batch: &Batch) {
        let weights = weights.cast::<WeightBlock>();
        let activations = batch.activations.map(<*const u8>::cast::<ActivationBlockK>);
        for group in (0..groups).step_by(2) {
            // A last row without a neighbour is multiplied twice; its second result is not stored.
            let is_alone = group + 1 == groups;
            let first = weights.wrapping_add(group * blocks);
            let second = if is_alone { first } else { first.wrapping_add(blocks) };
            let mut sums = [_mm512_setzero_ps(); ROWS];
            for index in 0..blocks {
                // Where the first row ends, the next pair's begins behind the second.
                let ahead = if index + AHEAD < blocks { index + AHEAD } else { index + AHEAD + blocks };
                prefetch(first.wrapping_add(ahead));
                prefetch(second.wrapping_add(ahead));
                // SAFETY: so many blocks there are, in both rows and in every row of activations, by the caller's promise.
                let (blocks, activations) = unsafe {
                    let blocks = [&*first.add(index), &*second.add(index)];
                    (blocks, std::array::from_fn::<_, ROWS, _>(|row| &*activations[row].add(index)))
                };
                let scales = Scales::of(blocks);
                let mut wholes = activations.map(|activation| scales.correction(activation));
                // Half a super-block's weights and scales and eight rows' sums fit the registers.
                for part in 0..2 {
                    let half = Half::of(blocks, &scales, part);
                    for (whole, activation) in wholes.iter_mut().zip(&activations) {
                        *whole = half.add(*whole, &activation.values.as_chunks().0[part]);
                    }
                }
                for ((sum, whole), activation) in sums.iter_mut().zip(wholes).zip(activations) {
                    let scale = _mm512_mul_ps(scales.scale, _mm512_set1_ps(activation.scale));
                    *sum = _mm512_fmadd_ps(scale, _mm512_cvtepi32_ps(whole), *sum);
                }
            }
            for (row, sum) in sums.iter().enumerate() {
                let [upper, lower] = totals(*sum);
                // SAFETY: room for the rows of all groups is the caller's promise.
                unsafe {
                    let at = batch.outputs[row].add(group);
                    at.write(upper);
                    if !is_alone {
                        at.add(1).write(lower);
                    }
                }
            }
        }
    }
}

/// What belongs to a whole super-block of each row.
struct Scales {
    /// Of each row: those of the first sixteen of each 32 columns, then those of the second.
    of_sixteens: __m512i,
    /// −32 · every scale, in the columns' order.
    corrections: __m512i,
    /// Of the scales.
    scale: __m512,
}

impl Scales {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
    #[inline]
    fn of([upper, lower]: [&WeightBlock; 2]) -> Scales {
        // SAFETY: a block has sixteen scales of one byte.
        let scales = unsafe {
            let scales = |block: &WeightBlock| _mm_loadu_si128(block.scales.as_ptr().cast());
            _mm256_set_m128i(scales(lower), scales(upper))
        };
        let halves = _mm256_set_m128i(
            _mm_set1_epi16(lower.scale.cast_signed()),
            _mm_set1_epi16(upper.scale.cast_signed()),
        );
        let apart =
            _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15));
        let negative = _mm512_sub_epi16(_mm512_setzero_si512(), _mm512_cvtepi8_epi16(scales));
        Scales {
            of_sixteens: _mm512_cvtepi8_epi16(_mm256_shuffle_epi8(scales, apart)),
            corrections: _mm512_slli_epi16::<5>(negative),
            scale: _mm512_cvtph_ps(halves),
        }
    }

    /// What the products of weights of 0..63 are too large by, less than nothing: the lanes' whole numbers start with it.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
    #[inline]
    fn correction(&self, activation: &ActivationBlockK) -> __m512i {
        // SAFETY: sixteen sums of two bytes.
        let sums = unsafe { _mm256_loadu_si256(activation.sums.as_ptr().cast()) };
        add_products_512(_mm512_setzero_si512(), _mm512_broadcast_i64x4(sums), self.corrections)
    }
}

/// Half of a super-block of each row, 128 columns.
struct Half {
    /// 32 columns each, as 0..63.
    weights: [__m512i; 4],
    /// Theirs, one for every two weights.
    scales: [__m512i; 4],
}

impl Half {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
    #[inline]
    fn of([upper, lower]: [&WeightBlock; 2], scales: &Scales, part: usize) -> Half {
        let low = |at: usize| load_both([upper, lower].map(|block| &block.low.as_chunks().0[at]));
        let (first, second) = (low(2 * part), low(2 * part + 1));
        let high = load_both([upper, lower].map(|block| &block.high.as_chunks().0[part]));
        // Four bits of the first and what is above them in the second, less what is above that.
        let joined = |low: __m512i, high: __m512i| {
            let both = _mm512_ternarylogic_epi32::<0xca>(_mm512_set1_epi8(15), low, high);
            _mm512_and_si512(both, _mm512_set1_epi8(63))
        };
        Half {
            weights: [
                joined(first, _mm512_slli_epi16::<4>(high)),
                joined(second, _mm512_slli_epi16::<2>(high)),
                joined(_mm512_srli_epi16::<4>(first), high),
                joined(_mm512_srli_epi16::<4>(second), _mm512_srli_epi16::<2>(high)),
            ],
            scales: std::array::from_fn(|quarter| {
                // The two bytes of one number of each eight.
                let number = _mm512_set1_epi16(((4 * part + quarter) * 0x0202 + 0x0100) as i16);
                _mm512_shuffle_epi8(scales.of_sixteens, number)
            }),
        }
    }

    /// Adds the products with 128 columns of a row of activations.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
    #[inline]
    fn add(&self, mut whole: __m512i, values: &[i8; 128]) -> __m512i {
        for (quarter, values) in values.as_chunks().0.iter().enumerate() {
            // Two byte products sum within 16 bits (2 · 63 · 127 < 32,768).
            let pairs = _mm512_maddubs_epi16(self.weights[quarter], _mm512_broadcast_i64x4(load(values)));
            whole = add_products_512(whole, pairs, self.scales[quarter]);
        }
        whole
    }
}
