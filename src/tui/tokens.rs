//! The token view: the conversation as the tokens it was written in, each with who chose it. It stands in the
//! transcript's place and shows the model's text as it came, markup and all; the transcript's own view is not touched.

use unicode_segmentation::UnicodeSegmentation;

use crate::token::{Origin, TokenSpan};
use crate::tui::entry::{Entry, ReplyEntry, Tone};
use crate::tui::text::{clean, grapheme_width, width, wrap};
use crate::tui::transcript::Transcript;

/// Stands for a line's end, which some token chose as well.
const LINE_END: &str = "↵";

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
    /// The line at the top; `None` follows the end.
    top: Option<usize>,
}

/// The rows of one entry, and what they were made of: bytes, tokens, and whether rejected guesses are among them.
#[derive(Debug, Default)]
struct Block {
    rows: Vec<Row>,
    made_of: (usize, usize, bool, bool),
}

impl TokenView {
    /// Forgets all rows: the conversation has changed otherwise than by growing.
    pub fn forget(&mut self) {
        self.blocks.clear();
    }

    /// Makes the rows of what has changed, for a view of this size.
    pub fn fit(&mut self, transcript: &Transcript, columns: usize, rows: usize) {
        if !self.shown {
            self.blocks.clear();
            return;
        }
        if columns != self.columns {
            self.blocks.clear();
        }
        (self.columns, self.rows) = (columns, rows);
        let mut count = 0;
        for entry in transcript.entries() {
            if self.blocks.len() == count {
                self.blocks.push(Block::default());
            }
            let block = &mut self.blocks[count];
            let made_of = measure(entry, self.rejected);
            if block.made_of != made_of || block.rows.is_empty() {
                *block = Block { rows: entry_rows(entry, columns, self.rejected), made_of };
            }
            count += 1;
        }
        self.blocks.truncate(count);
        if self.top.is_some_and(|top| top >= self.last_top()) {
            self.top = None;
        }
    }

    fn total(&self) -> usize {
        self.blocks.iter().map(|block| block.rows.len()).sum::<usize>().saturating_sub(1)
    }

    fn last_top(&self) -> usize {
        self.total().saturating_sub(self.rows)
    }

    /// Moves the view; reaching the end makes it follow again.
    pub fn scroll(&mut self, lines: isize) {
        let top = self.top.unwrap_or_else(|| self.last_top()).saturating_add_signed(lines);
        self.top = (top < self.last_top()).then_some(top);
    }

    /// Moves the view by whole pages, one line kept in sight.
    pub fn page(&mut self, pages: isize) {
        self.scroll(pages * isize::try_from(self.rows.saturating_sub(1).max(1)).unwrap_or(1));
    }

    /// The rows in view.
    pub fn visible(&self) -> impl Iterator<Item = &Row> {
        let top = self.top.unwrap_or_else(|| self.last_top());
        self.blocks.iter().flat_map(|block| &block.rows).skip(top).take(self.rows)
    }
}

/// What tells that an entry has changed.
fn measure(entry: &Entry, rejected: bool) -> (usize, usize, bool, bool) {
    match entry {
        Entry::User(text) | Entry::Note(text) | Entry::Error(text) => (text.len(), 0, false, false),
        Entry::Reply(reply) => {
            let bytes = reply.answer.len() + reply.reasoning.len() + reply.footer.len();
            let tokens = reply.origins.answer.len() + reply.origins.reasoning.len();
            (bytes, tokens, reply.running, rejected)
        }
    }
}

fn entry_rows(entry: &Entry, columns: usize, rejected: bool) -> Vec<Row> {
    let mut rows = Vec::new();
    match entry {
        Entry::User(text) => {
            plain("you", Tone::Label, columns, &mut rows);
            plain(text, Tone::User, columns, &mut rows);
        }
        Entry::Note(text) => plain(text, Tone::Note, columns, &mut rows),
        Entry::Error(text) => plain(text, Tone::Error, columns, &mut rows),
        Entry::Reply(reply) => reply_rows(reply, columns, rejected, &mut rows),
    }
    rows.push(Row::new());
    rows
}

