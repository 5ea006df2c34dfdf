//! How near a token is to being drawn: for telling a near tie, which the floating-point noise of a batch can turn, from an
//! error. Slow (it sorts the whole row); for exactness checks only.
//!
//! The unit is the *spread* of a change of scores: the most by which it changes the gap between any two of them. Adding the
//! same number to all changes nothing. A change of spread `s` moves the log odds of any set of tokens (the nucleus of top-p)
//! by at most `s ÷ temperature`, as it does the log odds of two tokens: so one number bounds everything that a draw depends
//! on.

use super::{Chain, Sampler};
use crate::sampling::noise::Noise;
use crate::token::{Position, TokenId};

/// A row's tokens by likelihood, with the cuts of the chain between them.
#[derive(Clone, Debug)]
pub struct Ranking {
    chain: Chain,
    /// Greedy draws are at temperature 1 without noise here.
    temperature: f64,
    /// Every token that can be drawn without cuts, most likely first, with its log probability.
    tokens: Vec<(TokenId, f64)>,
    /// Probability of all tokens before each, without cuts.
    before: Vec<f64>,
    kept: usize,
}

/// Where a token stands in a draw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// What is compared: log probability and noise.
    pub score: f64,
    /// Whether the cuts leave it.
    pub kept: bool,
    /// The least spread of a change of scores with which it would be drawn; 0 for the token that is.
    pub distance: f64,
}

impl Sampler {
    /// Ranks a row; `text` as for [`draw`](Sampler::draw).
    pub fn ranking(&mut self, logits: &[f32], text: &[TokenId]) -> Ranking {
        self.load(logits, text);
        let temperature = self.chain.temperature.unwrap_or(1.0);
        let mut tokens = Vec::new();
        let mut kept = 0;
        if self.row.best().is_some() {
            self.kept.cut(&self.row, logits, &self.chain, temperature);
            kept = self.kept.probabilities().len();
            let uncut = Chain { top_k: None, top_p: None, min_log: None, ..self.chain.clone() };
            self.kept.cut(&self.row, logits, &uncut, temperature);
            tokens = self.kept.probabilities();
        }
        let mut mass = 0.0;
        let before = tokens
            .iter()
            .map(|(_, chance)| {
                let before = mass;
                mass += chance;
                before
            })
            .collect();
        for (_, chance) in &mut tokens {
            *chance = chance.ln();
        }
        if self.is_greedy() {
            kept = tokens.len();
        }
        Ranking { chain: self.chain.clone(), temperature, tokens, before, kept }
    }
}

impl Ranking {
    /// The tokens that the cuts leave, most likely first, with their probabilities. (Greedy: all, at temperature 1.)
    #[must_use]
    pub fn kept(&self) -> Vec<(TokenId, f64)> {
        let kept = &self.tokens[..self.kept];
        let total: f64 = kept.iter().map(|(_, log)| log.exp()).sum();
        kept.iter().map(|(token, log)| (*token, log.exp() / total)).collect()
    }

    /// A token's place, 0 for the likeliest; `None` where it cannot be drawn at all.
    #[must_use]
    pub fn rank(&self, token: TokenId) -> Option<usize> {
        self.tokens.iter().position(|(other, _)| *other == token)
    }

    /// The least spread with which the cuts would decide otherwise about the token of a rank: above 0 where they leave it,
    /// below 0 where they cut it off.
    #[must_use]
    pub fn edge(&self, rank: usize) -> f64 {
        if self.chain.temperature.is_none() {
            return f64::INFINITY;
        }
        let log = |rank: usize| self.tokens.get(rank).map_or(f64::NEG_INFINITY, |(_, log)| *log);
        let mut edge = f64::INFINITY;
        let limit = self.chain.top_k.unwrap_or(usize::MAX).min(self.tokens.len());
        if let Some(count) = self.chain.top_k {
            edge = edge.min(log(rank) - log(if rank < count { count } else { count.saturating_sub(1) }));
        }
        if let Some(share) = self.chain.top_p {
            // A token is left while the mass before it is below the share of what top-k left. One that top-k cut off would
            // come in as its last.
            let total = self.before.get(limit).copied().unwrap_or(1.0);
            let before = self.before[rank.min(limit.saturating_sub(1))] / total;
            edge = edge.min(log_odds(share) - log_odds(before));
        }
        if let Some(min_log) = self.chain.min_log {
            edge = edge.min(log(rank) - log(0) - min_log);
        }
        // The likeliest token is always left.
        if rank == 0 { f64::INFINITY } else { edge * self.temperature }
    }

