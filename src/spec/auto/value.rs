//! The arithmetic of a draft (docs/POLICY.md 2): what one more guess is worth, and from which acceptance on it pays.
//!
//! Everything is counted in tokens and plain rounds. Time spent at a batch could have been spent decoding at `rate`
//! tokens per plain round, so a draft that ends with `i` guesses is worth (tokens expected) − rate · (its time).

use super::calibration::BINS;
use super::costs::WIDEST;
use super::places::{PLACES, place};

/// Share of the acceptance of guesses not yet made that is reckoned with. A mean known from a dozen guesses is off by
/// some percent, and long drafts take it to a high power, which makes the error one-sided.
const CAUTION: f64 = 0.97;

/// What the next round is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Prospects {
    /// Time of a batch by its width, in plain rounds.
    pub verify: [f64; WIDEST + 1],
    /// Time of a draft step, in plain rounds.
    pub step: f64,
    /// Tokens per plain round that time is worth; at least 1.
    pub rate: f64,
    /// How often guesses of each bin are accepted, by place.
    pub acceptance: [[f64; BINS]; PLACES],
    /// How often the first guess of a draft falls into each bin.
    pub first: [f64; BINS],
    /// The same for a guess after guesses that are right.
    pub later: [f64; BINS],
    /// Mean acceptance by place, with caution of later ones: what the three above come to (`means`).
    pub means: [f64; PLACES],
    /// The longest draft reckoned with.
    pub longest: usize,
}

/// Mean acceptance by place: of the first guess, and with caution of later ones.
pub fn means(acceptance: &[[f64; BINS]; PLACES], first: &[f64; BINS], later: &[f64; BINS]) -> [f64; PLACES] {
    let mean = |shares: &[f64; BINS], place: usize| -> f64 {
        shares.iter().zip(&acceptance[place]).map(|(share, right)| share * right).sum()
    };
    std::array::from_fn(|place| match place {
        0 => mean(first, place),
        _ => mean(later, place) * CAUTION,
    })
}

impl Prospects {
    fn time(&self, guesses: usize) -> f64 {
        self.verify[(guesses + 1).min(WIDEST)]
    }

    /// For each possible end of a draft that holds `guesses` now: tokens expected per chance that these are right,
    /// and time, both beyond what is held. The first end is "here".
    fn ends(&self, guesses: usize) -> impl Iterator<Item = (f64, f64)> {
        let here = self.time(guesses);
        let (mut tokens, mut chance) = (0.0, 1.0);
        (guesses..=self.longest).map(move |end| {
            if end > guesses {
                chance *= self.means[place(end - 1)];
                tokens += chance;
            }
            (tokens, self.time(end) - here + (end - guesses) as f64 * self.step)
        })
    }

    /// What making one more guess is worth, in tokens, over ending the draft with the `guesses` held, which are all
    /// right with probability `chance`, and how often it would be kept: it may turn out to be cut.
    pub fn worth_of_a_guess(&self, guesses: usize, chance: f64) -> (f64, f64) {
        if guesses >= self.longest {
            return (f64::NEG_INFINITY, 0.0);
        }
        let shares = if guesses == 0 { &self.first } else { &self.later };
        let extra = self.time(guesses + 1) - self.time(guesses);
        // A guess that is kept for no end is cut: worth nothing. The bins are the inner loop: it vectorises.
        let mut kept = [0.0_f64; BINS];
        for (tokens, time) in self.ends(guesses + 1) {
            let (gain, price) = (chance * (1.0 + tokens), self.rate * (extra + time));
            for (kept, acceptance) in kept.iter_mut().zip(&self.acceptance[place(guesses)]) {
                let worth = gain * acceptance - price;
                *kept = if worth > *kept { worth } else { *kept };
            }
        }
        let (mut worth, mut often) = (0.0, 0.0);
        for (share, kept) in shares.iter().zip(kept) {
            worth += share * kept;
            often += if kept > 0.0 { *share } else { 0.0 };
        }
        (worth - self.rate * self.step, often)
    }

