//! The tables, their format's number, and how an older file becomes a current one.
//!
//! To change the format: add a step to `STEPS`, never touch one that was released; give new columns a default, so that
//! `carve.rs` can still read the rows that were written before.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::error::StoreError;
use super::file;

/// Marks the file as ours: "slip".
pub(super) const APPLICATION: i64 = 0x736c_6970;
/// Bytes of a page: most turns fit on one.
pub(super) const PAGE_BYTES: u32 = 8192;
/// Formats further ahead than this are no newer program's, but damage.
const AHEAD_AT_MOST: i64 = 1000;

/// What makes format n + 1 of format n.
pub(super) const STEPS: &[&str] = &[FIRST];

/// `id` of turns rises with time, so that neighbours of a chat are neighbours in the file. Long columns come last:
/// SQLite reads no further than it is asked to. A row that is marked with a deletion is not there for anyone but the one
/// who takes the deletion back, and all turns after a marked turn are marked.
const FIRST: &str = "
CREATE TABLE sessions(
  id INTEGER PRIMARY KEY, title TEXT NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL, head INTEGER,
  sent_from INTEGER, deletion INTEGER, settings TEXT NOT NULL) STRICT;
CREATE TABLE turns(
  id INTEGER PRIMARY KEY, session INTEGER NOT NULL, parent INTEGER, speaker TEXT NOT NULL, created INTEGER NOT NULL,
  ended TEXT, deletion INTEGER, continues INTEGER, numbers TEXT, text TEXT NOT NULL, reasoning TEXT NOT NULL) STRICT;
CREATE INDEX turns_of_session ON turns(session, deletion, parent, speaker, ended);
CREATE INDEX turns_deleted ON turns(deletion) WHERE deletion IS NOT NULL;
CREATE TABLE traces(
  turn INTEGER PRIMARY KEY, format INTEGER NOT NULL, text BLOB NOT NULL, reasoning BLOB NOT NULL,
  tokens BLOB NOT NULL) STRICT;
CREATE TABLE pieces(
  id INTEGER PRIMARY KEY, turn INTEGER NOT NULL, number INTEGER NOT NULL, text_at INTEGER NOT NULL,
  reasoning_at INTEGER NOT NULL, text TEXT NOT NULL, reasoning TEXT NOT NULL, text_trace BLOB NOT NULL,
  reasoning_trace BLOB NOT NULL) STRICT;
CREATE UNIQUE INDEX pieces_of_turn ON pieces(turn, number);
CREATE TABLE deletions(id INTEGER PRIMARY KEY, at INTEGER NOT NULL, session INTEGER NOT NULL, turn INTEGER) STRICT;
CREATE TABLE states(
  id INTEGER PRIMARY KEY, file TEXT NOT NULL UNIQUE, session INTEGER NOT NULL, turn INTEGER, model TEXT NOT NULL,
  token_hash TEXT NOT NULL, tokens INTEGER NOT NULL, bytes INTEGER NOT NULL, created INTEGER NOT NULL,
  used INTEGER NOT NULL) STRICT;
CREATE INDEX states_of_text ON states(model, token_hash);
CREATE VIRTUAL TABLE found USING fts5(
  text, content='turns', content_rowid='id', tokenize='unicode61 remove_diacritics 2');
CREATE TRIGGER turn_came AFTER INSERT ON turns BEGIN
  INSERT INTO found(rowid, text) VALUES (new.id, new.text);
END;
CREATE TRIGGER turn_went AFTER DELETE ON turns BEGIN
  INSERT INTO found(found, rowid, text) VALUES ('delete', old.id, old.text);
END;
CREATE TRIGGER turn_grew AFTER UPDATE OF text ON turns BEGIN
  INSERT INTO found(found, rowid, text) VALUES ('delete', old.id, old.text);
  INSERT INTO found(rowid, text) VALUES (new.id, new.text);
END;
";

