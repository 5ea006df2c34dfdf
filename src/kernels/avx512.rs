//! Q4_0 with AVX-512 VNNI: sixteen rows of weights, two groups, at a time.

use std::arch::x86_64::{
    __m512i, _MM_HINT_T0, _mm_loadu_si128, _mm_prefetch, _mm256_castpd_ps, _mm256_castps_pd, _mm256_cvtph_ps,
    _mm256_storeu_ps, _mm512_add_epi32, _mm512_and_si512, _mm512_castpd_ps, _mm512_castps_pd,
    _mm512_castps256_ps512, _mm512_cvtepi32_ps, _mm512_dpbusd_epi32, _mm512_extractf64x4_pd, _mm512_fmadd_ps,
    _mm512_insertf64x4, _mm512_loadu_si512, _mm512_mul_ps, _mm512_permutex2var_epi32, _mm512_set1_epi8,
    _mm512_set1_epi32, _mm512_set1_epi64, _mm512_set1_ps, _mm512_setr_epi32, _mm512_setzero_ps,
    _mm512_srli_epi16, _mm512_storeu_ps, _mm512_xor_si512,
};

use super::q4_0::{Batch, WeightBlock};

/// The kernel for as many rows as the batch has.
///
/// # Safety
/// See [`super::q4_0::Strip`]; the processor has AVX-512 F, BW and VNNI, FMA and F16C.
pub unsafe fn strip(weights: &[WeightBlock], batch: &Batch) {
    // SAFETY: the caller's promises are those of `rows`.
    unsafe {
        match batch.count {
            1 => rows::<1>(weights, batch),
            2 => rows::<2>(weights, batch),
            3 => rows::<3>(weights, batch),
            4 => rows::<4>(weights, batch),
            5 => rows::<5>(weights, batch),
            6 => rows::<6>(weights, batch),
            7 => rows::<7>(weights, batch),
            8 => rows::<8>(weights, batch),
            _ => {}
        }
    }
}

/// Blocks that the prefetch runs ahead.
const AHEAD: usize = 8;

/// The whole strip with `ROWS` rows of activations.
///
/// # Safety
/// See [`strip`].
#[target_feature(enable = "avx512f,avx512bw,avx512vnni,fma,f16c")]
unsafe fn rows<const ROWS: usize>(weights: &[WeightBlock], batch: &Batch) {
    let evens = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    let odds = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    let length = batch.activations[0].len();
    let groups = weights.len() / length;
    for pair in 0..groups.div_ceil(2) {
        let group = pair * 2;
        let first = &weights[group * length..][..length];
        // A last group without a neighbour is multiplied twice; its second result is not stored.
        let is_alone = group + 1 == groups;
        let second = if is_alone { first } else { &weights[(group + 1) * length..][..length] };
        let mut sums = [_mm512_setzero_ps(); ROWS];
        for (index, (upper, lower)) in first.iter().zip(second).enumerate() {
            let (of_first, of_second) = (unpack(upper, AHEAD), unpack(lower, AHEAD));
            // SAFETY: a block has eight scales of two bytes.
            let scales = unsafe {
                let low = _mm256_cvtph_ps(_mm_loadu_si128(upper.scales.as_ptr().cast()));
                let high = _mm256_cvtph_ps(_mm_loadu_si128(lower.scales.as_ptr().cast()));
                let low = _mm512_castps_pd(_mm512_castps256_ps512(low));
                _mm512_castpd_ps(_mm512_insertf64x4::<1>(low, _mm256_castps_pd(high)))
            };
            for (row, sum) in sums.iter_mut().enumerate() {
                // SAFETY: all rows of activations are as long as a group of weights.
                let activation = unsafe { batch.activations[row].get_unchecked(index) };
                let values = [
                    _mm512_set1_epi64(activation.eight(0)),
                    _mm512_set1_epi64(activation.eight(1)),
                    _mm512_set1_epi64(activation.eight(2)),
                    _mm512_set1_epi64(activation.eight(3)),
                ];
                let start = _mm512_set1_epi32(activation.correction);
                let (one, other) = (dot(start, of_first, values), dot(start, of_second, values));
                let whole = _mm512_add_epi32(
                    _mm512_permutex2var_epi32(one, evens, other),
                    _mm512_permutex2var_epi32(one, odds, other),
                );
                let scale = _mm512_mul_ps(scales, _mm512_set1_ps(activation.scale));
                *sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(whole), scale, *sum);
            }
        }
        for (row, sum) in sums.iter().enumerate() {
            // SAFETY: room for eight floats a group is the caller's promise.
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

/// Columns 0-7, 8-15, 16-23 and 24-31 of eight rows, as 0..15; asks for the block some way ahead.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni,fma,f16c")]
#[inline]
fn unpack(block: &WeightBlock, ahead: usize) -> [__m512i; 4] {
    let low = _mm512_set1_epi8(15);
    // Undoes the sign that llama.cpp's repacking gives the nibbles: 0..15 stand for -8..7 again.
    let flip = _mm512_set1_epi8(0x88_u8 as i8);
    let next = std::ptr::from_ref(block).wrapping_add(ahead).cast::<i8>();
    let at = block.nibbles.as_ptr().cast::<__m512i>();
    // SAFETY: a block has 128 bytes of nibbles; a prefetch may point anywhere.
    let packed = unsafe {
        _mm_prefetch::<_MM_HINT_T0>(next);
        _mm_prefetch::<_MM_HINT_T0>(next.wrapping_add(64));
        [
            _mm512_xor_si512(_mm512_loadu_si512(at), flip),
            _mm512_xor_si512(_mm512_loadu_si512(at.add(1)), flip),
        ]
    };
    [
        _mm512_and_si512(packed[0], low),
        _mm512_and_si512(packed[1], low),
        _mm512_and_si512(_mm512_srli_epi16::<4>(packed[0]), low),
        _mm512_and_si512(_mm512_srli_epi16::<4>(packed[1]), low),
    ]
}

/// Two sums a row of weights, on top of `start`.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni,fma,f16c")]
#[inline]
fn dot(start: __m512i, weights: [__m512i; 4], values: [__m512i; 4]) -> __m512i {
    let mut sum = start;
    for (weight, value) in weights.into_iter().zip(values) {
        sum = _mm512_dpbusd_epi32(sum, weight, value);
    }
    sum
}
