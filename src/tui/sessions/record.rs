//! What is said becomes wishes to the store, as it is said.

use serde_json::Value;

use super::{Wish, change, numbers, wish};
use crate::event::{Reply, Text};
use crate::sessions::{
    Change, DeletionId, Identity, NewReply, NewTurn, Node, ReplyEnd, Sampling, SessionId, SessionSettings,
    Speaker, TurnId,
};
use crate::tui::app::{Effect, State};
use crate::tui::entry::Entry;
use crate::tui::presets;

/// Where the settings keep the summary of turns that are not sent any more.
pub(super) const SUMMARY: &str = "summary";
/// What a reply ended by that the engine could not write.
const FAILED: &str = "failed";
/// … and one that was broken off because the program, or the model, went away.
const BROKEN_OFF: &str = "cancelled";

/// The person's turn is the entry `entry`.
pub(in crate::tui) fn asked(state: &mut State, entry: usize, text: &str) -> Vec<Effect> {
    let chat = &mut state.sessions.chat;
    let parent = chat.head();
    let id = TurnId::fresh(parent);
    let session = *chat.id.get_or_insert_with(SessionId::fresh);
    chat.editing = None;
    chat.expected = None;
    let fruitless = chat.fruitless.take().filter(|question| {
        chat.entry_of(*question).is_none()
            && chat.tree.node(*question).is_some_and(|node| node.parent == parent)
    });
    fruitless.iter().for_each(|question| drop(chat.tree.remove(*question)));
    chat.entitle(text);
    chat.place(entry, Node { id, parent, speaker: Speaker::User, finished: true });
    chat.kept.head = Some(id);
    let (text, created) = (text.to_owned(), state.sessions.date);
    let turn = NewTurn { id, session, parent, speaker: Speaker::User, text, created };
    let delete = |question| change(Change::DeleteTurn(question, DeletionId::fresh(), created));
    let mut effects: Vec<Effect> = fruitless.map(delete).into_iter().collect();
    effects.push(change(Change::Append(turn)));
    effects
}

/// The model's turn begins as the entry `entry`, after the last turn that is shown.
pub(in crate::tui) fn began(state: &mut State, entry: usize) -> Vec<Effect> {
    let parent = state.sessions.chat.head();
    let new = NewReply {
        id: TurnId::fresh(parent),
        session: *state.sessions.chat.id.get_or_insert_with(SessionId::fresh),
        parent,
        created: state.sessions.date,
        continues: None,
        text: String::new(),
        reasoning: String::new(),
    };
    begin(state, entry, new)
}

/// A reply begins, with a text or without.
pub(super) fn begin(state: &mut State, entry: usize, new: NewReply) -> Vec<Effect> {
    let chat = &mut state.sessions.chat;
    chat.place(entry, Node { id: new.id, parent: new.parent, speaker: Speaker::Model, finished: false });
    chat.kept.head = Some(new.id);
    // Its tokens come as they are written.
    chat.traced.insert(new.id);
    chat.growing = Some(new.clone());
    let mut effects = settle_with(state, true);
    effects.push(change(Change::Begin(new)));
    effects
}

/// It grows.
pub(in crate::tui) fn grew(state: &State, text: &Text) -> Vec<Effect> {
    let growing = state.sessions.chat.growing.as_ref();
    growing.map(|new| wish(Wish::Grow(new.id, text.clone()))).into_iter().collect()
}

/// What the reply that is being written began with: answer and reasoning.
pub(in crate::tui) fn begun_with(state: &State) -> (String, String) {
    let growing = state.sessions.chat.growing.as_ref();
    growing.map(|new| (new.text.clone(), new.reasoning.clone())).unwrap_or_default()
}

/// It has ended.
pub(in crate::tui) fn ended(state: &mut State, reply: &Reply) -> Vec<Effect> {
    let Some(new) = state.sessions.chat.growing.take() else { return Vec::new() };
    state.sessions.chat.tree.finish(new.id);
    let end = ReplyEnd {
        reason: reply.stop_reason.name().to_owned(),
        text: Some(format!("{}{}", new.text, reply.text)),
        reasoning: Some(format!("{}{}", new.reasoning, reply.reasoning)),
        numbers: Some(numbers::of(reply)),
        // The tokens of what it began with are not known here.
        tokens: if new.text.is_empty() { reply.tokens.clone() } else { Vec::new() },
    };
    vec![change(Change::Finish(new, end))]
}

/// It could not be written to its end.
pub(in crate::tui) fn failed(state: &mut State) -> Vec<Effect> {
    break_off(state, FAILED)
}

