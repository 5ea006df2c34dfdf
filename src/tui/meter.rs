//! The live speed: tokens over a one-second window, measured between ends of rounds. A round brings its
//! tokens in one burst; time between the bursts belongs to them, so a rate per burst would mean nothing.

use std::collections::VecDeque;
use std::time::Duration;

/// The window.
const WINDOW: Duration = Duration::from_secs(1);
/// Below this much time there is no honest figure yet.
const LEAST: Duration = Duration::from_millis(200);

/// Ends of rounds within the last second of one reply.
#[derive(Debug, Default)]
pub struct Meter {
    /// Time since the reply's first token, and tokens emitted by then.
    samples: VecDeque<(Duration, u32)>,
}

impl Meter {
    /// Starts over for a new reply.
    pub fn reset(&mut self) {
        self.samples.clear();
    }

    /// A round has ended.
    pub fn observe(&mut self, elapsed: Duration, predicted: u32) {
        self.samples.push_back((elapsed, predicted));
        // The front is the youngest sample that is at least a window old.
        while self.samples.get(1).is_some_and(|(at, _)| elapsed.saturating_sub(*at) >= WINDOW) {
            self.samples.pop_front();
        }
    }

    /// Tokens per second, once there is something to measure.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        let (from, first) = self.samples.front()?;
        let (to, last) = self.samples.back()?;
        let span = to.saturating_sub(*from);
        (span >= LEAST).then(|| f64::from(last.saturating_sub(*first)) / span.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_do_not_inflate_the_rate() {
        let mut meter = Meter::default();
        // Four tokens every 100 ms, and two rounds reported in the same instant.
        for round in 0..=30u32 {
            meter.observe(Duration::from_millis(100 * u64::from(round)), 1 + 4 * round);
        }
        assert!((meter.rate().unwrap() - 40.0).abs() < 1e-9);
        meter.observe(Duration::from_millis(3000), 125);
        assert!(meter.rate().unwrap() < 45.0);
    }

    #[test]
    fn it_follows_a_change_within_a_second_and_is_silent_before_it_knows() {
        let mut meter = Meter::default();
        meter.observe(Duration::ZERO, 1);
        meter.observe(Duration::from_millis(1), 5);
        assert_eq!(meter.rate(), None);
        for step in 1..=20u32 {
            meter.observe(Duration::from_millis(100 * u64::from(step)), 5 + step);
        }
        assert!((meter.rate().unwrap() - 10.0).abs() < 0.5);
        meter.reset();
        assert_eq!(meter.rate(), None);
    }
}
