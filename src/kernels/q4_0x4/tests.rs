//! Every set of instructions against the reference, and both layouts against plain rows, bit for bit.

use super::super::tests::Numbers;
use super::super::{ActivationBlock, BLOCK, Batch, InstructionSet, Strip, WIDEST, half};
use super::activation::quantize;
use super::{GROUP, WeightBlock, reference, strip};

/// A block of one row: its scale in half precision, and columns 0..16 in low nibbles, 16..32 in high ones.
type Plain = (u16, [u8; BLOCK / 2]);

fn plain(numbers: &mut Numbers, blocks: usize) -> Vec<Plain> {
    (0..blocks)
        .map(|_| (half::from_single(numbers.real() * 0.05), std::array::from_fn(|_| numbers.next() as u8)))
        .collect()
}

/// Rows interleaved by `run` columns, as llama.cpp's `make_block_q4_0x4` does it, without the signs.
fn interleave(rows: &[Vec<Plain>], run: usize) -> Vec<WeightBlock> {
    let groups = rows.chunks(GROUP).flat_map(|four| (0..four[0].len()).map(move |index| (four, index)));
    groups
        .map(|(four, index)| {
            let mut block = WeightBlock { scales: [0; GROUP], nibbles: [0; GROUP * BLOCK / 2] };
            block.scales = std::array::from_fn(|row| four[row][index].0);
            for (number, place) in block.nibbles.chunks_mut(run).enumerate() {
                let from = number / GROUP * run;
                place.copy_from_slice(&four[number % GROUP][index].1[from..from + run]);
            }
            block
        })
        .collect()
}

fn activations(numbers: &mut Numbers, blocks: usize) -> Vec<ActivationBlock> {
    let values: Vec<f32> = (0..blocks * BLOCK).map(|_| numbers.real() * 3.0).collect();
    let mut row = vec![ActivationBlock::ZERO; blocks];
    quantize(&values, &mut row);
    row
}

/// What a row of weights gives with a row of activations: the sum of the products of each block, then one fused multiply-add.
fn expected(weights: &[Plain], activations: &[ActivationBlock]) -> f32 {
    weights.iter().zip(activations).fold(0.0, |sum, ((scale, nibbles), activation)| {
        let signed = |nibble: u8| i32::from(nibble) - if nibble > 7 { 16 } else { 0 };
        let low =
            nibbles.iter().zip(&activation.values).map(|(byte, value)| signed(byte & 15) * i32::from(*value));
        let high = nibbles
            .iter()
            .zip(&activation.values[16..])
            .map(|(byte, value)| signed(byte >> 4) * i32::from(*value));
        let whole: i32 = low.chain(high).sum();
        (whole as f32).mul_add(half::to_single(*scale) * activation.scale, sum)
    })
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

/// The strips of a layout on this processor.
fn strips<const RUN: usize>() -> Vec<(String, usize, Strip)> {
    let sets = InstructionSet::ALL.into_iter().filter(|set| set.is_supported());
    sets.map(|set| (format!("{set:?}, by {RUN}"), RUN, strip::<RUN>(set))).collect()
}

#[test]
fn every_set_and_layout_gives_the_bits_of_plain_rows() {
    let mut numbers = Numbers(7);
    for (name, length, strip) in [strips::<4>(), strips::<8>()].concat() {
        for (blocks, groups) in [(1, 1), (3, 2), (12, 3), (40, 5)] {
            let weights: Vec<_> = (0..groups * GROUP).map(|_| plain(&mut numbers, blocks)).collect();
            for count in 1..=WIDEST {
                let rows: Vec<_> = (0..count).map(|_| activations(&mut numbers, blocks)).collect();
                let found = run(strip, &interleave(&weights, length), &rows);
                for (row, found) in rows.iter().zip(&found) {
                    let what = format!("{name}, {blocks} blocks, {groups} groups, {count} rows");
                    for (weights, found) in weights.iter().zip(found) {
                        assert_eq!(expected(weights, row).to_bits(), found.to_bits(), "{what}");
                    }
                    assert_eq!(found.last(), Some(&-1.0), "{what}: wrote too far");
                }
            }
        }
    }
}

#[test]
fn the_largest_values_do_not_overflow() {
    let weights = vec![WeightBlock { scales: [half::from_single(1.0); GROUP], nibbles: [0x88; 64] }; 2];
    let mut rows = vec![vec![ActivationBlock::ZERO; 2]; 2];
    quantize(&[127.0; 64], &mut rows[0]);
    quantize(&[-127.0; 64], &mut rows[1]);
    for (name, _, strip) in [strips::<4>(), strips::<8>()].concat() {
        let found = run(strip, &weights, &rows);
        assert_eq!([found[0][0], found[1][0]], [64.0, -64.0].map(|sum| sum * 127.0 * -8.0), "{name}");
    }
}

#[test]
fn values_that_are_no_numbers_go_through_every_set_alike() {
    let mut numbers = Numbers(23);
    let blocks = 3;
    let weights: Vec<_> = (0..2 * GROUP).map(|_| plain(&mut numbers, blocks)).collect();
    for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, 65_504.0 * 127.5, 1e-43, -0.0] {
        let mut values: Vec<f32> = (0..blocks * BLOCK).map(|_| numbers.real()).collect();
        values[40] = odd;
        // Alone in its block as well: then a scale may be below all normal numbers.
        values[2 * BLOCK..].fill(0.0);
        values[2 * BLOCK + 5] = odd;
        let mut row = vec![ActivationBlock::ZERO; blocks];
        quantize(&values, &mut row);
        let rows = [row];
        let plain = run(reference::<4>, &interleave(&weights, 4), &rows);
        for (name, length, strip) in [strips::<4>(), strips::<8>()].concat() {
            let found = run(strip, &interleave(&weights, length), &rows);
            for (plain, found) in plain[0].iter().zip(&found[0]) {
                let equal = plain.to_bits() == found.to_bits() || (plain.is_nan() && found.is_nan());
                assert!(equal, "{name}, {odd}: {found} is not {plain}");
            }
        }
    }
}
