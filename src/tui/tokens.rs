//! The token view: the conversation as the tokens it was written in, each with who chose it. It stands in the
//! transcript's place and shows the model's text as it came, markup and all; the transcript's own view is not touched.
//!
//! A conversation may have millions of tokens: only entries in view, and those near it, have rows. So the place of the
//! view is an entry and a row of it, and where it is moved to is known when it is fitted.

mod rows;

use crate::token::TokenSpan;
use crate::tui::entry::{Entry, Tone};
use crate::tui::tokens::rows::Block;
use crate::tui::transcript::Transcript;

/// Entries on each side of the view that keep their rows.
const KEPT: usize = 24;

/// The tokens of a reply, as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    /// Of the answer.
    pub answer: Vec<TokenSpan>,
    /// Of the reasoning.
    pub reasoning: Vec<TokenSpan>,
}

/// What a piece of a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Guessed by the drafter and accepted.
    Accepted,
    /// The target's own.
    Own,
    /// Guessed and thrown away.
    Rejected,
    /// No token: what the transcript shows in this tone.
    Other(Tone),
}

/// Text of one kind on a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What it is.
    pub kind: Kind,
    /// The text: clean, on one line.
    pub text: String,
}

/// One line of the screen.
pub type Row = Vec<Piece>;

/// A row of an entry.
type Place = (usize, usize);

/// The view: whether it is shown, what of it, and where.
#[derive(Debug, Default)]
pub struct TokenView {
    /// It is shown.
    pub shown: bool,
    /// Rejected guesses are shown with it.
    pub rejected: bool,
    blocks: Vec<Block>,
    columns: usize,
    rows: usize,
    /// The row at the top, where the view was left; `None` follows the end.
    top: Option<Place>,
    /// Rows to move by when it is fitted next.
    moved: isize,
    /// The row at the top as it was fitted last.
    first: Place,
}

impl TokenView {
    /// Forgets all rows: the conversation has changed otherwise than by growing.
    pub fn forget(&mut self) {
        self.blocks.clear();
    }

    /// Moves the view; reaching the end makes it follow again.
    pub fn scroll(&mut self, lines: isize) {
        match lines {
            isize::MIN => (self.top, self.moved) = (Some((0, 0)), 0),
            isize::MAX => (self.top, self.moved) = (None, 0),
            _ => self.moved = self.moved.saturating_add(lines),
        }
    }

    /// Moves the view by whole pages, one line kept in sight.
    pub fn page(&mut self, pages: isize) {
        self.scroll(pages * isize::try_from(self.rows.saturating_sub(1).max(1)).unwrap_or(1));
    }

    /// Makes the rows that are in view, for a view of this size. Nothing is drawn before it.
    pub fn fit(&mut self, transcript: &Transcript, columns: usize, rows: usize) {
        let moved = std::mem::take(&mut self.moved);
        if !self.shown {
            self.blocks.clear();
            return;
        }
        if columns != self.columns {
            self.blocks.clear();
        }
        (self.columns, self.rows) = (columns, rows);
        let entries: Vec<&Entry> = transcript.entries().collect();
        self.blocks.resize_with(entries.len(), Block::default);
        let end = self.end(&entries);
        let top = match self.top {
            None if moved >= 0 => end,
            top => self.move_by(&entries, top.unwrap_or(end), moved),
        };
        self.top = (top < end).then_some(top);
        self.first = top.min(end);
        let (mut last, mut seen) = (self.first.0, 0);
        while last < entries.len() && seen < rows + self.first.1 {
            seen += self.height(&entries, last);
            last += 1;
        }
        let near = self.first.0.saturating_sub(KEPT)..last + KEPT;
        for (at, block) in self.blocks.iter_mut().enumerate() {
            if !near.contains(&at) {
                *block = Block::default();
            }
        }
    }

    /// The rows of an entry; the empty one that ends the last entry is not counted.
    fn height(&mut self, entries: &[&Entry], at: usize) -> usize {
        let rows = self.blocks[at].lay(entries[at], self.columns, self.rejected);
        rows - usize::from(at + 1 == entries.len())
    }

    /// The place of the view that shows the end.
    fn end(&mut self, entries: &[&Entry]) -> Place {
        let mut missing = self.rows;
        for at in (0..entries.len()).rev() {
            let height = self.height(entries, at);
            if height >= missing {
                return (at, height - missing);
            }
            missing -= height;
        }
        (0, 0)
    }

    fn move_by(&mut self, entries: &[&Entry], (at, row): Place, lines: isize) -> Place {
        let last = entries.len().saturating_sub(1);
        let (mut at, mut row) = (at.min(last), row.saturating_add_signed(lines.max(0)));
        let mut up = lines.min(0).unsigned_abs();
        while up > row && at > 0 {
            up -= row;
            at -= 1;
            row = self.height(entries, at);
        }
        row = row.saturating_sub(up);
        while at < last && row >= self.height(entries, at) {
            row -= self.height(entries, at);
            at += 1;
        }
        (at, row)
    }

    /// The rows in view.
    pub fn visible(&self) -> impl Iterator<Item = &Row> {
        let (at, row) = self.first;
        self.blocks.iter().skip(at).flat_map(Block::rows).skip(row).take(self.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The view over many entries shows what one over all their rows would, and makes few of them.
    #[test]
    fn it_moves_as_over_all_rows_and_makes_those_in_view() {
        let mut transcript = Transcript::default();
        for number in 0..300 {
            transcript.push(Entry::User((0..number % 7).map(|line| format!("{number} {line}\n")).collect()));
        }
        let mut all = Vec::new();
        for entry in transcript.entries() {
            let mut block = Block::default();
            block.lay(entry, 20, false);
            all.extend(block.rows().to_vec());
        }
        all.pop();
        let height = 13;
        let end = all.len() - height;
        let mut view = TokenView { shown: true, ..TokenView::default() };
        let (mut top, mut random) = (end, 7_usize);
        for step in 0..2000 {
            let lines = match step % 400 {
                0 => isize::MIN,
                200 => isize::MAX,
                _ => (random >> 33) as isize % 31 - if step % 100 < 50 { 20 } else { 10 },
            };
            view.scroll(lines);
            top = top.saturating_add_signed(lines).min(end);
            view.fit(&transcript, 20, height);
            let shown: Vec<&Row> = view.visible().collect();
            assert_eq!(shown, all[top..top + height].iter().collect::<Vec<_>>(), "step {step}, row {top}");
            assert_eq!(view.top.is_none(), top == end, "it follows the end when it is there");
            let made = view.blocks.iter().filter(|block| !block.rows().is_empty()).count();
            assert!(made <= 2 * KEPT + height + 31, "{made} entries have rows");
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        }
    }
}
