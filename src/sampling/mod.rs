//! From a row of scores to one token: what a distribution is here, and how a token is drawn from it.
//!
//! The chain, in this order: repeat penalty, suppressed tokens, temperature, top-k, top-p, min-p. What is left
//! is the *kept distribution*. The token drawn is the argmax of `log p + g` over the kept tokens, with standard
//! Gumbel noise `g` that depends on (seed, position, token) and on nothing else (`noise.rs`). Such a draw has
//! exactly the kept distribution, and it has two properties that a running random generator lacks:
//!
//! - the same seed gives the same token at the same place, however many draws were made before it. Hence the
//!   drafter cannot change the text: the target's draw does not know whether it confirms a guess;
//! - two similar distributions drawn with the same noise mostly give the same token, so a drafter that uses the
//!   target's own noise is accepted about as often as rejection sampling would accept it (docs/ARCHITECTURE.md).
//!
//! Temperature 0 is the same thing without noise.
//!
//! A row has 262,144 scores and is never sorted: one pass takes the maxima of blocks of 64 (`row.rs`), the maxima
//! give a threshold that at least k scores reach, and only blocks that reach it are looked into (`kept.rs`).
//!
//! Ties go to the lower token number, everywhere: results never depend on the order of memory. NaN counts as minus
//! infinity and plus infinity as the largest finite number; a row without any finite score gives the lowest token
//! that is not suppressed.

mod exponential;
mod kept;
mod noise;
mod ranking;
mod row;

use crate::request::SamplingSettings;
use crate::token::{Position, TokenId};

pub use ranking::{Ranking, Standing};

use kept::Kept;
use noise::Noise;
use row::Row;

/// The settings with every "off" value resolved, in the units the chain computes in.
#[derive(Clone, Debug)]
struct Chain {
    /// `None` is greedy.
    temperature: Option<f64>,
    /// `None` keeps all.
    top_k: Option<usize>,
    /// `None` keeps all.
    top_p: Option<f64>,
    /// Natural logarithm of min-p; `None` keeps all.
    min_log: Option<f64>,
    /// `None` is off.
    repeat_penalty: Option<f32>,
    /// Tokens back that the penalty looks at.
    repeat_window: usize,
    seed: u64,
}

impl Chain {
    fn new(settings: &SamplingSettings) -> Chain {
        let penalty = settings.repeat_penalty;
        let penalised = penalty.is_finite() && penalty > 0.0 && penalty != 1.0 && settings.repeat_window > 0;
        Chain {
            temperature: (settings.temperature.is_finite() && settings.temperature > 0.0)
                .then(|| f64::from(settings.temperature)),
            top_k: (settings.top_k > 0).then_some(settings.top_k as usize),
            top_p: (settings.top_p < 1.0).then(|| f64::from(settings.top_p)),
            min_log: (settings.min_p > 0.0).then(|| f64::from(settings.min_p).ln()),
            repeat_penalty: penalised.then_some(penalty),
            repeat_window: if penalised { settings.repeat_window as usize } else { 0 },
            seed: settings.seed,
        }
    }
}

/// A drawn token and how likely it was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawn {
    /// The token.
    pub token: TokenId,
    /// Its probability under the kept distribution, from 0 to 1. For a greedy draw: its softmax probability
    /// over the whole row at temperature 1, after penalty and suppression.
    pub probability: f32,
}

/// The sampler chain with its scratch memory. Its results depend on its settings and arguments alone: it has no
/// state that one draw leaves to the next, and after the first draw it allocates nothing for rows of that width
/// (except where `top_k` is 0 or huge and a flatter row than before keeps more tokens).
#[derive(Clone, Debug)]
pub struct Sampler {
    chain: Chain,
    suppressed: Vec<TokenId>,
    row: Row,
    kept: Kept,
}

impl Sampler {
    /// A sampler that never draws one of the `suppressed` tokens.
    #[must_use]
    pub fn new(settings: &SamplingSettings, suppressed: Vec<TokenId>) -> Sampler {
        Sampler { chain: Chain::new(settings), suppressed, row: Row::default(), kept: Kept::default() }
    }