fn reply_rows(reply: &ReplyEntry, columns: usize, rejected: bool, rows: &mut Vec<Row>) {
    plain("model", Tone::Label, columns, rows);
    for (text, spans, name) in [
        (&reply.reasoning, &reply.origins.reasoning, "reasoning"),
        (&reply.answer, &reply.origins.answer, "answer"),
    ] {
        if text.is_empty() {
            continue;
        }
        if !reply.reasoning.is_empty() {
            plain(name, Tone::Thought, columns, rows);
        }
        let counted: usize = spans.iter().map(|span| span.bytes as usize).sum();
        if counted == text.len() {
            token_rows(text, spans, columns, rejected, rows);
        } else {
            plain(text, Tone::Answer, columns, rows);
            plain("(its tokens are not known)", Tone::Footer, columns, rows);
        }
    }
    if !reply.footer.is_empty() {
        plain(&reply.footer, Tone::Footer, columns, rows);
    }
}

fn plain(text: &str, tone: Tone, columns: usize, rows: &mut Vec<Row>) {
    let mut lines = Vec::new();
    for line in clean(text.trim_end_matches('\n')).split('\n') {
        wrap(line, columns, &mut lines);
    }
    rows.extend(lines.into_iter().map(|text| vec![Piece { kind: Kind::Other(tone), text }]));
}

/// The rows of a text whose spans are known. Rows break before tokens that begin with white space, so that words stay
/// whole, and within a token only where it is longer than a row.
pub fn token_rows(text: &str, spans: &[TokenSpan], columns: usize, rejected: bool, rows: &mut Vec<Row>) {
    let mut rest = text;
    let mut row = Growing { columns: columns.max(1), ..Growing::default() };
    for span in spans {
        if let Some(guess) = span.rejected.as_deref().filter(|_| rejected) {
            let guess = clean(guess).replace('\n', LINE_END);
            row.add(Kind::Rejected, &format!("[{guess}]"), rows);
        }
        let kind = match span.origin {
            Origin::Accepted => Kind::Accepted,
            Origin::Target => Kind::Own,
        };
        // A span that does not fit the text ends it: shown as far as it goes, never a panic.
        let Some((token, after)) = rest.split_at_checked(span.bytes as usize) else { break };
        rest = after;
        let cleaned = clean(token);
        let mut lines = cleaned.split('\n').peekable();
        while let Some(line) = lines.next() {
            if !line.is_empty() {
                row.add(kind, line, rows);
            }
            if lines.peek().is_some() {
                row.add(kind, LINE_END, rows);
                rows.push(std::mem::take(&mut row.pieces));
                (row.used, row.cut, row.continued) = (0, None, false);
            }
        }
    }
    if !row.pieces.is_empty() {
        rows.push(row.pieces);
    }
}

/// A row that is being filled.
#[derive(Default)]
struct Growing {
    columns: usize,
    pieces: Row,
    used: usize,
    /// The last piece that may begin a row, and the columns before it.
    cut: Option<(usize, usize)>,
    /// It goes on with the line of the row before: white space at its beginning means nothing.
    continued: bool,
}

impl Growing {
    fn add(&mut self, kind: Kind, text: &str, rows: &mut Vec<Row>) {
        let wide = width(text);
        if text.starts_with(' ') && !self.pieces.is_empty() {
            self.cut = Some((self.pieces.len(), self.used));
        }
        if self.used + wide > self.columns {
            self.break_row(rows);
        }
        let begins = self.continued && self.pieces.is_empty();
        let text = if begins { text.trim_start_matches(' ') } else { text };
        // Longer than a whole row: cut between characters.
        let mut part = String::new();
        for grapheme in text.graphemes(true) {
            let wide = grapheme_width(grapheme);
            if self.used + wide > self.columns && self.used > 0 {
                self.pieces.push(Piece { kind, text: std::mem::take(&mut part) });
                rows.push(std::mem::take(&mut self.pieces));
                (self.used, self.cut, self.continued) = (0, None, true);
            }
            part.push_str(grapheme);
            self.used += wide;
        }
        if !part.is_empty() {
            self.pieces.push(Piece { kind, text: part });
        }
    }

