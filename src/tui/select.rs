//! Selecting with keys: one message, or one block of code in it, is marked and can be copied. The mouse needs none of
//! this: it is the terminal's own.

use std::ops::Range;

use crate::tui::app::{Effect, State};
use crate::tui::clipboard;
use crate::tui::entry::Entry;
use crate::tui::keys::Action;
use crate::tui::transcript::Transcript;

/// What is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Its place in the transcript.
    pub entry: usize,
    /// One of its blocks of code, from 0; the whole message where `None`.
    pub code: Option<usize>,
}

/// The text of a message, where the entry is one.
fn text(transcript: &Transcript, entry: usize) -> Option<&str> {
    match transcript.entry(entry)? {
        Entry::User(text) => Some(text),
        Entry::Reply(reply) if !reply.answer.trim().is_empty() => Some(&reply.answer),
        _ => None,
    }
}

/// Blocks of code in a reply; a question is copied whole.
fn blocks(transcript: &Transcript, entry: usize) -> Vec<String> {
    match transcript.entry(entry) {
        Some(Entry::Reply(reply)) => clipboard::code_blocks(&reply.answer),
        _ => Vec::new(),
    }
}

/// The first of these entries that is a message.
fn message(transcript: &Transcript, mut entries: impl Iterator<Item = usize>) -> Option<usize> {
    entries.find(|entry| text(transcript, *entry).is_some())
}

/// Marks the last message.
pub(super) fn begin(state: &mut State) -> Vec<Effect> {
    if state.inline.is_some() || state.tokens.shown {
        let place = if state.inline.is_some() { "the inline mode" } else { "the token view" };
        state.notify(format!("nothing is selected in {place}: the mouse does it, or /copy"));
        return Vec::new();
    }
    match message(&state.transcript, (0..state.transcript.count()).rev()) {
        Some(entry) => mark(state, Selection { entry, code: None }),
        None => state.notify("there is nothing to select"),
    }
    Vec::new()
}

/// A key with a meaning. `None`: it means what it means elsewhere.
pub(super) fn act(state: &mut State, action: Action) -> Option<Vec<Effect>> {
    let selection = state.selection?;
    let transcript = &state.transcript;
    let last = || message(transcript, (0..transcript.count()).rev());
    let to = match action {
        Action::Down => after(transcript, selection),
        Action::Up => before(transcript, selection),
        Action::Start => {
            message(transcript, 0..transcript.count()).map(|entry| Selection { entry, code: None })
        }
        Action::End => last().map(|entry| Selection { entry, code: None }),
        Action::Copy | Action::Send => return Some(copy(state, selection)),
        Action::Escape | Action::Complete => {
            state.selection = None;
            return Some(Vec::new());
        }
        _ => return None,
    };
    if let Some(to) = to {
        mark(state, to);
    }
    Some(Vec::new())
}

/// Below a message come its blocks of code, then the next message.
fn after(transcript: &Transcript, Selection { entry, code }: Selection) -> Option<Selection> {
    let next = code.map_or(0, |code| code + 1);
    if next < blocks(transcript, entry).len() {
        return Some(Selection { entry, code: Some(next) });
    }
    let entry = message(transcript, entry + 1..transcript.count())?;
    Some(Selection { entry, code: None })
}

fn before(transcript: &Transcript, Selection { entry, code }: Selection) -> Option<Selection> {
    if let Some(code) = code {
        return Some(Selection { entry, code: code.checked_sub(1) });
    }
    let entry = message(transcript, (0..entry).rev())?;
    Some(Selection { entry, code: blocks(transcript, entry).len().checked_sub(1) })
}

fn mark(state: &mut State, selection: Selection) {
    state.selection = Some(selection);
    let rows = rows(&mut state.transcript, selection);
    state.transcript.reveal(selection.entry, rows);
}

fn copy(state: &mut State, selection: Selection) -> Vec<Effect> {
    let found = match selection.code {
        None => text(&state.transcript, selection.entry).map(str::to_owned),
        Some(code) => blocks(&state.transcript, selection.entry).into_iter().nth(code),
    };
    let what = name(&state.transcript, selection);
    found.map(|text| clipboard::copy(state, text, &what)).unwrap_or_default()
}

/// The rows of the entry that are marked.
pub(super) fn rows(transcript: &mut Transcript, selection: Selection) -> Range<usize> {
    transcript.fit_entry(selection.entry);
    let lines = transcript.whole(selection.entry);
    // An empty line ends the entry.
    let all = 0..lines.len().saturating_sub(1);
    let Some(code) = selection.code else { return all };
    let framed = |corner: char| {
        let begins = move |line: &crate::tui::entry::Shown<'_>| line.begins_with(corner);
        lines.iter().enumerate().filter(move |(_, line)| begins(line)).map(|(row, _)| row).nth(code)
    };
    match (framed('┌'), framed('└')) {
        (Some(first), Some(last)) if first < last => first..last + 1,
        // Without frames, on a narrow screen, there is no telling: the message is marked.
        (Some(first), None) => first..all.end,
        _ => all,
    }
}

fn name(transcript: &Transcript, Selection { entry, code }: Selection) -> String {
    match (transcript.entry(entry), code) {
        (Some(Entry::User(_)), _) => "the question".to_owned(),
        (_, None) => "the reply".to_owned(),
        (_, Some(code)) => {
            let blocks = blocks(transcript, entry);
            let lines = blocks.get(code).map_or(0, |block| block.lines().count());
            let plural = if lines == 1 { "" } else { "s" };
            format!("code block {} of {} ({lines} line{plural})", code + 1, blocks.len())
        }
    }
}

/// What is marked, and what can be done with it, for the status line.
#[must_use]
pub fn line(state: &State) -> Option<String> {
    let what = name(&state.transcript, state.selection?);
    Some(format!("y copies {what}  j k next, before  Esc leaves"))
}
