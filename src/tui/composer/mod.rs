//! The input: a small multi-line editor, its history, and its rows on the screen.
//!
//! The text area of `ratatui-textarea` does the editing of lines. Wrapping, the caret, grapheme clusters,
//! folds, history and completion are ours: the view must be a pure function of the state, and the text area
//! draws itself and counts characters.

mod folds;
mod history;
mod keys;
mod menu;
mod rows;

pub use folds::{Fold, LONGEST_PASTE};
pub use history::{MOST as MOST_INPUTS, Search};
pub use menu::Menu;
pub use rows::Rows;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui_textarea::{CursorMove, DataCursor, TextArea};
use unicode_segmentation::UnicodeSegmentation;

use crate::tui::text::clean;
use folds::{Folds, is_reserved};
use history::History;

/// The editor.
#[derive(Default)]
pub struct Composer {
    area: TextArea<'static>,
    folds: Folds,
    history: History,
    menu: Option<Menu>,
    /// The width of the last drawing: Up and Down move by rows.
    columns: usize,
    /// The models of this machine, for completion; `None` until they were looked for.
    pub models: Option<Vec<String>>,
    /// What stood before the caret when they were asked for.
    pub awaits_models: Option<String>,
}

impl Composer {
    /// The text, whole: what is folded is in it.
    #[must_use]
    pub fn text(&self) -> String {
        self.folds.unfold(&self.area.lines().join("\n"))
    }

