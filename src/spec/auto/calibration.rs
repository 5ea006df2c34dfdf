//! How often a guess is accepted, from the drafter's own probability of it, learned on this text.
//!
//! Probabilities are sorted into bins. A bin starts from a prior (the probability itself, corrected by how far all
//! tests together are off), counts its tests, and forgets: what it knows is the last few dozen tests.

use super::places::{PLACES, Places, corrected, place};

/// Upper edges of the bins but the last. Narrow at the top, where most guesses of a good drafter lie and where the
/// decisions fall: with V(2) = 1.65 and d = 0.1 a guess pays from 0.65 on.
const EDGES: [f64; BINS - 1] = [0.1, 0.25, 0.4, 0.55, 0.7, 0.82, 0.92, 0.975];

/// How many bins there are.
pub const BINS: usize = 9;

/// The probability that stands for a bin.
const CENTRES: [f64; BINS] = [0.05, 0.175, 0.325, 0.475, 0.625, 0.76, 0.87, 0.95, 0.99];

/// Tests that a bin's prior counts for.
const PRIOR_TESTS: f64 = 3.0;

/// Tests a bin remembers: when it has more, older ones count less.
const MEMORY_TESTS: f64 = 48.0;

/// A run of right or of wrong tests that is this unlikely means that the text or the drafter has changed …
const SURPRISE: f64 = 0.002;

/// … and a bin then remembers so many tests.
const SURPRISED_TESTS: f64 = 12.0;

/// Tests that the correction of all bins remembers.
const POOLED_TESTS: f64 = 24.0;

/// Tests that came out as expected, before there are any.
const EXPECTED_TESTS: f64 = 4.0;

#[derive(Clone, Copy, Debug, Default)]
struct Tests {
    right: f64,
    tested: f64,
}

/// The tests since the outcome last changed.
#[derive(Clone, Copy, Debug)]
struct Run {
    right: bool,
    /// How likely so many alike were.
    chance: f64,
}

impl Run {
    /// Adds a test to the run of a bin, whose tests are those before it.
    fn record(&mut self, right: bool, tests: &Tests) {
        let mean = (tests.right + 0.5) / (tests.tested + 1.0);
        let chance = if right { mean } else { 1.0 - mean };
        self.chance = if right == self.right { self.chance * chance } else { chance };
        self.right = right;
    }
}

impl Tests {
    fn record(&mut self, right: f64, memory: f64) {
        if self.tested >= memory {
            let keep = (memory - 1.0) / self.tested;
            self.right *= keep;
            self.tested *= keep;
        }
        self.tested += 1.0;
        self.right += right;
    }
}

/// The calibration.
#[derive(Clone, Debug)]
pub struct Calibration {
    bins: [Tests; BINS],
    runs: [Run; BINS],
    /// All tests: how many were right …
    pooled: Tests,
    /// … and how many should have been, had the drafter's probabilities been true.
    expected: Tests,
    places: Places,
    /// Acceptance at each bin's centre, for each place of a draft; never falls from one bin to the next.
    acceptance: [[f64; BINS]; PLACES],
}

/// The bin of a probability; what is not a number is no confidence at all.
pub fn bin(probability: f32) -> usize {
    let probability = f64::from(probability);
    if probability.is_nan() { 0 } else { EDGES.iter().filter(|&&edge| probability >= edge).count() }
}

fn odds(share: f64) -> f64 {
    let share = share.clamp(0.005, 0.995);
    share / (1.0 - share)
}

impl Calibration {
    pub fn new() -> Calibration {
        let none = Tests::default();
        let mut new = Calibration {
            bins: [none; BINS],
            runs: [Run { right: false, chance: 1.0 }; BINS],
            pooled: none,
            expected: none,
            places: Places::default(),
            acceptance: [CENTRES; PLACES],
        };
        new.fit();
        new
    }

    /// Adds a tested guess, which came after so many others.
    pub fn observe(&mut self, guesses: usize, probability: f32, right: bool) {
        let bin = bin(probability);
        self.places.observe(place(guesses), bin, right);
        self.runs[bin].record(right, &self.bins[bin]);
        let memory = if self.runs[bin].chance < SURPRISE { SURPRISED_TESTS } else { MEMORY_TESTS };
        let right = if right { 1.0 } else { 0.0 };
        self.bins[bin].record(right, memory);
        self.pooled.record(right, POOLED_TESTS);
        self.expected.record(CENTRES[bin], POOLED_TESTS);
    }

