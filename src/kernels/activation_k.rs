//! Activations in 8 bits, 256 to a scale: bit for bit llama.cpp's `quantize_row_q8_K`, which its K types multiply with.

/// Values that share a scale.
pub const SUPER_BLOCK: usize = 256;

/// Values that share a sum.
const SUMMED: usize = 16;

/// 256 quantized activations: what llama.cpp's `block_q8_K` holds.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct ActivationBlockK {
    /// What a quantized step is worth; negative where the largest value is positive.
    pub scale: f32,
    /// The values, −127..127.
    pub values: [i8; SUPER_BLOCK],
    /// Sums of sixteen neighbouring values.
    pub sums: [i16; SUPER_BLOCK / SUMMED],
}

const _: () = assert!(size_of::<ActivationBlockK>() == 292);

impl ActivationBlockK {
    /// Of zeros.
    pub const ZERO: ActivationBlockK =
        ActivationBlockK { scale: 0.0, values: [0; SUPER_BLOCK], sums: [0; SUPER_BLOCK / SUMMED] };

    /// Two neighbouring sums, those of 32 values, in the halves of each number, the first lower.
    #[inline]
    #[must_use]
    pub fn pairs_of_sums(&self) -> [i32; SUPER_BLOCK / SUMMED / 2] {
        let pairs = self.sums.as_chunks::<2>().0;
        std::array::from_fn(|at| i32::from(pairs[at][1]) << 16 | i32::from(pairs[at][0].cast_unsigned()))
    }
}

/// Quantizes a row; returns whether it holds something that is no number.
///
/// # Panics
/// Where the row is not `blocks.len()` blocks long.
pub fn quantize(row: &[f32], blocks: &mut [ActivationBlockK]) -> bool {
    let (rows, rest) = row.as_chunks::<SUPER_BLOCK>();
    assert!(rows.len() == blocks.len() && rest.is_empty(), "a row and its blocks");
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        let mut irregular = false;
        for (values, block) in rows.iter().zip(blocks) {
            // SAFETY: the feature was detected above.
            irregular |= unsafe { avx2::one_block(values, block) };
        }
        return irregular;
    }
    let mut irregular = false;
    for (values, block) in rows.iter().zip(blocks) {
        irregular |= one_block(values, block);
    }
    irregular
}

/// [`quantize`] as a [`Quantize`](super::kernel::Quantize).
///
/// # Safety
/// `place` has room for the row's blocks and is aligned to 4 bytes.
pub unsafe fn quantize_at(row: &[f32], place: *mut u8) -> bool {
    let blocks = row.len() / SUPER_BLOCK;
    let place = place.cast::<ActivationBlockK>();
    // SAFETY: the caller's promise; zeroed bytes are blocks.
    let blocks = unsafe {
        place.write_bytes(0, blocks);
        std::slice::from_raw_parts_mut(place, blocks)
    };
    quantize(row, blocks)
}

/// Of several equally large values the first gives the scale its sign; a NaN counts for none of them.
fn one_block(values: &[f32; SUPER_BLOCK], block: &mut ActivationBlockK) -> bool {
    let mut signed = 0.0_f32;
    for value in values {
        if value.abs() > signed.abs() {
            signed = *value;
        }
    }
    if signed == 0.0 {
        *block = ActivationBlockK::ZERO;
    } else {
        let inverse = -127.0 / signed;
        block.scale = 1.0 / inverse;
        for (value, quantized) in values.iter().zip(&mut block.values) {
            *quantized = step(value * inverse);
        }
        let sixteens = block.values.as_chunks::<SUMMED>().0;
        block.sums = std::array::from_fn(|at| sixteens[at].iter().map(|value| i16::from(*value)).sum());
    }
    values.iter().any(|value| !value.is_finite())
}

