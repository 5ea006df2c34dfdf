//! Q4_K and Q5_K with 256-bit vectors, one row of weights at a time: with AVX2 alone, or AVX-VNNI's sum of two products.

use std::arch::x86_64::{
    __m256, __m256i, _mm_cvtss_f32, _mm_set1_epi16, _mm_set1_epi64x, _mm_unpacklo_epi8, _mm256_add_epi32,
    _mm256_and_si256, _mm256_cvtepi32_ps, _mm256_cvtepu8_epi16, _mm256_cvtph_ps, _mm256_cvtss_f32,
    _mm256_fmadd_ps, _mm256_fnmadd_ps, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16,
    _mm256_mul_ps, _mm256_or_si256, _mm256_permute2x128_si256, _mm256_set1_epi8, _mm256_set1_epi16,
    _mm256_set1_ps, _mm256_setzero_ps, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_shuffle_epi32,
    _mm256_slli_epi16, _mm256_srli_epi16,
};

use super::super::activation_k::ActivationBlockK;
use super::super::kernel::{Batch, Rows};
use super::super::six_bits;
use super::super::vectors::{add_products, add_products_at_once, every_second, load, prefetch, total};
use super::WeightBlock;

/// Blocks that the prefetch runs ahead.
const AHEAD: usize = 14;

/// With AVX2, FMA and F16C.
pub struct Avx2<const HIGH: usize>;
/// With AVX-VNNI beside those.
pub struct AvxVnni<const HIGH: usize>;

/// The two kernels differ in one function and the instructions it may use.
macro_rules! kernel {
    ($set:ident, $features:literal, $add:ident) => {
        impl<const HIGH: usize> Rows for $set<HIGH> {
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
                    let mut least = [_mm256_setzero_ps(); ROWS];
                    for index in 0..blocks {
                        // SAFETY: so many blocks there are, in the weights and in every row, by the caller's promise.
                        let (block, activations) = unsafe {
                            let block = &*weights.cast::<WeightBlock<HIGH>>().add(group * blocks + index);
                            (block, std::array::from_fn::<_, ROWS, _>(|row| &*activations[row].add(index)))
                        };
                        let scales = Scales::of(block);
                        let mut wholes = [_mm256_setzero_si256(); ROWS];
                        // Half a block's weights and scales fit the sixteen registers.
                        for part in 0..2 {
                            let half = Half::of(block, &scales, part);
                            for (whole, activation) in wholes.iter_mut().zip(activations) {
                                let chunks = activation.values.as_chunks::<32>().0;
                                for quarter in 0..4 {
                                    let values = load(&chunks[4 * part + quarter]);
                                    // Two byte products sum within 16 bits (2 · 31 · 127 < 32,768).
                                    let pairs = _mm256_maddubs_epi16(half.weights[quarter], values);
                                    *whole = $add(*whole, pairs, half.scales[quarter]);
                                }
                            }
                        }
                        for (row, activation) in activations.iter().enumerate() {
                            let scale = |scales| _mm256_mul_ps(scales, _mm256_set1_ps(activation.scale));
                            let whole = _mm256_cvtepi32_ps(wholes[row]);
                            sums[row] = _mm256_fmadd_ps(scale(scales.of_scales), whole, sums[row]);
                            let whole = _mm256_cvtepi32_ps(minima::<HIGH>(scales.minima, activation));
                            least[row] = _mm256_fnmadd_ps(scale(scales.of_minima), whole, least[row]);
                        }
                    }
                    for row in 0..ROWS {
                        let result = total(sums[row]) + total_of_minima::<HIGH>(least[row]);
                        // SAFETY: room for the rows of all groups is the caller's promise.
                        unsafe { batch.outputs[row].add(group).write(result) };
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
    /// Of 32 columns each, in both halves.
    scales: __m256i,
    /// Of 32 columns each, twice.
    minima: __m256i,
    /// Of the scales.
    of_scales: __m256,
    /// Of the minima.
    of_minima: __m256,
}

impl Scales {
    /// Asks also for what lies some way ahead.
    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    fn of<const HIGH: usize>(block: &WeightBlock<HIGH>) -> Scales {
        prefetch(std::ptr::from_ref(block).wrapping_add(AHEAD));
        let [scales, minima] = six_bits::unpack(&block.packed).map(i64::from_le_bytes);
        let minima = _mm_set1_epi64x(minima);
        let single = |half: u16| _mm256_cvtph_ps(_mm_set1_epi16(half.cast_signed()));
        Scales {
            scales: _mm256_cvtepu8_epi16(_mm_set1_epi64x(scales)),
            minima: _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(minima, minima)),
            of_scales: single(block.scale),
            of_minima: single(block.minimum),
        }
    }
}

/// Half of a super-block, 128 columns.
struct Half {
    /// 32 columns each, as 0..15 or 0..31.
    weights: [__m256i; 4],
    /// Theirs, one for every two weights.
    scales: [__m256i; 4],
}

impl Half {
    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    fn of<const HIGH: usize>(block: &WeightBlock<HIGH>, scales: &Scales, part: usize) -> Half {
        let bits = |bytes: __m256i, bits: i8| _mm256_and_si256(bytes, _mm256_set1_epi8(bits));
        let nibbles = block.nibbles.as_chunks().0;
        let (first, second) = (load(&nibbles[2 * part]), load(&nibbles[2 * part + 1]));
        let mut weights = [first, _mm256_srli_epi16::<4>(first), second, _mm256_srli_epi16::<4>(second)]
            .map(|low| bits(low, 15));
        if let Some(high) = block.high.first_chunk() {
            let high = load(high);
            // Every fourth bit from `part * 4` on belongs here: the lowest of these to the fifth place.
            let high = if part == 0 { _mm256_slli_epi16::<4>(high) } else { high };
            let fifths = [
                high,
                _mm256_srli_epi16::<1>(high),
                _mm256_srli_epi16::<2>(high),
                _mm256_srli_epi16::<3>(high),
            ];
            for (weight, fifth) in weights.iter_mut().zip(fifths) {
                *weight = _mm256_or_si256(*weight, bits(fifth, 16));
            }
        }
        Half {
            weights,
            scales: std::array::from_fn(|quarter| {
                // The two bytes of one number of each half.
                let number = _mm256_set1_epi16(((4 * part + quarter) * 0x0202 + 0x0100) as i16);
                _mm256_shuffle_epi8(scales.scales, number)
            }),
        }
    }
}

/// The whole numbers of the minima: in every two lanes those of 64 columns, or everywhere of all.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn minima<const HIGH: usize>(minima: __m256i, activation: &ActivationBlockK) -> __m256i {
    // SAFETY: sixteen sums of two bytes.
    let sums = unsafe { _mm256_loadu_si256(activation.sums.as_ptr().cast()) };
    let eight = _mm256_madd_epi16(minima, sums);
    let four = _mm256_add_epi32(eight, _mm256_shuffle_epi32::<0b_10_11_00_01>(eight));
    if !WeightBlock::<HIGH>::MINIMA_AS_ONE {
        return four;
    }
    let two = _mm256_add_epi32(four, _mm256_shuffle_epi32::<0b_01_00_11_10>(four));
    _mm256_add_epi32(two, _mm256_permute2x128_si256::<0x01>(two, two))
}

/// The lanes together, in llama.cpp's order.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn total_of_minima<const HIGH: usize>(least: __m256) -> f32 {
    if WeightBlock::<HIGH>::MINIMA_AS_ONE {
        _mm256_cvtss_f32(least)
    } else {
        _mm_cvtss_f32(every_second(least))
    }
}
