//! Signals while the screen is ours: what asks us to end, what asks us to stop for a while, and the news that we go on.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP};
use signal_hook::flag::{register, register_conditional_default};
use signal_hook::iterator::{Handle, Signals as Incoming};
use signal_hook::low_level::emulate_default_handler;

/// How long the run loop has to end by itself. It may be unable to: crossterm spins inside `poll` on a
/// terminal that is gone.
const GRACE: Duration = Duration::from_millis(1500);

/// What asks us to end.
const ENDING: [i32; 3] = [SIGTERM, SIGHUP, SIGINT];

/// Whether signals do what they do by default: while the screen is not ours. Without this they would do
/// nothing at all once we have listened, since signal-hook's handler stays.
struct ByDefault {
    /// What asks us to end.
    ends: Arc<AtomicBool>,
    /// Ctrl+Z: also while somebody else has the terminal, who is stopped with us.
    stops: Arc<AtomicBool>,
}

impl ByDefault {
    fn get() -> io::Result<&'static ByDefault> {
        static DEFAULT: OnceLock<ByDefault> = OnceLock::new();
        if let Some(known) = DEFAULT.get() {
            return Ok(known);
        }
        let new = ByDefault { ends: Arc::default(), stops: Arc::default() };
        register_conditional_default(SIGTSTP, Arc::clone(&new.stops))?;
        for signal in ENDING {
            register_conditional_default(signal, Arc::clone(&new.ends))?;
        }
        Ok(DEFAULT.get_or_init(|| new))
    }

    fn set(&self, on: bool) {
        self.ends.store(on, Ordering::SeqCst);
        self.stops.store(on, Ordering::SeqCst);
    }
}

/// Signals that ask us to end, noticed by a thread of their own.
pub(super) struct Signals {
    received: Arc<AtomicI32>,
    /// The terminal is somebody else's: its Ctrl+C is not meant for us.
    lent: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    went_on: Arc<AtomicBool>,
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Signals> {
        let mut incoming = Incoming::new(ENDING)?;
        ByDefault::get()?.set(false);
        let handle = incoming.handle();
        let received = Arc::new(AtomicI32::new(0));
        let flag = Arc::clone(&received);
        let closed = handle.clone();
        let lent = Arc::new(AtomicBool::new(false));
        let is_lent = Arc::clone(&lent);
        let thread = thread::Builder::new().name("signals".to_string()).spawn(move || {
            let meant = |signal: &i32| *signal != SIGINT || !is_lent.load(Ordering::SeqCst);
            let Some(signal) = incoming.forever().find(meant) else {
                return;
            };
            flag.store(signal, Ordering::SeqCst);
            let until = Instant::now() + GRACE;
            while Instant::now() < until {
                if closed.is_closed() {
                    return;
                }
                thread::sleep(Duration::from_millis(10));
            }
            super::terminal::restore();
            let _ = emulate_default_handler(signal);
        })?;
        let (stop, went_on) = (Arc::default(), Arc::default());
        register(SIGTSTP, Arc::clone(&stop))?;
        register(SIGCONT, Arc::clone(&went_on))?;
        Ok(Signals { received, lent, stop, went_on, handle, thread: Some(thread) })
    }

    pub(super) fn received(&self) -> Option<i32> {
        Some(self.received.load(Ordering::SeqCst)).filter(|signal| *signal != 0)
    }

    /// Whether the terminal is somebody else's for now.
    pub(super) fn lend(&self, lent: bool) {
        self.lent.store(lent, Ordering::SeqCst);
        if let Ok(default) = ByDefault::get() {
            default.stops.store(lent, Ordering::SeqCst);
        }
        if !lent {
            // What was meant for somebody else is over.
            let _ = (self.told_to_stop(), self.went_on());
        }
    }

    /// Whether SIGTSTP has come since the last look.
    pub(super) fn told_to_stop(&self) -> bool {
        self.stop.swap(false, Ordering::SeqCst)
    }

    /// Whether SIGCONT has come since the last look: we were stopped, and the shell has had the terminal.
    pub(super) fn went_on(&self) -> bool {
        self.went_on.swap(false, Ordering::SeqCst)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        if let Ok(default) = ByDefault::get() {
            default.set(true);
        }
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Stops this process until it is told to go on.
pub(super) fn stop() -> io::Result<()> {
    emulate_default_handler(SIGTSTP)
}
