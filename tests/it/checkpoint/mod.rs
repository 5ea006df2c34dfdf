//! Checkpoints: what becomes of a good one, what is said of a bad one, and whether it is what llama.cpp's own converter and
//! quantization make of it.

mod command;
mod converted;
mod equality;
mod folder;
mod good;
mod header;
mod hostile;
mod models;
mod properties;
