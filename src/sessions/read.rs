//! Reading: lists, open sessions, single turns. No text is read that is not asked for.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::error::{Fault, StoreError};
use super::ids::{DeletionId, SessionId, TurnId};
use super::moment::Moment;
use super::reply;
use super::settings::SessionSettings;
use super::store::Store;
use super::tree::{Node, Tree};
use super::turn::{Deletion, Session, SessionInfo, Speaker, Turn, TurnTrace};

const INFO: &str = "SELECT id, title, created, updated, settings, deletion,
  (SELECT count(*) FROM turns WHERE turns.session = sessions.id AND turns.deletion IS NULL) AS count
  FROM sessions";

impl Store {
    /// The sessions that have a turn, the one used last first.
    ///
    /// # Errors
    /// The file's.
    pub fn sessions(&self) -> Result<Vec<SessionInfo>, StoreError> {
        self.infos("deletion IS NULL AND count > 0 ORDER BY updated DESC, id")
    }

    /// The deleted sessions that can still be restored, the one used last first.
    ///
    /// # Errors
    /// The file's.
    pub fn deleted_sessions(&self) -> Result<Vec<SessionInfo>, StoreError> {
        self.infos("deletion IS NOT NULL ORDER BY updated DESC, id")
    }

    fn infos(&self, condition: &str) -> Result<Vec<SessionInfo>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare(&format!("SELECT * FROM ({INFO}) WHERE {condition}"))?;
            let infos = statement.query_map([], info)?;
            Ok(infos.collect::<Result<_, _>>()?)
        })
    }

    /// The sessions whose names begin with these letters, deleted ones among them.
    ///
    /// # Errors
    /// The file's.
    pub fn sessions_named(&self, letters: &str) -> Result<Vec<SessionInfo>, StoreError> {
        let Some(range) = SessionId::beginning_with(letters) else { return Ok(Vec::new()) };
        self.read(|connection| {
            let sql = format!("{INFO} WHERE id >= ?1 AND id < ?2 ORDER BY id");
            let mut statement = connection.prepare(&sql)?;
            let infos = statement.query_map([range.start, range.end], info)?;
            Ok(infos.collect::<Result<_, _>>()?)
        })
    }

    /// Opens a session, deleted or not, with the branch that was looked at last.
    ///
    /// # Errors
    /// The file's, or there is none of that name.
    pub fn session(&self, id: SessionId) -> Result<Session, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare(&format!("{INFO} WHERE id = ?1"))?;
            let Some(info) = statement.query_row([id.0], info).optional()? else {
                return Err(StoreError::NoSession(id).into());
            };
            let tree = tree(connection, id)?;
            let sql = "SELECT head, sent_from FROM sessions WHERE id = ?1";
            let [head, sent_from] = connection.query_row(sql, [id.0], |row| {
                Ok([0, 1].map(|column| row.get::<_, Option<i64>>(column).unwrap_or_default().map(TurnId)))
            })?;
            // NULL is the place before the first turn. A turn that is gone is no place.
            let head = head.map(|head| if tree.node(head).is_some() { Some(head) } else { tree.newest() });
            let head = head.flatten();
            let sent_from = sent_from.filter(|turn| tree.node(*turn).is_some());
            let turns = turns(connection, &tree.path(head))?;
            Ok(Session { info, tree, head, sent_from, turns })
        })
    }

    /// Turns with their texts, in the order asked for; those that are gone are left out.
    ///
    /// # Errors
    /// The file's.
    pub fn turns(&self, ids: &[TurnId]) -> Result<Vec<Turn>, StoreError> {
        self.read(|connection| turns(connection, ids))
    }

    /// What is known of a turn's tokens; empty where nothing is.
    ///
    /// # Errors
    /// The file's.
    pub fn trace(&self, turn: TurnId) -> Result<TurnTrace, StoreError> {
        self.read(|connection| Ok(reply::with_pieces(connection, turn, String::new(), String::new())?.trace))
    }

    /// The deletions that can be taken back, the last one first.
    ///
    /// # Errors
    /// The file's.
    pub fn deletions(&self) -> Result<Vec<Deletion>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT id, at, session, turn FROM deletions ORDER BY id DESC";
            let mut statement = connection.prepare(sql)?;
            let deletions = statement.query_map([], |row| {
                Ok(Deletion {
                    id: DeletionId(row.get(0)?),
                    at: Moment(row.get(1)?),
                    session: SessionId(row.get(2)?),
                    turn: row.get::<_, Option<i64>>(3)?.map(TurnId),
                })
            })?;
            Ok(deletions.collect::<Result<_, _>>()?)
        })
    }
}

