//! Matrix products of small batches on the processor, at the memory traffic of one row.
//!
//! llama.cpp unpacks weights once per row of a small batch, and streams long matrices from memory as often. Here a strip of
//! weights is read once, unpacked once, and multiplied with up to eight rows. Every row gets the bits that llama.cpp's own
//! one-row path gives it (`ggml_gemv_…` or `ggml_vec_dot_…`; each type names it): same quantized activations,
//! exact integer sums, and the same fused multiply-adds in the same order.
//!
//! Knows nothing of llama.cpp: `llama::kernels` hands over pointers and a pool of threads.
#![allow(unsafe_code)]
// Types of weights that have kernels for x86 alone have a reference everywhere, and parts that only their kernels use.
#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code, unused_imports))]

mod activation;
mod activation_k;
mod half;
mod instructions;
mod kernel;
mod plain;
mod product;
#[cfg(test)]
mod product_tests;
mod q45_k;
mod q4_0;
mod q4_0x4;
mod q4_kx8;
mod q6_k;
mod six_bits;
#[cfg(test)]
mod super_block_tests;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod vectors;

pub use activation::{ActivationBlock, BLOCK, quantize};
pub use instructions::InstructionSet;
pub use kernel::{Batch, Interleaving, Kernel, Strip, WIDEST, Weights};
pub use product::{Pool, Product, multiply, work_bytes};
