//! Q4_0 and IQ4_NL with AVX-512 VNNI: sixteen rows of weights, two groups, at a time.

use std::arch::x86_64::{
    __m512i, _MM_HINT_T0, _mm_loadu_si128, _mm_prefetch, _mm256_castpd_ps, _mm256_castps_pd, _mm256_cvtph_ps,
    _mm256_storeu_ps, _mm512_broadcast_i32x4, _mm512_castpd_ps, _mm512_castps_pd, _mm512_castps256_ps512,
    _mm512_cvtepi32_ps, _mm512_dpbusd_epi32, _mm512_extractf64x4_pd, _mm512_fmadd_ps, _mm512_insertf64x4,
    _mm512_loadu_si512, _mm512_mul_ps, _mm512_permutex2var_epi32, _mm512_set1_epi8, _mm512_set1_epi32,
    _mm512_set1_ps, _mm512_setr_epi32, _mm512_setzero_ps, _mm512_shuffle_epi8, _mm512_srli_epi16,
    _mm512_storeu_ps, _mm512_ternarylogic_epi32,
};

use std::marker::PhantomData;

use super::super::activation::ActivationBlock;
use super::super::kernel::{Batch, Rows};
use super::super::plain::IQ4_NL_RAISED;
use super::{Nibbles, WeightBlock};

/// Blocks that the prefetch runs ahead, in each of the two groups.
const AHEAD: usize = 24;

/// With AVX-512 F, BW, VL and VNNI, FMA and F16C.
pub struct Avx512Vnni<N>(PhantomData<N>);

impl<N: Nibbles> Rows for Avx512Vnni<N> {
    /// # Safety
    /// See [`Rows::rows`]; the processor has the instructions.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
    unsafe fn rows<const ROWS: usize>(weights: *const u8, blocks: usize, groups: usize, batch: &Batch) {
        let weights = weights.cast::<WeightBlock>();
        let activations = batch.activations.map(<*const u8>::cast::<ActivationBlock>);
        for group in (0..groups).step_by(2) {
            // A last group without a neighbour is multiplied twice; its second result is not stored.
            let is_alone = group + 1 == groups;
            let first = weights.wrapping_add(group * blocks);
            let second = if is_alone { first } else { first.wrapping_add(blocks) };
            let mut sums = [_mm512_setzero_ps(); ROWS];
            for index in 0..blocks {
                // SAFETY: both groups have so many blocks, by the caller's promise.
                let (upper, lower) = unsafe { (&*first.add(index), &*second.add(index)) };
                let parts = unpack::<N>(upper, lower);
                // SAFETY: a block has eight scales of two bytes.
                let scales = unsafe {
                    let low = _mm256_cvtph_ps(_mm_loadu_si128(upper.scales.as_ptr().cast()));
                    let high = _mm256_cvtph_ps(_mm_loadu_si128(lower.scales.as_ptr().cast()));
                    let low = _mm512_castps_pd(_mm512_castps256_ps512(low));
                    _mm512_castpd_ps(_mm512_insertf64x4::<1>(low, _mm256_castps_pd(high)))
                };
                for (row, sum) in sums.iter_mut().enumerate() {
                    // SAFETY: every row of activations has so many blocks, by the caller's promise.
                    let activation = unsafe { &*activations[row].add(index) };
                    let mut whole = _mm512_set1_epi32(activation.correction);
                    for (part, values) in parts.into_iter().zip(activation.fours()) {
                        whole = _mm512_dpbusd_epi32(whole, part, _mm512_set1_epi32(values));
                    }
                    let scale = _mm512_mul_ps(scales, _mm512_set1_ps(activation.scale));
                    *sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(whole), scale, *sum);
                }
            }
            for (row, sum) in sums.iter().enumerate() {
                // SAFETY: room for the rows of all groups is the caller's promise.
                unsafe {
                    let at = batch.outputs[row].add(group * 8);
                    if is_alone {
                        let half = _mm512_extractf64x4_pd::<0>(_mm512_castps_pd(*sum));
                        _mm256_storeu_ps(at, _mm256_castpd_ps(half));
                    } else {
                        _mm512_storeu_ps(at, *sum);
                    }
                }
            }
        }
    }
}

/// Columns 0-3, 4-7, … 28-31 of sixteen rows, `OFFSET` more, and asks for the blocks some way ahead.
///
/// A register of the block holds eight columns of each row, side by side; picking every second number apart leaves four
/// columns of each of twice as many rows, so that a row's products end in one lane and a row of activations needs no more
/// than one broadcast of four values.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
#[inline]
fn unpack<N: Nibbles>(upper: &WeightBlock, lower: &WeightBlock) -> [__m512i; 8] {
    let evens = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    let odds = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    let load = |block: &WeightBlock| {
        let ahead = std::ptr::from_ref(block).wrapping_add(AHEAD).cast::<i8>();
        let at = block.nibbles.as_ptr().cast::<__m512i>();
        // SAFETY: a block has 128 bytes of nibbles; a prefetch may point anywhere.
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(ahead);
            _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(64));
            _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(128));
            [_mm512_loadu_si512(at), _mm512_loadu_si512(at.add(1))]
        }
    };
    let (upper, lower) = (load(upper), load(lower));
    let packed = [
        _mm512_permutex2var_epi32(upper[0], evens, lower[0]),
        _mm512_permutex2var_epi32(upper[0], odds, lower[0]),
        _mm512_permutex2var_epi32(upper[1], evens, lower[1]),
        _mm512_permutex2var_epi32(upper[1], odds, lower[1]),
    ];
    // (a AND b) XOR c: keeps four bits and undoes the sign that llama.cpp's repacking gave those of Q4_0: 0..15 stand for -8..7
    // again.
    let flip = _mm512_set1_epi8(if N::IS_CHOSEN { 0 } else { 8 });
    // SAFETY: 16 bytes.
    let table = _mm512_broadcast_i32x4(unsafe { _mm_loadu_si128(IQ4_NL_RAISED.as_ptr().cast()) });
    let nibbles = |bytes: __m512i| {
        let nibbles = _mm512_ternarylogic_epi32::<0x6a>(bytes, _mm512_set1_epi8(15), flip);
        if N::IS_CHOSEN { _mm512_shuffle_epi8(table, nibbles) } else { nibbles }
    };
    let high = |bytes: __m512i| nibbles(_mm512_srli_epi16::<4>(bytes));
    [
        nibbles(packed[0]),
        nibbles(packed[1]),
        nibbles(packed[2]),
        nibbles(packed[3]),
        high(packed[0]),
        high(packed[1]),
        high(packed[2]),
        high(packed[3]),
    ]
}