fn info(row: &Row<'_>) -> rusqlite::Result<SessionInfo> {
    Ok(SessionInfo {
        id: SessionId(row.get(0)?),
        title: words_of(row, 1)?,
        created: Moment(row.get(2)?),
        updated: Moment(row.get(3)?),
        settings: SessionSettings::from_json(&words_of(row, 4)?),
        deletion: row.get::<_, Option<i64>>(5)?.map(DeletionId),
        turns: row.get(6)?,
    })
}

/// Answered by the index alone.
fn tree(connection: &Connection, session: SessionId) -> rusqlite::Result<Tree> {
    let mut statement = connection.prepare(
        "SELECT id, parent, speaker, ended IS NOT NULL FROM turns WHERE session = ?1 AND deletion IS NULL",
    )?;
    let mut nodes = Vec::new();
    let mut rows = statement.query([session.0])?;
    while let Some(row) = rows.next()? {
        nodes.push(Node {
            id: TurnId(row.get(0)?),
            parent: row.get::<_, Option<i64>>(1)?.map(TurnId),
            speaker: speaker(&words_of(row, 2)?),
            finished: row.get(3)?,
        });
    }
    Ok(Tree::of(nodes))
}

/// A text. A flipped bit in it costs a letter, not the session: SQLite does not look into texts.
pub(super) fn words_of(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    Ok(String::from_utf8_lossy(row.get_ref(column)?.as_bytes()?).into_owned())
}

/// What a damaged file calls something else is the program's.
fn speaker(name: &str) -> Speaker {
    Speaker::named(name).unwrap_or(Speaker::Summary)
}

fn turns(connection: &Connection, ids: &[TurnId]) -> Result<Vec<Turn>, Fault> {
    let mut statement = connection.prepare(
        "SELECT parent, speaker, created, ended, continues, numbers, text, reasoning FROM turns WHERE id = ?1",
    )?;
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        let turn = statement.query_row(params![id.0], |row| {
            let numbers = row.get_ref(5)?.as_bytes_or_null()?;
            Ok(Turn {
                id: *id,
                parent: row.get::<_, Option<i64>>(0)?.map(TurnId),
                speaker: speaker(&words_of(row, 1)?),
                created: Moment(row.get(2)?),
                ended: row
                    .get_ref(3)?
                    .as_bytes_or_null()?
                    .map(|ended| String::from_utf8_lossy(ended).into_owned()),
                continues: row.get::<_, Option<i64>>(4)?.map(TurnId),
                numbers: numbers.and_then(|text| serde_json::from_slice(text).ok()),
                text: words_of(row, 6)?,
                reasoning: words_of(row, 7)?,
            })
        });
        if let Some(turn) = turn.optional()? {
            found.push(turn);
        }
    }
    // Also an ended one can have pieces: its program went on after another had taken it for interrupted.
    let mut growing = connection.prepare("SELECT DISTINCT turn FROM pieces")?;
    let growing: HashSet<TurnId> =
        growing.query_map([], |row| row.get(0).map(TurnId))?.collect::<Result<_, _>>()?;
    for turn in found.iter_mut().filter(|turn| growing.contains(&turn.id)) {
        let (text, reasoning) = (std::mem::take(&mut turn.text), std::mem::take(&mut turn.reasoning));
        let whole = reply::with_pieces(connection, turn.id, text, reasoning)?;
        (turn.text, turn.reasoning) = (whole.text, whole.reasoning);
    }
    Ok(found)
}
