//! How confident the drafter's next guess will be: shares of the calibration's bins, of the last few guesses.

use super::calibration::{BINS, bin};

/// Shares before the first guess: what a drafter says on text of medium difficulty (docs/POLICY.md 4).
const PRIOR: [f64; BINS] = [0.06, 0.06, 0.07, 0.08, 0.10, 0.11, 0.13, 0.15, 0.24];

/// Guesses the prior counts for.
const PRIOR_GUESSES: f64 = 2.0;

/// Guesses the shares remember. Text changes its nature within a sentence; a reaction within 30 rounds needs a
/// memory of about half of that.
const MEMORY_GUESSES: f64 = 16.0;

/// Shares of the bins.
#[derive(Clone, Debug)]
pub struct Outlook {
    shares: [f64; BINS],
    guesses: f64,
}

impl Outlook {
    pub fn new() -> Outlook {
        Outlook { shares: PRIOR, guesses: PRIOR_GUESSES }
    }

    pub fn shares(&self) -> &[f64; BINS] {
        &self.shares
    }

    /// A guess of this probability was made.
    pub fn observe(&mut self, probability: f32) {
        let mut seen = [0.0; BINS];
        seen[bin(probability)] = 1.0;
        self.add(&seen);
    }

    /// A guess was cut: it was below the floor, and nothing more is known of it.
    pub fn observe_cut(&mut self, floor: f32) {
        let below = bin(floor).max(1);
        let mut seen = [0.0; BINS];
        let total: f64 = self.shares[..below].iter().sum();
        for (seen, share) in seen[..below].iter_mut().zip(self.shares) {
            *seen = if total > 1e-6 { share / total } else { 1.0 / below as f64 };
        }
        self.add(&seen);
    }

    fn add(&mut self, seen: &[f64; BINS]) {
        self.guesses = (self.guesses + 1.0).min(MEMORY_GUESSES);
        for (share, seen) in self.shares.iter_mut().zip(seen) {
            *share += (seen - *share) / self.guesses;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_guesses_and_stays_a_distribution() {
        let mut outlook = Outlook::new();
        for round in 0..40 {
            if round % 2 == 0 {
                outlook.observe(0.99)
            } else {
                outlook.observe_cut(0.6)
            }
            assert!((outlook.shares().iter().sum::<f64>() - 1.0).abs() < 1e-9);
        }
        assert!((outlook.shares()[BINS - 1] - 0.5).abs() < 0.05);
        assert!(outlook.shares()[5..8].iter().sum::<f64>() < 0.1);
        (0..40).for_each(|_| outlook.observe_cut(0.0));
        assert!(outlook.shares()[0] > 0.9);
        outlook.observe_cut(f32::NAN);
        outlook.observe_cut(2.0);
    }
}
