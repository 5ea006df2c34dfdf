//! Quantized files, against those that llama.cpp makes itself, byte for byte.

mod command;
mod equality;
mod machine;
mod pair;
mod tiny;
