//! Typing into the built program in a real pseudo-terminal: pastes, files, the history between runs, and the
//! person's own editor. Runs `slipstream chat pocket`, so it needs no model file.

#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};

use crate::pty::Run;

/// A chat of short replies, whose files lie in `home`.
fn start(home: &Path, editor: &str) -> Run {
    let mut run = Run::of(80, 24, |command| {
        command.args(["chat", "pocket", "--max-tokens", "8"]);
        command.env_remove("VISUAL");
        command.env("EDITOR", editor);
        command.env("SLIPSTREAM_DATA", home.join("data"));
        command.cwd(home);
    });
    run.wait_for("? help");
    run
}

/// Leaves with Ctrl+D, and gives back everything that was written to the terminal.
#[track_caller]
fn leave(mut run: Run) -> String {
    run.keys("\x04");
    String::from_utf8_lossy(&Run::all_written(run)).into_owned()
}

fn editor(home: &Path, lines: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path: PathBuf = home.join("editor.sh");
    fs::write(&path, format!("#!/bin/sh\n{lines}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_string_lossy().into_owned()
}

#[test]
fn inputs_are_there_in_the_next_run() {
    let home = tempfile::tempdir().unwrap();
    let mut run = start(home.path(), "true");
    run.keys("/stats\r");
    run.keys("What is a fox?\r");
    run.wait_for("first token");
    leave(run);
    let mut run = start(home.path(), "true");
    run.keys("\x12fox");
    run.wait_for("look for: fox");
    run.keys("\r");
    run.wait_for("› What is a fox?");
    run.keys("\x15");
    run.wait("an empty input", |screen| screen.contents().contains("ask something"));
    leave(run);
}

#[test]
fn the_editor_has_the_terminal_and_gives_it_back() {
    let home = tempfile::tempdir().unwrap();
    // It writes to the screen, reads a line from the keyboard, and is sent a Ctrl+C meant for it alone.
    let script = "cat \"$1\" > \"$0.got\"\nprintf 'in the editor: '\ntrap 'echo got it' INT\nread line || read line\n\
                  printf '%s\\nsecond' \"$line\" > \"$1\"";
    let editor = editor(home.path(), script);
    let mut run = start(home.path(), &editor);
    run.keys("\x1b[200~one\r\ntwo\x1b[201~\x07");
    run.wait("the editor", |screen| {
        !screen.alternate_screen() && screen.contents().contains("in the editor:")
    });
    run.keys("\x03");
    run.wait_for("got it");
    run.keys("from the editor\r");
    run.wait("the chat again", |screen| screen.alternate_screen() && screen.bracketed_paste());
    run.wait_for("› from the editor");
    run.wait_for("  second");
    assert_eq!(fs::read_to_string(format!("{editor}.got")).unwrap(), "one\ntwo");
    // An editor that fails leaves the text as it was.
    fs::write(&editor, "#!/bin/sh\nexit 7\n").unwrap();
    run.keys("\x07");
    run.wait_for("exit status: 7");
    run.wait_for("› from the editor");
    run.keys("\x03");
    run.wait("an empty input", |screen| screen.contents().contains("ask something"));
    leave(run);
}

#[test]
fn nothing_from_outside_acts_on_the_terminal() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("data")).unwrap();
    fs::write(home.path().join("data/inputs"), "\"from the file \\u001b]0;owned\\u0007\"\n").unwrap();
    fs::write(home.path().join("evil\u{1b}]0;owned\u{7}.txt"), "a\u{1b}[2J\u{9b}5mb\u{1b}]52;c;AAAA\u{7}\n")
        .unwrap();
    let mut run = start(home.path(), "true");
    run.keys("\x1b[A");
    run.wait_for("› from the file");
    run.keys("\x15");
    // The name is typed as far as it can be, and the pattern finds the file.
    run.keys("/glob evil*\r");
    run.wait_for("1 file, 1 line]");
    // It opens, and is sent.
    run.keys("\x7f");
    run.wait_for("```txt");
    run.keys("\r");
    run.wait_for("first token");
    // The program's own question after the background is not from outside.
    let written = leave(run).replace(slipstream::tui::background::ASK, "");
    assert!(!written.contains("\u{1b}]"), "an operating system command was written");
    assert!(!written.contains("\u{1b}[2J\u{9b}"), "what the file holds was written");
    assert!(!written.contains(['\u{7}', '\u{9b}']));
}

#[test]
fn a_paste_and_a_key_in_one_read_are_both_taken() {
    let home = tempfile::tempdir().unwrap();
    let mut run = start(home.path(), "true");
    let long: String = (1..=40).map(|n| format!("line {n}\r\n")).collect();
    run.keys(&format!("see \x1b[200~{long}\x1b[201~!"));
    run.wait_for("› see [pasted 40 lines]!");
    // Backspace takes the mark, then opens what is folded.
    run.keys("\x7f\x7f");
    run.wait_for("line 40");
    run.keys("\x03");
    run.wait("an empty input", |screen| screen.contents().contains("ask something"));
    leave(run);
}
