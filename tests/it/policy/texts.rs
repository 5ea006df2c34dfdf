//! Texts: how hard each token is to guess, what the drafter says about it, and whether it would be right.

use crate::fakes::{hash, unit};

use super::worlds::normal;

/// A kind of text: shares of tokens that are accepted with these probabilities.
type Kind = &'static [(f64, f64)];

/// Mean acceptance 0.92.
const CODE: Kind = &[(0.82, 0.985), (0.14, 0.70), (0.04, 0.30)];

/// Mean 0.70.
const CHAT: Kind = &[(0.50, 0.93), (0.30, 0.60), (0.20, 0.28)];

/// Mean 0.47.
const PROSE: Kind = &[(0.25, 0.90), (0.30, 0.50), (0.45, 0.21)];

/// Mean 0.15.
const NOISE: Kind = &[(0.04, 0.80), (0.26, 0.25), (0.70, 0.07)];

/// What the drafter's probabilities are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Honesty {
    Calibrated,
    OverConfident,
    UnderConfident,
}

/// A text.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    pub name: &'static str,
    /// Kinds, each for so many tokens, over and over.
    parts: &'static [(Kind, usize)],
    /// Nothing is accepted although the drafter is sure of it.
    adversarial: bool,
}

const fn text(name: &'static str, parts: &'static [(Kind, usize)]) -> Text {
    Text { name, parts, adversarial: false }
}

pub const STATIONARY: [Text; 5] = [
    text("code (.92)", &[(CODE, 1)]),
    text("chat (.70)", &[(CHAT, 1)]),
    text("prose (.47)", &[(PROSE, 1)]),
    text("noise (.15)", &[(NOISE, 1)]),
    Text { name: "adversarial", parts: &[(NOISE, 1)], adversarial: true },
];

pub const MIXED: [Text; 3] = [
    text("code, prose by 50", &[(CODE, 50), (PROSE, 50)]),
    text("code, noise by 100", &[(CODE, 100), (NOISE, 100)]),
    NOISE_THEN_CODE,
];

pub const NOISE_THEN_CODE: Text = text("noise, then code", &[(NOISE, 200), (CODE, 200)]);

pub const CODE_THEN_NOISE: Text = text("code, then noise", &[(CODE, 200), (NOISE, 200)]);

/// Parts of at least 500 tokens with different best lengths.
pub const LONG: [Text; 2] = [
    text("code, noise by 500", &[(CODE, 500), (NOISE, 500)]),
    text("code, prose by 500", &[(CODE, 500), (PROSE, 500)]),
];

fn logit(share: f64) -> f64 {
    (share / (1.0 - share)).ln()
}

impl Text {
    /// The chance that a guess of this token, `place` guesses into a draft, is right (those before it being right).
    fn acceptance(&self, seed: u64, token: usize, place: usize) -> f64 {
        if self.adversarial {
            return 0.0;
        }
        let period: usize = self.parts.iter().map(|part| part.1).sum();
        let mut left = token % period;
        let kind = self.parts.iter().find(|part| {
            let here = left < part.1;
            left = left.saturating_sub(part.1);
            here
        });
        let mut chance = f64::from(unit(hash(seed ^ 0xC1A5) ^ token as u64));
        let classes = kind.expect("a part").0;
        let class = classes.iter().find(|class| {
            chance -= class.0;
            chance < 0.0
        });
        // Deeper guesses are a little worse: the drafter goes on from its own hidden rows.
        class.unwrap_or(&classes[0]).1 * 0.985_f64.powi(place as i32)
    }

    /// Whether the guess would be right. The same text for every policy.
    pub fn right(&self, seed: u64, token: usize, place: usize) -> bool {
        f64::from(unit(hash(seed ^ 0xACCE) ^ token as u64)) < self.acceptance(seed, token, place)
    }

    /// What the drafter says.
    pub fn probability(&self, seed: u64, token: usize, place: usize, honesty: Honesty) -> f32 {
        if self.adversarial {
            return 0.9 + 0.1 * unit(hash(seed) ^ token as u64);
        }
        let truth = logit(self.acceptance(seed, token, place));
        let said = match honesty {
            Honesty::Calibrated => truth,
            Honesty::OverConfident => 1.6 * truth + 1.0,
            Honesty::UnderConfident => 0.7 * truth - 1.0,
        };
        let said = said + 0.5 * normal(hash(seed ^ 0x5A1D) ^ (token as u64 * 64 + place as u64));
        (1.0 / (1.0 + (-said).exp())) as f32
    }
}
