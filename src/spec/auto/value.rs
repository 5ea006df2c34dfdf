//! The arithmetic of a draft (docs/POLICY.md 2): what one more guess is worth, and from which acceptance on it pays.
//!
//! Everything is counted in tokens and plain rounds. Time spent at a batch could have been spent decoding at `rate`
//! tokens per plain round, so a draft that ends with `i` guesses is worth (tokens expected) − rate · (its time).

use super::calibration::BINS;
use super::costs::WIDEST;

/// What the next round is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Prospects {
    /// Time of a batch by its width, in plain rounds.
    pub verify: [f64; WIDEST + 1],
    /// Time of a draft step, in plain rounds.
    pub step: f64,
    /// Tokens per plain round that time is worth; at least 1.
    pub rate: f64,
    /// How often guesses of each bin are accepted.
    pub acceptance: [f64; BINS],
    /// How often the first guess of a draft falls into each bin.
    pub first: [f64; BINS],
    /// The same for a guess after guesses that are right.
    pub later: [f64; BINS],
    /// The longest draft reckoned with.
    pub longest: usize,
}

impl Prospects {
    fn time(&self, guesses: usize) -> f64 {
        self.verify[(guesses + 1).min(WIDEST)]
    }

    /// Mean acceptance of a later guess.
    pub fn later_mean(&self) -> f64 {
        self.later.iter().zip(&self.acceptance).map(|(share, acceptance)| share * acceptance).sum()
    }

    /// Mean acceptance of a first guess.
    pub fn first_mean(&self) -> f64 {
        self.first.iter().zip(&self.acceptance).map(|(share, acceptance)| share * acceptance).sum()
    }

    /// For each possible end of a draft that holds `guesses` now: tokens expected per chance that these are right,
    /// and time, both beyond what is held. The first end is "here".
    fn ends(&self, guesses: usize, mean: f64) -> impl Iterator<Item = (f64, f64)> {
        let here = self.time(guesses);
        let (mut tokens, mut chance) = (0.0, 1.0);
        (guesses..=self.longest).map(move |end| {
            if end > guesses {
                chance *= mean;
                tokens += chance;
            }
            (tokens, self.time(end) - here + (end - guesses) as f64 * self.step)
        })
    }

    /// What making one more guess is worth, in tokens, over ending the draft with the `guesses` held, which are all
    /// right with probability `chance`. The guess may turn out to be cut.
    pub fn worth_of_a_guess(&self, guesses: usize, chance: f64) -> f64 {
        if guesses >= self.longest {
            return f64::NEG_INFINITY;
        }
        let shares = if guesses == 0 { &self.first } else { &self.later };
        let mean = self.later_mean();
        let extra = self.time(guesses + 1) - self.time(guesses);
        let mut ends = [(0.0, 0.0); WIDEST + 1];
        let mut count = 0;
        for end in self.ends(guesses + 1, mean) {
            ends[count] = end;
            count += 1;
        }
        let mut worth = -self.rate * self.step;
        for (share, acceptance) in shares.iter().zip(&self.acceptance) {
            let chance = chance * acceptance;
            let kept = ends[..count]
                .iter()
                .map(|(tokens, time)| chance * (1.0 + tokens) - self.rate * (extra + time))
                .fold(0.0, f64::max);
            worth += share * kept;
        }
        worth
    }

    /// The least acceptance from which on the next guess, now made, is worth its place in the batch.
    pub fn least_acceptance(&self, guesses: usize, chance: f64) -> f64 {
        let extra = self.time(guesses + 1) - self.time(guesses);
        self.ends(guesses + 1, self.later_mean())
            .map(|(tokens, time)| self.rate * (extra + time) / (chance * (1.0 + tokens)).max(1e-9))
            .fold(f64::INFINITY, f64::min)
            .max(0.0)
    }

    /// Tokens per plain round of drafts that always hold `guesses`, in a batch that takes `verify`.
    pub fn rate_of(&self, guesses: usize, verify: f64) -> f64 {
        let mean = self.later_mean();
        let mut chance = self.first_mean();
        let mut tokens = 1.0;
        for _ in 0..guesses {
            tokens += chance;
            chance *= mean;
        }
        tokens / (verify + guesses as f64 * self.step)
    }
}
