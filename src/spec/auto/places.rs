//! How acceptance depends on the place in the draft, beyond what the drafter's probabilities say of it.
//!
//! A drafter goes on from its own guesses and may grow worse without knowing it. Its probabilities then mean
//! something else at each place: the odds of acceptance are corrected by a factor for each.

use super::calibration::BINS;

/// Places told apart: the first three guesses, and all later ones together.
pub const PLACES: usize = 4;

/// Right and wrong tests, as many as expected, that a correction starts from.
const PRIOR_TESTS: f64 = 1.0;

/// Tests that a place remembers.
const MEMORY_TESTS: f64 = 96.0;

/// Odds of a right test corrected by a factor.
pub fn corrected(acceptance: f64, factor: f64) -> f64 {
    let right = acceptance * factor;
    right / (1.0 - acceptance + right)
}

/// The place of a guess after so many others.
pub fn place(guesses: usize) -> usize {
    guesses.min(PLACES - 1)
}

#[derive(Clone, Copy, Debug, Default)]
struct Tests {
    right: f64,
    tested: f64,
    bins: [f64; BINS],
}

impl Tests {
    /// Odds seen over odds expected, were each bin accepted as often as `acceptance` says, its odds times `factor`.
    fn ratio(&self, acceptance: &[f64; BINS], factor: f64) -> f64 {
        let expected = self.bins.iter().zip(acceptance);
        let expected: f64 = expected.map(|(tested, &right)| tested * corrected(right, factor)).sum();
        let odds = |right: f64| (right + PRIOR_TESTS) / (self.tested - right + PRIOR_TESTS);
        odds(self.right) / odds(expected)
    }
}

/// The tests of each place.
#[derive(Clone, Debug, Default)]
pub struct Places {
    tests: [Tests; PLACES],
}

impl Places {
    /// A guess of this bin was tested at this place.
    pub fn observe(&mut self, place: usize, bin: usize, right: bool) {
        let tests = &mut self.tests[place];
        if tests.tested >= MEMORY_TESTS {
            let keep = (MEMORY_TESTS - 1.0) / tests.tested;
            tests.right *= keep;
            tests.tested *= keep;
            tests.bins.iter_mut().for_each(|bin| *bin *= keep);
        }
        tests.tested += 1.0;
        tests.bins[bin] += 1.0;
        tests.right += if right { 1.0 } else { 0.0 };
    }

    /// What the odds of each place are multiplied by, given the acceptance of all places together. A place of which
    /// little is known is like the one before it.
    pub fn corrections(&self, acceptance: &[f64; BINS]) -> [f64; PLACES] {
        // What all places have in common is the bins' business, which follow a little later.
        let mut all = Tests::default();
        for place in &self.tests {
            all.right += place.right;
            all.tested += place.tested;
            all.bins.iter_mut().zip(place.bins).for_each(|(all, bin)| *all += bin);
        }
        let common = all.ratio(acceptance, 1.0);
        let mut factor = 1.0;
        std::array::from_fn(|place| {
            factor *= self.tests[place].ratio(acceptance, factor);
            factor / common
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: [f64; BINS] = [0.5; BINS];

    #[test]
    fn a_place_is_known_by_its_contrast_to_the_others() {
        let mut places = Places::default();
        assert_eq!(places.corrections(&HALF), [1.0; PLACES]);
        for _ in 0..12 {
            places.observe(0, 3, true);
        }
        // All that was tested was right: that is the bins' business.
        assert_eq!(places.corrections(&HALF), [1.0; PLACES]);
        for _ in 0..12 {
            places.observe(1, 3, false);
        }
        let [first, second, third, later] = places.corrections(&HALF);
        assert!(first > 5.0 && second < 0.2, "{first} {second}");
        assert!(third == second && later == second, "not tested: like the one before");
    }

    #[test]
    fn what_the_bins_explain_is_not_blamed_on_the_place() {
        let mut places = Places::default();
        let mut bins = HALF;
        (bins[0], bins[8]) = (0.1, 0.9);
        for test in 0..40 {
            places.observe(0, 8, test % 10 != 0);
            places.observe(1, 0, test % 10 == 0);
        }
        for factor in places.corrections(&bins) {
            assert!((factor - 1.0).abs() < 0.05, "{factor}");
        }
    }

    #[test]
    fn odds_are_corrected_within_their_bounds() {
        assert_eq!(corrected(0.5, 1.0), 0.5);
        assert!((corrected(0.5, 3.0) - 0.75).abs() < 1e-12);
        assert_eq!((corrected(0.0, 9.0), corrected(1.0, 0.01)), (0.0, 1.0));
    }
}
