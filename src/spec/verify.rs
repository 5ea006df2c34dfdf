//! Accept or reject: the whole of the promise that the drafter cannot change the text.

use super::seam::Guess;
use crate::sampling::Sampler;
use crate::token::{Origin, Position, TokenId};

/// A token that a round adds to the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emitted {
    /// The token.
    pub token: TokenId,
    /// Whether the drafter had guessed it.
    pub origin: Origin,
}

/// What became of a draft.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The tokens that the text grows by: the accepted guesses, then the bonus token unless a guess was a stop.
    pub emitted: Vec<Emitted>,
    /// Guesses compared with the target's draw; none past a stop.
    pub tested: usize,
    /// Of these, how many were equal. The accepted ones come first, so this is at least `tested − 1`.
    pub accepted: usize,
    /// The last emitted token is a stopping token.
    pub stopped: bool,
}

impl Verdict {
    /// How many guesses stay in the target's cache: all emitted tokens but the last. It is also the row that gave
    /// the last token, hence of the hidden row an MTP drafter goes on from. Equals `accepted`, except that a stop
    /// which was a guess is accepted but not kept.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.emitted.len() - 1
    }
}

/// Tests a draft against the target's rows, `row(i)` holding the scores that follow the text and the first `i`
/// guesses, and appends to `text` what it emits.
///
/// The guess never enters the choice of a token: it only decides whether the next row belongs to the text.
pub fn verify<'row>(
    sampler: &mut Sampler,
    text: &mut Vec<TokenId>,
    guesses: &[Guess],
    row: impl Fn(usize) -> &'row [f32],
    is_stop: &dyn Fn(TokenId) -> bool,
) -> Verdict {
    let mut verdict = Verdict::default();
    loop {
        let place = verdict.accepted;
        let position = Position(0).plus(text.len());
        let token = sampler.draw(row(place), text, position);
        let guess = guesses.get(place);
        let accepted = guess.is_some_and(|guess| guess.token == token);
        verdict.tested += usize::from(guess.is_some());
        verdict.accepted += usize::from(accepted);
        verdict.stopped = is_stop(token);
        text.push(token);
        verdict
            .emitted
            .push(Emitted { token, origin: if accepted { Origin::Accepted } else { Origin::Target } });
        if !accepted || verdict.stopped {
            break;
        }
    }
    assert!(verdict.accepted <= verdict.tested && verdict.tested <= verdict.accepted + 1);
    assert!(verdict.tested <= guesses.len());
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::SamplingSettings;

    /// Rows that make a greedy target say 1, 2, 3, …
    fn rows() -> Vec<Vec<f32>> {
        (1..8).map(|best| (0..8).map(|token| if token == best { 1.0 } else { 0.0 }).collect()).collect()
    }

    fn run(guesses: &[i32], stop: i32) -> (Verdict, Vec<TokenId>) {
        let settings = SamplingSettings { temperature: 0.0, ..SamplingSettings::default() };
        let mut sampler = Sampler::new(&settings, Vec::new());
        let guesses: Vec<Guess> =
            guesses.iter().map(|&token| Guess { token: TokenId(token), probability: 1.0 }).collect();
        let (rows, mut text) = (rows(), vec![TokenId(0)]);
        let verdict =
            verify(&mut sampler, &mut text, &guesses, |i| &rows[i], &|token| token == TokenId(stop));
        (verdict, text)
    }

    fn summary(guesses: &[i32], stop: i32) -> (usize, usize, usize, bool) {
        let (verdict, text) = run(guesses, stop);
        assert_eq!(text.len(), 1 + verdict.emitted.len());
        assert!((1..).zip(&text[1..]).all(|(expected, &token)| token == TokenId(expected)));
        (verdict.tested, verdict.accepted, verdict.kept(), verdict.stopped)
    }

    #[test]
    fn counts_tested_accepted_and_kept() {
        assert_eq!(summary(&[], -1), (0, 0, 0, false));
        assert_eq!(summary(&[1, 2, 3], -1), (3, 3, 3, false));
        assert_eq!(summary(&[7, 2, 3], -1), (1, 0, 0, false));
        assert_eq!(summary(&[1, 7, 3], -1), (2, 1, 1, false));
    }

    #[test]
    fn a_stop_ends_the_round_wherever_it_is_drawn() {
        // A stop that was guessed: accepted, emitted, not kept; the guess after it is not tested.
        assert_eq!(summary(&[1, 2, 3], 2), (2, 2, 1, true));
        // A stop that was not guessed.
        assert_eq!(summary(&[1, 7, 3], 2), (2, 1, 1, true));
        // A stop as bonus token, and in a plain step.
        assert_eq!(summary(&[1, 2], 3), (2, 2, 2, true));
        assert_eq!(summary(&[], 1), (0, 0, 0, true));
        // A stop that the drafter guessed and the target did not draw ends nothing.
        assert_eq!(summary(&[1, 2, 7], 7), (3, 2, 2, false));
    }

    #[test]
    fn tells_who_chose_each_token() {
        let origins: Vec<Origin> =
            run(&[1, 2, 7], -1).0.emitted.iter().map(|emitted| emitted.origin).collect();
        assert_eq!(origins, [Origin::Accepted, Origin::Accepted, Origin::Target]);
    }
}
