//! Weights trained for quantization (QAT): found on their lattice and stored as Q4_0 without loss.
//!
//! A QAT checkpoint holds, block by block of 32 weights, BF16(code × scale) with whole codes from -8 to 7. ggml's own
//! Q4_0 takes the weight of largest magnitude for code -8; where training left it at 7, or nearer to zero, the scale is
//! wrong by 8/7 and the whole block is put on another lattice: only 17 to 38 % of the weights come back. Here the
//! extreme is tried at -8, 7, 6 and so on. Each guess gives the codes; each
//! code and weight then bound the scale, for BF16(code × scale) must be that weight; and where one half-precision
//! number lies within all 32 bounds the block is exact. No other data are needed, and whether a tensor lies on a
//! lattice at all is seen by trying.
//!
//! Where no scale is exact, the one with the least squared error is taken.

mod detect;
mod half;

pub use detect::{Detection, Sampled, detect};

use super::widen::to_bf16;

/// Weights of a block.
pub const BLOCK: usize = 32;
/// Bytes of a block: the scale, and two codes a byte.
pub const BLOCK_BYTES: usize = 18;
/// The share of weights that must come back exactly before a tensor is called a lattice. Lattices with BF16 scales
/// give 1, with 32-bit scales 0.998; ordinary weights 0.02.
pub const LATTICE_SHARE: f64 = 0.9;

/// The codes at which a block's extreme is tried. The sign of the scale decides which end is -8; below 8 it does not
/// matter.
const EXTREMES: [f32; 8] = [-8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0];

/// Of these, the first ones; the others are found doubled, unless half the scale is too small for half precision.
const DISTINCT: usize = 5;

/// Adding and taking it away rounds a small number to a whole one, ties to even.
const ROUNDING: f32 = 12_582_912.0;

/// How well weights came back.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Exactness {
    /// Weights.
    pub weights: u64,
    /// Those that dequantize, rounded to BF16, to what they were.
    pub exact: u64,
    /// Sum of the squares of what is left.
    pub squared_error: f64,
    /// Sum of the squares of the weights.
    pub squared: f64,
}

impl Exactness {
    /// Adds what was found elsewhere in the tensor.
    pub fn add(&mut self, other: Exactness) {
        self.weights += other.weights;
        self.exact += other.exact;
        self.squared_error += other.squared_error;
        self.squared += other.squared;
    }

    /// The share of weights that came back exactly; 1 where there are none.
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.weights == 0 { 1.0 } else { self.exact as f64 / self.weights as f64 }
    }

    /// The root of the mean squared error, over that of the weights.
    #[must_use]
    pub fn relative_error(&self) -> f64 {
        if self.squared > 0.0 { (self.squared_error / self.squared).sqrt() } else { 0.0 }
    }

    /// Whether the weights lie on a 4-bit lattice. Nothing but zeros, as rows of unused tokens have, says nothing.
    #[must_use]
    pub fn is_lattice(&self) -> bool {
        self.share() >= LATTICE_SHARE && self.squared > 0.0
    }
}

/// Quantizes whole blocks to `block_q4_0`: `into` has 18 bytes for every 32 values. Values are taken as BF16, and
/// must be finite.
pub fn quantize(values: &[f32], into: &mut [u8]) -> Exactness {
    let mut found = Exactness::default();
    for (values, bytes) in values.as_chunks().0.iter().zip(into.as_chunks_mut().0) {
        let block = Block::search(values, &mut found);
        block.write(bytes);
    }
    found
}

/// How well whole blocks would come back: [`quantize`] without the bytes.
#[must_use]
pub fn measure(values: &[f32]) -> Exactness {
    let mut found = Exactness::default();
    for values in values.as_chunks().0 {
        Block::search(values, &mut found);
    }
    found
}

/// A block's scale and codes.
#[derive(Clone, Copy)]
struct Block {
    /// The magnitude of the scale, in half precision.
    scale: u16,
    is_negative: bool,
    /// Whole numbers from -8 to 7.
    codes: [f32; BLOCK],
}

impl Block {
    /// Finds the block of some weights, and counts how well they come back.
    fn search(values: &[f32; BLOCK], found: &mut Exactness) -> Block {
        let weights = values.map(to_bf16);
        let extreme = extreme(&weights);
        let block = match extreme == 0.0 {
            true => Block { scale: 0, is_negative: false, codes: [0.0; BLOCK] },
            false => EXTREMES
                .iter()
                .find_map(|code| Block::exact(&weights, extreme / code))
                .unwrap_or_else(|| Block::nearest(&weights, extreme)),
        };
        let (exact, squared_error) = block.compare(&weights);
        found.weights += BLOCK as u64;
        found.exact += u64::from(exact);
        found.squared_error += f64::from(squared_error);
        found.squared += f64::from(weights.iter().map(|weight| weight * weight).sum::<f32>());
        block
    }

    /// The exact block near a scale, where there is one.
    fn exact(weights: &[f32; BLOCK], guess: f32) -> Option<Block> {
        let codes = codes(weights, guess)?;
        let (low, high) = bounds(weights, &codes);
        // A little room: the bounds are rounded, and the comparison decides.
        if low > high * 1.000_001 {
            return None;
        }
        let middle = half::nearest(f32::midpoint(low, high));
        let block = Block { scale: middle, is_negative: guess < 0.0, codes };
        let is_exact = |block: &Block| block.compare(weights).0 == BLOCK as u32;
        if is_exact(&block) {
            return Some(block);
        }
        neighbours(middle).into_iter().map(|scale| block.at(scale)).find(is_exact)
    }

