//! Every instruction set against the reference, bit for bit.

use super::super::activation_k::{self, ActivationBlockK, SUPER_BLOCK};
use super::super::tests::Numbers;
use super::super::{Batch, InstructionSet, Strip, WIDEST, half};
use super::{WeightBlock, reference, strip};

fn sets() -> impl Iterator<Item = InstructionSet> {
    InstructionSet::ALL.into_iter().filter(|set| set.is_supported())
}

fn weights(numbers: &mut Numbers, count: usize) -> Vec<WeightBlock> {
    (0..count)
        .map(|_| WeightBlock {
            low: std::array::from_fn(|_| numbers.next() as u8),
            high: std::array::from_fn(|_| numbers.next() as u8),
            scales: std::array::from_fn(|_| numbers.next() as i8),
            scale: half::from_single(numbers.real() * 0.01),
        })
        .collect()
}

fn row(values: &[f32]) -> Vec<ActivationBlockK> {
    let mut row = vec![ActivationBlockK::ZERO; values.len() / SUPER_BLOCK];
    assert!(!activation_k::quantize(values, &mut row));
    row
}

/// The bits of all results, and that no more than those were written.
fn run(strip: Strip, weights: &[WeightBlock], rows: &[Vec<ActivationBlockK>]) -> Vec<u32> {
    let blocks = rows[0].len();
    let results = weights.len() / blocks;
    let mut outputs = vec![vec![-1.0_f32; results + 1]; rows.len()];
    let mut batch = Batch::EMPTY;
    for (row, output) in rows.iter().zip(&mut outputs) {
        batch.push(row.as_ptr().cast(), output.as_mut_ptr());
    }
    // SAFETY: whole rows, room for all results, and the callers ask whether the processor can.
    unsafe { strip(weights.as_ptr().cast(), blocks, results, &batch) };
    assert!(outputs.iter().all(|output| output[results] == -1.0), "wrote too far");
    outputs.iter().flat_map(|output| &output[..results]).map(|result| result.to_bits()).collect()
}

#[test]
fn every_set_gives_the_reference_s_bits() {
    let mut numbers = Numbers(17);
    for (blocks, count) in [(1, 1), (1, 2), (3, 5), (11, 4), (2, 33)] {
        let weights = weights(&mut numbers, blocks * count);
        for batch in 1..=WIDEST {
            let rows: Vec<_> = (0..batch)
                .map(|_| {
                    let values: Vec<f32> = (0..blocks * SUPER_BLOCK).map(|_| numbers.real()).collect();
                    row(&values)
                })
                .collect();
            let expected = run(reference, &weights, &rows);
            for set in sets() {
                let found = run(strip(set), &weights, &rows);
                assert_eq!(expected, found, "{set:?}, {blocks} blocks, {count} rows, batch {batch}");
            }
        }
    }
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
    let expected: Vec<u32> = [127.0, -127.0]
        .iter()
        .flat_map(|value| of_ones.map(|product: f32| (product * value * 256.0).to_bits()))
        .collect();
    for set in sets() {
        assert_eq!(run(strip(set), &weights, &rows), expected, "{set:?}");
    }
}
