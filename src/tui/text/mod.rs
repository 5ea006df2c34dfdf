//! Foreign text made safe for the terminal, and cut into lines that fit.
//!
//! Everything on the screen that somebody else wrote (the model, a paste, a file name, an error) passes
//! through [`clean`]: no control character reaches the terminal from anywhere else.
//!
//! Widths are those of whole grapheme clusters, by the measure that ratatui draws with: an emoji of several
//! code points is one thing of two columns. Right-to-left text stays in its logical order, one letter after
//! the other, as most terminals expect it; [`ISOLATE`] keeps the frame around it in place where a terminal
//! reorders.

use std::borrow::Cow;

use ratatui::buffer::CellWidth;
use unicode_segmentation::UnicodeSegmentation;

mod wrap;

pub use wrap::{Wrapped, hard_pieces, pieces, wrap};

/// Tab stops, in columns: four keeps code narrow.
const TAB: usize = 4;

/// The left-to-right mark: no column wide, and a strong left-to-right character. Before a piece of the frame
/// it keeps a terminal that reorders right-to-left text from drawing the frame into it.
pub const ISOLATE: char = '\u{200e}';

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
            // Unicode's own ends of lines and paragraphs.
            '\u{2028}' | '\u{2029}' => {
                out.push('\n');
                column = 0;
            }
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

/// The same, without a copy where there is nothing to clean.
#[must_use]
pub fn cleaned(text: &str) -> Cow<'_, str> {
    let suspect = |c: char| {
        (c.is_control() && c != '\n') || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    // The first bytes of all the characters above, beyond the control characters of ASCII.
    let is_suspicious = |b: u8| b < b' ' && b != b'\n' || matches!(b, 0x7f | 0xc2 | 0xe2);
    if text.bytes().any(is_suspicious) && text.contains(suspect) {
        Cow::Owned(clean(text))
    } else {
        Cow::Borrowed(text)
    }
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

/// Whether a terminal that knows of writing directions may reorder `text`.
#[must_use]
pub fn has_right_to_left(text: &str) -> bool {
    !text.is_ascii()
        && text.chars().any(|c| {
            matches!(c,
                '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}'
                | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_sequences_do_not_pass() {
        assert_eq!(clean("a\u{1b}[31mred\u{1b}[0m b\u{7}\u{8}c"), "ared bc");
        assert_eq!(clean("\u{1b}]0;title\u{7}x\u{1b}]8;;http://a\u{1b}\\y"), "xy");
        assert_eq!(clean("\u{1b}]0;never ended\nnext"), "]0;never ended\nnext");
        assert_eq!(clean("\u{9b}2Jx\u{85}y\u{202e}z"), "xyz");
        assert_eq!(clean("a\tb\r\nab\tc\rd"), "a   b\nab  c\nd");
        assert_eq!(clean("end\u{1b}"), "end");
        assert_eq!(clean("end\u{1b}["), "end");
        assert_eq!(clean("one\u{2028}two\u{2029}"), "one\ntwo\n");
    }

    #[test]
    fn clusters_have_the_width_that_is_drawn() {
        for (cluster, columns) in [
            ("a", 1),
            ("日", 2),
            ("ｱ", 1),
            ("e\u{301}", 1),
            ("\u{915}\u{94d}\u{937}", 2), // conjunct of two Devanagari letters
            ("👍🏽", 2),                    // with a skin tone
            ("👩‍👩‍👧", 2),                    // three people joined
            ("🇩🇪", 2),                    // a flag of two letters
            ("🏴󠁧󠁢󠁳󠁣󠁴󠁿", 2),                    // a flag of tag characters
            ("❤", 1),
            ("❤\u{fe0f}", 2), // drawn as an emoji
            ("1\u{fe0f}\u{20e3}", 2),
            ("ש", 1),
            ("שׁ", 1),
            ("ب", 1),
            ("한", 2),
            ("\u{1112}\u{1161}\u{11ab}", 2), // the same, of three parts
        ] {
            assert_eq!(width(cluster), columns, "{cluster:?}");
            assert_eq!(cluster.graphemes(true).count(), 1, "{cluster:?}");
        }
    }

    #[test]
    fn right_to_left_letters_are_known() {
        for text in ["שלום", "abc مرحبا", "ﷺ", "𞤀"] {
            assert!(has_right_to_left(text), "{text}");
        }
        for text in ["abc", "日本語", "é", "кириллица", "│"] {
            assert!(!has_right_to_left(text), "{text}");
        }
    }
}
