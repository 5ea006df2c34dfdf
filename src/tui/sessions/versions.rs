//! Changing what was said without losing it: every change is one more version of a turn, in the same place.

use super::record::{self, begin};
use super::{Back, ask, change, show};
use crate::sessions::{Change, DeletionId, NewReply, Question, TurnId};
use crate::tui::app::{Effect, Running, State};
use crate::tui::entry::Entry;

/// What changes the conversation waits until the reply has ended.
pub(in crate::tui) const BUSY: &str = "a reply is being written: Esc stops it, then try again";

/// Writes the reply to a question again, with another seed: the same one would give the same text.
pub(in crate::tui) fn again(state: &mut State, question: Option<TurnId>) -> Vec<Effect> {
    let question = question.or_else(|| state.sessions.chat.last_question().map(|(_, turn)| turn));
    let Some((entry, question)) = question.and_then(|turn| Some((state.sessions.chat.entry_of(turn)?, turn)))
    else {
        state.notify("nothing to ask again");
        return Vec::new();
    };
    state.transcript.truncate(entry + 1);
    state.entries_removed();
    if state.start.sampling.temperature <= 0.0 {
        state.notify("temperature is 0: the reply will be the same (/set temp 1)");
    }
    let versions = state.sessions.chat.tree.children(Some(question)).len();
    state.attempt = versions as u64;
    state.generate()
}

/// Goes on with the last reply where it ended.
pub(in crate::tui) fn go_on(state: &mut State) -> Vec<Effect> {
    let chat = &state.sessions.chat;
    let Some((entry, old)) = chat.places.last().copied() else {
        state.notify("there is no reply to go on with");
        return Vec::new();
    };
    let (parent, session) = (chat.tree.node(old).and_then(|node| node.parent), chat.id);
    let place = chat.tree.version(old).map_or(0, |(place, _)| place - 1);
    let Some(Entry::Reply(reply)) = state.transcript.entries().nth(entry) else {
        state.notify("the last turn is not the model's: there is no reply to go on with");
        return Vec::new();
    };
    if reply.answer.trim().is_empty() {
        state.notify("the reply has no answer to go on with: /regen writes it again");
        return Vec::new();
    }
    let (Some(session), Some(reply)) = (session, state.transcript.reopen(entry)) else { return Vec::new() };
    let new = NewReply {
        id: TurnId::fresh(parent.max(Some(old))),
        session,
        parent,
        created: state.sessions.date,
        continues: Some(old),
        text: reply.answer.clone(),
        reasoning: reply.reasoning.clone(),
    };
    // It takes the place of what it goes on with. Notes below it would stand between.
    state.transcript.truncate(entry + 1);
    state.entries_removed();
    if let Some(inline) = &mut state.inline {
        // What was printed of it is printed again, with what comes.
        inline.limit(entry);
    }
    state.sessions.chat.places.pop();
    // The seed of what it goes on with: so it becomes what it would have become.
    state.attempt = place as u64;
    state.running = Some(Running { entry, stopping: false });
    let mut effects = begin(state, entry, new);
    effects.extend(state.request(false));
    effects
}

/// Takes the last question back into the input. The branch stays, and can be returned to.
pub(in crate::tui) fn take_back(state: &mut State) -> Result<Vec<Effect>, String> {
    let (entry, _) = state.sessions.chat.last_question().ok_or("nothing to take back")?;
    let before = state.sessions.chat.head();
    let Some(text) = question_at(state, entry) else { return Err("nothing to take back".to_owned()) };
    state.transcript.truncate(entry);
    state.entries_removed();
    state.composer.set(&text);
    state.sessions.back = before.map(Back::Head);
    state.notify("taken back: edit it and send it again (Ctrl+X z: as it was)");
    Ok(Vec::new())
}

