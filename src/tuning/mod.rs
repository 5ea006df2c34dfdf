//! What `tune` finds for a pair on a machine, and how it is kept: pure, files are read and written by `cli`.
//!
//! A result holds for exactly one target, drafter, device and build ([`Key`]); for any other it means nothing, and is
//! not used.

mod record;
mod search;

pub use record::{Key, Misfit, Tuned, parse, render};
pub use search::{BLOCK, candidates, drop_absurd, fastest, schedule, table};
