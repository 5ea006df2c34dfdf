//! Interleaved Q4_K with 256-bit vectors, one group of eight rows at a time: with AVX2's byte products or AVX-VNNI's dot product.
//!
//! A vector of nibbles holds eight columns of four rows, and is multiplied as it lies. The products of 32 columns end in two
//! numbers of 16 bits a row, in the order of rows 0 1 4 5 2 3 6 7, and are multiplied with the scales in that order.

use std::arch::x86_64::{
    __m256, __m256i, _MM_HINT_T0, _mm_loadu_si128, _mm_prefetch, _mm_shuffle_epi32, _mm256_add_epi16,
    _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_cvtepi32_ps, _mm256_cvtph_ps,
    _mm256_dpbusd_avx_epi32, _mm256_fmadd_ps, _mm256_hadd_epi16, _mm256_loadu_si256, _mm256_maddubs_epi16,
    _mm256_mul_ps, _mm256_or_si256, _mm256_packs_epi32, _mm256_permutevar8x32_epi32,
    _mm256_permutevar8x32_ps, _mm256_set1_epi8, _mm256_set1_epi32, _mm256_set1_epi64x, _mm256_set1_ps,
    _mm256_setr_epi32, _mm256_setzero_ps, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi16,
    _mm256_srlv_epi32, _mm256_storeu_ps, _mm256_storeu_si256, _mm256_sub_ps,
};

use super::super::activation_k::ActivationBlockK;
use super::super::kernel::{Batch, Rows};
use super::super::vectors::{add_products, add_products_at_once};
use super::WeightBlock;

/// Blocks that the prefetch runs ahead.
const AHEAD: usize = 2;

/// With AVX2, FMA and F16C.
pub struct Avx2;
/// With AVX-VNNI beside those.
pub struct AvxVnni;

/// The two kernels differ in two functions and the instructions they may use.
macro_rules! kernel {
    ($set:ident, $features:literal, $products:ident, $add:ident) => {
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
                    let mut least = [_mm256_setzero_ps(); ROWS];
                    for index in 0..blocks {
                        // SAFETY: so many blocks there are, in the weights and in every row, by the caller's promise.
                        let (block, activations) = unsafe {
                            let block = &*weights.cast::<WeightBlock>().add(group * blocks + index);
                            (block, std::array::from_fn::<_, ROWS, _>(|row| &*activations[row].add(index)))
                        };
                        let scales = Scales::of(block);
                        let mut wholes = [_mm256_setzero_si256(); ROWS];
                        // The weights of 32 columns fit half the registers.
                        for part in 0..8 {
                            let weights = unpack(block, part);
                            let scales = twice(&scales.packed[part], 0);
                            for (whole, activation) in wholes.iter_mut().zip(activations) {
                                let products = $products(weights, &activation.values.as_chunks().0[part]);
                                *whole = $add(*whole, products, scales);
                            }
                        }
                        for (row, activation) in activations.iter().enumerate() {
                            let scale = |scales| _mm256_mul_ps(scales, _mm256_set1_ps(activation.scale));
                            let whole = _mm256_cvtepi32_ps(wholes[row]);
                            sums[row] = _mm256_fmadd_ps(whole, scale(scales.of_scales), sums[row]);
                            let mut whole = _mm256_setzero_si256();
                            for (packed, sums) in scales.packed.iter().zip(activation.pairs_of_sums()) {
                                whole = $add(whole, twice(packed, 8), _mm256_set1_epi32(sums));
                            }
                            let whole = _mm256_cvtepi32_ps(whole);
                            least[row] = _mm256_fmadd_ps(whole, scale(scales.of_minima), least[row]);
                        }
                    }
                    // The order undoes itself.
                    let order = _mm256_setr_epi32(0, 1, 4, 5, 2, 3, 6, 7);
                    for row in 0..ROWS {
                        let results = _mm256_permutevar8x32_ps(_mm256_sub_ps(sums[row], least[row]), order);
                        // SAFETY: room for the rows of all groups is the caller's promise.
                        unsafe { _mm256_storeu_ps(batch.outputs[row].add(group * 8), results) };
                    }
                }
            }
        }
    };
}

kernel!(Avx2, "avx2,fma,f16c", byte_products, add_products);
kernel!(AvxVnni, "avx2,fma,f16c,avxvnni", dot_products, add_products_at_once);

/// What belongs to a whole super-block.
struct Scales {
    /// Of each 32 columns, the rows' scales and then their minima.
    packed: [[u8; 16]; 8],
    /// Of the scales.
    of_scales: __m256,
    /// Of the minima.
    of_minima: __m256,
}

