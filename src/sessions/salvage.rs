//! A damaged file is set aside under another name, and what its pages still hold is put into a new one. Nothing is ever
//! written to the damaged file, and it is moved only once its successor is complete.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::carve::{CarvedRow, Carver};
use super::change::rename;
use super::error::StoreError;
use super::file;
use super::ids::SessionId;
use super::schema::{self, PAGE_BYTES, STEPS};
use super::turn::Speaker;

/// What was done about a damaged file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// What was wrong, in SQLite's words.
    pub damage: String,
    /// Where the damaged file lies now.
    pub set_aside: PathBuf,
    /// Sessions that are in the new file.
    pub sessions: u32,
    /// Turns that are in the new file.
    pub turns: u32,
}

/// Does it. The caller holds the lock, and no connection to the file.
pub(super) fn recover(path: &Path, damage: &str) -> Result<Recovery, StoreError> {
    let rebuilt = file::beside(path, "rebuilding");
    for leftover in [rebuilt.clone(), with_suffix(&rebuilt, "-journal")] {
        remove(&leftover).map_err(|error| StoreError::io(&error, "removing an unfinished", &leftover))?;
    }
    let (sessions, turns) = rebuild(path, &rebuilt)?;
    let set_aside = file::free_name(path, "damaged");
    let moved = |error: std::io::Error| StoreError::io(&error, "setting aside", path);
    // The log first: an interruption here leaves a file without its log, which is recovered once more. The other way
    // round, a new file would meet a foreign log.
    let log = with_suffix(path, "-wal");
    if log.exists() {
        fs::rename(&log, with_suffix(&set_aside, "-wal")).map_err(moved)?;
    }
    remove(&with_suffix(path, "-shm")).map_err(moved)?;
    fs::rename(path, &set_aside).map_err(moved)?;
    fs::rename(&rebuilt, path).map_err(moved)?;
    Ok(Recovery { damage: damage.to_owned(), set_aside, sessions, turns })
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn remove(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Puts what can be read of one file into another one; returns how many sessions and turns that is.
fn rebuild(path: &Path, rebuilt: &Path) -> Result<(u32, u32), StoreError> {
    let told = |error: rusqlite::Error| StoreError::of(&error, "recovering", path);
    let read = |error: std::io::Error| StoreError::io(&error, "reading the damaged", path);
    let mut file = File::open(path).map_err(read)?;
    let page_bytes = page_bytes(&mut file);
    let log = File::open(with_suffix(path, "-wal")).ok();
    let mut carver = Carver::new(file, log, page_bytes).map_err(read)?;
    let mut connection = Connection::open(rebuilt).map_err(told)?;
    file::make_private(rebuilt);
    connection.execute_batch(&format!("PRAGMA page_size = {PAGE_BYTES}")).map_err(told)?;
    schema::prepare(&mut connection, rebuilt, STEPS)?;
    let transaction = connection.transaction().map_err(told)?;
    for page in carver.pages() {
        for row in carver.rows(page) {
            insert(&transaction, &row).map_err(told)?;
        }
    }
    mend(&transaction).map_err(told)?;
    let count = |table: &str| {
        transaction.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).map_err(told)
    };
    let counts = (count("sessions")?, count("turns")?);
    transaction.commit().map_err(told)?;
    connection.close().map_err(|(_, error)| told(error))?;
    Ok(counts)
}

/// What the file says of itself, where that can be true.
fn page_bytes(file: &mut File) -> usize {
    let mut header = [0; 18];
    let said = file.read_exact(&mut header).map(|()| u16::from_be_bytes([header[16], header[17]]));
    match said {
        Ok(bytes) if header.starts_with(b"SQLite format 3\0") && bytes.is_power_of_two() && bytes >= 512 => {
            usize::from(bytes)
        }
        _ => PAGE_BYTES as usize,
    }
}

/// Types of columns, for telling whose row it is.
#[derive(Clone, Copy)]
enum Is {
    /// The row's number stands elsewhere.
    Id,
    Integer,
    MaybeInteger,
    Text,
    MaybeText,
    Blob,
}

impl Is {
    fn fits(self, value: &Value) -> bool {
        match value {
            Value::Null => matches!(self, Is::Id | Is::MaybeInteger | Is::MaybeText),
            Value::Integer(_) => matches!(self, Is::Integer | Is::MaybeInteger),
            Value::Text(_) => matches!(self, Is::Text | Is::MaybeText),
            Value::Blob(_) => matches!(self, Is::Blob),
            Value::Real(_) => false,
        }
    }
}

/// The tables and their columns, as `schema.rs` makes them.
const TABLES: [(&str, &[Is]); 6] = {
    use Is::{Blob, Id, Integer, MaybeInteger, MaybeText, Text};
    [
        ("sessions", &[Id, Text, Integer, Integer, MaybeInteger, MaybeInteger, MaybeInteger, Text]),
        (
            "turns",
            &[
                Id,
                Integer,
                MaybeInteger,
                Text,
                Integer,
                MaybeText,
                MaybeInteger,
                MaybeInteger,
                MaybeText,
                Text,
                Text,
            ],
        ),
        ("traces", &[Id, Integer, Blob, Blob, Blob]),
        ("pieces", &[Id, Integer, Integer, Integer, Integer, Text, Text, Blob, Blob]),
        ("deletions", &[Id, Integer, Integer, MaybeInteger]),
        ("states", &[Id, Text, Integer, MaybeInteger, Text, Text, Integer, Integer, Integer, Integer]),
    ]
};

/// Puts a row where it belongs, if it belongs anywhere.
fn insert(connection: &Connection, row: &CarvedRow) -> rusqlite::Result<()> {
    let fits = |columns: &[Is]| {
        row.id > 0
            && columns.len() == row.values.len()
            && columns.iter().zip(&row.values).all(|(column, value)| column.fits(value))
    };
    let Some((table, columns)) = TABLES.iter().find(|(_, columns)| fits(columns)) else { return Ok(()) };
    if *table == "turns" && !matches!(&row.values[3], Value::Text(name) if Speaker::named(name).is_some()) {
        return Ok(());
    }
    let id = [Value::Integer(row.id)];
    let values = params_from_iter(id.iter().chain(&row.values[1..]));
    let places = vec!["?"; columns.len()].join(", ");
    connection.execute(&format!("INSERT OR IGNORE INTO {table} VALUES ({places})"), values)?;
    Ok(())
}

/// Makes sessions of what is left of them.
fn mend(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        // What followed a turn that is lost follows the last one before that: the order of a chat is kept.
        "UPDATE turns SET parent = (
           SELECT max(before.id) FROM turns AS before
           WHERE before.session = turns.session AND before.id < min(turns.id, turns.parent)
             AND (before.deletion IS NULL OR before.deletion IS turns.deletion))
         WHERE parent IS NOT NULL AND (parent >= id OR NOT EXISTS (
           SELECT 1 FROM turns AS before WHERE before.id = turns.parent AND before.session = turns.session));
         INSERT INTO sessions(id, title, created, updated, head, settings)
           SELECT session, '', min(created), max(created), max(id), '{}' FROM turns
           WHERE session NOT IN (SELECT id FROM sessions) GROUP BY session;
         UPDATE sessions SET head = (
           SELECT max(id) FROM turns WHERE turns.session = sessions.id AND turns.deletion IS NULL)
         WHERE head IS NOT NULL AND head NOT IN (SELECT id FROM turns);",
    )?;
    let mut statement = connection.prepare("SELECT id FROM sessions WHERE title = ''")?;
    let nameless: Vec<i64> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    nameless.into_iter().try_for_each(|session| rename(connection, SessionId(session), ""))
}
