//! One test program for everything that looks at slipstream from outside.

mod bench;
mod cli;
mod composer;
mod config;
mod desk;
mod distribution;
mod drive;
mod exact;
mod exact_decode;
mod fakes;
mod features;
mod gguf_builder;
mod gguf_hostile;
mod kernels;
mod layering;
mod lossless;
mod markdown;
mod pairing;
mod pocket;
mod policy;
mod replies;
mod terminal;
mod tui;
mod typing;
