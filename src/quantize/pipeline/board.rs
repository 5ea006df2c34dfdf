//! Hands results over from threads that finish in any order to one that takes them in order.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Pieces of work `0..count`, and what has come of them.
pub(super) struct Board<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    count: usize,
    /// Pieces that may be claimed, or lie ready, before the one to be taken next is there.
    window: usize,
}

struct State<T> {
    claimed: usize,
    taken: usize,
    ready: BTreeMap<usize, T>,
    is_closed: bool,
}

impl<T> Board<T> {
    /// A board of the pieces `first..count`.
    pub(super) fn new(first: usize, count: usize, window: usize) -> Board<T> {
        let state = State { claimed: first, taken: first, ready: BTreeMap::new(), is_closed: false };
        Board { state: Mutex::new(state), changed: Condvar::new(), count, window: window.max(1) }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // A thread that panicked held no half-changed state: every change is one assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next piece to work on; waits where others are too far behind. `None` when there is nothing more to do.
    pub(super) fn claim(&self) -> Option<usize> {
        let mut state = self.lock();
        loop {
            if state.is_closed || state.claimed >= self.count {
                return None;
            }
            if state.claimed < state.taken.saturating_add(self.window) {
                state.claimed += 1;
                return Some(state.claimed - 1);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Puts the result of a claimed piece.
    pub(super) fn put(&self, number: usize, result: T) {
        self.lock().ready.insert(number, result);
        self.changed.notify_all();
    }

    /// The next result in order; waits for it. `None` after the last one, or when the board was closed.
    pub(super) fn take(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            if state.is_closed || state.taken >= self.count {
                return None;
            }
            let next = state.taken;
            if let Some(result) = state.ready.remove(&next) {
                state.taken += 1;
                drop(state);
                self.changed.notify_all();
                return Some(result);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Sends everyone home.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }
}

/// Closes the board when dropped: nobody waits for a thread that has ended early, by a panic too.
pub(super) struct Closing<'a, T>(pub(super) &'a Board<T>);

impl<T> Drop for Closing<'_, T> {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn results_come_in_order_and_nobody_runs_ahead() {
        let board = Board::new(3, 200, 5);
        let (taken, furthest) = (AtomicUsize::new(3), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while let Some(number) = board.claim() {
                        let ahead = number - taken.load(Ordering::SeqCst).min(number);
                        furthest.fetch_max(ahead, Ordering::SeqCst);
                        board.put(number, number * 7);
                    }
                });
            }
            let mut expected = 3;
            while let Some(result) = board.take() {
                assert_eq!(result, expected * 7);
                expected += 1;
                taken.store(expected, Ordering::SeqCst);
            }
            assert_eq!(expected, 200);
        });
        // `taken` is stored after the board has moved on: one more than the window may be seen.
        assert!(furthest.load(Ordering::SeqCst) <= 6, "{furthest:?}");
    }

    #[test]
    fn closing_sends_everyone_home() {
        let board = Board::<()>::new(0, 10, 1);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _closing = Closing(&board);
                assert_eq!(board.claim(), Some(0));
            });
            assert_eq!(board.take(), None);
        });
        assert_eq!(board.claim(), None);
    }
}
