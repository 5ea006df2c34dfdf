//! Half-precision scales: the format of `block_q4_0`.

pub(super) use crate::quantize::widen::half as value;

/// The largest half-precision number.
const MAX: f32 = 65504.0;
/// The smallest normal half-precision number, 2^-14.
const LEAST_NORMAL: f32 = 6.103_515_6e-5;

/// The nearest half-precision number of a finite number, 0 or more; ties go to the even one, too large ones to the
/// largest (a scale of infinity is refused by `ggml_validate_row_data`).
pub(super) fn nearest(value: f32) -> u16 {
    let value = if value < MAX { value } else { MAX };
    if value < LEAST_NORMAL {
        // Subnormal: whole multiples of 2^-24. Adding 2^23 rounds to a whole number, ties to even.
        let multiples = value * 16_777_216.0;
        return ((multiples + 8_388_608.0) - 8_388_608.0) as u16;
    }
    let bits = value.to_bits();
    let rounded = bits + 0xfff + ((bits >> 13) & 1);
    // The exponent's bias changes from 127 to 15.
    ((rounded >> 13) - (112 << 10)) as u16
}

/// The largest finite number.
pub(super) const LARGEST: u16 = 0x7bff;
/// The sign bit.
pub(super) const NEGATIVE: u16 = 0x8000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_is_its_own_nearest() {
        for half in 0..0x7c00 {
            assert_eq!(nearest(value(half)), half);
        }
        assert_eq!((value(0x3c00), value(0x7bff), value(1)), (1.0, 65504.0, 2.0_f32.powi(-24)));
    }

    #[test]
    fn between_two_the_nearer_and_at_a_tie_the_even_one() {
        for half in 0..0x7bff_u16 {
            let (low, high) = (f64::from(value(half)), f64::from(value(half + 1)));
            let at = |part: f64| nearest((low + (high - low) * part) as f32);
            assert_eq!((at(0.25), at(0.75)), (half, half + 1), "{half:x}");
            assert_eq!(at(0.5), half + (half & 1), "{half:x}");
        }
        assert_eq!(nearest(1e30), 0x7bff);
    }
}
