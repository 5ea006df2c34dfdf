//! One test program for everything that looks at slipstream from outside.

mod bench;
mod checkpoint;
mod cli;
mod config;
mod distribution;
mod drive;
mod exact;
mod exact_decode;
mod fakes;
mod features;
mod gguf_builder;
mod gguf_hostile;
mod gguf_writer;
mod kernels;
mod layering;
mod lossless;
mod pairing;
mod pocket;
mod policy;
mod quantize;
mod quantize_imatrix;
mod quantize_lattice;
mod quantize_target;
mod quantize_types;
mod terminal;
mod tui;
