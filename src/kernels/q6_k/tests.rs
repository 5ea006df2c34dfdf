//! Every instruction set against the reference, bit for bit.

use super::super::activation_k::SUPER_BLOCK;
use super::super::super_block_tests::{check_sets, row, run, sets};
use super::super::{Weights, half};
use super::WeightBlock;

#[test]
fn every_set_gives_the_reference_s_bits() {
    check_sets(Weights::Q6K, |numbers| WeightBlock {
        low: std::array::from_fn(|_| numbers.next() as u8),
        high: std::array::from_fn(|_| numbers.next() as u8),
        scales: std::array::from_fn(|_| numbers.next() as i8),
        scale: half::from_single(numbers.real() * 0.01),
    });
}

#[test]
fn the_largest_values_do_not_overflow() {
    let block = |bits, scale| WeightBlock {
        low: [bits; SUPER_BLOCK / 2],
        high: [bits; SUPER_BLOCK / 4],
        scales: [scale; SUPER_BLOCK / 16],
        scale: half::from_single(1.0),
    };
    let weights = [block(0xff, 127), block(0xff, -128), block(0, 127), block(0, -128)];
    let rows = [row(&[127.0; SUPER_BLOCK]), row(&[-127.0; SUPER_BLOCK])];
    let of_ones = [31.0 * 127.0, 31.0 * -128.0, -32.0 * 127.0, -32.0 * -128.0];
    // Whole numbers that single precision holds: a multiple of 256 below 2^32.
    let expected = [127.0, -127.0].map(|value| of_ones.map(|product| product * value * 256.0)).concat();
    for set in sets() {
        assert_eq!(run(Weights::Q6K, set, &weights, &rows), expected, "{set:?}");
    }
}
