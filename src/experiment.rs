//! What `bench`, `tune` and the exactness check ask of a running engine beside replies, and what it answers.
//! Plain data: an experiment goes in as an order, its finding comes out as an event. None changes what a later reply says.

use std::time::Duration;

use crate::request::{Prompt, SamplingSettings};
use crate::token::TokenId;

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
    /// What batches of these widths do to the scores along a text, beside single steps. Answer: `Noise`.
    Noise {
        /// The text.
        passage: Passage,
        /// Tokens in a batch.
        widths: Vec<u32>,
    },
    /// How near two tokens are to taking each other's place after a text; `None` is the end of the turn. Answer: `Gap`.
    Gap {
        /// The text before them.
        passage: Passage,
        /// Tokens in the batches that the noise of this place is measured with.
        widths: Vec<u32>,
        /// What was written plainly.
        ours: Option<TokenId>,
        /// What was written with the drafter.
        theirs: Option<TokenId>,
    },
    /// Draws what follows a text again and again, in real rounds with the drafter. Answer: `Draws`.
    Draws {
        /// The text before.
        passage: Passage,
        /// Rounds, with the seeds 0, 1, …
        draws: u32,
        /// No new round after so long.
        limit: Duration,
        /// Guesses a round.
        length: u32,
    },
}

impl Experiment {
    /// The prompt it needs made into tokens, as a request's is.
    #[must_use]
    pub fn prompt(&self) -> Option<&Prompt> {
        match self {
            Experiment::Noise { passage, .. }
            | Experiment::Gap { passage, .. }
            | Experiment::Draws { passage, .. } => Some(&passage.prompt),
            Experiment::Forget | Experiment::Threads(_) | Experiment::Time(_) => None,
        }
    }
}

/// A text, and how its tokens are drawn: a request, and as much of its reply as is written already.
#[derive(Clone, Debug, PartialEq)]
pub struct Passage {
    /// What the reply answers.
    pub prompt: Prompt,
    /// The reply so far.
    pub reply: Vec<TokenId>,
    /// How tokens are drawn.
    pub sampling: SamplingSettings,
    /// The tokens that end the turn are not drawn.
    pub ignore_end_of_turn: bool,
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
        /// One for each of the widths asked for; fewer where the experiment was cancelled.
        batches: Vec<Duration>,
        /// The mean of one step, for each batch; empty without a drafter.
        steps: Vec<Duration>,
    },
    /// What batching does to scores.
    Noise(Noise),
    /// How near two tokens are.
    Gap(Gap),
    /// What was drawn.
    Draws(Tally),
}

/// What batching does to the scores along a text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Noise {
    /// Each place, the first one after the prompt; fewer where it was cancelled.
    pub places: Vec<Place>,
    /// The spread (see [`Place`]) between the rows after a prompt that was read as a whole and after one whose last token
    /// was read alone, the rest being in the cache already. It has nothing to do with drafts.
    pub prompt: f64,
}

/// What batching does to one row of scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// The most that any gap between two of the likeliest tokens' scores differs between a batch and a single step. It is in
    /// the units of the scores (logits).
    pub spread: f64,
    /// The probability of the likeliest token, after the sampler chain.
    pub peak: f64,
}

/// Two tokens that were drawn at the same place.
#[derive(Clone, Debug, PartialEq)]
pub struct Gap {
    /// What was written plainly.
    pub ours: Standing,
    /// What was written with the drafter.
    pub theirs: Standing,
    /// What batching does to this very row, as in [`Place`].
    pub spread: f64,
}

/// Where a token stands in the draw of one place, by a single step's scores.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// The token.
    pub token: TokenId,
    /// Its text.
    pub text: String,
    /// What is compared when a token is drawn: log probability (at the temperature) and noise.
    pub score: f64,
    /// Whether top-k, top-p and min-p leave it.
    pub kept: bool,
    /// The least change of gaps between scores (logits) with which this token would be drawn; 0 for the one that is.
    pub distance: f64,
}

/// What was drawn from one place, many times.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Rounds made.
    pub draws: u32,
    /// Guesses tested in them.
    pub tested: u32,
    /// Guesses accepted.
    pub accepted: u32,
    /// The tokens of the place itself.
    pub first: Vec<Cell>,
    /// The tokens of the place after it, in rounds that accepted this guess before them.
    pub second: Option<(TokenId, Vec<Cell>)>,
    /// Why the drafter failed, where it did. Draws end there.
    pub failed: Option<String>,
}

/// A token that can be drawn, or was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// The token.
    pub token: TokenId,
    /// The target's own probability of it, by a single step's scores; 0 where top-k, top-p or min-p cut it off.
    pub probability: f64,
    /// How much the gaps between scores must change for that to turn: above 0 to be cut off, below 0 (where it is cut off) to
    /// be left.
    pub edge: f64,
    /// How often it was drawn.
    pub drawn: u32,
}