/// An older file has become a current one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// The format it had.
    pub from: i64,
    /// The format it has.
    pub to: i64,
    /// A copy of the file as it was; `None` where there was nothing in it yet.
    pub backup: Option<PathBuf>,
}

fn number(connection: &Connection, pragma: &str) -> rusqlite::Result<i64> {
    connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0))
}

/// The format's number; 0 of a new file.
pub(super) fn format_of(connection: &Connection) -> rusqlite::Result<i64> {
    number(connection, "user_version")
}

/// Whose file it is: ours (with its format), nobody's yet (0), or an error.
pub(super) fn recognise(connection: &Connection, path: &Path, known: i64) -> Result<i64, StoreError> {
    let told = |error: rusqlite::Error| StoreError::of(&error, "opening", path);
    let damaged = |what: String| StoreError::Damaged { path: path.to_owned(), what };
    let application = number(connection, "application_id").map_err(told)?;
    let format = format_of(connection).map_err(told)?;
    let count = |condition: &str| {
        let sql = format!("SELECT count(*) FROM sqlite_schema WHERE {condition}");
        connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).map_err(told)
    };
    if count("1")? == 0 && format == 0 && application == 0 {
        return Ok(0);
    }
    let ours = count("type = 'table' AND name IN ('sessions', 'turns', 'pieces', 'traces')")? == 4;
    match (application == APPLICATION, ours) {
        (false, false) => return Err(StoreError::Foreign { path: path.to_owned() }),
        (true, false) => return Err(damaged("tables are missing".to_owned())),
        (false, true) => return Err(damaged(format!("its mark is {application:#x}"))),
        (true, true) => {}
    }
    if !(1..known + AHEAD_AT_MOST).contains(&format) {
        return Err(damaged(format!("its format is {format}")));
    }
    if format > known {
        return Err(StoreError::Newer { path: path.to_owned(), found: format, known });
    }
    Ok(format)
}

/// Makes the tables of a new file, or brings an older one up to date, after a copy of it was made. `steps` lead to the
/// format wanted.
pub(super) fn prepare(
    connection: &mut Connection,
    path: &Path,
    steps: &[&str],
) -> Result<Option<Migration>, StoreError> {
    let known = steps.len() as i64;
    if recognise(connection, path, known)? == known {
        return Ok(None);
    }
    let told = |error: rusqlite::Error| StoreError::of(&error, "bringing up to date", path);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(told)?;
    // From here on nobody else writes; someone may have been faster.
    let from = recognise(&transaction, path, known)?;
    if from == known {
        return Ok(None);
    }
    let backup = if from > 0 { Some(copy(path, from)?) } else { None };
    let work = || {
        for step in steps.iter().skip(usize::try_from(from).unwrap_or(0)) {
            transaction.execute_batch(step)?;
        }
        let marks = format!("PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {known}");
        transaction.execute_batch(&marks)
    };
    if let Err(error) = work().and_then(|()| transaction.commit()) {
        // The file is as it was, and each start would leave a copy of it.
        if let Some(backup) = &backup {
            let _ = fs::remove_file(backup);
        }
        return Err(told(error));
    }
    Ok((from > 0).then_some(Migration { from, to: known, backup }))
}

/// Copies the file as it stands, the log's part of it included, under a name that nothing has yet.
fn copy(path: &Path, format: i64) -> Result<PathBuf, StoreError> {
    let backup = file::free_name(path, &format!("format{format}"));
    let reader = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .map_err(|error| StoreError::of(&error, "copying", path))?;
    let target = backup.to_string_lossy().into_owned();
    reader
        .execute("VACUUM INTO ?1", [target])
        .map_err(|error| StoreError::of(&error, "making a copy of", path))?;
    file::make_private(&backup);
    // It must be on the disk before the original changes.
    fs::File::open(&backup)
        .and_then(|file| file.sync_all())
        .map_err(|error| StoreError::io(&error, "making a copy of", &backup))?;
    Ok(backup)
}
