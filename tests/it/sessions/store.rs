//! Single promises of the store.

use slipstream::sessions::{
    Change, DeletionId, Identity, Moment, NewReply, SavedState, SessionId, SessionSettings, Speaker, Store,
    StoreError, TurnId,
};
use tempfile::tempdir;

use super::{answers, asks, chat, ends, open, pieces};

#[test]
fn a_session_is_as_it_was_left() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("new/folder/sessions.db");
    let mut store = open(&file);
    let session = chat(&mut store, 3, 5);
    let settings = SessionSettings {
        system: Some("Be brief.".to_owned()),
        model: Some(Identity { name: "gemma".to_owned(), ..Identity::default() }),
        ..SessionSettings::default()
    };
    store.write(&[Change::Settings(session, settings.clone())]).unwrap();
    let before = store.session(session).unwrap();
    let sent_from = Some(before.turns[2].id);
    store
        .write(&[Change::SentFrom(session, sent_from), Change::Head(session, Some(before.turns[3].id))])
        .unwrap();
    drop(store);
    let store = open(&file);
    let after = store.session(session).unwrap();
    assert_eq!((&after.info.settings, after.sent_from), (&settings, sent_from));
    assert_eq!(after.tree, before.tree);
    assert_eq!(after.turns, before.turns[..4]);
    assert_eq!(after.info.title, "question 0 about lanterns");
    let speakers: Vec<Speaker> = after.turns.iter().map(|turn| turn.speaker).collect();
    assert_eq!(speakers, [Speaker::User, Speaker::Model, Speaker::User, Speaker::Model]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let rights = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((rights(&file), rights(file.parent().unwrap())), (0o600, 0o700), "chats are private");
        assert_eq!(rights(&file.with_file_name("sessions.db-wal")), 0o600);
    }
}

#[test]
fn the_list_begins_with_the_session_used_last() {
    let mut store = Store::in_memory().unwrap();
    assert_eq!(store.sessions().unwrap(), []);
    let sessions: Vec<SessionId> = (0..3).map(|_| chat(&mut store, 1, 1)).collect();
    let mut again = asks(sessions[1], None, "again");
    again.created = Moment(Moment::now().0 + 60_000);
    store.write(&[Change::Append(again)]).unwrap();
    // One without a turn is not listed.
    store.write(&[Change::Settings(SessionId::fresh(), SessionSettings::default())]).unwrap();
    let infos = store.sessions().unwrap();
    assert_eq!((infos.len(), infos[0].id, infos[0].turns), (3, sessions[1], 3));
    store.write(&[Change::Rename(sessions[1], "Other".to_owned())]).unwrap();
    assert_eq!(store.sessions().unwrap()[0].title, "Other");
    store.write(&[Change::Rename(sessions[1], String::new())]).unwrap();
    assert_eq!(store.sessions().unwrap()[0].title, "question 0 about lanterns");
}

#[test]
fn a_continued_reply_keeps_what_it_continues() {
    let mut store = Store::in_memory().unwrap();
    let session = SessionId::fresh();
    let question = asks(session, None, "Tell a story.");
    let first = answers(session, Some(question.id));
    let mut changes = vec![Change::Append(question.clone()), Change::Begin(first.clone())];
    changes.extend(pieces(&first, &["Once ", "upon "]));
    changes.push(ends(&first, "cancelled"));
    let more = NewReply {
        continues: Some(first.id),
        text: "Once upon ".to_owned(),
        ..answers(session, Some(question.id))
    };
    changes.push(Change::Begin(more.clone()));
    changes.extend(pieces(&more, &["a ", "time."]));
    changes.push(ends(&more, "eot"));
    store.write(&changes).unwrap();
    let found = store.session(session).unwrap();
    assert_eq!(found.turns[1].text, "Once upon a time.");
    assert_eq!(found.turns[1].continues, Some(first.id));
    assert_eq!(found.tree.version(more.id), Some((2, 2)));
    assert_eq!(store.trace(more.id).unwrap().text.0.len(), 4, "the first one's tokens, and its own");
    assert_eq!(store.turns(&[first.id]).unwrap()[0].text, "Once upon ");
}

/// The words of a session that is deleted, or of a turn, are found no more; restored, they are.
#[test]
fn deleting_takes_effect_everywhere_and_can_be_taken_back() {
    let mut store = Store::in_memory().unwrap();
    let kept = chat(&mut store, 1, 1);
    let session = chat(&mut store, 2, 2);
    let hits = |store: &Store| store.search("lanterns", 100).unwrap().len();
    let all = hits(&store);
    let deletion = DeletionId::fresh();
    store.write(&[Change::DeleteSession(session, deletion, Moment(5))]).unwrap();
    assert_eq!(store.sessions().unwrap().iter().map(|info| info.id).collect::<Vec<_>>(), [kept]);
    assert_eq!(store.deleted_sessions().unwrap()[0].deletion, Some(deletion));
    assert!(hits(&store) < all);
    assert_eq!(store.session(session).unwrap().turns.len(), 4, "it can still be looked at");
    store.write(&[Change::Restore(deletion)]).unwrap();
    assert_eq!((store.sessions().unwrap().len(), hits(&store)), (2, all));
    // Of a deleted session that goes on somewhere else, nothing is lost.
    store.write(&[Change::DeleteSession(session, deletion, Moment(5))]).unwrap();
    let last = store.session(session).unwrap().head;
    store.write(&[Change::Append(asks(session, last, "and then?"))]).unwrap();
    assert_eq!(store.sessions().unwrap().len(), 2);
    store.purge(Moment(6)).unwrap();
    assert_eq!(store.session(session).unwrap().turns.len(), 5);
}

