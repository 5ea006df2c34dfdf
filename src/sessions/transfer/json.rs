//! Sessions as JSON. The format is described in docs/SESSIONS.md; reading it believes nothing: whoever wrote the text, what
//! comes out is a tree with traces that fit their texts, or an error that says where it is not.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::sessions::moment::Moment;
use crate::sessions::settings::SessionSettings;
use crate::sessions::trace::{Mark, Trace};
use crate::sessions::turn::{Speaker, TurnTrace};
use crate::token::{Origin, TokenId};

/// Says what it is.
const KIND: &str = "slipstream sessions";
/// Raised when fields change their meaning.
const VERSION: u64 = 1;

/// Exported sessions.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Them.
    pub sessions: Vec<SessionDocument>,
}

/// An exported session. Turns are named by numbers that hold within it.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct SessionDocument {
    pub title: String,
    pub created: Moment,
    pub updated: Moment,
    pub settings: SessionSettings,
    pub head: Option<i64>,
    pub sent_from: Option<i64>,
    /// Each comes after its parent.
    pub turns: Vec<TurnDocument>,
}

/// An exported turn.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct TurnDocument {
    pub id: i64,
    pub parent: Option<i64>,
    pub speaker: Speaker,
    pub created: Moment,
    pub ended: Option<String>,
    pub continues: Option<i64>,
    pub text: String,
    pub reasoning: String,
    pub numbers: Option<Value>,
    pub trace: TurnTrace,
}

/// Why a text is not imported.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ImportError {
    /// No JSON, or a field that cannot be.
    #[error("it is no export of slipstream: {0}")]
    Malformed(String),
    /// JSON of something else.
    #[error("its \"kind\" is not \"{KIND}\"")]
    OtherKind,
    /// From a newer program.
    #[error("it has version {0}, this slipstream reads {VERSION}")]
    Version(u64),
    /// A turn that contradicts the others or itself.
    #[error("session {session}, turn {turn}: {what}")]
    Turn {
        /// Counted from 1.
        session: usize,
        /// Its number in the text.
        turn: i64,
        /// What is wrong.
        what: &'static str,
    },
}

#[derive(Serialize, Deserialize)]
struct File {
    kind: String,
    version: u64,
    sessions: Vec<FileSession>,
}

#[derive(Serialize, Deserialize)]
struct FileSession {
    title: String,
    created_ms: Moment,
    updated_ms: Moment,
    #[serde(default)]
    settings: SessionSettings,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    head: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sent_from: Option<i64>,
    turns: Vec<FileTurn>,
}

#[derive(Serialize, Deserialize)]
struct FileTurn {
    id: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<i64>,
    speaker: String,
    created_ms: Moment,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    continues: Option<i64>,
    text: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    reasoning: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    numbers: Option<Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    trace: Vec<FileMark>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    reasoning_trace: Vec<FileMark>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tokens: Vec<i32>,
}

/// Short, since a long session has a million of them.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum FileMark {
    /// A token: twice its bytes, and one more where it was drafted.
    Token(u64),
    /// A rejected guess.
    Rejected(String),
    /// Bytes of unknown origin.
    Unknown([u32; 1]),
}

impl Document {
    /// The text.
    #[must_use]
    pub fn to_json(&self) -> String {
        let sessions = self.sessions.iter().map(|session| FileSession {
            title: session.title.clone(),
            created_ms: session.created,
            updated_ms: session.updated,
            settings: session.settings.clone(),
            head: session.head,
            sent_from: session.sent_from,
            turns: session.turns.iter().map(file_turn).collect(),
        });
        let file = File { kind: KIND.to_owned(), version: VERSION, sessions: sessions.collect() };
        // Plain data of strings and numbers: there is nothing in it that JSON cannot say.
        serde_json::to_string(&file).unwrap_or_default() + "\n"
    }
}

fn file_turn(turn: &TurnDocument) -> FileTurn {
    FileTurn {
        id: turn.id,
        parent: turn.parent,
        speaker: turn.speaker.name().to_owned(),
        created_ms: turn.created,
        ended: turn.ended.clone(),
        continues: turn.continues,
        text: turn.text.clone(),
        reasoning: turn.reasoning.clone(),
        numbers: turn.numbers.clone(),
        trace: file_marks(&turn.trace.text),
        reasoning_trace: file_marks(&turn.trace.reasoning),
        tokens: turn.trace.tokens.iter().map(|token| token.0).collect(),
    }
}

