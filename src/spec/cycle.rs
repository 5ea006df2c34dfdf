//! One round, as [`super`] numbers its steps.

use std::time::Duration;

use super::seam::{DraftPolicy, DraftRequest, Drafter, Guess, RoundOutcome, Target};
use super::verify::{Emitted, verify};
use crate::sampling::Sampler;
use crate::token::{Position, TokenId};

/// Limits on the next round, as they stand before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Free cells in the target's cache. A round fills one for the last token, one for each guess, and one for each
    /// padding token, if only until it ends.
    pub cells: usize,
    /// Tokens the reply may still grow by.
    pub tokens: usize,
    /// The most guesses that the machines can check in one batch.
    pub guesses: usize,
}

impl Room {
    /// Whether a round may run at all. If not, the reply ends: its context is full, or it is long enough.
    #[must_use]
    pub fn allows_a_round(&self) -> bool {
        self.cells > 0 && self.tokens > 0
    }

    /// The longest draft: even if all of it is accepted, the bonus token has its place too.
    #[must_use]
    pub fn longest_draft(&self) -> usize {
        self.guesses.min(self.cells.saturating_sub(1)).min(self.tokens.saturating_sub(1))
    }

    /// The widest batch, padding included. Padding is no text, so the length of the reply does not limit it.
    #[must_use]
    pub fn widest_batch(&self) -> usize {
        self.guesses.saturating_add(1).min(self.cells)
    }
}

/// Who takes part in a round.
pub struct Players<'a, T: Target> {
    /// Its cache holds the text minus its last token.
    pub target: &'a mut T,
    /// `None` is plain decoding.
    pub drafter: Option<&'a mut dyn Drafter>,
    /// Chooses the draft length.
    pub policy: &'a mut dyn DraftPolicy,
    /// Whether a token ends the reply.
    pub is_stop: &'a dyn Fn(TokenId) -> bool,
    /// Time since any fixed instant. The core has no clock of its own, so that tests can set it.
    pub clock: &'a mut dyn FnMut() -> Duration,
}

/// What a round did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// The tokens the text grew by; at least one.
    pub emitted: Vec<Emitted>,
    /// Guesses that the policy allowed.
    pub allowed: usize,
    /// Guesses that were sent to the target.
    pub guessed: usize,
    /// Guesses compared with the target's draw; none past a stop.
    pub tested: usize,
    /// Guesses that were equal.
    pub accepted: usize,
    /// Tokens that the target decoded: the last token, the guesses, and the padding.
    pub width: usize,
    /// The last emitted token is a stopping token.
    pub stopped: bool,
    /// One sentence where the drafter failed: it must not be used any more. The round itself is as good as any.
    pub drafter_failed: Option<String>,
    /// Time in the drafter.
    pub draft_time: Duration,
    /// Time to decode, draw and remove the rejected rest.
    pub verify_time: Duration,
}

/// The speculative cycle, with its samplers and scratch memory. It holds no part of the conversation.
#[derive(Debug)]
pub struct Cycle {
    sampler: Sampler,
    /// A copy, so that a drafter can neither change nor replace the target's.
    draft_sampler: Sampler,
    vocabulary: usize,
    guesses: Vec<Guess>,
    tokens: Vec<TokenId>,
    /// Where in `tokens` the rejected guesses of the last round begin.
    rejected_from: usize,
    /// When the last round ended, by the players' clock.
    ended: Option<Duration>,
}

impl Cycle {
    /// A cycle that draws with this sampler from the target's `vocabulary` tokens.
    #[must_use]
    pub fn new(sampler: Sampler, vocabulary: usize) -> Cycle {
        let draft_sampler = sampler.clone();
        Cycle {
            sampler,
            draft_sampler,
            vocabulary,
            guesses: Vec::new(),
            tokens: Vec::new(),
            rejected_from: 0,
            ended: None,
        }
    }

    /// Draws the token after `text` from its row and appends it: for a token that no round gives, as the one
    /// after a prefill which ended with a row.
    pub fn draw(&mut self, row: &[f32], text: &mut Vec<TokenId>) -> TokenId {
        let token = self.sampler.draw(row, text, Position(0).plus(text.len()));
        text.push(token);
        token
    }

    /// The guesses that the last round threw away: the one that the target contradicted, and those that were built on it.
    /// A guess past a stop is not among them: nobody knows whether it was wrong.
    #[must_use]
    pub fn rejected(&self) -> &[TokenId] {
        self.tokens.get(self.rejected_from..).unwrap_or_default()
    }

