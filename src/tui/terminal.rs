//! The terminal as a guard object: whoever holds a [`Guard`] has raw mode and the screen, and however it goes away
//! (return, error, panic, signal) the terminal is as it was. Frames go out through [`Writer`], so that a terminal which
//! does not read keeps nobody waiting.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Mutex, Once};
use std::thread::{self, ThreadId};
use std::time::Duration;

use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
    KeyboardEnhancementFlags, PopKeyboardEnhancementFlags, PushKeyboardEnhancementFlags,
};
use crossterm::style::Print;
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute, queue};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::{Frame, Terminal, TerminalOptions, Viewport};

use crate::tui::screen::{Ask, Page, Screen};
use crate::tui::writer::Writer;

/// The wheel sends arrow keys on the alternate screen; the mouse itself stays the terminal's, so that
/// selecting and copying work as everywhere.
const ALTERNATE_SCROLL_ON: &str = "\x1b[?1007h";
const ALTERNATE_SCROLL_OFF: &str = "\x1b[?1007l";

/// How long a terminal that does not read is waited for at the end.
const PATIENCE: Duration = Duration::from_millis(400);

/// Whether the terminal is ours now.
static ACTIVE: AtomicBool = AtomicBool::new(false);
/// Whether the main screen is written to, and not the alternate one.
static INLINE: AtomicBool = AtomicBool::new(false);
/// Whether the mouse was asked for.
static MOUSE: AtomicBool = AtomicBool::new(false);
/// Who writes to it.
static WRITER: Mutex<Option<Writer>> = Mutex::new(None);

/// The terminal while it is ours.
pub struct Guard {
    screen: Terminal<Screen>,
    page: Page,
    writer: Writer,
    viewport: Viewport,
    #[cfg(unix)]
    signals: super::signals::Signals,
}

impl Guard {
    /// Takes the terminal: the alternate screen, or the last `inline` rows of the main one; the `mouse` where it is asked
    /// for.
    ///
    /// # Errors
    /// Where there is no terminal, or it refuses.
    pub fn enter(inline: Option<u16>, mouse: bool) -> io::Result<Guard> {
        install_panic_hook();
        #[cfg(unix)]
        let signals = super::signals::Signals::listen()?;
        let viewport = inline.map_or(Viewport::Fullscreen, Viewport::Inline);
        INLINE.store(inline.is_some(), Ordering::SeqCst);
        MOUSE.store(mouse, Ordering::SeqCst);
        take()?;
        let opened = open(&viewport);
        if opened.is_err() {
            restore();
        }
        let (screen, page, writer) = opened?;
        Ok(Guard {
            screen,
            page,
            writer,
            viewport,
            #[cfg(unix)]
            signals,
        })
    }

    /// Whether the terminal has taken everything that was drawn. Where it has not, there is no use in drawing more.
    ///
    /// # Errors
    /// Where the terminal is gone.
    pub fn idle(&self) -> io::Result<bool> {
        match self.writer.failure() {
            Some(failure) => Err(failure),
            None => Ok(self.writer.idle()),
        }
    }

    /// Waits a little for the terminal to take what was drawn; whether it has.
    #[must_use]
    pub fn caught_up(&self) -> bool {
        self.writer.wait(PATIENCE)
    }

    /// The size of what is drawn on, now. Only while the terminal is idle.
    ///
    /// # Errors
    /// Where the terminal is gone.
    pub fn size(&mut self) -> io::Result<(u16, u16)> {
        // An inline view asks where its cursor has got to: only the terminal knows after a resize.
        self.screen.backend_mut().ask = Ask::Try;
        let resized = self.screen.autoresize();
        self.screen.backend_mut().ask = Ask::No;
        resized?;
        let area = self.screen.get_frame().area();
        Ok((area.width, area.height))
    }

