//! For benchmarks only: a target that accepts guesses at given rates, whatever its weights say.
//!
//! Random weights agree with no drafter, and real ones of every size are not at hand; what a round costs does not
//! depend on the weights, though. So the outcome of each test is drawn and everything else is real: drafter, target
//! and sampler do all their work, then the row of a guess is bent before it is drawn from, so that the guess is (or
//! is not) what is drawn. The text is worth nothing. Only `slipstream bench --force-acceptance` can ask for it.

use super::adapter::TargetMachine;
use crate::llama::LlamaError;
use crate::spec::Target;
use crate::token::TokenId;

/// Added to the highest score of a row: e^1000 leaves nothing for the others at any temperature that makes sense.
const CERTAIN: f32 = 1000.0;

/// The rates, and the bent rows of the latest batch.
#[derive(Debug)]
pub struct Forcing {
    by_place: Vec<f32>,
    rows: Vec<Vec<f32>>,
    bent: usize,
}

impl Forcing {
    /// Acceptance by the guess's place in its draft, given that all before were accepted; the last rate goes on.
    #[must_use]
    pub fn new(by_place: Vec<f32>) -> Forcing {
        Forcing { by_place, rows: Vec::new(), bent: 0 }
    }

    /// Whether the guess for a position is accepted. It depends on nothing else, so that all draft lengths meet the
    /// same luck.
    fn accepts(&self, position: u64, place: usize) -> bool {
        let rate = self.by_place.get(place).or(self.by_place.last()).copied().unwrap_or(0.0);
        uniform(position) < f64::from(rate)
    }
}

/// From 0 to 1, by the position alone (splitmix64).
fn uniform(position: u64) -> f64 {
    let mut bits = (position + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// A target with its outcome forced.
pub struct Forced<'a, 'm> {
    /// Does all the work.
    pub machine: &'a mut TargetMachine<'m>,
    /// Says how it ends.
    pub forcing: &'a mut Forcing,
}

impl Target for Forced<'_, '_> {
    type Error = LlamaError;

    fn verify(&mut self, last: TokenId, guesses: &[TokenId], padding: usize) -> Result<(), LlamaError> {
        // The guess in place `i` stands `i + 1` after the last token, which the cache does not hold yet.
        let first = u64::from(self.machine.context().length()) + 1;
        self.machine.verify(last, guesses, padding)?;
        self.forcing.bent = guesses.len();
        for (place, guess) in guesses.iter().enumerate() {
            if self.forcing.rows.len() <= place {
                self.forcing.rows.push(Vec::new());
            }
            let accepted = self.forcing.accepts(first + place as u64, place);
            let row = &mut self.forcing.rows[place];
            row.clear();
            row.extend_from_slice(self.machine.row(place));
            let highest = row.iter().copied().filter(|score| score.is_finite()).fold(0.0, f32::max);
            if let Some(score) = usize::try_from(guess.0).ok().and_then(|index| row.get_mut(index)) {
                *score = if accepted { highest + CERTAIN } else { f32::NEG_INFINITY };
            }
        }
        Ok(())
    }

    fn row(&self, index: usize) -> &[f32] {
        if index < self.forcing.bent { &self.forcing.rows[index] } else { self.machine.row(index) }
    }

    fn keep(&mut self, kept: usize) -> Result<(), LlamaError> {
        self.machine.keep(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_hold_by_place_and_luck_depends_on_the_position_alone() {
        let forcing = Forcing::new(vec![0.85, 0.5]);
        let count = |place: usize| (0..10_000).filter(|&position| forcing.accepts(position, place)).count();
        assert!((8_400..8_600).contains(&count(0)), "{}", count(0));
        assert!((4_850..5_150).contains(&count(1)), "{}", count(1));
        assert_eq!(count(1), count(7), "the last rate goes on");
        assert!((0..10_000).all(|position| !forcing.accepts(position, 1) || forcing.accepts(position, 0)));
        assert!(!Forcing::new(Vec::new()).accepts(3, 0));
    }
}
