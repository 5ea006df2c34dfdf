//! Strings from a file, made safe for a terminal.
//!
//! A name in a file can carry escape sequences that move the cursor, rename the window or hide text. No string
//! from a file reaches a person except through [`Printable`]: control characters, and the invisible ones that
//! turn text around, are shown as escapes.

use std::fmt;

/// Shows a string with everything escaped that a terminal might obey, cut to a number of characters.
#[derive(Clone, Copy, Debug)]
pub struct Printable<'a> {
    text: &'a str,
    most: usize,
}

/// The whole string, escaped.
#[must_use]
pub fn printable(text: &str) -> Printable<'_> {
    Printable { text, most: usize::MAX }
}

impl<'a> Printable<'a> {
    /// At most this many characters, then `…`.
    #[must_use]
    pub fn short(text: &'a str, most: usize) -> Printable<'a> {
        Printable { text, most }
    }
}

/// Invisible characters that change how their neighbours are shown: bidirectional controls, zero-width
/// characters, line and paragraph separators, the byte order mark, tags.
fn is_treacherous(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Whether a character must not reach a terminal as it is.
#[must_use]
pub fn needs_escape(c: char) -> bool {
    c.is_control() || is_treacherous(c)
}

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for (count, c) in self.text.chars().enumerate() {
            if count == self.most {
                return f.write_char('…');
            }
            match c {
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                '\\' => f.write_str("\\\\")?,
                _ if needs_escape(c) => write!(f, "\\u{{{:x}}}", u32::from(c))?,
                _ => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_terminal_obeys_gets_through() {
        let shown = printable("\u{1b}[2J\u{7}\u{9b}31m a\u{202e}b\nc\\").to_string();
        assert_eq!(shown, "\\u{1b}[2J\\u{7}\\u{9b}31m a\\u{202e}b\\nc\\\\");
        assert!(!shown.chars().any(char::is_control));
    }

    #[test]
    fn a_long_string_is_cut_by_characters() {
        assert_eq!(Printable::short("äöüß", 2).to_string(), "äö…");
        assert_eq!(Printable::short("äö", 2).to_string(), "äö");
    }
}
