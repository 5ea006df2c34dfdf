//! Room in the context: how full it is, a warning before it is, and what a person can choose when it is. Nothing is ever
//! left out silently: turns stop being sent only by a choice, and the transcript says which.

use crate::event::{Reply, StopReason, TooLong};
use crate::request::{Message, Prompt, Request, Role};
use crate::tui::app::{Effect, Overlay, Running, State};
use crate::tui::entry::Entry;
use crate::tui::figures::count;

/// From this share on the person is warned …
pub const WARN: f64 = 0.9;
/// … and may be warned again once it has been below this.
const CALM: f64 = 0.85;
/// Share of the context that may be full after turns were left out.
const AFTER: f64 = 0.6;
/// Tokens of a summary at most.
const SUMMARY: u32 = 400;
/// What asks for one.
const ASK_FOR_SUMMARY: &str = "Summarise our conversation so far in at most 200 words, for yourself: facts, names, \
                               decisions, code that matters, and what is still open. Write the summary only.";
/// Bytes of a token where nothing was measured yet.
const BYTES_PER_TOKEN: f64 = 4.0;

/// What is done about a full context.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Room {
    /// The oldest turns (a question with its answer) that are not sent any more.
    pub left_out: usize,
    /// What stands for them.
    pub summary: Option<String>,
    /// A summary being written.
    pub writing: Option<Summary>,
    /// The last question did not fit, and waits for the choice.
    pub waiting: bool,
    warned: bool,
}

/// A summary being written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// The turns it stands for.
    pub plan: Plan,
    /// As far as it is written.
    pub text: String,
}

/// The choice when the context is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Leave it as it is.
    Stop,
    /// Do not send the oldest turns any more.
    Drop,
    /// Have the model summarise them, and send the summary in their place.
    Summarise,
}

impl Choice {
    /// In the order of the screen.
    pub const ALL: [Choice; 3] = [Choice::Stop, Choice::Drop, Choice::Summarise];
}

/// The screen that offers the choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Screen {
    /// The line that is marked.
    pub selected: usize,
    /// The prompt that did not fit, where that is why it opened.
    pub too_long: Option<TooLong>,
}

/// What leaving out would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Turns that would be left out.
    pub turns: usize,
    /// Turns there are.
    pub of: usize,
    /// Tokens that would become free, about.
    pub tokens: u32,
}

impl Room {
    /// The standing instructions, with the summary of what is left out.
    #[must_use]
    pub fn instructions(&self, system: Option<&str>) -> Option<String> {
        match (system, &self.summary) {
            (system, None) => system.map(str::to_owned),
            (None, Some(summary)) => Some(format!("What was said before, in short:\n{summary}")),
            (Some(system), Some(summary)) => {
                Some(format!("{system}\n\nWhat was said before, in short:\n{summary}"))
            }
        }
    }

    /// Turns may have been taken back: no more can be left out than there are.
    pub(super) fn limit(&mut self, turns: usize) {
        self.left_out = self.left_out.min(turns);
        if self.left_out == 0 {
            self.summary = None;
        }
    }

    /// The turns that are sent. The last question always is.
    #[must_use]
    pub fn kept(&self, messages: Vec<Message>) -> Vec<Message> {
        let pairs = messages.len() / 2;
        messages.into_iter().skip(2 * self.left_out.min(pairs)).collect()
    }
}

/// Share of the context in use.
#[must_use]
pub fn share(state: &State) -> f64 {
    let size = state.ready.as_ref().map_or(0, |ready| ready.context_size);
    f64::from(state.counters.context_used) / f64::from(size.max(1))
}

