//! The conversation as the screen shows it: entries, their wrapped lines, and the view's place in them.
//!
//! The entries are also the conversation itself: [`Transcript::messages`] reads what is sent to the model
//! from them, so what is on the screen and what the model sees cannot drift apart.

use std::borrow::Cow;

use crate::request::{Message, Role};
use crate::tui::entry::{Block, Entry, Part, ReplyEntry, Tone};

/// All entries and the view's place.
#[derive(Debug, Default)]
pub struct Transcript {
    blocks: Vec<Block>,
    /// Reasoning is shown in full.
    pub thoughts_open: bool,
    columns: usize,
    rows: usize,
    total: usize,
    /// The block and its line at the top of the view; `None` follows the end.
    top: Option<(usize, usize)>,
    /// Lines there were when the view left the end.
    seen: usize,
}

impl Transcript {
    /// Adds an entry and gives its index, which holds until entries are removed.
    pub fn push(&mut self, entry: Entry) -> usize {
        self.blocks.push(Block::new(entry));
        self.blocks.len() - 1
    }

    /// The model's turn at `index`, where it is one.
    pub fn reply_mut(&mut self, index: usize) -> Option<&mut ReplyEntry> {
        match self.blocks.get_mut(index) {
            Some(Block { entry: Entry::Reply(reply), .. }) => Some(reply),
            _ => None,
        }
    }

    /// Puts the engine's final text in place of what was streamed, where they differ.
    pub fn settle(&mut self, index: usize, answer: &str, reasoning: &str) {
        let Some(block) = self.blocks.get_mut(index) else {
            return;
        };
        let Entry::Reply(reply) = &mut block.entry else {
            return;
        };
        if reply.answer != answer {
            reply.answer = answer.to_string();
            block.body.forget();
        }
        if reply.reasoning != reasoning {
            reply.reasoning = reasoning.to_string();
            block.thought.forget();
        }
    }

    /// The entries.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.blocks.iter().map(|block| &block.entry)
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
        self.blocks.clear();
        self.top = None;
    }

    /// Removes the last question and what came after it, and gives it back.
    pub fn undo(&mut self) -> Option<String> {
        let at = self.blocks.iter().rposition(|block| matches!(block.entry, Entry::User(_)))?;
        let text = match &self.blocks[at].entry {
            Entry::User(text) => text.clone(),
            _ => return None,
        };
        self.blocks.truncate(at);
        self.top = None;
        Some(text)
    }

    /// Leaves the first `count` entries.
    pub(super) fn truncate(&mut self, count: usize) {
        if count < self.blocks.len() {
            self.blocks.truncate(count);
            self.top = None;
        }
    }

    /// What is written behind an entry's label, and whether the entry is the chosen one.
    pub(super) fn tag(&mut self, index: usize, tag: &str, chosen: bool) {
        if let Some(block) = self.blocks.get_mut(index) {
            block.tag(tag, chosen);
        }
    }

    /// Moves the view so that an entry's first line is in it.
    pub(super) fn reveal(&mut self, index: usize) {
        let open = self.thoughts_open;
        let line: usize = self.blocks.iter().take(index).map(|block| block.height(open)).sum();
        let (top, rows) = (self.top_line(), self.rows.max(1));
        if line < top || line >= top + rows {
            let by = line.saturating_sub(rows / 3).cast_signed() - top.cast_signed();
            self.scroll(by);
        }
    }

    /// Wraps what has changed, for a view of this size. Nothing is drawn before it.
    pub fn fit(&mut self, columns: usize, rows: usize) {
        let unseen = self.total.saturating_sub(self.seen);
        let reflow = columns != self.columns;
        self.columns = columns;
        self.rows = rows;
        for block in &mut self.blocks {
            block.fit(columns);
        }
        // The empty line that ends the last block is not needed at the bottom.
        let open = self.thoughts_open;
        self.total = self.blocks.iter().map(|block| block.height(open)).sum::<usize>().saturating_sub(1);
        if reflow {
            self.seen = self.total.saturating_sub(unseen);
        }
        if self.top.is_some() && self.top_line() >= self.last_top() {
            self.top = None;
        }
    }

    /// The top line of a view at the end.
    fn last_top(&self) -> usize {
        self.total.saturating_sub(self.rows)
    }

    /// The view's top line, counted from the first.
    #[must_use]
    pub fn top_line(&self) -> usize {
        let Some((block, line)) = self.top else {
            return self.last_top();
        };
        let open = self.thoughts_open;
        let before: usize = self.blocks.iter().take(block).map(|b| b.height(open)).sum();
        let within = self.blocks.get(block).map_or(0, |b| line.min(b.height(open).saturating_sub(1)));
        (before + within).min(self.last_top())
    }

    /// Moves the view; reaching the end makes it follow again.
    pub fn scroll(&mut self, lines: isize) {
        let target = self.top_line().saturating_add_signed(lines);
        if target >= self.last_top() {
            self.top = None;
            return;
        }
        if self.top.is_none() {
            self.seen = self.total;
        }
        let open = self.thoughts_open;
        let mut left = target;
        for (index, block) in self.blocks.iter().enumerate() {
            let height = block.height(open);
            if left < height {
                self.top = Some((index, left));
                return;
            }
            left -= height;
        }
        self.top = None;
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
        self.scroll(isize::MIN);
    }

    /// Lines below the view, and how many of them came while it was away from the end.
    #[must_use]
    pub fn below(&self) -> (usize, usize) {
        if self.top.is_none() {
            return (0, 0);
        }
        let below = self.total.saturating_sub(self.top_line() + self.rows);
        (below, self.total.saturating_sub(self.seen).min(below))
    }

    /// The lines in view.
    #[must_use]
    pub fn visible(&self) -> Vec<(Tone, Cow<'_, str>)> {
        let open = self.thoughts_open;
        let mut skip = self.top_line();
        let mut out = Vec::with_capacity(self.rows);
        for block in &self.blocks {
            let height = block.height(open);
            if skip >= height {
                skip -= height;
                continue;
            }
            for (tone, part) in block.parts(open) {
                match part {
                    Part::None => {}
                    Part::Line(_) if skip > 0 => skip -= 1,
                    Part::Line(line) => out.push((tone, line)),
                    Part::Wrapped(wrapped) => {
                        let from = skip.min(wrapped.lines().len());
                        skip -= from;
                        // No more than the view holds: a long block is not copied line by line.
                        let lines = wrapped.lines()[from..].iter().take(self.rows - out.len());
                        out.extend(lines.map(|line| (tone, Cow::Borrowed(line.as_str()))));
                    }
                }
                if out.len() >= self.rows {
                    out.truncate(self.rows);
                    return out;
                }
            }
        }
        out
    }
}
