//! The books of one reply, made from its rounds.

use std::time::Duration;

use super::cycle::Round;
use crate::event::Counters;

/// Adds up rounds. Times come from outside: it has no clock.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    counters: Counters,
}

impl Stats {
    /// The books of a reply that has not begun.
    #[must_use]
    pub fn new() -> Stats {
        Stats::default()
    }

    /// A token drawn from the last row of a prefill: as a plain step whose decoding the prefill has paid for.
    pub fn record_prefill_token(&mut self) {
        self.counters.predicted += 1;
        self.counters.rounds += 1;
    }

    /// Adds a round. All its tokens count as predicted, a stopping token included.
    pub fn record(&mut self, round: &Round) {
        let counters = &mut self.counters;
        counters.rounds += 1;
        counters.predicted += count(round.emitted.len());
        counters.tested += count(round.tested);
        counters.accepted += count(round.accepted);
        let places = counters.tested_by_position.len().max(round.tested);
        counters.tested_by_position.resize(places, 0);
        counters.accepted_by_position.resize(places, 0);
        for tested in &mut counters.tested_by_position[..round.tested] {
            *tested += 1;
        }
        for accepted in &mut counters.accepted_by_position[..round.accepted] {
            *accepted += 1;
        }
        counters.drafting += round.draft_time;
        counters.verifying += round.verify_time;
    }

    /// The counters so far; `elapsed` since the reply's first token, `context_used` tokens in the cache.
    #[must_use]
    pub fn counters(&self, elapsed: Duration, context_used: u32) -> Counters {
        Counters { elapsed, context_used, ..self.counters.clone() }
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Emitted;
    use crate::token::{Origin, TokenId};

    fn round(guessed: usize, tested: usize, accepted: usize) -> Round {
        let emitted = vec![Emitted { token: TokenId(0), origin: Origin::Target }; accepted + 1];
        Round {
            emitted,
            allowed: guessed,
            guessed,
            tested,
            accepted,
            width: guessed + 1,
            stopped: false,
            drafter_failed: None,
            draft_time: Duration::from_millis(1),
            verify_time: Duration::from_millis(10),
        }
    }

    #[test]
    fn adds_up_rounds_by_position() {
        let mut stats = Stats::new();
        stats.record_prefill_token();
        for (guessed, tested, accepted) in [(3, 3, 3), (3, 2, 1), (0, 0, 0), (4, 1, 0)] {
            stats.record(&round(guessed, tested, accepted));
        }
        let counters = stats.counters(Duration::from_secs(2), 99);
        assert_eq!((counters.predicted, counters.rounds), (1 + 4 + 2 + 1 + 1, 5));
        assert_eq!((counters.tested, counters.accepted), (6, 4));
        assert_eq!(counters.tested_by_position, [3, 2, 1]);
        assert_eq!(counters.accepted_by_position, [2, 1, 1]);
        assert_eq!(
            (counters.drafting, counters.verifying),
            (Duration::from_millis(4), Duration::from_millis(40))
        );
        assert_eq!((counters.elapsed, counters.context_used), (Duration::from_secs(2), 99));
        assert_eq!(counters.accepted_share(), Some(4.0 / 6.0));
        assert_eq!(counters.tokens_per_second(), Some(4.0));
    }

    #[test]
    fn no_round_gives_no_ratio() {
        let counters = Stats::new().counters(Duration::ZERO, 0);
        assert_eq!((counters.accepted_share(), counters.length_per_round()), (None, None));
        assert_eq!(counters.tokens_per_second(), None);
    }
}
