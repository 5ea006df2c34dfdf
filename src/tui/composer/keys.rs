//! Keys while the history is searched, or a choice of completions is open: they mean something else then.

use crossterm::event::{KeyCode, KeyModifiers};

use super::Composer;
use crate::tui::app::Msg;
use crate::tui::keys::Action;
use crate::tui::text::one_line;

impl Composer {
    /// Opens the search of the history; open, it looks further back.
    pub fn search_back(&mut self) {
        match self.history.search {
            Some(_) => self.history.look_further(),
            None => self.history.look_for(String::new()),
        }
    }

    /// Takes a key that means something to what is open; false where it means what it always does.
    pub fn takes(&mut self, msg: &Msg) -> bool {
        if !matches!(msg, Msg::Act(_) | Msg::Edit(_) | Msg::Paste(_)) {
            return false;
        }
        if self.history.search.is_some() { self.search_takes(msg) } else { self.menu_takes(msg) }
    }

    fn search_takes(&mut self, msg: &Msg) -> bool {
        let mut query = self.history.search.as_ref().map(|search| search.query.clone()).unwrap_or_default();
        match msg {
            Msg::Edit(key) => match key.code {
                KeyCode::Char(c) if !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => {
                    query.push(c);
                    self.history.look_for(query);
                }
                KeyCode::Backspace => {
                    query.pop();
                    self.history.look_for(query);
                }
                _ => return self.accept(false),
            },
            Msg::Paste(text) => {
                query.push_str(&one_line(text));
                self.history.look_for(query);
            }
            Msg::Act(Action::Search) => self.history.look_further(),
            Msg::Act(Action::Escape | Action::Interrupt) => self.history.search = None,
            Msg::Act(Action::Send) => return self.accept(true),
            _ => return self.accept(false),
        }
        true
    }

    /// Ends the search and puts what it found into the input. Gives back `taken`.
    fn accept(&mut self, taken: bool) -> bool {
        let found = self.history.found().map(str::to_string);
        self.history.search = None;
        if let Some(text) = found {
            self.history.leave();
            self.set(&text);
        }
        taken
    }

    fn menu_takes(&mut self, msg: &Msg) -> bool {
        let Some(menu) = &self.menu else { return false };
        match msg {
            Msg::Act(Action::Complete | Action::Down) => self.choose(1),
            Msg::Act(Action::Up) => self.choose(-1),
            Msg::Edit(key) if key.code == KeyCode::BackTab => self.choose(-1),
            Msg::Act(Action::Escape) => self.menu = None,
            Msg::Act(Action::Send) => {
                let chosen = menu.chosen.is_some();
                self.menu = None;
                return chosen;
            }
            _ => {
                self.menu = None;
                return false;
            }
        }
        true
    }
}
