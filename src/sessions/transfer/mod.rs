//! Sessions out of the file and into it: JSON holds everything and can be read back; Markdown holds the branch that was
//! looked at last, for people.

pub mod json;
mod markdown;

use std::collections::HashMap;

use rusqlite::{Connection, params};

use self::json::{Document, SessionDocument, TurnDocument};
use super::error::StoreError;
use super::ids::{SessionId, TurnId};
use super::reply;
use super::store::Store;
use super::turn::{Session, Turn, TurnTrace};

pub use self::json::ImportError;
pub use self::markdown::markdown;

/// What a session is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people: one branch.
    Markdown,
    /// Everything.
    Json,
}

impl Store {
    /// A session as text.
    ///
    /// # Errors
    /// The file's, or there is no such session.
    pub fn export(&self, session: SessionId, format: Format) -> Result<String, StoreError> {
        match format {
            Format::Markdown => Ok(markdown(&self.session(session)?)),
            Format::Json => self.export_json(&[session]),
        }
    }

    /// Sessions as one JSON text.
    ///
    /// # Errors
    /// The file's, or there is no such session.
    pub fn export_json(&self, sessions: &[SessionId]) -> Result<String, StoreError> {
        let documents = sessions.iter().map(|session| self.document(*session)).collect::<Result<_, _>>()?;
        Ok(Document { sessions: documents }.to_json())
    }

    fn document(&self, session: SessionId) -> Result<SessionDocument, StoreError> {
        let Session { info, tree, head, sent_from, .. } = self.session(session)?;
        let ids: Vec<TurnId> = tree.nodes().map(|node| node.id).collect();
        // Counted from 1: names of turns have more digits than some readers of JSON keep.
        let numbers: HashMap<TurnId, i64> = ids.iter().copied().zip(1..).collect();
        let number = |turn: Option<TurnId>| turn.and_then(|turn| numbers.get(&turn).copied());
        let document = |turn: Turn| {
            let trace = self.trace(turn.id)?;
            Ok(TurnDocument {
                id: number(Some(turn.id)).unwrap_or_default(),
                parent: number(turn.parent),
                speaker: turn.speaker,
                created: turn.created,
                ended: turn.ended,
                continues: number(turn.continues),
                text: turn.text,
                reasoning: turn.reasoning,
                numbers: turn.numbers,
                trace,
            })
        };
        Ok(SessionDocument {
            title: info.title,
            created: info.created,
            updated: info.updated,
            settings: info.settings,
            head: number(head),
            sent_from: number(sent_from),
            turns: self.turns(&ids)?.into_iter().map(document).collect::<Result<_, StoreError>>()?,
        })
    }

    /// Adds the sessions of a document, as new ones: what is there is never changed. Each comes whole or not at all.
    ///
    /// # Errors
    /// The file's. What was imported until then stays.
    pub fn import(&mut self, document: &Document) -> Result<Vec<SessionId>, StoreError> {
        let add = |session: &SessionDocument| {
            let id = SessionId::fresh();
            self.transaction("writing", |connection| Ok(insert(connection, id, session)?))?;
            Ok(id)
        };
        document.sessions.iter().map(add).collect()
    }
}

fn insert(connection: &Connection, id: SessionId, session: &SessionDocument) -> rusqlite::Result<()> {
    let mut names: HashMap<i64, TurnId> = HashMap::new();
    let mut statement = connection.prepare(
        "INSERT INTO turns(id, session, parent, speaker, created, ended, continues, numbers, text, reasoning)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    // Parents come first (`json::parse` sees to it).
    for turn in &session.turns {
        let named = |number: Option<i64>| number.and_then(|number| names.get(&number).copied());
        let (parent, continues) = (named(turn.parent), named(turn.continues));
        let name = TurnId::fresh(parent);
        statement.execute(params![
            name.0,
            id.0,
            parent.map(|parent| parent.0),
            turn.speaker.name(),
            turn.created.0,
            // A reply that was being written when it was exported goes on elsewhere, if at all.
            turn.ended.as_deref().unwrap_or(super::INTERRUPTED),
            continues.map(|continued| continued.0),
            turn.numbers.as_ref().map(ToString::to_string),
            turn.text,
            turn.reasoning
        ])?;
        if turn.trace != TurnTrace::default() {
            reply::store_trace(connection, name, &turn.trace)?;
        }
        names.insert(turn.id, name);
    }
    let named = |number: Option<i64>| number.and_then(|number| names.get(&number)).map(|name| name.0);
    connection.execute(
        "INSERT INTO sessions(id, title, created, updated, head, sent_from, settings)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            id.0,
            session.title,
            session.created.0,
            session.updated.0,
            // Whoever wrote the text may not have looked at anything: the end, then.
            named(session.head.or(session.turns.last().map(|turn| turn.id))),
            named(session.sent_from),
            session.settings.to_json()
        ],
    )?;
    Ok(())
}
