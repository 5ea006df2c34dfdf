//! The open file. Every method blocks until the disk has answered; a screen puts a `Recorder` in between.
//!
//! Two processes share the file by SQLite's write-ahead log: readers never wait, writers wait for each other, and every
//! write is one short transaction that takes its turn at its beginning. Opening (which may bring the file up to date,
//! or set a damaged one aside) is one process's at a time, by a lock on a file beside it.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use super::change::{Change, apply};
use super::error::{Fault, StoreError};
use super::file::{FileNumber, file_number, lock, make_file, make_folder};
use super::moment::Moment;
use super::salvage::{self, Recovery};
use super::schema::{self, Migration, PAGE_BYTES, STEPS};
use super::{PATIENCE, reply};

/// Files up to this size are checked whole when they are opened; of a larger one, damage shows when it is met. A check
/// takes about 0.9 ms a megabyte (benches/sessions.rs, two busy cores), so it stays a small part of the 150 ms that opening
/// may take.
const CHECKED_BYTES: u64 = 32 << 20;
/// A reply that began longer ago than this and has not ended is taken for interrupted. Wrong guesses do no harm.
const STALE_MILLISECONDS: i64 = 3_600_000;

/// The sessions of this machine.
pub struct Store {
    connection: Connection,
    path: PathBuf,
    /// Which file it was when it was opened; `None` where the system has no such numbers, or there is no file.
    file: Option<FileNumber>,
    /// `recover` found nothing wrong, the last time it was called.
    doubted: bool,
}

/// What opening has led to.
pub struct Opened {
    /// The open file.
    pub store: Store,
    /// It was an older one.
    pub migration: Option<Migration>,
    /// It was damaged: this was done about it.
    pub recovery: Option<Recovery>,
}

impl Store {
    /// Opens the file, or makes it and its folder. An older one is brought up to date after a copy was made; a damaged
    /// one is set aside, and what can be read of it is in the new one.
    ///
    /// # Errors
    /// A newer file, a foreign one, the system's refusals.
    pub fn open(path: &Path) -> Result<Opened, StoreError> {
        if let Some(folder) = path.parent() {
            make_folder(folder).map_err(|error| StoreError::io(&error, "making the folder of", path))?;
        }
        let _lock = lock(path)?;
        let (mut opened, recovery) = match Store::connect(path) {
            Err(StoreError::Damaged { what, .. }) => {
                let recovery = salvage::recover(path, &what)?;
                (Store::connect(path)?, Some(recovery))
            }
            other => (other?, None),
        };
        // Where someone else writes, they are settled another time.
        let _ = opened.store.settle_before(Moment(Moment::now().0 - STALE_MILLISECONDS));
        opened.recovery = recovery;
        Ok(opened)
    }

    /// A store that lasts as long as the program: for tests, and where no file can be written.
    ///
    /// # Errors
    /// Where there is no memory for it.
    pub fn in_memory() -> Result<Store, StoreError> {
        let path = PathBuf::from(":memory:");
        let told = |error: rusqlite::Error| StoreError::of(&error, "making", &path);
        let mut connection = Connection::open_in_memory().map_err(told)?;
        configure(&connection).map_err(told)?;
        schema::prepare(&mut connection, &path, STEPS)?;
        Ok(Store { connection, path, file: None, doubted: false })
    }

    fn connect(path: &Path) -> Result<Opened, StoreError> {
        make_file(path).map_err(|error| StoreError::io(&error, "making", path))?;
        let told = |error: rusqlite::Error| StoreError::of(&error, "opening", path);
        let mut connection = Connection::open(path).map_err(told)?;
        connection.busy_timeout(PATIENCE).map_err(told)?;
        schema::recognise(&connection, path, STEPS.len() as i64)?;
        configure(&connection).map_err(told)?;
        let migration = schema::prepare(&mut connection, path, STEPS)?;
        if fs::metadata(path).is_ok_and(|metadata| metadata.len() <= CHECKED_BYTES) {
            check(&connection, path)?;
        }
        let store = Store { connection, path: path.to_owned(), file: file_number(path), doubted: false };
        Ok(Opened { store, migration, recovery: None })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes changes, all or none.
    ///
    /// # Errors
    /// Then none was made (or, where the system failed at the very end, perhaps all: they can be made again).
    pub fn write(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        self.transaction("writing", |connection| {
            changes.iter().try_for_each(|change| apply(connection, change))
        })
    }

    /// Runs `work` as the only writer.
    pub(super) fn transaction<T>(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.follow_the_file()?;
        let path = &self.path;
        let told = |error: rusqlite::Error| StoreError::of(&error, doing, path);
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(told)?;
        // A newer program may have brought the file up to its date in the meantime.
        let (found, known) = (schema::format_of(&transaction).map_err(told)?, STEPS.len() as i64);
        if found > known {
            return Err(StoreError::Newer { path: path.clone(), found, known });
        }
        let result = work(&transaction).map_err(|fault| fault.told(doing, path))?;
        transaction.commit().map_err(told)?;
        Ok(result)
    }

    /// Runs `work` on one state of the file, whatever others write meanwhile.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let told = |error: rusqlite::Error| StoreError::of(&error, "reading", &self.path);
        let transaction = self.connection.unchecked_transaction().map_err(told)?;
        work(&transaction).map_err(|fault| fault.told("reading", &self.path))
    }

