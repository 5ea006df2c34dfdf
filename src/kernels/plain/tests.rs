//! Every format on every instruction set against the plain code, bit for bit.

use super::super::kernel::{Batch, Kernel, WIDEST};
use super::super::tests::Numbers;
use super::super::{BLOCK, InstructionSet};
use super::{Format, Iq4Nl, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, kernel};

/// Blocks of any bytes, but that scale and minimum are below 2.
fn weights<F: Format>(numbers: &mut Numbers, count: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..count * size_of::<F>()).map(|_| numbers.next() as u8).collect();
    for block in bytes.chunks_mut(size_of::<F>()) {
        block[1] &= 0xbf;
        block[3] &= if F::HAS_MINIMUM { 0xbf } else { 0xff };
    }
    bytes
}

/// In words, for their alignment.
fn quantized(kernel: &Kernel, row: &[f32]) -> Vec<u32> {
    let mut place = vec![0; row.len() / BLOCK * kernel.activation_bytes / 4];
    // SAFETY: whole blocks and room for them; the callers ask whether the processor can.
    unsafe { (kernel.quantize)(row, place.as_mut_ptr().cast()) };
    place
}

fn run(kernel: &Kernel, weights: &[u8], rows: &[Vec<u32>]) -> Vec<Vec<u32>> {
    let blocks = rows[0].len() * 4 / kernel.activation_bytes;
    let groups = weights.len() / kernel.weight_bytes / blocks;
    // One more than needed, to see a kernel write too far.
    let mut outputs = vec![vec![-1.0_f32; groups + 1]; rows.len()];
    let mut batch = Batch::EMPTY;
    for (row, output) in rows.iter().zip(&mut outputs) {
        batch.push(row.as_ptr().cast(), output.as_mut_ptr());
    }
    // SAFETY: whole rows, room for all results, and the callers ask whether the processor can.
    unsafe { (kernel.strip)(weights.as_ptr(), blocks, groups, &batch) };
    outputs.iter().map(|output| output.iter().map(|result| result.to_bits()).collect()).collect()
}

fn sets() -> impl Iterator<Item = InstructionSet> {
    InstructionSet::ALL.into_iter().filter(|set| set.is_supported())
}

fn check<F: Format>(numbers: &mut Numbers) {
    let reference = kernel::<F>(InstructionSet::Reference);
    for set in sets() {
        let kernel = kernel::<F>(set);
        for (blocks, groups) in [(1, 1), (2, 4), (3, 7), (12, 9), (33, 6)] {
            let weights = weights::<F>(numbers, blocks * groups);
            for count in 1..=WIDEST {
                let what = format!("{set:?}, {blocks} blocks, {groups} rows of weights, {count} rows");
                let rows: Vec<Vec<f32>> =
                    (0..count).map(|_| (0..blocks * BLOCK).map(|_| numbers.real() * 3.0).collect()).collect();
                let expected: Vec<_> = rows.iter().map(|row| quantized(&reference, row)).collect();
                let found: Vec<_> = rows.iter().map(|row| quantized(&kernel, row)).collect();
                assert_eq!(found, expected, "activations, {what}");
                let results = run(&kernel, &weights, &found);
                assert_eq!(results, run(&reference, &weights, &found), "{what}");
                assert!(results.iter().all(|row| row[groups] == (-1.0_f32).to_bits()), "{what}: too far");
            }
        }
    }
}

#[test]
fn every_set_gives_the_reference_s_bits() {
    let mut numbers = Numbers(13);
    check::<Q4_0>(&mut numbers);
    check::<Q4_1>(&mut numbers);
    check::<Q5_0>(&mut numbers);
    check::<Q5_1>(&mut numbers);
    check::<Q8_0>(&mut numbers);
    check::<Iq4Nl>(&mut numbers);
}

/// Weights of one byte, scales and minima of 1, with rows of the largest activations; results of a block a row.
fn largest<F: Format>(byte: u8) -> [f32; 2] {
    let one = 0x3c00_u16.to_le_bytes();
    let mut block = vec![byte; size_of::<F>()];
    block[..2].copy_from_slice(&one);
    if F::HAS_MINIMUM {
        block[2..4].copy_from_slice(&one);
    }
    let found: Vec<_> = sets()
        .map(|set| {
            let kernel = kernel::<F>(set);
            let rows = [127.0, -127.0].map(|value| quantized(&kernel, &[value; BLOCK]));
            run(&kernel, &block, &rows).iter().map(|row| f32::from_bits(row[0])).collect::<Vec<_>>()
        })
        .collect();
    assert!(found.iter().all(|results| *results == found[0]), "{found:?}");
    [found[0][0], found[0][1]]
}

#[test]
fn the_largest_values_come_out_as_they_should() {
    let all = BLOCK as f32 * 127.0;
    assert_eq!(largest::<Q4_0>(0x00), [-8.0 * all, 8.0 * all]);
    assert_eq!(largest::<Q4_0>(0xff), [7.0 * all, -7.0 * all]);
    assert_eq!(largest::<Q4_1>(0xff), [16.0 * all, -16.0 * all]);
    assert_eq!(largest::<Q5_0>(0x00), [-16.0 * all, 16.0 * all]);
    assert_eq!(largest::<Q5_0>(0xff), [15.0 * all, -15.0 * all]);
    assert_eq!(largest::<Q5_1>(0xff), [32.0 * all, -32.0 * all]);
    assert_eq!(largest::<Q8_0>(0x80), [-128.0 * all, 128.0 * all]);
    assert_eq!(largest::<Q8_0>(0x7f), [127.0 * all, -127.0 * all]);
    assert_eq!(largest::<Iq4Nl>(0x00), [-127.0 * all, 127.0 * all]);
    assert_eq!(largest::<Iq4Nl>(0xff), [113.0 * all, -113.0 * all]);
}
