//! Checkpoints: what becomes of a good one, what is said of a bad one, and (where they are at hand) whether it is what
//! llama.cpp's own converter makes of it.

mod folder;
mod good;
mod hostile;
mod properties;
mod reference;