/// Warns once when the context is nearly full.
pub(super) fn watch(state: &mut State) {
    let share = share(state);
    if share < CALM {
        state.room.warned = false;
    }
    if share < WARN || state.room.warned {
        return;
    }
    state.room.warned = true;
    let size = state.ready.as_ref().map_or(0, |ready| ready.context_size);
    let used = state.counters.context_used;
    // Not `State::note`: it must not move the view while a reply is read.
    state.transcript.push(Entry::Note(format!(
        "the context is {:.0} % full ({} of {} tokens): /context shows what can be done before it is",
        share * 100.0,
        count(used),
        count(size)
    )));
}

/// A reply has ended because the context is full.
pub(super) fn full(state: &mut State, reply: &Reply) {
    if reply.stop_reason == StopReason::ContextFull {
        state.overlay = Overlay::Context(Screen::default());
    }
}

/// A question did not fit.
pub(super) fn too_long(state: &mut State, too_long: TooLong) {
    state.room.waiting = true;
    state.overlay = Overlay::Context(Screen { selected: 0, too_long: Some(too_long) });
}

/// What leaving out the oldest turns would do: enough of them that the rest has room to grow.
#[must_use]
pub fn plan(state: &State, too_long: Option<TooLong>) -> Plan {
    let messages = state.room.kept(state.transcript.messages());
    let size = f64::from(state.ready.as_ref().map_or(0, |ready| ready.context_size));
    let bytes = |messages: &[Message]| messages.iter().map(|message| message.text.len()).sum::<usize>();
    let waiting = if state.room.waiting { last_question(state).map_or(0, str::len) } else { 0 };
    // Bytes and tokens of a conversation are far below where the casts would lose anything that shows.
    #[expect(clippy::cast_precision_loss)]
    let whole = (bytes(&messages) + waiting).max(1) as f64;
    let used = match too_long {
        Some(too_long) => f64::from(too_long.tokens),
        None if state.counters.context_used > 0 => f64::from(state.counters.context_used),
        None => whole / BYTES_PER_TOKEN,
    };
    let most = (size * AFTER).min(used / 2.0);
    let of = messages.len() / 2;
    let (mut turns, mut freed) = (0, 0.0);
    while turns < of && used - freed > most {
        #[expect(clippy::cast_precision_loss)]
        let turn = bytes(&messages[2 * turns..2 * turns + 2]) as f64;
        freed += used * turn / whole;
        turns += 1;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let tokens = freed as u32;
    Plan { turns, of, tokens }
}

fn last_question(state: &State) -> Option<&str> {
    state.transcript.entries().rev().find_map(|entry| match entry {
        Entry::User(text) => Some(text.as_str()),
        _ => None,
    })
}

/// Does what was chosen.
pub(super) fn choose(state: &mut State, choice: Choice, too_long: Option<TooLong>) -> Vec<Effect> {
    state.overlay = Overlay::None;
    if state.running.is_some() {
        state.notify("a reply is being written: Esc stops it");
        return Vec::new();
    }
    let plan = plan(state, too_long);
    match choice {
        Choice::Stop => {
            if std::mem::take(&mut state.room.waiting)
                && let Some(text) = state.transcript.undo()
            {
                state.entries_removed();
                state.composer.set(&text);
                state.note("nothing was left out; your question is back in the input");
            }
            Vec::new()
        }
        _ if plan.turns == 0 => {
            state.note(
                "there are no earlier turns to leave out: shorten the question, or start with a larger -c",
            );
            Vec::new()
        }
        Choice::Drop => {
            let waiting = waiting(state);
            state.room.left_out += plan.turns;
            left_out(state, plan, "", waiting)
        }
        Choice::Summarise => summarise(state, plan),
    }
}

/// The question that waits, taken back to be asked again: what was told since goes with it.
fn waiting(state: &mut State) -> Option<String> {
    std::mem::take(&mut state.room.waiting).then(|| state.transcript.undo()).flatten()
}

/// Tells what is left out, and asks the question that waited.
fn left_out(state: &mut State, plan: Plan, how: &str, waiting: Option<String>) -> Vec<Effect> {
    state.entries_removed();
    let turns = if plan.turns == 1 { "turn is".to_owned() } else { format!("{} turns are", plan.turns) };
    state.note(format!(
        "the oldest {turns} not sent to the model any more (about {} tokens){how}; they stay on the screen",
        count(plan.tokens)
    ));
    match waiting {
        Some(text) => state.ask(text),
        None => Vec::new(),
    }
}

fn summarise(state: &mut State, plan: Plan) -> Vec<Effect> {
    let kept = state.room.kept(state.transcript.messages());
    let mut messages = Vec::new();
    if let Some(system) = state.room.instructions(state.start.system.as_deref()) {
        messages.push(Message { role: Role::System, text: system });
    }
    messages.extend(kept.into_iter().take(2 * plan.turns));
    messages.push(Message { role: Role::User, text: ASK_FOR_SUMMARY.to_owned() });
    let turns = if plan.turns == 1 { "turn".to_owned() } else { format!("{} turns", plan.turns) };
    let entry =
        state.transcript.push(Entry::Note(format!("summarising the oldest {turns} (Esc: leave them in)")));
    state.transcript.follow();
    state.room.writing = Some(Summary { plan, text: String::new() });
    state.running = Some(Running { entry, stopping: false });
    state.begin_counting();
    vec![Effect::Send(crate::event::Command::Generate(Request {
        prompt: Prompt::Chat { messages, thinking: false },
        sampling: state.start.sampling.clone(),
        max_tokens: Some(SUMMARY),
        stop: Vec::new(),
        ignore_end_of_turn: false,
        tell_rejected: false,
    }))]
}

/// The summary is written, or is not: it failed, or was stopped.
pub(super) fn summarised(state: &mut State, summary: Summary, whole: bool) -> Vec<Effect> {
    let text = summary.text.trim();
    if !whole || text.is_empty() {
        state.note("no summary was written: nothing was left out");
        if state.room.waiting {
            state.overlay = Overlay::Context(Screen::default());
        }
        return Vec::new();
    }
    let waiting = waiting(state);
    state.entries_removed();
    state.room.left_out += summary.plan.turns;
    state.note(format!("in short, of what was said before:\n{text}"));
    state.room.summary = Some(text.to_owned());
    left_out(state, summary.plan, ", but this summary is", waiting)
}

/// A stored conversation is opened: so many of its turns are not sent any more.
pub(super) fn restored(state: &mut State, left_out: usize, summary: Option<String>) {
    state.room = Room { left_out, summary: summary.filter(|_| left_out > 0), ..Room::default() };
}

/// A new conversation: everything is sent.
pub(super) fn forget(state: &mut State) {
    state.room = Room::default();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(count: usize) -> Vec<Message> {
        let role = |at| if at % 2 == 0 { Role::User } else { Role::Model };
        (0..count).map(|at| Message { role: role(at), text: at.to_string() }).collect()
    }

    #[test]
    fn whole_turns_are_left_out_and_never_the_last_question() {
        for (left_out, count, first) in [(0, 5, "0"), (1, 5, "2"), (2, 5, "4"), (9, 5, "4"), (9, 1, "0")] {
            let room = Room { left_out, ..Room::default() };
            let kept = room.kept(messages(count));
            assert_eq!(
                kept.first().map(|message| message.text.as_str()),
                Some(first),
                "{left_out} of {count}"
            );
            assert_eq!(kept[0].role, Role::User);
        }
    }

    #[test]
    fn a_summary_goes_with_the_instructions() {
        let mut room = Room::default();
        assert_eq!(room.instructions(None), None);
        assert_eq!(room.instructions(Some("Be brief.")).as_deref(), Some("Be brief."));
        room.summary = Some("We met.".into());
        assert!(room.instructions(None).unwrap().ends_with("in short:\nWe met."));
        assert!(room.instructions(Some("Be brief.")).unwrap().starts_with("Be brief.\n\nWhat was said"));
    }
}
