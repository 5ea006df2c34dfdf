//! Before our kernels are trusted: a small product of each against llama.cpp's own, bit for bit. Takes some milliseconds, and finds a changed layout of the weights or a processor that does not do what it says.

use super::kernels::{Trial, compute, known, taken};
use super::quantize::quantize_rows;
use crate::kernels::{InstructionSet, Weights};

/// Blocks of weights in a row.
const BLOCKS: usize = 2;
/// Three groups of eight: an even number would not try the last group alone.
const ROWS: usize = 24;
const EXPERTS: usize = 2;
const BATCH: usize = 3;

/// The [known] types of weights with which a set gives the bits that llama.cpp gives each row alone.
#[must_use]
pub fn agreeing(set: InstructionSet) -> Vec<Weights> {
    known(set).into_iter().filter(|kind| agrees(*kind, set)).collect()
}

/// With one matrix and with experts.
fn agrees(kind: Weights, set: InstructionSet) -> bool {
    let columns = BLOCKS * kind.kernel(set).columns;
    // A fixed sequence that visits all bytes.
    let mut state = 1_u32;
    let mut real = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f32::from((state >> 24) as u8) - 127.5
    };
    let values: Vec<f32> = (0..EXPERTS * ROWS * columns).map(|_| real() / 256.0).collect();
    let Some(weights) = quantize_rows(kind.in_ggml().0, &values, columns) else { return false };
    let activations: Vec<f32> = (0..BATCH * columns).map(|_| real()).collect();

    let one_matrix = Trial {
        kind,
        weights: &weights[..weights.len() / EXPERTS],
        activations: &activations,
        choice: &[],
        columns,
        rows: ROWS,
        experts: 1,
        slots: BATCH,
        tokens: 1,
        threads: 1,
    };
    let choice = [0, 1, 1];
    let experts = Trial {
        weights: &weights,
        choice: &choice,
        experts: EXPERTS,
        slots: 1,
        tokens: BATCH,
        ..one_matrix.clone()
    };
    let row = |trial: &Trial, number: usize| {
        let choice = if trial.choice.is_empty() { &[][..] } else { &choice[number..=number] };
        let activations = &activations[number * columns..][..columns];
        compute(&Trial { activations, choice, slots: 1, tokens: 1, ..trial.clone() }, None)
    };
    [one_matrix, experts].iter().all(|trial| {
        let before = taken();
        let alone: Option<Vec<Vec<f32>>> = (0..BATCH).map(|number| row(trial, number)).collect();
        let together = compute(trial, Some(set));
        let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<_>>();
        let equal = alone.map(|rows| bits(rows.concat())) == together.map(bits);
        // Equal also where llama.cpp computed both, or none could: the product must have been ours.
        equal && taken() > before
    })
}
