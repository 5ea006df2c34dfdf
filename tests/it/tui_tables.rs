//! The tables agree: what the help and the palette say of keys and commands is what keys and commands do.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use slipstream::tui::app::{Msg, State};
use slipstream::tui::commands::COMMANDS;
use slipstream::tui::keys::{self, Action, BINDINGS, Binding, Focus, PREFIXED, SELECTING};
use slipstream::tui::palette::{Palette, key_of};
use slipstream::tui::view::help;

use crate::screen::{NONE, Session};

/// The key of that name; `None` for what is no key.
fn named(name: &str) -> Option<KeyEvent> {
    let mut modifiers = NONE;
    let mut rest = name;
    for (prefix, modifier) in [("Ctrl+", KeyModifiers::CONTROL), ("Shift+", KeyModifiers::SHIFT)] {
        if let Some(after) = rest.strip_prefix(prefix) {
            (rest, modifiers) = (after, modifiers | modifier);
        }
    }
    let code = match rest {
        "Enter" => KeyCode::Enter,
        "Esc" => KeyCode::Esc,
        "Tab" => KeyCode::Tab,
        "Up" => KeyCode::Up,
        "Down" => KeyCode::Down,
        "PgUp" => KeyCode::PageUp,
        "PgDn" => KeyCode::PageDown,
        "Home" => KeyCode::Home,
        "End" => KeyCode::End,
        "F1" => KeyCode::F(1),
        letter if letter.chars().count() == 1 => {
            let c = letter.chars().next()?;
            let control = modifiers.contains(KeyModifiers::CONTROL);
            KeyCode::Char(if control { c.to_ascii_lowercase() } else { c })
        }
        _ => return None,
    };
    Some(KeyEvent::new(code, modifiers))
}

