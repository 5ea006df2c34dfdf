//! The conversation as the screen shows it: entries, and the view's place in them.
//!
//! The entries are also the conversation itself: [`Transcript::messages`] reads what is sent to the model
//! from them, so what is on the screen and what the model sees cannot drift apart.
//!
//! A conversation may be long: only entries in view, and those near it, are laid out. The others count by the
//! height they had, or by a guess; so the place of the view is an entry and a row of it, never a number of
//! rows from the start.

use std::collections::VecDeque;

use crate::request::{Message, Role};
use crate::tui::entry::{Block, Entry, ReplyEntry, Shown};

/// Entries that are laid out at a time, those in view not counted.
const KEPT: usize = 48;

/// A row of an entry.
type Place = (usize, usize);

/// All entries and the view's place.
#[derive(Debug, Default)]
pub struct Transcript {
    blocks: Vec<Block>,
    /// Reasoning is shown in full.
    pub thoughts_open: bool,
    columns: usize,
    rows: usize,
    /// The row at the top of the view, where it was left; `None` follows the end.
    top: Option<Place>,
    /// The row at the top of the view as it was fitted last.
    first: Place,
    /// The first entry that could still grow when the view left the end, and the rows from it on.
    left: Place,
    /// Entries that are laid out, the oldest layout first.
    laid: VecDeque<usize>,
}

impl Transcript {
    /// Adds an entry and gives its index, which holds until entries are removed.
    pub fn push(&mut self, entry: Entry) -> usize {
        self.blocks.push(Block::new(entry));
        self.blocks.len() - 1
    }

    /// The model's turn at `index`, where it is one.
    pub fn reply_mut(&mut self, index: usize) -> Option<&mut ReplyEntry> {
        self.blocks.get_mut(index)?.reply_mut()
    }

    /// Puts the engine's final text in place of what was streamed, where they differ.
    pub fn settle(&mut self, index: usize, answer: &str, reasoning: &str) {
        if let Some(block) = self.blocks.get_mut(index) {
            block.settle(answer, reasoning);
        }
    }

