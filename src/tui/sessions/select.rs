//! What can be done, with one letter, with the turn that is marked in the transcript (`tui/select.rs` marks and copies).

use crossterm::event::{KeyCode, KeyEvent};

use super::versions;
use crate::sessions::{Speaker, TurnId};
use crate::tui::app::{Effect, State};
use crate::tui::select::Selection;

/// The letters, for the line above the input.
pub const KEYS: &str = "e edit · r again · c go on · b h l versions · d delete";

/// A letter. `None`: nothing is marked.
pub(in crate::tui) fn edit(state: &mut State, key: KeyEvent) -> Option<Vec<Effect>> {
    let Selection { entry, .. } = state.selection?;
    let letter = match key.code {
        KeyCode::Char(letter) => letter,
        KeyCode::Left => 'h',
        KeyCode::Right => 'l',
        KeyCode::Delete => 'd',
        _ => return Some(Vec::new()),
    };
    let Some(turn) = state.sessions.chat.turn_at(entry) else { return Some(Vec::new()) };
    if state.running.is_some() {
        state.notify(versions::BUSY);
        return Some(Vec::new());
    }
    Some(match letter {
        'h' => other_version(state, turn, -1),
        'l' => other_version(state, turn, 1),
        'b' => {
            // Round the versions: after the last comes the first.
            let (at, count) = state.sessions.chat.tree().version(turn).unwrap_or((1, 1));
            other_version(state, turn, if at == count { isize::MIN } else { 1 })
        }
        'e' => {
            let question = question_of(state, turn);
            versions::edit(state, question).unwrap_or_else(|wrong| {
                state.notify(wrong);
                Vec::new()
            })
        }
        'r' => {
            let question = question_of(state, turn);
            versions::again(state, question)
        }
        'c' => {
            // Another turn than the last is gone on with on a branch of its own.
            state.transcript.truncate(entry + 1);
            state.entries_removed();
            versions::go_on(state)
        }
        'd' => {
            state.selection = None;
            versions::delete_turn(state, turn)
        }
        _ => Vec::new(),
    })
}

/// The turn itself, or where it is the model's, the question it answers.
fn question_of(state: &State, turn: TurnId) -> Option<TurnId> {
    let node = state.sessions.chat.tree().node(turn)?;
    if node.speaker == Speaker::User { Some(turn) } else { node.parent }
}

/// The mark goes to the turn that takes this one's place.
fn other_version(state: &mut State, turn: TurnId, by: isize) -> Vec<Effect> {
    let marked = state.sessions.chat.places.iter().position(|(_, each)| *each == turn);
    let effects = versions::step(state, Some(turn), by);
    state.sessions.marked = marked.filter(|_| state.sessions.chat.expected.is_some());
    effects
}
