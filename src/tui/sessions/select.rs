//! Choosing a turn with the keys (Tab on an empty input), and what can be done with it.

use crossterm::event::{KeyCode, KeyEvent};

use super::versions;
use crate::sessions::{Speaker, TurnId};
use crate::tui::app::{Effect, State};
use crate::tui::entry::Entry;
use crate::tui::keys::Action;

/// The turn that is chosen: its entry in the transcript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selected(pub usize);

/// The keys, for the status line.
pub const KEYS: &str = "j/k choose  y copy  e edit  r again  c go on  b, h/l versions  d delete  Esc back";

/// Chooses the last turn. Whether there is one.
pub(in crate::tui) fn begin(state: &mut State) -> bool {
    let last = state.sessions.chat.places.last().map(|(entry, _)| Selected(*entry));
    state.sessions.selected = last;
    show(state);
    last.is_some()
}

/// A key with a meaning. `None`: it means what it means elsewhere, and nothing is chosen any more.
pub(in crate::tui) fn act(state: &mut State, action: Action) -> Option<Vec<Effect>> {
    state.sessions.selected?;
    match action {
        Action::Up | Action::LineUp => step(state, -1),
        Action::Down | Action::LineDown => step(state, 1),
        Action::Start => step(state, isize::MIN),
        Action::End => step(state, isize::MAX),
        Action::Escape | Action::Complete | Action::Send => state.sessions.selected = None,
        // Scrolling, panels and the prefix leave the choice.
        Action::PageUp | Action::PageDown | Action::Prefix | Action::Thoughts | Action::Help => return None,
        _ => {
            state.sessions.selected = None;
            return None;
        }
    }
    Some(Vec::new())
}

fn step(state: &mut State, by: isize) {
    let Some(Selected(entry)) = state.sessions.selected else { return };
    let places = &state.sessions.chat.places;
    let at = places.partition_point(|(each, _)| *each < entry);
    let last = places.len().saturating_sub(1);
    let to = at.saturating_add_signed(by).min(last);
    state.sessions.selected = places.get(to).map(|(entry, _)| Selected(*entry));
    show(state);
}

fn show(state: &mut State) {
    if let Some(Selected(entry)) = state.sessions.selected {
        state.transcript.reveal(entry);
    }
}

/// A letter. `None`: nothing is chosen.
pub(in crate::tui) fn edit(state: &mut State, key: KeyEvent) -> Option<Vec<Effect>> {
    let Selected(entry) = state.sessions.selected?;
    let Some(turn) = state.sessions.chat.turn_at(entry) else {
        state.sessions.selected = None;
        return Some(Vec::new());
    };
    let letter = match key.code {
        KeyCode::Char(letter) => letter,
        KeyCode::Left => 'h',
        KeyCode::Right => 'l',
        KeyCode::Delete => 'd',
        _ => return Some(Vec::new()),
    };
    match letter {
        'j' => step(state, 1),
        'k' => step(state, -1),
        'g' => step(state, isize::MIN),
        'G' => step(state, isize::MAX),
        'q' => state.sessions.selected = None,
        'y' => return Some(copy(state, entry)),
        'h' | 'l' | 'b' | 'e' | 'r' | 'c' | 'd' if state.running.is_some() => state.notify(versions::BUSY),
        'h' => return Some(other_version(state, turn, -1)),
        'l' => return Some(other_version(state, turn, 1)),
        'b' => {
            // Round the versions: after the last comes the first.
            let (at, count) = state.sessions.chat.tree().version(turn).unwrap_or((1, 1));
            let by = if at == count { isize::MIN } else { 1 };
            return Some(other_version(state, turn, by));
        }
        'e' => return Some(edit_turn(state, turn)),
        'r' => {
            state.sessions.selected = None;
            let question = question_of(state, turn);
            return Some(versions::again(state, question));
        }
        'c' => {
            state.sessions.selected = None;
            // Another turn than the last is gone on with on a branch of its own.
            state.transcript.truncate(entry + 1);
            state.entries_removed();
            return Some(versions::go_on(state));
        }
        'd' => {
            state.sessions.selected = None;
            return Some(versions::delete_turn(state, turn));
        }
        _ => {}
    }
    Some(Vec::new())
}

/// The turn's own text, or where it is the model's, the question it answers.
fn question_of(state: &State, turn: TurnId) -> Option<TurnId> {
    let node = state.sessions.chat.tree().node(turn)?;
    if node.speaker == Speaker::User { Some(turn) } else { node.parent }
}

fn edit_turn(state: &mut State, turn: TurnId) -> Vec<Effect> {
    let question = question_of(state, turn);
    versions::edit(state, question).unwrap_or_else(|wrong| {
        state.notify(wrong);
        Vec::new()
    })
}

/// The choice follows the turn that takes this one's place.
fn other_version(state: &mut State, turn: TurnId, by: isize) -> Vec<Effect> {
    versions::step(state, Some(turn), by)
}

fn copy(state: &mut State, entry: usize) -> Vec<Effect> {
    let text = match state.transcript.entries().nth(entry) {
        Some(Entry::User(text) | Entry::Note(text) | Entry::Error(text)) => text.clone(),
        Some(Entry::Reply(reply)) => reply.answer.clone(),
        None => return Vec::new(),
    };
    state.notify("copied");
    vec![Effect::Copy(text)]
}
