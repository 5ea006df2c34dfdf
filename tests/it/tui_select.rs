//! Selecting with keys: what is marked, what is copied, and that nothing of it is typed.

use crossterm::event::KeyCode;

use slipstream::tui::app::{Effect, Msg};

use crate::screen::{SIZES, Session, snapshot};

const CODE: &str =
    "First:\n\n```rust\nfn a() {}\n\nfn b() {}\n```\n\nand then:\n\n```sh\nls\n```\n\nThat is all.";

/// Two turns, the first with code.
fn chat(columns: u16, rows: u16) -> Session {
    let mut session = Session::ready(columns, rows);
    session.turn("How?", CODE);
    session.turn("And why?", "Because.");
    session.screen();
    session.effects();
    session
}

/// The last line, and the marked lines.
fn marked(session: &mut Session) -> (String, Vec<String>) {
    let screen = session.screen();
    let marked = screen.lines().filter_map(|line| line.strip_prefix('▌')).map(|line| line.trim().to_owned());
    (screen.lines().last().unwrap_or_default().to_owned(), marked.collect())
}

#[track_caller]
fn copied(session: &mut Session) -> String {
    match session.effects().pop() {
        Some(Effect::Copy(text)) => text,
        other => panic!("no copy but {other:?}"),
    }
}

#[test]
fn messages_and_their_code_are_walked_through_and_copied() {
    let mut session = chat(60, 40);
    session.key(KeyCode::Tab);
    let (line, rows) = marked(&mut session);
    assert_eq!(line, "y copies the reply  j k next, before  Esc leaves");
    assert_eq!(rows[..2], ["model", "Because."]);
    session.keys("y");
    assert_eq!(copied(&mut session), "Because.");
    assert!(session.screen().contains("! copied the reply, 8 characters"));
    session.at(60.0);
    session.keys("k");
    assert_eq!(marked(&mut session).1, ["you", "And why?"]);
    session.keys("k");
    let (line, rows) = marked(&mut session);
    assert!(line.starts_with("y copies code block 2 of 2 (1 line)"), "{line}");
    assert!(rows.len() == 3 && rows[0].starts_with("┌ sh") && rows[1].contains("ls"), "{rows:?}");
    session.key(KeyCode::Up);
    assert_eq!(marked(&mut session).1.len(), 5);
    session.key(KeyCode::Enter);
    assert_eq!(copied(&mut session), "fn a() {}\n\nfn b() {}");
    session.keys("k");
    session.keys("y");
    assert_eq!(copied(&mut session), CODE);
    session.keys("kkkk");
    session.keys("y");
    assert_eq!(copied(&mut session), "How?", "before the first there is nothing");
    session.keys("jjjjjjjjj");
    session.keys("y");
    assert_eq!(copied(&mut session), "Because.");
    session.keys("gy");
    assert_eq!(copied(&mut session), "How?");
    session.keys("Gy");
    assert_eq!(copied(&mut session), "Because.");
}

#[test]
fn letters_are_no_text_until_it_is_left_again() {
    for leave in [KeyCode::Esc, KeyCode::Tab, KeyCode::Char('q')] {
        let mut session = chat(60, 20);
        session.key(KeyCode::Tab);
        session.keys("xyz");
        assert!(session.state.composer.is_empty() && session.state.selection.is_some());
        session.key(leave);
        assert!(marked(&mut session).1.is_empty());
        session.keys("jy");
        assert_eq!(session.state.composer.text(), "jy");
    }
    // A paste is text, and ends it; so does Ctrl+C, and whatever removes messages.
    let mut session = chat(60, 20);
    session.key(KeyCode::Tab);
    session.tell(Msg::Paste("pasted".into()));
    assert!(session.state.selection.is_none() && session.state.composer.text() == "pasted");
    session.control('u');
    session.key(KeyCode::Tab);
    session.control('c');
    assert!(session.state.selection.is_none());
    session.keys("/select\n");
    assert!(session.state.selection.is_some());
    session.control('p');
    session.keys("new\n");
    assert!(session.state.selection.is_none());
    session.key(KeyCode::Tab);
    assert!(session.screen().contains("! there is nothing to select"), "{}", session.screen());
}

#[test]
fn what_is_marked_comes_into_view_and_stays_marked_at_another_width() {
    let mut session = Session::ready(60, 12);
    for number in 0..40 {
        session.turn(&format!("question {number}?"), "A line.\n\nAnother.");
    }
    session.screen();
    session.key(KeyCode::Tab);
    session.keys("g");
    assert_eq!(marked(&mut session).1, ["you", "question 0?"]);
    session.resize(46, 10);
    assert_eq!(marked(&mut session).1, ["you", "question 0?"]);
    session.keys("G");
    assert_eq!(marked(&mut session).1[..2], ["model", "A line."]);
    // Scrolled away, it is marked where it is.
    session.tell(Msg::Scroll(-1000));
    assert!(marked(&mut session).1.is_empty());
}

#[test]
fn while_a_reply_is_written_it_can_be_copied_as_far_as_it_is() {
    let mut session = Session::ready(60, 14);
    session.keys("go\n");
    session.write(slipstream::event::Channel::Answer, "half a");
    session.effects();
    session.key(KeyCode::Tab);
    session.keys("y");
    assert_eq!(copied(&mut session), "half a");
    session.write(slipstream::event::Channel::Answer, " word");
    session.keys("y");
    assert_eq!(copied(&mut session), "half a word");
    assert_eq!(marked(&mut session).1, ["model", "half a word"]);
}

#[test]
fn screens_of_a_selection() {
    snapshot("select", &SIZES, |columns, rows| {
        let mut session = chat(columns, rows);
        session.key(KeyCode::Tab);
        session.keys("kk");
        session.screen()
    });
}