    /// Draws one frame as one synchronized update: the terminal shows it whole or not yet.
    ///
    /// # Errors
    /// Where the terminal is gone.
    pub fn draw(&mut self, render: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.screen.draw(render)?;
        self.hand_over();
        Ok(())
    }

    /// Puts lines above an inline view, where they become part of the scrollback. They reach the terminal with the next
    /// frame.
    ///
    /// # Errors
    /// Where the terminal is gone.
    pub fn print(&mut self, height: u16, render: impl FnOnce(&mut Buffer)) -> io::Result<()> {
        self.screen.insert_before(height, render)
    }

    /// Sends a sequence that changes nothing on the screen.
    pub fn send(&mut self, sequence: &str) {
        self.writer.send(sequence.as_bytes().to_vec());
    }

    fn hand_over(&mut self) {
        let drawn = self.page.take();
        let mut bytes = Vec::with_capacity(drawn.len() + 16);
        let _ = queue!(bytes, BeginSynchronizedUpdate);
        bytes.extend_from_slice(&drawn);
        let _ = queue!(bytes, EndSynchronizedUpdate);
        self.writer.send(bytes);
    }

    /// Forgets what the screen shows, so that the next frame draws every cell. (`Terminal::clear` would ask
    /// the terminal where its cursor is, and wait for an answer that may not come.)
    ///
    /// # Errors
    /// Where the terminal is gone.
    pub fn forget(&mut self) -> io::Result<()> {
        if self.viewport != Viewport::Fullscreen {
            return self.screen.clear();
        }
        let size = self.screen.size()?;
        self.screen.resize(Rect::new(0, 0, size.width, size.height))
    }

    /// The signal that asked us to end, if one did.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        #[cfg(unix)]
        return self.signals.received();
        #[cfg(not(unix))]
        return None;
    }

    /// Whether somebody else asked us to stop as Ctrl+Z does.
    #[must_use]
    pub fn told_to_stop(&self) -> bool {
        #[cfg(unix)]
        return self.signals.told_to_stop();
        #[cfg(not(unix))]
        return false;
    }

    /// Takes the terminal again where we were stopped without being asked: the shell has changed it meanwhile. Whether
    /// that was so.
    ///
    /// # Errors
    /// Where the terminal is gone.
    pub fn resume(&mut self) -> io::Result<bool> {
        #[cfg(unix)]
        if self.signals.went_on() {
            // Its settings are taken from what they are now, which is what the shell has left.
            disable_raw_mode()?;
            take()?;
            self.forget()?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Gives the terminal back, stops this process as Ctrl+Z does, and takes it again when it goes on.
    ///
    /// # Errors
    /// Where the terminal is gone.
    #[cfg(unix)]
    pub fn suspend(&mut self) -> io::Result<()> {
        self.put_away()?;
        restore();
        super::signals::stop()?;
        let _ = self.signals.went_on();
        self.take_again()
    }

    /// Takes the terminal after it was given back: nothing is known of what it shows.
    fn take_again(&mut self) -> io::Result<()> {
        take()?;
        (self.screen, self.page, self.writer) = open(&self.viewport)?;
        if self.viewport == Viewport::Fullscreen { self.forget() } else { Ok(()) }
    }

    /// Gives the terminal back while `run` has it, and takes it again. Its Ctrl+C and Ctrl+Z are for whoever has it.
    ///
    /// # Errors
    /// Where the terminal is gone.
    pub fn lend<T>(&mut self, run: impl FnOnce() -> T) -> io::Result<T> {
        self.put_away()?;
        restore();
        #[cfg(unix)]
        self.signals.lend(true);
        let result = run();
        #[cfg(unix)]
        self.signals.lend(false);
        self.take_again()?;
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

    /// An inline view leaves nothing of itself behind: the prompt of the shell follows the transcript.
    fn put_away(&mut self) -> io::Result<()> {
        if self.viewport != Viewport::Fullscreen && self.writer.wait(PATIENCE) {
            self.screen.clear()?;
            let top = self.screen.get_frame().area().as_position();
            self.screen.set_cursor_position(top)?;
            self.hand_over();
        }
        Ok(())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.put_away();
        restore();
    }
}

/// The screen, its page, and who writes it.
fn open(viewport: &Viewport) -> io::Result<(Terminal<Screen>, Page, Writer)> {
    let page = Page::default();
    let mut screen = Screen::new(page.clone());
    screen.ask = Ask::Must;
    let mut screen = Terminal::with_options(screen, TerminalOptions { viewport: viewport.clone() })?;
    screen.backend_mut().ask = Ask::No;
    let writer = Writer::start(output()?)?;
    if let Ok(mut current) = WRITER.lock() {
        *current = Some(writer.clone());
    }
    Ok((screen, page, writer))
}

/// Standard output past its lock, which a write that waits would hold.
#[cfg(unix)]
fn output() -> io::Result<impl Write + Send + 'static> {
    use std::os::fd::AsFd as _;
    io::stdout().as_fd().try_clone_to_owned().map(std::fs::File::from)
}

/// Standard output: the console wants what Rust makes of UTF-8.
#[cfg(not(unix))]
fn output() -> io::Result<impl Write + Send + 'static> {
    Ok(io::stdout())
}

