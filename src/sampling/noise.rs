//! Gumbel noise from a counter: a pure function of (seed, position, token), so a draw can be repeated, skipped or
//! made in any order. This is what makes the text independent of the drafter.

use crate::token::Position;

/// 2^64 ÷ golden ratio, made odd: the increment of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// Random bits in a uniform number. One fewer than a double's 53, so that the half step added to keep away from
/// 0 also keeps away from 1: (2^52 − ½) ÷ 2^52 is a double of its own.
const UNIFORM_BITS: u32 = 52;

/// The step between two uniform numbers.
const UNIFORM_STEP: f64 = 1.0 / (1_u64 << UNIFORM_BITS) as f64;

/// SplitMix64's finaliser (Stafford's variant 13): every input bit flips every output bit about half the time.
#[inline(always)]
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

/// The noise of one place in the text: one independent number for each token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noise {
    key: u64,
}

impl Noise {
    pub(super) fn new(seed: u64, position: Position) -> Noise {
        // Mixed twice: neighbouring seeds and neighbouring positions start unrelated sequences.
        let seeded = mix(seed.wrapping_add(GOLDEN));
        Noise { key: mix(seeded ^ mix(u64::from(position.0).wrapping_mul(GOLDEN).wrapping_add(1))) }
    }

    /// 52 random bits.
    #[inline(always)]
    pub(super) fn bits(&self, token: u32) -> u64 {
        mix(self.key.wrapping_add((u64::from(token) + 1).wrapping_mul(GOLDEN))) >> (64 - UNIFORM_BITS)
    }

    /// Standard Gumbel noise: −ln(−ln u), u uniform between 0 and 1, both excluded. From −3.6 to 36.8.
    #[inline]
    pub(super) fn gumbel(&self, token: u32) -> f64 {
        let uniform = (self.bits(token) as f64 + 0.5) * UNIFORM_STEP;
        -(-uniform.ln()).ln()
    }

    /// A lower bound of the [`bits`](Noise::bits) whose noise reaches `gumbel`: fewer bits cannot, whatever the
    /// rounding. It lets a race discard tokens by an integer comparison instead of two logarithms.
    pub(super) fn bits_needed(gumbel: f64) -> u64 {
        /// Far above the rounding error of the two exponentials (a few parts in 10^16, grown by the
        /// exponent of the inner one, 36.8 at most).
        const SLACK: f64 = 1e-13;
        let uniform = (-(-gumbel).exp()).exp() * (1.0 - SLACK) - SLACK;
        // A negative or NaN product becomes 0: nothing is discarded.
        (uniform / UNIFORM_STEP) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(place: u32) -> Position {
        Position(place)
    }

    #[test]
    fn uniform_is_open_at_both_ends() {
        let largest = ((1_u64 << UNIFORM_BITS) - 1) as f64 + 0.5;
        assert!(largest * UNIFORM_STEP < 1.0);
        assert!((-(largest * UNIFORM_STEP).ln()).ln().is_finite());
        assert!((0.5 * UNIFORM_STEP).ln().is_finite());
    }

    #[test]
    fn depends_on_each_part_of_its_key() {
        let bits = Noise::new(1, position(2)).bits(3);
        assert_eq!(bits, Noise::new(1, position(2)).bits(3));
        assert_ne!(bits, Noise::new(2, position(2)).bits(3));
        assert_ne!(bits, Noise::new(1, position(3)).bits(3));
        assert_ne!(bits, Noise::new(1, position(2)).bits(4));
        // Swapping parts of the key is a different key.
        assert_ne!(Noise::new(1, position(2)).bits(0), Noise::new(2, position(1)).bits(0));
    }

    /// Mean 0.5772 (Euler–Mascheroni), variance π²÷6, along each of the three counters.
    #[test]
    fn has_the_moments_of_a_gumbel_along_every_counter() {
        const COUNT: u32 = 200_000;
        let along_seed = |i: u32| Noise::new(u64::from(i), position(0)).gumbel(0);
        let along_position = |i: u32| Noise::new(0, position(i)).gumbel(0);
        let along_token = |i: u32| Noise::new(0, position(0)).gumbel(i);
        let counters: [&dyn Fn(u32) -> f64; 3] = [&along_seed, &along_position, &along_token];
        for draw in counters {
            let values: Vec<f64> = (0..COUNT).map(draw).collect();
            let count = f64::from(COUNT);
            let mean = values.iter().sum::<f64>() / count;
            let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
            let neighbours = values.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum::<f64>();
            // Four standard errors: 4 · 1.28 ÷ √200,000 = 0.0115; the variance's own is about 0.0087 each.
            assert!((mean - 0.577_215_664_9).abs() < 0.0115, "mean {mean}");
            assert!((variance - std::f64::consts::PI.powi(2) / 6.0).abs() < 0.035, "variance {variance}");
            // Correlation of neighbours: four standard errors of 1 ÷ √200,000.
            assert!(
                (neighbours / count / variance).abs() < 0.009,
                "correlation {}",
                neighbours / count / variance
            );
        }
    }

    #[test]
    fn bits_needed_never_discards_a_winner() {
        let noise = Noise::new(7, position(11));
        for token in 0..200_000 {
            let gumbel = noise.gumbel(token);
            assert!(noise.bits(token) >= Noise::bits_needed(gumbel), "token {token}, noise {gumbel}");
        }
        assert_eq!(Noise::bits_needed(f64::NEG_INFINITY), 0);
        assert_eq!(Noise::bits_needed(f64::NAN), 0);
        // It does discard: above 10 only about 1 in 22,000 is left.
        assert!(Noise::bits_needed(10.0) > (1_u64 << UNIFORM_BITS) / 22_000 * 21_990);
    }
}
