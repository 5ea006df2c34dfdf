//! Weights of 4 bits with one scale for 32 (Q4_0), eight rows interleaved as llama.cpp repacks them, and the reference
//! kernel: slow, plain, and the measure of the others.

use super::activation::{ActivationBlock, BLOCK};
use super::half;

/// Rows in a group.
pub const GROUP: usize = 8;
/// Most rows of activations that a kernel takes in one pass over the weights.
pub const WIDEST: usize = 8;

/// llama.cpp's `block_q4_0x8`: 32 columns of eight neighbouring rows.
///
/// Chunk `i` of eight bytes belongs to row `i % 8` and holds columns `8·(i/8) + 0..8` in its low nibbles and 16 further
/// in its high ones; every nibble is a signed number.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct WeightBlock {
    /// Half-precision scales of the rows.
    pub scales: [u16; GROUP],
    /// The nibbles.
    pub nibbles: [u8; GROUP * BLOCK / 2],
}

const _: () = assert!(size_of::<WeightBlock>() == 144 && size_of::<ActivationBlock>() == 40);

/// One to eight rows of activations, and where their results go.
#[derive(Clone, Copy)]
pub struct Batch<'a> {
    /// Quantized rows; the first `count` count.
    pub activations: [&'a [ActivationBlock]; WIDEST],
    /// The first result of each, that of the first row of weights handed over.
    pub outputs: [*mut f32; WIDEST],
    /// How many.
    pub count: usize,
}

/// A kernel: the products of whole groups of weight rows with a batch.
///
/// # Safety
/// `weights` is a whole number of rows of groups, each as long as every row of activations; every output has room for
/// eight floats a group that nobody else touches; the processor has the instructions.
pub type Strip = unsafe fn(weights: &[WeightBlock], batch: &Batch);

/// The reference, and the kernel for rows with values that are no numbers: what llama.cpp's sign trick makes of -128 with a
/// negative weight, no dot-product instruction does.
///
/// # Safety
/// See [`Strip`].
pub unsafe fn reference(weights: &[WeightBlock], batch: &Batch) {
    for row in 0..batch.count {
        let activations = batch.activations[row];
        for (group, blocks) in weights.chunks_exact(activations.len()).enumerate() {
            for lane in 0..GROUP {
                let mut sum = 0.0_f32;
                for (block, activation) in blocks.iter().zip(activations) {
                    let scale = half::to_single(block.scales[lane]) * activation.scale;
                    sum = (dot(block, lane, activation) as f32).mul_add(scale, sum);
                }
                // SAFETY: room for eight floats a group is the caller's promise.
                unsafe { batch.outputs[row].add(group * GROUP + lane).write(sum) };
            }
        }
    }
}

fn dot(block: &WeightBlock, lane: usize, activation: &ActivationBlock) -> i32 {
    let mut sum = 0;
    for column in 0..BLOCK / 2 {
        let byte = block.nibbles[(column / 8 * GROUP + lane) * 8 + column % 8];
        sum += product(signed(byte & 15), activation.values[column]);
        sum += product(signed(byte >> 4), activation.values[column + 16]);
    }
    sum
}

fn signed(nibble: u8) -> i8 {
    ((nibble << 4) as i8) >> 4
}

/// Magnitude of the weight times the activation with the weight's sign, in 8 bits: -(-128) is -128.
fn product(weight: i8, activation: i8) -> i32 {
    let turned = if weight < 0 { activation.wrapping_neg() } else { activation };
    i32::from(weight.unsigned_abs()) * i32::from(turned)
}
