//! Damaged files: cut off, overwritten, with flipped bytes. Nothing panics, nothing is overwritten, and what can be read
//! comes back.

use std::fs;
use std::path::{Path, PathBuf};

use slipstream::sessions::{Change, Recovery, SessionId, Store, StoreError};
use tempfile::{TempDir, tempdir};

use super::{asks, chat};

const SESSIONS: usize = 6;
const ROUNDS: usize = 12;
/// Questions and answers.
const TURNS: usize = SESSIONS * ROUNDS * 2;

/// A sound file, closed, and its bytes.
fn sound() -> (TempDir, PathBuf, Vec<u8>) {
    let folder = tempdir().unwrap();
    let file = folder.path().join("sessions.db");
    let mut store = Store::open(&file).unwrap().store;
    for session in 0..SESSIONS {
        // Some answers longer than a page.
        chat(&mut store, ROUNDS, if session == 0 { 900 } else { 60 });
    }
    drop(store);
    let bytes = fs::read(&file).unwrap();
    assert!(!folder.path().join("sessions.db-wal").exists(), "the last to leave empties the log");
    (folder, file, bytes)
}

/// A generator of our own: the same places in every run (what lies there differs: names are made by chance).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

/// Reads everything there is, and adds something; returns how many turns are as they were written.
fn use_it(store: &mut Store) -> Result<usize, StoreError> {
    let mut intact = 0;
    for info in store.sessions()? {
        let session = store.session(info.id)?;
        let all: Vec<_> = session.tree.nodes().map(|node| node.id).collect();
        for turn in store.turns(&all)? {
            let told = turn.text.strip_prefix("question ").or(turn.text.strip_prefix("answer"));
            intact += usize::from(told.is_some() && turn.ended.is_some());
            store.trace(turn.id)?;
        }
        store.export_json(&[info.id])?;
    }
    store.search("lanterns", 1000)?;
    let added = asks(SessionId::fresh(), None, "added");
    store.write(&[Change::Append(added.clone())])?;
    assert_eq!(store.turns(&[added.id])?[0].text, "added");
    Ok(intact)
}

/// What became of a damaged file: turns that came back, and what was done; `None` where it was politely refused.
fn survive(folder: &Path, file: &Path, damaged: &[u8]) -> Option<(usize, Option<Recovery>)> {
    for entry in fs::read_dir(folder).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    fs::write(file, damaged).unwrap();
    let mut opened = match Store::open(file) {
        Ok(opened) => opened,
        Err(StoreError::Newer { .. } | StoreError::Foreign { .. }) => {
            assert_eq!(fs::read(file).unwrap(), damaged, "what is refused is left as it is");
            return None;
        }
        Err(error) => panic!("{error}"),
    };
    let mut recovery = opened.recovery.take();
    let mut used = use_it(&mut opened.store);
    if let Err(StoreError::Damaged { .. }) = used {
        recovery = opened.store.recover().unwrap().or(recovery);
        used = use_it(&mut opened.store);
    }
    let intact = used.unwrap_or_else(|error| panic!("after {recovery:?}: {error}"));
    if let Some(recovery) = &recovery {
        assert!(recovery.set_aside.exists() && recovery.set_aside != file);
        // Where it was used before the damage was met, it has grown.
        if opened.migration.is_none() && intact < TURNS {
            assert!(fs::metadata(&recovery.set_aside).unwrap().len() > 0);
        }
    }
    // And from then on it is sound.
    drop(opened);
    assert_eq!(Store::open(file).unwrap().recovery, None);
    Some((intact, recovery))
}

#[test]
fn flipped_bytes_cost_little_and_never_panic() {
    let (folder, file, bytes) = sound();
    let mut chance = Chance(1);
    let (mut recovered, mut came_back) = (0, 0);
    let cases = 60;
    for _ in 0..cases {
        let mut damaged = bytes.clone();
        for _ in 0..=chance.below(4) {
            let at = chance.below(damaged.len());
            damaged[at] ^= 1 << chance.below(8);
        }
        let Some((intact, recovery)) = survive(folder.path(), &file, &damaged) else {
            came_back += TURNS;
            continue;
        };
        assert!(intact * 10 >= TURNS * 7, "{intact} of {TURNS} turns");
        came_back += intact;
        recovered += usize::from(recovery.is_some());
    }
    assert!(recovered > 0, "some damage is noticed");
    assert!(came_back * 100 >= cases * TURNS * 97, "{came_back} of {} turns", cases * TURNS);
}

