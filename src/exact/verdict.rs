//! The verdict: one word, one line.

use super::{FALSE_ALARM, Floor, MOST_NOISE, Rows, Test};

/// What the check comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All texts are equal, and what is drawn has the target's own distribution.
    Exact,
    /// As `Exact`, but for near ties that the noise of batching turned.
    WithinNoise,
    /// Something differs that noise does not explain.
    NotExact,
    /// The drafter did not work, so there was nothing to check.
    NotChecked,
}

impl Verdict {
    /// The word in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Exact => "exact",
            Verdict::WithinNoise => "within_noise",
            Verdict::NotExact => "not_exact",
            Verdict::NotChecked => "not_checked",
        }
    }

    /// Whether the promise is kept as far as was looked.
    #[must_use]
    pub fn is_kept(self) -> bool {
        matches!(self, Verdict::Exact | Verdict::WithinNoise)
    }
}

/// All that was found.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// Texts compared with the plain one of the same prompt and seed.
    pub texts: usize,
    /// Of these, how many differ first at a near tie.
    pub near_ties: usize,
    /// Of these, how many differ otherwise.
    pub different: usize,
    /// Rows of scores compared bit by bit.
    pub rows: Rows,
    /// The rows must be the same: nothing in a decode depends on the width of the batch.
    pub rows_promised: bool,
    /// Guesses tested while they were written.
    pub tested: u32,
    /// The noise, where it was measured.
    pub floor: Option<Floor>,
    /// Distributions.
    pub tests: Vec<Test>,
    /// Why the drafter failed, where it did.
    pub drafter_failed: Option<String>,
}

/// The verdict and its line.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The word.
    pub verdict: Verdict,
    /// The line, for people.
    pub line: String,
    /// The smallest p of the tests.
    pub smallest_p: Option<f64>,
}

/// Judges.
#[must_use]
pub fn judge(evidence: &Evidence) -> Judgement {
    let values: Vec<f64> = evidence.tests.iter().filter_map(|test| test.p).collect();
    let smallest_p = values.iter().copied().reduce(f64::min);
    let impossible: u32 = evidence.tests.iter().map(|test| test.impossible).sum();
    // Bonferroni: a chance that is seen once among many tests is that many times as likely.
    let unlikely = smallest_p.is_some_and(|p| p * (values.len() as f64) < FALSE_ALARM);
    let noise = evidence.floor.map_or(0.0, |floor| floor.floor);

    let mut faults = Vec::new();
    if evidence.rows_promised && evidence.rows.differing > 0 {
        let Rows { compared, differing, .. } = evidence.rows;
        faults.push(format!("{differing} of {compared} rows of logits differ, which --kernels on rules out"));
    }
    if evidence.different > 0 {
        faults.push(format!("{} of {} texts differ by more than noise", evidence.different, evidence.texts));
    }
    if impossible > 0 {
        faults.push(format!("tokens that cannot be drawn were drawn {impossible} times"));
    }
    if unlikely {
        let p = smallest_p.unwrap_or(0.0);
        faults.push(format!(
            "the distribution is not the target's own (smallest p {p:.1e} of {})",
            values.len()
        ));
    }
    if noise.is_nan() || noise > MOST_NOISE {
        faults.push(format!("batches change scores by {noise:.2}, which is no rounding"));
    }

    let mut parts = vec![format!(
        "{} of {} texts equal",
        evidence.texts - evidence.near_ties - evidence.different,
        evidence.texts
    )];
    if evidence.near_ties > 0 {
        parts.push(format!("{} first differ at a near tie, within the noise", evidence.near_ties));
    }
    parts.push(match smallest_p {
        Some(p) => format!("distribution as the target's own (smallest p {p:.2} of {})", values.len()),
        None => "no distribution checked".to_owned(),
    });
    parts.push(match evidence.floor {
        Some(floor) => format!("noise floor {:.4}", floor.floor),
        None => "noise floor not measured".to_owned(),
    });
    let (verdict, line) = if !faults.is_empty() {
        let floor = parts.pop().unwrap_or_default();
        (Verdict::NotExact, format!("not exact: {}; {floor}", faults.join("; ")))
    } else if let Some(failure) = &evidence.drafter_failed {
        (Verdict::NotChecked, format!("not checked: the drafter does not work: {failure}"))
    } else if evidence.texts == 0 || evidence.tested == 0 {
        (Verdict::NotChecked, "not checked: nothing was drafted".to_owned())
    } else if evidence.near_ties > 0 {
        (Verdict::WithinNoise, format!("exact within noise: {}", parts.join("; ")))
    } else {
        (Verdict::Exact, format!("exact: {}", parts.join("; ")))
    };
    Judgement { verdict, line, smallest_p }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(p: f64) -> Test {
        Test { draws: 900, at_an_edge: 0, impossible: 0, cells: 5, statistic: 1.0, p: Some(p) }
    }

    fn good() -> Evidence {
        Evidence {
            texts: 48,
            tested: 100,
            floor: Some(Floor { floor: 0.0031, median: 0.001, largest: 2.0, places: 300 }),
            tests: vec![test(0.21), test(0.5)],
            ..Evidence::default()
        }
    }

    fn verdict(change: impl Fn(&mut Evidence)) -> Verdict {
        let mut evidence = good();
        change(&mut evidence);
        judge(&evidence).verdict
    }

    #[test]
    fn equal_texts_and_the_right_distribution_are_exact() {
        let line = "exact: 48 of 48 texts equal; distribution as the target's own (smallest p 0.21 of 2); noise floor 0.0031";
        assert_eq!(judge(&good()).line, line);
        assert_eq!(verdict(|it| it.near_ties = 2), Verdict::WithinNoise);
        assert_eq!(verdict(|it| it.tests.clear()), Verdict::Exact);
    }

    #[test]
    fn each_fault_alone_is_enough() {
        assert_eq!(verdict(|it| it.different = 1), Verdict::NotExact);
        assert_eq!(verdict(|it| it.tests[0].p = Some(1e-5)), Verdict::NotExact);
        let differing = Rows { compared: 100, differing: 1, first: None };
        assert_eq!(verdict(|it| it.rows = differing), Verdict::Exact);
        assert_eq!(verdict(|it| (it.rows, it.rows_promised) = (differing, true)), Verdict::NotExact);
        assert_eq!(verdict(|it| it.tests[0].impossible = 1), Verdict::NotExact);
        for floor in [1.5, f64::INFINITY, f64::NAN] {
            let floor = Some(Floor { floor, median: 0.1, largest: 2.0, places: 3 });
            assert_eq!(verdict(|it| it.floor = floor), Verdict::NotExact);
        }
    }

    #[test]
    fn many_tests_are_corrected_for() {
        assert_eq!(verdict(|it| it.tests = vec![test(0.0009)]), Verdict::NotExact);
        assert_eq!(
            verdict(|it| it.tests = [vec![test(0.0009)], vec![test(0.5); 5]].concat()),
            Verdict::Exact
        );
    }

    #[test]
    fn a_drafter_that_never_ran_proves_nothing() {
        assert_eq!(verdict(|it| it.tested = 0), Verdict::NotChecked);
        assert_eq!(verdict(|it| it.drafter_failed = Some("cut".to_owned())), Verdict::NotChecked);
        assert_eq!(verdict(|it| it.texts = 0), Verdict::NotChecked);
        // A fault that was found is one, whatever happened to the drafter later.
        assert_eq!(
            verdict(|it| (it.different, it.drafter_failed) = (1, Some("cut".to_owned()))),
            Verdict::NotExact
        );
    }
}
