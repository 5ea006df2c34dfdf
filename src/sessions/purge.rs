//! Deleting for good: what was deleted some time ago, and sessions in which nothing was ever said.

use rusqlite::{Connection, params};

use super::error::StoreError;
use super::moment::Moment;
use super::store::Store;

/// What was deleted for good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Sessions.
    pub sessions: usize,
    /// Turns of sessions that are still there.
    pub turns: usize,
    /// Saved states that no session needs any more: their files can go.
    pub state_files: Vec<String>,
}

impl Store {
    /// Deletes for good what was deleted before this moment. Each deletion is a transaction of its own, so that others
    /// can write in between.
    ///
    /// # Errors
    /// The file's; what was purged until then stays so.
    pub fn purge(&mut self, before: Moment) -> Result<Purged, StoreError> {
        let due: Vec<(i64, Option<i64>)> = self.read(|connection| {
            let mut statement =
                connection.prepare("SELECT id, turn FROM deletions WHERE at < ?1 ORDER BY id")?;
            let rows = statement.query_map([before.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })?;
        let mut purged = Purged::default();
        for (deletion, turn) in due {
            self.transaction("writing", |connection| {
                if turn.is_some() {
                    purged.turns += forget_turns(connection, "deletion = ?1", deletion)?;
                } else {
                    // Marked no more where someone has gone on in it: then nothing is found.
                    let sql = "SELECT id FROM sessions WHERE deletion = ?1";
                    let mut statement = connection.prepare(sql)?;
                    let sessions: Vec<i64> =
                        statement.query_map([deletion], |row| row.get(0))?.collect::<Result<_, _>>()?;
                    for session in sessions {
                        forget_turns(connection, "session = ?1", session)?;
                        connection.execute("DELETE FROM deletions WHERE session = ?1", [session])?;
                        connection.execute("DELETE FROM sessions WHERE id = ?1", [session])?;
                        purged.sessions += 1;
                    }
                }
                connection.execute("DELETE FROM deletions WHERE id = ?1", [deletion])?;
                Ok(())
            })?;
        }
        self.transaction("writing", |connection| {
            connection.execute(
                "DELETE FROM sessions WHERE updated < ?1
                   AND NOT EXISTS (SELECT 1 FROM turns WHERE turns.session = sessions.id)",
                params![before.0],
            )?;
            let mut statement = connection.prepare(
                "DELETE FROM states WHERE session NOT IN (SELECT id FROM sessions) RETURNING file",
            )?;
            let files = statement.query_map([], |row| row.get(0))?;
            purged.state_files = files.collect::<Result<_, _>>()?;
            Ok(())
        })?;
        Ok(purged)
    }
}

fn forget_turns(connection: &Connection, condition: &str, value: i64) -> rusqlite::Result<usize> {
    for table in ["traces", "pieces"] {
        let sql = format!("DELETE FROM {table} WHERE turn IN (SELECT id FROM turns WHERE {condition})");
        connection.execute(&sql, [value])?;
    }
    connection.execute(&format!("DELETE FROM turns WHERE {condition}"), [value])
}
