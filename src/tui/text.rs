//! Foreign text made safe for the terminal, and cut into lines that fit.
//!
//! Everything on the screen that somebody else wrote (the model, a paste, a file name, an error) passes
//! through [`clean`]: no control character reaches the terminal from anywhere else.

use ratatui::buffer::CellWidth;
use unicode_segmentation::UnicodeSegmentation;

/// Tab stops, in columns: four keeps code narrow.
const TAB: usize = 4;

/// `text` without escape sequences and control characters; newlines stay, tabs become spaces.
///
/// Characters that reorder text (bidirectional overrides and isolates) go too: they can make a line
/// read differently from what it says.
#[must_use]
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut column = 0;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let mut used = c.len_utf8();
        match c {
            '\n' => {
                out.push('\n');
                column = 0;
            }
            // A lone carriage return ends a line, as old files and some terminals' pastes have it.
            '\r' if !rest[used..].starts_with('\n') => {
                out.push('\n');
                column = 0;
            }
            '\t' => {
                let spaces = TAB - column % TAB;
                out.extend(std::iter::repeat_n(' ', spaces));
                column += spaces;
            }
            '\u{1b}' => used += sequence_length(&rest[used..]),
            '\u{9b}' => used += control_sequence_length(&rest[used..]),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            c if c.is_control() => {}
            c => {
                out.push(c);
                column += unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
            }
        }
        rest = &rest[used..];
    }
    out
}

/// Bytes that belong to the escape sequence whose ESC precedes `rest`; 0 where it is no whole sequence
/// (then only the ESC is dropped, and what follows stays readable).
fn sequence_length(rest: &str) -> usize {
    match rest.as_bytes().first() {
        Some(b'[') => 1 + control_sequence_length(&rest[1..]),
        // Operating system command, device control and their like: up to BEL or ESC \, on this line.
        Some(b']' | b'P' | b'X' | b'^' | b'_') => {
            let line = rest.split('\n').next().unwrap_or_default();
            let bell = line.find('\u{7}').map(|at| at + 1);
            let terminator = line.find("\u{1b}\\").map(|at| at + 2);
            bell.into_iter().chain(terminator).min().unwrap_or(0)
        }
        _ => 0,
    }
}

/// Bytes of a control sequence's parameters and final byte.
fn control_sequence_length(rest: &str) -> usize {
    let parameters = rest.bytes().take_while(|b| (0x20..=0x3f).contains(b)).count();
    match rest.as_bytes().get(parameters) {
        Some(0x40..=0x7e) => parameters + 1,
        _ => parameters,
    }
}

/// `text` cleaned and on one line: for titles, names and status texts.
#[must_use]
pub fn one_line(text: &str) -> String {
    clean(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Columns that `text` takes, by the measure that ratatui draws with.
#[must_use]
pub fn width(text: &str) -> usize {
    text.graphemes(true).filter(|g| !g.contains(char::is_control)).map(grapheme_width).sum()
}

/// Columns of one grapheme cluster.
#[must_use]
pub fn grapheme_width(grapheme: &str) -> usize {
    usize::from(grapheme.cell_width())
}

/// `text` cut to `columns`, with `…` where something was cut off.
#[must_use]
pub fn shorten(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_string();
    }
    let mut out = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        let wide = grapheme_width(grapheme);
        if used + wide + 1 > columns {
            break;
        }
        out.push_str(grapheme);
        used += wide;
    }
    if columns > 0 {
        out.truncate(out.trim_end().len());
        out.push('…');
    }
    out
}

/// Cuts one line (clean, no newline) into pieces of at most `columns`: after spaces and around wide
/// characters where it can, inside a word where it must, never inside a grapheme cluster.
pub fn wrap(line: &str, columns: usize, out: &mut Vec<String>) {
    let columns = columns.max(1);
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
                out.push(line[start..at].trim_end().to_string());
                (start, used, cut) = (end, 0, end);
                continue;
            }
            let here = if cut > start { cut } else { at };
            out.push(line[start..here].trim_end().to_string());
            start = here;
            used = width(&line[start..at]);
        }
        used += wide;
        if space || wide > 1 {
            cut = end;
        }
    }
    if start < line.len() || start == 0 {
        out.push(line[start..].to_string());
    }
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

    fn wrapped(line: &str, columns: usize) -> Vec<String> {
        let mut out = Vec::new();
        wrap(line, columns, &mut out);
        out
    }

    #[test]
    fn control_characters_and_sequences_do_not_pass() {
        assert_eq!(clean("a\u{1b}[31mred\u{1b}[0m b\u{7}\u{8}c"), "ared bc");
        assert_eq!(clean("\u{1b}]0;title\u{7}x\u{1b}]8;;http://a\u{1b}\\y"), "xy");
        assert_eq!(clean("\u{1b}]0;never ended\nnext"), "]0;never ended\nnext");
        assert_eq!(clean("\u{9b}2Jx\u{85}y\u{202e}z"), "xyz");
        assert_eq!(clean("a\tb\r\nab\tc\rd"), "a   b\nab  c\nd");
        assert_eq!(clean("end\u{1b}"), "end");
        assert_eq!(clean("end\u{1b}["), "end");
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
