//! What kernels of several types do with vectors.

use std::arch::asm;
use std::arch::x86_64::{__m256i, __m512i, _mm256_add_epi32, _mm256_madd_epi16};

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
