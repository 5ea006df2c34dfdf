//! A stored session, or another branch of the open one, becomes the transcript.

use super::chat::Chat;
use super::record::{SUMMARY, left_out_before};
use super::{Wish, numbers, trace, wish};
use crate::event::Counters;
use crate::sessions::{Session, Speaker, Turn, TurnId};
use crate::tui::app::{Effect, Overlay, Stage, State};
use crate::tui::entry::{Entry, ReplyEntry};
use crate::tui::host::Wanted;
use crate::tui::select::Selection;
use crate::tui::{context, pairs};

/// A session was read: it takes the place of what is shown.
pub(super) fn opened(state: &mut State, session: Session) -> Vec<Effect> {
    if state.running.is_some() {
        state.notify("a reply is being written: Esc stops it");
        return Vec::new();
    }
    let mut effects = leave(state);
    state.overlay = Overlay::None;
    state.sessions.chat = Chat::of(&session);
    add(state, &session.turns);
    restore(state, &session);
    if state.stage() == Stage::Choosing {
        effects.extend(open_its_model(state));
    } else {
        effects.extend(unpark(state));
    }
    effects.extend(trace::wanted(state));
    effects.extend(reach_goal(state));
    effects
}

/// Shows the turn that was looked for, if need be by another branch.
pub(super) fn reach_goal(state: &mut State) -> Vec<Effect> {
    let Some(goal) = state.sessions.goal else { return Vec::new() };
    let chat = &state.sessions.chat;
    if let Some(entry) = chat.entry_of(goal) {
        state.sessions.goal = None;
        state.transcript.reveal(entry, 0..1);
        return Vec::new();
    }
    if chat.tree.node(goal).is_none() {
        state.sessions.goal = None;
        return Vec::new();
    }
    let head = chat.tree.newest_below(goal);
    super::versions::look_at(state, Some(head))
}

/// What is shown is left: nothing is shown, nothing is open.
pub(in crate::tui) fn leave(state: &mut State) -> Vec<Effect> {
    let effects = park(state);
    state.sessions.chat = Chat::default();
    state.transcript.clear();
    state.entries_removed();
    context::forget(state);
    state.counters = Counters::default();
    effects
}

/// The engine's cache may be worth keeping.
pub(in crate::tui) fn park(state: &State) -> Vec<Effect> {
    let chat = &state.sessions.chat;
    match (chat.id, &state.ready) {
        (Some(session), Some(_)) if chat.head().is_some() => vec![wish(Wish::Park(session, chat.head()))],
        _ => Vec::new(),
    }
}

/// A model is there for the session that is shown: what was kept of its cache may be of use.
pub(in crate::tui) fn unpark(state: &State) -> Vec<Effect> {
    let chat = &state.sessions.chat;
    match (chat.id, &state.ready) {
        (Some(session), Some(_)) if chat.head().is_some() => vec![wish(Wish::Unpark(session))],
        _ => Vec::new(),
    }
}

/// The turns of another branch were read.
pub(super) fn branch(state: &mut State, turns: Vec<Turn>) -> Vec<Effect> {
    let chat = &mut state.sessions.chat;
    let Some((kept, expected)) = chat.expected.take() else { return Vec::new() };
    // An answer to an earlier wish, or to that of another session.
    let wanted = turns.iter().all(|turn| expected.contains(&turn.id)) && turns.len() == expected.len();
    if !wanted || state.running.is_some() {
        chat.expected = (!wanted).then_some((kept, expected));
        return Vec::new();
    }
    cut(state, kept);
    add(state, &turns);
    restore_room(state);
    state.transcript.follow();
    if let Some(place) = state.sessions.marked.take() {
        let entry = state.sessions.chat.places.get(place).map(|(entry, _)| *entry);
        state.selection = entry.map(|entry| Selection { entry, code: None });
    }
    let mut effects = trace::wanted(state);
    effects.extend(reach_goal(state));
    effects
}

/// Leaves the first `kept` turns of the branch on the screen.
pub(super) fn cut(state: &mut State, kept: usize) {
    let chat = &state.sessions.chat;
    let entries =
        kept.checked_sub(1).and_then(|last| chat.places.get(last)).map_or(0, |(entry, _)| entry + 1);
    state.transcript.truncate(entries);
    state.entries_removed();
}

fn add(state: &mut State, turns: &[Turn]) {
    for turn in turns {
        let entry = state.transcript.push(entry(turn));
        state.sessions.chat.places.push((entry, turn.id));
    }
    state.tokens.forget();
}

fn entry(turn: &Turn) -> Entry {
    match turn.speaker {
        Speaker::User => Entry::User(turn.text.clone()),
        Speaker::Model => Entry::Reply(ReplyEntry {
            answer: turn.text.clone(),
            reasoning: turn.reasoning.clone(),
            footer: numbers::footer(turn.ended.as_deref(), turn.numbers.as_ref()),
            ..ReplyEntry::default()
        }),
        Speaker::Summary => Entry::Note(format!("in short, of what was said before:\n{}", turn.text)),
    }
}

/// The settings that were kept with it.
fn restore(state: &mut State, session: &Session) {
    let settings = &session.info.settings;
    let start = &mut state.start;
    start.system.clone_from(&settings.system);
    if let Some(thinking) = settings.thinking {
        start.thinking = thinking;
    }
    if let Some(sampling) = &settings.sampling {
        start.sampling = sampling.with_seed(start.sampling.seed);
    }
    restore_room(state);
    state.transcript.follow();
    // Which model answered is told where it is another one now.
    let model = settings.model.as_ref().map(|model| model.name.as_str());
    if let (Some(model), Some(ready)) = (model, &state.ready)
        && model != ready.model_name
    {
        let name = crate::tui::text::one_line(model);
        state.note(format!("the replies above are {name}'s; the next one comes from the model that is open"));
    }
}

/// What is not sent any more, on the branch that is shown.
fn restore_room(state: &mut State) {
    let chat = &state.sessions.chat;
    let sent_from: Option<TurnId> = chat.kept.sent_from;
    let summary = chat.kept.settings.other.get(SUMMARY).and_then(|text| text.as_str()).map(str::to_owned);
    // A summary among the turns (of an imported session) stands for all before it.
    let among = chat.places.iter().rev().map(|(_, turn)| *turn);
    let among: Option<TurnId> = among
        .into_iter()
        .find(|turn| chat.tree.node(*turn).is_some_and(|node| node.speaker == Speaker::Summary));
    let from = sent_from.or(among);
    let left_out = from.map_or(0, |turn| left_out_before(state, turn));
    let own = among.and_then(|turn| {
        let entry = state.sessions.chat.entry_of(turn)?;
        match state.transcript.entries().nth(entry)? {
            Entry::Note(text) => text.split_once('\n').map(|(_, text)| text.to_owned()),
            _ => None,
        }
    });
    context::restored(state, left_out, if sent_from.is_some() { summary } else { own });
}

/// On the start screen a session opens the model it was written with, where that is known.
fn open_its_model(state: &mut State) -> Vec<Effect> {
    let settings = &state.sessions.chat.kept.settings;
    let Some(model) = settings.model.as_ref().filter(|model| !model.path.is_empty()) else {
        state.notify("choose a model to go on with");
        return Vec::new();
    };
    let wanted = Wanted { model: model.path.clone(), drafter: None };
    pairs::open(state, wanted)
}
