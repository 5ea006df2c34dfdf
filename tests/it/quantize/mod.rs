//! Quantized files, against those that llama.cpp makes itself, byte for byte.

pub mod command;
pub mod equality;
mod machine;
mod pair;
pub mod tiny;
