//! Activations in 8 bits, 32 to a scale: bit for bit llama.cpp's `quantize_row_q8_0`, with what the kernels want beside.

#[cfg(target_arch = "x86_64")]
pub mod avx2;

use super::half;
use super::instructions::InstructionSet;
use super::kernel::Quantize;

/// Values that share a scale.
pub const BLOCK: usize = 32;

/// The value a NaN, or an infinity times zero, becomes. It appears in no other way: a block's largest magnitude is 127.
const IMPOSSIBLE: i8 = -128;

/// Weights that the kernels multiply without their sign.
pub trait Raised {
    /// What is added to them, so that none is negative.
    const OFFSET: i32;
}

/// 32 quantized activations.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct ActivationBlock {
    /// What a quantized step is worth; went through half precision, as in llama.cpp.
    pub scale: f32,
    /// −offset · the sum of the values. The kernels multiply weights that were made positive by an offset (nibbles of 0..15 that
    /// stand for −8..7: of 8): a sum that starts here has what every weight is too much taken off.
    pub correction: i32,
    /// The values.
    pub values: [i8; BLOCK],
}

impl ActivationBlock {
    /// Of zeros.
    pub const ZERO: ActivationBlock = ActivationBlock { scale: 0.0, correction: 0, values: [0; BLOCK] };

    /// Four neighbouring values in the bytes of each number, the first lowest.
    #[inline]
    #[must_use]
    pub fn fours(&self) -> [i32; BLOCK / 4] {
        let fours = self.values.as_chunks::<4>().0;
        std::array::from_fn(|number| i32::from_le_bytes(fours[number].map(i8::cast_unsigned)))
    }
}

/// 32 quantized values, before they are laid out for a kernel.
#[derive(Clone, Copy, Debug)]
pub struct Quantized {
    /// The values.
    pub values: [i8; BLOCK],
    /// What a step is worth; went through half precision.
    pub scale: f32,
    /// The same before it did.
    pub step: f32,
    /// The sum of the values. Those that are no numbers count as the smallest integer in it, and it wraps: as in llama.cpp.
    pub sum: i32,
}

impl Quantized {
    /// Whether one of the values is no number, for which only the reference kernels are exact.
    #[must_use]
    pub fn is_irregular(&self) -> bool {
        self.values.contains(&IMPOSSIBLE)
    }
}

/// Quantizes 32 values.
#[must_use]
pub fn quantize_block(values: &[f32; BLOCK]) -> Quantized {
    // Eight running maxima that meet pairwise; of a NaN and a number the second stays: the order of llama.cpp's vectors counts
    // once a NaN is among them.
    let mut lanes: [f32; 8] = std::array::from_fn(|lane| values[lane].abs());
    for eight in values.as_chunks::<8>().0.iter().skip(1) {
        for (lane, value) in lanes.iter_mut().zip(eight) {
            *lane = maximum(*lane, value.abs());
        }
    }
    let four: [f32; 4] = std::array::from_fn(|lane| maximum(lanes[lane + 4], lanes[lane]));
    let largest = maximum(maximum(four[0], four[2]), maximum(four[1], four[3]));

    let inverse = if largest == 0.0 { 0.0 } else { 127.0 / largest };
    let whole = values.map(|value| whole(value * inverse));
    let step = largest / 127.0;
    Quantized {
        // Two saturating packs.
        values: whole.map(|value| value.clamp(-128, 127) as i8),
        scale: half::to_single(half::from_single(step)),
        step,
        sum: whole.into_iter().fold(0, i32::wrapping_add),
    }
}

/// Quantizes a row for some weights; returns whether it holds a value that is no number, for which only the
/// reference kernel is exact.
///
/// # Panics
/// Where the row is not `blocks.len()` blocks long.
pub fn quantize<R: Raised>(row: &[f32], blocks: &mut [ActivationBlock]) -> bool {
    assert_eq!(row.len(), blocks.len() * BLOCK, "a row and its blocks");
    let mut irregular = false;
    for (values, block) in row.as_chunks::<BLOCK>().0.iter().zip(blocks) {
        let quantized = quantize_block(values);
        irregular |= quantized.is_irregular();
        let sum: i32 = quantized.values.iter().copied().map(i32::from).sum();
        *block = ActivationBlock {
            scale: quantized.scale,
            correction: -R::OFFSET * sum,
            values: quantized.values,
        };
    }
    irregular
}

