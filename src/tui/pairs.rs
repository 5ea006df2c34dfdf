//! The pairs on this machine: the list that the start screen and the models screen show, and what its keys do.

use std::path::PathBuf;

use crossterm::event::{KeyCode, KeyEvent};

use crate::event::Failure;
use crate::tui::Exit;
use crate::tui::app::{Effect, Overlay, Stage, State};
use crate::tui::commands::Outcome;
use crate::tui::host::{Found, Opening, Pair, Wanted};
use crate::tui::keys::Action;
use crate::tui::overlay;
use crate::tui::sessions;

/// The list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PairList {
    /// The pairs; `None` while they are looked for.
    pub found: Option<Vec<Pair>>,
    /// Folders that were looked into.
    pub folders: Vec<PathBuf>,
    /// Files that could not be read.
    pub unreadable: usize,
    /// The marked line.
    pub selected: usize,
    /// Why the last one could not be opened.
    pub problem: Option<String>,
}

/// Opens the models screen, and looks for what is there.
pub(super) fn open_screen(state: &mut State) -> Vec<Effect> {
    if state.overlay == Overlay::Models {
        state.overlay = Overlay::None;
        return Vec::new();
    }
    state.overlay = Overlay::Models;
    state.pairs.problem = None;
    state.pairs.found = None;
    vec![Effect::FindPairs]
}

/// The search has ended.
pub(super) fn found(state: &mut State, found: Found) {
    let open = state.ready.as_ref().map(|ready| ready.model.to_string_lossy().into_owned());
    let at = found.pairs.iter().position(|pair| Some(&pair.wanted.model) == open.as_ref());
    let last = found.pairs.len().saturating_sub(1);
    let list = &mut state.pairs;
    list.selected = at.unwrap_or(list.selected).min(last);
    (list.folders, list.unreadable) = (found.folders, found.unreadable);
    list.found = Some(found.pairs);
}

/// A key with a meaning.
pub(super) fn act(state: &mut State, action: Action) -> Option<Vec<Effect>> {
    let list = &mut state.pairs;
    if action == Action::Send {
        let wanted = list.found.as_ref()?.get(list.selected)?.wanted.clone();
        return Some(open(state, wanted));
    }
    list.selected = overlay::marked(list.selected, list.found.as_ref().map_or(0, Vec::len), action)?;
    Some(Vec::new())
}

/// A letter: `q` leaves, `r` looks again.
pub(super) fn edit(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    match key.code {
        KeyCode::Char('q') if state.stage() == Stage::Choosing => return state.quit(Exit::Quit),
        KeyCode::Char('q') => state.overlay = Overlay::None,
        KeyCode::Char('r') => {
            state.pairs.found = None;
            return vec![Effect::FindPairs];
        }
        _ => {}
    }
    Vec::new()
}

/// Opens a pair in place of what is open. A reply is stopped first: what it has written is kept.
pub(super) fn open(state: &mut State, wanted: Wanted) -> Vec<Effect> {
    let mut effects = Vec::new();
    if let Some(running) = state.running.take() {
        effects.push(Effect::Cancel);
        effects.extend(sessions::record::broken_off(state));
        if let Some(reply) = state.transcript.reply_mut(running.entry) {
            reply.running = false;
            reply.footer = "stopped: another model was opened".to_owned();
        }
    }
    effects.extend(sessions::park(state));
    state.room.writing = None;
    state.overlay = Overlay::None;
    state.ready = None;
    (state.opening, state.leaving, state.choosable) = (true, false, true);
    state.loading.clear();
    state.memory = (Vec::new(), 0);
    state.start.title = wanted.model.clone();
    state.pairs.problem = None;
    effects.push(Effect::Open(wanted));
    effects
}

/// It loads: what is known of it before it is there.
pub(super) fn opened(state: &mut State, opening: Opening) {
    let start = &mut state.start;
    // Sampling that nobody has changed follows the model's own recommendation; what was set stays.
    let seed = start.sampling.seed;
    let own = crate::request::SamplingSettings { seed, ..start.own_sampling.clone() };
    if start.sampling == own {
        start.sampling = crate::request::SamplingSettings { seed, ..opening.sampling.clone() };
    }
    start.own_sampling = opening.sampling;
    start.title = opening.title;
    start.opened = Some(opening.wanted);
    state.memory = (opening.memory, opening.available);
    state.opening = true;
}

/// It cannot be opened, or loading was stopped: back to the list.
pub(super) fn refused(state: &mut State, failure: Failure) -> Vec<Effect> {
    state.opening = false;
    state.ready = None;
    state.loading.clear();
    let stopped = failure.code == 130;
    let help = failure.help.map(|help| format!("; {help}")).unwrap_or_default();
    state.pairs.problem =
        Some(if stopped { "loading was stopped".to_owned() } else { format!("{}{help}", failure.message) });
    if state.pairs.found.is_some() { Vec::new() } else { vec![Effect::FindPairs] }
}

/// `/model`, with or without a name.
pub(super) fn model(state: &mut State, argument: &str) -> Outcome {
    if argument.is_empty() {
        return Ok(open_screen(state));
    }
    Ok(open(state, Wanted { model: argument.to_owned(), drafter: None }))
}

/// `/pair`: another drafter, or none, for the model that is open.
pub(super) fn pair(state: &mut State, argument: &str) -> Outcome {
    let Some(wanted) = state.start.opened.clone() else { return Err("no model is open".to_owned()) };
    let Some(ready) = &state.ready else { return Err("no model is open".to_owned()) };
    if argument.is_empty() {
        let file = ready.drafter.as_ref().map(|file| file.display().to_string());
        let drafter = file.unwrap_or_else(|| ready.draft_kind.to_owned());
        return Err(format!(
            "drafter: {drafter}\n{}\n/pair FILE, /pair auto or /pair none loads the pair anew",
            ready.pairing
        ));
    }
    Ok(open(state, Wanted { drafter: Some(argument.to_owned()), ..wanted }))
}
