//! Messages change the state: what each key does, by what is open, running or written.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::tui::Exit;
use crate::tui::app::{Effect, Msg, Stage, State};
use crate::tui::commands;
use crate::tui::keys::Action;
use crate::tui::options::Options;
use crate::tui::overlay::{self, Overlay, toggle};
use crate::tui::palette::Palette;
use crate::tui::{clipboard, complete, context, engine, outside, pairs, speculate, view};

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
    let written = !state.overlay.takes_letters() && state.stage() != Stage::Choosing;
    if written && state.composer.takes(&msg) {
        return Vec::new();
    }
    match msg {
        Msg::Engine(event) => engine::receive(state, event),
        Msg::Outside(answer) => outside::receive(state, answer),
        Msg::Opened(opening) => {
            pairs::opened(state, *opening);
            Vec::new()
        }
        Msg::Refused(failure) => pairs::refused(state, failure),
        Msg::Pairs(found) => {
            pairs::found(state, found);
            complete::models_came(state)
        }
        Msg::Act(action) => {
            state.prefix = false;
            act(state, action)
        }
        Msg::Scroll(lines) => {
            wheel(state, lines);
            Vec::new()
        }
        Msg::Paste(text) => {
            if state.stage() != Stage::Choosing && !overlay::paste(state, &text) {
                state.composer.insert(&text);
            }
            Vec::new()
        }
        Msg::Edit(key) => edit(state, key),
        Msg::Background(light) => {
            state.light = Some(light);
            Vec::new()
        }
        Msg::Wrong(wrong) => {
            state.note(wrong);
            Vec::new()
        }
        Msg::Resized | Msg::Tick(_) | Msg::Nothing => Vec::new(),
    }
}

fn edit(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    if let Some(effects) = overlay::edit(state, key) {
        return effects;
    }
    if state.stage() == Stage::Choosing {
        return pairs::edit(state, key);
    }
    state.composer.edit(key);
    Vec::new()
}

/// The wheel moves what is open, else the conversation.
fn wheel(state: &mut State, lines: isize) {
    let action = if lines < 0 { Action::LineUp } else { Action::LineDown };
    if state.stage() == Stage::Choosing && state.overlay == Overlay::None {
        let _ = pairs::act(state, action);
        return;
    }
    if overlay::act(state, action).is_none() {
        return scroll(state, lines);
    }
    for _ in 1..lines.unsigned_abs().min(100) {
        let _ = overlay::act(state, action);
    }
}

/// Scrolls what is in the transcript's place.
fn scroll(state: &mut State, lines: isize) {
    match lines {
        _ if state.tokens.shown => state.tokens.scroll(lines),
        isize::MIN => state.transcript.to_start(),
        isize::MAX => state.transcript.follow(),
        _ => state.transcript.scroll(lines),
    }
}

fn page(state: &mut State, pages: isize) {
    if state.tokens.shown { state.tokens.page(pages) } else { state.transcript.page(pages) }
}

/// What a key means whatever is open.
fn always(state: &mut State, action: Action) -> Option<Vec<Effect>> {
    match action {
        Action::Interrupt => Some(interrupt(state)),
        Action::Suspend => Some(vec![Effect::Suspend]),
        Action::Redraw => Some(vec![Effect::Redraw]),
        Action::Prefix => {
            state.prefix = true;
            Some(Vec::new())
        }
        Action::EndOfInput if state.composer.is_empty() || state.stage() != Stage::Chatting => {
            Some(state.quit(Exit::Quit))
        }
        _ => None,
    }
}

