//! The blocks of the transcript: what was said, by whom, and the rows it makes.

use std::borrow::Cow;
use std::time::Duration;

use crate::tui::markdown::Markdown;
use crate::tui::markdown::row::Row;
use crate::tui::text::{Wrapped, shorten, width};
use crate::tui::tokens::Origins;

/// Below this many columns a footer has one line.
const NARROW: usize = 40;

/// A question of more lines folds to its first few.
const LONG_QUESTION: usize = 16;
/// Lines that are left of it.
const FOLDED_QUESTION: usize = 8;

/// What a line is, for its style.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Who speaks.
    Label,
    /// What the person said.
    User,
    /// What the model said.
    Answer,
    /// Its reasoning, and the line it folds to.
    Thought,
    /// The numbers below a reply.
    Footer,
    /// The program speaks.
    Note,
    /// Something failed.
    Error,
}

/// One turn of the model.
#[derive(Clone, Debug, Default)]
pub struct ReplyEntry {
    /// As the engine gave it, unfiltered: it goes back to the model like this.
    pub answer: String,
    /// The reasoning.
    pub reasoning: String,
    /// Tokens of the reasoning, as far as the counters told.
    pub reasoning_tokens: u32,
    /// Time from the first token to the reasoning's last, as far as the counters told.
    pub reasoning_time: Duration,
    /// Who chose the tokens.
    pub origins: Origins,
    /// The numbers, once the reply has ended.
    pub footer: String,
    /// It still grows.
    pub running: bool,
}

/// One block of the transcript.
#[derive(Clone, Debug)]
pub enum Entry {
    /// The person's turn.
    User(String),
    /// The model's turn.
    Reply(ReplyEntry),
    /// The program's own words.
    Note(String),
    /// A failure.
    Error(String),
}

/// One line in view.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown<'a> {
    /// Words of one style.
    Words(Tone, Cow<'a, str>),
    /// Formatted text.
    Row(&'a Row),
}

/// The rows of an entry at some width.
#[derive(Debug, Default)]
struct Layout {
    plain: Wrapped,
    answer: Markdown,
    thought: Wrapped,
    footer: Wrapped,
}

/// Rows of an entry: with what is long folded, and with everything open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Height {
    folded: usize,
    open: usize,
}

/// An entry and, while it is near the view, its rows.
#[derive(Debug)]
pub(super) struct Block {
    entry: Entry,
    layout: Option<Box<Layout>>,
    /// Known from the last layout, and the width it was for.
    height: Option<(usize, Height)>,
}

impl Block {
    pub(super) fn new(entry: Entry) -> Block {
        Block { entry, layout: None, height: None }
    }

    pub(super) fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The model's turn, to be changed: it may only grow.
    pub(super) fn reply_mut(&mut self) -> Option<&mut ReplyEntry> {
        match &mut self.entry {
            Entry::Reply(reply) => {
                self.height = None;
                Some(reply)
            }
            _ => None,
        }
    }

    /// Puts the final text in place of what was streamed, where they differ.
    pub(super) fn settle(&mut self, answer: &str, reasoning: &str) {
        let Entry::Reply(reply) = &mut self.entry else { return };
        self.height = None;
        if reply.answer != answer || reply.reasoning != reasoning {
            reply.answer = answer.to_string();
            reply.reasoning = reasoning.to_string();
            self.layout = None;
        }
    }

    /// Lays out what has grown, or everything where `columns` has changed. Whether there was no layout.
    pub(super) fn fit(&mut self, columns: usize) -> bool {
        let new = self.layout.is_none();
        let layout = self.layout.get_or_insert_default();
        match &self.entry {
            Entry::User(text) | Entry::Note(text) | Entry::Error(text) => layout.plain.fit(text, columns),
            Entry::Reply(reply) => {
                layout.answer.fit(&reply.answer, columns, !reply.running);
                layout.thought.fit(&reply.reasoning, columns);
                // On a narrow screen the lines belong to the text: the numbers get one.
                let footer = if columns < NARROW {
                    Cow::Owned(shorten(&reply.footer, columns))
                } else {
                    Cow::Borrowed(&reply.footer)
                };
                layout.footer.fit(&footer, columns);
            }
        }
        let lines = layout.plain.lines().len();
        // A label, a body, and an empty line.
        let height = match &self.entry {
            Entry::User(_) => Height { folded: 2 + question(lines), open: 2 + lines },
            Entry::Error(_) => Height { folded: 2 + lines, open: 2 + lines },
            Entry::Note(_) => Height { folded: 1 + lines, open: 1 + lines },
            Entry::Reply(reply) => {
                let head = usize::from(!reply.reasoning.is_empty());
                let folded = 2 + head + layout.answer.rows().len() + layout.footer.lines().len();
                Height { folded, open: folded + layout.thought.lines().len() }
            }
        };
        self.height = Some((columns, height));
        new
    }

    /// Drops the rows; their number is kept.
    pub(super) fn forget(&mut self) {
        self.layout = None;
    }

    /// Rows at this width: known where it was laid out, else a guess by its length.
    pub(super) fn height(&self, columns: usize, open: bool) -> usize {
        let height = match self.height {
            Some((at, height)) if at == columns => height,
            _ => self.guess(columns),
        };
        if open { height.open } else { height.folded }
    }

