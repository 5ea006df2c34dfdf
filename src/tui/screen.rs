//! What ratatui draws on: crossterm's sequences, collected on a page until the frame is whole.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};

/// The bytes of a frame.
#[derive(Clone, Default)]
pub struct Page(Rc<RefCell<Vec<u8>>>);

impl Page {
    /// Takes them all.
    #[must_use]
    pub fn take(&self) -> Vec<u8> {
        self.0.take()
    }
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Nothing leaves before the frame is whole.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// crossterm's backend, but for one thing: where the cursor is, it mostly knows. To ask the terminal takes an answer that
/// may not come, and an inline view asks at every line it prints.
pub struct Screen {
    inner: CrosstermBackend<Page>,
    cursor: Position,
    /// Whether the terminal is asked.
    pub ask: Ask,
}

/// Whether the terminal is asked where its cursor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// It is not: what was said last is believed.
    No,
    /// After it was resized. Where it does not answer, what was said last is the best there is.
    Try,
    /// At the start, where nothing was said yet.
    Must,
}

impl Screen {
    /// One that writes on this page.
    #[must_use]
    pub fn new(page: Page) -> Screen {
        Screen { inner: CrosstermBackend::new(page), cursor: Position::ORIGIN, ask: Ask::No }
    }
}

impl Backend for Screen {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        self.inner.draw(content)
    }

    fn append_lines(&mut self, lines: u16) -> io::Result<()> {
        self.inner.append_lines(lines)
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.inner.hide_cursor()
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.inner.show_cursor()
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        match self.ask {
            Ask::No => {}
            Ask::Try => self.cursor = self.inner.get_cursor_position().unwrap_or(self.cursor),
            Ask::Must => self.cursor = self.inner.get_cursor_position()?,
        }
        Ok(self.cursor)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.cursor = position.into();
        self.inner.set_cursor_position(self.cursor)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.inner.clear()
    }

    fn clear_region(&mut self, region: ClearType) -> io::Result<()> {
        self.inner.clear_region(region)
    }

    fn size(&self) -> io::Result<Size> {
        self.inner.size()
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        self.inner.window_size()
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
