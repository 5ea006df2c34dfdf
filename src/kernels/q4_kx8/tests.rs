//! Every instruction set against the reference, bit for bit, and the reference against sums by hand.

use super::super::activation_k::SUPER_BLOCK;
use super::super::super_block_tests::{check_sets, row, run, sets};
use super::super::{Weights, half};
use super::{GROUP, WeightBlock};

#[test]
fn every_set_gives_the_reference_s_bits() {
    check_sets(Weights::Q4Kx8, |numbers| WeightBlock {
        scales: std::array::from_fn(|_| half::from_single(numbers.real() * 0.01)),
        minima: std::array::from_fn(|_| half::from_single(numbers.real() * 0.01)),
        packed: std::array::from_fn(|_| std::array::from_fn(|_| numbers.next() as u8)),
        nibbles: std::array::from_fn(|_| numbers.next() as u8),
    });
}

#[test]
fn the_largest_values_do_not_overflow() {
    let block = |scale, minimum| WeightBlock {
        scales: [half::from_single(scale); GROUP],
        minima: [half::from_single(minimum); GROUP],
        packed: [[0xff; 12]; 8],
        nibbles: [0xff; GROUP * SUPER_BLOCK / 2],
    };
    let weights = [block(1.0, 0.0), block(0.0, 1.0)];
    let rows = [row(&[127.0; SUPER_BLOCK]), row(&[-127.0; SUPER_BLOCK])];
    // Whole numbers below 2^32 that single precision holds.
    let (products, minima) = (256.0 * 15.0 * 63.0 * 127.0, 256.0 * 63.0 * 127.0);
    let expected = [products, -minima, -products, minima].map(|result| [result; GROUP]).concat();
    for set in sets() {
        assert_eq!(run(Weights::Q4Kx8, set, &weights, &rows), expected, "{set:?}");
    }
}
