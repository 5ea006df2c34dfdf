//! Speculative decoding as mathematics: one round, its parts, and its books. It does not know that llama exists;
//! the machines stand behind the traits [`Target`], [`Drafter`] and [`DraftPolicy`].
//!
//! # A round
//!
//! The text is `t_0 … t_n`; the target's cache holds all of it but the last token. [`Cycle::round`] then
//!
//! 1. asks the policy how many guesses are worth it, given the room there is (0: a plain step);
//! 2. lets the drafter propose them. What is malformed (an error, too many guesses, tokens outside the vocabulary)
//!    is thrown away whole and reported: the round goes on as a plain step;
//! 3. has the target decode `t_n` and the guesses in one batch, padded to a wider one where the policy measured that
//!    to take less time;
//! 4. walks down the rows ([`verify()`]): the target's own token is drawn at each place with the noise of that place.
//!    While it equals the guess, the guess is accepted and the walk goes on; the first that differs, or the one
//!    after the last guess, is the bonus token, and it ends the round. A stopping token (end of turn) ends the
//!    round wherever it is drawn: nothing past it is tested, counted or kept;
//! 5. has the target keep `t_n` and all emitted tokens but the last, and remove the rest of the batch, padding included;
//! 6. tells the drafter and the policy what came of it, and returns the [`Round`].
//!
//! # Invariants
//!
//! Asserted in debug builds where the core can see them, and by the scripted target of the tests where it cannot.
//!
//! - (i) After a round both sides hold exactly the text minus its last token, whatever ended it: of a batch with
//!   `e` tokens emitted, `e − 1` guesses stay ([`Verdict::kept`]). A stop that was itself a guess is emitted and
//!   counts as accepted, but like any last token it is not kept in the cache.
//! - (ii) A round emits at least one token.
//! - (iii) A draft never outlives its round: it is cleared when the next begins, and no part of it is used again.
//! - (iv) Policy and drafter may change the speed, never a token: each emitted token is the target's own draw,
//!   with noise keyed by (seed, position, token). The drafter gets a sampler of its own, so that nothing it does
//!   to it can reach the target's.
//! - (v) On every early end the cache position equals the text shown. Within a round this is (i); a failed round
//!   leaves the text as it was. What ends a reply between rounds (stop text, cancel, full context) is the engine's.

mod auto;
mod cycle;
mod lookup;
mod policy;
mod seam;
mod stats;
mod verify;

pub use auto::{AutoLength, AutoState, CostRecord, VerifyCost};
pub use cycle::{Cycle, Players, Room, Round};
pub use lookup::Lookup;
pub use policy::FixedLength;
pub use seam::{DraftPolicy, DraftRequest, Drafter, Guess, RoundOutcome, Target};
pub use stats::Stats;
pub use verify::{Emitted, Verdict, verify};