    /// Nothing is written, and nothing is looked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.area.is_empty() && self.history.search.is_none()
    }

    /// Puts `text` in place of everything, the caret at its end.
    pub fn set(&mut self, text: &str) {
        self.folds.clear();
        self.menu = None;
        self.area = TextArea::new(own(text).split('\n').map(str::to_string).collect());
        self.area.move_cursor(CursorMove::Bottom);
        self.area.move_cursor(CursorMove::End);
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.history.leave();
        self.set("");
    }

    /// Takes the text to send: it is remembered, and the input is empty again.
    pub fn take(&mut self) -> String {
        let text = self.text();
        self.history.add(&text);
        self.clear();
        text
    }

    /// Inputs of earlier runs.
    pub fn load_history(&mut self, earlier: Vec<String>) {
        self.history.load(earlier.iter().map(|text| clean(text)).collect());
    }

    /// What was sent since the last call: worth keeping for the next run.
    pub fn take_fresh(&mut self) -> Vec<String> {
        self.history.take_fresh()
    }

    /// The search of the history, and the input that it has found.
    #[must_use]
    pub fn search(&self) -> Option<(&Search, Option<&str>)> {
        self.history.search.as_ref().map(|search| (search, self.history.found()))
    }

    /// What may be completed, where there is a choice.
    #[must_use]
    pub fn menu(&self) -> Option<&Menu> {
        self.menu.as_ref()
    }

    /// Inserts a paste at the caret, whole, with nothing in it that a terminal would act on. A long one folds.
    pub fn insert(&mut self, text: &str) {
        let text = own(&clean(text));
        match Fold::of_paste(&text) {
            Some(fold) => self.attach(fold),
            None => {
                self.area.insert_str(text);
            }
        }
    }

    /// Inserts something folded at the caret; opened, where there are too many folds.
    pub fn attach(&mut self, fold: Fold) {
        let text = fold.text.clone();
        match self.folds.add(fold) {
            Some(c) => self.area.insert_char(c),
            None => {
                self.area.insert_str(own(&clean(&text)));
            }
        }
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
            KeyCode::Char(c) if is_reserved(c) => {}
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
            KeyCode::Backspace => self.delete_back(),
            KeyCode::Char('h') if control => self.delete_back(),
            KeyCode::Delete => self.delete_forward(),
            KeyCode::Char('d') if control => self.delete_forward(),
            KeyCode::Left if control || alt => self.area.move_cursor(CursorMove::WordBack),
            KeyCode::Right if control || alt => self.area.move_cursor(CursorMove::WordForward),
            KeyCode::Left => self.times(self.before().1, |area| area.move_cursor(CursorMove::Back)),
            KeyCode::Right => self.times(self.after().1, |area| area.move_cursor(CursorMove::Forward)),
            KeyCode::Home => self.area.move_cursor(CursorMove::Head),
            KeyCode::End => self.area.move_cursor(CursorMove::End),
            _ => {}
        }
    }

    /// Up: the row above, or on the first row the input before this one.
    pub fn up(&mut self) {
        if !self.move_rows(-1)
            && let Some(text) = self.history.back(|| self.folds.unfold(&self.area.lines().join("\n")))
        {
            self.set(&text);
        }
    }

    /// Down: the row below, or on the last row the input after this one.
    pub fn down(&mut self) {
        if !self.move_rows(1)
            && let Some(text) = self.history.forward()
        {
            self.set(&text);
        }
    }

    /// Moves the caret to the row above or below, if there is one.
    fn move_rows(&mut self, rows: isize) -> bool {
        let shown = self.rows(if self.columns == 0 { usize::MAX } else { self.columns });
        let (row, column) = shown.caret;
        let Some((line, character)) = row.checked_add_signed(rows).and_then(|to| shown.place(to, column))
        else {
            return false;
        };
        self.jump(line, character);
        true
    }

    fn jump(&mut self, line: usize, character: usize) {
        let most = |value| u16::try_from(value).unwrap_or(u16::MAX);
        self.area.move_cursor(CursorMove::Jump(most(line), most(character)));
    }

    /// Deletes the cluster before the caret; something folded opens instead.
    fn delete_back(&mut self) {
        let (fold, count) = self.before();
        self.times(count, TextArea::delete_char);
        if let Some(text) = fold {
            self.area.insert_str(own(&clean(&text)));
        }
    }

    /// Deletes the cluster after the caret; something folded opens instead.
    fn delete_forward(&mut self) {
        let (fold, count) = self.after();
        self.times(count, TextArea::delete_next_char);
        if let Some(text) = fold {
            let DataCursor(line, character) = self.area.cursor();
            self.area.insert_str(own(&clean(&text)));
            self.jump(line, character);
        }
    }

    fn times<T>(&mut self, count: usize, act: impl Fn(&mut TextArea<'static>) -> T) {
        for _ in 0..count {
            act(&mut self.area);
        }
    }

    /// The grapheme cluster before the caret: what is folded there, and its characters. The text area counts
    /// characters, people do not.
    fn before(&self) -> (Option<String>, usize) {
        let DataCursor(row, column) = self.area.cursor();
        let head: String = self.area.lines()[row].chars().take(column).collect();
        self.cluster(head.graphemes(true).next_back())
    }

    /// The same after the caret.
    fn after(&self) -> (Option<String>, usize) {
        let DataCursor(row, column) = self.area.cursor();
        let tail: String = self.area.lines()[row].chars().skip(column).collect();
        self.cluster(tail.graphemes(true).next())
    }

    fn cluster(&self, cluster: Option<&str>) -> (Option<String>, usize) {
        let fold = cluster.and_then(|c| self.folds.get(c.chars().next()?)).map(|fold| fold.text.clone());
        (fold, cluster.map_or(1, |cluster| cluster.chars().count()))
    }

    /// Notes the width that it is drawn with.
    pub fn fit(&mut self, columns: usize) {
        self.columns = columns;
    }

    /// The input cut into rows of `columns`, and where the caret is among them.
    #[must_use]
    pub fn rows(&self, columns: usize) -> Rows {
        let DataCursor(line, character) = self.area.cursor();
        rows::rows(self.area.lines(), &self.folds, (line, character), columns)
    }
}

/// `text` without the characters that stand for folds.
fn own(text: &str) -> String {
    text.chars().filter(|c| !is_reserved(*c)).collect()
}

#[cfg(test)]
mod tests;
