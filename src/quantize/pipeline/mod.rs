//! The machine that makes the file: rows are read, widened and quantized by several threads in pieces of bounded size,
//! and written in order by one.
//!
//! 1. The plan is cut into pieces of work (`piece.rs`); how depends on the plan alone, so that neither the number of
//!    threads nor an interruption changes a byte.
//! 2. Threads claim pieces in order; a board (`board.rs`) holds what is ready until its turn, and lets nobody run far
//!    ahead: that bounds the memory.
//! 3. The writer writes under `OUT.partial` (`partial.rs`) and hashes as it goes. From time to time a thread beside it
//!    makes what is written durable, then notes in a journal (`journal.rs`) how far that is: what `--resume` starts from.
//! 4. When all is there and durable, the file gets its name.
//!
//! What goes wrong leaves no file under the final name. What was done stays under `OUT.partial` where going on is
//! possible (cancelled, disk full, medium failed) and is removed where it is not (a weight that is no number).

mod board;
mod error;
mod journal;
mod partial;
mod piece;
mod run;

pub use error::PipelineError;
pub use partial::{JOURNAL_SUFFIX, PARTIAL_SUFFIX, Target};
pub use piece::{Piece, memory_needed, pieces};
pub use run::{Job, Outcome, Progress, job_hash, layout, run};
