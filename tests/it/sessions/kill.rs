//! Processes that are killed, and processes that write at the same time. Each is this test program again, told by a
//! variable to run one of the tests below that do nothing otherwise.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use slipstream::event::Channel;
use slipstream::sessions::{
    Answer, Change, Question, Recorder, ReplyEnd, Report, SessionId, Speaker, Store, TurnId,
};
use slipstream::token::Origin;
use tempfile::tempdir;

use super::{answers, asks, open};

const FILE: &str = "SLIPSTREAM_TEST_SESSIONS";
const CHILD: &str = "SLIPSTREAM_TEST_CHILD";
/// More than any of this takes on a machine that does ten other things.
const PATIENCE: Duration = Duration::from_secs(90);

fn child(test: &str, file: &Path, name: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("sessions::kill::{test}"), "--nocapture", "--test-threads=1"])
        .env(FILE, file)
        .env(CHILD, name)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// What a child prints, line by line, without the words of the test program.
fn lines(child: &mut Child) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    let output = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            // The test program's own words may stand before it.
            if let Some((_, told)) = line.split_once("told: ") {
                let _ = sender.send(told.to_owned());
            }
        }
    });
    lines
}

fn tell(words: &str) {
    // A test's `println!` can be captured; this cannot.
    let mut output = std::io::stdout().lock();
    let _ = writeln!(output, "told: {words}");
    let _ = output.flush();
}

/// The text of every reply of the writer below: its first `words` words.
fn text_of(words: usize) -> String {
    (0..words).map(|word| format!("word{word} ")).collect()
}

/// Writes replies word by word until it is killed, and tells what the recorder says is on the disk. A child only.
#[test]
fn writer() {
    let Ok(file) = std::env::var(FILE) else { return };
    let recorder = Recorder::start(open(file.as_ref()), |report| match report {
        Report::Saved(turn, bytes) => tell(&format!("saved {turn:?} {bytes}")),
        // The answer to a question comes after everything before it was written.
        Report::Answer(Answer::Turns(turns)) => {
            for turn in turns {
                tell(&format!("ended {:?} {}", turn.id, turn.text.len()));
            }
        }
        Report::Answer(_) => {}
        other => tell(&format!("unexpected {other:?}")),
    })
    .unwrap();
    let session = SessionId::fresh();
    let mut parent = None;
    for round in 0.. {
        let question = asks(session, parent, &format!("question {round}"));
        let reply = answers(session, Some(question.id));
        parent = Some(reply.id);
        recorder.change(Change::Append(question));
        recorder.change(Change::Begin(reply.clone()));
        // Short ones, which end often, and long ones, which are written piece by piece.
        for word in 0..if round % 4 == 3 { 2000 } else { 10 } {
            recorder.text(reply.id, Channel::Answer, &format!("word{word} "), Origin::Target);
            std::thread::sleep(Duration::from_millis(1));
        }
        recorder.change(Change::Finish(
            reply.clone(),
            ReplyEnd { reason: "eot".to_owned(), ..ReplyEnd::default() },
        ));
        recorder.ask(Question::Turns(vec![reply.id]));
    }
}

/// By the debug form of their names: what was told of each turn, as (word, bytes).
type Told = HashMap<String, (String, usize)>;

fn hear(lines: &mpsc::Receiver<String>, patience: Duration, told: &mut Told) -> bool {
    let Ok(line) = lines.recv_timeout(patience) else { return false };
    let parts: Vec<&str> = line.split(' ').collect();
    let [word @ ("saved" | "ended"), turn, bytes] = parts[..] else { panic!("the writer says: {line}") };
    told.insert(turn.to_owned(), (word.to_owned(), bytes.parse().unwrap()));
    true
}

#[test]
fn a_kill_loses_nothing_that_was_said_to_be_saved() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("sessions.db");
    let mut told = Told::new();
    for attempt in 0..10_u64 {
        let mut child = child("writer", &file, "writer");
        let lines = lines(&mut child);
        assert!(hear(&lines, PATIENCE, &mut told), "the writer writes");
        // At some moment: of a transaction, of a checkpoint of the log, between two.
        std::thread::sleep(Duration::from_millis(attempt * 137 % 1100));
        child.kill().unwrap();
        child.wait().unwrap();
        while hear(&lines, Duration::from_millis(200), &mut told) {}

        let store = open(&file);
        let mut found = 0;
        for info in store.sessions().unwrap() {
            let session = store.session(info.id).unwrap();
            assert_eq!(session.turns.len(), session.tree.len(), "one branch, whole");
            for turn in session.turns.iter().filter(|turn| turn.speaker == Speaker::Model) {
                // Nothing but whole words in their order.
                let words = turn.text.split_terminator(' ').count();
                assert_eq!(turn.text, text_of(words));
                let (word, bytes) = told.get(&format!("{:?}", turn.id)).cloned().unwrap_or_default();
                assert!(turn.text.len() >= bytes, "{} bytes, {bytes} were saved", turn.text.len());
                assert!(word != "ended" || turn.ended.as_deref() == Some("eot"), "{turn:?}");
                assert_eq!(store.trace(turn.id).unwrap().text.bytes(), turn.text.len());
                found += usize::from(bytes > 0);
            }
        }
        assert_eq!(found, told.len(), "every turn that was told of is there");
    }
    assert!(told.values().any(|(word, _)| word == "saved"), "some were killed within a long reply");
}

