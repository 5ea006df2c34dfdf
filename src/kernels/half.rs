//! IEEE 754 half precision to and from single, as F16C does it: what llama.cpp keeps its scales in.

/// The single-precision value of a half; exact. A NaN comes out quiet.
#[must_use]
pub fn to_single(half: u16) -> f32 {
    let sign = u32::from(half >> 15) << 31;
    let exponent = u32::from(half >> 10) & 0x1f;
    let fraction = u32::from(half) & 0x3ff;
    match (exponent, fraction) {
        (0, _) => {
            // Zero or denormal: a multiple of 2^-24, which a single holds exactly.
            let value = fraction as f32 * f32::from_bits((127 - 24) << 23);
            f32::from_bits(value.to_bits() | sign)
        }
        (31, 0) => f32::from_bits(sign | 0x7f80_0000),
        (31, _) => f32::from_bits(sign | 0x7fc0_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 127 - 15) << 23 | fraction << 13),
    }
}

/// The half nearest to a single, ties to even; too large becomes infinite.
#[must_use]
pub fn from_single(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = ((bits >> 16) & 0x8000) as u16;
    let magnitude = bits & 0x7fff_ffff;
    if magnitude > 0x7f80_0000 {
        return sign | 0x7e00 | ((magnitude >> 13) & 0x3ff) as u16;
    }
    // 65,520 lies halfway between the largest half and the first that does not exist.
    if magnitude >= 0x477f_f000 {
        return sign | 0x7c00;
    }
    let (fraction, dropped) = if magnitude < 0x3880_0000 {
        // Denormal in half: align the fraction, its leading one included, to 2^-24.
        let shift = 126 - (magnitude >> 23);
        if shift > 24 {
            return sign;
        }
        ((magnitude & 0x7f_ffff) | 0x80_0000, shift)
    } else {
        (magnitude - (112 << 23), 13)
    };
    let kept = fraction >> dropped;
    let rest = fraction & ((1 << dropped) - 1);
    let tie = 1 << (dropped - 1);
    let up = rest > tie || (rest == tie && kept & 1 == 1);
    sign | (kept + u32::from(up)) as u16
}

#[cfg(test)]
mod tests {
    use super::{from_single, to_single};

    #[test]
    fn every_half_survives_the_way_there_and_back() {
        for half in 0..=u16::MAX {
            let single = to_single(half);
            let back = from_single(single);
            assert!(back == half || single.is_nan(), "{half:#06x} came back as {back:#06x}");
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    #[allow(unsafe_code)]
    fn the_processor_rounds_the_same_way() {
        use std::arch::x86_64::{
            _mm_cvtph_ps, _mm_cvtps_ph, _mm_cvtsi32_si128, _mm_cvtsi128_si32, _mm_cvtss_f32, _mm_set_ss,
        };

        #[target_feature(enable = "f16c")]
        fn both(value: f32) -> (u16, f32) {
            let half = _mm_cvtsi128_si32(_mm_cvtps_ph::<0>(_mm_set_ss(value))) as u16;
            (half, _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(i32::from(half)))))
        }

        if !is_x86_feature_detected!("f16c") {
            return;
        }
        for step in 0..2_000_000_u32 {
            let value = f32::from_bits(step.wrapping_mul(2_654_435_761));
            // SAFETY: the feature was detected above.
            let (half, single) = unsafe { both(value) };
            assert_eq!(from_single(value), half, "of {value:e} ({:#010x})", value.to_bits());
            assert_eq!(to_single(half).to_bits(), single.to_bits(), "of {half:#06x}");
        }
    }
}
