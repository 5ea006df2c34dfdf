//! The candidates that top-k, top-p and min-p leave, found without sorting the row.

use super::noise::Noise;
use super::row::{Row, sanitised};
use super::{Chain, Drawn};
use crate::token::TokenId;

/// Candidates looked at first for a nucleus (top-p without top-k): more than the nucleus of most text.
const FIRST_NUCLEUS: usize = 256;

/// How much further the next look goes where the nucleus is larger: three looks reach 16,384 candidates.
const NUCLEUS_GROWTH: usize = 8;

/// The kept candidates, most likely first, with the scratch memory to find them.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    /// Score and token in one number that sorts by score, largest first, then by token, lowest first.
    candidates: Vec<u64>,
    /// Keys of the block maxima, for the selection of a threshold.
    keys: Vec<u32>,
    /// e^((score − best) ÷ temperature) of each candidate.
    weights: Vec<f64>,
}

/// A number that is smaller where the score is larger. No NaN may come here.
fn descending_key(score: f32) -> u32 {
    // + 0.0 makes −0 into 0: the two are a tie. Then the usual order-preserving map of floats to integers, inverted.
    let bits = (score + 0.0).to_bits();
    !(bits ^ (((bits as i32) >> 31) as u32 | 0x8000_0000))
}

fn score_of_key(key: u32) -> f32 {
    let ordered = !key;
    f32::from_bits(if ordered & 0x8000_0000 != 0 { ordered ^ 0x8000_0000 } else { !ordered })
}

fn score(candidate: u64) -> f64 {
    f64::from(score_of_key((candidate >> 32) as u32))
}

fn token(candidate: u64) -> u32 {
    candidate as u32
}

impl Kept {
    /// Finds the kept candidates of a row that has at least one finite score.
    pub(super) fn cut(&mut self, row: &Row, logits: &[f32], chain: &Chain, temperature: f64) {
        match (chain.top_k, chain.top_p) {
            (Some(count), _) => self.gather(row, logits, count),
            (None, Some(share)) => self.gather_nucleus(row, logits, share, temperature),
            (None, None) => self.gather_above(row, logits, chain, temperature),
        }
        self.weigh(temperature);
        // Without top-k the nucleus was already cut, against the mass of the whole row.
        if let (Some(_), Some(share)) = (chain.top_k, chain.top_p) {
            let total: f64 = self.weights.iter().sum();
            let length = nucleus(&self.weights, share * total).unwrap_or(self.weights.len());
            self.truncate(length);
        }
        if let Some(min_log) = chain.min_log {
            let lowest = score(self.candidates[0]) / temperature + min_log;
            let length =
                self.candidates.partition_point(|&candidate| score(candidate) / temperature >= lowest);
            self.truncate(length.max(1));
        }
    }

    fn truncate(&mut self, length: usize) {
        self.candidates.truncate(length);
        self.weights.truncate(length);
    }

    /// The `count` best candidates, sorted; fewer where the row has fewer finite scores.
    ///
    /// At least `count` scores reach the `count`-th largest block maximum (those maxima themselves), so no score
    /// below it can be among the best, and blocks below it need no second look.
    fn gather(&mut self, row: &Row, logits: &[f32], count: usize) {
        let maxima = row.maxima();
        let threshold = if count < maxima.len() {
            self.keys.clear();
            self.keys.extend(maxima.iter().map(|&maximum| descending_key(maximum)));
            let (_, &mut key, _) = self.keys.select_nth_unstable(count - 1);
            // A maximum may be plus infinity, which the candidates know as the largest finite number.
            score_of_key(key).min(f32::MAX)
        } else {
            f32::NEG_INFINITY
        };
        self.collect(row, logits, threshold);
        if self.candidates.len() > count {
            self.candidates.select_nth_unstable(count - 1);
            self.candidates.truncate(count);
        }
        self.candidates.sort_unstable();
    }

    /// All finite scores from `threshold` up, unsorted.
    fn collect(&mut self, row: &Row, logits: &[f32], threshold: f32) {
        self.candidates.clear();
        for (block, &maximum) in row.maxima().iter().enumerate() {
            if maximum < threshold || maximum == f32::NEG_INFINITY {
                continue;
            }
            for (token, &score) in (block * super::row::BLOCK..).zip(row.block(logits, block)) {
                let score = sanitised(score);
                if score >= threshold && score > f32::NEG_INFINITY {
                    self.candidates.push(u64::from(descending_key(score)) << 32 | token as u64);
                }
            }
        }
    }

