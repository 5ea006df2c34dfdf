//! Activations in 8 bits as llama.cpp's `quantize_row_q8_0` makes them on ARM: other bits than on x86, where 127 is divided by
//! the largest value; here one is divided by the scale.

use super::super::activation::{ActivationBlock, BLOCK};
use super::super::half;

/// Quantizes a row.
///
/// # Panics
/// Where the row is not `blocks.len()` blocks long.
pub fn quantize(row: &[f32], blocks: &mut [ActivationBlock]) {
    assert_eq!(row.len(), blocks.len() * BLOCK, "a row and its blocks");
    for (values, block) in row.as_chunks::<BLOCK>().0.iter().zip(blocks) {
        // Magnitudes are in the order of their bits, with NaN above all numbers: a block with one has it as its largest, as
        // ARM's maximum does.
        let largest = values.iter().fold(0, |largest, value| value.abs().to_bits().max(largest));
        let scale = f32::from_bits(largest) / 127.0;
        let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
        let mut sum = 0;
        for (value, quantized) in values.iter().zip(&mut block.values) {
            // To the nearest 32-bit number, ties to even, NaN to zero; of that the lowest 8 bits. Those are all of it but for
            // an infinity, which becomes -1 or 0.
            *quantized = (value * inverse).round_ties_even() as i32 as i8;
            sum += i32::from(*quantized);
        }
        block.scale = half::to_single(half::from_single(scale));
        block.correction = -8 * sum;
    }
}

/// [`quantize`] as a [`Quantize`](super::super::kernel::Quantize). Never tells of values that are no numbers: they are in the scale, and
/// every kernel gives what llama.cpp gives.
///
/// # Safety
/// `place` has room for the row's blocks.
pub unsafe fn quantize_at(row: &[f32], place: *mut u8) -> bool {
    let blocks = row.len() / BLOCK;
    let place = place.cast::<ActivationBlock>();
    // SAFETY: the caller's promise; zeroed bytes are blocks.
    let blocks = unsafe {
        place.write_bytes(0, blocks);
        std::slice::from_raw_parts_mut(place, blocks)
    };
    quantize(row, blocks);
    false
}

#[cfg(test)]
mod tests {
    use super::{ActivationBlock, quantize};

    fn block(values: &[f32]) -> ActivationBlock {
        let mut row = [0.0; 32];
        row[..values.len()].copy_from_slice(values);
        let mut block = [ActivationBlock::ZERO];
        quantize(&row, &mut block);
        block[0]
    }

    #[test]
    fn the_largest_value_becomes_127_and_ties_go_to_even() {
        let block = block(&[-127.0, 2.5, 3.5]);
        assert_eq!(block.scale, 1.0);
        assert_eq!(&block.values[..3], &[-127, 2, 4]);
        assert_eq!(block.correction, 8 * 121);
    }

    #[test]
    fn values_are_multiplied_with_one_over_the_scale() {
        // A value that comes out at 0.5 one way, and just above it the other way.
        let (largest, value) = (1.3, 0.005_118_11);
        let [scaled, divided] =
            [1.0 / (largest / 127.0), 127.0 / largest].map(|inverse: f32| value * inverse);
        assert!(scaled == 0.5 && divided > 0.5, "{scaled} {divided}");
        assert_eq!(block(&[largest, value]).values[..2], [127, 0]);
    }

    #[test]
    fn what_is_no_number_makes_the_scale_none() {
        assert_eq!(block(&[]), ActivationBlock::ZERO);
        let of_nan = block(&[1.0, f32::NAN, f32::INFINITY]);
        assert!(of_nan.scale.is_nan() && of_nan.values == [0; 32]);
        let of_infinity = block(&[1.0, f32::NEG_INFINITY]);
        assert!(of_infinity.scale.is_infinite() && of_infinity.values == [0; 32]);
        // A scale below all normal numbers has no inverse: infinities, saturated and cut to 8 bits.
        assert_eq!(block(&[1e-43, -1e-43]).values[..3], [-1, 0, 0]);
    }
}
