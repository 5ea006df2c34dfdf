//! When a frame is drawn. A reply is shown at most 30 times a second, which is enough to read by. What a person does shows
//! sooner: its frame is drawn at once and makes the reply's frames wait in its stead, so that there are 30 a second all in all.

use std::time::Duration;

/// Between two frames of a reply.
pub const FRAME: Duration = Duration::from_millis(34);
/// Between any frame and one for a key: keys that come together share one.
pub const GAP: Duration = Duration::from_millis(8);
/// Frames that keys may have before their time.
pub const AHEAD: u32 = 4;

/// The frames so far, as far as they matter.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    last: Option<Duration>,
    /// When the reply's next frame is due: each frame pushes it on.
    next: Duration,
}

impl Pace {
    /// When the next frame may be drawn. `touched`: a person has done something since the last one.
    #[must_use]
    pub fn due(&self, touched: bool) -> Duration {
        match self.last {
            Some(last) if touched => self.next.saturating_sub(FRAME * AHEAD).max(last + GAP),
            _ => self.next,
        }
    }

    /// A frame is drawn.
    pub fn drew(&mut self, now: Duration) {
        self.last = Some(now);
        self.next = self.next.max(now) + FRAME;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(1);

    /// Ten seconds of a reply that always has news, with a key at each of these times. How long each key waits for its
    /// frame, and when frames are drawn.
    fn play(keys: &[Duration]) -> (Vec<Duration>, Vec<Duration>) {
        let (mut pace, mut now) = (Pace::default(), Duration::ZERO);
        let (mut waits, mut frames) = (Vec::new(), Vec::new());
        let (mut coming, mut waiting) = (keys.iter().copied().peekable(), Vec::new());
        while now < Duration::from_secs(10) {
            while let Some(key) = coming.next_if(|key| *key <= now) {
                waiting.push(key);
            }
            if now >= pace.due(!waiting.is_empty()) {
                pace.drew(now);
                frames.push(now);
                waits.extend(waiting.drain(..).map(|key| now - key));
            }
            now += STEP;
        }
        (waits, frames)
    }

    /// The most frames in any second.
    fn most(frames: &[Duration]) -> usize {
        let second = |from: &Duration| {
            let second = *from..*from + Duration::from_secs(1);
            frames.iter().filter(|at| second.contains(*at)).count()
        };
        frames.iter().map(second).max().unwrap_or(0)
    }

    #[test]
    fn a_reply_has_thirty_frames_a_second_and_no_more() {
        let (_, frames) = play(&[]);
        assert!(frames.windows(2).all(|pair| pair[1] - pair[0] == FRAME));
        assert_eq!(most(&frames), 30);
    }

    #[test]
    fn a_key_is_echoed_at_once_and_takes_the_place_of_another_frame() {
        // A fast typist: a key each 80 ms or so, at every moment between two frames.
        let keys: Vec<Duration> = (1..120).map(|n| Duration::from_millis(n * 79 + n * n % 13)).collect();
        let (waits, frames) = play(&keys);
        assert_eq!(waits.len(), keys.len());
        assert!(waits.iter().all(|wait| *wait <= GAP), "{waits:?}");
        assert!(frames.len() <= 10 * 30 + AHEAD as usize, "{} frames", frames.len());
        assert!(most(&frames) <= 30 + AHEAD as usize, "{}", most(&frames));
        // The reply goes on meanwhile.
        assert!(frames.len() >= 10 * 25, "{} frames", frames.len());
    }

    #[test]
    fn a_key_held_down_is_echoed_thirty_times_a_second() {
        let keys: Vec<Duration> = (1..2000).map(|n| Duration::from_millis(n * 5)).collect();
        let (waits, frames) = play(&keys);
        assert!(waits.iter().all(|wait| *wait <= FRAME), "{waits:?}");
        assert!(frames.len() <= 10 * 30 + AHEAD as usize, "{} frames", frames.len());
    }

    #[test]
    fn after_a_rest_the_first_change_is_drawn_at_once() {
        let mut pace = Pace::default();
        assert_eq!(pace.due(false), Duration::ZERO);
        pace.drew(Duration::ZERO);
        let later = Duration::from_secs(60);
        assert!(pace.due(false) < later && pace.due(true) < later);
        // Rest is not saved up: the frames after it keep their distance.
        pace.drew(later);
        assert_eq!(pace.due(false), later + FRAME);
    }
}
