//! Every instruction set against the reference, bit for bit.

use super::q4_0::{self, GROUP, Iq4Nl, Nibbles, Q4_0, WeightBlock};
use super::{ActivationBlock, BLOCK, Batch, InstructionSet, Strip, WIDEST, half, quantize};

/// A small generator: the same numbers everywhere.
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    pub(super) fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    pub(super) fn real(&mut self) -> f32 {
        self.next() as f32 / (1_u32 << 30) as f32 - 1.0
    }
}

fn weights(numbers: &mut Numbers, count: usize) -> Vec<WeightBlock> {
    (0..count)
        .map(|_| WeightBlock {
            scales: std::array::from_fn(|_| half::from_single(numbers.real() * 0.05)),
            nibbles: std::array::from_fn(|_| numbers.next() as u8),
        })
        .collect()
}

fn row<N: Nibbles>(numbers: &mut Numbers, blocks: usize) -> Vec<ActivationBlock> {
    let values: Vec<f32> = (0..blocks * BLOCK).map(|_| numbers.real() * 3.0).collect();
    let mut row = vec![ActivationBlock::ZERO; blocks];
    assert!(!quantize::<N>(&values, &mut row));
    row
}

fn run(strip: Strip, weights: &[WeightBlock], rows: &[Vec<ActivationBlock>]) -> Vec<Vec<f32>> {
    let results = weights.len() / rows[0].len() * GROUP;
    // One more than needed, to see a kernel write too far.
    let mut outputs = vec![vec![-1.0; results + 1]; rows.len()];
    let mut batch = Batch::EMPTY;
    for (row, output) in rows.iter().zip(&mut outputs) {
        batch.push(row.as_ptr().cast(), output.as_mut_ptr());
    }
    // SAFETY: whole groups, room for all results, and the callers ask whether the processor can.
    unsafe { strip(weights.as_ptr().cast(), rows[0].len(), results / GROUP, &batch) };
    outputs
}

#[test]
fn every_set_gives_the_reference_s_bits() {
    check::<Q4_0>();
    check::<Iq4Nl>();
}

fn check<N: Nibbles>() {
    let mut numbers = Numbers(7);
    for set in InstructionSet::ALL.into_iter().filter(|set| set.is_supported()) {
        for (blocks, groups) in [(1, 1), (3, 2), (12, 3), (40, 5)] {
            let weights = weights(&mut numbers, blocks * groups);
            for count in 1..=WIDEST {
                let rows: Vec<_> = (0..count).map(|_| row::<N>(&mut numbers, blocks)).collect();
                let expected = run(q4_0::reference::<N>, &weights, &rows);
                let found = run(q4_0::strip::<N>(set), &weights, &rows);
                let bits =
                    |rows: &[Vec<f32>]| -> Vec<u32> { rows.concat().iter().map(|x| x.to_bits()).collect() };
                assert_eq!(
                    bits(&expected),
                    bits(&found),
                    "{set:?}, {blocks} blocks, {groups} groups, {count} rows"
                );
                assert_eq!(found[0].last(), Some(&-1.0), "{set:?} wrote too far");
            }
        }
    }
}

#[test]
fn the_largest_values_do_not_overflow() {
    largest::<Q4_0>(0x88, -8.0);
    largest::<Iq4Nl>(0x00, -127.0);
    largest::<Iq4Nl>(0xff, 113.0);
}

/// With nibbles that all stand for a weight.
fn largest<N: Nibbles>(nibbles: u8, weight: f32) {
    let scales = [half::from_single(1.0); GROUP];
    let weights = vec![WeightBlock { scales, nibbles: [nibbles; 128] }; 2];
    let mut rows = vec![vec![ActivationBlock::ZERO; 2]; 2];
    quantize::<N>(&[127.0; 64], &mut rows[0]);
    quantize::<N>(&[-127.0; 64], &mut rows[1]);
    for set in InstructionSet::ALL.into_iter().filter(|set| set.is_supported()) {
        let found = run(q4_0::strip::<N>(set), &weights, &rows);
        assert_eq!([found[0][0], found[1][0]], [64.0, -64.0].map(|sum| sum * 127.0 * weight), "{set:?}");
    }
}
