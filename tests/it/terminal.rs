//! The built program in a real pseudo-terminal: what a person types, what the terminal shows, and how the
//! terminal is left. Runs `slipstream chat pocket`, so it needs no model file.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
use vt100::{Parser, Screen};

/// How long anything may take: loading the pocket pair and a reply on a busy machine with few cores.
const PATIENCE: Duration = Duration::from_secs(90);

/// The program in a terminal.
struct Run {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keyboard: Box<dyn Write + Send>,
    terminal: Arc<Mutex<Parser>>,
}

impl Run {
    fn start(columns: u16, rows: u16, arguments: &[&str]) -> Run {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_slipstream"));
        command.args(["chat", "pocket"]);
        command.args(arguments);
        command.env("TERM", "xterm-256color");
        command.env_remove("NO_COLOR");
        command.env("SLIPSTREAM_CONFIG", concat!(env!("CARGO_TARGET_TMPDIR"), "/no-config.toml"));
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut output = pair.master.try_clone_reader().unwrap();
        let keyboard = pair.master.take_writer().unwrap();
        let terminal = Arc::new(Mutex::new(Parser::new(rows, columns, 0)));
        let shown = Arc::clone(&terminal);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count) = output.read(&mut buffer) {
                if count == 0 {
                    break;
                }
                shown.lock().unwrap().process(&buffer[..count]);
            }
        });
        Run { child, master: pair.master, keyboard, terminal }
    }

    fn keys(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        self.keyboard.flush().unwrap();
    }

    fn resize(&mut self, columns: u16, rows: u16) {
        self.master.resize(PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }).unwrap();
        self.terminal.lock().unwrap().screen_mut().set_size(rows, columns);
    }

    /// Waits until the screen is as it should be.
    #[track_caller]
    fn wait(&mut self, what: &str, is_so: impl Fn(&Screen) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !is_so(self.terminal.lock().unwrap().screen()) {
            let ended = self.child.try_wait().unwrap();
            let screen = || self.terminal.lock().unwrap().screen().contents();
            assert!(
                ended.is_none() || is_so(self.terminal.lock().unwrap().screen()),
                "ended before {what}:\n{}",
                screen()
            );
            assert!(Instant::now() < until, "no {what}:\n{}", screen());
            thread::sleep(Duration::from_millis(20));
        }
    }

    #[track_caller]
    fn wait_for(&mut self, text: &str) {
        self.wait(text, |screen| screen.contents().contains(text));
    }

    /// Waits for the end, and asserts that the terminal is as it was before.
    #[track_caller]
    fn end(mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < until, "it does not end");
            thread::sleep(Duration::from_millis(20));
        };
        // What it wrote last may still be on its way to us.
        let until = Instant::now() + Duration::from_secs(5);
        let restored = |screen: &Screen| {
            !screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste()
        };
        while !restored(self.terminal.lock().unwrap().screen()) {
            let terminal = self.terminal.lock().unwrap();
            assert!(
                Instant::now() < until,
                "the terminal is not restored:\n{}",
                terminal.screen().contents()
            );
            drop(terminal);
            thread::sleep(Duration::from_millis(20));
        }
        status
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

/// A status line that says the last reply has ended, with its numbers.
fn replied(screen: &Screen) -> bool {
    let contents = screen.contents();
    contents.contains("first token") && contents.contains("○ ") && contents.contains("t/s")
}

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
        let process = run.child.process_id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args([name, &process]).status().unwrap().success());
        assert_eq!(run.end().exit_code(), code, "after kill {name}");
    }
}
