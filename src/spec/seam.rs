//! The seam between the mathematics and the machines: one trait each for the target, the drafter and
//! the policy. Fakes implement them in tests, llama contexts in `engine::adapter`.

use std::time::Duration;

use crate::sampling::Sampler;
use crate::token::{Position, TokenId};

/// The target: checks a whole draft in one pass.
pub trait Target {
    /// What can go wrong in the machine.
    type Error;

    /// Decodes `last` (emitted, not yet in the cache) and the guesses after it, in one batch.
    /// Afterwards `row(i)` holds the scores that follow the `i`-th of these `1 + guesses.len()` tokens.
    ///
    /// `padding` tokens of the target's choice follow them in the batch, because a wider one takes less time here.
    /// Nobody asks for their rows, and `keep` always removes them.
    ///
    /// # Errors
    /// The machine's; the cache must then hold what it held before. `keep` is not called.
    fn verify(&mut self, last: TokenId, guesses: &[TokenId], padding: usize) -> Result<(), Self::Error>;

    /// Scores (logits, one per token of the vocabulary) after the `index`-th verified token.
    fn row(&self, index: usize) -> &[f32];

    /// Keeps `last` and the first `kept` guesses of the latest `verify` and removes the rest.
    /// Called once after each `verify`, before the next draft.
    ///
    /// # Errors
    /// The machine's.
    fn keep(&mut self, kept: usize) -> Result<(), Self::Error>;
}

/// What a drafter may look at to make its guesses.
pub struct DraftRequest<'a> {
    /// The whole text so far; its last token is emitted but not yet in the target's cache.
    pub text: &'a [TokenId],
    /// At most this many guesses; at least 1.
    pub max_length: usize,
    /// Asked before each step, with the draft so far (shorter than `max_length`). `None`: the next guess is not
    /// worth making, the draft ends here. `Some(floor)`: make it, and keep it if it is at least this likely in the
    /// drafter's own eyes; if not, the draft ends before it.
    pub floor: &'a dyn Fn(&[Guess]) -> Option<f32>,
    /// The target's sampler: the drafter draws from its own scores with the same chain and the same
    /// noise, so that the two agree as often as possible (Gumbel coupling).
    pub sampler: &'a mut Sampler,
}

/// One guess.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guess {
    /// The token.
    pub token: TokenId,
    /// The drafter's own probability of it, from 0 to 1.
    pub probability: f32,
}

/// The drafter: guesses the next few tokens. It may be wrong, useless or hostile: speed is all it changes.
pub trait Drafter {
    /// Appends at most `max_length` guesses to `draft` (empty on entry). None is a valid draft.
    ///
    /// # Errors
    /// One sentence for a person; plain decoding goes on without this drafter.
    fn propose(&mut self, request: DraftRequest<'_>, draft: &mut Vec<Guess>) -> Result<(), String>;

    /// The round's outcome: `text` is the whole text after it, of which the tokens before the last one
    /// are in the target's cache; `kept` of the guesses are among those: the number given to the target's `keep`,
    /// and the row whose scores gave the last token (a guess that was an accepted stop is the last token, and
    /// not kept). Called after each round's `keep`, with `kept` 0 also after a plain step.
    ///
    /// # Errors
    /// As `propose`.
    fn observe(&mut self, text: &[TokenId], kept: usize) -> Result<(), String>;

    /// Position of the next token to be written, for drafters that keep a cache of their own: everything
    /// from here on is gone (another prompt, an edited turn).
    ///
    /// # Errors
    /// As `propose`.
    fn rewind(&mut self, position: Position) -> Result<(), String>;
}

/// A round as the policy sees it: what was tried, what came of it, what it cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoundOutcome<'a> {
    /// Guesses the policy allowed.
    pub allowed: usize,
    /// The guesses made.
    pub guesses: &'a [Guess],
    /// How many of them were tested (those past a stop are not).
    pub tested: usize,
    /// How many were accepted.
    pub accepted: usize,
    /// Tokens that the target decoded: the last token, the guesses, and the padding.
    pub width: usize,
    /// Time in `propose`.
    pub draft_time: Duration,
    /// Time in `verify` and `keep`, and between the round before and this one.
    pub verify_time: Duration,
    /// Tokens in the cache before the round.
    pub context: u32,
}

/// Chooses how many tokens are guessed in the next round. Pure: it sees durations, never a clock.
pub trait DraftPolicy {
    /// Guesses in the next round, at most `room`; 0 is a plain step.
    fn next_length(&mut self, room: usize) -> usize;

    /// Whether one more guess after this draft is worth making (`None`: no), and the drafter's own probability
    /// below which it is not worth its test. Between two calls of `observe` the answer depends on the draft alone.
    fn floor(&self, draft: &[Guess]) -> Option<f32>;

    /// Tokens that the target should decode for a final draft of so many guesses: `guesses + 1`, or more, up to
    /// `widest`, where a wider batch takes less time than a narrower one. What is more is padding.
    fn batch_width(&self, guesses: usize, widest: usize) -> usize {
        let _ = widest;
        guesses + 1
    }

    /// Learns from a round.
    fn observe(&mut self, outcome: &RoundOutcome<'_>);
}
