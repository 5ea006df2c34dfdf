//! Whole runs of the program in a terminal, over the pocket pair and a real session file.

use std::path::Path;
use std::process::Command;

use slipstream::sessions::{FILE_NAME, Session, Store};

use crate::pty::{Run, replied};

/// The program with its data in this folder.
fn start(data: &str, arguments: &[&str]) -> Run {
    Run::of(100, 30, |command| {
        command.env("SLIPSTREAM_DATA", data);
        command.env("SLIPSTREAM_THREADS", "1");
        command.cwd(data);
        command.args(arguments);
    })
}

/// The session used last, as it lies on the disk.
fn last(data: &str) -> Session {
    let store = Store::open(&Path::new(data).join(FILE_NAME)).unwrap().store;
    let info = store.sessions().unwrap().into_iter().next().expect("a session");
    store.session(info.id).unwrap()
}

fn texts(session: &Session) -> Vec<&str> {
    session.turns.iter().map(|turn| turn.text.as_str()).collect()
}

#[test]
fn a_chat_is_left_resumed_changed_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let mut run = start(data, &["chat", "pocket", "-n", "24"]);
    run.wait_for("? help");
    run.keys("What is a river?\r");
    run.wait("a reply", replied);
    run.keys("\x04");
    let _ = run.ended();
    run.shows("to go on: slipstream chat --session");
    let first = last(data);
    assert_eq!((texts(&first).len(), texts(&first)[0]), (2, "What is a river?"));

    // Resumed: with its model, though none is named; and gone on with.
    let mut run = start(data, &["--resume", "-n", "24"]);
    run.wait_for("What is a river?");
    run.wait_for("? help");
    run.keys("/continue\r");
    run.wait_for("model  2/2");
    run.wait("a reply", replied);
    run.keys("/regen\r");
    run.wait_for("model  3/3");
    run.wait("a reply", replied);
    // Another question in the place of the first one.
    run.keys("/edit\r");
    run.wait_for("another version");
    run.keys(" Tell me.\r");
    run.wait_for("you  2/2");
    run.wait("a reply", replied);
    run.keys("/undo\r");
    run.wait_for("taken back");
    run.keys("\x15/branch\r");
    run.keys("/restore\r");
    run.wait_for("you  2/2");
    run.keys("/export json all.json\r");
    run.wait_for("written to all.json");
    run.keys("/export\r");
    run.wait_for("written to what-is-a-river.md");
    run.keys("/delete\r");
    run.wait_for("deleted");
    run.keys("/restore\r");
    run.wait_for("is back");
    run.keys("\x04");
    assert_eq!(run.end().exit_code(), 0);
    let then = last(data);
    assert_eq!(then.info.id, first.info.id);
    assert_eq!(then.tree.len(), 6, "one question twice, its replies: three and one");
    assert_eq!(texts(&then)[0], "What is a river? Tell me.");
    let markdown = std::fs::read_to_string(Path::new(data).join("what-is-a-river.md")).unwrap();
    assert!(markdown.contains("Tell me."), "{markdown}");
    let json = std::fs::read_to_string(Path::new(data).join("all.json")).unwrap();
    assert_eq!(slipstream::sessions::parse_export(&json).unwrap().sessions[0].turns.len(), 6);

    // Imported, it is another session with the same tree.
    let mut run = start(data, &["chat", "pocket"]);
    run.wait_for("? help");
    run.keys("/import all.json\r");
    run.wait_for("1 chat imported");
    run.keys("\x13");
    run.wait_for("find:");
    run.wait("both", |screen| screen.contents().matches("What is a river?").count() >= 2);
    run.keys("\x1b");
    run.wait("the list closed", |screen| !screen.contents().contains("find:"));
    run.keys("\x04");
    assert_eq!(run.end().exit_code(), 0);
}

#[test]
fn two_programs_keep_their_chats_in_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let mut first = start(data, &["chat", "pocket", "-n", "16"]);
    let mut second = start(data, &["chat", "pocket", "-n", "16"]);
    first.wait_for("? help");
    second.wait_for("? help");
    first.keys("What is a dog?\r");
    second.keys("What is a tree?\r");
    first.wait("a reply", replied);
    second.wait("a reply", replied);
    first.keys("\x13");
    first.wait("both chats", |screen| {
        screen.contents().contains("What is a dog?") && screen.contents().contains("What is a tree?")
    });
    first.keys("\x1b");
    first.wait("the list closed", |screen| !screen.contents().contains("find:"));
    first.keys("\x04");
    second.keys("\x04");
    assert_eq!((first.end().exit_code(), second.end().exit_code()), (0, 0));
    let store = Store::open(&Path::new(data).join(FILE_NAME)).unwrap().store;
    assert_eq!(store.sessions().unwrap().len(), 2);
}

#[cfg(unix)]
#[test]
fn a_kill_loses_at_most_the_last_second() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let mut run = start(data, &["chat", "pocket", "--ignore-eos", "-c", "8192"]);
    run.wait_for("? help");
    run.keys("What is a mountain?\r");
    // Well into the reply: what was on the screen two seconds before the kill must be there.
    run.wait("text of the model", |screen| screen.contents().lines().any(|line| line.starts_with('●')));
    let model = run.contents().lines().position(|line| line.trim() == "model").expect("a reply");
    run.wait("a line of text", |screen| {
        screen.contents().lines().nth(model + 3).is_some_and(|line| line.len() > 20)
    });
    // One line: between two, numbers and frames come from the screen alone.
    let is_text = |line: &&str| line.len() > 30 && line.chars().filter(|c| c.is_alphabetic()).count() > 20;
    let seen = run.contents().lines().skip(1).take(24).filter(is_text).last().unwrap_or_default().to_owned();
    std::thread::sleep(std::time::Duration::from_secs(2));
    run.signal("-KILL");
    let _ = run.ended();
    let session = last(data);
    let reply = &session.turns[1];
    // The letters: markup is not on the screen, and bullets are not in the text.
    let letters = |text: &str| text.chars().filter(|c| c.is_alphabetic()).collect::<String>();
    let (kept, seen) = (letters(&reply.text), letters(&seen));
    assert!(kept.contains(&seen) && seen.len() > 20, "seen: {seen}\nkept: {kept}");
    // The next start shows it, and says that it was interrupted.
    let mut run = start(data, &["--resume"]);
    run.wait_for("interrupted");
    run.wait_for("? help");
    run.keys("\x04");
    let _ = run.end();
}

#[test]
fn a_file_that_cannot_be_used_does_not_keep_anyone_from_chatting() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    // A folder in the file's place.
    std::fs::create_dir(Path::new(data).join(FILE_NAME)).unwrap();
    let mut run = start(data, &["chat", "pocket", "-n", "8"]);
    run.wait_for("? help");
    run.wait_for("chats are not kept");
    run.keys("What is a cat?\r");
    run.wait("a reply", replied);
    run.keys("\x04");
    assert_eq!(run.end().exit_code(), 0);
    assert!(Path::new(data).join(FILE_NAME).is_dir());
}

#[test]
fn a_session_that_is_not_there_is_an_error_before_anything_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_slipstream"))
        .args(["sessions", "show", "zzzzzzzz"])
        .env("SLIPSTREAM_DATA", data)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let mut run = start(data, &["chat", "pocket", "--session", "zzzzzzzz"]);
    assert_eq!(run.ended().exit_code(), 2);
    run.shows("no session is called zzzzzzzz");
}
