//! How acceptance, speed and length went over the last rounds: points of a few rounds each, for the sparklines.
//!
//! The engine's counters grow over a reply; a point is what they grew by. Points go on from one reply to the next, so
//! that a change of text, draft length or machine shows.

use std::collections::VecDeque;
use std::time::Duration;

use crate::event::Counters;

/// Rounds that make a point: few enough to follow a change within a second or two, enough for a share to mean something.
const ROUNDS: u32 = 12;
/// Points kept.
const POINTS: usize = 120;

/// What some rounds brought together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Point {
    /// Rounds.
    pub rounds: u32,
    /// Tokens emitted.
    pub tokens: u32,
    /// Guesses tested.
    pub tested: u32,
    /// Guesses accepted.
    pub accepted: u32,
    /// Guesses tested and accepted, by place.
    pub places: Vec<(u32, u32)>,
    /// Time they took.
    pub time: Duration,
}

impl Point {
    fn share(accepted: u32, tested: u32) -> Option<f64> {
        (tested > 0).then(|| f64::from(accepted) / f64::from(tested))
    }

    /// Accepted ÷ tested.
    #[must_use]
    pub fn accepted(&self) -> Option<f64> {
        Point::share(self.accepted, self.tested)
    }

    /// The same at one place of the draft.
    #[must_use]
    pub fn accepted_at(&self, place: usize) -> Option<f64> {
        self.places.get(place).and_then(|(tested, accepted)| Point::share(*accepted, *tested))
    }

    /// Tokens a round.
    #[must_use]
    pub fn length(&self) -> Option<f64> {
        Point::share(self.tokens, self.rounds)
    }

    /// Tokens a second.
    #[must_use]
    pub fn speed(&self) -> Option<f64> {
        let seconds = self.time.as_secs_f64();
        (seconds > 0.0).then(|| f64::from(self.tokens) / seconds)
    }

    /// Guesses tested a round.
    #[must_use]
    pub fn guesses(&self) -> Option<f64> {
        Point::share(self.tested, self.rounds)
    }

    fn add(&mut self, more: &Point) {
        self.rounds = self.rounds.saturating_add(more.rounds);
        self.tokens = self.tokens.saturating_add(more.tokens);
        self.tested = self.tested.saturating_add(more.tested);
        self.accepted = self.accepted.saturating_add(more.accepted);
        self.time = self.time.saturating_add(more.time);
        if self.places.len() < more.places.len() {
            self.places.resize(more.places.len(), (0, 0));
        }
        for (own, more) in self.places.iter_mut().zip(&more.places) {
            *own = (own.0.saturating_add(more.0), own.1.saturating_add(more.1));
        }
    }
}

/// The last points, the youngest still growing.
#[derive(Debug, Default)]
pub struct History {
    points: VecDeque<Point>,
    /// The reply's counters at the last look.
    seen: Point,
}

impl History {
    /// A new reply: its counters begin at nothing.
    pub fn begin(&mut self) {
        self.seen = Point::default();
    }

    /// Takes in the counters of the running reply.
    pub fn observe(&mut self, counters: &Counters) {
        let tested = counters.tested_by_position.iter().copied();
        let accepted = counters.accepted_by_position.iter().copied().chain(std::iter::repeat(0));
        let now = Point {
            rounds: counters.rounds,
            tokens: counters.predicted,
            tested: counters.tested,
            accepted: counters.accepted,
            places: tested.zip(accepted).collect(),
            time: counters.elapsed,
        };
        let grown = difference(&now, &self.seen);
        self.seen = now;
        if grown.rounds == 0 {
            return;
        }
        match self.points.back_mut() {
            Some(point) if point.rounds < ROUNDS => point.add(&grown),
            _ => {
                self.points.push_back(grown);
                if self.points.len() > POINTS {
                    self.points.pop_front();
                }
            }
        }
    }

