//! What `bench`, `tune` and the exactness check ask of a running engine beside replies, and what it answers.
//! Plain data: an experiment goes in as an order, its finding comes out as an event. None changes what a later reply says.

use std::time::Duration;

/// Threads of a pair's machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threads {
    /// Of the target, for one token.
    pub one: u32,
    /// Of the target, for several.
    pub batch: u32,
    /// Of the drafter.
    pub draft: u32,
}

/// An experiment.
#[derive(Clone, Debug, PartialEq)]
pub enum Experiment {
    /// The policy forgets what it has learned, down to the cost table that the engine was started with. Answer: `Done`.
    Forget,
    /// Compute with so many threads from now on. Answer: `Done`.
    Threads(Threads),
    /// Times batches and draft steps. Answer: `Times`.
    Time(Timing),
}

/// Batches to be timed, one after the other, all at the same place of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// The text, repeated until it is long enough.
    pub text: String,
    /// Tokens in the cache before each batch.
    pub context: u32,
    /// Tokens in each batch: 1 is a plain step.
    pub widths: Vec<u32>,
    /// Draft steps made before each batch, timed apart; 0 for none.
    pub draft_steps: u32,
}

/// What an experiment found.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// Done; there is nothing to tell.
    Done,
    /// The time of each batch (decoded, drawn from, taken back), and of each draft step.
    Times {
        /// One for each of the widths asked for.
        batches: Vec<Duration>,
        /// The mean of one step, for each batch; empty without a drafter.
        steps: Vec<Duration>,
    },
}
