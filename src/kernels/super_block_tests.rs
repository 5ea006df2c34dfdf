//! For the tests of every type that multiplies super-blocks: every set against the reference, bit for bit.

use super::activation_k::{self, ActivationBlockK, SUPER_BLOCK};
use super::tests::Numbers;
use super::{Batch, InstructionSet, Strip, WIDEST, Weights};

/// What this processor has.
pub fn sets() -> impl Iterator<Item = InstructionSet> {
    InstructionSet::ALL.into_iter().filter(|set| set.is_supported())
}

/// A quantized row.
pub fn row(values: &[f32]) -> Vec<ActivationBlockK> {
    let mut row = vec![ActivationBlockK::ZERO; values.len() / SUPER_BLOCK];
    assert!(!activation_k::quantize(values, &mut row));
    row
}

/// The results of every row, after a look at whether no more than those were written.
pub fn run<Block>(
    kind: Weights,
    set: InstructionSet,
    weights: &[Block],
    rows: &[Vec<ActivationBlockK>],
) -> Vec<f32> {
    let kernel = kind.kernel(set);
    assert_eq!(size_of::<Block>(), kernel.weight_bytes, "{kind:?}");
    let strip: Strip = if set == InstructionSet::Reference { kernel.irregular } else { kernel.strip };
    let blocks = rows[0].len();
    let groups = weights.len() / blocks;
    let results = groups * kernel.group;
    let mut outputs = vec![vec![-1.0_f32; results + 1]; rows.len()];
    let mut batch = Batch::EMPTY;
    for (row, output) in rows.iter().zip(&mut outputs) {
        batch.push(row.as_ptr().cast(), output.as_mut_ptr());
    }
    // SAFETY: whole groups, room for all results, and the callers ask whether the processor can.
    unsafe { strip(weights.as_ptr().cast(), blocks, groups, &batch) };
    assert!(outputs.iter().all(|output| output[results] == -1.0), "{kind:?}, {set:?}: wrote too far");
    outputs.iter().flat_map(|output| &output[..results]).copied().collect()
}

/// Compares every set with the reference, over shapes and batches.
pub fn check_sets<Block>(kind: Weights, mut block: impl FnMut(&mut Numbers) -> Block) {
    let mut numbers = Numbers(17);
    for (blocks, groups) in [(1, 1), (1, 2), (3, 5), (11, 4), (2, 33)] {
        let weights: Vec<Block> = (0..blocks * groups).map(|_| block(&mut numbers)).collect();
        for batch in 1..=WIDEST {
            let rows: Vec<_> = (0..batch)
                .map(|_| {
                    let values: Vec<f32> = (0..blocks * SUPER_BLOCK).map(|_| numbers.real()).collect();
                    row(&values)
                })
                .collect();
            let bits = |set| -> Vec<u32> {
                run(kind, set, &weights, &rows).iter().map(|result| result.to_bits()).collect()
            };
            let expected = bits(InstructionSet::Reference);
            for set in sets() {
                assert!(
                    expected == bits(set),
                    "{kind:?}, {set:?}: {blocks} blocks, {groups} groups, batch {batch}"
                );
            }
        }
    }
}
