//! A strip of weights of each type with one to eight rows of activations, for every set of instructions of this processor. The bar
//! (issue 5): the weights come from memory, and eight rows cost what one costs.
//!
//! 256 MiB of weights: more than any cache, so that the memory's speed is seen. One thread.

use divan::{Bencher, black_box, counter::BytesCount};
use slipstream::kernels::{Batch, InstructionSet, WIDEST, Weights};

/// Columns of a row: a 12B model's width, and a whole number of blocks of every type.
const COLUMNS: usize = 3840;

const BYTES: usize = 256 * 1024 * 1024;

fn main() {
    divan::main();
}

fn sets() -> impl Iterator<Item = InstructionSet> {
    InstructionSet::ALL.into_iter().filter(|set| *set != InstructionSet::Reference && set.is_supported())
}

fn cases() -> Vec<(Weights, InstructionSet, usize)> {
    let of_set = |weights, set| [1, 2, 3, 4, 6, WIDEST].map(move |rows| (weights, set, rows));
    let of_weights = |weights: Weights| {
        sets().filter(move |set| weights.has_kernel(*set)).flat_map(move |set| of_set(weights, set))
    };
    Weights::ALL.into_iter().flat_map(of_weights).collect()
}

#[divan::bench(args = cases(), sample_count = 5, sample_size = 1)]
#[allow(unsafe_code)]
fn strip(bencher: Bencher, (weights, set, count): &(Weights, InstructionSet, usize)) {
    let kernel = weights.kernel(*set);
    let blocks = COLUMNS / kernel.columns;
    let groups = BYTES / kernel.weight_bytes / blocks;
    // Scales of two equal bytes are small half-precision numbers.
    let weights = vec![0x1c_u8; groups * blocks * kernel.weight_bytes];
    let values: Vec<f32> = (0..COLUMNS).map(|column| (column % 37) as f32 - 18.0).collect();
    // In words, for their alignment.
    let mut rows = vec![vec![0_u64; blocks * kernel.activation_bytes / 8 + 1]; *count];
    let mut outputs = vec![vec![0.0_f32; groups * kernel.group]; *count];
    let mut batch = Batch::EMPTY;
    for (row, output) in rows.iter_mut().zip(&mut outputs) {
        // SAFETY: a whole number of blocks, and room for them.
        unsafe { (kernel.quantize)(&values, row.as_mut_ptr().cast()) };
        batch.push(row.as_ptr().cast(), output.as_mut_ptr());
    }
    bencher.counter(BytesCount::of_slice(&weights)).bench_local(|| {
        // SAFETY: whole groups, room for every result, instructions that this processor has.
        unsafe { (kernel.strip)(black_box(weights.as_ptr()), blocks, groups, &batch) };
    });
}
