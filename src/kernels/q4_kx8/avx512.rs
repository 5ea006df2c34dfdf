//! Interleaved Q4_K with AVX-512 VNNI: sixteen rows of weights, two groups, at a time.
//!
//! A vector of nibbles holds eight columns of each row of a group, and is multiplied as it lies. The products of 32 columns end in
//! two numbers of 16 bits a row; those of both groups fit one vector, which is multiplied with the scales: each quarter of it
//! holds two rows of the first group and the same two of the second.

use std::arch::x86_64::{
    __m512, __m512i, _MM_HINT_T0, _mm_loadu_si128, _mm_prefetch, _mm_unpackhi_epi32, _mm_unpacklo_epi32,
    _mm256_set_m128i, _mm256_storeu_ps, _mm512_and_si512, _mm512_broadcast_i32x4, _mm512_castps512_ps256,
    _mm512_cvtepi32_ps, _mm512_cvtph_ps, _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_loadu_si512,
    _mm512_mul_ps, _mm512_or_si512, _mm512_packs_epi32, _mm512_permutexvar_epi32, _mm512_permutexvar_ps,
    _mm512_set1_epi8, _mm512_set1_epi32, _mm512_set1_epi64, _mm512_set1_ps, _mm512_setr_epi32,
    _mm512_setzero_ps, _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_srli_epi16, _mm512_srlv_epi32,
    _mm512_storeu_ps, _mm512_storeu_si512, _mm512_sub_ps, _mm512_unpackhi_epi64, _mm512_unpacklo_epi64,
};

use super::super::activation_k::ActivationBlockK;
use super::super::kernel::{Batch, Rows};
use super::super::vectors::add_products_512;
use super::WeightBlock;

/// Blocks that the prefetch runs ahead, in each of the two groups.
const AHEAD: usize = 2;

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
            // A last group without a neighbour is multiplied twice; its second result is not stored.
            let is_alone = group + 1 == groups;
            let first = weights.wrapping_add(group * blocks);
            let second = if is_alone { first } else { first.wrapping_add(blocks) };
            let mut sums = [_mm512_setzero_ps(); ROWS];
            let mut least = [_mm512_setzero_ps(); ROWS];
            for index in 0..blocks {
                // Where the first group ends, the next pair begins behind the second.
                let ahead = if index + AHEAD < blocks { index + AHEAD } else { index + AHEAD + blocks };
                let ahead = [first, second].map(|group| group.wrapping_add(ahead).cast::<i8>());
                // SAFETY: so many blocks there are, in both groups and in every row, by the caller's promise.
                let (pair, activations) = unsafe {
                    let pair = [&*first.add(index), &*second.add(index)];
                    (pair, std::array::from_fn::<_, ROWS, _>(|row| &*activations[row].add(index)))
                };
                prefetch::<2>(ahead);
                let scales = Scales::of(pair);
                let mut wholes = [_mm512_setzero_si512(); ROWS];
                // The weights of a quarter and eight rows' sums fit the registers.
                for part in 0..4 {
                    prefetch::<4>(ahead.map(|group| group.wrapping_add(128 + 256 * part)));
                    let quarter = Quarter::of(pair, &scales, part);
                    for (whole, activation) in wholes.iter_mut().zip(activations) {
                        *whole = quarter.add(*whole, &activation.values.as_chunks().0[part]);
                    }
                }
                let minima = scales.minima();
                for (row, activation) in activations.iter().enumerate() {
                    let scale = |scales: __m512| _mm512_mul_ps(scales, _mm512_set1_ps(activation.scale));
                    let whole = _mm512_cvtepi32_ps(wholes[row]);
                    sums[row] = _mm512_fmadd_ps(whole, scale(scales.of_scales), sums[row]);
                    let mut whole = _mm512_setzero_si512();
                    for (minima, sums) in minima.iter().zip(activation.pairs_of_sums()) {
                        whole = add_products_512(whole, *minima, _mm512_set1_epi32(sums));
                    }
                    let whole = _mm512_cvtepi32_ps(whole);
                    least[row] = _mm512_fmadd_ps(whole, scale(scales.of_minima), least[row]);
                }
            }
            let order = _mm512_setr_epi32(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
            for row in 0..ROWS {
                let results = _mm512_permutexvar_ps(order, _mm512_sub_ps(sums[row], least[row]));
                // SAFETY: room for the rows of all groups is the caller's promise.
                unsafe {
                    let at = batch.outputs[row].add(group * 8);
                    if is_alone {
                        _mm256_storeu_ps(at, _mm512_castps512_ps256(results));
                    } else {
                        _mm512_storeu_ps(at, results);
                    }
                }
            }
        }
    }
}

/// What belongs to whole super-blocks of both groups.
struct Scales {
    /// Of each 32 columns, the scales of the first group and of the second.
    scales: [[u8; 16]; 8],
    /// Likewise, the minima.
    minima: [[u8; 16]; 8],
    /// Of the scales.
    of_scales: __m512,
    /// Of the minima.
    of_minima: __m512,
}

impl Scales {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
    #[inline]
    fn of([upper, lower]: [&WeightBlock; 2]) -> Scales {
        let halves = |upper: &[u16; 8], lower: &[u16; 8]| {
            // SAFETY: eight halves are 16 bytes.
            let [upper, lower] =
                [upper, lower].map(|halves| unsafe { _mm_loadu_si128(halves.as_ptr().cast()) });
            _mm512_cvtph_ps(_mm256_set_m128i(
                _mm_unpackhi_epi32(upper, lower),
                _mm_unpacklo_epi32(upper, lower),
            ))
        };
        let mut scales = Scales {
            scales: [[0; 16]; 8],
            minima: [[0; 16]; 8],
            of_scales: halves(&upper.scales, &lower.scales),
            of_minima: halves(&upper.minima, &lower.minima),
        };
        for half in 0..2 {
            let [upper, lower] = [upper, lower].map(|block| four_unpacked(block, half));
            // SAFETY: four times sixteen bytes.
            unsafe {
                let at = |bytes: &mut [[u8; 16]; 8]| bytes[4 * half..].as_mut_ptr().cast::<__m512i>();
                _mm512_storeu_si512(at(&mut scales.scales), _mm512_unpacklo_epi64(upper, lower));
                _mm512_storeu_si512(at(&mut scales.minima), _mm512_unpackhi_epi64(upper, lower));
            }
        }
        scales
    }