    /// Where a token stands in the draw of a position.
    #[must_use]
    pub fn standing(&self, token: TokenId, position: Position) -> Standing {
        let noise = Noise::new(self.chain.seed, position);
        let greedy = self.chain.temperature.is_none();
        let score = |rank: usize| {
            let (token, log) = self.tokens[rank];
            if greedy { log } else { log + noise.gumbel(token.0 as u32) }
        };
        let Some(rank) = self.rank(token) else {
            return Standing { score: f64::NEG_INFINITY, kept: false, distance: f64::INFINITY };
        };
        let mut order: Vec<usize> = (0..self.kept).collect();
        order.sort_by(|&a, &b| score(b).total_cmp(&score(a)).then(self.tokens[a].0.cmp(&self.tokens[b].0)));
        let distance = match order.first() {
            Some(&winner) if winner != rank => {
                let behind = |other: usize| (score(other) - score(rank)) * self.temperature;
                // It overtakes the winner, or the winner is cut off and it overtakes the next.
                let next = order.get(1).map_or(f64::NEG_INFINITY, |&next| behind(next));
                let ahead = behind(winner).min(self.edge(winner).max(next));
                ahead.max(-self.edge(rank)).max(0.0)
            }
            _ => 0.0,
        };
        Standing { score: score(rank), kept: rank < self.kept, distance }
    }
}

fn log_odds(probability: f64) -> f64 {
    let probability = probability.clamp(0.0, 1.0);
    (probability / (1.0 - probability)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::SamplingSettings;

    fn settings() -> SamplingSettings {
        SamplingSettings { top_k: 0, top_p: 1.0, ..SamplingSettings::default() }
    }

    /// Scores whose probabilities are .4, .3, .2, .1.
    fn row() -> Vec<f32> {
        [0.4_f32, 0.3, 0.2, 0.1].map(f32::ln).to_vec()
    }

    fn ranking(settings: &SamplingSettings) -> Ranking {
        Sampler::new(settings, Vec::new()).ranking(&row(), &[])
    }

    #[test]
    fn edges_are_where_each_cut_would_turn() {
        let near = |got: f64, expected: f64| assert!((got - expected).abs() < 1e-5, "{got}, not {expected}");
        let two = ranking(&SamplingSettings { top_k: 2, ..settings() });
        near(two.edge(1), (0.3_f64 / 0.2).ln());
        near(two.edge(2), -(0.3_f64 / 0.2).ln());
        // 0.7 before the third, 0.9 before the fourth.
        let nucleus = ranking(&SamplingSettings { top_p: 0.75, ..settings() });
        near(nucleus.edge(2), (0.75_f64 / 0.25).ln() - (0.7_f64 / 0.3).ln());
        near(nucleus.edge(3), (0.75_f64 / 0.25).ln() - (0.9_f64 / 0.1).ln());
        let floor = ranking(&SamplingSettings { min_p: 0.4, ..settings() });
        near(floor.edge(2), (0.2_f64 / 0.16).ln());
        assert_eq!(ranking(&settings()).edge(3), f64::INFINITY);
        // The sign says what the sampler itself keeps.
        for (ranking, kept) in [(&two, 2), (&nucleus, 3), (&floor, 3)] {
            assert_eq!(ranking.kept().len(), kept);
            for rank in 0..4 {
                assert_eq!(ranking.edge(rank) > 0.0, rank < kept, "{rank}");
            }
        }
    }

    /// A change of just more than the distance in the token's favour makes it the one that is drawn; just less does not.
    #[test]
    fn a_token_is_drawn_after_a_change_of_its_distance() {
        for temperature in [0.0, 0.5, 1.0, 2.0] {
            for seed in 0..50 {
                let settings = SamplingSettings { temperature, seed, ..settings() };
                let mut sampler = Sampler::new(&settings, Vec::new());
                let (row, position) = (row(), Position(9));
                let ranking = sampler.ranking(&row, &[]);
                for token in 0..4 {
                    let distance = ranking.standing(TokenId(token), position).distance;
                    let mut drawn_after = |change: f64| {
                        let mut row = row.clone();
                        row[token as usize] += change as f32;
                        sampler.draw(&row, &[], position) == TokenId(token)
                    };
                    assert!(drawn_after(distance + 1e-4));
                    assert!(distance == 0.0 || !drawn_after(distance - 1e-4));
                }
            }
        }
    }

    #[test]
    fn a_token_cut_off_is_as_far_as_its_edge() {
        for seed in 0..200 {
            let settings = SamplingSettings { top_k: 2, seed, ..settings() };
            let ranking = ranking(&settings);
            let standing = ranking.standing(TokenId(2), Position(3));
            assert!(!standing.kept && standing.distance >= (0.3_f64 / 0.2).ln() - 1e-5);
        }
        let impossible = Sampler::new(&settings(), vec![TokenId(3)]).ranking(&row(), &[]);
        assert_eq!(impossible.standing(TokenId(3), Position(0)).distance, f64::INFINITY);
    }
}
