//! When a frame may be drawn: 30 times a second, which is enough to read by, and at once after a key: whoever types sees
//! each letter without a wait. The frame after it comes that much later, so that there are no more of them.

use std::time::Duration;

/// Between two frames.
const FRAME: Duration = Duration::from_millis(33);

/// The next frame's time. All times are since the UI started.
#[derive(Debug, Default)]
pub struct Pace {
    due: Duration,
}

impl Pace {
    /// How long the next frame has to wait; a frame that shows a key's effect may come one frame early.
    #[must_use]
    pub fn wait(&self, now: Duration, pressed: bool) -> Duration {
        let due = if pressed { self.due.saturating_sub(FRAME) } else { self.due };
        due.saturating_sub(now)
    }

    /// A frame was drawn.
    pub fn drawn(&mut self, now: Duration) {
        self.due = self.due.max(now) + FRAME;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_key_is_seen_at_once_and_the_next_frame_pays_for_it() {
        let mut pace = Pace::default();
        assert_eq!(pace.wait(ms(0), false), ms(0));
        pace.drawn(ms(100));
        assert_eq!(pace.wait(ms(110), false), ms(23));
        assert_eq!(pace.wait(ms(110), true), ms(0));
        pace.drawn(ms(110));
        // Not one frame more than 30 a second: what was drawn early is waited for.
        assert_eq!(pace.wait(ms(133), false), ms(33));
        assert_eq!(pace.wait(ms(120), true), ms(13));
        assert_eq!(pace.wait(ms(133), true), ms(0));
    }

    #[test]
    fn a_flood_of_keys_draws_no_more_than_thirty_frames_a_second() {
        let mut pace = Pace::default();
        let mut frames = 0;
        for now in (1000..3000).map(ms) {
            if pace.wait(now, true).is_zero() {
                pace.drawn(now);
                frames += 1;
            }
        }
        assert!((60..=62).contains(&frames), "{frames} in two seconds");
    }
}
