//! The chat as the store keeps it: which turn each entry of the transcript is, what is told to the store and when, and
//! what comes back from it.
//!
//! * `chat.rs`: the open session: its tree, the place of each turn in the transcript, what the store knows of it.
//! * `record.rs`: what was asked and answered becomes wishes to the store.
//! * `show.rs`: a stored session, or another branch of it, becomes the transcript.
//! * `versions.rs`: edit, regenerate, continue, take back, other versions of a turn.
//! * `select.rs`: what letters do with the turn that is marked.
//! * `list.rs`: the sessions screen.
//! * `commands.rs`: the slash commands.
//! * `numbers.rs`, `trace.rs`: a reply's numbers and the origins of its tokens, there and back.
//!
//! Pure, as the rest of the state: what is wished comes out as [`Wish`]es, what was read comes in as [`Told`]. New turns
//! and sessions are named here (by chance, so that nothing waits for the disk); nothing depends on what the names are.

pub mod chat;
pub(super) mod commands;
pub mod list;
pub mod numbers;
pub(super) mod record;
pub mod select;
mod show;
pub mod trace;
pub(super) mod versions;

use std::path::PathBuf;

use crate::event::Text;
use crate::sessions::{Answer, Change, DeletionId, Format, Moment, Question, Report, SessionId, TurnId};
use crate::tui::app::{Effect, State};
use crate::tui::keys::Action;

pub use chat::Chat;
pub(super) use show::{park, unpark};

/// What is asked of the program that keeps the sessions. Nobody waits for it.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "an effect holds it in a box of its own")]
pub enum Wish {
    /// Make this change.
    Change(Change),
    /// The reply has grown by this.
    Grow(TurnId, Text),
    /// Read this; the answer comes as [`Told::Report`].
    Ask(Question),
    /// Write a session into a file; [`Told::Said`] follows.
    Export {
        /// The session.
        session: SessionId,
        /// As what.
        format: Format,
        /// The file: it must not exist.
        file: PathBuf,
    },
    /// Add the sessions of an exported file; [`Told::Said`] or [`Told::Wrong`] follows.
    Import(PathBuf),
    /// The engine's cache holds this session up to this turn: keep it, if reading it back beats computing it.
    Park(SessionId, Option<TurnId>),
    /// This session will be gone on with: load what was kept of the cache, if that is faster.
    Unpark(SessionId),
}

/// What comes back.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// The recorder's words.
    Report(Report),
    /// Something was done: a sentence.
    Said(String),
    /// Something could not be done: a sentence.
    Wrong(String),
    /// Nothing is kept on this run: why, in a sentence.
    Unkept(String),
}

/// Everything the screen knows of the sessions.
#[derive(Debug, Default)]
pub struct Sessions {
    /// The open one.
    pub chat: Chat,
    /// The screen that lists them.
    pub list: list::List,
    /// The place on the branch that is marked again when another branch is shown.
    marked: Option<usize>,
    /// What is wrong with the disk at present: a sentence.
    pub trouble: Option<String>,
    /// The date and time.
    pub date: Moment,
    /// The turn that is to be seen once its session is open: something was found there.
    goal: Option<TurnId>,
    /// What was taken away last.
    pub back: Option<Back>,
    /// What the marks behind the labels of the transcript were made of.
    tagged: (usize, Option<TurnId>, usize),
}

/// What can be brought back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Back {
    /// A deletion.
    Deletion {
        /// Its name.
        id: DeletionId,
        /// What was deleted, in words.
        what: String,
        /// The session to be shown again, where it was the open one, or a turn of it.
        shown: Option<SessionId>,
    },
    /// The turn that was looked at before a question was taken back.
    Head(TurnId),
}

/// A wish as an effect.
pub(super) fn wish(wish: Wish) -> Effect {
    Effect::Store(Box::new(wish))
}

/// A change as an effect.
pub(super) fn change(change: Change) -> Effect {
    wish(Wish::Change(change))
}