    /// How many tokens at the end of the text can change a draw (the repeat penalty's window; 0 where it is off).
    /// Who draws after a text of their own, as drafters do, need not copy more of it.
    #[must_use]
    pub fn window(&self) -> usize {
        self.chain.repeat_window
    }

    /// Whether draws are greedy (temperature 0).
    #[must_use]
    pub fn is_greedy(&self) -> bool {
        self.chain.temperature.is_none()
    }

    /// Draws the token at `position` from its scores; `text` is what stands before it (its last
    /// [`window`](Sampler::window) tokens are enough).
    pub fn draw(&mut self, logits: &[f32], text: &[TokenId], position: Position) -> TokenId {
        self.select(logits, text, position, false).token
    }

    /// As [`draw`](Sampler::draw), and tells how likely the token was. The token is the same. Costs a second pass
    /// (a vectorised exponential) over the row where it is greedy or nothing limits the kept tokens.
    pub fn draw_with_probability(&mut self, logits: &[f32], text: &[TokenId], position: Position) -> Drawn {
        self.select(logits, text, position, true)
    }

    /// The exact kept distribution, most likely first (greedy: one token). Slow where much is kept: for tests and
    /// exactness checks.
    pub fn distribution(&mut self, logits: &[f32], text: &[TokenId]) -> Vec<(TokenId, f64)> {
        self.load(logits, text);
        let Some(best) = self.row.best() else {
            return vec![(self.fallback(logits.len()), 1.0)];
        };
        let Some(temperature) = self.chain.temperature else {
            return vec![(self.row.first_at(logits, best), 1.0)];
        };
        self.kept.cut(&self.row, logits, &self.chain, temperature);
        self.kept.probabilities()
    }

    /// The scores whose largest is drawn: log p and noise of every kept token. Slow: for telling a near tie from an
    /// error. Greedy: the row's own scores.
    pub fn scores(&mut self, logits: &[f32], text: &[TokenId], position: Position) -> Vec<(TokenId, f64)> {
        if self.is_greedy() {
            let ids = (0..).map(TokenId);
            return ids.zip(logits.iter().map(|score| f64::from(*score))).collect();
        }
        let noise = Noise::new(self.chain.seed, position);
        let kept = self.distribution(logits, text);
        kept.into_iter()
            .map(|(token, probability)| (token, probability.ln() + noise.gumbel(token.0 as u32)))
            .collect()
    }

    fn select(&mut self, logits: &[f32], text: &[TokenId], position: Position, probability: bool) -> Drawn {
        self.load(logits, text);
        let Some(best) = self.row.best() else {
            return Drawn { token: self.fallback(logits.len()), probability: 0.0 };
        };
        let Some(temperature) = self.chain.temperature else {
            let token = self.row.first_at(logits, best);
            let probability =
                if probability { 1.0 / self.row.sum_of_exponentials(logits, best, 1.0) } else { 0.0 };
            return Drawn { token, probability: (probability as f32).min(1.0) };
        };
        let noise = Noise::new(self.chain.seed, position);
        if self.chain.top_k.is_none() && self.chain.top_p.is_none() && self.chain.min_log.is_none() {
            let (token, score) = self.row.race(logits, best, temperature, &noise);
            let probability = if probability {
                let weight = ((f64::from(score) - f64::from(best)) / temperature).exp();
                weight / self.row.sum_of_exponentials(logits, best, temperature)
            } else {
                0.0
            };
            return Drawn { token, probability: (probability as f32).min(1.0) };
        }
        self.kept.cut(&self.row, logits, &self.chain, temperature);
        self.kept.race(temperature, &noise)
    }

    fn load(&mut self, logits: &[f32], text: &[TokenId]) {
        let window = &text[text.len().saturating_sub(self.chain.repeat_window)..];
        let penalised = match self.chain.repeat_penalty {
            Some(penalty) => (window, penalty),
            None => (&text[..0], 1.0),
        };
        self.row.load(logits, penalised, &self.suppressed);
    }

    /// The token of a row that has no finite score.
    fn fallback(&self, vocabulary: usize) -> TokenId {
        let tokens = 0..i32::try_from(vocabulary).unwrap_or(i32::MAX);
        tokens.map(TokenId).find(|token| !self.suppressed.contains(token)).unwrap_or(TokenId(0))
    }
}

#[cfg(test)]
mod tests;
