//! What needs to look behind the store: other formats, full disks, stale replies, a broken index.

use tempfile::tempdir;

use super::*;
use crate::sessions::{NewReply, NewTurn, Piece, SessionId, Speaker, Trace, TurnId};

fn asks(session: SessionId, text: &str) -> Change {
    let id = TurnId::fresh(None);
    let (parent, speaker, created) = (None, Speaker::User, Moment::now());
    Change::Append(NewTurn { id, session, parent, speaker, text: text.to_owned(), created })
}

fn number(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

const NEXT: &str = "ALTER TABLE sessions ADD COLUMN mood TEXT NOT NULL DEFAULT 'calm'";

#[test]
fn an_older_file_is_copied_and_brought_up_to_date() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let session = SessionId::fresh();
    let mut store = Store::open(&path).unwrap().store;
    store.write(&[asks(session, "before")]).unwrap();
    // Still open, as in another process, and what was written is in the log only.
    let mut connection = Connection::open(&path).unwrap();
    let newer = [STEPS, &[NEXT]].concat();
    let migration = schema::prepare(&mut connection, &path, &newer).unwrap().unwrap();
    assert_eq!((migration.from, migration.to), (1, 2));
    assert_eq!(number(&connection, "SELECT count(*) FROM sessions WHERE mood = 'calm'"), 1);
    assert_eq!(schema::prepare(&mut connection, &path, &newer).unwrap(), None);
    // The one that was open notices, and writes nothing it might not understand.
    let refused = store.write(&[asks(session, "after")]);
    assert!(matches!(refused, Err(StoreError::Newer { found: 2, known: 1, .. })), "{refused:?}");
    let opened = Store::open(&path).map(|_| ());
    assert!(matches!(opened, Err(StoreError::Newer { .. })), "{opened:?}");
    // The copy is a whole older file.
    let backup = migration.backup.unwrap();
    assert_eq!(backup.file_name().unwrap(), "sessions.format1.db");
    let copy = Store::open(&backup).unwrap();
    assert!(copy.migration.is_none() && copy.recovery.is_none());
    assert_eq!(copy.store.session(session).unwrap().turns[0].text, "before");
}

#[test]
fn a_step_that_fails_leaves_the_older_file() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    drop(Store::open(&path).unwrap());
    let mut connection = Connection::open(&path).unwrap();
    let broken = [STEPS, &[NEXT, "nonsense"]].concat();
    assert!(schema::prepare(&mut connection, &path, &broken).is_err());
    assert_eq!(schema::format_of(&connection).unwrap(), 1);
    let columns = "SELECT count(*) FROM pragma_table_info('sessions') WHERE name = 'mood'";
    assert_eq!(number(&connection, columns), 0);
    let copied = std::fs::read_dir(folder.path())
        .unwrap()
        .any(|entry| entry.unwrap().file_name().to_string_lossy().contains("format1"));
    assert!(!copied, "each start would leave one");
}

#[test]
fn foreign_files_are_left_alone() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE bookmarks(url TEXT)").unwrap();
    let before = std::fs::read(&path).unwrap();
    let opened = Store::open(&path).map(|_| ());
    assert!(matches!(opened, Err(StoreError::Foreign { .. })), "{opened:?}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn marks_that_cannot_be_are_damage() {
    for mark in ["user_version = 70000", "user_version = -3", "application_id = 7"] {
        let folder = tempdir().unwrap();
        let path = folder.path().join("sessions.db");
        let session = SessionId::fresh();
        let mut store = Store::open(&path).unwrap().store;
        store.write(&[asks(session, "before")]).unwrap();
        drop(store);
        Connection::open(&path).unwrap().execute_batch(&format!("PRAGMA {mark}")).unwrap();
        let opened = Store::open(&path).unwrap();
        assert_eq!(opened.recovery.map(|recovery| recovery.turns), Some(1), "{mark}");
        assert_eq!(opened.store.session(session).unwrap().turns[0].text, "before");
    }
}

