//! Everything that can be done to the stored sessions, as values, and how each is done. A change that is done twice does
//! no more than once, so that one whose fate is unknown can be done again. None needs what a deletion for good may have
//! taken away in the meantime: a missing session is made anew.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::error::{Fault, StoreError};
use super::ids::{DeletionId, SessionId, TurnId};
use super::moment::Moment;
use super::reply;
use super::settings::SessionSettings;
use super::state::SavedState;
use super::turn::{NewReply, NewTurn, Piece, ReplyEnd, Speaker, WRITTEN, title_of};

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A whole turn is added, and looked at. With a parent that has other turns after it: a branch. (An edited question
    /// is a turn with the same parent as the question.)
    Append(NewTurn),
    /// A reply begins, and is looked at. With the parent of another reply: that one regenerated, or continued.
    Begin(NewReply),
    /// It grows.
    Grow(Piece),
    /// It ends.
    Finish(NewReply, ReplyEnd),
    /// Another branch is looked at; `None`: the place before the first turn.
    Head(SessionId, Option<TurnId>),
    /// The model is sent nothing before this turn from now on; `None`: all of the branch.
    SentFrom(SessionId, Option<TurnId>),
    /// The session gets a title; an empty one: that of its first words.
    Rename(SessionId, String),
    /// Its settings are these.
    Settings(SessionId, SessionSettings),
    /// The session is no longer listed.
    DeleteSession(SessionId, DeletionId, Moment),
    /// The turn and all that follow it are no longer there.
    DeleteTurn(TurnId, DeletionId, Moment),
    /// A deletion is taken back.
    Restore(DeletionId),
    /// A state of the model's cache lies in a file now.
    SaveState(SavedState),
    /// It was used.
    UseState(String, Moment),
    /// The file is gone.
    ForgetState(String),
}

/// Does it, inside a transaction.
pub(super) fn apply(connection: &Connection, change: &Change) -> Result<(), Fault> {
    match change {
        Change::Append(turn) => append(connection, turn)?,
        Change::Begin(new) => {
            make_way(connection, new.session, new.parent, new.created)?;
            begin(connection, new)?;
            look_at(connection, new.session, new.id, new.created)?;
        }
        Change::Grow(piece) => reply::grow(connection, piece)?,
        Change::Finish(new, end) => {
            make_session(connection, new.session, new.created)?;
            begin(connection, new)?;
            reply::finish(connection, new.id, end)?;
        }
        Change::Head(session, head) => {
            let head = head.map(|head| head.0);
            connection.execute("UPDATE sessions SET head = ?2 WHERE id = ?1", params![session.0, head])?;
        }
        Change::SentFrom(session, turn) => {
            let turn = turn.map(|turn| turn.0);
            connection
                .execute("UPDATE sessions SET sent_from = ?2 WHERE id = ?1", params![session.0, turn])?;
        }
        Change::Rename(session, title) => rename(connection, *session, title)?,
        Change::Settings(session, settings) => {
            make_session(connection, *session, Moment::now())?;
            let sql = "UPDATE sessions SET settings = ?2 WHERE id = ?1";
            connection.execute(sql, params![session.0, settings.to_json()])?;
        }
        Change::DeleteSession(session, deletion, at) => {
            let sql = "UPDATE sessions SET deletion = ?2 WHERE id = ?1 AND deletion IS NULL";
            if connection.execute(sql, params![session.0, deletion.0])? > 0 {
                note_deletion(connection, *deletion, *at, *session, None)?;
            }
        }
        Change::DeleteTurn(turn, deletion, at) => delete_turn(connection, *turn, *deletion, *at)?,
        Change::Restore(deletion) => restore(connection, *deletion)?,
        Change::SaveState(state) => super::state::save(connection, state)?,
        Change::UseState(file, at) => {
            connection.execute("UPDATE states SET used = ?2 WHERE file = ?1", params![file, at.0])?;
        }
        Change::ForgetState(file) => {
            connection.execute("DELETE FROM states WHERE file = ?1", [file])?;
        }
    }
    Ok(())
}

fn append(connection: &Connection, turn: &NewTurn) -> Result<(), Fault> {
    make_way(connection, turn.session, turn.parent, turn.created)?;
    let added = connection.execute(
        "INSERT OR IGNORE INTO turns(id, session, parent, speaker, created, ended, text, reasoning)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, '')",
        params![
            turn.id.0,
            turn.session.0,
            turn.parent.map(|parent| parent.0),
            turn.speaker.name(),
            turn.created.0,
            WRITTEN,
            turn.text
        ],
    )?;
    if added == 0 {
        check_same(connection, turn.id, turn.session, turn.parent, turn.speaker)?;
    }
    look_at(connection, turn.session, turn.id, turn.created)?;
    if turn.speaker == Speaker::User {
        let sql = "UPDATE sessions SET title = ?2 WHERE id = ?1 AND title = ''";
        connection.execute(sql, params![turn.session.0, title_of(&turn.text)])?;
    }
    Ok(())
}

/// The row of a reply, where it is not there yet.
fn begin(connection: &Connection, new: &NewReply) -> Result<(), Fault> {
    let added = connection.execute(
        "INSERT OR IGNORE INTO turns(id, session, parent, speaker, created, continues, text, reasoning)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            new.id.0,
            new.session.0,
            new.parent.map(|parent| parent.0),
            Speaker::Model.name(),
            new.created.0,
            new.continues.map(|continued| continued.0),
            new.text,
            new.reasoning
        ],
    )?;
    match new.continues {
        _ if added == 0 => check_same(connection, new.id, new.session, new.parent, Speaker::Model)?,
        Some(continued) => reply::inherit_trace(connection, continued, new)?,
        None => {}
    }
    Ok(())
}

