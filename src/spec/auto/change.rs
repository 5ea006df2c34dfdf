//! What a change of batch width costs: llama.cpp builds its compute graph anew when a batch is not as wide as the one
//! before. On the built-in pair that is half a plain round, on the 26B a hundredth (docs/POLICY.md 3).
//!
//! A change is a small difference of two noisy times, so that it is believed only as far as nearly all that was seen
//! of it agrees.

use super::recent::Recent;

/// Rounds as wide as the one before that a width's own time is the median of.
const STEADY_ROUNDS: usize = 3;

/// Changes that are remembered.
const CHANGES: usize = 9;

/// Fewer than this may all have been unlucky.
const FEW_CHANGES: usize = 3;

/// Of so many changes one is left out: it met a slow round of its width.
const MANY_CHANGES: usize = 6;

/// Share of a round that a change is at most.
const LARGEST_SHARE: f64 = 0.5;

/// Times by width of rounds that changed nothing, and what those that did took longer. All in seconds.
#[derive(Clone, Debug)]
pub struct Change<const WIDTHS: usize> {
    steady: [Recent<STEADY_ROUNDS>; WIDTHS],
    /// The last time of a round that changed to this width, where no steady one is known yet.
    waiting: [Option<f64>; WIDTHS],
    added: Recent<CHANGES>,
    believed: Option<f64>,
    last_width: usize,
}

impl<const WIDTHS: usize> Default for Change<WIDTHS> {
    fn default() -> Change<WIDTHS> {
        let steady = [Recent::default(); WIDTHS];
        Change { steady, waiting: [None; WIDTHS], added: Recent::default(), believed: None, last_width: 0 }
    }
}

impl<const WIDTHS: usize> Change<WIDTHS> {
    /// Whether a batch of this width follows one of another.
    pub fn is_change(&self, width: usize) -> bool {
        self.last_width != width
    }

    /// Adds a round's time, where it has one; returns it without what a change added, as far as that is believed.
    /// `None` where the change says nothing about the width: not believed yet, and steady rounds are known.
    pub fn observe(&mut self, width: usize, seconds: Option<f64>) -> Option<f64> {
        let changed = std::mem::replace(&mut self.last_width, width) != width;
        let seconds = seconds?;
        if changed {
            let steady = self.steady[width].middle();
            match steady {
                Some(steady) => self.add(seconds - steady),
                None => self.waiting[width] = Some(seconds),
            }
            if steady.is_some() && self.believed().is_none() {
                return None;
            }
            let added = self.believed().unwrap_or(0.0);
            return Some((seconds - added).max((1.0 - LARGEST_SHARE) * seconds));
        }
        self.steady[width].push(seconds);
        if let Some(before) = self.waiting[width].take() {
            self.add(before - seconds);
        }
        Some(seconds)
    }

    fn add(&mut self, seconds: f64) {
        self.added.push(seconds);
        let count = self.added.count();
        let place = usize::from(count >= MANY_CHANGES);
        self.believed = self.added.lowest(place).filter(|_| count >= FEW_CHANGES).map(|added| added.max(0.0));
    }

    /// What a change adds at least, by nearly all that were seen; `None` while there are few.
    pub fn believed(&self) -> Option<f64> {
        self.believed
    }

    /// Whether a width has been seen without a change.
    pub fn is_settled(&self, width: usize) -> bool {
        self.steady[width].count() > 0
    }

    /// The machine has changed its pace.
    pub fn scale(&mut self, factor: f64) {
        self.steady.iter_mut().for_each(|recent| recent.scale(factor));
        self.waiting.iter_mut().flatten().for_each(|seconds| *seconds *= factor);
        self.added.scale(factor);
        self.believed = self.believed.map(|seconds| seconds * factor);
    }

    /// Takes a stored change for one that was seen often enough to be believed.
    pub fn import(&mut self, seconds: f64) {
        (0..FEW_CHANGES).for_each(|_| self.add(seconds));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds (width, time) pairs.
    fn learn(rounds: &[(usize, f64)]) -> Change<5> {
        let mut change = Change::default();
        for &(width, seconds) in rounds {
            change.observe(width, Some(seconds));
        }
        change
    }

    #[test]
    fn what_changes_have_in_common_is_believed_and_taken_off() {
        let mut change = learn(&[(1, 1.5), (1, 1.0), (2, 1.8), (2, 1.3), (2, 1.4), (1, 1.6)]);
        let believed = change.believed().expect("three changes");
        assert!((believed - 0.5).abs() < 1e-9, "{believed}");
        assert!(change.is_change(2) && !change.is_change(1));
        assert!((change.observe(2, Some(1.9)).unwrap() - 1.4).abs() < 1e-9);
        change.scale(2.0);
        assert!((change.believed().unwrap() - 1.0).abs() < 1e-9);
        assert_eq!(change.observe(2, None), None);
    }

    #[test]
    fn noise_and_slow_rounds_are_no_change() {
        assert_eq!(learn(&[(1, 1.5), (1, 1.0), (2, 1.8), (2, 1.3)]).believed(), None, "two are few");
        let noise = [(1, 1.0), (1, 1.05), (2, 1.3), (2, 1.4), (1, 1.1), (2, 9.0), (1, 1.0)];
        assert!(learn(&noise).believed().unwrap() < 0.01);
    }

    #[test]
    fn one_slow_round_does_not_hide_a_change() {
        let mut rounds = vec![(1, 9.0), (1, 90.0)];
        (0..8).for_each(|_| rounds.extend([(2, 1.8), (2, 1.3), (1, 1.5), (1, 1.0)]));
        assert!((learn(&rounds).believed().unwrap() - 0.5).abs() < 1e-9);
    }
}