#[test]
fn a_full_disk_is_told_and_what_was_there_stays() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let session = SessionId::fresh();
    let mut store = Store::open(&path).unwrap().store;
    store.write(&[asks(session, "before")]).unwrap();
    let pages = number(&store.connection, "PRAGMA page_count");
    store.connection.execute_batch(&format!("PRAGMA max_page_count = {}", pages + 2)).unwrap();
    let long = "word ".repeat(100_000);
    let refused = store.write(&[asks(session, &long)]);
    assert!(matches!(refused, Err(StoreError::Full { .. })), "{refused:?}");
    assert_eq!(store.session(session).unwrap().tree.len(), 1);
    store.connection.execute_batch("PRAGMA max_page_count = 1000000").unwrap();
    store.write(&[asks(session, &long)]).unwrap();
    check(&store.connection, &path).unwrap();
}

#[test]
fn a_reply_that_nobody_ends_is_taken_as_it_stands() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let session = SessionId::fresh();
    let mut store = Store::open(&path).unwrap().store;
    let begun = |hours: i64| NewReply {
        id: TurnId::fresh(None),
        session,
        parent: None,
        created: Moment(Moment::now().0 - hours * STALE_MILLISECONDS),
        continues: None,
        text: String::new(),
        reasoning: String::new(),
    };
    let (old, young) = (begun(2), begun(0));
    let piece = |turn, number, text_at, text: &str| {
        let (reasoning, trace) = (String::new(), Trace::default());
        let text = text.to_owned();
        Change::Grow(Piece {
            turn,
            number,
            text_at,
            reasoning_at: 0,
            text,
            reasoning,
            text_trace: trace.clone(),
            reasoning_trace: trace,
        })
    };
    for reply in [&old, &young] {
        store.write(&[Change::Begin(reply.clone()), piece(reply.id, 0, 0, "glühw")]).unwrap();
    }
    let mut other = Store::open(&path).unwrap().store;
    let ended = |store: &Store| -> Vec<(String, Option<String>)> {
        let turns = store.turns(&[old.id, young.id]).unwrap();
        turns.into_iter().map(|turn| (turn.text, turn.ended)).collect()
    };
    let interrupted = Some("interrupted".to_owned());
    assert_eq!(ended(&other), [("glühw".to_owned(), interrupted), ("glühw".to_owned(), None)]);
    assert_eq!(other.search("glühw", 9).unwrap().len(), 1, "it can be found");
    // Its program lives after all: nothing it adds is lost, and nothing comes twice.
    store.write(&[piece(old.id, 0, 0, "glühw"), piece(old.id, 1, 6, "ein")]).unwrap();
    assert_eq!(ended(&other)[0].0, "glühwein");
    store
        .write(&[Change::Finish(
            old.clone(),
            super::super::ReplyEnd { reason: "eot".into(), ..Default::default() },
        )])
        .unwrap();
    assert_eq!(ended(&other)[0], ("glühwein".to_owned(), Some("eot".to_owned())));
    // Someone goes on from the young one.
    let follow = NewTurn {
        id: TurnId::fresh(Some(young.id)),
        session,
        parent: Some(young.id),
        speaker: Speaker::User,
        text: "go on".to_owned(),
        created: Moment::now(),
    };
    other.write(&[Change::Append(follow)]).unwrap();
    assert_eq!(ended(&other)[1].1.as_deref(), Some("interrupted"));
}

/// Of the index of words the rest can be made anew: no reason to set the file aside.
#[test]
fn a_broken_index_of_words_is_made_anew() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let session = SessionId::fresh();
    let mut store = Store::open(&path).unwrap().store;
    store.write(&[asks(session, "lanterns")]).unwrap();
    let breaks = "UPDATE found_data SET block = x'00ff00ff' WHERE id = 10";
    store.connection.execute(breaks, []).unwrap();
    // It is met while writing.
    let broken = (0..40).find_map(|at| store.write(&[asks(session, &format!("word{at}"))]).err());
    assert!(matches!(broken, Some(StoreError::Damaged { .. })), "{broken:?}");
    assert_eq!(store.recover().unwrap(), None, "nothing had to be set aside");
    store.write(&[asks(session, "more")]).unwrap();
    assert_eq!(store.search("lanterns", 9).unwrap().len(), 2, "in the title and in the turn");
    // It is met while opening.
    store.connection.execute("DELETE FROM found_data WHERE id > 10", []).unwrap();
    let opened = Store::open(&path).unwrap();
    assert_eq!(opened.recovery, None);
    assert_eq!(opened.store.search("lanterns", 9).unwrap().len(), 2);
}
