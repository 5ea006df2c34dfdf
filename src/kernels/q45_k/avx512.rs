//! Q4_K and Q5_K with AVX-512 VNNI: two rows of weights at a time, one in each half of a vector.

use std::arch::x86_64::{
    __m512, __m512i, _mm_set1_epi16, _mm_set1_epi64x, _mm_unpacklo_epi8, _mm256_loadu_si256,
    _mm256_set_epi64x, _mm256_set_m128i, _mm512_add_epi32, _mm512_and_si512, _mm512_broadcast_i64x4,
    _mm512_cvtepi32_ps, _mm512_cvtepu8_epi16, _mm512_cvtph_ps, _mm512_fmadd_ps, _mm512_fnmadd_ps,
    _mm512_madd_epi16, _mm512_maddubs_epi16, _mm512_mul_ps, _mm512_or_si512, _mm512_set1_epi8,
    _mm512_set1_epi16, _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512, _mm512_shuffle_epi8,
    _mm512_shuffle_epi32, _mm512_shuffle_i32x4, _mm512_slli_epi16, _mm512_srli_epi16,
};

use super::super::activation_k::ActivationBlockK;
use super::super::kernel::{Batch, Rows};
use super::super::six_bits;
use super::super::vectors::{add_products_512, every_second_512, firsts, load, load_both, prefetch, totals};
use super::WeightBlock;

/// Blocks that the prefetch runs ahead, in each of the two rows.
const AHEAD: usize = 12;

/// With AVX-512 F, BW, VL and VNNI, FMA and F16C.
pub struct Avx512Vnni<const HIGH: usize>;

impl<const HIGH: usize> Rows for Avx512Vnni<HIGH> {
    /// # Safety
    /// See [`Rows::rows`]; the processor has the instructions.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
    unsafe fn rows<const ROWS: usize>(weights: *const u8, blocks: usize, groups: usize, batch: &Batch) {
        let weights = weights.cast::<WeightBlock<HIGH>>();
        let activations = batch.activations.map(<*const u8>::cast::<ActivationBlockK>);
        for group in (0..groups).step_by(2) {
            // A last row without a neighbour is multiplied twice; its second result is not stored.
            let is_alone = group + 1 == groups;
            let first = weights.wrapping_add(group * blocks);
            let second = if is_alone { first } else { first.wrapping_add(blocks) };
            let mut sums = [_mm512_setzero_ps(); ROWS];
            let mut least = [_mm512_setzero_ps(); ROWS];
            for index in 0..blocks {
                // Where the first row ends, the next pair's begins behind the second.
                let ahead = if index + AHEAD < blocks { index + AHEAD } else { index + AHEAD + blocks };
                prefetch(first.wrapping_add(ahead));
                prefetch(second.wrapping_add(ahead));
                // SAFETY: so many blocks there are, in both rows and in every row of activations, by the caller's promise.
                let (pair, activations) = unsafe {
                    let pair = [&*first.add(index), &*second.add(index)];
                    (pair, std::array::from_fn::<_, ROWS, _>(|row| &*activations[row].add(index)))
                };
                let unpacked = Unpacked::of(pair);
                for (row, activation) in activations.iter().enumerate() {
                    let scale = |scales| _mm512_mul_ps(scales, _mm512_set1_ps(activation.scale));
                    let whole = _mm512_cvtepi32_ps(unpacked.dot(activation));
                    sums[row] = _mm512_fmadd_ps(scale(unpacked.of_scales), whole, sums[row]);
                    let whole = _mm512_cvtepi32_ps(minima::<HIGH>(unpacked.minima, activation));
                    least[row] = _mm512_fnmadd_ps(scale(unpacked.of_minima), whole, least[row]);
                }
            }
            for row in 0..ROWS {
                let (products, minima) = (totals(sums[row]), totals_of_minima::<HIGH>(least[row]));
                // SAFETY: room for the rows of all groups is the caller's promise.
                unsafe {
                    let at = batch.outputs[row].add(group);
                    at.write(products[0] + minima[0]);
                    if !is_alone {
                        at.add(1).write(products[1] + minima[1]);
                    }
                }
            }
        }
    }
}

/// A super-block of both rows.
struct Unpacked {
    /// 32 columns each, as 0..15 or 0..31.
    weights: [__m512i; 8],
    /// Theirs, one for every two weights.
    scales: [__m512i; 8],
    /// Of 32 columns each, twice.
    minima: __m512i,
    /// Of the scales.
    of_scales: __m512,
    /// Of the minima.
    of_minima: __m512,
}

