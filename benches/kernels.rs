//! A strip of Q4_0 weights with one to eight rows of activations, for every set of instructions of this processor. The bar
//! (issue 5): the weights come from memory, and eight rows cost what one costs.
//!
//! 256 MiB of weights: more than any cache, so that the memory's speed is seen. One thread.

use divan::{Bencher, black_box, counter::BytesCount};
use slipstream::kernels::{ActivationBlock, BLOCK, Batch, InstructionSet, WIDEST, WeightBlock, quantize};

/// Columns of a row, in blocks: 3,840, a 12B model's width.
const BLOCKS: usize = 120;

/// Groups of eight rows.
const GROUPS: usize = 256 * 1024 * 1024 / 144 / BLOCKS;

fn main() {
    divan::main();
}

fn sets() -> impl Iterator<Item = InstructionSet> {
    InstructionSet::ALL.into_iter().filter(|set| *set != InstructionSet::Reference && set.is_supported())
}

fn cases() -> Vec<(InstructionSet, usize)> {
    sets().flat_map(|set| [1, 2, 3, 4, 6, WIDEST].map(|rows| (set, rows))).collect()
}

#[divan::bench(args = cases(), sample_count = 5, sample_size = 1)]
#[allow(unsafe_code)]
fn strip(bencher: Bencher, (set, count): &(InstructionSet, usize)) {
    let weights: Vec<WeightBlock> = (0..BLOCKS * GROUPS)
        .map(|block| WeightBlock { scales: [0x1c00; 8], nibbles: [block as u8; 128] })
        .collect();
    let values: Vec<f32> = (0..BLOCKS * BLOCK).map(|column| (column % 37) as f32 - 18.0).collect();
    let mut row = vec![ActivationBlock { scale: 0.0, correction: 0, values: [0; BLOCK] }; BLOCKS];
    quantize(&values, &mut row);
    let rows = vec![row; *count];
    let mut outputs = vec![vec![0.0_f32; GROUPS * 8]; *count];
    let mut batch =
        Batch { activations: [&[]; WIDEST], outputs: [std::ptr::null_mut(); WIDEST], count: *count };
    for (number, (row, output)) in rows.iter().zip(&mut outputs).enumerate() {
        batch.activations[number] = row;
        batch.outputs[number] = output.as_mut_ptr();
    }
    bencher.counter(BytesCount::of_slice(&weights)).bench_local(|| {
        // SAFETY: whole groups, room for every result, instructions that this processor has.
        unsafe { set.strip()(black_box(&weights), &batch) };
    });
}
