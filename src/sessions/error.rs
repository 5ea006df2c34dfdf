//! What can go wrong with the session file, and what a person can do about it.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use thiserror::Error;

use super::ids::{SessionId, TurnId};

/// A failure of the store. Nothing that was stored before is lost by any of them.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// Written by a newer program.
    #[error(
        "the session file {} has format {found}, this slipstream knows formats up to {known}", path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format that is known.
        known: i64,
    },
    /// No session file at all.
    #[error("{} holds something else, expected a session file of slipstream", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Its content contradicts itself.
    #[error("the session file {} is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        what: String,
    },
    /// Another program writes, or has written for longer than anyone should.
    #[error("the session file {} is in use by another program, waited {seconds} seconds", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
        /// How long was waited.
        seconds: u64,
    },
    /// The disk is full.
    #[error("no room on the disk for the session file {}: {what}", path.display())]
    Full {
        /// The file.
        path: PathBuf,
        /// What the system says.
        what: String,
    },
    /// The system said no.
    #[error("{doing} the session file {} failed: {what}", path.display())]
    Failed {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        what: String,
    },
    /// No such session, or it was deleted for good.
    #[error("there is no session {0}")]
    NoSession(SessionId),
    /// A turn's name that another turn has: it cannot happen unless two clocks and two chances agree.
    #[error("the name of a new turn, {}, is taken by another one", .0.0)]
    Taken(TurnId),
}

impl StoreError {
    /// What to do next.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            StoreError::Newer { .. } => {
                "use the newer slipstream, or name another data folder by SLIPSTREAM_DATA"
            }
            StoreError::Foreign { .. } => {
                "move that file away, or name another data folder by SLIPSTREAM_DATA"
            }
            StoreError::Damaged { .. } => {
                "the next start sets the file aside and recovers what can be read of it"
            }
            StoreError::Busy { .. } => "end the other program, or try again",
            StoreError::Full { .. } => "free some space on that disk",
            StoreError::Failed { .. } => {
                "look at the file's folder: it must be there, and yours to write, or name another one by \
                 SLIPSTREAM_DATA"
            }
            StoreError::NoSession(_) => "see `slipstream sessions list`",
            StoreError::Taken(_) => "try again, and report it",
        }
    }

    /// Whether the same change may succeed later.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        !matches!(self, StoreError::NoSession(_) | StoreError::Taken(_))
    }

    /// What SQLite said while something was done to a file.
    pub(super) fn of(error: &rusqlite::Error, doing: &'static str, path: &Path) -> StoreError {
        /// SQLITE_IOERR_SHMSIZE: the index of the log could not grow. On a full disk this comes first.
        const NO_ROOM_FOR_INDEX: i32 = 10 | (19 << 8);
        let (path, what) = (path.to_owned(), error.to_string());
        match error {
            rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
                // No change of ours meets a constraint in a sound file; a broken index of words reports it so.
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ConstraintViolation => {
                    StoreError::Damaged { path, what }
                }
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
                    StoreError::Busy { path, seconds: super::PATIENCE.as_secs() }
                }
                ErrorCode::DiskFull => StoreError::Full { path, what },
                _ if failure.extended_code == NO_ROOM_FOR_INDEX => StoreError::Full { path, what },
                _ => StoreError::Failed { doing, path, what },
            },
            // What the schema rules out.
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::Utf8Error(..)
            | rusqlite::Error::InvalidColumnType(..) => StoreError::Damaged { path, what },
            _ => StoreError::Failed { doing, path, what },
        }
    }

    /// What the system said while something was done to a file.
    pub(super) fn io(error: &std::io::Error, doing: &'static str, path: &Path) -> StoreError {
        let (path, what) = (path.to_owned(), error.to_string());
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                StoreError::Full { path, what }
            }
            _ => StoreError::Failed { doing, path, what },
        }
    }
}

/// A failure inside a transaction: SQLite's, or one that is understood already.
#[derive(Debug)]
pub(super) enum Fault {
    Sqlite(rusqlite::Error),
    Known(StoreError),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Fault::Sqlite(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Fault::Known(error)
    }
}

impl Fault {
    pub(super) fn told(self, doing: &'static str, path: &Path) -> StoreError {
        match self {
            Fault::Sqlite(error) => StoreError::of(&error, doing, path),
            Fault::Known(error) => error,
        }
    }
}
