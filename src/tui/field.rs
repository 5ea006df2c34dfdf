//! One line of text that is typed into: a filter, the value of a setting. The caret is always at its end.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use unicode_segmentation::UnicodeSegmentation;

use crate::tui::text::one_line;

/// The line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field {
    text: String,
}

impl Field {
    /// With a text in it.
    #[must_use]
    pub fn new(text: &str) -> Field {
        Field { text: text.to_owned() }
    }

    /// What is written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A key; whether it changed anything.
    pub fn edit(&mut self, key: KeyEvent) -> bool {
        let before = self.text.len();
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        match key.code {
            KeyCode::Char(c) if !control && !alt && !c.is_control() => self.text.push(c),
            KeyCode::Char('u') if control => self.text.clear(),
            KeyCode::Char('w') if control => self.delete_word(),
            KeyCode::Backspace if control || alt => self.delete_word(),
            KeyCode::Backspace => self.delete(),
            KeyCode::Char('h') if control => self.delete(),
            _ => {}
        }
        self.text.len() != before
    }

    /// A paste, on one line.
    pub fn insert(&mut self, text: &str) {
        self.text.push_str(&one_line(text));
    }

    fn delete(&mut self) {
        let last = self.text.graphemes(true).next_back().map_or(0, str::len);
        self.text.truncate(self.text.len() - last);
    }

    fn delete_word(&mut self) {
        let word = self.text.trim_end();
        let start = word.rfind(char::is_whitespace).map_or(0, |at| at + 1);
        self.text.truncate(start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_edited_at_its_end() {
        let mut field = Field::default();
        let key = |code| KeyEvent::new(code, KeyModifiers::NONE);
        let control = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
        field.insert("one\u{1b}[31m two\nthrée\u{301}");
        assert_eq!(field.text(), "one two thrée\u{301}");
        assert!(field.edit(key(KeyCode::Backspace)), "a cluster is one deletion");
        assert_eq!(field.text(), "one two thré");
        assert!(field.edit(control('w')));
        assert_eq!(field.text(), "one two ");
        assert!(field.edit(key(KeyCode::Char('x'))));
        assert!(!field.edit(key(KeyCode::Left)));
        assert!(field.edit(control('u')));
        assert!(!field.edit(key(KeyCode::Backspace)));
        assert_eq!(field.text(), "");
    }
}