/// Puts a question into the input, to be sent as another version of itself. Until then nothing is changed.
pub(in crate::tui) fn edit(state: &mut State, question: Option<TurnId>) -> Result<Vec<Effect>, String> {
    let question = question.or_else(|| state.sessions.chat.last_question().map(|(_, turn)| turn));
    let place = question.and_then(|turn| Some((state.sessions.chat.entry_of(turn)?, turn)));
    let (entry, turn) = place.ok_or("there is no question to edit")?;
    let text = question_at(state, entry).ok_or("only your own turns can be edited")?;
    let before = state.sessions.chat.head();
    state.sessions.chat.editing = Some((turn, before));
    state.transcript.truncate(entry);
    state.entries_removed();
    state.composer.set(&text);
    state.notify("Enter sends it as another version, Esc leaves it as it was");
    Ok(Vec::new())
}

/// Leaves the question that is edited as it was. Whether there was one.
pub(in crate::tui) fn leave_edit(state: &mut State) -> Option<Vec<Effect>> {
    let (_, before) = state.sessions.chat.editing.take()?;
    state.composer.clear();
    Some(look_at(state, before))
}

fn question_at(state: &State, entry: usize) -> Option<String> {
    match state.transcript.entries().nth(entry)? {
        Entry::User(text) => Some(text.clone()),
        _ => None,
    }
}

/// Looks at the version so many places on from that of a turn.
pub(in crate::tui) fn step(state: &mut State, turn: Option<TurnId>, by: isize) -> Vec<Effect> {
    let Some(turn) = turn.or_else(|| state.sessions.chat.fork()) else {
        state.notify("no turn on this branch has another version");
        return Vec::new();
    };
    let tree = &state.sessions.chat.tree;
    let Some(head) = tree.beside(turn, by) else { return Vec::new() };
    let (now, count) = tree.version(turn).unwrap_or((1, 1));
    let then = now.saturating_add_signed(by).clamp(1, count);
    if then == now {
        state.notify(format!("version {now} of {count} is the {}", if by < 0 { "first" } else { "last" }));
        return Vec::new();
    }
    state.notify(format!("version {then} of {count}"));
    look_at(state, Some(head))
}

/// Shows the branch that ends with this turn.
pub(super) fn look_at(state: &mut State, head: Option<TurnId>) -> Vec<Effect> {
    let chat = &mut state.sessions.chat;
    let path = chat.tree.path(head);
    let shown = chat.places.iter().map(|(_, turn)| turn);
    let kept = shown.zip(&path).take_while(|(shown, wanted)| shown == wanted).count();
    let rest = path[kept..].to_vec();
    chat.expected = Some((kept, rest.clone()));
    if rest.is_empty() { show::branch(state, Vec::new()) } else { vec![ask(Question::Turns(rest))] }
}

/// Deletes a turn and all that follow it.
pub(in crate::tui) fn delete_turn(state: &mut State, turn: TurnId) -> Vec<Effect> {
    let deletion = DeletionId::fresh();
    let at = state.sessions.date;
    let chat = &mut state.sessions.chat;
    let head = chat.tree.head_without(turn);
    chat.tree.remove(turn);
    let shown = chat.id;
    state.sessions.back = Some(Back::Deletion { id: deletion, what: "the turn".to_owned(), shown });
    state.notify("deleted (Ctrl+X z brings it back)");
    let mut effects = vec![change(Change::DeleteTurn(turn, deletion, at))];
    effects.extend(look_at(state, head));
    effects
}

/// Takes the last deletion, or the last question taken back, back.
pub(in crate::tui) fn bring_back(state: &mut State) -> Result<Vec<Effect>, String> {
    match state.sessions.back.take() {
        None => Err("nothing was deleted or taken back here (slipstream sessions list --deleted tells of \
                     earlier deletions)"
            .to_owned()),
        Some(Back::Head(head)) => {
            state.composer.clear();
            Ok(look_at(state, Some(head)))
        }
        Some(Back::Deletion { id, what, shown }) => {
            state.notify(format!("{what} is back"));
            let mut effects = vec![change(Change::Restore(id))];
            effects.extend(super::list::refresh(state));
            // Where another session was opened or begun since, it stays.
            let open = state.sessions.chat.id;
            let shown = shown.filter(|session| open.is_none_or(|open| open == *session));
            if let Some(session) = shown.filter(|_| state.running.is_none()) {
                effects.extend(record::settle(state));
                effects.push(ask(Question::Open(session)));
            }
            Ok(effects)
        }
    }
}
