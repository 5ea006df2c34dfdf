//! Messages change the state: what each key does, by what is open, running or written.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::tui::Exit;
use crate::tui::app::{Effect, Msg, Overlay, State};
use crate::tui::commands;
use crate::tui::complete;
use crate::tui::engine;
use crate::tui::keys::Action;
use crate::tui::outside;
use crate::tui::transcript::Transcript;
use crate::tui::view;

/// A second Ctrl+C within this time quits.
const AGAIN: Duration = Duration::from_secs(2);

/// Changes the state as `msg` says; what is to be done outside comes back.
pub fn update(state: &mut State, msg: Msg) -> Vec<Effect> {
    match msg {
        Msg::Nothing => return Vec::new(),
        Msg::Tick(now) => {
            state.now = now;
            if state.notice.as_ref().is_some_and(|(_, until)| now >= *until) {
                state.notice = None;
                state.dirty = true;
            }
            return Vec::new();
        }
        _ => state.dirty = true,
    }
    if !matches!(state.overlay, Overlay::Help(_)) && state.composer.takes(&msg) {
        return Vec::new();
    }
    match msg {
        Msg::Engine(event) => engine::receive(state, event),
        Msg::Outside(answer) => outside::receive(state, answer),
        Msg::Act(action) => act(state, action),
        Msg::Scroll(lines) => {
            scroll(state, |transcript| transcript.scroll(lines), lines);
            Vec::new()
        }
        Msg::Paste(text) => {
            state.composer.insert(&text);
            Vec::new()
        }
        Msg::Edit(key) => {
            if !matches!(state.overlay, Overlay::Help(_)) {
                state.composer.edit(key);
            } else if matches!(key.code, KeyCode::Char('q' | '?')) {
                state.overlay = Overlay::None;
            }
            Vec::new()
        }
        Msg::Resized | Msg::Tick(_) | Msg::Nothing => Vec::new(),
    }
}

/// Scrolls the help where it is open, else the transcript.
fn scroll(state: &mut State, transcript: impl FnOnce(&mut Transcript), help: isize) {
    match &mut state.overlay {
        Overlay::Help(top) => *top = top.saturating_add_signed(help).min(view::help::lines().len()),
        _ => transcript(&mut state.transcript),
    }
}

fn act(state: &mut State, action: Action) -> Vec<Effect> {
    let helping = matches!(state.overlay, Overlay::Help(_));
    match action {
        Action::Interrupt => return interrupt(state),
        Action::Escape => return escape(state),
        Action::EndOfInput if state.composer.is_empty() || state.ready.is_none() => {
            return state.quit(Exit::Quit);
        }
        Action::EndOfInput => state.composer.edit(KeyEvent::new(KeyCode::Char('d'), KeyModifiers::CONTROL)),
        Action::Send if helping => state.overlay = Overlay::None,
        Action::Send => return send(state),
        Action::NewLine => state.composer.new_line(),
        Action::Suspend => return vec![Effect::Suspend],
        Action::Redraw => return vec![Effect::Redraw],
        Action::Thoughts => state.transcript.thoughts_open = !state.transcript.thoughts_open,
        Action::Panel => {
            if view::has_side_panel(state.columns) {
                state.side_panel = !state.side_panel;
            } else {
                state.overlay = if state.overlay == Overlay::Panel { Overlay::None } else { Overlay::Panel };
            }
        }
        Action::Help => state.overlay = if helping { Overlay::None } else { Overlay::Help(0) },
        Action::Up if helping => scroll(state, |_| {}, -1),
        Action::Down if helping => scroll(state, |_| {}, 1),
        Action::Up => state.composer.up(),
        Action::Down => state.composer.down(),
        Action::PageUp => scroll(state, |transcript| transcript.page(-1), -10),
        Action::PageDown => scroll(state, |transcript| transcript.page(1), 10),
        Action::LineUp => scroll(state, |transcript| transcript.scroll(-1), -1),
        Action::LineDown => scroll(state, |transcript| transcript.scroll(1), 1),
        Action::Start => scroll(state, Transcript::to_start, isize::MIN),
        Action::End => scroll(state, Transcript::follow, isize::MAX),
        Action::Complete => return complete::tab(state, None),
        Action::Search => state.composer.search_back(),
        Action::Editor => return vec![Effect::Edit(state.composer.text())],
    }
    Vec::new()
}

fn escape(state: &mut State) -> Vec<Effect> {
    if state.ready.is_none() {
        return state.quit(Exit::Quit);
    }
    if state.overlay != Overlay::None {
        state.overlay = Overlay::None;
        return Vec::new();
    }
    state.notice = None;
    if state.running.is_some() { state.stop() } else { Vec::new() }
}

fn interrupt(state: &mut State) -> Vec<Effect> {
    let again = state.interrupted.is_some_and(|at| state.now.saturating_sub(at) <= AGAIN);
    if again || state.ready.is_none() {
        return state.quit(Exit::Interrupted);
    }
    state.interrupted = Some(state.now);
    state.notice = Some(("Ctrl+C again to quit".to_string(), state.now + AGAIN));
    if state.running.is_some() {
        return state.stop();
    }
    state.composer.clear();
    Vec::new()
}

fn send(state: &mut State) -> Vec<Effect> {
    let text = state.composer.text();
    if text.trim().is_empty() {
        return Vec::new();
    }
    if state.ready.is_none() {
        // Typed while loading: it stays, and Enter sends it once there is a model.
        return Vec::new();
    }
    if let Some(command) = text.trim_end().strip_prefix('/').filter(|rest| !rest.starts_with('/')) {
        let command = command.to_string();
        state.composer.take();
        return commands::execute(state, &command);
    }
    if state.running.is_some() {
        state.notify("a reply is being written: Esc stops it");
        return Vec::new();
    }
    let text = state.composer.take();
    let literal = text.strip_prefix("//").map(|rest| format!("/{rest}"));
    state.ask(literal.unwrap_or(text))
}