fn act(state: &mut State, action: Action) -> Vec<Effect> {
    if let Some(effects) = always(state, action) {
        return effects;
    }
    if let Some(effects) = overlay::act(state, action) {
        return effects;
    }
    if action == Action::Escape && state.overlay != Overlay::None {
        state.overlay = Overlay::None;
        return Vec::new();
    }
    match state.stage() {
        Stage::Choosing => choosing(state, action),
        Stage::Opening if matches!(action, Action::Escape) => {
            // What is on disk already is not lost: the list comes, and another can be chosen.
            state.choosable = true;
            vec![Effect::Cancel]
        }
        // Typed while loading: it stays, and Enter sends it once there is a model.
        Stage::Opening => writing(state, action).unwrap_or_default(),
        Stage::Chatting => chatting(state, action),
    }
}

/// On the start screen.
fn choosing(state: &mut State, action: Action) -> Vec<Effect> {
    match action {
        Action::Escape => state.quit(Exit::Quit),
        Action::Help => {
            toggle(state, Overlay::Help(0));
            Vec::new()
        }
        _ => pairs::act(state, action).unwrap_or_default(),
    }
}

/// Keys of the input, in every stage that has one. `None`: it was none of them.
fn writing(state: &mut State, action: Action) -> Option<Vec<Effect>> {
    match action {
        Action::EndOfInput => state.composer.edit(KeyEvent::new(KeyCode::Char('d'), KeyModifiers::CONTROL)),
        Action::NewLine => state.composer.new_line(),
        Action::Up => state.composer.up(),
        Action::Down => state.composer.down(),
        Action::Search => state.composer.search_back(),
        Action::Complete => return Some(complete::tab(state, None)),
        Action::Editor => return Some(vec![Effect::Edit(state.composer.text())]),
        _ => return None,
    }
    Some(Vec::new())
}

fn chatting(state: &mut State, action: Action) -> Vec<Effect> {
    if let Some(effects) = writing(state, action) {
        return effects;
    }
    match action {
        Action::Escape => return escape(state),
        Action::Send => return send(state),
        Action::Thoughts => state.transcript.thoughts_open = !state.transcript.thoughts_open,
        Action::Panel => panel(state),
        Action::Help => toggle(state, Overlay::Help(0)),
        Action::Palette => toggle(state, Overlay::Palette(Palette::default())),
        Action::Settings => toggle(state, Overlay::Options(Options::default())),
        Action::Models => return pairs::open_screen(state),
        Action::Context => toggle(state, Overlay::Context(context::Screen::default())),
        Action::Tokens => tokens(state),
        Action::Rejected => rejected(state),
        Action::MoreGuesses => return speculate::step(state, 1),
        Action::FewerGuesses => return speculate::step(state, -1),
        Action::CycleDraft => return speculate::cycle(state),
        Action::Copy => return clipboard::copy_next(state),
        Action::PageUp => page(state, -1),
        Action::PageDown => page(state, 1),
        Action::LineUp => scroll(state, -1),
        Action::LineDown => scroll(state, 1),
        Action::Start => scroll(state, isize::MIN),
        Action::End => scroll(state, isize::MAX),
        _ => {}
    }
    Vec::new()
}

/// Shows or hides the numbers: at the side where there is room, else over the transcript.
pub(super) fn panel(state: &mut State) {
    if view::has_side_panel(state.columns) {
        state.side_panel = !state.side_panel;
    } else {
        toggle(state, Overlay::Panel(0));
    }
}

/// Shows or hides who chose each token.
pub(super) fn tokens(state: &mut State) {
    state.tokens.shown = !state.tokens.shown;
    state.tokens.forget();
}

/// Shows or hides the rejected guesses, and the tokens they stand among.
pub(super) fn rejected(state: &mut State) {
    state.tokens.rejected = !state.tokens.rejected || !state.tokens.shown;
    state.tokens.shown = true;
    state.tokens.forget();
}

fn escape(state: &mut State) -> Vec<Effect> {
    state.notice = None;
    if state.running.is_some() { state.stop() } else { Vec::new() }
}

fn interrupt(state: &mut State) -> Vec<Effect> {
    let again = state.interrupted.is_some_and(|at| state.now.saturating_sub(at) <= AGAIN);
    if again || state.stage() != Stage::Chatting {
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
