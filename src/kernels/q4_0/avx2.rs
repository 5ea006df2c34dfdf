//! Q4_0 and IQ4_NL with 256-bit vectors, one group of eight rows at a time: with AVX2's byte products or AVX-VNNI's dot product.

use std::arch::x86_64::{
    __m256i, _MM_HINT_T0, _mm_loadu_si128, _mm_prefetch, _mm256_abs_epi8, _mm256_add_epi16, _mm256_add_epi32,
    _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_castps_si256, _mm256_castsi256_ps,
    _mm256_cvtepi32_ps, _mm256_cvtph_ps, _mm256_dpbusd_avx_epi32, _mm256_fmadd_ps, _mm256_loadu_si256,
    _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_mul_ps, _mm256_permutevar8x32_ps, _mm256_set1_epi8,
    _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setr_epi32, _mm256_setzero_ps,
    _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_shuffle_ps, _mm256_sign_epi8, _mm256_srli_epi16,
    _mm256_storeu_ps, _mm256_xor_si256,
};

use std::marker::PhantomData;

use super::super::activation::ActivationBlock;
use super::super::kernel::{Batch, Rows};
use super::super::plain::IQ4_NL_RAISED;
use super::{Nibbles, WeightBlock};

/// Blocks that the prefetch runs ahead.
const AHEAD: usize = 16;

/// With AVX2, FMA and F16C.
pub struct Avx2<N>(PhantomData<N>);
/// With AVX-VNNI beside those.
pub struct AvxVnni<N>(PhantomData<N>);

/// The two kernels differ in one function and the instructions it may use.
macro_rules! kernel {
    ($set:ident, $features:literal, $dot:ident) => {
        impl<N: Nibbles> Rows for $set<N> {
            /// # Safety
            /// See [`Rows::rows`]; the processor has the instructions.
            #[target_feature(enable = $features)]
            unsafe fn rows<const ROWS: usize>(
                weights: *const u8,
                blocks: usize,
                groups: usize,
                batch: &Batch,
            ) {
                // Picking numbers of two vectors apart within their halves leaves the rows in the order 0 1 4 5 2 3 6 7.
                let order = _mm256_setr_epi32(0, 1, 4, 5, 2, 3, 6, 7);
                let activations = batch.activations.map(<*const u8>::cast::<ActivationBlock>);
                for group in 0..groups {
                    let mut sums = [_mm256_setzero_ps(); ROWS];
                    for index in 0..blocks {
                        // SAFETY: so many blocks there are, by the caller's promise, with eight scales of two bytes each.
                        let (block, scales) = unsafe {
                            let block = &*weights.cast::<WeightBlock>().add(group * blocks + index);
                            (block, _mm_loadu_si128(block.scales.as_ptr().cast()))
                        };
                        let parts = unpack::<N>(block);
                        let scales = _mm256_permutevar8x32_ps(_mm256_cvtph_ps(scales), order);
                        for (row, sum) in sums.iter_mut().enumerate() {
                            // SAFETY: every row of activations has so many blocks, by the caller's promise.
                            let activation = unsafe { &*activations[row].add(index) };
                            let whole = $dot::<N>(parts, activation);
                            let scale = _mm256_mul_ps(scales, _mm256_set1_ps(activation.scale));
                            *sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(whole), scale, *sum);
                        }
                    }
                    for (row, sum) in sums.iter().enumerate() {
                        // SAFETY: room for the rows of all groups is the caller's promise. The order undoes itself.
                        unsafe {
                            let at = batch.outputs[row].add(group * 8);
                            _mm256_storeu_ps(at, _mm256_permutevar8x32_ps(*sum, order));
                        }
                    }
                }
            }
        }
    };
}

kernel!(Avx2, "avx2,fma,f16c", byte_products);
kernel!(AvxVnni, "avx2,fma,f16c,avxvnni", dot_products);