fn shown(table: &'static [Binding]) -> impl Iterator<Item = &'static Binding> {
    table.iter().filter(|binding| !binding.shown.is_empty())
}

#[test]
fn every_key_that_is_shown_does_what_is_said() {
    let empty = Focus { empty: true, ..Focus::default() };
    let places = [
        (BINDINGS, empty),
        (PREFIXED, Focus { prefix: true, ..empty }),
        (SELECTING, Focus { selecting: true, ..empty }),
    ];
    for (table, focus) in places {
        for binding in shown(table) {
            let names = binding.shown.trim_start_matches("Ctrl+X ");
            let names = if binding.action == Action::Prefix { binding.shown } else { names };
            let events: Vec<KeyEvent> = names.split(", ").filter_map(named).collect();
            assert!(!events.is_empty(), "{:?} names a key", binding.shown);
            for (at, event) in events.into_iter().enumerate() {
                let message = keys::message(event, focus);
                assert!(matches!(message, Msg::Act(_)), "{event:?} of {:?} is bound", binding.shown);
                // The others of a line are its counterparts: Down beside Up.
                assert!(at > 0 || message == Msg::Act(binding.action), "{:?}: {message:?}", binding.shown);
            }
        }
    }
}

#[test]
fn the_help_lists_every_key_and_command_and_the_palette_every_command() {
    let lines = help::lines();
    let has = |left: &str, right: &str| lines.iter().any(|(l, r)| l == left && *r == right);
    for binding in [BINDINGS, PREFIXED, SELECTING].into_iter().flat_map(shown) {
        assert!(has(binding.shown, binding.does), "{}", binding.shown);
    }
    let palette: Vec<&str> = Palette::default().found().iter().map(|command| command.name).collect();
    for command in COMMANDS.iter().filter(|command| !command.does.is_empty()) {
        let left = format!("/{} {}", command.name, command.takes);
        assert!(has(left.trim_end(), command.does), "{left}");
        assert!(palette.contains(&command.name), "{left}");
    }
    // And nothing else: each line is a heading, a key or a command.
    let keys = [BINDINGS, PREFIXED, SELECTING].into_iter().flat_map(shown).count() + keys::EDITING.len();
    let commands = COMMANDS.iter().filter(|command| !command.does.is_empty()).count();
    assert_eq!(lines.iter().filter(|(_, right)| !right.is_empty()).count(), keys + commands);
}

#[test]
fn no_line_of_the_help_is_cut_and_it_ends_with_its_last() {
    for (columns, rows) in [(40, 10), (60, 16), (80, 24), (300, 100)] {
        let mut session = Session::ready(columns, rows);
        session.keys("?");
        for _ in 0..300 {
            let screen = session.screen();
            let mut lines = screen.lines().rev().skip(1).filter(|line| line.contains('…'));
            assert_eq!(lines.find(|line| !line.contains("[pasted …]")), None);
            session.key(KeyCode::Down);
        }
        let last = session.screen();
        session.key(KeyCode::End);
        assert_eq!(session.screen(), last);
        // One key up shows one line more: the place is not beyond the end.
        session.key(KeyCode::Up);
        assert!(rows == 100 || session.screen() != last);
    }
}

/// The bound key that is shown for an action, prefix and all.
fn press(session: &mut Session, shown: &str) {
    for name in shown.split(", ").next().unwrap().split(' ') {
        let event = named(name).unwrap_or_else(|| panic!("{name} is a key"));
        session.press(event.code, event.modifiers);
    }
}

/// What an action does also has a command, and the palette shows the key beside it.
#[test]
fn a_command_and_the_key_shown_beside_it_do_the_same() {
    let begin = || {
        let mut session = Session::ready(120, 30);
        session.turn("Hello", "Hi!\n\n```\ncode\n```");
        session.screen();
        session.effects();
        session
    };
    let mut keyed = 0;
    for command in COMMANDS.iter().filter(|command| !key_of(command.name).is_empty()) {
        keyed += 1;
        // These keys step through what the command is told by a word, or mean more than it does.
        if matches!(command.name, "draft" | "think" | "editor" | "stop") {
            continue;
        }
        let (mut by_key, mut by_command) = (begin(), begin());
        press(&mut by_key, key_of(command.name));
        by_command.keys(&format!("/{}\n", command.name));
        assert_eq!(by_key.effects(), by_command.effects(), "/{}", command.name);
        assert_eq!(by_key.screen(), by_command.screen(), "/{}", command.name);
    }
    assert!(keyed > 10, "{keyed}");
    let (mut by_key, mut by_command) = (begin(), begin());
    by_key.control('t');
    by_command.keys("/think show\n");
    let open = |state: &State| state.transcript.thoughts_open;
    assert!(open(&by_key.state) && open(&by_command.state));
}

#[test]
fn every_key_has_a_command() {
    for binding in BINDINGS.iter().chain(PREFIXED) {
        let commands: &[&str] = match binding.action {
            // Typing itself, moving about, and the palette, which lists the commands.
            Action::Send | Action::NewLine | Action::Search | Action::Palette => continue,
            Action::Prefix | Action::NoPrefixed => continue,
            Action::Up | Action::Down | Action::LineUp | Action::LineDown => continue,
            Action::PageUp | Action::PageDown | Action::Start | Action::End => continue,
            Action::Escape | Action::Interrupt => &["stop"],
            Action::EndOfInput => &["exit"],
            Action::Suspend => &["suspend"],
            Action::Redraw => &["redraw"],
            Action::Thoughts => &["think"],
            Action::Panel => &["panel"],
            Action::Help => &["help"],
            Action::Complete => &["select"],
            Action::Editor => &["editor"],
            Action::Models => &["models"],
            Action::Settings => &["settings"],
            Action::Tokens | Action::Rejected => &["tokens"],
            Action::MoreGuesses | Action::FewerGuesses | Action::CycleDraft => &["draft"],
            Action::Copy => &["copy"],
            Action::Context => &["context"],
            Action::Sessions => &["sessions", "search", "resume"],
            Action::NewChat => &["new", "clear"],
            Action::RenameSession => &["rename"],
            Action::DeleteSession => &["delete"],
            Action::ExportSession => &["export", "save"],
            Action::BringBack => &["restore"],
            Action::NextVersion | Action::PreviousVersion => &["branch"],
        };
        for name in commands {
            assert!(COMMANDS.iter().any(|command| command.name == *name), "/{name} for {:?}", binding.action);
        }
    }
}