    /// Where another process has set the file aside, or someone has deleted it: opens the one that is there now. What is
    /// written to a file without a name is lost.
    fn follow_the_file(&mut self) -> Result<(), StoreError> {
        if self.file.is_some() && file_number(&self.path) != self.file {
            *self = Store::open(&self.path)?.store;
        }
        Ok(())
    }

    /// After `StoreError::Damaged`: sets the file aside, unless another process has done so, and goes on with what could
    /// be read of it.
    ///
    /// # Errors
    /// As `open`. Then the damaged file is still where it was.
    pub fn recover(&mut self) -> Result<Option<Recovery>, StoreError> {
        let path = self.path.clone();
        let _lock = lock(&path)?;
        // On Windows an open file cannot be renamed.
        self.connection = Store::in_memory()?.connection;
        self.file = None;
        let doubted = self.doubted;
        let sound = Store::connect(&path).and_then(|opened| {
            check(&opened.store.connection, &path)?;
            make_index(&opened.store.connection, &path)?;
            // It was called for all the same, and not for the first time.
            if doubted { Err(damaged(&path, "it cannot be read".to_owned())) } else { Ok(opened.store) }
        });
        let recovery = match sound {
            Ok(store) => {
                *self = Store { doubted: true, ..store };
                None
            }
            Err(StoreError::Damaged { what, .. }) => {
                let recovery = salvage::recover(&path, &what)?;
                *self = Store::connect(&path)?.store;
                Some(recovery)
            }
            Err(error) => return Err(error),
        };
        Ok(recovery)
    }

    fn settle_before(&mut self, before: Moment) -> Result<(), StoreError> {
        let stale = self.read(|connection| {
            let sql = "SELECT id FROM turns WHERE ended IS NULL AND created < ?1";
            let mut statement = connection.prepare(sql)?;
            let ids = statement.query_map([before.0], |row| row.get(0).map(super::ids::TurnId))?;
            Ok(ids.collect::<Result<Vec<_>, _>>()?)
        })?;
        if stale.is_empty() {
            return Ok(());
        }
        self.transaction("writing", |connection| {
            stale.iter().try_for_each(|turn| Ok(reply::settle(connection, *turn)?))
        })
    }
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    // FULL: a power cut loses no more than a kill. secure_delete: what was deleted for good is gone, and `carve.rs` cannot
    // mistake it for something that is there.
    connection.execute_batch(&format!(
        "PRAGMA page_size = {PAGE_BYTES}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;"
    ))
}

/// Looks at every page, and whether the indexes say what the tables say. Where nothing but the index of words is wrong, it
/// is made anew.
fn check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let told = |error: rusqlite::Error| StoreError::of(&error, "checking", path);
    let mut statement = connection.prepare("PRAGMA integrity_check").map_err(told)?;
    let found: Vec<String> =
        statement.query_map([], |row| row.get(0)).and_then(Iterator::collect).map_err(told)?;
    if found == ["ok"] {
        return Ok(());
    }
    if found.iter().all(|line| line.to_ascii_lowercase().contains("fts5")) {
        return make_index(connection, path);
    }
    Err(damaged(path, found.into_iter().next().unwrap_or_default()))
}

fn damaged(path: &Path, what: String) -> StoreError {
    StoreError::Damaged { path: path.to_owned(), what }
}

/// Makes the index of words from the texts, which is possible at any time.
fn make_index(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    connection
        .execute("INSERT INTO found(found) VALUES ('rebuild')", [])
        .map(|_| ())
        .map_err(|error| StoreError::of(&error, "indexing", path))
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