/// Appends a chain of turns to the session's first turn, among others that do the same. A child only.
#[test]
fn appender() {
    let Ok(file) = std::env::var(FILE) else { return };
    let name = std::env::var(CHILD).unwrap();
    let mut store = open(file.as_ref());
    tell("ready");
    // Until all are.
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let session = store.sessions().unwrap()[0].id;
    let mut parent = store.session(session).unwrap().tree.nodes().next().map(|node| node.id);
    for number in 0..60 {
        let turn = asks(session, parent, &format!("{name} {number}"));
        parent = Some(turn.id);
        store.write(&[Change::Append(turn)]).unwrap();
    }
    tell("done");
}

#[test]
fn processes_that_write_to_one_session_lose_nothing() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("sessions.db");
    let session = SessionId::fresh();
    let first = asks(session, None, "begin");
    open(&file).write(&[Change::Append(first.clone())]).unwrap();
    let names = ["red", "green", "blue"];
    let mut children: Vec<Child> = names.iter().map(|name| child("appender", &file, name)).collect();
    let told: Vec<_> = children.iter_mut().map(lines).collect();
    for lines in &told {
        assert_eq!(lines.recv_timeout(PATIENCE).unwrap(), "ready");
    }
    for child in &mut children {
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    }
    // Reading goes on meanwhile, and sees whole chains.
    let store = open(&file);
    for lines in &told {
        loop {
            let seen = store.session(session).unwrap();
            assert_eq!(seen.turns.first().map(|turn| turn.text.as_str()), Some("begin"));
            match lines.recv_timeout(Duration::from_millis(10)) {
                Ok(done) => break assert_eq!(done, "done"),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(error) => panic!("a writer failed: {error}"),
            }
        }
    }
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let session = store.session(session).unwrap();
    let branches = session.tree.children(Some(first.id));
    assert_eq!(branches.len(), names.len(), "each went on from the first turn: branches");
    let mut seen: Vec<String> = Vec::new();
    for branch in branches {
        let path: Vec<TurnId> = session.tree.path(Some(session.tree.newest_below(*branch)));
        let texts: Vec<String> = store.turns(&path).unwrap().into_iter().map(|turn| turn.text).collect();
        let name = texts[1].split(' ').next().unwrap().to_owned();
        let wanted: Vec<String> = (0..60).map(|number| format!("{name} {number}")).collect();
        assert_eq!(texts[1..], wanted);
        seen.push(name);
    }
    seen.sort();
    assert_eq!(seen, ["blue", "green", "red"]);
}

/// Opens a file that is not there yet, among others that do the same. A child only.
#[test]
fn opener() {
    let Ok(file) = std::env::var(FILE) else { return };
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let mut store = open(file.as_ref());
    let name = std::env::var(CHILD).unwrap();
    store.write(&[Change::Append(asks(SessionId::fresh(), None, &name))]).unwrap();
    tell("done");
}

#[test]
fn processes_that_make_the_file_at_once_make_one() {
    let folder = tempdir().unwrap();
    for round in 0..3 {
        let file = folder.path().join(round.to_string()).join("sessions.db");
        let mut children: Vec<Child> =
            ["a", "b", "c", "d"].iter().map(|name| child("opener", &file, name)).collect();
        let told: Vec<_> = children.iter_mut().map(lines).collect();
        for child in &mut children {
            child.stdin.take().unwrap().write_all(b"go\n").unwrap();
        }
        for (lines, mut child) in told.iter().zip(children) {
            assert_eq!(lines.recv_timeout(PATIENCE).as_deref(), Ok("done"));
            assert!(child.wait().unwrap().success());
        }
        let mut titles: Vec<String> = Store::open(&file)
            .unwrap()
            .store
            .sessions()
            .unwrap()
            .into_iter()
            .map(|info| info.title)
            .collect();
        titles.sort();
        assert_eq!(titles, ["a", "b", "c", "d"]);
    }
}
