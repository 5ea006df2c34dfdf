//! The palette: every command, found by a few of its letters in order.

use crossterm::event::KeyEvent;

use crate::tui::app::{Effect, Overlay, State};
use crate::tui::commands::{COMMANDS, Slash, execute};
use crate::tui::field::Field;
use crate::tui::keys::{Action, BINDINGS, PREFIXED};
use crate::tui::overlay;

/// Commands that a key does as well.
const KEYED: &[(&str, Action)] = &[
    ("help", Action::Help),
    ("models", Action::Models),
    ("new", Action::NewChat),
    ("sessions", Action::Sessions),
    ("delete", Action::DeleteSession),
    ("restore", Action::BringBack),
    ("export", Action::ExportSession),
    ("settings", Action::Settings),
    ("tokens", Action::Tokens),
    ("panel", Action::Panel),
    ("context", Action::Context),
    ("copy", Action::Copy),
    ("select", Action::Complete),
    ("draft", Action::CycleDraft),
    ("suspend", Action::Suspend),
    ("redraw", Action::Redraw),
    ("exit", Action::EndOfInput),
    ("stop", Action::Escape),
    ("think", Action::Thoughts),
    ("editor", Action::Editor),
];

/// What is typed, and which of the lines that fit is marked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Palette {
    filter: Field,
    /// The marked line.
    pub selected: usize,
}

impl Palette {
    /// What is typed.
    #[must_use]
    pub fn filter(&self) -> &str {
        self.filter.text()
    }

    /// The commands that fit, the best first.
    #[must_use]
    pub fn found(&self) -> Vec<&'static Slash> {
        let mut found: Vec<((bool, u32), &Slash)> = COMMANDS
            .iter()
            .filter(|command| !command.does.is_empty())
            .filter_map(|command| Some((score(self.filter.text(), command.name, command.does)?, command)))
            .collect();
        // A stable sort: what is equally good keeps the table's order.
        found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
        found.into_iter().map(|(_, command)| command).collect()
    }

    pub(super) fn edit(&mut self, key: KeyEvent) {
        if self.filter.edit(key) {
            self.selected = 0;
        }
    }

    pub(super) fn paste(&mut self, text: &str) {
        self.filter.insert(text);
        self.selected = 0;
    }
}

/// The key that does what a command does, where there is one.
#[must_use]
pub fn key_of(name: &str) -> &'static str {
    let action = KEYED.iter().find(|(known, _)| *known == name).map(|(_, action)| *action);
    let bound = |table: &'static [crate::tui::keys::Binding]| {
        table.iter().find(|binding| Some(binding.action) == action && !binding.shown.is_empty())
    };
    bound(BINDINGS).or_else(|| bound(PREFIXED)).map_or("", |binding| binding.shown)
}

/// A key with a meaning.
pub(super) fn act(state: &mut State, action: Action) -> Option<Vec<Effect>> {
    let Overlay::Palette(palette) = &mut state.overlay else { return None };
    if matches!(action, Action::Send | Action::Complete) {
        let Some(command) = palette.found().get(palette.selected).copied() else {
            return Some(Vec::new());
        };
        state.overlay = Overlay::None;
        return Some(run(state, command, action == Action::Complete));
    }
    palette.selected = overlay::marked(palette.selected, palette.found().len(), action)?;
    Some(Vec::new())
}

/// Runs a command; one that needs something after its name is written into the input instead.
fn run(state: &mut State, command: &Slash, only_write: bool) -> Vec<Effect> {
    let needs = !command.takes.is_empty() && !command.takes.starts_with('[');
    if needs || only_write {
        state.composer.set(&format!("/{} ", command.name));
        return Vec::new();
    }
    execute(state, command.name)
}

/// How well a name fits what was typed; `None` where its letters are not all there, in order. A letter counts more at the
/// start of a word and behind another one that fits; what the command does is looked through where its name does not fit.
fn score(typed: &str, name: &str, does: &str) -> Option<(bool, u32)> {
    let typed: Vec<char> =
        typed.trim_start_matches('/').to_lowercase().chars().filter(|c| *c != ' ').collect();
    let by_name = fit(&typed, name).map(|score| (true, score));
    by_name.or_else(|| fit(&typed, &does.to_lowercase()).map(|score| (false, score)))
}

fn fit(typed: &[char], text: &str) -> Option<u32> {
    let text: Vec<char> = text.chars().collect();
    let (mut score, mut at, mut before) = (0, 0, None);
    for wanted in typed {
        let found = at + text[at..].iter().position(|c| c == wanted)?;
        let starts = found == 0 || !text[found - 1].is_alphanumeric();
        let follows = before == found.checked_sub(1) && found > 0;
        score += 1 + 8 * u32::from(starts) + 4 * u32::from(follows);
        (before, at) = (Some(found), found + 1);
    }
    // Of two that fit alike, the shorter.
    Some((score * 100).saturating_sub(u32::try_from(text.len()).unwrap_or(100).min(99)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(typed: &str) -> Vec<&'static str> {
        let palette = Palette { filter: Field::new(typed), selected: 0 };
        palette.found().into_iter().map(|command| command.name).collect()
    }

    #[test]
    fn a_few_letters_in_order_are_enough() {
        assert_eq!(found("tok")[0], "tokens");
        assert_eq!(found("/set")[0], "set");
        assert_eq!(found("sttngs")[0], "settings");
        assert_eq!(found("").len(), COMMANDS.iter().filter(|command| !command.does.is_empty()).count());
        assert_eq!(found("zzzz"), [""; 0]);
        // Where no name fits, what the command does is looked through.
        assert!(found("numbers of").contains(&"stats"), "{:?}", found("numbers of"));
    }

    #[test]
    fn every_keyed_command_is_there_and_has_its_key() {
        for (name, _) in KEYED {
            assert!(COMMANDS.iter().any(|command| command.name == *name), "/{name}");
            assert!(!key_of(name).is_empty(), "{name}");
        }
        assert_eq!(key_of("regen"), "");
    }
}
