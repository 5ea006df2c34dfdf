//! The input: a small multi-line editor, its history, and its rows on the screen.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui_textarea::{CursorMove, DataCursor, TextArea};
use unicode_segmentation::UnicodeSegmentation;

use crate::tui::text::{clean, grapheme_width};

/// The editor. The text area does the editing; wrapping, caret and history are ours, since the view must
/// be a pure function of the state.
#[derive(Default)]
pub struct Composer {
    area: TextArea<'static>,
    history: Vec<String>,
    /// Which entry of the history is shown, and what was being written before.
    browsing: Option<(usize, String)>,
}

/// The input as rows of a given width.
#[derive(Debug, PartialEq, Eq)]
pub struct Rows {
    /// The rows.
    pub rows: Vec<String>,
    /// The caret's row and column.
    pub caret: (usize, usize),
}

impl Composer {
    /// The text.
    #[must_use]
    pub fn text(&self) -> String {
        self.area.lines().join("\n")
    }

    /// Nothing is written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.area.is_empty()
    }

    /// Puts `text` in place of everything, the caret at its end.
    pub fn set(&mut self, text: &str) {
        self.area = TextArea::new(text.split('\n').map(str::to_string).collect());
        self.area.move_cursor(CursorMove::Bottom);
        self.area.move_cursor(CursorMove::End);
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.browsing = None;
        self.set("");
    }

    /// Takes the text to send: it is remembered, and the input is empty again.
    pub fn take(&mut self) -> String {
        let text = self.text();
        self.remember(&text);
        self.clear();
        text
    }

    fn remember(&mut self, text: &str) {
        if !text.trim().is_empty() && self.history.last().is_none_or(|last| last != text) {
            self.history.push(text.to_string());
        }
    }

    /// Inserts text at the caret: a paste, whole, with nothing in it that a terminal would act on.
    pub fn insert(&mut self, text: &str) {
        self.area.insert_str(clean(text));
    }

    /// A new line at the caret.
    pub fn new_line(&mut self) {
        self.area.insert_newline();
    }

    /// An editing key; keys that edit nothing are ignored.
    pub fn edit(&mut self, key: KeyEvent) {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        match key.code {
            KeyCode::Char(c) if !control && !alt && !c.is_control() => self.area.insert_char(c),
            // Control and Alt together are AltGr on some keyboards: a character, not a command.
            KeyCode::Char(c) if control && alt && !c.is_ascii_alphanumeric() => self.area.insert_char(c),
            // The text area's own Ctrl+U is undo; shells and this program's help say otherwise.
            KeyCode::Char('u') if control => {
                self.area.delete_line_by_head();
            }
            KeyCode::Char('k') if control => {
                self.area.delete_line_by_end();
            }
            KeyCode::Char('w') if control => {
                self.area.delete_word();
            }
            KeyCode::Char('a') if control => self.area.move_cursor(CursorMove::Head),
            KeyCode::Char('e') if control => self.area.move_cursor(CursorMove::End),
            KeyCode::Char('y') if control => {
                self.area.paste();
            }
            KeyCode::Char('b') if alt => self.area.move_cursor(CursorMove::WordBack),
            KeyCode::Char('f') if alt => self.area.move_cursor(CursorMove::WordForward),
            KeyCode::Backspace if control || alt => {
                self.area.delete_word();
            }
            KeyCode::Backspace => self.times(self.before(), TextArea::delete_char),
            KeyCode::Char('h') if control => self.times(self.before(), TextArea::delete_char),
            KeyCode::Delete => self.times(self.after(), TextArea::delete_next_char),
            KeyCode::Char('d') if control => self.times(self.after(), TextArea::delete_next_char),
            KeyCode::Left if control || alt => self.area.move_cursor(CursorMove::WordBack),
            KeyCode::Right if control || alt => self.area.move_cursor(CursorMove::WordForward),
            KeyCode::Left => self.times(self.before(), |area| area.move_cursor(CursorMove::Back)),
            KeyCode::Right => self.times(self.after(), |area| area.move_cursor(CursorMove::Forward)),
            KeyCode::Home => self.area.move_cursor(CursorMove::Head),
            KeyCode::End => self.area.move_cursor(CursorMove::End),
            _ => {}
        }
    }

    /// Up: the line above, or on the first line the input before this one.
    pub fn up(&mut self) {
        let DataCursor(row, _) = self.area.cursor();
        if row > 0 {
            self.area.move_cursor(CursorMove::Up);
            return;
        }
        let shown = self.browsing.as_ref().map_or(self.history.len(), |(at, _)| *at);
        let Some(at) = shown.checked_sub(1) else { return };
        let draft = self.browsing.take().map_or_else(|| self.text(), |(_, draft)| draft);
        let text = self.history[at].clone();
        self.set(&text);
        self.browsing = Some((at, draft));
    }

    /// Down: the line below, or on the last line the input after this one.
    pub fn down(&mut self) {
        let DataCursor(row, _) = self.area.cursor();
        if row + 1 < self.area.lines().len() {
            self.area.move_cursor(CursorMove::Down);
            return;
        }
        let Some((at, draft)) = self.browsing.take() else {
            return;
        };
        match self.history.get(at + 1).cloned() {
            Some(text) => {
                self.set(&text);
                self.browsing = Some((at + 1, draft));
            }
            None => self.set(&draft),
        }
    }

    fn times<T>(&mut self, count: usize, act: impl Fn(&mut TextArea<'static>) -> T) {
        for _ in 0..count {
            act(&mut self.area);
        }
    }

    /// Characters of the grapheme cluster before the caret: the text area counts characters, people do not.
    fn before(&self) -> usize {
        let DataCursor(row, column) = self.area.cursor();
        let head: String = self.area.lines()[row].chars().take(column).collect();
        head.graphemes(true).next_back().map_or(1, |cluster| cluster.chars().count())
    }

    /// Characters of the grapheme cluster after the caret.
    fn after(&self) -> usize {
        let DataCursor(row, column) = self.area.cursor();
        let tail: String = self.area.lines()[row].chars().skip(column).collect();
        tail.graphemes(true).next().map_or(1, |cluster| cluster.chars().count())
    }

    /// The input cut into rows of `columns`, and where the caret is among them.
    #[must_use]
    pub fn rows(&self, columns: usize) -> Rows {
        let columns = columns.max(1);
        let DataCursor(caret_line, caret_char) = self.area.cursor();
        let mut rows = Vec::new();
        let mut caret = (0, 0);
        for (number, line) in self.area.lines().iter().enumerate() {
            let (mut row, mut used, mut chars) = (String::new(), 0, 0);
            for grapheme in line.graphemes(true) {
                let wide = grapheme_width(grapheme);
                if used > 0 && used + wide > columns {
                    rows.push(std::mem::take(&mut row));
                    used = 0;
                }
                // The caret stands before the cluster it is in or before.
                let count = grapheme.chars().count();
                if number == caret_line && (chars..chars + count).contains(&caret_char) {
                    caret = (rows.len(), used);
                }
                row.push_str(grapheme);
                used += wide;
                chars += count;
            }
            if number == caret_line && caret_char >= chars {
                if used >= columns {
                    rows.push(std::mem::take(&mut row));
                    used = 0;
                }
                caret = (rows.len(), used);
            }
            rows.push(row);
        }
        Rows { rows, caret }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(code: KeyCode) -> KeyEvent {
        KeyEvent::new(code, KeyModifiers::NONE)
    }

    fn control(c: char) -> KeyEvent {
        KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL)
    }

    #[test]
    fn line_editing_keys() {
        let mut composer = Composer::default();
        composer.insert("one two three");
        composer.edit(control('w'));
        assert_eq!(composer.text(), "one two ");
        composer.edit(control('a'));
        composer.edit(key(KeyCode::Char('>')));
        assert_eq!(composer.text(), ">one two ");
        composer.edit(control('k'));
        assert_eq!(composer.text(), ">");
        composer.edit(control('u'));
        assert!(composer.is_empty());
        composer.insert("ab");
        composer.edit(control('a'));
        composer.edit(control('d'));
        composer.edit(control('e'));
        composer.edit(key(KeyCode::Char('c')));
        assert_eq!(composer.text(), "bc");
    }

    #[test]
    fn a_cluster_is_one_step_and_one_deletion() {
        let mut composer = Composer::default();
        composer.insert("a👩‍👩‍👧e\u{301}");
        assert_eq!(composer.rows(80).caret, (0, 4));
        composer.edit(key(KeyCode::Backspace));
        assert_eq!(composer.text(), "a👩‍👩‍👧");
        composer.edit(key(KeyCode::Left));
        assert_eq!(composer.rows(80).caret, (0, 1));
        composer.edit(key(KeyCode::Delete));
        assert_eq!(composer.text(), "a");
    }

    #[test]
    fn history_goes_back_and_returns_to_the_draft() {
        let mut composer = Composer::default();
        for text in ["first", "second\nline"] {
            composer.insert(text);
            composer.take();
        }
        composer.insert("draft");
        composer.up();
        assert_eq!(composer.text(), "second\nline");
        composer.up();
        composer.up();
        assert_eq!(composer.text(), "first");
        composer.up();
        assert_eq!(composer.text(), "first");
        composer.down();
        composer.down();
        assert_eq!(composer.text(), "draft");
        composer.down();
        assert_eq!(composer.text(), "draft");
    }

    #[test]
    fn rows_wrap_by_width_and_carry_the_caret() {
        let mut composer = Composer::default();
        composer.insert("abcdef\n日本語");
        let Rows { rows, caret } = composer.rows(4);
        assert_eq!(rows, ["abcd", "ef", "日本", "語"]);
        assert_eq!(caret, (3, 2));
        composer.set("abcd");
        assert_eq!(composer.rows(4), Rows { rows: vec!["abcd".into(), String::new()], caret: (1, 0) });
    }
}
