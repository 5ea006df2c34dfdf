//! Saved states of the model's cache: which file beside the database holds which tokens of which model. Whether one is
//! worth saving or loading, and when its file goes, others decide; here only the record is kept.

use rusqlite::{Connection, params};

use super::error::StoreError;
use super::ids::{SessionId, TurnId};
use super::moment::Moment;
use super::store::Store;

/// A saved state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedState {
    /// Its file's name, without a folder.
    pub file: String,
    /// The session it was saved for.
    pub session: SessionId,
    /// The last turn it covers.
    pub turn: Option<TurnId>,
    /// Identity of the model, and of what else the cache depends on (its type, the build).
    pub model: String,
    /// Hash of the tokens it covers.
    pub token_hash: String,
    /// How many these are.
    pub tokens: u32,
    /// Bytes of the file.
    pub bytes: u64,
    /// When it was saved.
    pub created: Moment,
    /// When it was last used.
    pub used: Moment,
}

pub(super) fn save(connection: &Connection, state: &SavedState) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT OR REPLACE INTO states(file, session, turn, model, token_hash, tokens, bytes, created, used)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            state.file,
            state.session.0,
            state.turn.map(|turn| turn.0),
            state.model,
            state.token_hash,
            state.tokens,
            i64::try_from(state.bytes).unwrap_or(i64::MAX),
            state.created.0,
            state.used.0
        ],
    )?;
    Ok(())
}

impl Store {
    /// All saved states of a model, or of all models: the one used last comes first.
    ///
    /// # Errors
    /// The file's.
    pub fn saved_states(&self, model: Option<&str>) -> Result<Vec<SavedState>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare(
                "SELECT file, session, turn, model, token_hash, tokens, bytes, created, used FROM states
                 WHERE model = ?1 OR ?1 IS NULL ORDER BY used DESC, id DESC",
            )?;
            let states = statement.query_map([model], |row| {
                Ok(SavedState {
                    file: row.get(0)?,
                    session: SessionId(row.get(1)?),
                    turn: row.get::<_, Option<i64>>(2)?.map(TurnId),
                    model: row.get(3)?,
                    token_hash: row.get(4)?,
                    tokens: row.get(5)?,
                    bytes: u64::try_from(row.get::<_, i64>(6)?).unwrap_or(0),
                    created: Moment(row.get(7)?),
                    used: Moment(row.get(8)?),
                })
            })?;
            states.collect::<Result<_, _>>().map_err(Into::into)
        })
    }
}
