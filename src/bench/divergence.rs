//! How far the scores of a quantized model are from those of its source, place by place along the same texts.
//!
//! At each place both models give scores to every token of the vocabulary. What is summed up is the Kullback-Leibler
//! divergence of the quantized model's distribution from the source's (0 where they are the same; in nats), and how
//! often both find the same token likeliest.

/// What was found over all places.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Divergence {
    places: Vec<f64>,
    same_top: usize,
}

impl Divergence {
    /// Adds a place: the source's log probabilities, and the other model's scores.
    pub fn add(&mut self, source: &[f32], scores: &[f32]) {
        let other = log_probabilities(scores);
        let terms = source.iter().zip(&other).map(|(p, q)| f64::from(*p).exp() * f64::from(p - q));
        // Rounding may give a little less than nothing.
        self.places.push(terms.sum::<f64>().max(0.0));
        self.same_top += usize::from(top(source) == top(scores));
    }

    /// Places.
    #[must_use]
    pub fn places(&self) -> usize {
        self.places.len()
    }

    /// The mean divergence; `None` of no place.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (!self.places.is_empty()).then(|| self.places.iter().sum::<f64>() / self.places.len() as f64)
    }

    /// The standard error of that mean; `None` below two places.
    #[must_use]
    pub fn standard_error(&self) -> Option<f64> {
        let (mean, count) = (self.mean()?, self.places.len() as f64);
        if count < 2.0 {
            return None;
        }
        let squares: f64 = self.places.iter().map(|place| (place - mean).powi(2)).sum();
        Some((squares / (count - 1.0) / count).sqrt())
    }

    /// The divergence that this share of the places stays at or below.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let mut sorted = self.places.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        Some(sorted[((sorted.len() as f64 * share).ceil() as usize).saturating_sub(1).min(last)])
    }

    /// The share of places where both find the same token likeliest.
    #[must_use]
    pub fn same_top_share(&self) -> Option<f64> {
        (!self.places.is_empty()).then(|| self.same_top as f64 / self.places.len() as f64)
    }
}

/// The logarithms of the probabilities that scores stand for.
#[must_use]
pub fn log_probabilities(scores: &[f32]) -> Vec<f32> {
    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = scores.iter().map(|score| f64::from(score - most).exp()).sum();
    let shift = f64::from(most) + sum.ln();
    scores.iter().map(|score| (f64::from(*score) - shift) as f32).collect()
}

/// The first of the likeliest tokens.
fn top(scores: &[f32]) -> usize {
    let better = |best: usize, at: usize| if scores[at] > scores[best] { at } else { best };
    (0..scores.len()).reduce(better).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_add_up_to_one() {
        let logs = log_probabilities(&[1000.0, 1001.0, 990.0]);
        let sum: f64 = logs.iter().map(|log| f64::from(*log).exp()).sum();
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
    }

    #[test]
    fn equal_scores_do_not_diverge_and_others_do_by_the_formula() {
        let mut found = Divergence::default();
        assert_eq!((found.mean(), found.standard_error(), found.quantile(0.5)), (None, None, None));
        // Scores mean the same when all are moved.
        found.add(&log_probabilities(&[1.0, 2.0]), &[11.0, 12.0]);
        assert!(found.mean().expect("a place") < 1e-7);
        // (1/2, 1/2) against (1/4, 3/4): ln 2 - ln(3)/2.
        found.add(&log_probabilities(&[0.0, 0.0]), &[0.0, 3.0_f32.ln()]);
        let expected = 2.0_f64.ln() - 3.0_f64.ln() / 2.0;
        assert!((found.quantile(1.0).expect("places") - expected).abs() < 1e-6);
        assert!((found.mean().expect("places") - expected / 2.0).abs() < 1e-6);
        assert!((found.standard_error().expect("places") - expected / 2.0).abs() < 1e-6);
        assert_eq!((found.places(), found.same_top_share()), (2, Some(0.5)));
    }
}
