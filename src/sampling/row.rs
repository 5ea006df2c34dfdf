//! One row of scores, cut into blocks whose maxima are known, with the few scores that the repeat penalty or a
//! suppression changes laid over it. The megabyte of scores itself is read once and never copied.

use super::exponential;
use super::noise::Noise;
use crate::token::TokenId;

/// Tokens in a block. 64 scores are four cache lines; 262,144 of them leave 4,096 maxima, which fit level 1.
pub(super) const BLOCK: usize = 64;

/// Taken off the noise that a token needs to win, relative to the size of the keys compared: it covers the rounding
/// of their difference (2^-52, twice) many times over, and lets hardly any token more through.
const ROUNDING_MARGIN: f64 = 1e-12;

/// A block of which some scores were changed.
#[derive(Clone, Debug)]
struct Patch {
    block: usize,
    scores: [f32; BLOCK],
}

/// What is known about the row loaded last. The row itself stays with the caller and comes with every call.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    /// Largest score of each block, after the changes; minus infinity where it has none.
    maxima: Vec<f32>,
    /// For each block its place in `patches` plus one, or 0.
    patch_of_block: Vec<u32>,
    patches: Vec<Patch>,
}

/// A score as everything after this point sees it: NaN is minus infinity, plus infinity the largest finite number.
#[inline(always)]
pub(super) fn sanitised(score: f32) -> f32 {
    if score > f32::NEG_INFINITY { score.min(f32::MAX) } else { f32::NEG_INFINITY }
}

#[inline(always)]
fn larger(one: f32, other: f32) -> f32 {
    // This form is one machine instruction; a NaN in `one` loses.
    if one > other { one } else { other }
}

#[inline]
fn largest_of_block(scores: &[f32; BLOCK]) -> f32 {
    let (vectors, _) = scores.as_chunks::<{ exponential::LANES }>();
    let mut lanes = [f32::NEG_INFINITY; exponential::LANES];
    for vector in vectors {
        for (lane, &score) in lanes.iter_mut().zip(vector) {
            *lane = larger(score, *lane);
        }
    }
    let mut width = exponential::LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] = larger(lanes[lane + width], lanes[lane]);
        }
        width /= 2;
    }
    lanes[0]
}

fn largest(scores: &[f32]) -> f32 {
    scores.iter().fold(f32::NEG_INFINITY, |best, &score| larger(score, best))
}

impl Row {
    /// Takes the maxima of a row whose tokens in `penalised` are made less likely and whose `suppressed` ones are
    /// impossible. Tokens outside the vocabulary are passed over.
    pub(super) fn load(&mut self, logits: &[f32], penalised: (&[TokenId], f32), suppressed: &[TokenId]) {
        for patch in self.patches.drain(..) {
            self.patch_of_block[patch.block] = 0;
        }
        let blocks = logits.len().div_ceil(BLOCK);
        self.maxima.resize(blocks, 0.0);
        self.patch_of_block.resize(blocks, 0);
        let (whole, rest) = logits.as_chunks::<BLOCK>();
        for (maximum, block) in self.maxima.iter_mut().zip(whole) {
            *maximum = largest_of_block(block);
        }
        if !rest.is_empty() {
            self.maxima[blocks - 1] = largest(rest);
        }
        let (tokens, penalty) = penalised;
        for &token in tokens {
            // Computed from the untouched score, so that a token seen twice is penalised once.
            self.change(logits, token, |score| if score > 0.0 { score / penalty } else { score * penalty });
        }
        for &token in suppressed {
            self.change(logits, token, |_| f32::NEG_INFINITY);
        }
        for patch in &self.patches {
            self.maxima[patch.block] = largest_of_block(&patch.scores);
        }
    }