impl Scales {
    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    fn of(block: &WeightBlock) -> Scales {
        let halves = |halves: &[u16; 8]| {
            // SAFETY: eight halves are 16 bytes.
            let halves = unsafe { _mm_loadu_si128(halves.as_ptr().cast()) };
            _mm256_cvtph_ps(_mm_shuffle_epi32::<0b_11_01_10_00>(halves))
        };
        let mut packed = [[0; 16]; 8];
        for (pair, place) in packed.as_chunks_mut::<2>().0.iter_mut().enumerate() {
            // SAFETY: twice sixteen bytes.
            unsafe { _mm256_storeu_si256(place.as_mut_ptr().cast(), two_unpacked(block, pair)) };
        }
        Scales { packed, of_scales: halves(&block.scales), of_minima: halves(&block.minima) }
    }
}

/// Twice eight scales and eight minima; see [`six_bits`](super::super::six_bits).
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn two_unpacked(block: &WeightBlock, pair: usize) -> __m256i {
    let packed = std::ptr::from_ref(block).cast::<u8>().wrapping_add(32 + 24 * pair);
    // SAFETY: 32 bytes from there on, of which 24 count, lie in the block.
    let packed = unsafe { _mm256_loadu_si256(packed.cast()) };
    let four = |first, second, third, fourth| {
        _mm256_setr_epi32(first, second, third, fourth, first, second, third, fourth)
    };
    let firsts = _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 0, 1, 1, 3, 3, 4, 4));
    let rests = _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(2, 2, 2, 2, 5, 5, 5, 5));
    let firsts = _mm256_srlv_epi32(firsts, four(0, 2, 0, 2));
    let rests = _mm256_srlv_epi32(rests, four(0, 0, 0, 4));
    _mm256_or_si256(
        _mm256_and_si256(firsts, four(0x3f3f_3f3f, 0x3030_3030, 0x3f3f_3f3f, 0x3030_3030)),
        _mm256_and_si256(rests, four(0, 0x0f0f_0f0f, 0, 0x0f0f_0f0f)),
    )
}

/// Numbers of eight rows from `first` on, each twice as 16 bits, in the products' order.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn twice(numbers: &[u8; 16], first: i32) -> __m256i {
    // Above each number nothing.
    let row = |row: i32| 0x8000_8000_u32.cast_signed() | (first + row) << 16 | (first + row);
    let order = _mm256_setr_epi32(row(0), row(1), row(4), row(5), row(2), row(3), row(6), row(7));
    // SAFETY: sixteen bytes.
    let numbers = unsafe { _mm_loadu_si128(numbers.as_ptr().cast()) };
    _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(numbers), order)
}

/// 32 columns, eight at a time of rows 0..4 and of rows 4..8 in turn, as 0..15. Asks also for what lies some way ahead.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn unpack(block: &WeightBlock, part: usize) -> [__m256i; 8] {
    // A block is eighteen lines: two of scales, then two for every 32 columns.
    let ahead = std::ptr::from_ref(block).wrapping_add(AHEAD).cast::<i8>();
    for line in if part == 0 { 0..4 } else { 2 * part + 2..2 * part + 4 } {
        _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(64 * line));
    }
    let bytes: &[[u8; 32]; 8] = &block.nibbles.as_chunks().0.as_chunks().0[part / 2];
    bytes.each_ref().map(|bytes| {
        // SAFETY: of this length.
        let bytes = unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) };
        let bytes = if part.is_multiple_of(2) { bytes } else { _mm256_srli_epi16::<4>(bytes) };
        _mm256_and_si256(bytes, _mm256_set1_epi8(15))
    })
}

/// Eight activations, again and again.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn eight(values: &[i8; 32], at: usize) -> __m256i {
    let values = values.as_chunks::<8>().0[at];
    _mm256_set1_epi64x(i64::from_le_bytes(values.map(i8::cast_unsigned)))
}

/// Products of 32 columns, two sums a row. Sixteen products are within 16 bits (16 · 15 · 127 < 32,768).
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn byte_products(weights: [__m256i; 8], values: &[i8; 32]) -> __m256i {
    let values: [_; 4] = std::array::from_fn(|at| eight(values, at));
    let product = |rows: usize, at: usize| _mm256_maddubs_epi16(weights[2 * at + rows], values[at]);
    let pair = |rows: usize, at: usize| _mm256_add_epi16(product(rows, at), product(rows, at + 1));
    let [upper, lower] = [0, 1].map(|rows| _mm256_add_epi16(pair(rows, 0), pair(rows, 2)));
    _mm256_hadd_epi16(upper, lower)
}

/// As [`byte_products`].
#[target_feature(enable = "avx2,fma,f16c,avxvnni")]
#[inline]
fn dot_products(weights: [__m256i; 8], values: &[i8; 32]) -> __m256i {
    let mut sums = [_mm256_setzero_si256(); 2];
    for (at, weights) in weights.as_chunks::<2>().0.iter().enumerate() {
        let values = eight(values, at);
        sums = [0, 1].map(|rows| _mm256_dpbusd_avx_epi32(sums[rows], weights[rows], values));
    }
    _mm256_packs_epi32(sums[0], sums[1])
}
