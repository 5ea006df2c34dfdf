//! Every instruction set against the reference, bit for bit.

use super::q4_0::{self, ARM_GROUP, GROUP, WeightBlock};
use super::{ActivationBlock, BLOCK, Batch, InstructionSet, Strip, WIDEST, half, quantize};

/// A small generator: the same numbers everywhere.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    fn real(&mut self) -> f32 {
        self.next() as f32 / (1_u32 << 30) as f32 - 1.0
    }
}

fn weights<const ROWS: usize>(numbers: &mut Numbers, count: usize) -> Vec<WeightBlock<ROWS>> {
    (0..count)
        .map(|_| WeightBlock {
            scales: std::array::from_fn(|_| half::from_single(numbers.real() * 0.05)),
            nibbles: std::array::from_fn(|_| std::array::from_fn(|_| numbers.next() as u8)),
        })
        .collect()
}

fn row(numbers: &mut Numbers, blocks: usize) -> Vec<ActivationBlock> {
    let values: Vec<f32> = (0..blocks * BLOCK).map(|_| numbers.real() * 3.0).collect();
    let mut row = vec![ActivationBlock::ZERO; blocks];
    assert!(!quantize(&values, &mut row));
    row
}

fn run<const ROWS: usize>(
    strip: Strip,
    weights: &[WeightBlock<ROWS>],
    rows: &[Vec<ActivationBlock>],
) -> Vec<Vec<f32>> {
    let results = weights.len() / rows[0].len() * ROWS;
    // One more than needed, to see a kernel write too far.
    let mut outputs = vec![vec![-1.0; results + 1]; rows.len()];
    let mut batch = Batch::EMPTY;
    for (row, output) in rows.iter().zip(&mut outputs) {
        batch.push(row.as_ptr().cast(), output.as_mut_ptr());
    }
    // SAFETY: whole groups, room for all results, and the callers ask whether the processor can.
    unsafe { strip(weights.as_ptr().cast(), rows[0].len(), results / ROWS, &batch) };
    outputs
}

fn bits(rows: &[Vec<f32>]) -> Vec<u32> {
    rows.concat().iter().map(|x| x.to_bits()).collect()
}

fn sets() -> impl Iterator<Item = InstructionSet> {
    InstructionSet::ALL.into_iter().filter(|set| set.is_supported())
}

/// Compares the strips of a layout with its reference: blocks and groups of several numbers, with each number of rows.
fn compare<const ROWS: usize>(reference: Strip, strips: &[(InstructionSet, Strip)]) {
    let mut numbers = Numbers(7);
    for (set, strip) in strips {
        for (blocks, groups) in [(1, 1), (3, 2), (12, 3), (40, 5)] {
            let weights = weights::<ROWS>(&mut numbers, blocks * groups);
            for count in 1..=WIDEST {
                let rows: Vec<_> = (0..count).map(|_| row(&mut numbers, blocks)).collect();
                let expected = run(reference, &weights, &rows);
                let found = run(*strip, &weights, &rows);
                let what = format!("{set:?}, {blocks} blocks, {groups} groups, {count} rows");
                assert_eq!(bits(&expected), bits(&found), "{what}");
                assert_eq!(found[0].last(), Some(&-1.0), "{what}: wrote too far");
            }
        }
    }
}

#[test]
fn every_set_gives_the_reference_s_bits() {
    let strips: Vec<_> = sets().map(|set| (set, q4_0::strip(set))).collect();
    compare::<GROUP>(q4_0::reference::<GROUP, 8>, &strips);
    let strips: Vec<_> = sets().map(|set| (set, q4_0::arm_strip::<4>(set))).collect();
    compare::<ARM_GROUP>(q4_0::reference::<ARM_GROUP, 4>, &strips);
    let strips: Vec<_> = sets().map(|set| (set, q4_0::arm_strip::<8>(set))).collect();
    compare::<ARM_GROUP>(q4_0::reference::<ARM_GROUP, 8>, &strips);
}

/// Plain blocks of one row each, as llama.cpp's repacking interleaves them.
fn interleave<const ROWS: usize>(plain: &[Vec<WeightBlock<1>>], run: usize) -> Vec<WeightBlock<ROWS>> {
    let blocks = plain[0].len();
    let mut made = Vec::new();
    for rows in plain.chunks(ROWS) {
        for index in 0..blocks {
            let mut block = WeightBlock::<ROWS> { scales: [0; ROWS], nibbles: [[0; 16]; ROWS] };
            for (row, plain) in rows.iter().enumerate() {
                block.scales[row] = plain[index].scales[0];
                for (at, bytes) in plain[index].nibbles[0].chunks(run).enumerate() {
                    let place = (at * ROWS + row) * run;
                    block.nibbles.as_flattened_mut()[place..place + run].copy_from_slice(bytes);
                }
            }
            made.push(block);
        }
    }
    made
}

#[test]
fn the_same_weights_give_the_same_bits_in_every_layout() {
    let mut numbers = Numbers(19);
    let plain: Vec<Vec<WeightBlock<1>>> = (0..24).map(|_| weights(&mut numbers, 5)).collect();
    let rows: Vec<_> = (0..3).map(|_| row(&mut numbers, 5)).collect();
    let expected = bits(&run(q4_0::reference::<1, 16>, &interleave::<1>(&plain, 16), &rows));
    for set in sets() {
        let eights = interleave::<GROUP>(&plain, 8);
        let fours = [4, 8].map(|run| interleave::<ARM_GROUP>(&plain, run));
        assert_eq!(expected, bits(&run(q4_0::strip(set), &eights, &rows)), "{set:?}, eight by eight");
        assert_eq!(
            expected,
            bits(&run(q4_0::arm_strip::<4>(set), &fours[0], &rows)),
            "{set:?}, four by four"
        );
        assert_eq!(
            expected,
            bits(&run(q4_0::arm_strip::<8>(set), &fours[1], &rows)),
            "{set:?}, four by eight"
        );
    }
}

/// The largest weights with the largest activations of either sign.
fn at_the_limit<const ROWS: usize>(set: InstructionSet, reference: Strip, strip: Strip) {
    let weights =
        vec![WeightBlock { scales: [half::from_single(1.0); ROWS], nibbles: [[0x88; BLOCK / 2]; ROWS] }; 2];
    let mut rows = vec![vec![ActivationBlock::ZERO; 2]; 2];
    quantize(&[1.0; 64], &mut rows[0]);
    quantize(&[-1.0; 64], &mut rows[1]);
    let found = run(strip, &weights, &rows);
    assert_eq!(found, run(reference, &weights, &rows), "{set:?}");
    let right = (found[0][0] + 64.0 * 8.0).abs() < 0.5 && (found[1][0] - 64.0 * 8.0).abs() < 0.5;
    assert!(right, "{set:?}: {found:?}");
}

#[test]
fn the_largest_values_do_not_overflow() {
    for set in sets() {
        at_the_limit::<GROUP>(set, q4_0::reference::<GROUP, 8>, q4_0::strip(set));
        at_the_limit::<ARM_GROUP>(set, q4_0::reference::<ARM_GROUP, 4>, q4_0::arm_strip::<4>(set));
        at_the_limit::<ARM_GROUP>(set, q4_0::reference::<ARM_GROUP, 8>, q4_0::arm_strip::<8>(set));
    }
}
