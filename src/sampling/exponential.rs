//! Sums of exponentials over long rows, written so that the compiler can do 8 or 16 scores at once in safe code:
//! fixed-width arrays, no branches, no calls.

/// Scores computed side by side.
pub(super) const LANES: usize = 16;

/// 2^−126 is the smallest normal number; what would be below counts as it, which no longer matters.
const SMALLEST_EXPONENT: f32 = -126.0;

/// 1.5 · 2^23: adding it rounds a float to an integer, which then stands in its lowest bits.
const ROUNDER: f32 = 12_582_912.0;

/// 2^f for f from −½ to ½ is 1 + c₁f + … + c₅f⁵, lowest power first: the polynomial of smallest relative error
/// (4.3e-7, by Remez exchange) that is exact at 0.
const POWER_OF_TWO: [f32; 5] = [0.693_142_83, 0.240_223_51, 0.055_574_004, 0.009_666_283, 0.001_112_550_9];

/// one · two + three, in one instruction where there is one (elsewhere `mul_add` would be a slow call).
#[inline(always)]
fn multiply_add(one: f32, two: f32, three: f32) -> f32 {
    if cfg!(any(target_feature = "fma", target_arch = "aarch64")) {
        one.mul_add(two, three)
    } else {
        one * two + three
    }
}

/// 2^x for x from −126 to 0, relative error below 6e-7; arguments outside are clamped, and NaN counts as −126.
#[inline(always)]
fn power_of_two(exponent: f32) -> f32 {
    // Ordered so that NaN fails the comparison and becomes the smallest exponent.
    let clamped = if exponent > SMALLEST_EXPONENT { exponent } else { SMALLEST_EXPONENT };
    let clamped = if clamped < 0.0 { clamped } else { 0.0 };
    let shifted = clamped + ROUNDER;
    let fraction = clamped - (shifted - ROUNDER);
    let power = POWER_OF_TWO.iter().rev().fold(0.0, |sum, &c| multiply_add(sum, fraction, c));
    let power = multiply_add(power, fraction, 1.0);
    // 2^whole through the exponent bits; the low bits of `shifted` hold `whole` in two's complement.
    let scale = f32::from_bits(shifted.to_bits().wrapping_shl(23).wrapping_add(0x3F80_0000));
    power * scale
}

/// Sum of 2^((score − best) · scale) over one block; `best` is the largest score of the row, so that no exponent
/// is above 0. Relative error about 1e-6: rounding the exponent of a score that matters (above −16) adds its share.
#[inline]
pub(super) fn sum(scores: &[f32], best: f32, scale: f32) -> f32 {
    let (vectors, rest) = scores.as_chunks::<LANES>();
    let mut sums = [0.0_f32; LANES];
    for vector in vectors {
        for lane in 0..LANES {
            sums[lane] += power_of_two((vector[lane] - best) * scale);
        }
    }
    let tail: f32 = rest.iter().map(|score| power_of_two((score - best) * scale)).sum();
    // By halves: one after the other, each addition would wait for the last, which takes longer than all the rest.
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0] + tail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_library_to_six_parts_in_ten_million() {
        for step in 0..1_260_000 {
            let exponent = -(step as f32) * 1e-4;
            let exact = f64::from(exponent).exp2();
            let error = (f64::from(power_of_two(exponent)) - exact).abs() / exact;
            assert!(error < 6e-7, "2^{exponent}: relative error {error}");
        }
    }

    #[test]
    fn strange_arguments_count_as_nothing_or_as_the_best() {
        for exponent in [f32::NAN, f32::NEG_INFINITY, -1e30] {
            assert!(power_of_two(exponent) < 2e-38);
        }
        assert_eq!(power_of_two(0.0), 1.0);
        assert_eq!(power_of_two(f32::INFINITY), 1.0);
    }

    #[test]
    fn sums_rows_of_any_length() {
        for length in [0, 1, 15, 16, 17, 63, 64] {
            let scores: Vec<f32> = (0..length).map(|i| -(i as f32) / 7.0).collect();
            let exact: f64 = scores.iter().map(|&score| (f64::from(score) / 2.0).exp2()).sum();
            assert!(
                (f64::from(sum(&scores, 0.0, 0.5)) - exact).abs() <= 1e-6 * exact.max(1.0),
                "length {length}"
            );
        }
    }
}
