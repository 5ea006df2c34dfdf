//! The built program in a real pseudo-terminal: what a person types, what the terminal shows, and how the
//! terminal is left. Runs `slipstream chat pocket`, so it needs no model file.

use crate::pty::{Run, replied};

#[test]
fn a_chat_from_start_to_end() {
    let mut run = Run::start(80, 24, &[]);
    run.wait_for("? help");
    assert!(run.terminal.lock().unwrap().screen().alternate_screen());
    assert!(run.terminal.lock().unwrap().screen().bracketed_paste());
    run.keys("What is a river?");
    run.wait_for("› What is a river?");
    // The terminal's own cursor is at the caret: row 22 of 24, after the prompt and sixteen letters.
    run.wait("cursor at the caret", |screen| !screen.hide_cursor() && screen.cursor_position() == (22, 18));
    run.keys("\r");
    run.wait_for(" you");
    run.wait("a reply", replied);
    run.keys("/help\r");
    run.wait_for("Ctrl+J, Shift+Enter");
    run.keys("\x1b");
    run.wait("the help closed", |screen| !screen.contents().contains("Ctrl+J, Shift+Enter"));
    run.keys("\x04");
    assert_eq!(run.end().exit_code(), 0);
}

#[test]
fn escape_stops_a_reply_and_the_chat_goes_on() {
    // Without an end of turn the reply would go on until the context is full.
    let mut run = Run::start(110, 30, &["--ignore-eos"]);
    run.wait_for("? help");
    run.wait_for("speculation");
    run.keys("What is a mountain?\r");
    run.wait_for("Esc stop");
    // The rate comes with the first text. What follows it depends on the machine: a busy one parks the drafter.
    run.wait("text of the model", |screen| {
        screen.contents().lines().any(|line| line.starts_with('●') && line.contains(" t/s"))
    });
    run.keys("\x1b");
    run.wait_for("stopped · ");
    run.keys("/new\r");
    run.wait_for("a new conversation");
    run.keys("What is a tree?\r");
    run.wait_for("Esc stop");
    run.keys("\x03");
    run.wait_for("stopped · ");
    // Past the two seconds in which it would count as the second press.
    run.wait("the end of the notice", |screen| !screen.contents().contains("again to quit"));
    run.keys("\x03");
    run.wait_for("Ctrl+C again to quit");
    run.keys("\x03");
    assert_eq!(run.end().exit_code(), 130);
}

#[test]
fn a_paste_is_one_event_and_sends_nothing() {
    let mut run = Run::start(60, 16, &[]);
    run.wait_for("? help");
    run.keys("\x1b[200~first line\r\nsecond\x1b[31m line\x1b[201~!");
    run.wait_for("second line!");
    let contents = run.terminal.lock().unwrap().screen().contents();
    assert!(contents.contains("› first line") && !contents.contains(" you\n"), "{contents}");
    run.keys("\x03\x04");
    assert_eq!(run.end().exit_code(), 0);
}

#[test]
fn twenty_by_five_is_usable_and_less_says_so() {
    let mut run = Run::start(20, 5, &[]);
    run.wait_for("›");
    run.keys("What is a dog?\r");
    run.wait("a reply", |screen| screen.contents().contains("○ ") && screen.contents().contains("t/s"));
    assert!(run.terminal.lock().unwrap().screen().contents().contains('›'));
    run.resize(18, 2);
    run.wait_for("terminal too small");
    run.resize(300, 100);
    run.wait_for("What is a dog?");
    run.keys("\x04");
    assert_eq!(run.end().exit_code(), 0);
}

#[cfg(unix)]
#[test]
fn a_signal_restores_the_terminal() {
    for (name, code) in [("-TERM", 143), ("-HUP", 129), ("-INT", 130)] {
        let mut run = Run::start(80, 24, &["--ignore-eos"]);
        run.wait_for("? help");
        run.keys("What is a cloud?\r");
        run.wait_for("Esc stop");
        run.signal(name);
        assert_eq!(run.end().exit_code(), code, "after kill {name}");
    }
}