/// The nearest whole number, ties to even, as llama.cpp takes it from the lowest bits of a sum. What is no number becomes
/// something from 0 to 127.
fn step(value: f32) -> i8 {
    let bits = (value + 12_582_912.0).to_bits();
    ((bits & 0x7f_ffff) as i32 - 0x40_0000).min(127) as i8
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m256i, _mm_cvtsi128_si32, _mm_max_epi32, _mm_shuffle_epi32, _mm_unpackhi_epi16, _mm_unpacklo_epi16,
        _mm256_and_si256, _mm256_castsi256_ps, _mm256_castsi256_si128, _mm256_cmpeq_epi32,
        _mm256_cvtps_epi32, _mm256_extracti128_si256, _mm256_hadd_epi32, _mm256_loadu_ps, _mm256_loadu_si256,
        _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_max_epi32, _mm256_movemask_ps, _mm256_mul_ps,
        _mm256_packs_epi16, _mm256_packs_epi32, _mm256_permutevar8x32_epi32, _mm256_set_m128i,
        _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setr_epi32,
        _mm256_setzero_si256, _mm256_storeu_si256,
    };

    use super::{ActivationBlockK, SUPER_BLOCK};

    /// As [`super::one_block`], which gets the blocks where a conversion to a whole number would come out differently.
    #[target_feature(enable = "avx2")]
    pub fn one_block(values: &[f32; SUPER_BLOCK], block: &mut ActivationBlockK) -> bool {
        let magnitude = largest_magnitude(values);
        if magnitude == 0 {
            *block = ActivationBlockK::ZERO;
            return false;
        }
        let sign = first_of(values, magnitude).to_bits() & 0x8000_0000;
        let inverse = -127.0 / f32::from_bits(magnitude | sign);
        if magnitude >= f32::INFINITY.to_bits() || inverse.is_infinite() {
            return super::one_block(values, block);
        }
        block.scale = 1.0 / inverse;
        let inverse = _mm256_set1_ps(inverse);
        let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
        let mut fours = [_mm256_setzero_si256(); 8];
        let chunks = values.as_chunks::<32>().0.iter().zip(block.values.as_chunks_mut::<32>().0);
        for ((values, quantized), four) in chunks.zip(&mut fours) {
            let eights = values.as_chunks::<8>().0;
            let whole = |at: usize| {
                // SAFETY: eight numbers are 32 bytes.
                let eight = unsafe { _mm256_loadu_ps(eights[at].as_ptr()) };
                _mm256_cvtps_epi32(_mm256_mul_ps(eight, inverse))
            };
            let low = _mm256_packs_epi32(whole(0), whole(1));
            let high = _mm256_packs_epi32(whole(2), whole(3));
            let bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order);
            // SAFETY: 32 bytes.
            unsafe { _mm256_storeu_si256(quantized.as_mut_ptr().cast(), bytes) };
            let pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes);
            *four = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
        }
        // SAFETY: sixteen sums are 32 bytes.
        unsafe { _mm256_storeu_si256(block.sums.as_mut_ptr().cast(), sums(fours)) };
        false
    }

    /// The bits of the largest magnitude, which are in the numbers' order; beyond those of infinity where there is a NaN.
    #[target_feature(enable = "avx2")]
    fn largest_magnitude(values: &[f32; SUPER_BLOCK]) -> u32 {
        let mut largest = _mm256_setzero_si256();
        for eight in values.as_chunks::<8>().0 {
            largest = _mm256_max_epi32(largest, magnitudes(eight));
        }
        let four = _mm_max_epi32(_mm256_castsi256_si128(largest), _mm256_extracti128_si256::<1>(largest));
        let two = _mm_max_epi32(four, _mm_shuffle_epi32::<0b_00_00_11_10>(four));
        let one = _mm_max_epi32(two, _mm_shuffle_epi32::<0b_00_00_00_01>(two));
        _mm_cvtsi128_si32(one).cast_unsigned()
    }

    /// The first value of a magnitude that occurs.
    #[target_feature(enable = "avx2")]
    fn first_of(values: &[f32; SUPER_BLOCK], magnitude: u32) -> f32 {
        let wanted = _mm256_set1_epi32(magnitude.cast_signed());
        for eight in values.as_chunks::<8>().0 {
            let equal = _mm256_cmpeq_epi32(magnitudes(eight), wanted);
            let mask = _mm256_movemask_ps(_mm256_castsi256_ps(equal));
            if mask != 0 {
                return eight[mask.trailing_zeros() as usize];
            }
        }
        f32::from_bits(magnitude)
    }

    #[target_feature(enable = "avx2")]
    fn magnitudes(eight: &[f32; 8]) -> __m256i {
        // SAFETY: eight numbers are 32 bytes.
        let bits = unsafe { _mm256_loadu_si256(eight.as_ptr().cast()) };
        _mm256_and_si256(bits, _mm256_set1_epi32(0x7fff_ffff))
    }

    /// From the sums of fours of 32 values each, those of sixteens: each half of a vector ends in one number.
    #[target_feature(enable = "avx2")]
    fn sums(fours: [__m256i; 8]) -> __m256i {
        let eights = |at: usize| _mm256_hadd_epi32(fours[at], fours[at + 1]);
        // Sums 0, 2, 4, 6 in the low half and 1, 3, 5, 7 in the high one; eight further in the second.
        let first = _mm256_hadd_epi32(eights(0), eights(2));
        let second = _mm256_hadd_epi32(eights(4), eights(6));
        let packed = _mm256_packs_epi32(first, second);
        let (even, odd) = (_mm256_castsi256_si128(packed), _mm256_extracti128_si256::<1>(packed));
        _mm256_set_m128i(_mm_unpackhi_epi16(even, odd), _mm_unpacklo_epi16(even, odd))
    }
}

