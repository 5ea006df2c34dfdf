//! Lines that fit: a text cut by the width of its clusters, once for a text that only grows.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use super::{clean, grapheme_width, width};

/// Cuts one line (clean, no newline) into pieces of at most `columns`: after spaces and around wide
/// characters where it can, inside a word where it must, never inside a grapheme cluster.
pub fn wrap(line: &str, columns: usize, out: &mut Vec<String>) {
    out.extend(pieces(line, columns).into_iter().map(|piece| line[piece].to_string()));
}

/// The pieces that [`wrap`] cuts a line into, as ranges of bytes.
#[must_use]
pub fn pieces(line: &str, columns: usize) -> Vec<Range<usize>> {
    let columns = columns.max(1);
    let mut out = Vec::new();
    // A line of ASCII that fits is most lines.
    if line.len() <= columns && line.is_ascii() {
        out.push(0..line.len());
        return out;
    }
    // Where the piece starts, its width so far, and the last place it may be cut at.
    let (mut start, mut used, mut cut) = (0, 0, 0);
    for (at, grapheme) in line.grapheme_indices(true) {
        let end = at + grapheme.len();
        let wide = grapheme_width(grapheme);
        let space = grapheme.chars().all(char::is_whitespace);
        if wide > 1 {
            cut = at;
        }
        if used > 0 && used + wide > columns {
            if space {
                // The space itself ends the line.
                out.push(trimmed(line, start..at));
                (start, used, cut) = (end, 0, end);
                continue;
            }
            let here = if cut > start { cut } else { at };
            out.push(trimmed(line, start..here));
            start = here;
            used = width(&line[start..at]);
        }
        used += wide;
        if space || wide > 1 {
            cut = end;
        }
    }
    if start < line.len() || start == 0 {
        out.push(start..line.len());
    }
    out
}

/// Cuts one line into pieces of at most `columns`, wherever that is: code keeps its spaces.
#[must_use]
pub fn hard_pieces(line: &str, columns: usize) -> Vec<Range<usize>> {
    let columns = columns.max(1);
    if line.len() <= columns && line.is_ascii() {
        return std::iter::once(0..line.len()).collect();
    }
    let mut out = Vec::new();
    let (mut start, mut used) = (0, 0);
    for (at, grapheme) in line.grapheme_indices(true) {
        let wide = grapheme_width(grapheme);
        if used > 0 && used + wide > columns {
            out.push(start..at);
            (start, used) = (at, 0);
        }
        used += wide;
    }
    out.push(start..line.len());
    out
}

/// `piece` without the spaces at its end.
fn trimmed(line: &str, piece: Range<usize>) -> Range<usize> {
    piece.start..piece.start + line[piece.clone()].trim_end().len()
}

/// The lines of a text that only grows, wrapped once: whole lines are kept, and only the last one, which
/// may still grow, is wrapped again.
#[derive(Debug, Default, Clone)]
pub struct Wrapped {
    lines: Vec<String>,
    columns: usize,
    /// Bytes of the text that `lines` shows.
    seen: usize,
    /// Bytes up to the last newline, and the lines they made.
    settled: (usize, usize),
}

impl Wrapped {
    /// Makes the lines those of `text` at `columns`. `text` must be the text of the last call, or that
    /// with more behind it; after any other change call [`Wrapped::forget`] first.
    pub fn fit(&mut self, text: &str, columns: usize) {
        if columns != self.columns || text.len() < self.seen {
            self.forget();
            self.columns = columns;
        }
        if text.len() == self.seen {
            return;
        }
        let (mut bytes, kept) = self.settled;
        self.lines.truncate(kept);
        let mut pieces = text[bytes..].split('\n').peekable();
        while let Some(piece) = pieces.next() {
            if pieces.peek().is_none() {
                // The end: an empty last line is not shown, since a newline only ends the one before.
                self.settled = (bytes, self.lines.len());
                if !piece.is_empty() {
                    self.wrap_piece(piece);
                }
            } else {
                self.wrap_piece(piece);
                bytes += piece.len() + 1;
            }
        }
        self.seen = text.len();
    }

    fn wrap_piece(&mut self, piece: &str) {
        for line in clean(piece.trim_end_matches('\r')).split('\n') {
            wrap(line, self.columns, &mut self.lines);
        }
    }

    /// Drops everything: the text has changed, not grown.
    pub fn forget(&mut self) {
        *self = Wrapped { columns: self.columns, ..Wrapped::default() };
    }

    /// The lines.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::text::shorten;

    fn wrapped(line: &str, columns: usize) -> Vec<String> {
        let mut out = Vec::new();
        wrap(line, columns, &mut out);
        out
    }

    #[test]
    fn lines_are_cut_at_spaces_then_inside_words() {
        assert_eq!(wrapped("the quick brown fox", 10), ["the quick", "brown fox"]);
        assert_eq!(wrapped("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrapped("", 4), [""]);
        assert_eq!(wrapped("    indented", 20), ["    indented"]);
        assert_eq!(wrapped("four five", 4), ["four", "five"]);
    }

    #[test]
    fn wide_characters_and_clusters_stay_whole() {
        assert_eq!(wrapped("日本語テキスト", 5), ["日本", "語テ", "キス", "ト"]);
        assert_eq!(wrapped("👩‍👩‍👧👩‍👩‍👧", 3), ["👩‍👩‍👧", "👩‍👩‍👧"]);
        assert_eq!(wrapped("e\u{301}e\u{301}e\u{301}", 2), ["e\u{301}e\u{301}", "e\u{301}"]);
        assert_eq!(wrapped("日", 1), ["日"]);
        assert_eq!(shorten("日本語", 4), "日…");
    }

    #[test]
    fn a_growing_text_gives_the_lines_of_the_whole() {
        let text = "one two three\n\nfour five six seven\n  eight\u{1b}[1m nine\r\nlast";
        for columns in [1, 3, 7, 20] {
            let mut growing = Wrapped::default();
            for (at, c) in text.char_indices() {
                growing.fit(&text[..at + c.len_utf8()], columns);
            }
            let mut whole = Wrapped::default();
            whole.fit(text, columns);
            assert_eq!(growing.lines(), whole.lines());
        }
    }
}
