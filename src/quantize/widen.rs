//! Stored numbers become [`f32`], without loss; and what a number of 16 bits is.

use crate::gguf::GgmlType;

/// Whether elements of a type are numbers that [`widen`] reads.
#[must_use]
pub fn is_number(dtype: GgmlType) -> bool {
    [GgmlType::F32, GgmlType::F16, GgmlType::BF16].contains(&dtype)
}

/// Widens stored numbers, low byte first; `bytes` has exactly as many as `into` has room for.
pub fn widen(dtype: GgmlType, bytes: &[u8], into: &mut [f32]) {
    match dtype {
        GgmlType::F32 => {
            for (value, bytes) in into.iter_mut().zip(bytes.as_chunks().0) {
                *value = f32::from_le_bytes(*bytes);
            }
        }
        GgmlType::F16 => {
            for (value, bytes) in into.iter_mut().zip(bytes.as_chunks().0) {
                *value = half(u16::from_le_bytes(*bytes));
            }
        }
        _ => {
            for (value, bytes) in into.iter_mut().zip(bytes.as_chunks().0) {
                *value = f32::from_bits(u32::from(u16::from_le_bytes(*bytes)) << 16);
            }
        }
    }
}

/// The nearest number of 16 bits (BF16) to any but NaN, of two equally near ones the even; what is too large becomes
/// infinite.
#[inline(always)]
#[must_use]
pub fn to_bf16(value: f32) -> f32 {
    let bits = value.to_bits();
    f32::from_bits(bits.wrapping_add(0x7fff + (bits >> 16 & 1)) & 0xffff_0000)
}

/// A number of half precision. Without branches, so that it becomes vector code.
#[inline(always)]
pub(super) fn half(half: u16) -> f32 {
    /// 2^112: the difference of the exponents' offsets.
    const SCALE: f32 = f32::from_bits((127 + 112) << 23);
    let sign = u32::from(half & 0x8000) << 16;
    let magnitude = u32::from(half & 0x7fff) << 13;
    // The multiplication puts the exponent right, and makes denormal numbers normal ones.
    let value = (f32::from_bits(magnitude) * SCALE).to_bits();
    // Infinity and NaN keep the highest exponent.
    let special = if magnitude >= 0x0f80_0000 { 0x7f80_0000 } else { 0 };
    f32::from_bits(value | special | sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_has_its_value() {
        for bits in 0..=u16::MAX {
            let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
            let magnitude = match exponent {
                0 => fraction * 2.0_f32.powi(-24),
                31 if fraction == 0.0 => f32::INFINITY,
                31 => f32::NAN,
                _ => (fraction + 1024.0) * 2.0_f32.powi(exponent - 25),
            };
            let expected = if bits & 0x8000 == 0 { magnitude } else { -magnitude };
            let found = half(bits);
            let is_same = expected.to_bits() == found.to_bits() || (expected.is_nan() && found.is_nan());
            assert!(is_same, "{bits:#06x}: {found}, expected {expected}");
        }
    }

    #[test]
    fn numbers_of_each_type() {
        let mut values = [0.0; 2];
        widen(GgmlType::F32, &[0, 0, 0x80, 0xbf, 0, 0, 0, 0], &mut values);
        assert_eq!(values, [-1.0, 0.0]);
        widen(GgmlType::BF16, &[0x80, 0xbf, 0x20, 0x41], &mut values);
        assert_eq!(values, [-1.0, 10.0]);
        widen(GgmlType::F16, &[0, 0xbc, 1, 0], &mut values);
        assert_eq!(values, [-1.0, 2.0_f32.powi(-24)]);
    }
}
