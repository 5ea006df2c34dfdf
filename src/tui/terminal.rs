//! The terminal as a guard object: whoever holds a [`Guard`] has raw mode and the alternate screen, and
//! however it goes away (return, error, panic, signal) the terminal is as it was.

use std::io::{self, BufWriter, Stdout, Write};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ThreadId;

use crossterm::event::{
    DisableBracketedPaste, EnableBracketedPaste, KeyboardEnhancementFlags, PopKeyboardEnhancementFlags,
    PushKeyboardEnhancementFlags,
};
use crossterm::style::Print;
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute, queue};
use ratatui::Frame;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;

/// The wheel sends arrow keys on the alternate screen; the mouse itself stays the terminal's, so that
/// selecting and copying work as everywhere.
const ALTERNATE_SCROLL_ON: &str = "\x1b[?1007h";
const ALTERNATE_SCROLL_OFF: &str = "\x1b[?1007l";

/// One frame in one write: a frame of 300 by 100 cells with styles is within this.
const FRAME_BYTES: usize = 256 * 1024;

/// Whether the terminal is ours now.
static ACTIVE: AtomicBool = AtomicBool::new(false);

/// The terminal while it is ours.
pub struct Guard {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
    #[cfg(unix)]
    signals: unix::Signals,
}

impl Guard {
    /// Takes the terminal.
    ///
    /// # Errors
    /// Where there is no terminal, or it refuses.
    pub fn enter() -> io::Result<Guard> {
        install_panic_hook();
        #[cfg(unix)]
        let signals = unix::Signals::listen()?;
        take()?;
        let backend = CrosstermBackend::new(BufWriter::with_capacity(FRAME_BYTES, io::stdout()));
        match Terminal::new(backend) {
            Ok(terminal) => Ok(Guard {
                terminal,
                #[cfg(unix)]
                signals,
            }),
            Err(error) => {
                restore();
                Err(error)
            }
        }
    }

    /// The screen's size now.
    ///
    /// # Errors
    /// Where the terminal is gone.
    pub fn size(&mut self) -> io::Result<(u16, u16)> {
        self.terminal.autoresize()?;
        let size = self.terminal.size()?;
        Ok((size.width, size.height))
    }

    /// Draws one frame as one synchronized update: the terminal shows it whole or not yet.
    ///
    /// # Errors
    /// Where the terminal is gone.
    pub fn draw(&mut self, render: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        let drawn = self.terminal.draw(render).map(|_| ());
        queue!(self.terminal.backend_mut(), EndSynchronizedUpdate)?;
        Write::flush(self.terminal.backend_mut())?;
        drawn
    }

    /// Forgets what the screen shows, so that the next frame draws every cell. (`Terminal::clear` would ask
    /// the terminal where its cursor is, and wait for an answer that may not come.)
    ///
    /// # Errors
    /// Where the terminal is gone.
    pub fn forget(&mut self) -> io::Result<()> {
        let size = self.terminal.size()?;
        self.terminal.resize(Rect::new(0, 0, size.width, size.height))
    }

    /// The signal that asked us to end, if one did.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        #[cfg(unix)]
        return self.signals.received();
        #[cfg(not(unix))]
        return None;
    }

    /// Gives the terminal back, stops this process as Ctrl+Z does, and takes it again when it goes on.
    ///
    /// # Errors
    /// Where the terminal is gone.
    #[cfg(unix)]
    pub fn suspend(&mut self) -> io::Result<()> {
        restore();
        unix::stop()?;
        take()?;
        self.forget()
    }

    /// Gives the terminal back while `run` has it, and takes it again. Ctrl+C is for whoever has it.
    ///
    /// # Errors
    /// Where the terminal is gone.
    pub fn lend<T>(&mut self, run: impl FnOnce() -> T) -> io::Result<T> {
        restore();
        #[cfg(unix)]
        self.signals.lend(true);
        let result = run();
        #[cfg(unix)]
        self.signals.lend(false);
        take()?;
        self.forget()?;
        Ok(result)
    }

    /// This system knows no such thing.
    ///
    /// # Errors
    /// Never.
    #[cfg(not(unix))]
    pub fn suspend(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        restore();
    }
}

/// Raw mode, alternate screen, paste as one event, wheel as arrows.
fn take() -> io::Result<()> {
    enable_raw_mode()?;
    ACTIVE.store(true, Ordering::SeqCst);
    let mut out = io::stdout();
    let entered = execute!(out, EnterAlternateScreen, EnableBracketedPaste, Print(ALTERNATE_SCROLL_ON));
    if entered.is_err() {
        restore();
    }
    // Lets Shift+Enter be told from Enter where the terminal can; others ignore it, old consoles refuse.
    let _ = execute!(out, PushKeyboardEnhancementFlags(KeyboardEnhancementFlags::DISAMBIGUATE_ESCAPE_CODES));
    entered
}

