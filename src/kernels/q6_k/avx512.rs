//! Q6_K with AVX-512 VNNI: two rows of weights at a time, one in each half of a vector.

use std::arch::x86_64::{
    __m256i, __m512, __m512i, _MM_HINT_T0, _mm_cvtss_f32, _mm_loadu_si128, _mm_prefetch, _mm_set1_epi16,
    _mm256_loadu_si256, _mm256_set_m128i, _mm512_add_ps, _mm512_and_si512, _mm512_broadcast_i64x4,
    _mm512_castps512_ps128, _mm512_castsi256_si512, _mm512_cvtepi8_epi16, _mm512_cvtepi32_ps,
    _mm512_cvtph_ps, _mm512_dpwssd_epi32, _mm512_extractf32x4_ps, _mm512_fmadd_ps, _mm512_inserti64x4,
    _mm512_maddubs_epi16, _mm512_movehdup_ps, _mm512_mul_ps, _mm512_permute_ps, _mm512_permutexvar_epi16,
    _mm512_set_epi16, _mm512_set1_epi8, _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512,
    _mm512_shuffle_f32x4, _mm512_slli_epi16, _mm512_srli_epi16, _mm512_sub_epi16, _mm512_ternarylogic_epi32,
};

use super::super::activation_k::ActivationBlockK;
use super::super::kernel::{Batch, Rows};
use super::WeightBlock;

/// Blocks that the prefetch runs ahead, in each of the two rows.
const AHEAD: usize = 8;

/// With AVX-512 F, BW, VL and VNNI, FMA and F16C.
pub struct Avx512Vnni;

impl Rows for Avx512Vnni {
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
                // SAFETY: both rows have so many blocks, by the caller's promise.
                let block = unsafe { Unpacked::of(&*first.add(index), &*second.add(index)) };
                for (row, sum) in sums.iter_mut().enumerate() {
                    // SAFETY: every row of activations has so many blocks, by the caller's promise.
                    let activation = unsafe { &*activations[row].add(index) };
                    let scale = _mm512_mul_ps(block.scale, _mm512_set1_ps(activation.scale));
                    *sum = _mm512_fmadd_ps(scale, _mm512_cvtepi32_ps(block.dot(activation)), *sum);
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

/// A super-block of two rows.
struct Unpacked {
    /// 32 columns each, as 0..63.
    weights: [__m512i; 8],
    /// Theirs, one for every two weights.
    scales: [__m512i; 8],
    /// −32 · every scale: with the sums of sixteen activations what the weights are too large by.
    corrections: __m512i,
    /// Of the scales.
    scale: __m512,
}

impl Unpacked {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
    #[inline]
    fn of(upper: &WeightBlock, lower: &WeightBlock) -> Unpacked {
        let low = |at: usize| both(&upper.low.as_chunks().0[at], &lower.low.as_chunks().0[at]);
        let high = |at: usize| both(&upper.high.as_chunks().0[at], &lower.high.as_chunks().0[at]);
        // Four bits of the first and what is above them in the second, less what is above that.
        let joined = |low: __m512i, high: __m512i| {
            let both = _mm512_ternarylogic_epi32::<0xca>(_mm512_set1_epi8(15), low, high);
            _mm512_and_si512(both, _mm512_set1_epi8(63))
        };
        let half = |part: usize| {
            let (first, second, high) = (low(2 * part), low(2 * part + 1), high(part));
            [
                joined(first, _mm512_slli_epi16::<4>(high)),
                joined(second, _mm512_slli_epi16::<2>(high)),
                joined(_mm512_srli_epi16::<4>(first), high),
                joined(_mm512_srli_epi16::<4>(second), _mm512_srli_epi16::<2>(high)),
            ]
        };
        let ([a, b, c, d], [e, f, g, h]) = (half(0), half(1));

        // SAFETY: a block has sixteen scales of one byte.
        let scales = unsafe {
            let scales = |block: &WeightBlock| _mm_loadu_si128(block.scales.as_ptr().cast());
            _mm512_cvtepi8_epi16(_mm256_set_m128i(scales(lower), scales(upper)))
        };
        let halves = _mm256_set_m128i(
            _mm_set1_epi16(lower.scale.cast_signed()),
            _mm_set1_epi16(upper.scale.cast_signed()),
        );
        Unpacked {
            weights: [a, b, c, d, e, f, g, h],
            scales: std::array::from_fn(|part| {
                let (even, odd) = (2 * part as i16, 2 * part as i16 + 1);
                #[rustfmt::skip]
                let order = _mm512_set_epi16(
                    16 + odd, 16 + odd, 16 + odd, 16 + odd, 16 + odd, 16 + odd, 16 + odd, 16 + odd,
                    16 + even, 16 + even, 16 + even, 16 + even, 16 + even, 16 + even, 16 + even, 16 + even,
                    odd, odd, odd, odd, odd, odd, odd, odd, even, even, even, even, even, even, even, even,
                );
                _mm512_permutexvar_epi16(order, scales)
            }),
            corrections: _mm512_slli_epi16::<5>(_mm512_sub_epi16(_mm512_setzero_si512(), scales)),
            scale: _mm512_cvtph_ps(halves),
        }
    }

    /// The whole numbers of eight lanes of each row. Two byte products sum within 16 bits (2 · 63 · 127 < 32,768).
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
    #[inline]
    fn dot(&self, activation: &ActivationBlockK) -> __m512i {
        // SAFETY: sixteen sums of two bytes.
        let sums = unsafe { _mm256_loadu_si256(activation.sums.as_ptr().cast()) };
        let mut whole =
            _mm512_dpwssd_epi32(_mm512_setzero_si512(), _mm512_broadcast_i64x4(sums), self.corrections);
        let chunks = activation.values.as_chunks::<32>().0;
        for (part, values) in chunks.iter().enumerate() {
            // SAFETY: 32 bytes.
            let values = unsafe { _mm512_broadcast_i64x4(_mm256_loadu_si256(values.as_ptr().cast())) };
            let pairs = _mm512_maddubs_epi16(self.weights[part], values);
            whole = _mm512_dpwssd_epi32(whole, pairs, self.scales[part]);
        }
        whole
    }
}

/// 32 bytes of two rows.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
#[inline]
fn both(upper: &[u8; 32], lower: &[u8; 32]) -> __m512i {
    // SAFETY: of this length.
    let load = |bytes: &[u8; 32]| unsafe { _mm256_loadu_si256(bytes.as_ptr().cast::<__m256i>()) };
    _mm512_inserti64x4::<1>(_mm512_castsi256_si512(load(upper)), load(lower))
}

/// The lanes of each row together, in llama.cpp's order.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
#[inline]
fn totals(sums: __m512) -> [f32; 2] {
    let four = _mm512_add_ps(_mm512_shuffle_f32x4::<0b_10_11_00_01>(sums, sums), sums);
    let two = _mm512_add_ps(four, _mm512_permute_ps::<0b_01_00_11_10>(four));
    let one = _mm512_add_ps(two, _mm512_movehdup_ps(two));
    [_mm_cvtss_f32(_mm512_castps512_ps128(one)), _mm_cvtss_f32(_mm512_extractf32x4_ps::<2>(one))]
}

/// Asks for a block; it may lie anywhere.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
#[inline]
fn prefetch(block: *const WeightBlock) {
    let at = block.cast::<i8>();
    for line in [0, 64, 128, 192] {
        _mm_prefetch::<_MM_HINT_T0>(at.wrapping_add(line));
    }
}
