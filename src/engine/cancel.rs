//! Ending what runs, from any thread. Not an order in the queue: it must not wait behind others.
//!
//! Pieces of work (the loading, then each reply) are numbered. A person cancels what runs at that moment; the same wish
//! arriving once more, when that piece has ended already, must not end the next one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug)]
struct Numbers {
    /// The piece of work that runs, or ran last.
    current: AtomicU64,
    /// Everything up to this number is to end.
    cancelled: AtomicU64,
}

/// Shared by the worker and whoever may want it to stop.
#[derive(Clone, Debug)]
pub struct Canceller(Arc<Numbers>);

impl Canceller {
    /// The first piece of work, the loading, has begun.
    #[must_use]
    pub(super) fn new() -> Canceller {
        Canceller(Arc::new(Numbers { current: AtomicU64::new(1), cancelled: AtomicU64::new(0) }))
    }

    /// Ends the loading, or the running reply, within one round or micro-batch.
    pub fn cancel(&self) {
        self.0.cancelled.fetch_max(self.0.current.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Ends what runs and whatever is begun later: the process is to end.
    pub fn cancel_all(&self) {
        self.0.cancelled.store(u64::MAX, Ordering::Relaxed);
    }

    /// The worker begins its next piece of work.
    pub(super) fn begin(&self) {
        self.0.current.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the present piece of work is to end.
    #[must_use]
    pub(super) fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Relaxed) >= self.0.current.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_wish_does_not_end_the_next_reply() {
        let cancel = Canceller::new();
        assert!(!cancel.is_cancelled());
        cancel.begin();
        cancel.cancel();
        assert!(cancel.is_cancelled());
        // Once more, while the reply ends: the next one is not meant.
        cancel.cancel();
        cancel.begin();
        assert!(!cancel.is_cancelled());
        cancel.cancel_all();
        cancel.begin();
        assert!(cancel.is_cancelled());
    }

    #[test]
    fn the_loading_can_be_cancelled_alone() {
        let cancel = Canceller::new();
        cancel.cancel();
        assert!(cancel.is_cancelled());
        cancel.begin();
        assert!(!cancel.is_cancelled());
    }
}