    fn change(&mut self, logits: &[f32], token: TokenId, change: impl Fn(f32) -> f32) {
        let Some((index, &score)) = usize::try_from(token.0).ok().and_then(|i| Some((i, logits.get(i)?)))
        else {
            return;
        };
        let block = index / BLOCK;
        if self.patch_of_block[block] == 0 {
            let start = block * BLOCK;
            let original = &logits[start..logits.len().min(start + BLOCK)];
            let mut scores = [f32::NEG_INFINITY; BLOCK];
            scores[..original.len()].copy_from_slice(original);
            self.patches.push(Patch { block, scores });
            self.patch_of_block[block] = self.patches.len() as u32;
        }
        let patch = &mut self.patches[self.patch_of_block[block] as usize - 1];
        patch.scores[index % BLOCK] = change(sanitised(score));
    }

    /// The largest score, or `None` where none is finite.
    pub(super) fn best(&self) -> Option<f32> {
        let best = sanitised(largest(&self.maxima));
        (best > f32::NEG_INFINITY).then_some(best)
    }

    pub(super) fn maxima(&self) -> &[f32] {
        &self.maxima
    }

    /// The scores of a block as the changes left them (not sanitised).
    pub(super) fn block<'a>(&'a self, logits: &'a [f32], block: usize) -> &'a [f32] {
        let start = block * BLOCK;
        let end = logits.len().min(start + BLOCK);
        match self.patch_of_block[block] {
            0 => &logits[start..end],
            place => &self.patches[place as usize - 1].scores[..end - start],
        }
    }

    /// The lowest token that has the score `best`, which the row holds.
    pub(super) fn first_at(&self, logits: &[f32], best: f32) -> TokenId {
        let block = self.maxima.iter().position(|&maximum| maximum >= best).unwrap_or(0);
        let place = self.block(logits, block).iter().position(|&score| score >= best).unwrap_or(0);
        TokenId((block * BLOCK + place) as i32)
    }

    /// Sum of e^((score − best) ÷ temperature) over the row; about 1 or more. Relative
    /// error about 1e-6.
    pub(super) fn sum_of_exponentials(&self, logits: &[f32], best: f32, temperature: f64) -> f64 {
        // A tiny temperature must not turn 0 · infinity into NaN.
        let scale = (std::f64::consts::LOG2_E / temperature).min(f64::from(f32::MAX)) as f32;
        let mut total = 0.0;
        for block in 0..self.maxima.len() {
            total += f64::from(exponential::sum(self.block(logits, block), best, scale));
        }
        total
    }

    /// The winner over *all* tokens of score ÷ temperature + noise, and its score. For the chain without any cut.
    ///
    /// After the block that holds the best score, a token can only win with noise above a bound that its block's
    /// maximum gives; the bound becomes a number of random bits, so that nearly all tokens cost one hash and no
    /// logarithm.
    pub(super) fn race(&self, logits: &[f32], best: f32, temperature: f64, noise: &Noise) -> (TokenId, f32) {
        let favourite = self.first_at(logits, best).0 as usize / BLOCK;
        let mut leader = (f64::NEG_INFINITY, u32::MAX, f32::NEG_INFINITY);
        for block in std::iter::once(favourite).chain(0..self.maxima.len()) {
            let maximum = sanitised(self.maxima[block]);
            if maximum == f32::NEG_INFINITY {
                continue;
            }
            let gap = leader.0 - f64::from(maximum) / temperature;
            let needed = Noise::bits_needed(gap - ROUNDING_MARGIN * (1.0 + leader.0.abs()));
            let first = (block * BLOCK) as u32;
            let mut contenders = 0_u32;
            for offset in 0..BLOCK as u32 {
                contenders += u32::from(noise.bits(first + offset) >= needed);
            }
            if contenders == 0 {
                continue;
            }
            for (token, &score) in (first..).zip(self.block(logits, block)) {
                let score = sanitised(score);
                if score > f32::NEG_INFINITY && noise.bits(token) >= needed {
                    let key = f64::from(score) / temperature + noise.gumbel(token);
                    if key > leader.0 || (key == leader.0 && token < leader.1) {
                        leader = (key, token, score);
                    }
                }
            }
        }
        (TokenId(leader.1 as i32), leader.2)
    }
}
