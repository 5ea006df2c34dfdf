//! Colours for code. Grammars (syntect's, from two-face) say what each part of a line is; a thread of its
//! own loads them and does the work, since the first lines of a language can take tens of milliseconds and
//! a grammar is a foreign program of regular expressions. Code is drawn plain until its colours come.

mod class;
mod thread;

pub use class::Class;
pub use thread::{busy, settle, version};

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use class::Runs;
use thread::{Job, Sheet};

/// Longer lines stay plain, as in every editor: one line of data can cost more than a book of code.
const LONGEST_LINE: usize = 2000;
/// Lines of one block after which the rest stays plain.
const MOST_LINES: usize = 20_000;

/// The colours of one block of code, as far as they are known.
#[derive(Debug, Default)]
pub(super) struct Canvas {
    language: String,
    /// Hashes of the whole lines that were handed over, or are about to be.
    lines: Vec<u64>,
    /// Whole lines that are about to be handed over.
    waiting: Vec<String>,
    /// The last line, while it still grows, was handed over like this.
    growing: u64,
    sheet: Option<Arc<Sheet>>,
}

impl Canvas {
    pub(super) fn new(language: &str) -> Canvas {
        Canvas { language: language.to_string(), ..Canvas::default() }
    }

    /// The next whole line. [`Canvas::flush`] asks for its colours.
    pub(super) fn push(&mut self, line: &str) {
        if !self.stays_plain(self.lines.len()) {
            self.lines.push(hash(line));
            self.waiting.push(line.to_string());
        }
    }

    /// Asks for the colours of what was pushed, and of the line that grows behind it.
    pub(super) fn flush(&mut self, growing: Option<&str>) {
        let growing = growing.filter(|_| !self.stays_plain(self.lines.len()));
        let hash = growing.map_or(0, hash);
        if self.waiting.is_empty() && hash == self.growing {
            return;
        }
        self.growing = hash;
        let sheet = self.sheet.get_or_insert_with(|| Arc::new(Sheet::new(&self.language)));
        let lines = std::mem::take(&mut self.waiting);
        thread::hand(Job::Lines { sheet: Arc::clone(sheet), lines, growing: growing.map(str::to_string) });
    }

    /// Makes this the canvas of `lines`: what it knows of them is kept, where they are another text it
    /// begins again.
    pub(super) fn show(&mut self, language: &str, lines: &[String], grows: bool) {
        let whole = lines.len().saturating_sub(usize::from(grows));
        if !self.begins(language, &lines[..whole]) {
            *self = Canvas::new(language);
        }
        for line in lines[..whole].iter().skip(self.lines.len()) {
            self.push(line);
        }
        self.flush(lines.get(whole).map(String::as_str));
    }

    /// Whether what this canvas knows is the beginning of these lines.
    pub(super) fn begins(&self, language: &str, lines: &[String]) -> bool {
        self.language == language
            && self.lines.len() <= lines.len()
            && self.lines.iter().zip(lines).all(|(known, line)| *known == hash(line))
    }

    /// What the parts of a line are; `None` where it is not known yet.
    pub(super) fn line(&self, number: usize, text: &str) -> Option<Runs> {
        self.sheet.as_ref()?.line(number, text)
    }

    /// Whether `number` will stay plain.
    pub(super) fn stays_plain(&self, number: usize) -> bool {
        self.language.is_empty()
            || number >= MOST_LINES
            || self.sheet.as_ref().is_some_and(|sheet| sheet.is_unknown())
    }
}

fn hash(line: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    line.hash(&mut hasher);
    // 0 stands for "nothing".
    hasher.finish() | 1
}