/// The turn that has the name already must be this very one.
fn check_same(
    connection: &Connection,
    id: TurnId,
    session: SessionId,
    parent: Option<TurnId>,
    speaker: Speaker,
) -> Result<(), Fault> {
    let sql = "SELECT session = ?2 AND parent IS ?3 AND speaker = ?4 FROM turns WHERE id = ?1";
    let wanted = params![id.0, session.0, parent.map(|parent| parent.0), speaker.name()];
    let same: bool = connection.query_row(sql, wanted, |row| row.get(0))?;
    if same { Ok(()) } else { Err(StoreError::Taken(id).into()) }
}

fn make_session(connection: &Connection, session: SessionId, at: Moment) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT OR IGNORE INTO sessions(id, title, created, updated, settings) VALUES (?1, '', ?2, ?2, '{}')",
        params![session.0, at.0],
    )?;
    Ok(())
}

/// Sees to it that a turn can follow `parent`: the session is there, and nothing before the turn is deleted (another
/// process may have done that, whose user did not know that this one goes on). A reply that nobody finished is taken
/// as it stands.
fn make_way(
    connection: &Connection,
    session: SessionId,
    parent: Option<TurnId>,
    at: Moment,
) -> Result<(), Fault> {
    make_session(connection, session, at)?;
    let sql = "UPDATE sessions SET deletion = NULL WHERE id = ?1 AND deletion IS NOT NULL";
    connection.execute(sql, [session.0])?;
    let Some(parent) = parent else { return Ok(()) };
    let found: Option<(bool, bool)> = connection
        .query_row("SELECT deletion IS NULL, ended IS NULL FROM turns WHERE id = ?1", [parent.0], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    if let Some((lives, grows)) = found {
        if !lives {
            revive(connection, "VALUES (?1)", parent.0)?;
        }
        if grows {
            reply::settle(connection, parent)?;
        }
    }
    Ok(())
}

/// Takes the marks off some turns and all before them.
fn revive(connection: &Connection, turns: &str, value: i64) -> rusqlite::Result<()> {
    connection.execute(
        &format!(
            "WITH RECURSIVE up(id) AS (
               {turns} UNION SELECT turns.parent FROM turns JOIN up ON turns.id = up.id)
             UPDATE turns SET deletion = NULL WHERE id IN (SELECT id FROM up) AND deletion IS NOT NULL"
        ),
        [value],
    )?;
    Ok(())
}

fn look_at(connection: &Connection, session: SessionId, head: TurnId, at: Moment) -> rusqlite::Result<()> {
    connection.execute(
        "UPDATE sessions SET head = ?2, updated = max(updated, ?3) WHERE id = ?1",
        params![session.0, head.0, at.0],
    )?;
    Ok(())
}

pub(super) fn rename(connection: &Connection, session: SessionId, title: &str) -> rusqlite::Result<()> {
    let mut title = title.to_owned();
    if title.is_empty() {
        let sql = "SELECT text FROM turns WHERE session = ?1 AND deletion IS NULL AND speaker = 'user'
                   ORDER BY id LIMIT 1";
        let first = connection.query_row(sql, [session.0], |row| super::read::words_of(row, 0)).optional()?;
        title = title_of(&first.unwrap_or_default());
    }
    connection.execute("UPDATE sessions SET title = ?2 WHERE id = ?1", params![session.0, title])?;
    Ok(())
}

fn note_deletion(
    connection: &Connection,
    deletion: DeletionId,
    at: Moment,
    session: SessionId,
    turn: Option<TurnId>,
) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT OR IGNORE INTO deletions(id, at, session, turn) VALUES (?1, ?2, ?3, ?4)",
        params![deletion.0, at.0, session.0, turn.map(|turn| turn.0)],
    )?;
    Ok(())
}

fn delete_turn(
    connection: &Connection,
    turn: TurnId,
    deletion: DeletionId,
    at: Moment,
) -> rusqlite::Result<()> {
    let sql = "SELECT session FROM turns WHERE id = ?1 AND deletion IS NULL";
    let Some(session) = connection.query_row(sql, [turn.0], |row| row.get::<_, i64>(0)).optional()? else {
        return Ok(());
    };
    connection.execute(
        "WITH RECURSIVE below(id) AS (
           VALUES (?1) UNION SELECT turns.id FROM below JOIN turns
             ON turns.session = ?3 AND turns.deletion IS NULL AND turns.parent = below.id)
         UPDATE turns SET deletion = ?2 WHERE id IN (SELECT id FROM below) AND deletion IS NULL",
        params![turn.0, deletion.0, session],
    )?;
    note_deletion(connection, deletion, at, SessionId(session), Some(turn))
}

fn restore(connection: &Connection, deletion: DeletionId) -> rusqlite::Result<()> {
    connection.execute("UPDATE sessions SET deletion = NULL WHERE deletion = ?1", [deletion.0])?;
    // What the turns hang on may have been deleted after them.
    revive(connection, "SELECT id FROM turns WHERE deletion = ?1", deletion.0)?;
    connection.execute("DELETE FROM deletions WHERE id = ?1", [deletion.0])?;
    Ok(())
}
