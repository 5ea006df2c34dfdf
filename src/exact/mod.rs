//! Judges what the exactness check measured: do replies with and without the drafter say the same, is a difference a near
//! tie, has what was drawn the target's own distribution? Pure: it sees findings, never an engine.

mod chi_square;
mod distribution;
mod texts;
mod verdict;

pub use chi_square::chance_of_more;
pub use distribution::{Test, test};
pub use texts::{Difference, Floor, Rows, compare_rows, explained, first_difference};
pub use verdict::{Evidence, Judgement, Verdict, judge};

/// A near tie may need so many times the noise. The noise was measured with other batches than those that wrote the reply.
/// (Of the 8 near ties that 14 replies of 600 tokens of the pocket pair met, each needed less than half the noise seen at its
/// place.)
pub const NOISE_FACTOR: f64 = 2.0;

/// A noise floor above this is no rounding, whatever causes it: it changes a token's odds by a factor of e, in one place of
/// twenty. (A single place may reach it: 3.2 was the largest of 4207 on the pocket pair, whose floor was 0.17.)
pub const MOST_NOISE: f64 = 1.0;

/// The chance at which a right program is called wrong by its distribution, over all tests of a check together.
pub const FALSE_ALARM: f64 = 0.001;

/// Cells of a chi-square test that expect fewer draws than this are put together; the usual rule.
pub const LEAST_EXPECTED: f64 = 5.0;