    /// The last `count` points, oldest first.
    pub fn last(&self, count: usize) -> impl Iterator<Item = &Point> {
        self.points.iter().skip(self.points.len().saturating_sub(count))
    }

    /// The last rounds together: two points, since the youngest may have but begun.
    #[must_use]
    pub fn lately(&self) -> Point {
        let mut sum = Point::default();
        self.last(2).for_each(|point| sum.add(point));
        sum
    }
}

fn difference(now: &Point, before: &Point) -> Point {
    let places = now.places.iter().enumerate().map(|(place, (tested, accepted))| {
        let (tested_before, accepted_before) = before.places.get(place).copied().unwrap_or_default();
        (tested.saturating_sub(tested_before), accepted.saturating_sub(accepted_before))
    });
    Point {
        rounds: now.rounds.saturating_sub(before.rounds),
        tokens: now.tokens.saturating_sub(before.tokens),
        tested: now.tested.saturating_sub(before.tested),
        accepted: now.accepted.saturating_sub(before.accepted),
        places: places.collect(),
        time: now.time.saturating_sub(before.time),
    }
}

/// Values as a line of bars, `full` being the highest; a gap where there is none.
#[must_use]
pub fn sparkline(values: impl Iterator<Item = Option<f64>>, full: f64) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    values
        .map(|value| match value {
            Some(value) if full > 0.0 && value.is_finite() => {
                // From 0 to 7: the bounds make the cast exact enough for a bar.
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                let step = (value / full).clamp(0.0, 1.0).mul_add(7.0, 0.5) as usize;
                BARS[step.min(7)]
            }
            _ => ' ',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(rounds: u32, accepted: u32) -> Counters {
        Counters {
            predicted: rounds + accepted,
            rounds,
            tested: 2 * rounds,
            accepted,
            tested_by_position: vec![rounds, rounds],
            accepted_by_position: vec![accepted],
            elapsed: Duration::from_millis(100 * u64::from(rounds)),
            ..Counters::default()
        }
    }

    #[test]
    fn points_are_what_the_counters_grew_by() {
        let mut history = History::default();
        history.observe(&counters(6, 6));
        history.observe(&counters(12, 12));
        history.observe(&counters(24, 12));
        let shares: Vec<_> = history.last(9).map(|point| (point.rounds, point.accepted())).collect();
        assert_eq!(shares, [(12, Some(0.5)), (12, Some(0.0))]);
        let first = history.last(9).next().unwrap();
        assert_eq!(
            (first.accepted_at(0), first.accepted_at(1), first.accepted_at(2)),
            (Some(1.0), Some(0.0), None)
        );
        assert_eq!((first.length(), first.guesses()), (Some(2.0), Some(2.0)));
        assert!((first.speed().unwrap() - 20.0).abs() < 1e-9);
        // The next reply's counters begin again; nothing is counted twice or below nothing.
        history.begin();
        history.observe(&counters(1, 1));
        assert_eq!(history.last(1).next().unwrap().rounds, 1);
        assert_eq!(history.lately().rounds, 13);
    }

    #[test]
    fn as_many_points_as_are_kept_and_no_more() {
        let mut history = History::default();
        for rounds in 1..=ROUNDS * 200 {
            history.observe(&counters(rounds, 0));
        }
        assert_eq!(history.last(usize::MAX).count(), POINTS);
        // Counters that go back (a new reply that was not told) are no rounds.
        history.observe(&counters(1, 0));
        assert_eq!(history.last(1).next().unwrap().rounds, ROUNDS);
    }

    #[test]
    fn bars_follow_values() {
        let values = [Some(0.0), Some(0.5), None, Some(1.0), Some(7.0), Some(f64::NAN)];
        assert_eq!(sparkline(values.into_iter(), 1.0), "▁▅ ██ ");
        assert_eq!(sparkline([Some(1.0)].into_iter(), 0.0), " ");
    }
}