/// Columns 0-3, 4-7, … 28-31 of eight rows, `OFFSET` more, and asks for the block some way ahead.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn unpack<N: Nibbles>(block: &WeightBlock) -> [__m256i; 8] {
    let low = _mm256_set1_epi8(15);
    // Undoes the sign that llama.cpp's repacking gives the nibbles of Q4_0: 0..15 stand for -8..7 again.
    let flip = _mm256_set1_epi8(if N::IS_CHOSEN { 0 } else { 0x88_u8.cast_signed() });
    // SAFETY: 16 bytes.
    let table = _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(IQ4_NL_RAISED.as_ptr().cast()) });
    let ahead = std::ptr::from_ref(block).wrapping_add(AHEAD).cast::<i8>();
    let at = block.nibbles.as_ptr().cast::<__m256i>();
    // SAFETY: a block has 128 bytes of nibbles; a prefetch may point anywhere.
    let loaded = unsafe {
        _mm_prefetch::<_MM_HINT_T0>(ahead);
        _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(64));
        [0, 1, 2, 3].map(|part| _mm256_castsi256_ps(_mm256_xor_si256(_mm256_loadu_si256(at.add(part)), flip)))
    };
    // Loaded: columns 0-7 of rows 0-3, of rows 4-7, columns 8-15 of rows 0-3, of rows 4-7; sixteen further in the high nibbles.
    let packed = [
        _mm256_castps_si256(_mm256_shuffle_ps::<0x88>(loaded[0], loaded[1])),
        _mm256_castps_si256(_mm256_shuffle_ps::<0xdd>(loaded[0], loaded[1])),
        _mm256_castps_si256(_mm256_shuffle_ps::<0x88>(loaded[2], loaded[3])),
        _mm256_castps_si256(_mm256_shuffle_ps::<0xdd>(loaded[2], loaded[3])),
    ];
    std::array::from_fn(|part| {
        let bytes = packed[part % 4];
        let nibbles = _mm256_and_si256(if part < 4 { bytes } else { _mm256_srli_epi16::<4>(bytes) }, low);
        if N::IS_CHOSEN { _mm256_shuffle_epi8(table, nibbles) } else { nibbles }
    })
}

/// Sixteen byte products a row of Q4_0 sum within 16 bits (16 · 15 · 127 < 32,768). Of IQ4_NL two do (2 · 127 · 127), and only
/// magnitudes with activations of their sign: the correction is not needed.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn byte_products<N: Nibbles>(parts: [__m256i; 8], activation: &ActivationBlock) -> __m256i {
    let values = activation.fours();
    if N::IS_CHOSEN {
        let mut sum = _mm256_setzero_si256();
        for (part, values) in parts.into_iter().zip(values) {
            let weights = _mm256_xor_si256(part, _mm256_set1_epi8(-128));
            let turned = _mm256_sign_epi8(_mm256_set1_epi32(values), weights);
            let products = _mm256_maddubs_epi16(_mm256_abs_epi8(weights), turned);
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(products, _mm256_set1_epi16(1)));
        }
        return sum;
    }
    let product = |part: usize| _mm256_maddubs_epi16(parts[part], _mm256_set1_epi32(values[part]));
    let pair = |part: usize| _mm256_add_epi16(product(part), product(part + 1));
    let sum = _mm256_add_epi16(_mm256_add_epi16(pair(0), pair(2)), _mm256_add_epi16(pair(4), pair(6)));
    let whole = _mm256_madd_epi16(sum, _mm256_set1_epi16(1));
    _mm256_add_epi32(whole, _mm256_set1_epi32(activation.correction))
}

#[target_feature(enable = "avx2,fma,f16c,avxvnni")]
#[inline]
fn dot_products<N: Nibbles>(parts: [__m256i; 8], activation: &ActivationBlock) -> __m256i {
    let mut whole = _mm256_set1_epi32(activation.correction);
    for (part, values) in parts.into_iter().zip(activation.fours()) {
        whole = _mm256_dpbusd_avx_epi32(whole, part, _mm256_set1_epi32(values));
    }
    whole
}