    /// Those of each 32 columns.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
    #[inline]
    fn minima(&self) -> [__m512i; 8] {
        std::array::from_fn(|part| twice(&self.minima[part]))
    }
}

/// Four times eight scales and eight minima of a group; see [`six_bits`](super::super::six_bits).
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
#[inline]
fn four_unpacked(block: &WeightBlock, half: usize) -> __m512i {
    let packed = std::ptr::from_ref(block).cast::<u8>().wrapping_add(32 + 48 * half);
    // SAFETY: 64 bytes from there on, of which 48 count, lie in the block.
    let packed = unsafe { _mm512_loadu_si512(packed.cast()) };
    let four = |first, second, third, fourth| {
        _mm512_setr_epi32(
            first, second, third, fourth, first, second, third, fourth, first, second, third, fourth, first,
            second, third, fourth,
        )
    };
    let firsts = _mm512_setr_epi32(0, 0, 1, 1, 3, 3, 4, 4, 6, 6, 7, 7, 9, 9, 10, 10);
    let rests = _mm512_setr_epi32(2, 2, 2, 2, 5, 5, 5, 5, 8, 8, 8, 8, 11, 11, 11, 11);
    let firsts = _mm512_srlv_epi32(_mm512_permutexvar_epi32(firsts, packed), four(0, 2, 0, 2));
    let rests = _mm512_srlv_epi32(_mm512_permutexvar_epi32(rests, packed), four(0, 0, 0, 4));
    _mm512_or_si512(
        _mm512_and_si512(firsts, four(0x3f3f_3f3f, 0x3030_3030, 0x3f3f_3f3f, 0x3030_3030)),
        _mm512_and_si512(rests, four(0, 0x0f0f_0f0f, 0, 0x0f0f_0f0f)),
    )
}

/// Numbers of both groups' rows, each twice as 16 bits, in the rows' order.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
#[inline]
fn twice(numbers: &[u8; 16]) -> __m512i {
    // Of a pair of rows the number in the first group, then eight further; above each number nothing.
    let pair = |first: i32| 0x8000_8000_u32.cast_signed() | first << 16 | first;
    let order = _mm512_setr_epi32(
        pair(0),
        pair(1),
        pair(8),
        pair(9),
        pair(2),
        pair(3),
        pair(10),
        pair(11),
        pair(4),
        pair(5),
        pair(12),
        pair(13),
        pair(6),
        pair(7),
        pair(14),
        pair(15),
    );
    // SAFETY: sixteen bytes.
    let numbers = unsafe { _mm_loadu_si128(numbers.as_ptr().cast()) };
    _mm512_shuffle_epi8(_mm512_broadcast_i32x4(numbers), order)
}

/// 64 columns of both groups.
struct Quarter {
    /// Of each 32 columns, each group's eight at a time, as 0..15.
    weights: [[[__m512i; 4]; 2]; 2],
    /// Of each 32 columns, for two numbers a row.
    scales: [__m512i; 2],
}

impl Quarter {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
    #[inline]
    fn of(pair: [&WeightBlock; 2], scales: &Scales, part: usize) -> Quarter {
        let loaded = pair.map(|block| {
            let at: &[[u8; 64]; 4] = &block.nibbles.as_chunks().0.as_chunks().0[part];
            // SAFETY: of this length.
            at.each_ref().map(|bytes| unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) })
        });
        let nibbles = |bytes: __m512i| _mm512_and_si512(bytes, _mm512_set1_epi8(15));
        Quarter {
            weights: [
                loaded.map(|group| group.map(nibbles)),
                loaded.map(|group| group.map(|bytes| nibbles(_mm512_srli_epi16::<4>(bytes)))),
            ],
            scales: [twice(&scales.scales[2 * part]), twice(&scales.scales[2 * part + 1])],
        }
    }

    /// Adds the products with 64 columns of a row of activations.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
    #[inline]
    fn add(&self, mut whole: __m512i, values: &[i8; 64]) -> __m512i {
        for (part, values) in values.as_chunks::<32>().0.iter().enumerate() {
            let mut products = [_mm512_setzero_si512(); 2];
            for (at, eight) in values.as_chunks::<8>().0.iter().enumerate() {
                let eight = _mm512_set1_epi64(i64::from_le_bytes(eight.map(i8::cast_unsigned)));
                for (product, weights) in products.iter_mut().zip(&self.weights[part]) {
                    *product = _mm512_dpbusd_epi32(*product, weights[at], eight);
                }
            }
            // Sixteen products are within 16 bits (16 · 15 · 127 < 32,768).
            let products = _mm512_packs_epi32(products[0], products[1]);
            whole = add_products_512(whole, products, self.scales[part]);
        }
        whole
    }
}

/// Asks for some lines of both groups; they may lie anywhere.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
#[inline]
fn prefetch<const LINES: usize>(groups: [*const i8; 2]) {
    for group in groups {
        for line in 0..LINES {
            _mm_prefetch::<_MM_HINT_T0>(group.wrapping_add(64 * line));
        }
    }
}
