//! Saved states of the engine's cache, one a session, in a folder beside the session file: when they are saved and used,
//! and how much of the disk they may take. What is in them is the engine's (`engine/parked.rs`): it checks them, and throws
//! away what does not fit.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::engine::{self, Engine};
use crate::event::{Command, Parking};
use crate::sessions::{Change, Moment, SavedState, SessionId, Store, TurnId};

/// The folder's name.
const FOLDER: &str = "states";
/// What all of them may take …
const MOST_BYTES: u64 = 4 << 30;
/// … and one alone.
const LARGEST: u64 = 2 << 30;
/// A conversation that is read again faster than this needs no file.
const WORTH: Duration = Duration::from_secs(1);

/// The saved states, as this run knows them.
pub struct States {
    folder: PathBuf,
    /// What the engine was told to save: it has done so by the time it has ended, or has not.
    parked: Vec<(SessionId, Option<TurnId>, String, String)>,
    /// States that were used: where the file is gone, it did not fit.
    used: Vec<String>,
}

impl States {
    /// Those beside the session file. Those used longest ago go where there are too many, and files that nobody knows.
    #[must_use]
    pub fn of(data_folder: &Path, store: &mut Store) -> States {
        let folder = data_folder.join(FOLDER);
        let known = store.saved_states(None).unwrap_or_default();
        let mut bytes = 0;
        let (kept, gone): (Vec<&SavedState>, Vec<&SavedState>) = known.iter().partition(|state| {
            bytes += state.bytes;
            bytes <= MOST_BYTES && folder.join(&state.file).is_file()
        });
        let forget: Vec<Change> = gone.iter().map(|state| Change::ForgetState(state.file.clone())).collect();
        if store.write(&forget).is_ok() {
            remove(&folder, &gone.iter().map(|state| state.file.clone()).collect::<Vec<_>>());
        }
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let known = kept.iter().any(|state| state.file == name);
            // A young one may be another slipstream's, which tells of it when it ends.
            let old = entry
                .metadata()
                .and_then(|metadata| metadata.modified())
                .is_ok_and(|time| time.elapsed().is_ok_and(|age| age > Duration::from_secs(7 * 86_400)));
            if !known && old {
                remove(&folder, &[name]);
            }
        }
        States { folder, parked: Vec::new(), used: Vec::new() }
    }

    /// Where they lie.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.folder.clone()
    }

    fn name(session: SessionId, identity: &str) -> String {
        format!("{session}-{}.state", identity.get(..16).unwrap_or(identity))
    }

    /// The engine's cache holds this session: it is saved where that pays.
    pub fn park(&mut self, session: SessionId, turn: Option<TurnId>, engine: &Engine, identity: &str) {
        let name = States::name(session, identity);
        engine.send(Command::Park(Parking {
            file: self.folder.join(&name),
            identity: identity.to_owned(),
            most_bytes: LARGEST,
            worth: WORTH,
        }));
        self.parked.retain(|(_, _, known, _)| *known != name);
        self.parked.push((session, turn, name, identity.to_owned()));
    }

    /// The session is gone on with: what was saved of it is loaded where that is faster. The change that notes the use.
    pub fn unpark(&mut self, session: SessionId, engine: &Engine, identity: &str) -> Option<Change> {
        let name = States::name(session, identity);
        let file = self.folder.join(&name);
        if !file.is_file() {
            return None;
        }
        engine.send(Command::Unpark(Parking {
            file,
            identity: identity.to_owned(),
            most_bytes: LARGEST,
            worth: WORTH,
        }));
        self.used.push(name.clone());
        Some(Change::UseState(name, Moment::now()))
    }

    /// What the store should know once the engine has ended.
    #[must_use]
    pub fn changes(self) -> Vec<Change> {
        let mut changes = Vec::new();
        for (session, turn, name, model) in self.parked {
            let Some(parked) = engine::parked(&self.folder.join(&name)) else { continue };
            let now = Moment::now();
            changes.push(Change::SaveState(SavedState {
                file: name,
                session,
                turn,
                model,
                token_hash: parked.token_hash,
                tokens: parked.tokens,
                bytes: parked.bytes,
                created: now,
                used: now,
            }));
        }
        let gone = self.used.into_iter().filter(|name| !self.folder.join(name).is_file());
        changes.extend(gone.map(Change::ForgetState));
        changes
    }
}

/// Removes files of the folder.
pub fn remove(folder: &Path, names: &[String]) {
    for name in names {
        // A name from a file that anyone may have written: it leads nowhere else.
        if Path::new(name).file_name().is_some_and(|only| only == name.as_str()) {
            let _ = fs::remove_file(folder.join(name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(session: SessionId, file: &str, bytes: u64, used: i64) -> Change {
        Change::SaveState(SavedState {
            file: file.to_owned(),
            session,
            turn: None,
            model: "model".to_owned(),
            token_hash: "00".to_owned(),
            tokens: 9,
            bytes,
            created: Moment(used),
            used: Moment(used),
        })
    }

    #[test]
    fn what_was_used_longest_ago_makes_room() {
        let folder = tempfile::tempdir().unwrap();
        let states = folder.path().join(FOLDER);
        fs::create_dir(&states).unwrap();
        let mut store = Store::in_memory().unwrap();
        let session = SessionId::fresh();
        let large = MOST_BYTES / 2 + 1;
        let changes =
            [state(session, "old", large, 1), state(session, "new", large, 2), state(session, "gone", 1, 3)];
        store.write(&changes).unwrap();
        // Not one of ours, but young: another slipstream may be about to tell of it.
        for name in ["old", "new", "other"] {
            fs::write(states.join(name), "x").unwrap();
        }
        let _ = States::of(folder.path(), &mut store);
        let known: Vec<String> =
            store.saved_states(None).unwrap().into_iter().map(|state| state.file).collect();
        assert_eq!(known, ["new"]);
        assert!(!states.join("old").exists() && states.join("new").exists() && states.join("other").exists());
    }

    #[test]
    fn a_name_that_leads_elsewhere_removes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let states = folder.path().join(FOLDER);
        fs::create_dir(&states).unwrap();
        fs::write(folder.path().join("precious"), "x").unwrap();
        let absolute = folder.path().join("precious").to_string_lossy().into_owned();
        remove(&states, &["../precious".to_owned(), absolute, "..".to_owned(), String::new()]);
        assert!(folder.path().join("precious").exists());
    }
}
