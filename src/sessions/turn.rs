//! The words of the store: sessions, turns, replies as they grow and end.

use serde_json::Value;

use super::ids::{DeletionId, SessionId, TurnId};
use super::moment::Moment;
use super::settings::SessionSettings;
use super::trace::Trace;
use super::tree::Tree;
use crate::token::TokenId;

/// Who speaks in a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// The person.
    User,
    /// The model.
    Model,
    /// The program: a summary that is sent in place of all turns before it on its branch.
    Summary,
}

impl Speaker {
    /// The word in the file and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Speaker::User => "user",
            Speaker::Model => "model",
            Speaker::Summary => "summary",
        }
    }

    /// The speaker of a word.
    #[must_use]
    pub fn named(name: &str) -> Option<Speaker> {
        [Speaker::User, Speaker::Model, Speaker::Summary].into_iter().find(|each| each.name() == name)
    }
}

/// What `Turn::ended` says of a turn that did not come from the engine.
pub const WRITTEN: &str = "written";
/// What `Turn::ended` says of a reply whose program ended before it did.
pub const INTERRUPTED: &str = "interrupted";

/// One turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// Its name.
    pub id: TurnId,
    /// The turn it follows; `None` for a first one.
    pub parent: Option<TurnId>,
    /// Who speaks.
    pub speaker: Speaker,
    /// What was said.
    pub text: String,
    /// The reasoning before it.
    pub reasoning: String,
    /// When it began.
    pub created: Moment,
    /// Why it ended: `StopReason::name`, `written`, `interrupted`, or what else the program says; `None` for a reply that
    /// is being written, or was when its program ended.
    pub ended: Option<String>,
    /// The reply's numbers, as JSON.
    pub numbers: Option<Value>,
    /// The reply that this one continues: it begins with that one's text.
    pub continues: Option<TurnId>,
}

/// What is known of the tokens of a turn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TurnTrace {
    /// Of its text.
    pub text: Trace,
    /// Of its reasoning.
    pub reasoning: Trace,
    /// The reply's tokens, reasoning and answer; empty where nobody recorded them.
    pub tokens: Vec<TokenId>,
}

/// A turn that is complete when it comes: the person's, a summary, a reply that the person has rewritten.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTurn {
    /// Its name: `TurnId::fresh(parent)`.
    pub id: TurnId,
    /// The session; it is made if it is not there.
    pub session: SessionId,
    /// The turn it follows.
    pub parent: Option<TurnId>,
    /// Who speaks.
    pub speaker: Speaker,
    /// What was said.
    pub text: String,
    /// When.
    pub created: Moment,
}

/// A reply that begins.
#[derive(Clone, Debug, PartialEq)]
pub struct NewReply {
    /// Its name: `TurnId::fresh(parent)`.
    pub id: TurnId,
    /// The session; it is made if it is not there.
    pub session: SessionId,
    /// The turn it answers.
    pub parent: Option<TurnId>,
    /// When.
    pub created: Moment,
    /// The reply that it continues: then `text` and `reasoning` begin with that one's, and it takes the same place.
    pub continues: Option<TurnId>,
    /// The text it begins with, usually none.
    pub text: String,
    /// The reasoning it begins with, usually none.
    pub reasoning: String,
}

/// What a reply has grown by since the last piece. `number` and the two places make it harmless to write a piece twice.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// The reply.
    pub turn: TurnId,
    /// Counts the pieces of this reply, from 0.
    pub number: u32,
    /// Bytes of the reply's text before it.
    pub text_at: usize,
    /// Bytes of the reply's reasoning before it.
    pub reasoning_at: usize,
    /// More text.
    pub text: String,
    /// More reasoning.
    pub reasoning: String,
    /// Where the text came from.
    pub text_trace: Trace,
    /// Where the reasoning came from.
    pub reasoning_trace: Trace,
}

/// How a reply ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReplyEnd {
    /// `StopReason::name`, or a word of the program's own.
    pub reason: String,
    /// The whole text, where it is not what the pieces say.
    pub text: Option<String>,
    /// The whole reasoning, where it is not what the pieces say.
    pub reasoning: Option<String>,
    /// The numbers.
    pub numbers: Option<Value>,
    /// The tokens.
    pub tokens: Vec<TokenId>,
}

/// A session in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionInfo {
    /// Its name.
    pub id: SessionId,
    /// Its title: the first words, or what the person called it.
    pub title: String,
    /// When it began.
    pub created: Moment,
    /// When it last changed.
    pub updated: Moment,
    /// Turns on all branches.
    pub turns: u32,
    /// Its settings.
    pub settings: SessionSettings,
    /// Where it is deleted, but not for good: how to take that back.
    pub deletion: Option<DeletionId>,
}

/// An open session.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// As in a list.
    pub info: SessionInfo,
    /// All turns, without their texts.
    pub tree: Tree,
    /// The last turn of the branch that was shown last.
    pub head: Option<TurnId>,
    /// The first turn that is still sent to the model; `None` for all.
    pub sent_from: Option<TurnId>,
    /// The turns of that branch, first to last.
    pub turns: Vec<Turn>,
}

/// A deletion that can be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// Its name.
    pub id: DeletionId,
    /// When.
    pub at: Moment,
    /// The session, or the one of the turn.
    pub session: SessionId,
    /// The turn that was deleted with all that follow it; `None` where it was the session.
    pub turn: Option<TurnId>,
}

/// The title of a session that nobody has named: the first line that says something, of its first turn.
#[must_use]
pub fn title_of(text: &str) -> String {
    /// Characters: a title is one line of a list.
    const LONGEST: usize = 60;
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let words: String = line.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() <= LONGEST {
        return words;
    }
    let cut: String = words.chars().take(LONGEST - 1).collect();
    // At a word's end, where one is near.
    let end = cut.rfind(' ').filter(|&at| at > cut.len() / 2).unwrap_or(cut.len());
    format!("{}…", &cut[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_one_short_line() {
        assert_eq!(title_of("\n  Write   a\tfunction. \nSecond line"), "Write a function.");
        assert_eq!(title_of(" \n "), "");
        let long = title_of(&"wörter ".repeat(30));
        assert!(long.ends_with("wörter…") && long.chars().count() <= 60, "{long}");
        assert_eq!(title_of(&"ä".repeat(100)).chars().count(), 60);
    }
}
