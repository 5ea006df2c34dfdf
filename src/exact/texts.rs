//! Are two replies equal, and if not, is their first difference a near tie? After it their texts go different ways, so
//! only the first counts.

use super::NOISE_FACTOR;
use crate::event::Reply;
use crate::experiment::{Gap, Place};
use crate::token::TokenId;

/// The first difference between a reply and the plain one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Tokens before it.
    pub at: usize,
    /// What was written plainly; `None` where the reply ends.
    pub ours: Option<TokenId>,
    /// What was written with the drafter.
    pub theirs: Option<TokenId>,
}

/// The first difference; `None` where both replies say the same and end for the same reason.
#[must_use]
pub fn first_difference(plain: &Reply, other: &Reply) -> Option<Difference> {
    let (a, b) = (&plain.tokens, &other.tokens);
    let at = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let equal = a.len() == at && b.len() == at && plain.stop_reason == other.stop_reason;
    (!equal).then(|| Difference { at, ours: a.get(at).copied(), theirs: b.get(at).copied() })
}

/// Rows of scores behind replies, beside those behind the plain ones, bit for bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Rows compared: as far as both replies say the same, and the one after that.
    pub compared: usize,
    /// Of these, how many differ.
    pub differing: usize,
    /// The first that does, where any does: tokens before it.
    pub first: Option<usize>,
}

/// Compares the rows behind a reply with those behind the plain one.
#[must_use]
pub fn compare_rows(plain: &Reply, other: &Reply) -> Rows {
    let same = plain.tokens.iter().zip(&other.tokens).take_while(|(a, b)| a == b).count();
    // One more row gave what differs, or the end of the turn.
    let pairs = || plain.rows.iter().zip(&other.rows).take(same + 1);
    Rows {
        compared: pairs().count(),
        differing: pairs().filter(|(a, b)| a != b).count(),
        first: pairs().position(|(a, b)| a != b),
    }
}

/// The noise of this model on this machine: how much batching changes scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Floor {
    /// What nineteen places in twenty stay below or at. Not the largest: where a mixture of experts is undecided between two of
    /// them, rounding may exchange one for the other, and that single place is no measure for the rest.
    pub floor: f64,
    /// The median.
    pub median: f64,
    /// The largest seen.
    pub largest: f64,
    /// Places looked at.
    pub places: usize,
}

impl Floor {
    /// Over places; `None` where there are none.
    #[must_use]
    pub fn over(places: &[Place]) -> Option<Floor> {
        let mut spreads: Vec<f64> = places.iter().map(|place| place.spread).collect();
        spreads.sort_by(f64::total_cmp);
        let (largest, count) = (*spreads.last()?, spreads.len());
        let floor = spreads[(count * 19 / 20).min(count - 1)];
        Some(Floor { floor, median: spreads[count / 2], largest, places: count })
    }
}

/// Whether noise explains that one token was drawn instead of another: a change of scores of the size of the noise (the
/// floor, or what is seen at this very place) gives either.
#[must_use]
pub fn explained(gap: &Gap, floor: f64) -> bool {
    let allowed = NOISE_FACTOR * floor.max(gap.spread);
    gap.ours.token != gap.theirs.token && gap.ours.distance <= allowed && gap.theirs.distance <= allowed
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::event::{Activity, Counters, SpeculationState, StopReason};
    use crate::experiment::Standing;
    use std::time::Duration;

    fn reply(tokens: &[i32], stop_reason: StopReason) -> Reply {
        Reply {
            text: String::new(),
            reasoning: String::new(),
            tokens: tokens.iter().copied().map(TokenId).collect(),
            stop_reason,
            prompt_tokens: 1,
            prompt_decoded: 1,
            prompt_time: Duration::ZERO,
            first_token: Duration::ZERO,
            counters: Counters::default(),
            speculation: SpeculationState { activity: Activity::On, length: 1, reason: None },
            rows: Vec::new(),
        }
    }

    fn gap(ours: f64, theirs: f64) -> Gap {
        let standing = |token, distance| Standing {
            token: TokenId(token),
            text: String::new(),
            score: 0.0,
            kept: true,
            distance,
        };
        Gap { ours: standing(1, ours), theirs: standing(2, theirs), spread: 0.0 }
    }

    #[test]
    fn the_first_difference_is_found_ends_among_them() {
        let plain = reply(&[1, 2, 3], StopReason::Length);
        let difference = |tokens: &[i32], reason| {
            let found = first_difference(&plain, &reply(tokens, reason))?;
            Some((found.at, found.ours.map(|token| token.0), found.theirs.map(|token| token.0)))
        };
        assert_eq!(difference(&[1, 2, 3], StopReason::Length), None);
        assert_eq!(difference(&[1, 9, 3], StopReason::Length), Some((1, Some(2), Some(9))));
        assert_eq!(difference(&[1, 2], StopReason::EndOfTurn), Some((2, Some(3), None)));
        assert_eq!(difference(&[1, 2, 3], StopReason::EndOfTurn), Some((3, None, None)));
    }

    #[test]
    fn rows_are_compared_up_to_the_first_difference() {
        let with =
            |tokens: &[i32], rows: &[u64]| Reply { rows: rows.to_vec(), ..reply(tokens, StopReason::Length) };
        let plain = with(&[1, 2, 3], &[10, 20, 30]);
        let rows = |compared, differing, first| Rows { compared, differing, first };
        assert_eq!(compare_rows(&plain, &plain), rows(3, 0, None));
        assert_eq!(compare_rows(&plain, &with(&[1, 9, 4], &[10, 21, 31])), rows(2, 1, Some(1)));
        assert_eq!(compare_rows(&plain, &with(&[1, 2, 3], &[11, 20, 31])), rows(3, 2, Some(0)));
        assert_eq!(compare_rows(&plain, &with(&[], &[])), Rows::default());
    }

    #[test]
    fn only_a_near_tie_is_explained() {
        assert!(explained(&gap(0.0, 0.015), 0.01));
        assert!(explained(&gap(0.015, 0.0), 0.01), "the plain reply may be the one that noise turned");
        assert!(!explained(&gap(0.0, 0.025), 0.01));
        assert!(!explained(&gap(0.025, 0.0), 0.01));
        assert!(!explained(&gap(0.0, f64::INFINITY), 0.01));
        assert!(explained(&Gap { spread: 0.02, ..gap(0.0, 0.025) }, 0.01), "this place is noisier");
        let same = Gap { theirs: gap(0.0, 0.0).ours, ..gap(0.0, 0.0) };
        assert!(!explained(&same, 0.01), "the same token is no near tie: something else differs");
        assert!(!explained(&gap(0.0, f64::NAN), 0.01));
    }

    #[test]
    fn the_floor_is_what_most_places_stay_below() {
        let place = |spread| Place { spread, peak: 0.5 };
        let spreads: Vec<Place> = (0..100).map(|index| place(f64::from(index))).collect();
        let floor = Floor::over(&spreads).expect("a hundred places");
        assert_eq!(floor, Floor { floor: 95.0, median: 50.0, largest: 99.0, places: 100 });
        assert_eq!(Floor::over(&spreads[3..4]).map(|floor| floor.floor), Some(3.0));
        assert_eq!(Floor::over(&[]), None);
    }
}
