//! What is to be written and when: changes at once, what a reply grows by once a second, what could not be written
//! again and again, in the order in which it came. Pure: the disk and the clock are the caller's.

use std::collections::BTreeMap;
use std::mem;
use std::time::Duration;

use super::change::Change;
use super::error::StoreError;
use super::ids::TurnId;
use super::trace::Trace;
use super::turn::Piece;
use crate::event::Channel;
use crate::token::Origin;

/// A growing reply is written this long after it grew. With the time of the write it stays below the second that is
/// promised.
pub(super) const WRITE_AFTER: Duration = Duration::from_millis(800);
/// What could not be written is tried again after this.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(2);

/// How a reply grows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Growth {
    /// The reply.
    pub turn: TurnId,
    /// Answer or reasoning.
    pub channel: Channel,
    /// By what.
    pub by: Grown,
}

/// By what a reply grows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grown {
    /// By a piece of text.
    Text(String, Origin),
    /// By none: this was guessed here, and rejected.
    Rejected(String),
}

/// What came of writing.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// So many bytes of a running reply, text and reasoning, are on the disk.
    Saved(TurnId, usize),
    /// Nothing could be written. It is kept, and tried again. Told once.
    Trouble(StoreError),
    /// All of it has been written now.
    TroubleOver,
    /// A change can never be made.
    Refused(StoreError),
}

/// A reply that was begun here and has not ended.
#[derive(Default)]
struct Running {
    text: String,
    reasoning: String,
    /// Pieces so far.
    pieces: u32,
    /// What the last piece did not hold.
    pending: Option<Piece>,
}

/// What is not on the disk yet.
#[derive(Default)]
pub(super) struct Journal {
    backlog: Vec<Change>,
    running: BTreeMap<TurnId, Running>,
    due: Option<Duration>,
    trouble: Option<StoreError>,
}

impl Journal {
    /// Takes a change; what replies have grown by until then is written with it.
    pub(super) fn change(&mut self, change: Change, now: Duration) {
        self.cut_pieces();
        let change = match change {
            Change::Begin(new) => {
                let running = Running {
                    text: new.text.clone(),
                    reasoning: new.reasoning.clone(),
                    ..Running::default()
                };
                self.running.insert(new.id, running);
                Change::Begin(new)
            }
            // The whole text goes with the end: it does not depend on what became of the pieces.
            Change::Finish(new, mut end) => {
                if let Some(running) = self.running.remove(&new.id) {
                    end.text.get_or_insert(running.text);
                    end.reasoning.get_or_insert(running.reasoning);
                }
                Change::Finish(new, end)
            }
            other => other,
        };
        self.backlog.push(change);
        self.due = Some(now);
    }

    /// Takes what a reply has grown by.
    pub(super) fn grow(&mut self, growth: Growth, now: Duration) {
        let running = self.running.entry(growth.turn).or_default();
        let piece = running.pending.get_or_insert_with(|| Piece {
            turn: growth.turn,
            number: running.pieces,
            text_at: running.text.len(),
            reasoning_at: running.reasoning.len(),
            text: String::new(),
            reasoning: String::new(),
            text_trace: Trace::default(),
            reasoning_trace: Trace::default(),
        });
        let (whole, text, trace) = match growth.channel {
            Channel::Answer => (&mut running.text, &mut piece.text, &mut piece.text_trace),
            Channel::Reasoning => (&mut running.reasoning, &mut piece.reasoning, &mut piece.reasoning_trace),
        };
        match growth.by {
            Grown::Text(more, origin) => {
                whole.push_str(&more);
                text.push_str(&more);
                trace.token(&more, origin);
            }
            Grown::Rejected(guess) => trace.rejected(&guess),
        }
        self.due.get_or_insert(now + WRITE_AFTER);
    }

    /// When to write next; `None` where there is nothing to write.
    pub(super) fn due(&self) -> Option<Duration> {
        self.due
    }

    fn cut_pieces(&mut self) {
        for running in self.running.values_mut() {
            if let Some(piece) = running.pending.take() {
                running.pieces += 1;
                self.backlog.push(Change::Grow(piece));
            }
        }
    }

    /// Writes everything: by one call of `write` if that succeeds.
    pub(super) fn write(
        &mut self,
        now: Duration,
        write: &mut dyn FnMut(&[Change]) -> Result<(), StoreError>,
    ) -> Vec<Outcome> {
        self.cut_pieces();
        self.due = None;
        if self.backlog.is_empty() {
            return Vec::new();
        }
        let mut outcomes = Vec::new();
        let mut result = write(&self.backlog);
        if result.as_ref().is_err_and(|error| !error.may_pass()) {
            result = self.write_singly(write, &mut outcomes);
        }
        match result {
            Ok(()) => {
                let written = mem::take(&mut self.backlog);
                outcomes.extend(self.saved(&written));
                outcomes.extend(self.trouble.take().map(|_| Outcome::TroubleOver));
            }
            Err(error) => {
                self.due = Some(now + RETRY_AFTER);
                let known = self.trouble.as_ref().map(mem::discriminant);
                if known != Some(mem::discriminant(&error)) {
                    outcomes.push(Outcome::Trouble(error.clone()));
                }
                self.trouble = Some(error);
            }
        }
        outcomes
    }

    /// One change at a time, without those that can never be made.
    fn write_singly(
        &mut self,
        write: &mut dyn FnMut(&[Change]) -> Result<(), StoreError>,
        outcomes: &mut Vec<Outcome>,
    ) -> Result<(), StoreError> {
        let mut at = 0;
        while let Some(change) = self.backlog.get(at) {
            match write(std::slice::from_ref(change)) {
                Ok(()) => at += 1,
                Err(error) if error.may_pass() => {
                    self.backlog.drain(..at);
                    return Err(error);
                }
                Err(error) => {
                    self.backlog.remove(at);
                    outcomes.push(Outcome::Refused(error));
                }
            }
        }
        Ok(())
    }

    fn saved(&self, written: &[Change]) -> Vec<Outcome> {
        let grown = |turn: &TurnId| {
            written.iter().any(|change| matches!(change, Change::Grow(piece) if piece.turn == *turn))
        };
        let running = self.running.iter().filter(|(turn, _)| grown(turn));
        running
            .map(|(turn, running)| Outcome::Saved(*turn, running.text.len() + running.reasoning.len()))
            .collect()
    }

    /// Why something is not on the disk that should be.
    pub(super) fn trouble(&self) -> Option<&StoreError> {
        self.trouble.as_ref()
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