    /// Runs one round: `text`, the whole conversation from position 0, grows by at least one token. The room must
    /// allow a round.
    ///
    /// # Errors
    /// The target's. The text is then as it was before the round; the cache is the target's business.
    ///
    /// # Panics
    /// If the text is empty: there is nothing to continue.
    pub fn round<T: Target>(
        &mut self,
        players: Players<'_, T>,
        text: &mut Vec<TokenId>,
        room: Room,
    ) -> Result<Round, T::Error> {
        assert!(room.allows_a_round(), "no round fits into {room:?}");
        let Players { target, mut drafter, policy, is_stop, clock } = players;
        let before = text.len();
        let last = *text.last().expect("a round continues a text of at least one token");
        let started = clock();
        let between = self.ended.map_or(Duration::ZERO, |ended| started.saturating_sub(ended));

        // 1, 2: the draft of an earlier round ends here, whatever happened to it.
        self.guesses.clear();
        let longest = if drafter.is_some() { room.longest_draft() } else { 0 };
        let allowed = policy.next_length(longest).min(longest);
        let mut failure = None;
        if let Some(drafter) = drafter.as_deref_mut().filter(|_| allowed > 0) {
            failure = self.propose(drafter, text, allowed, &*policy).err();
        }
        let drafted = clock();

        // 3
        self.tokens.clear();
        self.tokens.extend(self.guesses.iter().map(|guess| guess.token));
        self.rejected_from = self.tokens.len();
        let unpadded = 1 + self.tokens.len();
        assert!(unpadded <= room.widest_batch());
        let width = policy.batch_width(self.tokens.len(), room.widest_batch());
        let width = width.min(room.widest_batch()).max(unpadded);
        target.verify(last, &self.tokens, width - unpadded)?;

        // 4
        let rows = &*target;
        let verdict = verify(&mut self.sampler, text, &self.guesses, |index| rows.row(index), is_stop);
        assert_eq!(text.len(), before + verdict.emitted.len());
        assert!(!verdict.emitted.is_empty() && verdict.emitted.len() <= room.tokens);
        if verdict.tested > verdict.accepted {
            self.rejected_from = verdict.accepted;
        }

        // 5
        if let Err(error) = target.keep(verdict.kept()) {
            text.truncate(before);
            return Err(error);
        }
        let verified = clock();

        // 6
        if let Some(drafter) = drafter.filter(|_| failure.is_none()) {
            failure = drafter.observe(text, verdict.kept()).err();
        }
        let ended = clock();
        self.ended = Some(ended);
        let draft_time = drafted.saturating_sub(started).saturating_add(ended.saturating_sub(verified));
        let verify_time = verified.saturating_sub(drafted);
        // The policy compares whole rounds. What passes between two (its own thinking, text on its way to the screen) is
        // part of a batch's price: on the built-in pair twice as much for a draft as for a plain step.
        let deciding = if allowed == 0 { draft_time } else { Duration::ZERO };
        policy.observe(&RoundOutcome {
            allowed,
            guesses: &self.guesses,
            tested: verdict.tested,
            accepted: verdict.accepted,
            width,
            draft_time,
            verify_time: verify_time.saturating_add(between).saturating_add(deciding),
            context: u32::try_from(before - 1).unwrap_or(u32::MAX),
        });
        Ok(Round {
            emitted: verdict.emitted,
            allowed,
            guessed: self.guesses.len(),
            tested: verdict.tested,
            accepted: verdict.accepted,
            width,
            stopped: verdict.stopped,
            drafter_failed: failure,
            draft_time,
            verify_time,
        })
    }

    /// Fills `guesses` with a well-formed draft, or leaves it empty and says what was wrong.
    fn propose(
        &mut self,
        drafter: &mut dyn Drafter,
        text: &[TokenId],
        allowed: usize,
        policy: &dyn DraftPolicy,
    ) -> Result<(), String> {
        let sampler = &mut self.draft_sampler;
        let request =
            DraftRequest { text, max_length: allowed, floor: &|draft| policy.floor(draft), sampler };
        let proposed = drafter.propose(request, &mut self.guesses);
        let checked = proposed.and_then(|()| self.check(allowed));
        if checked.is_err() {
            self.guesses.clear();
            return checked;
        }
        for guess in &mut self.guesses {
            // Not a number is no confidence at all.
            guess.probability = if guess.probability > 0.0 { guess.probability.min(1.0) } else { 0.0 };
        }
        // Drafters stop by themselves before they pay for a doubtful guess; what they let through is not tested.
        let confident = (0..self.guesses.len())
            .take_while(|&place| {
                let floor = policy.floor(&self.guesses[..place]);
                floor.is_some_and(|floor| self.guesses[place].probability >= floor)
            })
            .count();
        self.guesses.truncate(confident);
        Ok(())
    }

    fn check(&self, allowed: usize) -> Result<(), String> {
        if self.guesses.len() > allowed {
            return Err(format!(
                "the drafter made {} guesses where {allowed} were asked for",
                self.guesses.len()
            ));
        }
        let inside = |token: TokenId| usize::try_from(token.0).is_ok_and(|index| index < self.vocabulary);
        match self.guesses.iter().find(|guess| !inside(guess.token)) {
            Some(guess) => Err(format!(
                "the drafter guessed token {}, but the target's vocabulary has {} tokens",
                guess.token.0, self.vocabulary
            )),
            None => Ok(()),
        }
    }
}