    fn guess(&self, columns: usize) -> Height {
        let lines = |text: &str| text.len() / columns.max(1) + 1;
        match &self.entry {
            Entry::User(text) => Height { folded: 2 + question(lines(text)), open: 2 + lines(text) },
            Entry::Error(text) | Entry::Note(text) => {
                Height { folded: 2 + lines(text), open: 2 + lines(text) }
            }
            Entry::Reply(reply) => {
                let head = usize::from(!reply.reasoning.is_empty());
                let folded = 3 + head + lines(&reply.answer);
                Height { folded, open: folded + head * lines(&reply.reasoning) }
            }
        }
    }

    /// The rows from `skip` on, `room` of them at most. Nothing where there is no layout.
    pub(super) fn shown<'a>(
        &'a self,
        columns: usize,
        open: bool,
        skip: usize,
        room: usize,
        out: &mut Vec<Shown<'a>>,
    ) {
        let Some(layout) = &self.layout else { return };
        let own = |tone, text: &'static str| vec![Shown::Words(tone, Cow::Borrowed(text))];
        let words =
            |tone, wrapped: &'a Wrapped| -> Vec<Part<'a>> { vec![Part::Words(tone, wrapped.lines())] };
        let mut parts: Vec<Part<'a>> = Vec::new();
        match &self.entry {
            Entry::User(_) => {
                parts.push(Part::Own(own(Tone::Label, "you")));
                let lines = layout.plain.lines();
                if open || lines.len() <= LONG_QUESTION {
                    parts.push(Part::Words(Tone::User, lines));
                } else {
                    parts.push(Part::Words(Tone::User, &lines[..FOLDED_QUESTION]));
                    let more = format!("▸ {} more lines", lines.len() - FOLDED_QUESTION);
                    let line = with_key(more, "Ctrl+T to show", columns);
                    parts.push(Part::Own(vec![Shown::Words(Tone::Thought, Cow::Owned(line))]));
                }
            }
            Entry::Note(_) => parts.extend(words(Tone::Note, &layout.plain)),
            Entry::Error(_) => {
                parts.push(Part::Own(own(Tone::Error, "error")));
                parts.extend(words(Tone::Error, &layout.plain));
            }
            Entry::Reply(reply) => {
                parts.push(Part::Own(own(Tone::Label, "model")));
                if !reply.reasoning.is_empty() {
                    let line = thought_line(reply, open, columns);
                    parts.push(Part::Own(vec![Shown::Words(Tone::Thought, Cow::Owned(line))]));
                    if open {
                        parts.extend(words(Tone::Thought, &layout.thought));
                    }
                }
                parts.push(Part::Rows(layout.answer.rows()));
                parts.extend(words(Tone::Footer, &layout.footer));
            }
        }
        parts.push(Part::Own(own(Tone::Note, "")));
        let (mut skip, end) = (skip, out.len() + room);
        for part in parts {
            let count = part.len();
            let from = skip.min(count);
            skip -= from;
            part.put(from, end.saturating_sub(out.len()), out);
        }
    }
}

/// Some of a block's lines.
enum Part<'a> {
    Own(Vec<Shown<'a>>),
    Words(Tone, &'a [String]),
    Rows(&'a [Row]),
}

impl<'a> Part<'a> {
    fn len(&self) -> usize {
        match self {
            Part::Own(lines) => lines.len(),
            Part::Words(_, lines) => lines.len(),
            Part::Rows(rows) => rows.len(),
        }
    }

    /// The lines from `from` on, no more than there is room for: a long block is not copied line by line.
    fn put(self, from: usize, room: usize, out: &mut Vec<Shown<'a>>) {
        match self {
            Part::Own(lines) => out.extend(lines.into_iter().skip(from).take(room)),
            Part::Words(tone, lines) => {
                let lines = lines[from..].iter().take(room);
                out.extend(lines.map(|line| Shown::Words(tone, Cow::Borrowed(line.as_str()))));
            }
            Part::Rows(rows) => out.extend(rows[from..].iter().take(room).map(Shown::Row)),
        }
    }
}

/// What reasoning folds to, with the key at its right where there is room.
fn thought_line(reply: &ReplyEntry, open: bool, columns: usize) -> String {
    let mark = if open { '▾' } else { '▸' };
    let thinks = reply.running && reply.answer.is_empty();
    let mut line = format!("{mark} {}", if thinks { "thinking" } else { "thought" });
    let seconds = reply.reasoning_time.as_secs_f64();
    if seconds >= 0.05 {
        line.push_str(&if thinks { format!(" {seconds:.1} s") } else { format!(" for {seconds:.1} s") });
    }
    match reply.reasoning_tokens {
        0 => {}
        1 => line.push_str(" (1 token)"),
        count => line.push_str(&format!(" ({count} tokens)")),
    }
    with_key(line, if open { "Ctrl+T to fold" } else { "Ctrl+T to show" }, columns)
}

/// Rows of a question of so many lines, folded where it is long.
fn question(lines: usize) -> usize {
    if lines > LONG_QUESTION { FOLDED_QUESTION + 1 } else { lines }
}

/// A line with a key at its right, where there is room.
fn with_key(line: String, key: &str, columns: usize) -> String {
    match columns.checked_sub(width(&line) + width(key)) {
        Some(space) if space >= 2 => format!("{line}{}{key}", " ".repeat(space)),
        _ => line,
    }
}