/// It is not gone on with: the program ends, or the model goes.
pub(in crate::tui) fn broken_off(state: &mut State) -> Vec<Effect> {
    break_off(state, BROKEN_OFF)
}

fn break_off(state: &mut State, reason: &str) -> Vec<Effect> {
    let Some(new) = state.sessions.chat.growing.take() else { return Vec::new() };
    let chat = &mut state.sessions.chat;
    chat.tree.finish(new.id);
    let reply = chat.entry_of(new.id).and_then(|entry| state.transcript.reply_mut(entry));
    if reply.is_some_and(|reply| reply.answer.is_empty() && reply.reasoning.is_empty()) {
        chat.fruitless = new.parent;
    }
    let end = ReplyEnd { reason: reason.to_owned(), ..ReplyEnd::default() };
    vec![change(Change::Finish(new, end))]
}

/// What has changed beside the turns: where the person looks, what is sent, how replies are written.
pub(super) fn settle(state: &mut State) -> Vec<Effect> {
    settle_with(state, false)
}

/// `answers`: the model that is open answers now.
fn settle_with(state: &mut State, answers: bool) -> Vec<Effect> {
    let Some(session) = state.sessions.chat.id else { return Vec::new() };
    let mut effects = Vec::new();
    let chat = &state.sessions.chat;
    // While a question is edited, its branch is still the one that counts.
    if chat.editing.is_none() && chat.head() != chat.kept.head {
        let head = chat.head();
        state.sessions.chat.kept.head = head;
        effects.push(change(Change::Head(session, head)));
    }
    let sent_from = sent_from(state);
    if sent_from != state.sessions.chat.kept.sent_from {
        state.sessions.chat.kept.sent_from = sent_from;
        effects.push(change(Change::SentFrom(session, sent_from)));
    }
    let settings = settings(state, answers);
    if settings != state.sessions.chat.kept.settings {
        state.sessions.chat.kept.settings = settings.clone();
        effects.push(change(Change::Settings(session, settings)));
    }
    effects
}

/// The settings as they are kept with the session. The model is the one that answered last, whichever is open.
fn settings(state: &State, answers: bool) -> SessionSettings {
    let (start, kept) = (&state.start, &state.sessions.chat.kept.settings);
    let mut other = kept.other.clone();
    match &state.room.summary {
        Some(summary) => other.insert(SUMMARY.to_owned(), Value::String(summary.clone())),
        None => other.remove(SUMMARY),
    };
    let ready = state.ready.as_ref().filter(|_| answers);
    let identity = |name: String, path: String| Identity { name, path, fingerprint: None };
    let model = ready.map(|ready| {
        let path = state.start.opened.as_ref().map_or_else(String::new, |wanted| wanted.model.clone());
        identity(ready.model_name.clone(), path)
    });
    let drafter = ready.and_then(|ready| {
        let file = ready.drafter.as_ref()?;
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Some(identity(name, file.to_string_lossy().into_owned()))
    });
    SessionSettings {
        system: start.system.clone(),
        preset: presets::current(state),
        thinking: Some(start.thinking),
        sampling: Some(Sampling::from(&start.sampling)),
        model: model.or_else(|| kept.model.clone()),
        drafter: if ready.is_some() { drafter } else { kept.drafter.clone() },
        other,
    }
}

/// The questions that got an answer, and the last one where it waits for its answer: entries and whether answered. The
/// order and choice are those of `Transcript::messages`.
fn questions(state: &State) -> Vec<usize> {
    let (mut questions, mut asked) = (Vec::new(), None);
    for (at, entry) in state.transcript.entries().enumerate() {
        match entry {
            Entry::User(_) => asked = Some(at),
            Entry::Reply(reply) if !reply.answer.trim().is_empty() => questions.extend(asked.take()),
            Entry::Reply(reply) if !reply.running => asked = None,
            _ => {}
        }
    }
    questions.extend(asked);
    questions
}

/// The first turn that is still sent.
fn sent_from(state: &State) -> Option<TurnId> {
    if state.room.left_out == 0 {
        return None;
    }
    let chat = &state.sessions.chat;
    match questions(state).get(state.room.left_out) {
        Some(entry) => chat.turn_at(*entry),
        // Everything is left out, and nothing new was asked: known with the next question.
        None => chat.kept.sent_from,
    }
}

/// How many questions, with their answers, come before this turn on the branch that is shown.
pub(super) fn left_out_before(state: &State, turn: TurnId) -> usize {
    let Some(entry) = state.sessions.chat.entry_of(turn) else { return 0 };
    questions(state).iter().take_while(|question| **question < entry).count()
}