    /// Ends the row before the last piece that may begin one, else here.
    fn break_row(&mut self, rows: &mut Vec<Row>) {
        self.continued = true;
        let Some((piece, used)) = self.cut.take() else {
            if !self.pieces.is_empty() {
                rows.push(std::mem::take(&mut self.pieces));
            }
            self.used = 0;
            return;
        };
        let mut moved = self.pieces.split_off(piece);
        rows.push(std::mem::take(&mut self.pieces));
        self.used -= used;
        if let Some(first) = moved.first_mut() {
            let trimmed = first.text.trim_start_matches(' ').to_owned();
            self.used -= first.text.len() - trimmed.len();
            first.text = trimmed;
            if first.text.is_empty() {
                moved.remove(0);
            }
        }
        self.pieces = moved;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Origin::{Accepted, Target};

    fn rows(tokens: &[(&str, Origin, Option<&str>)], columns: usize, rejected: bool) -> Vec<String> {
        let text: String = tokens.iter().map(|(text, ..)| *text).collect();
        let spans: Vec<TokenSpan> = tokens
            .iter()
            .map(|(text, origin, guess)| TokenSpan {
                rejected: guess.map(Into::into),
                ..TokenSpan::new(text.len(), *origin)
            })
            .collect();
        let mut rows = Vec::new();
        token_rows(&text, &spans, columns, rejected, &mut rows);
        rows.iter()
            .map(|row| {
                row.iter()
                    .map(|piece| match piece.kind {
                        Kind::Accepted => format!("_{}_", piece.text),
                        Kind::Rejected => format!("-{}-", piece.text),
                        _ => piece.text.clone(),
                    })
                    .collect()
            })
            .collect()
    }

    #[test]
    fn tokens_keep_their_kind_and_rejected_guesses_come_before_what_took_their_place() {
        let tokens = [("The", Target, None), (" cat", Accepted, None), (" sat", Target, Some(" ran\n fast"))];
        assert_eq!(rows(&tokens, 40, false), ["The_ cat_ sat"]);
        assert_eq!(rows(&tokens, 40, true), ["The_ cat_-[ ran↵ fast]- sat"]);
    }

    #[test]
    fn rows_break_before_words_and_words_of_several_tokens_stay_whole() {
        let tokens = [
            ("One", Target, None),
            (" lan", Target, None),
            ("tern", Accepted, None),
            (" more", Target, None),
        ];
        assert_eq!(rows(&tokens, 9, false), ["One", "lan_tern_", "more"]);
        assert_eq!(rows(&tokens, 5, false), ["One", "lan", "_tern_", "more"]);
        assert_eq!(rows(&[("abcdefgh", Accepted, None)], 3, false), ["_abc_", "_def_", "_gh_"]);
        assert_eq!(rows(&[("日本語", Target, None)], 3, false), ["日", "本", "語"]);
    }

    #[test]
    fn line_ends_are_seen_and_control_characters_are_not() {
        let tokens = [("a\u{1b}[31m", Target, None), ("\n", Accepted, None), ("\n b", Target, None)];
        assert_eq!(rows(&tokens, 40, false), ["a_↵_", "↵", " b"]);
        // Spans that do not fit their text are cut off, and nothing panics.
        let mut found = Vec::new();
        token_rows("é", &[TokenSpan::new(1, Target), TokenSpan::new(9, Target)], 4, true, &mut found);
        assert_eq!(found, Vec::<Row>::new());
    }
}