    /// Works out the acceptance of each bin; once a round, after its tests.
    pub fn fit(&mut self) {
        // A few more tests that came out as expected keep the ratio of odds finite and tame.
        let share = (self.expected.right / self.expected.tested.max(1.0)).clamp(0.02, 0.98);
        let seen = (self.pooled.right + EXPECTED_TESTS * share)
            / (self.pooled.tested - self.pooled.right + EXPECTED_TESTS * (1.0 - share));
        let correction = if self.pooled.tested > 0.0 { seen / odds(share) } else { 1.0 };
        let mut blocks = [(0.0, 0.0, 0_usize); BINS];
        let mut used = 0;
        for (tests, centre) in self.bins.iter().zip(CENTRES) {
            let prior = odds(centre) * correction;
            let prior = prior / (1.0 + prior);
            let weight = tests.tested + PRIOR_TESTS;
            blocks[used] = (tests.right + PRIOR_TESTS * prior, weight, 1);
            used += 1;
            // A likelier guess is not accepted less often: bins that say so are thrown together.
            while used > 1 {
                let ((right, weight, _), (next_right, next_weight, _)) = (blocks[used - 2], blocks[used - 1]);
                if right / weight <= next_right / next_weight {
                    break;
                }
                let (right, weight) = (right + next_right, weight + next_weight);
                blocks[used - 2] = (right, weight, blocks[used - 2].2 + blocks[used - 1].2);
                used -= 1;
            }
        }
        let mut common = [0.0; BINS];
        let mut start = 0;
        for &(right, weight, bins) in &blocks[..used] {
            common[start..start + bins].fill(right / weight);
            start += bins;
        }
        for (acceptance, factor) in self.acceptance.iter_mut().zip(self.places.corrections(&common)) {
            *acceptance = common.map(|common| corrected(common, factor));
        }
    }

    /// Acceptance at the bins' centres, for each place.
    pub fn bins(&self) -> &[[f64; BINS]; PLACES] {
        &self.acceptance
    }

    /// How often a guess of this probability is accepted after so many others.
    pub fn acceptance(&self, guesses: usize, probability: f32) -> f64 {
        let bins = &self.acceptance[place(guesses)];
        let probability = if probability.is_nan() { 0.0 } else { f64::from(probability) };
        let above = CENTRES.iter().position(|&centre| centre > probability).unwrap_or(BINS);
        if above == 0 || above == BINS {
            return bins[above.min(BINS - 1)];
        }
        let (left, right) = (CENTRES[above - 1], CENTRES[above]);
        let share = (probability - left) / (right - left);
        bins[above - 1] + share * (bins[above] - bins[above - 1])
    }

    /// The least probability from which on a guess after so many others is accepted this often; above 1 where none
    /// is.
    pub fn floor(&self, guesses: usize, acceptance: f64) -> f32 {
        let bins = &self.acceptance[place(guesses)];
        let Some(above) = bins.iter().position(|&known| known >= acceptance) else { return 2.0 };
        if above == 0 {
            return 0.0;
        }
        let (low, high) = (bins[above - 1], bins[above]);
        let share = (acceptance - low) / (high - low);
        (CENTRES[above - 1] + share * (CENTRES[above] - CENTRES[above - 1])) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learn(tests: &[(f32, bool)]) -> Calibration {
        let mut calibration = Calibration::new();
        for &(probability, right) in tests {
            calibration.observe(0, probability, right);
            calibration.fit();
        }
        calibration
    }

    #[test]
    fn starts_from_the_drafters_word() {
        let calibration = Calibration::new();
        for probability in [0.05_f32, 0.3, 0.5, 0.8, 0.99] {
            assert!((calibration.acceptance(0, probability) - f64::from(probability)).abs() < 0.05);
            let floor = calibration.floor(0, calibration.acceptance(0, probability));
            assert!((floor - probability).abs() < 0.01, "{floor} {probability}");
        }
        assert_eq!(calibration.acceptance(0, f32::NAN), calibration.acceptance(0, 0.0));
        assert!(calibration.floor(0, 0.9999) > 1.0);
    }

    #[test]
    fn a_liar_is_found_out_within_four_tests_and_forgiven_within_thirty() {
        let mut calibration = learn(&[(0.99, false); 4]);
        assert!(calibration.acceptance(0, 0.99) < 0.4, "{:?}", calibration.bins());
        calibration = learn(&[(0.99, false); 200]);
        for _ in 0..30 {
            calibration.observe(0, 0.99, true);
        }
        calibration.fit();
        assert!(calibration.acceptance(0, 0.99) > 0.7, "{:?}", calibration.bins());
    }

    #[test]
    fn modesty_is_seen_through_in_bins_not_yet_tested() {
        let calibration = learn(&[(0.45, true); 12]);
        assert!(calibration.acceptance(0, 0.45) > 0.8);
        assert!(calibration.acceptance(0, 0.3) > 0.6, "{:?}", calibration.bins());
    }

    #[test]
    fn never_falls_with_the_probability() {
        let calibration = learn(&[(0.99, false), (0.5, true), (0.8, false), (0.3, true), (0.99, false)]);
        assert!(calibration.bins()[0].windows(2).all(|pair| pair[0] <= pair[1]), "{:?}", calibration.bins());
    }
}
