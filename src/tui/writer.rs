//! Writing to the terminal, on a thread of its own. A terminal can be slow (ssh), stopped (Ctrl+S) or read by nobody; a
//! write to it then waits, and nothing else may wait with it. One page is on its way at a time: the next frame is drawn
//! when it has arrived, from the state as it is then, so nothing piles up either.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Hands pages to the thread that writes.
#[derive(Clone)]
pub struct Writer(Arc<Shared>);

struct Shared {
    desk: Mutex<Desk>,
    changed: Condvar,
}

#[derive(Default)]
struct Desk {
    page: Option<Vec<u8>>,
    writing: bool,
    closed: bool,
    failure: Option<io::Error>,
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// Where there can be no more threads.
    pub fn start(out: impl Write + Send + 'static) -> io::Result<Writer> {
        let shared = Arc::new(Shared { desk: Mutex::new(Desk::default()), changed: Condvar::new() });
        let own = Arc::clone(&shared);
        thread::Builder::new().name("terminal".to_owned()).spawn(move || serve(&own, out))?;
        Ok(Writer(shared))
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        // The thread holds the lock for moments only, and does not panic in them.
        self.0.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether everything handed over has been written.
    #[must_use]
    pub fn idle(&self) -> bool {
        let desk = self.desk();
        desk.page.is_none() && !desk.writing
    }

    /// Hands bytes over, behind those that wait already. Never waits.
    pub fn send(&self, bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let mut desk = self.desk();
        match &mut desk.page {
            Some(page) => page.extend_from_slice(&bytes),
            None => desk.page = Some(bytes),
        }
        self.0.changed.notify_all();
    }

    /// Waits until everything is written, but no longer than this; whether it is.
    pub fn wait(&self, at_most: Duration) -> bool {
        let until = Instant::now() + at_most;
        let mut desk = self.desk();
        while desk.page.is_some() || desk.writing {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            desk = self.0.changed.wait_timeout(desk, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Why the last write failed, if it did: the terminal is gone.
    #[must_use]
    pub fn failure(&self) -> Option<io::Error> {
        self.desk().failure.take()
    }

    /// Nothing more is written, not even what waits; the thread ends once it can.
    pub fn close(&self) {
        let mut desk = self.desk();
        desk.closed = true;
        desk.page = None;
        self.0.changed.notify_all();
    }
}

fn serve(shared: &Shared, mut out: impl Write) {
    let lock = || shared.desk.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let page = {
            let mut desk = lock();
            loop {
                if desk.closed {
                    return;
                }
                if let Some(page) = desk.page.take() {
                    desk.writing = true;
                    break page;
                }
                desk = shared.changed.wait(desk).unwrap_or_else(PoisonError::into_inner);
            }
        };
        let written = out.write_all(&page).and_then(|()| out.flush());
        let mut desk = lock();
        desk.writing = false;
        desk.failure = written.err();
        shared.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// A terminal whose reader decides when a write ends.
    struct Slow {
        written: Sender<Vec<u8>>,
        go_on: Receiver<()>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.go_on.recv().map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
            let _ = self.written.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_terminal_that_nobody_reads_keeps_nobody_waiting() {
        let (written, pages) = channel();
        let (reader, go_on) = channel();
        let writer = Writer::start(Slow { written, go_on }).unwrap();
        assert!(writer.idle());
        writer.send(b"one".to_vec());
        // Were this to wait for the terminal, it would wait for ever.
        writer.send(b"two".to_vec());
        assert!(!writer.idle());
        assert!(!writer.wait(Duration::from_millis(1)));
        // One page is being written, or will be; what was handed over since follows it, in one piece or in two.
        for _ in 0..2 {
            reader.send(()).unwrap();
        }
        assert!(writer.wait(LONG), "it is idle again");
        assert!(writer.idle() && writer.failure().is_none());
        assert_eq!(pages.try_iter().collect::<Vec<_>>().concat(), b"onetwo");
    }

    #[test]
    fn a_lost_terminal_is_told_and_a_closed_one_is_not_written_to() {
        let (written, pages) = channel();
        let (reader, go_on) = channel();
        let writer = Writer::start(Slow { written, go_on }).unwrap();
        drop(reader);
        writer.send(b"x".to_vec());
        assert!(writer.wait(LONG));
        assert_eq!(writer.failure().map(|error| error.kind()), Some(io::ErrorKind::BrokenPipe));
        writer.close();
        // The thread ends, and with it the terminal's end of the channel.
        assert_eq!(pages.recv_timeout(LONG), Err(std::sync::mpsc::RecvTimeoutError::Disconnected));
    }
}