#[cfg(test)]
mod tests {
    use super::{ActivationBlockK, SUPER_BLOCK, one_block, quantize};

    fn quantized(values: &[f32; SUPER_BLOCK]) -> (ActivationBlockK, bool) {
        // Not zeros: every field must be written.
        let mut block = [ActivationBlockK { scale: 7.0, values: [7; SUPER_BLOCK], sums: [7; 16] }];
        let irregular = quantize(values, &mut block);
        (block[0], irregular)
    }

    #[test]
    fn the_first_of_the_largest_gives_the_sign_and_ties_go_to_even() {
        let mut values = [0.0; SUPER_BLOCK];
        values[37] = 127.0;
        values[38] = -127.0;
        values[200] = 2.5;
        values[201] = -3.5;
        let (block, irregular) = quantized(&values);
        assert!(!irregular);
        assert_eq!(block.scale, -1.0);
        assert_eq!((&block.values[37..39], &block.values[200..202]), (&[-127, 127][..], &[-2, 4][..]));
        let mut sums = [0; 16];
        sums[12] = 2;
        assert_eq!(block.sums, sums);
        values.swap(37, 38);
        assert_eq!(quantized(&values).0.scale, 1.0);
    }

    #[test]
    fn nothing_is_zero_and_what_is_no_number_is_told() {
        assert_eq!(quantized(&[-0.0; SUPER_BLOCK]), (ActivationBlockK::ZERO, false));
        let mut values = [1.0; SUPER_BLOCK];
        values[255] = f32::NAN;
        let (block, irregular) = quantized(&values);
        assert!(irregular);
        // llama.cpp does not see a NaN either.
        assert_eq!((block.values[0], block.values[255]), (-127, 0));
        values[255] = f32::NEG_INFINITY;
        let (block, irregular) = quantized(&values);
        assert!(irregular);
        assert_eq!((block.scale, block.values), (f32::INFINITY, [0; SUPER_BLOCK]));
    }

    #[test]
    fn vectors_give_the_bits_of_plain_code() {
        let mut state = 1_u64;
        for round in 0..4_000 {
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) as u32
            };
            // From denormals, whose inverse is infinite, to numbers near infinity; then any bits at all.
            let size = 2.0_f32.powi(round % 270 - 149);
            let values: [f32; SUPER_BLOCK] = std::array::from_fn(|_| match round % 4 {
                0 => f32::from_bits(next() << 1),
                1 => ((next() % 9) as f32 - 4.0) * size,
                _ => (next() as f32 / (1_u32 << 30) as f32 - 1.0) * size,
            });
            let mut plain = ActivationBlockK { scale: 7.0, values: [7; SUPER_BLOCK], sums: [7; 16] };
            let is_irregular = one_block(&values, &mut plain);
            let (block, irregular) = quantized(&values);
            assert_eq!(irregular, is_irregular, "round {round}");
            assert_eq!(block.scale.to_bits(), plain.scale.to_bits(), "round {round}");
            assert_eq!((block.values, block.sums), (plain.values, plain.sums), "round {round}");
        }
    }
}
