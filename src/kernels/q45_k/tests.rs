//! Every instruction set against the reference, bit for bit, and the reference against sums by hand.

use super::super::activation_k::SUPER_BLOCK;
use super::super::super_block_tests::{check_sets, row, run, sets};
use super::super::{Weights, half};
use super::WeightBlock;

fn every_set_gives_the_reference_s_bits<const HIGH: usize>(kind: Weights) {
    check_sets(kind, |numbers| WeightBlock::<HIGH> {
        scale: half::from_single(numbers.real() * 0.01),
        minimum: half::from_single(numbers.real() * 0.01),
        packed: std::array::from_fn(|_| numbers.next() as u8),
        high: std::array::from_fn(|_| numbers.next() as u8),
        nibbles: std::array::from_fn(|_| numbers.next() as u8),
    });
}

fn the_largest_values_do_not_overflow<const HIGH: usize>(kind: Weights, largest: f32) {
    let block = |scale, minimum| WeightBlock::<HIGH> {
        scale: half::from_single(scale),
        minimum: half::from_single(minimum),
        packed: [0xff; 12],
        high: [0xff; HIGH],
        nibbles: [0xff; SUPER_BLOCK / 2],
    };
    let weights = [block(1.0, 0.0), block(0.0, 1.0)];
    let rows = [row(&[127.0; SUPER_BLOCK]), row(&[-127.0; SUPER_BLOCK])];
    // Whole numbers below 2^32 that single precision holds.
    let (products, minima) = (256.0 * largest * 63.0 * 127.0, 256.0 * 63.0 * 127.0);
    for set in sets() {
        let found = run(kind, set, &weights, &rows);
        assert_eq!(found, [products, -minima, -products, minima], "{kind:?}, {set:?}");
    }
}

#[test]
fn every_set_gives_the_reference_s_bits_of_four_bits() {
    every_set_gives_the_reference_s_bits::<0>(Weights::Q4K);
}

#[test]
fn every_set_gives_the_reference_s_bits_of_five_bits() {
    every_set_gives_the_reference_s_bits::<32>(Weights::Q5K);
}

#[test]
fn the_largest_values_of_four_bits_do_not_overflow() {
    the_largest_values_do_not_overflow::<0>(Weights::Q4K, 15.0);
}

#[test]
fn the_largest_values_of_five_bits_do_not_overflow() {
    the_largest_values_do_not_overflow::<32>(Weights::Q5K, 31.0);
}
