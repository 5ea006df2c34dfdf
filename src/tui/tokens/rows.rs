//! The rows of one entry in the token view.

use unicode_segmentation::UnicodeSegmentation;

use super::{Kind, Piece, Row};
use crate::token::{Origin, TokenSpan};
use crate::tui::entry::{Entry, ReplyEntry, Tone};
use crate::tui::text::{clean, grapheme_width, width, wrap};

/// Stands for a line's end, which some token chose as well.
const LINE_END: &str = "↵";

/// The rows of one entry, and what they were made of: bytes, tokens, whether it grows, and whether rejected guesses are
/// among them.
#[derive(Debug, Default)]
pub(super) struct Block {
    rows: Vec<Row>,
    made_of: (usize, usize, bool, bool),
    settled: Settled,
}

/// What of a growing reply is not made again: the lines that have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Settled {
    /// Rows, from the entry's first.
    rows: usize,
    /// Bytes of the text that grows, and its tokens.
    bytes: usize,
    tokens: usize,
    /// That text is the answer.
    of_answer: bool,
}

impl Block {
    /// The rows that were made last.
    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Makes the rows of an entry where it has changed. How many there are.
    pub(super) fn lay(&mut self, entry: &Entry, columns: usize, rejected: bool) -> usize {
        let made_of = measure(entry, rejected);
        if self.made_of == made_of && !self.rows.is_empty() {
            return self.rows.len();
        }
        let grows = made_of.2 && self.made_of.2 && self.made_of.3 == rejected && !self.rows.is_empty();
        let before = if grows { self.settled } else { Settled::default() };
        self.made_of = made_of;
        self.settled = entry_rows(entry, columns, rejected, before, &mut self.rows);
        self.rows.len()
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

fn entry_rows(
    entry: &Entry,
    columns: usize,
    rejected: bool,
    before: Settled,
    rows: &mut Vec<Row>,
) -> Settled {
    let mut settled = Settled::default();
    match entry {
        Entry::Reply(reply) => settled = reply_rows(reply, columns, rejected, before, rows),
        _ => rows.clear(),
    }
    match entry {
        Entry::User(text) => {
            plain("you", Tone::Label, columns, rows);
            plain(text, Tone::User, columns, rows);
        }
        Entry::Note(text) => plain(text, Tone::Note, columns, rows),
        Entry::Error(text) => plain(text, Tone::Error, columns, rows),
        Entry::Reply(_) => {}
    }
    rows.push(Row::new());
    settled
}

/// Makes the rows that are not settled already, and tells which are now.
fn reply_rows(
    reply: &ReplyEntry,
    columns: usize,
    rejected: bool,
    before: Settled,
    rows: &mut Vec<Row>,
) -> Settled {
    let parts = [(&reply.reasoning, &reply.origins.reasoning), (&reply.answer, &reply.origins.answer)];
    let known = |text: &str, spans: &[TokenSpan]| {
        spans.iter().map(|span| span.bytes as usize).sum::<usize>() == text.len()
    };
    let (growing, tokens) = parts[usize::from(before.of_answer)];
    let goes_on = before.rows > 0
        && before.of_answer != reply.answer.is_empty()
        && known(growing, tokens)
        && growing.is_char_boundary(before.bytes)
        && before.tokens <= tokens.len();
    if goes_on {
        rows.truncate(before.rows);
        let more = token_rows(&growing[before.bytes..], &tokens[before.tokens..], columns, rejected, rows);
        return Settled {
            bytes: before.bytes + more.bytes,
            tokens: before.tokens + more.tokens,
            of_answer: before.of_answer,
            ..more
        };
    }
    rows.clear();
    let mut settled = Settled::default();
    plain("model", Tone::Label, columns, rows);
    for (of_answer, (text, spans)) in [false, true].into_iter().zip(parts) {
        if text.is_empty() {
            continue;
        }
        if !reply.reasoning.is_empty() {
            plain(if of_answer { "answer" } else { "reasoning" }, Tone::Thought, columns, rows);
        }
        if known(text, spans) {
            settled = Settled { of_answer, ..token_rows(text, spans, columns, rejected, rows) };
        } else {
            plain(text, Tone::Answer, columns, rows);
            plain("(its tokens are not known)", Tone::Footer, columns, rows);
        }
    }
    if !reply.footer.is_empty() {
        plain(&reply.footer, Tone::Footer, columns, rows);
    }
    settled
}

fn plain(text: &str, tone: Tone, columns: usize, rows: &mut Vec<Row>) {
    let mut lines = Vec::new();
    for line in clean(text.trim_end_matches('\n')).split('\n') {
        wrap(line, columns, &mut lines);
    }
    rows.extend(lines.into_iter().map(|text| vec![Piece { kind: Kind::Other(tone), text }]));
}

/// The rows of a text whose spans are known. Rows break before tokens that begin with white space, so that words stay
/// whole, and within a token only where it is longer than a row. Gives what belongs to lines that have ended.
fn token_rows(
    text: &str,
    spans: &[TokenSpan],
    columns: usize,
    rejected: bool,
    rows: &mut Vec<Row>,
) -> Settled {
    let mut ended = Settled { rows: rows.len(), ..Settled::default() };
    let mut rest = text;
    let mut row = Growing { columns: columns.max(1), ..Growing::default() };
    for (number, span) in spans.iter().enumerate() {
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
        if token.ends_with('\n') {
            let bytes = text.len() - rest.len();
            ended = Settled { rows: rows.len(), bytes, tokens: number + 1, ..ended };
        }
    }
    if !row.pieces.is_empty() {
        rows.push(row.pieces);
    }
    ended
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

    /// However a reply grows, its rows are those of the whole.
    #[test]
    fn a_growing_reply_has_the_rows_of_the_whole_one() {
        let tokens = [
            " one",
            " two three\n",
            "four",
            "\n\n",
            " five",
            " six seven",
            "\n",
            "end",
            "é",
            "\u{301}\n",
            "!",
        ];
        let whole = |reply: &ReplyEntry, rejected| {
            let mut block = Block::default();
            block.lay(&Entry::Reply(reply.clone()), 9, rejected);
            block
        };
        for (split, rejected) in
            [0, 3, tokens.len()].into_iter().flat_map(|split| [(split, false), (split, true)])
        {
            let mut reply = ReplyEntry { running: true, ..ReplyEntry::default() };
            let mut grown = Block::default();
            for (number, token) in tokens.iter().enumerate() {
                let guess = (number % 3 == 0).then(|| Box::from(" no\n"));
                let span = TokenSpan { rejected: guess, ..TokenSpan::new(token.len(), Target) };
                let (text, spans) = if number < split {
                    (&mut reply.reasoning, &mut reply.origins.reasoning)
                } else {
                    (&mut reply.answer, &mut reply.origins.answer)
                };
                text.push_str(token);
                spans.push(span);
                grown.lay(&Entry::Reply(reply.clone()), 9, rejected);
                assert_eq!(grown.rows, whole(&reply, rejected).rows, "{number} tokens, {split} of reasoning");
            }
            assert!(grown.settled.tokens > 0, "lines that have ended are not made again");
            grown.lay(&Entry::Reply(reply.clone()), 9, !rejected);
            assert_eq!(grown.rows, whole(&reply, !rejected).rows);
            (reply.running, reply.footer) = (false, "done".into());
            grown.lay(&Entry::Reply(reply.clone()), 9, rejected);
            assert_eq!(grown.rows, whole(&reply, rejected).rows);
        }
    }
}