impl Unpacked {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
    #[inline]
    fn of<const HIGH: usize>(pair: [&WeightBlock<HIGH>; 2]) -> Unpacked {
        let bits = |bytes: __m512i, bits: i8| _mm512_and_si512(bytes, _mm512_set1_epi8(bits));
        let mut weights = std::array::from_fn(|part| {
            let low = load_both(pair.map(|block| &block.nibbles.as_chunks().0[part / 2]));
            bits(if part % 2 == 0 { low } else { _mm512_srli_epi16::<4>(low) }, 15)
        });
        if let [Some(upper), Some(lower)] = pair.map(|block| block.high.first_chunk()) {
            // The lowest four bits to the fifth place; there stands the first of the others already.
            let high = load_both([upper, lower]);
            for (at, high) in [_mm512_slli_epi16::<4>(high), high].into_iter().enumerate() {
                let fifths = [
                    high,
                    _mm512_srli_epi16::<1>(high),
                    _mm512_srli_epi16::<2>(high),
                    _mm512_srli_epi16::<3>(high),
                ];
                for (weight, fifth) in weights[4 * at..].iter_mut().zip(fifths) {
                    *weight = _mm512_or_si512(*weight, bits(fifth, 16));
                }
            }
        }

        let packed = pair.map(|block| six_bits::unpack(&block.packed).map(i64::from_le_bytes));
        let [[upper_scales, upper_minima], [lower_scales, lower_minima]] = packed;
        let scales =
            _mm512_cvtepu8_epi16(_mm256_set_epi64x(lower_scales, lower_scales, upper_scales, upper_scales));
        let [upper, lower] = [upper_minima, lower_minima]
            .map(|minima| _mm_set1_epi64x(minima))
            .map(|minima| _mm_unpacklo_epi8(minima, minima));
        let minima = _mm512_cvtepu8_epi16(_mm256_set_m128i(lower, upper));
        let single = |halves: [u16; 2]| {
            let [upper, lower] = halves.map(|half| _mm_set1_epi16(half.cast_signed()));
            _mm512_cvtph_ps(_mm256_set_m128i(lower, upper))
        };
        Unpacked {
            weights,
            scales: std::array::from_fn(|part| {
                // The two bytes of one number of each eight.
                _mm512_shuffle_epi8(scales, _mm512_set1_epi16(part as i16 * 0x0202 + 0x0100))
            }),
            minima,
            of_scales: single(pair.map(|block| block.scale)),
            of_minima: single(pair.map(|block| block.minimum)),
        }
    }

    /// The whole numbers of eight lanes of each row. Two byte products sum within 16 bits (2 · 31 · 127 < 32,768).
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
    #[inline]
    fn dot(&self, activation: &ActivationBlockK) -> __m512i {
        let mut whole = _mm512_setzero_si512();
        for (part, values) in activation.values.as_chunks().0.iter().enumerate() {
            let pairs = _mm512_maddubs_epi16(self.weights[part], _mm512_broadcast_i64x4(load(values)));
            whole = add_products_512(whole, pairs, self.scales[part]);
        }
        whole
    }
}

/// The whole numbers of the minima in eight lanes of each row: in every two those of 64 columns, or everywhere of all.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
#[inline]
fn minima<const HIGH: usize>(minima: __m512i, activation: &ActivationBlockK) -> __m512i {
    // SAFETY: sixteen sums of two bytes.
    let sums = unsafe { _mm256_loadu_si256(activation.sums.as_ptr().cast()) };
    let eight = _mm512_madd_epi16(minima, _mm512_broadcast_i64x4(sums));
    let four = _mm512_add_epi32(eight, _mm512_shuffle_epi32::<0b_10_11_00_01>(eight));
    if !WeightBlock::<HIGH>::MINIMA_AS_ONE {
        return four;
    }
    let two = _mm512_add_epi32(four, _mm512_shuffle_epi32::<0b_01_00_11_10>(four));
    _mm512_add_epi32(two, _mm512_shuffle_i32x4::<0b_10_11_00_01>(two, two))
}

/// The lanes of each row together, in llama.cpp's order.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
#[inline]
fn totals_of_minima<const HIGH: usize>(least: __m512) -> [f32; 2] {
    firsts(if WeightBlock::<HIGH>::MINIMA_AS_ONE { least } else { every_second_512(least) })
}
