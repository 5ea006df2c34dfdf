//! Before our kernels are trusted: a small product of theirs against llama.cpp's own, bit for bit. Takes about a
//! millisecond, and finds a changed layout of the weights or a processor that does not do what it says.

use super::kernels::{Trial, compute, taken};
use crate::kernels::InstructionSet;

const COLUMNS: usize = 64;
/// Three groups of eight: an even number would not try the last group alone.
const ROWS: usize = 24;
const EXPERTS: usize = 2;
const BATCH: usize = 3;

/// Whether a set gives the bits that llama.cpp gives each row alone, with one matrix and with experts.
#[must_use]
pub fn agrees(set: InstructionSet) -> bool {
    // A fixed sequence that visits all bytes.
    let mut state = 1_u32;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let mut weights = Vec::new();
    for _ in 0..EXPERTS * ROWS * COLUMNS / 32 {
        // A half-precision scale of 1/16 to 1/8, then the nibbles.
        weights.extend([byte(), 0x2c | byte() & 0x83]);
        weights.extend((0..16).map(|_| byte()));
    }
    let activations: Vec<f32> = (0..BATCH * COLUMNS).map(|_| f32::from(byte()) - 127.5).collect();

    let one_matrix = Trial {
        weights: &weights[..weights.len() / EXPERTS],
        activations: &activations,
        choice: &[],
        columns: COLUMNS,
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
        let activations = &activations[number * COLUMNS..][..COLUMNS];
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
