//! The thread that waits for the disk.

use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use slipstream::event::Channel;
use slipstream::sessions::{
    Answer, Change, DeletionId, Format, Mark, Moment, Question, Recorder, ReplyEnd, Report, SessionId, Store,
    StoreError,
};
use slipstream::token::Origin;
use tempfile::tempdir;

use super::{answers, asks, open};

const PATIENCE: Duration = Duration::from_secs(60);

fn start(store: Store) -> (Recorder, Receiver<Report>) {
    let (sender, reports) = mpsc::channel();
    let recorder = Recorder::start(store, move |report| {
        let _ = sender.send(report);
    });
    (recorder.unwrap(), reports)
}

fn next(reports: &Receiver<Report>) -> Report {
    reports.recv_timeout(PATIENCE).expect("a report")
}

/// The answer, past what is said of running replies.
fn answer(reports: &Receiver<Report>) -> Answer {
    loop {
        match next(reports) {
            Report::Answer(answer) => return answer,
            Report::Saved(..) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_chat_is_recorded_and_asked_for() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("sessions.db");
    let (recorder, reports) = start(open(&file));
    let session = SessionId::fresh();
    let question = asks(session, None, "What is a lantern?");
    let reply = answers(session, Some(question.id));
    recorder.change(Change::Append(question));
    recorder.change(Change::Begin(reply.clone()));
    recorder.text(reply.id, Channel::Reasoning, "Hm.", Origin::Target);
    recorder.text(reply.id, Channel::Answer, "A light", Origin::Accepted);
    recorder.rejected(reply.id, Channel::Answer, " for");
    recorder.text(reply.id, Channel::Answer, " in a case.", Origin::Target);
    // An answer comes after what was said before the question.
    recorder.ask(Question::Open(session));
    assert_eq!(next(&reports), Report::Saved(reply.id, 3 + 18));
    let Answer::Open(running) = answer(&reports) else { panic!() };
    assert_eq!((running.turns[1].text.as_str(), &running.turns[1].ended), ("A light in a case.", &None));
    let numbers = serde_json::json!({ "predicted_n": 3 });
    let end = ReplyEnd { reason: "eot".to_owned(), numbers: Some(numbers.clone()), ..ReplyEnd::default() };
    recorder.change(Change::Finish(reply.clone(), end));
    recorder.finish().unwrap();

    let (recorder, reports) = start(open(&file));
    recorder.ask(Question::Open(session));
    recorder.ask(Question::Trace(reply.id));
    recorder.ask(Question::Export(session, Format::Markdown));
    let Answer::Open(ended) = answer(&reports) else { panic!() };
    let turn = &ended.turns[1];
    assert_eq!((turn.ended.as_deref(), &turn.numbers), (Some("eot"), &Some(numbers)));
    assert_eq!((turn.text.as_str(), turn.reasoning.as_str()), ("A light in a case.", "Hm."));
    let Answer::Trace(_, trace) = answer(&reports) else { panic!() };
    let token = |bytes, origin| Mark::Token { bytes, origin };
    let marks = [token(7, Origin::Accepted), Mark::Rejected(" for".to_owned()), token(11, Origin::Target)];
    assert_eq!(trace.text.0, marks);
    assert_eq!(trace.reasoning.0, [token(3, Origin::Target)]);
    let Answer::Export(_, markdown) = answer(&reports) else { panic!() };
    assert!(markdown.starts_with("# What is a lantern?\n"), "{markdown}");
    assert!(markdown.contains("## You\n\nWhat is a lantern?\n") && markdown.contains("A light in a case."));
}

#[test]
fn dropping_it_writes_what_is_left() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("sessions.db");
    let (recorder, _reports) = start(open(&file));
    let session = SessionId::fresh();
    let reply = answers(session, None);
    recorder.change(Change::Begin(reply.clone()));
    recorder.text(reply.id, Channel::Answer, "half a sen", Origin::Target);
    drop(recorder);
    assert_eq!(open(&file).session(session).unwrap().turns[0].text, "half a sen");
}

#[test]
fn of_waiting_searches_the_last_is_answered() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("sessions.db");
    // Held by another writer: everything below is waiting when it goes on.
    let mut other = open(&file);
    let (recorder, reports) = start(open(&file));
    let session = SessionId::fresh();
    other.write(&[Change::Append(asks(session, None, "lanterns"))]).unwrap();
    let (held, go) = (mpsc::channel::<()>(), mpsc::channel::<()>());
    let holder = std::thread::spawn({
        let (held, go) = (held.0, go.1);
        let file = file.clone();
        move || {
            let connection = rusqlite::Connection::open(file).unwrap();
            connection.execute_batch("BEGIN IMMEDIATE").unwrap();
            held.send(()).unwrap();
            let _ = go.recv();
            connection.execute_batch("ROLLBACK").unwrap();
        }
    });
    held.1.recv().unwrap();
    recorder.change(Change::Rename(session, "light".to_owned()));
    recorder.ask(Question::Sessions);
    for text in ["l", "la", "lan"] {
        recorder.ask(Question::Search(text.to_owned(), 10));
    }
    go.0.send(()).unwrap();
    holder.join().unwrap();
    // The first two questions may have been taken before the searches came.
    let mut searched = Vec::new();
    loop {
        match answer(&reports) {
            Answer::Search(text, hits) => {
                assert_eq!(hits.len(), if text == "l" { 2 } else { 1 });
                let last = text == "lan";
                searched.push(text);
                if last {
                    break;
                }
            }
            Answer::Sessions(infos) => assert_eq!(infos[0].title, "light"),
            other => panic!("{other:?}"),
        }
    }
    assert!(searched.len() < 3, "{searched:?}");
}

#[test]
fn what_cannot_be_answered_is_told() {
    let (recorder, reports) = start(Store::in_memory().unwrap());
    let nobody = SessionId::fresh();
    recorder.ask(Question::Open(nobody));
    let report = next(&reports);
    assert_eq!(report, Report::NoAnswer(Question::Open(nobody), StoreError::NoSession(nobody)));
    recorder.change(Change::Restore(DeletionId::fresh()));
    recorder.ask(Question::Purge(Moment::now()));
    assert_eq!(answer(&reports), Answer::Purged(slipstream::sessions::Purged::default()));
}