/// Raw mode, the screen, paste as one event, wheel as arrows.
fn take() -> io::Result<()> {
    enable_raw_mode()?;
    ACTIVE.store(true, Ordering::SeqCst);
    let mut out = io::stdout();
    let entered = match INLINE.load(Ordering::SeqCst) {
        true => execute!(out, EnableBracketedPaste),
        false => execute!(out, EnterAlternateScreen, EnableBracketedPaste, Print(ALTERNATE_SCROLL_ON)),
    };
    if entered.is_err() {
        restore();
    }
    if MOUSE.load(Ordering::SeqCst) {
        let _ = execute!(out, EnableMouseCapture);
    }
    // Lets Shift+Enter be told from Enter where the terminal can; others ignore it, old consoles refuse.
    let _ = execute!(out, PushKeyboardEnhancementFlags(KeyboardEnhancementFlags::DISAMBIGUATE_ESCAPE_CODES));
    entered
}

/// Gives the terminal back, once. Every step is tried, whatever became of the one before: the terminal may
/// be gone, and then there is nobody left to tell; or it may not read, and then it is not waited for.
pub(crate) fn restore() {
    if !ACTIVE.swap(false, Ordering::SeqCst) {
        return;
    }
    let writer = WRITER.try_lock().ok().and_then(|mut writer| writer.take());
    if let Some(writer) = writer {
        writer.wait(PATIENCE);
        writer.close();
    }
    let mut bytes = Vec::new();
    let _ = queue!(bytes, PopKeyboardEnhancementFlags);
    let _ = queue!(bytes, EndSynchronizedUpdate, DisableBracketedPaste);
    if MOUSE.load(Ordering::SeqCst) {
        let _ = queue!(bytes, DisableMouseCapture);
    }
    if !INLINE.load(Ordering::SeqCst) {
        let _ = queue!(bytes, Print(ALTERNATE_SCROLL_OFF), LeaveAlternateScreen);
    }
    let _ = queue!(bytes, cursor::Show);
    let (done, written) = channel();
    let spawned = thread::Builder::new().spawn(move || {
        let _ = output().and_then(|mut out| out.write_all(&bytes).and_then(|()| out.flush()));
        let _ = done.send(());
    });
    if spawned.is_ok() {
        let _ = written.recv_timeout(PATIENCE);
    }
    let _ = disable_raw_mode();
}

/// The thread that draws: a panic there ends the UI.
static DRAWING: Mutex<Option<ThreadId>> = Mutex::new(None);
/// What a panic of another thread said while the screen was ours.
static ELSEWHERE: Mutex<Option<String>> = Mutex::new(None);

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