/// Gives the terminal back, once. Every step is tried, whatever became of the one before: the terminal may
/// be gone, and then there is nobody left to tell.
pub(crate) fn restore() {
    if !ACTIVE.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = io::stdout();
    let _ = execute!(out, PopKeyboardEnhancementFlags);
    let _ = execute!(
        out,
        EndSynchronizedUpdate,
        Print(ALTERNATE_SCROLL_OFF),
        DisableBracketedPaste,
        LeaveAlternateScreen,
        cursor::Show
    );
    let _ = disable_raw_mode();
}

/// The thread that draws: a panic there ends the UI.
static DRAWING: std::sync::Mutex<Option<ThreadId>> = std::sync::Mutex::new(None);
/// What a panic of another thread said while the screen was ours.
static ELSEWHERE: std::sync::Mutex<Option<String>> = std::sync::Mutex::new(None);

/// Makes a panic restore the terminal before it prints. A panic of another thread (the engine's) must not
/// print into a screen that goes on being drawn: its words are kept for [`panic_elsewhere`].
fn install_panic_hook() {
    static HOOK: Once = Once::new();
    if let Ok(mut drawing) = DRAWING.lock() {
        *drawing = Some(std::thread::current().id());
    }
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let ours = DRAWING.lock().is_ok_and(|drawing| *drawing == Some(std::thread::current().id()));
            if ours || !ACTIVE.load(Ordering::SeqCst) {
                restore();
                previous(info);
            } else if let Ok(mut words) = ELSEWHERE.lock() {
                *words = Some(info.to_string());
            }
        }));
    });
}

/// What a panic of another thread said while the screen was ours.
pub(crate) fn panic_elsewhere() -> Option<String> {
    ELSEWHERE.lock().ok().and_then(|mut words| words.take())
}

#[cfg(unix)]
mod unix {
    use std::io;
    use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
    use std::sync::{Arc, OnceLock};
    use std::thread::{self, JoinHandle};
    use std::time::{Duration, Instant};

    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGTSTP};
    use signal_hook::flag::register_conditional_default;
    use signal_hook::iterator::{Handle, Signals as Incoming};
    use signal_hook::low_level::emulate_default_handler;

    /// How long the run loop has to end by itself. It may be unable to: crossterm spins inside `poll` on a
    /// terminal that is gone.
    const GRACE: Duration = Duration::from_millis(1500);

    /// What asks us to end.
    const ENDING: [i32; 3] = [SIGTERM, SIGHUP, SIGINT];

    /// Whether signals do what they do by default: while the screen is not ours. Without this they would do
    /// nothing at all once we have listened, since signal-hook's handler stays.
    fn by_default() -> io::Result<&'static AtomicBool> {
        static DEFAULT: OnceLock<Arc<AtomicBool>> = OnceLock::new();
        if let Some(flag) = DEFAULT.get() {
            return Ok(flag);
        }
        let flag = Arc::new(AtomicBool::new(false));
        for signal in ENDING {
            register_conditional_default(signal, Arc::clone(&flag))?;
        }
        Ok(DEFAULT.get_or_init(|| flag))
    }

    /// Signals that ask us to end, noticed by a thread of their own.
    pub(super) struct Signals {
        received: Arc<AtomicI32>,
        /// The terminal is somebody else's: its Ctrl+C is not meant for us.
        lent: Arc<AtomicBool>,
        handle: Handle,
        thread: Option<JoinHandle<()>>,
    }

    impl Signals {
        pub(super) fn listen() -> io::Result<Signals> {
            let mut incoming = Incoming::new(ENDING)?;
            by_default()?.store(false, Ordering::SeqCst);
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
                super::restore();
                let _ = emulate_default_handler(signal);
            })?;
            Ok(Signals { received, lent, handle, thread: Some(thread) })
        }

        /// Whether the terminal is somebody else's for now.
        pub(super) fn lend(&self, lent: bool) {
            self.lent.store(lent, Ordering::SeqCst);
        }

        pub(super) fn received(&self) -> Option<i32> {
            Some(self.received.load(Ordering::SeqCst)).filter(|signal| *signal != 0)
        }
    }

    impl Drop for Signals {
        fn drop(&mut self) {
            if let Ok(flag) = by_default() {
                flag.store(true, Ordering::SeqCst);
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
}