    /// The entries.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.blocks.iter().map(Block::entry)
    }

    /// The entry at `index`.
    #[must_use]
    pub fn entry(&self, index: usize) -> Option<&Entry> {
        self.blocks.get(index).map(Block::entry)
    }

    /// What the model has been told and has said, without reasoning. A question that got no answer (an
    /// error, or stopped before the first word) is left out, since templates want turns to alternate; the
    /// last one, which waits for its answer, is in.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        let mut messages = Vec::new();
        let mut asked: Option<&String> = None;
        for entry in self.entries() {
            match entry {
                Entry::User(text) => asked = Some(text),
                Entry::Reply(reply) if !reply.answer.trim().is_empty() => {
                    if let Some(text) = asked.take() {
                        messages.push(Message { role: Role::User, text: text.clone() });
                        messages.push(Message { role: Role::Model, text: reply.answer.clone() });
                    }
                }
                // An answer without words: its question is not asked any more, unless it is asked again.
                Entry::Reply(reply) if !reply.running => asked = None,
                _ => {}
            }
        }
        if let Some(text) = asked {
            messages.push(Message { role: Role::User, text: text.clone() });
        }
        messages
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// Removes the last question and what came after it, and gives it back.
    pub fn undo(&mut self) -> Option<String> {
        let at = self.blocks.iter().rposition(|block| matches!(block.entry(), Entry::User(_)))?;
        let Entry::User(text) = self.blocks[at].entry() else { return None };
        let text = text.clone();
        self.truncate(at);
        Some(text)
    }

    fn truncate(&mut self, count: usize) {
        self.blocks.truncate(count);
        self.laid.retain(|index| *index < count);
        self.top = None;
    }

    /// Removes the first entries.
    pub fn drop_first(&mut self, count: usize) {
        self.blocks.drain(..count.min(self.blocks.len()));
        self.laid.retain(|index| *index >= count);
        self.laid.iter_mut().for_each(|index| *index -= count);
        (self.top, self.first) = (None, (0, 0));
    }

    /// Lays out one entry, wherever the view is.
    pub fn fit_entry(&mut self, index: usize) {
        self.lay(index);
    }

    /// All lines of an entry that is laid out.
    #[must_use]
    pub fn whole(&self, index: usize) -> Vec<Shown<'_>> {
        let mut out = Vec::new();
        if let Some(block) = self.blocks.get(index) {
            block.shown(self.columns, self.thoughts_open, 0, usize::MAX, &mut out);
        }
        out
    }

    /// Lays out what is in view, for a view of this size. Nothing is drawn before it.
    pub fn fit(&mut self, columns: usize, rows: usize) {
        if columns != self.columns {
            let (index, before) = self.left;
            let new = self.rows_from(index).saturating_sub(before);
            self.columns = columns;
            if self.top.is_some() {
                // What was new stays new, in rows of the other width.
                (index..self.blocks.len()).for_each(|at| self.lay(at));
                self.left.1 = self.rows_from(index).saturating_sub(new);
            }
        }
        self.rows = rows;
        if let Some(top) = self.top {
            self.first = self.clamp(top);
            if self.fills(self.first) {
                // What came since the view left the end is counted: it must be known.
                (self.left.0..self.blocks.len()).for_each(|at| self.lay(at));
                self.drop_distant();
                return;
            }
            self.top = None;
        }
        self.first = self.last_top();
        self.drop_distant();
    }

    fn height(&self, index: usize) -> usize {
        self.blocks.get(index).map_or(0, |block| block.height(self.columns, self.thoughts_open))
    }

    /// Rows of the entries from `index` on.
    fn rows_from(&self, index: usize) -> usize {
        (index..self.blocks.len()).map(|at| self.height(at)).sum()
    }

    fn lay(&mut self, index: usize) {
        if let Some(block) = self.blocks.get_mut(index)
            && block.fit(self.columns)
        {
            self.laid.push_back(index);
        }
    }

    /// Drops the oldest layouts of entries out of view.
    fn drop_distant(&mut self) {
        let mut tries = self.laid.len().saturating_sub(KEPT);
        let in_view = self.first.0..self.first.0 + self.rows + 1;
        let last = self.blocks.len().saturating_sub(2);
        while tries > 0
            && let Some(index) = self.laid.pop_front()
        {
            tries -= 1;
            if in_view.contains(&index) || index >= last {
                self.laid.push_back(index);
            } else {
                self.blocks[index].forget();
            }
        }
    }

    /// The row nearest to `place` that there is, its entry laid out.
    fn clamp(&mut self, (index, line): Place) -> Place {
        let index = index.min(self.blocks.len().saturating_sub(1));
        self.lay(index);
        (index, line.min(self.height(index).saturating_sub(1)))
    }

    /// Whether there are more rows from `place` on than the view holds; lays out what it holds. The empty
    /// row that ends the last entry does not count.
    fn fills(&mut self, (index, line): Place) -> bool {
        let mut rows = 0;
        for at in index..self.blocks.len() {
            self.lay(at);
            rows += self.height(at);
            if rows > self.rows + line + 1 {
                return true;
            }
        }
        false
    }

    /// The top of a view at the end.
    fn last_top(&mut self) -> Place {
        let mut missing = self.rows + 1;
        for index in (0..self.blocks.len()).rev() {
            self.lay(index);
            let height = self.height(index);
            if height >= missing {
                return (index, height - missing);
            }
            missing -= height;
        }
        (0, 0)
    }

    /// Moves the view; reaching the end makes it follow again.
    pub fn scroll(&mut self, lines: isize) {
        let from = match self.top {
            Some(top) => self.clamp(top),
            None => self.last_top(),
        };
        let (mut index, mut line) = from;
        let mut left = lines.unsigned_abs();
        if lines < 0 {
            while left > line && index > 0 {
                left -= line;
                index -= 1;
                self.lay(index);
                line = self.height(index);
            }
            line = line.saturating_sub(left);
        } else {
            while index + 1 < self.blocks.len() && left >= self.height(index).saturating_sub(line) {
                left -= self.height(index).saturating_sub(line);
                index += 1;
                line = 0;
                self.lay(index);
            }
            line += left;
        }
        self.show((index, line));
    }

    /// Makes `place` the view's top, unless that shows the end.
    fn show(&mut self, place: Place) {
        let place = self.clamp(place);
        if !self.fills(place) {
            self.top = None;
            return;
        }
        if self.top.is_none() {
            let running = |block: &Block| matches!(block.entry(), Entry::Reply(reply) if reply.running);
            let last = self.blocks.len() - 1;
            let from = self.blocks.iter().rposition(running).unwrap_or(last);
            (from..=last).for_each(|at| self.lay(at));
            self.left = (from, self.rows_from(from));
        }
        self.top = Some(place);
    }

    /// Moves the view by whole pages, one line kept in sight.
    pub fn page(&mut self, pages: isize) {
        self.scroll(pages * isize::try_from(self.rows.saturating_sub(1).max(1)).unwrap_or(1));
    }

    /// Shows the end, and follows it.
    pub fn follow(&mut self) {
        self.top = None;
    }

    /// Shows the beginning.
    pub fn to_start(&mut self) {
        self.show((0, 0));
    }

    /// Lines below the view, and how many of them came while it was away from the end.
    #[must_use]
    pub fn below(&self) -> (usize, usize) {
        if self.top.is_none() {
            return (0, 0);
        }
        let below = self.rows_from(self.first.0).saturating_sub(self.first.1 + self.rows + 1);
        let (index, before) = self.left;
        (below, self.rows_from(index).saturating_sub(before).min(below))
    }

    /// The lines in view.
    #[must_use]
    pub fn visible(&self) -> Vec<Shown<'_>> {
        let (index, mut skip) = self.first;
        let mut out = Vec::with_capacity(self.rows);
        for block in self.blocks.iter().skip(index) {
            block.shown(self.columns, self.thoughts_open, skip, self.rows - out.len(), &mut out);
            skip = 0;
            if out.len() >= self.rows {
                break;
            }
        }
        out
    }
}
