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

/// Mean 0.79: what the pocket pair writes.
const DICTIONARY: Kind = &[(0.66, 0.95), (0.20, 0.60), (0.14, 0.30)];

/// Mean 0.15.
const NOISE: Kind = &[(0.04, 0.80), (0.26, 0.25), (0.70, 0.07)];

/// What the drafter's probabilities are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Honesty {
    Calibrated,
    OverConfident,
    UnderConfident,
}

/// How the drafter's guesses go with the text.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Guesses {
    /// As the token is hard to guess, and with a probability that says so.
    Informed,
    /// Nothing is accepted although the drafter is sure of it.
    Adversarial,
    /// Random weights whose acceptance is forced: it depends on the place in the draft alone, and the probabilities,
    /// all of them tiny, say nothing.
    ByPlace,
}

/// Acceptance at each place of a draft, the last one from there on, of guesses `ByPlace`.
const BY_PLACE: [f64; 4] = [0.85, 0.70, 0.55, 0.40];

/// A text.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    pub name: &'static str,
    /// Kinds, each for so many tokens, over and over.
    parts: &'static [(Kind, usize)],
    guesses: Guesses,
    /// Tokens that are of the same class, one after the other.
    stretch: usize,
}

const fn text(name: &'static str, parts: &'static [(Kind, usize)]) -> Text {
    Text { name, parts, guesses: Guesses::Informed, stretch: 1 }
}

pub const STATIONARY: [Text; 7] = [
    text("code (.92)", &[(CODE, 1)]),
    text("chat (.70)", &[(CHAT, 1)]),
    text("prose (.47)", &[(PROSE, 1)]),
    text("noise (.15)", &[(NOISE, 1)]),
    Text { guesses: Guesses::Adversarial, ..text("adversarial", &[(NOISE, 1)]) },
    // Easy and hard words: after a right guess the next is right more often, as the pocket pair's .77, .84, .86 show.
    Text { stretch: 6, ..text("dictionary (.79)", &[(DICTIONARY, 1)]) },
    Text { guesses: Guesses::ByPlace, ..text("by place (.85, .70, .55)", &[(NOISE, 1)]) },
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
    /// Whether the drafter's probabilities are worth anything.
    pub fn is_informed(&self) -> bool {
        self.guesses != Guesses::ByPlace
    }

    /// The chance that a guess of this token, `place` guesses into a draft, is right (those before it being right).
    fn acceptance(&self, seed: u64, token: usize, place: usize) -> f64 {
        match self.guesses {
            Guesses::Informed => {}
            Guesses::Adversarial => return 0.0,
            Guesses::ByPlace => return BY_PLACE[place.min(BY_PLACE.len() - 1)],
        }
        let period: usize = self.parts.iter().map(|part| part.1).sum();
        let mut left = token % period;
        let kind = self.parts.iter().find(|part| {
            let here = left < part.1;
            left = left.saturating_sub(part.1);
            here
        });
        let mut chance = f64::from(unit(hash(seed ^ 0xC1A5) ^ (token / self.stretch) as u64));
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
        match self.guesses {
            Guesses::Informed => {}
            Guesses::Adversarial => return 0.9 + 0.1 * unit(hash(seed) ^ token as u64),
            Guesses::ByPlace => {
                return 0.001 + 0.049 * unit(hash(seed ^ 0xB1AC) ^ (token * 64 + place) as u64);
            }
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