    /// The block of the least squared error.
    fn nearest(weights: &[f32; BLOCK], extreme: f32) -> Block {
        let mut best: Option<(f32, Block)> = None;
        for code in &EXTREMES[..DISTINCT] {
            let Some(block) = Block::least_squares(weights, extreme / code) else { continue };
            let (_, error) = block.compare(weights);
            if best.is_none_or(|(least, _)| error < least) {
                best = Some((error, block));
            }
        }
        let Some((_, best)) = best else {
            // Smaller than any half-precision number.
            return Block { scale: 0, is_negative: false, codes: [0.0; BLOCK] };
        };
        // On a lattice whose scale is no half-precision number, a neighbour may bring back more weights.
        let mut most = (best.compare(weights).0, best);
        for scale in neighbours(best.scale) {
            let block = best.at(scale);
            let exact = block.compare(weights).0;
            if exact > most.0 {
                most = (exact, block);
            }
        }
        most.1
    }

    /// The block whose scale suits the codes of a guess best.
    fn least_squares(weights: &[f32; BLOCK], guess: f32) -> Option<Block> {
        let first = codes(weights, guess)?;
        let (mut products, mut squares) = (0.0, 0.0);
        for (weight, code) in weights.iter().zip(&first) {
            products += weight * code;
            squares += code * code;
        }
        let best = products / squares;
        let scale = half::nearest(best.abs());
        let is_negative = best < 0.0;
        let stored = if is_negative { -half::value(scale) } else { half::value(scale) };
        Some(Block { scale, is_negative, codes: codes(weights, stored)? })
    }

    /// The same codes at another scale.
    fn at(&self, scale: u16) -> Block {
        let mut block = *self;
        block.scale = scale;
        block
    }

    fn signed_scale(&self) -> f32 {
        let scale = half::value(self.scale);
        if self.is_negative { -scale } else { scale }
    }

    /// Weights that come back exactly, and the squared error of all.
    fn compare(&self, weights: &[f32; BLOCK]) -> (u32, f32) {
        let scale = self.signed_scale();
        let (mut exact, mut errors) = (0, [0.0; BLOCK]);
        for ((weight, code), error) in weights.iter().zip(&self.codes).zip(&mut errors) {
            let back = to_bf16(code * scale);
            exact += u32::from(back == *weight);
            *error = (back - weight) * (back - weight);
        }
        (exact, errors.iter().sum())
    }

    /// `block_q4_0` of ggml-common.h: the scale, then the codes plus 8, the second half's in the upper four bits.
    fn write(&self, bytes: &mut [u8; BLOCK_BYTES]) {
        let sign = if self.is_negative { half::NEGATIVE } else { 0 };
        let (scale, packed) = bytes.split_at_mut(2);
        scale.copy_from_slice(&(self.scale | sign).to_le_bytes());
        let (lower, upper) = self.codes.split_at(BLOCK / 2);
        for ((byte, lower), upper) in packed.iter_mut().zip(lower).zip(upper) {
            // Whole numbers from 0 to 15.
            *byte = (lower + 8.0) as u8 | ((upper + 8.0) as u8) << 4;
        }
    }
}

/// The half-precision numbers next to one.
fn neighbours(scale: u16) -> [u16; 2] {
    [scale.saturating_sub(1), (scale + 1).min(half::LARGEST)]
}

/// The weight of the largest magnitude, with its sign. Compared as whole numbers, which the bits of positive floating
/// point numbers are ordered like: that becomes vector code, and floating point maxima do not.
#[inline(always)]
fn extreme(weights: &[f32; BLOCK]) -> f32 {
    let (mut highest, mut lowest) = (0_i32, 0_i32);
    for weight in weights {
        highest = highest.max(weight.to_bits() as i32);
        lowest = lowest.max((-weight).to_bits() as i32);
    }
    match highest >= lowest {
        true => f32::from_bits(highest as u32),
        false => -f32::from_bits(lowest as u32),
    }
}

/// The nearest codes at a scale; `None` where the scale is 0 or too small to divide by.
#[inline(always)]
fn codes(weights: &[f32; BLOCK], scale: f32) -> Option<[f32; BLOCK]> {
    let inverse = scale.recip();
    if !inverse.is_finite() {
        return None;
    }
    Some(weights.map(|weight| (((weight * inverse) + ROUNDING) - ROUNDING).clamp(-8.0, 7.0)))
}

/// The magnitudes a scale may have so that each code times it rounds to its weight: at least, at most.
#[inline(always)]
fn bounds(weights: &[f32; BLOCK], codes: &[f32; BLOCK]) -> (f32, f32) {
    /// Half the distance to the next BF16 number, in the bits of a 32-bit one.
    const HALF_STEP: u32 = 0x8000;
    let (mut low, mut high) = (0_u32, f32::MAX.to_bits());
    for (weight, code) in weights.iter().zip(codes) {
        let bits = weight.abs().to_bits();
        let inverse = code.abs().recip();
        let least = f32::from_bits(bits.saturating_sub(HALF_STEP)) * inverse;
        let most = f32::from_bits(bits + HALF_STEP) * inverse;
        // Code 0 says nothing of the scale, only that the weight is 0; the comparison sees that.
        low = low.max(if *code == 0.0 { 0 } else { least.to_bits() });
        high = high.min(if *code == 0.0 { u32::MAX } else { most.to_bits() });
    }
    (f32::from_bits(low), f32::from_bits(high))
}

#[cfg(test)]
mod tests;