    /// The least acceptance from which on the next guess, now made, is worth its place in the batch.
    pub fn least_acceptance(&self, guesses: usize, chance: f64) -> f64 {
        let extra = self.time(guesses + 1) - self.time(guesses);
        self.ends(guesses + 1)
            .map(|(tokens, time)| self.rate * (extra + time) / (chance * (1.0 + tokens)).max(1e-9))
            .fold(f64::INFINITY, f64::min)
            .max(0.0)
    }

    /// Tokens a round that the best length above 0 brings beyond plain, kept to without regard to what the guesses say.
    pub fn worth_of_the_best_length(&self) -> f64 {
        let ends = self.ends(0).skip(1).map(|(tokens, time)| tokens - self.rate * time);
        ends.fold(f64::NEG_INFINITY, f64::max)
    }

    /// Tokens per plain round of the best length above 0, kept to without regard to what the guesses say.
    pub fn best_rate(&self) -> f64 {
        let rates = (1..=self.longest.max(1)).map(|guesses| self.rate_of(guesses, self.time(guesses)));
        rates.fold(0.0, f64::max)
    }

    /// Tokens per plain round of drafts that always hold `guesses`, in a batch that takes `verify`.
    pub fn rate_of(&self, guesses: usize, verify: f64) -> f64 {
        let (mut tokens, mut chance) = (1.0, 1.0);
        for before in 0..guesses {
            chance *= self.means[place(before)];
            tokens += chance;
        }
        tokens / (verify + guesses as f64 * self.step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All guesses accepted with the same probability, on the 26B (docs/POLICY.md 5).
    fn prospects(acceptance: f64) -> Prospects {
        let mut shares = [0.0; BINS];
        shares[0] = 1.0;
        let mut verify = [5.0; WIDEST + 1];
        verify[..5].copy_from_slice(&[0.0, 1.0, 1.65, 2.37, 3.1]);
        let acceptance = [[acceptance; BINS]; PLACES];
        Prospects {
            verify,
            step: 0.1,
            rate: 1.0,
            acceptance,
            means: means(&acceptance, &shares, &shares),
            first: shares,
            later: shares,
            longest: 3,
        }
    }

    #[test]
    fn a_guess_is_worth_its_token_less_its_time() {
        // 0.9 tokens for 0.65 + 0.1 plain rounds.
        assert!((prospects(0.9).worth_of_a_guess(0, 1.0).0 - 0.15).abs() < 0.02);
        // A guess that would be cut costs its step only.
        assert!((prospects(0.3).worth_of_a_guess(0, 1.0).0 + 0.1).abs() < 1e-9);
        assert_eq!(
            (prospects(0.9).worth_of_a_guess(0, 1.0).1, prospects(0.3).worth_of_a_guess(0, 1.0).1),
            (1.0, 0.0)
        );
        // No room for another.
        assert!(prospects(0.9).worth_of_a_guess(3, 1.0).0 < -1e9);
    }

    #[test]
    fn a_guess_is_kept_from_the_acceptance_on_that_pays_for_its_place() {
        let prospects = prospects(0.1);
        assert!((prospects.least_acceptance(0, 1.0) - 0.65).abs() < 1e-9);
        assert!((prospects.least_acceptance(1, 0.9) - 0.72 / 0.9).abs() < 1e-9);
        // A batch of three that is dearer than one of four: the guess is kept for the sake of the next.
        let mut stairs = prospects;
        stairs.verify[2..5].copy_from_slice(&[1.6, 2.1, 1.9]);
        assert!(stairs.least_acceptance(2, 0.9) == 0.0, "the fourth place costs nothing");
        assert!(stairs.least_acceptance(1, 0.9) < 0.45, "{}", stairs.least_acceptance(1, 0.9));
    }

    #[test]
    fn rates_are_those_of_the_formula() {
        let prospects = prospects(0.8);
        assert!((prospects.rate_of(1, 1.65) - 1.8 / 1.75).abs() < 1e-9);
        assert!((prospects.best_rate() - 1.8 / 1.75).abs() < 1e-9);
    }
}