/// A question as an effect.
pub(super) fn ask(question: Question) -> Effect {
    wish(Wish::Ask(question))
}

/// Takes in what the store has to say.
pub(super) fn hear(state: &mut State, told: Told) -> Vec<Effect> {
    match told {
        Told::Said(text) => {
            state.note(text);
            // What was imported or restored is to be seen.
            return list::refresh(state);
        }
        Told::Wrong(text) => state.note(text),
        Told::Unkept(text) => state.sessions.trouble = Some(text),
        Told::Report(report) => return hear_report(state, report),
    }
    Vec::new()
}

fn hear_report(state: &mut State, report: Report) -> Vec<Effect> {
    match report {
        Report::Answer(answer) => return hear_answer(state, answer),
        Report::NoAnswer(question, error) => {
            state.sessions.list.unanswered(&question);
            state.note(format!("{error} ({})", error.help()));
        }
        Report::Saved(..) => {}
        Report::Trouble(error) => {
            state.sessions.trouble = Some(format!("not saved yet: {error} ({})", error.help()));
        }
        Report::TroubleOver => state.sessions.trouble = None,
        Report::Refused(error) => state.note(format!("not saved: {error} ({})", error.help())),
        Report::Recovered(recovery) => state.note(format!(
            "the session file was damaged ({}): it was set aside as {}, and {} turns of {} sessions could be recovered",
            recovery.damage,
            recovery.set_aside.display(),
            recovery.turns,
            recovery.sessions
        )),
    }
    Vec::new()
}

fn hear_answer(state: &mut State, answer: Answer) -> Vec<Effect> {
    match answer {
        Answer::Sessions(infos) => state.sessions.list.listed(infos),
        Answer::Search(text, hits) => state.sessions.list.found(&text, hits),
        Answer::Open(session) => return show::opened(state, *session),
        Answer::Turns(turns) => return show::branch(state, turns),
        Answer::Imported(ids) => {
            let chats = if ids.len() == 1 { "1 chat".to_owned() } else { format!("{} chats", ids.len()) };
            state.note(format!("{chats} imported: Ctrl+S or /sessions lists them"));
            return list::refresh(state);
        }
        Answer::Trace(turn, known) => trace::known(state, turn, &known),
        // The program around us takes these.
        Answer::DeletedSessions(_) | Answer::Export(..) | Answer::SavedStates(_) | Answer::Purged(_) => {}
    }
    Vec::new()
}

/// A key that concerns the open session.
pub(super) fn act(state: &mut State, action: Action) -> Vec<Effect> {
    let outcome = match action {
        Action::Sessions => return list::open_screen(state, ""),
        Action::NewChat => commands::new(state, ""),
        Action::DeleteSession => commands::delete(state, ""),
        Action::ExportSession => commands::export(state, ""),
        Action::BringBack => commands::restore(state, ""),
        Action::NextVersion => commands::branch(state, "next"),
        Action::PreviousVersion => commands::branch(state, "back"),
        Action::RenameSession => {
            let title = state.sessions.chat.title.clone();
            state.composer.set(&format!("/rename {}", crate::tui::text::one_line(&title)));
            return Vec::new();
        }
        _ => return Vec::new(),
    };
    outcome.unwrap_or_else(|wrong| {
        state.note(wrong);
        Vec::new()
    })
}

/// Writes behind the label of each turn which version it is, where there are several.
pub(super) fn tag(state: &mut State) {
    let chat = &state.sessions.chat;
    let made_of = (chat.tree.len(), chat.head(), state.transcript.count());
    if made_of == state.sessions.tagged {
        return;
    }
    state.sessions.tagged = made_of;
    for (entry, _) in &chat.places {
        let tag = chat.version_at(*entry).map(|(at, count)| format!("{at}/{count}"));
        state.transcript.tag(*entry, tag.as_deref().unwrap_or_default());
    }
}

/// After a message of the person's: what the store should know that has changed otherwise than by a turn.
pub(super) fn settle(state: &mut State) -> Vec<Effect> {
    record::settle(state)
}