fn file_marks(trace: &Trace) -> Vec<FileMark> {
    let mark = |mark: &Mark| match mark {
        Mark::Token { bytes, origin } => {
            FileMark::Token(u64::from(*bytes) * 2 + u64::from(*origin == Origin::Accepted))
        }
        Mark::Rejected(guess) => FileMark::Rejected(guess.clone()),
        Mark::Unknown { bytes } => FileMark::Unknown([*bytes]),
    };
    trace.0.iter().map(mark).collect()
}

/// Reads a text.
///
/// # Errors
/// What is wrong with it.
pub fn parse(text: &str) -> Result<Document, ImportError> {
    #[derive(Deserialize)]
    struct Head {
        #[serde(default)]
        kind: String,
        #[serde(default)]
        version: u64,
    }
    let malformed = |error: serde_json::Error| ImportError::Malformed(error.to_string());
    // The version first: another one may have other fields.
    let head: Head = serde_json::from_str(text).map_err(malformed)?;
    if head.kind != KIND {
        return Err(ImportError::OtherKind);
    }
    if head.version != VERSION {
        return Err(ImportError::Version(head.version));
    }
    let file: File = serde_json::from_str(text).map_err(malformed)?;
    let sessions = file.sessions.into_iter().enumerate().map(|(at, session)| read_session(at + 1, session));
    Ok(Document { sessions: sessions.collect::<Result<_, _>>()? })
}

fn read_session(number: usize, session: FileSession) -> Result<SessionDocument, ImportError> {
    let mut known = HashSet::new();
    let mut turns = Vec::with_capacity(session.turns.len());
    for turn in session.turns {
        let id = turn.id;
        let wrong = |what| ImportError::Turn { session: number, turn: id, what };
        if turn.parent.is_some_and(|parent| !known.contains(&parent)) {
            return Err(wrong("no turn before it has the id in \"parent\""));
        }
        if !known.insert(id) {
            return Err(wrong("a turn before it has the same \"id\""));
        }
        turns.push(read_turn(turn).map_err(wrong)?);
    }
    let among = |id: &i64| known.contains(id);
    Ok(SessionDocument {
        title: session.title,
        created: session.created_ms,
        updated: session.updated_ms,
        settings: session.settings,
        head: session.head.filter(among),
        sent_from: session.sent_from.filter(among),
        turns,
    })
}

fn read_turn(turn: FileTurn) -> Result<TurnDocument, &'static str> {
    let speaker =
        Speaker::named(&turn.speaker).ok_or("its \"speaker\" is none of \"user\", \"model\", \"summary\"")?;
    let trace = TurnTrace {
        text: read_marks(turn.trace, &turn.text).ok_or("its \"trace\" does not fit its \"text\"")?,
        reasoning: read_marks(turn.reasoning_trace, &turn.reasoning)
            .ok_or("its \"reasoning_trace\" does not fit its \"reasoning\"")?,
        tokens: turn.tokens.into_iter().map(TokenId).collect(),
    };
    Ok(TurnDocument {
        id: turn.id,
        parent: turn.parent,
        speaker,
        created: turn.created_ms,
        ended: turn.ended,
        continues: turn.continues,
        text: turn.text,
        reasoning: turn.reasoning,
        numbers: turn.numbers,
        trace,
    })
}

/// The trace, if each of its marks stands for whole characters of the text.
fn read_marks(marks: Vec<FileMark>, text: &str) -> Option<Trace> {
    let mark = |mark| {
        Some(match mark {
            FileMark::Token(number) => Mark::Token {
                bytes: u32::try_from(number / 2).ok()?,
                origin: if number % 2 == 1 { Origin::Accepted } else { Origin::Target },
            },
            FileMark::Rejected(guess) => Mark::Rejected(guess),
            FileMark::Unknown([bytes]) => Mark::Unknown { bytes },
        })
    };
    let trace = Trace(marks.into_iter().map(mark).collect::<Option<_>>()?);
    let fitting = trace.over(text).filter(|(mark, _)| mark.is_some()).count();
    (fitting == trace.0.len()).then_some(trace)
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
