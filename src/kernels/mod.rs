//! Matrix products of small batches on the processor, at the memory traffic of one row.
//!
//! llama.cpp unpacks weights once per row of a small batch, and streams long matrices from memory as often. Here a strip of
//! weights is read once, unpacked once, and multiplied with up to eight rows. Every row gets the bits that llama.cpp's own
//! one-row path (`ggml_gemv_q4_0_8x8_q8_0`) gives it: same quantized activations, exact integer sums, and one fused
//! multiply-add per 32 columns in the same order.
//!
//! Knows nothing of llama.cpp: `llama::kernels` hands over pointers and a pool of threads.
#![allow(unsafe_code)]

mod activation;
mod activation_arm;
mod activation_k;
mod half;
mod instructions;
mod kernel;
mod product;
#[cfg(test)]
mod product_tests;
mod q4_0;
mod q6_k;
#[cfg(test)]
mod tests;

pub use activation::{ActivationBlock, BLOCK, quantize};
pub use instructions::InstructionSet;
pub use kernel::{Batch, Interleaving, Kernel, Strip, WIDEST, Weights};
pub use product::{Pool, Product, multiply, work_bytes};
