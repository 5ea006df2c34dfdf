//! Markdown that comes in pieces, as rows of the screen.
//!
//! The text is split into blocks as it grows. A block that another one follows is closed: nothing that comes
//! later can change it, so its rows are final. Only what is open (the last block, the last item of a list)
//! is parsed again with every piece, and what is open is bounded (`open.rs`). The rows are a function of
//! the text alone, whatever pieces it came in; so are the boundaries that they were frozen at.
//!
//! ```text
//! text ─► open: lines, code, blocks ─parse─► blocks ─layout─► rows   (looks, not colours: the theme's)
//!                                                              ▲
//!                              paint: a thread that reads code ┘
//! ```

mod code;
mod colours;
mod fence;
mod layout;
mod lines;
mod mend;
mod open;
pub mod paint;
mod parse;
pub mod row;
mod settle;
mod table;
mod words;

use open::Open;
use row::Row;

/// A growing text as rows.
#[derive(Debug, Default)]
pub struct Markdown {
    columns: usize,
    /// Bytes of the text that the rows show, and whether it was whole.
    shown: (usize, bool),
    /// The rows; those beyond `open.settled` may still change.
    rows: Vec<Row>,
    open: Open,
}

impl Markdown {
    /// Makes the rows those of `text` at `columns`. `text` must be the text of the last call, or that with
    /// more behind it; after any other change call [`Markdown::forget`] first. `whole`: nothing will follow.
    pub fn fit(&mut self, text: &str, columns: usize, whole: bool) {
        let columns = columns.max(1);
        if columns != self.columns || text.len() < self.shown.0 || (self.shown.1 && !whole) {
            self.forget();
            self.columns = columns;
        }
        if self.shown == (text.len(), whole) {
            self.open.colour(&mut self.rows);
            return;
        }
        self.rows.truncate(self.open.settled);
        self.open.take(text, whole, columns, &mut self.rows);
        self.shown = (text.len(), whole);
    }

    /// Drops everything: the text has changed, not grown.
    pub fn forget(&mut self) {
        *self = Markdown { columns: self.columns, ..Markdown::default() };
    }

    /// The rows.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Bytes that were given to the parser so far: a measure of the work.
    #[must_use]
    pub fn parsed(&self) -> u64 {
        self.open.parsed
    }
}