/// What quantizes with a set of instructions.
#[must_use]
pub fn quantizer<R: Raised>(set: InstructionSet) -> Quantize {
    match set {
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 | InstructionSet::AvxVnni | InstructionSet::Avx512Vnni => avx2::quantize_at::<R>,
        _ => quantize_at::<R>,
    }
}

/// [`quantize`] as a [`Quantize`].
///
/// # Safety
/// `place` has room for the row's blocks.
pub unsafe fn quantize_at<R: Raised>(row: &[f32], place: *mut u8) -> bool {
    let blocks = row.len() / BLOCK;
    let place = place.cast::<ActivationBlock>();
    // SAFETY: the caller's promise; zeroed bytes are blocks.
    let blocks = unsafe {
        place.write_bytes(0, blocks);
        std::slice::from_raw_parts_mut(place, blocks)
    };
    quantize::<R>(row, blocks)
}

/// x86's `maxps`: the second where one of them is NaN.
fn maximum(first: f32, second: f32) -> f32 {
    if first > second { first } else { second }
}

/// The nearest whole number, ties to even; what the processor cannot convert becomes the smallest.
fn whole(value: f32) -> i32 {
    let rounded = value.round_ties_even();
    if (-2_147_483_648.0..2_147_483_648.0).contains(&rounded) { rounded as i32 } else { i32::MIN }
}

#[cfg(test)]
mod tests {
    use super::super::instructions::InstructionSet;
    use super::{ActivationBlock, BLOCK, Raised, quantize, quantizer};

    #[test]
    fn the_largest_value_becomes_127_and_ties_go_to_even() {
        let mut row = [0.0; 32];
        row[3] = -127.0;
        row[4] = 2.5;
        row[5] = 3.5;
        let mut block = [ActivationBlock::ZERO];
        assert!(!quantize::<Eights>(&row, &mut block));
        assert_eq!(block[0].scale, 1.0);
        assert_eq!(&block[0].values[3..6], &[-127, 2, 4]);
        assert_eq!(block[0].correction, 8 * 121);
    }

    #[test]
    fn nothing_is_zero_and_what_is_no_number_is_told() {
        let mut block = [ActivationBlock::ZERO];
        assert!(!quantize::<Eights>(&[0.0; 32], &mut block));
        assert_eq!(block[0], ActivationBlock::ZERO);
        let mut row = [1.0; 32];
        row[9] = f32::NAN;
        assert!(quantize::<Eights>(&row, &mut block));
        row[9] = f32::INFINITY;
        assert!(quantize::<Eights>(&row, &mut block));
    }

    struct Eights;

    impl Raised for Eights {
        const OFFSET: i32 = 8;
    }

    /// What no ordinary row holds, to be put among ordinary numbers.
    const ODD: [f32; 10] = [
        f32::NAN,
        -f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MAX,
        f32::MIN_POSITIVE / 8.0,
        1e-38,
        -0.0,
        1e-12,
        65_504.0 * 127.0,
    ];

    #[test]
    #[allow(unsafe_code)]
    fn every_set_quantizes_as_the_plain_code() {
        let mut state = 1_u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as u32
        };
        for case in 0..4000 {
            let size = 2.0_f32.powi(random() as i32 % 40 - 20);
            // Halves of small whole numbers: many ties.
            let mut row: Vec<f32> =
                (0..3 * BLOCK).map(|_| (random() % 509) as f32 * 0.5 * size - 127.0 * size).collect();
            for _ in 0..case % 4 {
                row[random() as usize % (3 * BLOCK)] = ODD[random() as usize % ODD.len()];
            }
            let mut expected = [ActivationBlock::ZERO; 3];
            let irregular = quantize::<Eights>(&row, &mut expected);
            for set in InstructionSet::ALL.into_iter().filter(|set| set.is_supported()) {
                let mut found = [ActivationBlock::ZERO; 3];
                // SAFETY: room for three blocks, and the processor has the instructions.
                let mark = unsafe { quantizer::<Eights>(set)(&row, found.as_mut_ptr().cast()) };
                assert_eq!(mark, irregular, "{set:?}, {row:?}");
                for (expected, found) in expected.iter().zip(&found) {
                    let equal = expected.scale.to_bits() == found.scale.to_bits()
                        || (expected.scale.is_nan() && found.scale.is_nan());
                    assert!(equal, "{set:?}: {} is not {}, {row:?}", found.scale, expected.scale);
                    assert_eq!(found.values, expected.values, "{set:?}, {row:?}");
                    assert_eq!(found.correction, expected.correction, "{set:?}, {row:?}");
                }
            }
        }
    }
}