    /// The most likely candidates whose probabilities over the whole row add up to `share`.
    fn gather_nucleus(&mut self, row: &Row, logits: &[f32], share: f64, temperature: f64) {
        let best = row.best().unwrap_or(0.0);
        let wanted = share * row.sum_of_exponentials(logits, best, temperature);
        let mut count = FIRST_NUCLEUS;
        loop {
            // Beyond the number of blocks there is no threshold: one more look at everything is the last.
            let everything = count >= row.maxima().len();
            self.gather(row, logits, if everything { usize::MAX } else { count });
            self.weigh(temperature);
            if let Some(length) = nucleus(&self.weights, wanted) {
                self.truncate(length);
                return;
            }
            if everything {
                return;
            }
            count *= NUCLEUS_GROWTH;
        }
    }

    /// What min-p alone keeps, or, without it, everything.
    fn gather_above(&mut self, row: &Row, logits: &[f32], chain: &Chain, temperature: f64) {
        let best = f64::from(row.best().unwrap_or(0.0));
        let threshold = chain.min_log.map_or(f32::NEG_INFINITY, |min_log| {
            // Rounded towards keeping: `cut` applies the exact bound.
            ((best + min_log * temperature).min(best) as f32).next_down()
        });
        self.collect(row, logits, threshold);
        self.candidates.sort_unstable();
    }

    fn weigh(&mut self, temperature: f64) {
        let best = score(self.candidates[0]);
        self.weights.clear();
        let weights =
            self.candidates.iter().map(|&candidate| ((score(candidate) - best) / temperature).exp());
        self.weights.extend(weights);
    }

    /// Draws one of the kept candidates.
    pub(super) fn race(&self, temperature: f64, noise: &Noise) -> Drawn {
        let mut leader = (f64::NEG_INFINITY, u32::MAX, 0.0);
        for (&candidate, &weight) in self.candidates.iter().zip(&self.weights) {
            let token = token(candidate);
            let key = score(candidate) / temperature + noise.gumbel(token);
            if key > leader.0 || (key == leader.0 && token < leader.1) {
                leader = (key, token, weight);
            }
        }
        let total: f64 = self.weights.iter().sum();
        Drawn { token: TokenId(leader.1 as i32), probability: (leader.2 / total) as f32 }
    }

    /// The kept distribution, most likely first.
    pub(super) fn probabilities(&self) -> Vec<(TokenId, f64)> {
        let total: f64 = self.weights.iter().sum();
        let pairs = self.candidates.iter().zip(&self.weights);
        pairs.map(|(&candidate, weight)| (TokenId(token(candidate) as i32), weight / total)).collect()
    }
}

/// How many of the weights, taken in order, reach the wanted mass; `None` where all of them together do not.
fn nucleus(weights: &[f64], wanted: f64) -> Option<usize> {
    let mut mass = 0.0;
    weights
        .iter()
        .position(|weight| {
            mass += weight;
            mass >= wanted
        })
        .map(|last| last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_by_score_and_then_by_token() {
        let scores = [f32::MAX, 3.5, 1e-30, 0.0, -1e-30, -2.0, f32::MIN, f32::NEG_INFINITY];
        for pair in scores.windows(2) {
            assert!(descending_key(pair[0]) < descending_key(pair[1]), "{pair:?}");
        }
        for score in scores {
            assert_eq!(score_of_key(descending_key(score)), score);
        }
        assert_eq!(descending_key(-0.0), descending_key(0.0));
    }

    #[test]
    fn a_nucleus_includes_the_token_that_completes_it() {
        assert_eq!(nucleus(&[0.5, 0.3, 0.2], 0.8), Some(2));
        assert_eq!(nucleus(&[0.5, 0.3, 0.2], 0.81), Some(3));
        assert_eq!(nucleus(&[0.5, 0.3, 0.2], 0.0), Some(1));
        assert_eq!(nucleus(&[0.5, 0.3], 0.9), None);
    }
}
