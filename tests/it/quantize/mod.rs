//! Quantized files, against those that llama.cpp makes itself, byte for byte.

mod equality;
mod machine;
mod tiny;
