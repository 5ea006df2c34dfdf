//! What kernels of several types do with vectors.

use std::arch::asm;
use std::arch::x86_64::{
    __m128, __m256, __m256i, __m512, __m512i, _MM_HINT_T0, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32,
    _mm_movehdup_ps, _mm_movehl_ps, _mm_prefetch, _mm256_add_epi32, _mm256_castps256_ps128,
    _mm256_extractf128_ps, _mm256_loadu_si256, _mm256_madd_epi16, _mm512_add_ps, _mm512_castps512_ps128,
    _mm512_castsi256_si512, _mm512_extractf32x4_ps, _mm512_inserti64x4, _mm512_movehdup_ps,
    _mm512_permute_ps, _mm512_shuffle_f32x4,
};

/// Asks for a block; it may lie anywhere.
#[inline]
pub fn prefetch<Block>(block: *const Block) {
    let at = block.cast::<i8>();
    for line in (0..size_of::<Block>()).step_by(64) {
        // SAFETY: only asks; every processor of this kind can.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.wrapping_add(line)) };
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
pub fn load<T>(bytes: &[T; 32]) -> __m256i {
    const { assert!(size_of::<T>() == 1) };
    // SAFETY: 32 bytes.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

/// One after the other.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
#[inline]
pub fn load_both([upper, lower]: [&[u8; 32]; 2]) -> __m512i {
    _mm512_inserti64x4::<1>(_mm512_castsi256_si512(load(upper)), load(lower))
}

/// To each number of 32 bits, two products of 16 bits.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
pub fn add_products(sum: __m256i, first: __m256i, second: __m256i) -> __m256i {
    _mm256_add_epi32(sum, _mm256_madd_epi16(first, second))
}

/// [`add_products`] in one instruction. The compiler makes two of it, for a shorter chain of sums; here the chains of eight rows
/// overlap, and the number of instructions counts.
#[target_feature(enable = "avx2,fma,f16c,avxvnni")]
#[inline]
pub fn add_products_at_once(mut sum: __m256i, first: __m256i, second: __m256i) -> __m256i {
    // SAFETY: works on its three registers alone; the processor has the instruction, by this function's features.
    unsafe {
        asm!(
            "{{vex}} vpdpwssd {sum}, {first}, {second}",
            sum = inout(ymm_reg) sum,
            first = in(ymm_reg) first,
            second = in(ymm_reg) second,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sum
}

/// [`add_products_at_once`] in 512 bits.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
#[inline]
pub fn add_products_512(mut sum: __m512i, first: __m512i, second: __m512i) -> __m512i {
    // SAFETY: works on its three registers alone; the processor has the instruction, by this function's features.
    unsafe {
        asm!(
            "vpdpwssd {sum}, {first}, {second}",
            sum = inout(zmm_reg) sum,
            first = in(zmm_reg) first,
            second = in(zmm_reg) second,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sum
}

/// The lanes together, in the order of llama.cpp's `hsum_float_8`.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
pub fn total(sums: __m256) -> f32 {
    let two = every_second(sums);
    _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
}

/// Every second lane together, in the first two lanes.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
pub fn every_second(sums: __m256) -> __m128 {
    let four = _mm_add_ps(_mm256_extractf128_ps::<1>(sums), _mm256_castps256_ps128(sums));
    _mm_add_ps(four, _mm_movehl_ps(four, four))
}

/// [`total`] of each half.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
#[inline]
pub fn totals(sums: __m512) -> [f32; 2] {
    let two = every_second_512(sums);
    firsts(_mm512_add_ps(two, _mm512_movehdup_ps(two)))
}

/// [`every_second`] of each half, in all its lanes.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
#[inline]
pub fn every_second_512(sums: __m512) -> __m512 {
    let four = _mm512_add_ps(_mm512_shuffle_f32x4::<0b_10_11_00_01>(sums, sums), sums);
    _mm512_add_ps(four, _mm512_permute_ps::<0b_01_00_11_10>(four))
}

/// The first lane of each half.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
#[inline]
pub fn firsts(halves: __m512) -> [f32; 2] {
    [_mm_cvtss_f32(_mm512_castps512_ps128(halves)), _mm_cvtss_f32(_mm512_extractf32x4_ps::<2>(halves))]
}
