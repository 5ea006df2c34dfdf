use proptest::prelude::*;

use super::*;

/// What ggml makes of a block (`dequantize_row_q4_0`), rounded to BF16.
fn back(bytes: &[u8]) -> Vec<f32> {
    let mut values = Vec::new();
    for block in bytes.chunks_exact(BLOCK_BYTES) {
        let half = u16::from_le_bytes([block[0], block[1]]);
        let scale = half::value(half & !half::NEGATIVE) * if half & half::NEGATIVE == 0 { 1.0 } else { -1.0 };
        let lower = block[2..].iter().map(|byte| byte & 15);
        let upper = block[2..].iter().map(|byte| byte >> 4);
        values.extend(lower.chain(upper).map(|code| to_bf16((f32::from(code) - 8.0) * scale)));
    }
    values
}

/// The share of weights that ggml's own Q4_0 brings back (`quantize_row_q4_0_ref` of ggml-quants.c).
fn plain_share(values: &[f32]) -> f64 {
    let mut exact = 0;
    for block in values.as_chunks::<BLOCK>().0 {
        let extreme =
            block.iter().fold(0.0_f32, |most, value| if value.abs() > most.abs() { *value } else { most });
        let scale = extreme / -8.0;
        let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
        let stored = half::value(half::nearest(scale.abs())) * scale.signum();
        exact += block
            .iter()
            .filter(|value| {
                let code = ((*value * inverse + 8.5) as u8).min(15);
                to_bf16((f32::from(code) - 8.0) * stored) == **value
            })
            .count();
    }
    exact as f64 / values.len() as f64
}

/// Noise with the shape of a normal distribution: a fixed generator, twelve uniform numbers a value.
struct Noise(u64);

impl Noise {
    fn uniform(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / 16_777_216.0
    }

    fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.uniform()).sum::<f32>() - 6.0
    }

    /// Blocks of BF16(code × scale), the scales from `scale`.
    fn lattice(&mut self, blocks: usize, mut scale: impl FnMut(f32) -> f32) -> Vec<f32> {
        let mut values = Vec::new();
        for _ in 0..blocks {
            let scale = scale(0.002 + 0.02 * self.uniform());
            let spread = 2.0 + 1.5 * self.uniform();
            values.extend(
                (0..BLOCK).map(|_| to_bf16((self.normal() * spread).round().clamp(-8.0, 7.0) * scale)),
            );
        }
        values
    }
}

fn quantized(values: &[f32]) -> (Exactness, Vec<u8>) {
    let mut bytes = vec![0; values.len() / BLOCK * BLOCK_BYTES];
    (quantize(values, &mut bytes), bytes)
}

#[test]
fn a_lattice_with_bf16_scales_comes_back_whole_where_plain_q4_0_loses_most() {
    let values = Noise(1).lattice(20_000, to_bf16);
    let (found, bytes) = quantized(&values);
    assert!(found.share() >= 0.999, "{found:?}");
    assert!(found.is_lattice());
    let exact = back(&bytes).iter().zip(&values).filter(|(back, value)| back == value).count();
    assert_eq!(exact as u64, found.exact, "what is reported is what is stored");
    assert!(plain_share(&values) < 0.45, "{}", plain_share(&values));
}

#[test]
fn a_lattice_with_32_bit_scales_comes_back_almost_whole() {
    let (found, _) = quantized(&Noise(2).lattice(20_000, |scale| scale));
    assert!(found.share() > 0.99 && found.relative_error() < 0.002, "{found:?} {}", found.share());
    assert!(found.is_lattice());
}

#[test]
fn ordinary_weights_are_no_lattice() {
    let mut noise = Noise(3);
    let values: Vec<f32> = (0..64_000).map(|_| to_bf16(noise.normal() * 0.02)).collect();
    let (found, _) = quantized(&values);
    assert!(found.share() < 0.1 && !found.is_lattice(), "{found:?}");
    // As good as Q4_0 is: 8 % of noise.
    assert!(found.relative_error() < 0.09, "{}", found.relative_error());
}

#[test]
fn a_block_of_zeros_is_zeros() {
    let (found, bytes) = quantized(&[0.0, -0.0].repeat(16));
    assert_eq!((found.exact, bytes[0], bytes[1], bytes[17]), (32, 0, 0, 0x88));
}

#[test]
fn numbers_beyond_half_precision_end_neither_in_infinity_nor_in_a_panic() {
    for value in [f32::MAX, 1e20, 70_000.0 * 8.0, 1e-9, 1e-38, f32::MIN_POSITIVE / 4.0] {
        let (_, bytes) = quantized(&[value, -value].repeat(16));
        let half = u16::from_le_bytes([bytes[0], bytes[1]]) & !half::NEGATIVE;
        assert!(half < 0x7c00, "{value}");
    }
    // Not promised to mean anything, but to end.
    quantized(&[f32::NAN, f32::INFINITY].repeat(16));
}

#[test]
fn bytes_are_in_ggmls_order() {
    let mut values = [0.0; BLOCK];
    (values[0], values[16], values[1]) = (-8.0, 7.0, 1.0);
    let (found, bytes) = quantized(&values);
    assert_eq!(found.exact, 32);
    assert_eq!((bytes[0], bytes[1]), (0x00, 0x3c), "a scale of 1");
    assert_eq!((bytes[2], bytes[3], bytes[4]), (0xf0, 0x89, 0x88));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Any codes at all, at any BF16 scale that half precision holds with its 8 bits, of either sign.
    #[test]
    fn any_block_on_a_lattice_is_exact(
        codes in proptest::collection::vec(-8_i8..=7, BLOCK),
        mantissa in 128_u16..256,
        exponent in -20_i32..4,
        is_negative in any::<bool>(),
        // Blocks that use a part of the codes only.
        most in 0_i8..=8,
    ) {
        let scale = f32::from(mantissa) * 2.0_f32.powi(exponent - 4) * if is_negative { -1.0 } else { 1.0 };
        let codes = codes.into_iter().map(|code| code.clamp(-most, most.min(7)));
        let values: Vec<f32> = codes.map(|code| to_bf16(f32::from(code) * scale)).collect();
        let (found, bytes) = quantized(&values);
        prop_assert_eq!(found.exact, BLOCK as u64);
        let back = back(&bytes);
        prop_assert_eq!(back, values);
    }

    /// Whatever the weights, the report tells the truth about the bytes.
    #[test]
    fn the_report_is_true(values in proptest::collection::vec(-1.0_f32..1.0, BLOCK * 2)) {
        let values: Vec<f32> = values.into_iter().map(to_bf16).collect();
        let (found, bytes) = quantized(&values);
        let exact = back(&bytes).iter().zip(&values).filter(|(back, value)| back == value).count();
        prop_assert_eq!(exact as u64, found.exact);
        prop_assert_eq!(found, measure(&values));
    }
}
