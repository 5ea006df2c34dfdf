//! The engine's only clock. Everything pure gets durations as arguments.

use std::time::{Duration, Instant};

/// Time since an instant of the engine's choosing.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// Starts at zero.
    #[must_use]
    pub fn start() -> Clock {
        Clock(Instant::now())
    }

    /// Since the start.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}