#[test]
fn purging_takes_what_is_old_and_its_states() {
    let mut store = Store::in_memory().unwrap();
    let (old, young) = (chat(&mut store, 2, 3), chat(&mut store, 2, 3));
    let state = |session, file: &str, used| {
        Change::SaveState(SavedState {
            file: file.to_owned(),
            session,
            turn: None,
            model: "m".to_owned(),
            token_hash: "h".to_owned(),
            tokens: 7,
            bytes: 1 << 40,
            created: Moment(1),
            used: Moment(used),
        })
    };
    store.write(&[state(old, "a", 1), state(young, "b", 2), state(young, "c", 3)]).unwrap();
    store.write(&[Change::UseState("a".to_owned(), Moment(9)), Change::ForgetState("c".to_owned())]).unwrap();
    let files = |store: &Store| -> Vec<String> {
        store.saved_states(Some("m")).unwrap().into_iter().map(|state| state.file).collect()
    };
    assert_eq!(files(&store), ["a", "b"]);
    assert_eq!(store.saved_states(None).unwrap()[0].bytes, 1 << 40);
    assert_eq!(store.saved_states(Some("other")).unwrap(), []);
    let delete = |session, at| Change::DeleteSession(session, DeletionId::fresh(), Moment(at));
    let branch = store.session(young).unwrap().turns[2].id;
    store
        .write(&[
            delete(old, 100),
            delete(young, 300),
            Change::DeleteTurn(branch, DeletionId::fresh(), Moment(100)),
        ])
        .unwrap();
    let purged = store.purge(Moment(200)).unwrap();
    assert_eq!((purged.sessions, purged.turns, purged.state_files), (1, 2, vec!["a".to_owned()]));
    assert_eq!(store.session(old), Err(StoreError::NoSession(old)));
    assert_eq!(store.session(young).unwrap().turns.len(), 2);
    assert_eq!(store.search("question", 100).unwrap().len(), 0);
    assert_eq!(files(&store), ["b"]);
    // Whoever still has the purged one open goes on in it.
    store.write(&[Change::Append(asks(old, Some(branch), "still here"))]).unwrap();
    assert_eq!(store.session(old).unwrap().turns[0].text, "still here");
}

#[test]
fn words_are_found_with_what_is_around_them() {
    let mut store = Store::in_memory().unwrap();
    let session = SessionId::fresh();
    let first = asks(session, None, "Crème brûlée: how long in the oven?");
    let second = asks(session, Some(first.id), "日本語で灯籠とは何ですか。");
    let third = asks(session, Some(second.id), "50% of \"it's\" -- NEAR(a, b) \u{1}\u{2}");
    store.write(&[first, second, third].map(Change::Append)).unwrap();
    let snippets = |words: &str| -> Vec<String> {
        let hits = store.search(words, 10).unwrap();
        let hits = hits.into_iter().filter(|hit| hit.turn.is_some());
        hits.map(|hit| {
            hit.found.iter().map(|range| hit.snippet[range.clone()].to_owned()).collect::<Vec<_>>().join("+")
        })
        .collect()
    };
    assert_eq!(snippets("creme"), ["Crème"]);
    assert_eq!(snippets("oven LONG"), ["long+oven"]);
    assert_eq!(snippets("\"how long\" ov"), ["how long+oven"]);
    assert_eq!(snippets("\"long how\""), [""; 0]);
    assert_eq!(snippets("灯籠"), ["灯籠"]);
    assert_eq!(snippets("it's"), ["it's"]);
    for nothing in ["", "  ", "\"\"", "---", "*", "missing", "a AND", "(", "text:x"] {
        assert_eq!(snippets(nothing), [""; 0], "{nothing}");
    }
    let title = &store.search("brûlée", 10).unwrap()[0];
    assert_eq!((title.turn, &title.snippet[title.found[0].clone()]), (None, "brûlée"));
    assert_eq!(store.search("a", 1).unwrap().len(), 1);
}

#[test]
fn a_turn_cannot_take_the_name_of_another() {
    let mut store = Store::in_memory().unwrap();
    let session = chat(&mut store, 1, 1);
    let taken = store.session(session).unwrap().turns[0].id;
    let mut other = asks(SessionId::fresh(), None, "mine");
    other.id = taken;
    assert_eq!(store.write(&[Change::Append(other)]), Err(StoreError::Taken(taken)));
    assert_eq!(store.sessions().unwrap().len(), 1, "all or nothing");
}

/// The file is deleted, or set aside by another process, while it is open here: what comes goes into the new one.
#[cfg(unix)]
#[test]
fn a_file_that_was_replaced_is_followed() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("sessions.db");
    let mut store = open(&file);
    let session = chat(&mut store, 1, 1);
    let head: Option<TurnId> = store.session(session).unwrap().head;
    std::fs::remove_dir_all(folder.path()).unwrap();
    store.write(&[Change::Append(asks(session, head, "on a clean sheet"))]).unwrap();
    drop(store);
    assert_eq!(open(&file).session(session).unwrap().turns[0].text, "on a clean sheet");
}

#[test]
fn a_folder_that_cannot_be_is_an_error_with_its_name() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let Err(error) = Store::open(&file.join("sessions.db")) else { panic!("it opened") };
    assert!(matches!(error, StoreError::Failed { .. }), "{error:?}");
    assert!(error.to_string().contains("sessions.db") && !error.help().is_empty());
}