#[test]
fn a_file_without_its_beginning_gives_the_rest() {
    let (folder, file, bytes) = sound();
    for pages in [1, 8] {
        let mut damaged = bytes.clone();
        damaged[..pages * 8192].fill(0);
        let (intact, recovery) = survive(folder.path(), &file, &damaged).unwrap();
        let recovery = recovery.expect("it is noticed");
        assert_eq!(fs::read(&recovery.set_aside).unwrap(), damaged, "the damaged file is kept as it was");
        assert_eq!(recovery.turns as usize, intact);
        let least = if pages == 1 { TURNS } else { TURNS * 7 / 10 };
        assert!(intact >= least, "{intact} of {TURNS} turns without {pages} pages");
    }
}

#[test]
fn a_file_that_was_cut_off_gives_what_is_left() {
    let (folder, file, bytes) = sound();
    let mut chance = Chance(2);
    let mut share = 0.0;
    for case in 0..12 {
        let length = if case == 0 { bytes.len() / 2 } else { 1 + chance.below(bytes.len() - 1) };
        let Some((intact, _)) = survive(folder.path(), &file, &bytes[..length]) else { continue };
        if case == 0 {
            share = intact as f64 / TURNS as f64;
        }
    }
    assert!(share > 0.25, "half a file gives {share} of its turns");
}

#[test]
fn something_else_in_its_place_is_set_aside() {
    let (folder, file, _) = sound();
    let mut chance = Chance(3);
    let noise: Vec<u8> = (0..50_000).map(|_| chance.below(256) as u8).collect();
    let (intact, recovery) = survive(folder.path(), &file, &noise).unwrap();
    assert_eq!(intact, 0);
    assert_eq!(fs::read(recovery.unwrap().set_aside).unwrap(), noise);
}

/// Two damaged files, one after the other: neither is overwritten by the other.
#[test]
fn nothing_that_was_set_aside_is_overwritten() {
    let (folder, file, bytes) = sound();
    let mut kept = Vec::new();
    for number in 0..3_u8 {
        let mut damaged = bytes.clone();
        damaged[..16].fill(number);
        fs::write(&file, &damaged).unwrap();
        let recovery = Store::open(&file).unwrap().recovery.unwrap();
        kept.push((recovery.set_aside, damaged));
    }
    for (path, damaged) in &kept {
        assert_eq!(&fs::read(path).unwrap(), damaged);
    }
    assert_eq!(kept.len(), 3);
    drop(folder);
}

/// The newest turns may be in the log only.
#[test]
fn what_is_in_the_log_comes_back_too() {
    let (folder, file, _) = sound();
    let mut store = Store::open(&file).unwrap().store;
    let session = chat(&mut store, 5, 40);
    // As a kill leaves it: copied while it is open.
    let copy = folder.path().join("copy.db");
    fs::copy(&file, &copy).unwrap();
    let mut log = fs::read(folder.path().join("sessions.db-wal")).unwrap();
    drop(store);
    let mut damaged = fs::read(&copy).unwrap();
    damaged[..100].fill(0xff);
    fs::write(&copy, damaged).unwrap();
    // The first page may be in the log as well: 24 bytes, the page's number first, then the page.
    for frame in log[32..].chunks_exact_mut(24 + 8192).filter(|frame| frame[..4] == [0, 0, 0, 1]) {
        frame[24..124].fill(0xff);
    }
    fs::write(folder.path().join("copy.db-wal"), log).unwrap();
    let opened = Store::open(&copy).unwrap();
    let recovery = opened.recovery.expect("it is noticed");
    assert_eq!(recovery.turns as usize, TURNS + 10);
    assert_eq!(opened.store.session(session).unwrap().turns.len(), 10);
    let mut log = recovery.set_aside.into_os_string();
    log.push("-wal");
    assert!(Path::new(&log).exists(), "the log lies beside its file");
}

/// A lost turn in the middle leaves one branch, in order.
#[test]
fn what_is_left_of_a_chat_is_one_branch() {
    let (folder, file, bytes) = sound();
    let mut chance = Chance(4);
    let mut gaps = 0;
    for _ in 0..8 {
        let mut damaged = bytes.clone();
        let page = 4 + chance.below(damaged.len() / 8192 - 4);
        damaged[page * 8192..(page + 1) * 8192].fill(0);
        // So that it is noticed at once.
        damaged[..16].fill(0);
        survive(folder.path(), &file, &damaged).unwrap();
        let store = Store::open(&file).unwrap().store;
        for info in store.sessions().unwrap().iter().filter(|info| info.title != "added") {
            let session = store.session(info.id).unwrap();
            gaps += usize::from(session.tree.len() < 2 * ROUNDS);
            assert_eq!(session.turns.len(), session.tree.len(), "one branch");
        }
    }
    assert!(gaps > 0, "some turns were lost");
}
