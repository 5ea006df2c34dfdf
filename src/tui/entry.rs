//! The blocks of the transcript: what was said, by whom, and the lines it makes.

use std::borrow::Cow;

use crate::tui::text::{Wrapped, shorten};
use crate::tui::tokens::Origins;

/// Below this many columns a footer has one line.
const NARROW: usize = 40;

/// What a line is, for its style.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Who speaks.
    Label,
    /// The same, of the turn that is chosen.
    Chosen,
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

/// An entry with its lines.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) entry: Entry,
    pub(super) body: Wrapped,
    pub(super) thought: Wrapped,
    footer: Wrapped,
    tag: String,
    chosen: bool,
}

impl Block {
    pub(super) fn new(entry: Entry) -> Block {
        Block {
            entry,
            body: Wrapped::default(),
            thought: Wrapped::default(),
            footer: Wrapped::default(),
            tag: String::new(),
            chosen: false,
        }
    }

    /// What is written behind the label, and whether the entry is the chosen one.
    pub(super) fn tag(&mut self, tag: &str, chosen: bool) {
        tag.clone_into(&mut self.tag);
        self.chosen = chosen;
    }

    /// Who speaks, and which version of the turn it is.
    fn label(&self, name: &'static str) -> (Tone, Part<'_>) {
        let tag = if self.tag.is_empty() { String::new() } else { format!("  {}", self.tag) };
        match (self.chosen, tag.is_empty()) {
            (true, _) => (Tone::Chosen, Part::Line(Cow::Owned(format!("› {name}{tag}")))),
            (false, true) => (Tone::Label, Part::Line(Cow::Borrowed(name))),
            (false, false) => (Tone::Label, Part::Line(Cow::Owned(format!("{name}{tag}")))),
        }
    }

    /// Wraps what has grown, or everything where `columns` has changed.
    pub(super) fn fit(&mut self, columns: usize) {
        match &self.entry {
            Entry::User(text) | Entry::Note(text) | Entry::Error(text) => self.body.fit(text, columns),
            Entry::Reply(reply) => {
                self.body.fit(&reply.answer, columns);
                self.thought.fit(&reply.reasoning, columns);
                // On a narrow screen the lines belong to the text: the numbers get one.
                let footer = if columns < NARROW {
                    Cow::Owned(shorten(&reply.footer, columns))
                } else {
                    Cow::Borrowed(&reply.footer)
                };
                self.footer.fit(&footer, columns);
            }
        }
    }

    /// The parts of the block, top to bottom: a line of our own, or wrapped lines. An empty line ends it.
    pub(super) fn parts(&self, open: bool) -> [(Tone, Part<'_>); 6] {
        let none = (Tone::Note, Part::None);
        let end = (Tone::Note, Part::Line(Cow::Borrowed("")));
        let own = |text| Part::Line(Cow::Borrowed(text));
        match &self.entry {
            Entry::User(_) => [
                self.label("you"),
                (Tone::User, Part::Wrapped(&self.body)),
                none.clone(),
                none.clone(),
                none,
                end,
            ],
            Entry::Note(_) => {
                [(Tone::Note, Part::Wrapped(&self.body)), none.clone(), none.clone(), none.clone(), none, end]
            }
            Entry::Error(_) => [
                (Tone::Error, own("error")),
                (Tone::Error, Part::Wrapped(&self.body)),
                none.clone(),
                none.clone(),
                none,
                end,
            ],
            Entry::Reply(reply) => {
                let (head, thought) = if reply.reasoning.is_empty() {
                    (none.clone(), none)
                } else {
                    let head = (Tone::Thought, Part::Line(Cow::Owned(thought_line(reply, open))));
                    (head, if open { (Tone::Thought, Part::Wrapped(&self.thought)) } else { none })
                };
                [
                    self.label("model"),
                    head,
                    thought,
                    (Tone::Answer, Part::Wrapped(&self.body)),
                    (Tone::Footer, Part::Wrapped(&self.footer)),
                    end,
                ]
            }
        }
    }

    pub(super) fn height(&self, open: bool) -> usize {
        self.parts(open).iter().map(|(_, part)| part.height()).sum()
    }
}

/// A line of our own, wrapped lines, or nothing.
#[derive(Clone)]
pub(super) enum Part<'a> {
    None,
    Line(Cow<'a, str>),
    Wrapped(&'a Wrapped),
}

impl Part<'_> {
    fn height(&self) -> usize {
        match self {
            Part::None => 0,
            Part::Line(_) => 1,
            Part::Wrapped(wrapped) => wrapped.lines().len(),
        }
    }
}

/// What reasoning folds to.
fn thought_line(reply: &ReplyEntry, open: bool) -> String {
    let mark = if open { '▾' } else { '▸' };
    let verb = if reply.running && reply.answer.is_empty() { "thinking" } else { "thought" };
    match reply.reasoning_tokens {
        0 => format!("{mark} {verb}"),
        1 => format!("{mark} {verb} (1 token)"),
        count => format!("{mark} {verb} ({count} tokens)"),
    }
}
