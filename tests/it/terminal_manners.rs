//! Manners in a real pseudo-terminal: stopped and gone on, closed, not read, resized without end; and the modes that a
//! chat is opened in.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use slipstream::tui;
use slipstream::tui::host::{Host, News, Wanted};
use slipstream::tui::preferences::Preferences;
use vt100::{Color, Screen};

use crate::pty::{Run, replied};
use crate::screen::Session;

/// Waits until the chat has the screen.
fn has_the_screen(run: &mut Run) {
    run.wait("the chat's screen", |screen| screen.alternate_screen() && screen.contents().contains("? help"));
}

#[cfg(unix)]
#[test]
fn it_stops_and_goes_on() {
    let mut run = Run::start(80, 24, &[]);
    has_the_screen(&mut run);
    run.keys("half a ques");
    run.wait_for("› half a ques");
    // By the key, by a signal that asks for the same, and by one that does not ask.
    run.keys("\x1a");
    run.restored();
    run.signal("-CONT");
    has_the_screen(&mut run);
    run.signal("-TSTP");
    run.restored();
    run.signal("-CONT");
    has_the_screen(&mut run);
    run.wait_for("› half a ques");
    run.terminal.lock().unwrap().process(b"\x1b[2J");
    run.signal("-STOP");
    run.signal("-CONT");
    run.wait_for("› half a ques");
    run.keys("tion\r");
    run.wait("a reply", replied);
    run.keys("\x04");
    assert_eq!(run.end().exit_code(), 0);
}

#[cfg(unix)]
#[test]
fn a_closed_terminal_ends_it() {
    let mut run = Run::start(80, 24, &["--ignore-eos"]);
    has_the_screen(&mut run);
    run.keys("What is a cloud?\r");
    run.wait_for("Esc stop");
    // What a terminal's end makes the kernel send.
    run.signal("-HUP");
    run.close();
    let status = run.ended();
    assert!(!status.success(), "hung up: {status:?}");
}

/// Whole screens, more than whatever buffers the system has between the program and a terminal that does not read: the
/// help opened and closed by F1.
fn fill_the_buffers(run: &mut Run) {
    for _ in 0..8 {
        run.keys("\x1bOP");
        std::thread::sleep(std::time::Duration::from_millis(60));
    }
}

/// Nobody reads: the program's writes wait, and nothing else does. It takes keys, writes replies, and ends when told to.
#[test]
fn a_terminal_that_nobody_reads_holds_nothing_up() {
    let mut run = Run::start(200, 50, &[]);
    has_the_screen(&mut run);
    run.reads.store(false, Ordering::SeqCst);
    fill_the_buffers(&mut run);
    run.keys("What is a river?\r");
    std::thread::sleep(std::time::Duration::from_millis(60));
    // A terminal that is read again shows the state as it is by then.
    run.reads.store(true, Ordering::SeqCst);
    run.wait("a reply", replied);
    run.reads.store(false, Ordering::SeqCst);
    fill_the_buffers(&mut run);
    run.keys("\x04");
    assert_eq!(run.ended().exit_code(), 0);
    run.reads.store(true, Ordering::SeqCst);
}

#[test]
fn a_storm_of_sizes_ends_on_a_whole_screen() {
    let mut run = Run::start(80, 24, &["--ignore-eos"]);
    has_the_screen(&mut run);
    run.keys("What is a storm?\r");
    run.wait_for("Esc stop");
    for step in 0..120_u16 {
        run.resize(10 + step * 37 % 290, 3 + step * 17 % 97);
        std::thread::sleep(std::time::Duration::from_millis(3));
    }
    run.resize(110, 30);
    run.wait("the panel", |screen| screen.contents().contains("│ speculation"));
    run.keys("\x1b");
    run.wait_for("stopped · ");
    run.keys("/draft 2\r");
    run.wait_for("draft on: up to 2 a round");
    run.keys("\x04");
    assert_eq!(run.end().exit_code(), 0);
}

#[test]
fn a_drafter_with_sequences_in_its_name_acts_on_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let evil = folder.path().join("evil\u{1b}]0;owned\u{7}\u{1b}[2J.gguf");
    std::fs::copy(crate::drive::drafter_file(), &evil).unwrap();
    let mut run = Run::start(110, 30, &["-d", evil.to_str().unwrap()]);
    has_the_screen(&mut run);
    run.wait("its name", |screen| screen.contents().contains("drafter    evil"));
    let written = run.written.lock().unwrap().clone();
    assert!(!written.windows(4).any(|bytes| bytes == b"\x1b]0;"), "a title was set");
    run.keys("/pair\r");
    run.wait_for("/pair FILE");
    let written = run.written.lock().unwrap().clone();
    assert!(!written.windows(4).any(|bytes| bytes == b"\x1b]0;"), "a title was set");
    run.keys("\x04");
    assert_eq!(run.end().exit_code(), 0);
}

#[test]
fn frames_are_synchronized_and_the_mouse_stays_the_terminals() {
    let mut run = Run::start(80, 24, &[]);
    has_the_screen(&mut run);
    run.keys("What is a clock?\r");
    run.wait("a reply", replied);
    run.keys("\x19");
    run.wait_for("copied the reply");
    run.keys("\x04");
    let written = Run::all_written(run);
    let has = |sequence: &str| written.windows(sequence.len()).any(|bytes| bytes == sequence.as_bytes());
    assert!(has("\x1b[?2026h") && has("\x1b[?2026l"), "synchronized output");
    assert!(has("\x1b]52;c;"), "the clipboard, by OSC 52");
    for mode in [1000, 1002, 1003] {
        assert!(!has(&format!("\x1b[?{mode}h")), "the mouse was taken");
    }
}

/// The terminal tells its background when it likes, among the keys: none of them is lost, and nothing of it is typed.
#[cfg(unix)]
#[test]
fn a_light_background_is_heard_of_among_the_keys() {
    let mut run = Run::start(80, 24, &[]);
    has_the_screen(&mut run);
    let written = Arc::clone(&run.written);
    run.wait("the question", |_| written.lock().unwrap().windows(6).any(|bytes| bytes == b"\x1b]11;?"));
    let green = |screen: &Screen| {
        // The first word of what the marks mean: "accepted guess".
        screen.cell(1, 1).map(|cell| cell.fgcolor())
    };
    run.keys("\x18t");
    run.wait("a bright green, as long as it is not known", |screen| green(screen) == Some(Color::Idx(10)));
    run.keys("ab\x1b]11;rgb:ffff/ffff/e0e0\x1b\\c");
    run.wait_for("› abc");
    run.wait("a dark green", |screen| green(screen) == Some(Color::Idx(2)));
    // Told again, with the other end: another theme was chosen there.
    run.keys("d\x1b]11;rgb:0000/0000/0000\x07e");
    run.wait_for("› abcde");
    run.wait("a bright green", |screen| green(screen) == Some(Color::Idx(10)));
    run.keys("\x15/theme light\r");
    run.wait("what the person says", |screen| green(screen) == Some(Color::Idx(2)));
    run.keys("\x04");
    assert_eq!(run.end().exit_code(), 0);
}

#[test]
fn without_a_model_the_start_screen_opens_and_loads_what_is_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        Run::of(80, 24, |command| {
            for name in
                ["HOME", "SLIPSTREAM_DATA", "SLIPSTREAM_CACHE", "XDG_CACHE_HOME", "HF_HOME", "OLLAMA_MODELS"]
            {
                command.env(name, folder.path().join(name));
            }
            command.env_remove("LLAMA_CACHE");
            command.env_remove("SLIPSTREAM_MODEL");
            command.cwd(folder.path());
        })
    };
    let mut run = start();
    run.wait_for("choose a pair");
    run.wait_for("› pocket");
    run.keys("\r");
    has_the_screen(&mut run);
    run.keys("What is a door?\r");
    run.wait("a reply", replied);
    // Another pair in its place: the same one, without its drafter.
    run.keys("/pair none\r");
    run.wait_for("draft off: no drafter was asked for");
    run.keys("And a window?\r");
    run.wait("two replies", |screen| {
        screen.contents().matches("first token").count() == 2 && replied(screen)
    });
    run.keys("/model nosuch\r");
    run.wait_for("there is no file nosuch");
    run.keys("\x1b");
    assert_eq!(run.end().exit_code(), 0);
    // What was loaded last opens again; what could not be loaded is not remembered.
    let mut run = start();
    has_the_screen(&mut run);
    run.wait_for("slipstream  pocket");
    run.keys("\x04");
    assert_eq!(run.end().exit_code(), 0);
}

#[test]
fn the_inline_mode_leaves_the_transcript_in_the_scrollback() {
    let mut run = Run::start(80, 24, &["--inline"]);
    let on_the_main_screen = |screen: &Screen| !screen.alternate_screen();
    run.wait("the input", |screen| {
        screen.contents().contains("› ask something") && on_the_main_screen(screen)
    });
    run.keys("What is a bridge?\r");
    run.wait("a reply", replied);
    run.resize(70, 20);
    run.keys("And a tunnel?\r");
    run.wait("the second question", |screen| screen.contents().contains(" And a tunnel?"));
    run.wait("a second reply", |screen| {
        screen.contents().matches("first token").count() >= 2 || replied(screen)
    });
    run.keys("\x04");
    run.ended();
    run.restored();
    let mut terminal = run.terminal.lock().unwrap();
    terminal.screen_mut().set_scrollback(200);
    let above = terminal.screen().contents();
    terminal.screen_mut().set_scrollback(0);
    let all = above + &terminal.screen().contents();
    for text in ["What is a bridge?", "And a tunnel?", "first token"] {
        assert!(all.contains(text), "{text} in\n{all}");
    }
    assert!(
        !terminal.screen().contents().contains("› "),
        "the view is gone:\n{}",
        terminal.screen().contents()
    );
}

#[test]
fn a_model_that_cannot_be_loaded_gives_the_terminal_back_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(crate::drive::target_file()).unwrap();
    let cut = folder.path().join("cut.gguf");
    std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let mut run = Run::of(100, 24, |command| command.args(["chat", cut.to_str().unwrap()]));
    let status = run.ended();
    run.restored();
    assert_eq!(status.exit_code(), 3);
    run.shows("cut.gguf");
}

/// A host that falls over after a while.
struct Falls(u32);

impl Host for Falls {
    fn open(&mut self, _: &Wanted) {}

    fn loaded(&mut self) {}

    fn find_pairs(&mut self) {}

    fn keep(&mut self, _: &Preferences) -> Result<(), String> {
        Ok(())
    }

    fn news(&mut self) -> Option<News> {
        self.0 += 1;
        assert!(self.0 < 30, "the host has fallen over");
        None
    }
}

#[test]
#[ignore = "run by the test below, in a terminal of its own"]
fn the_ui_panics() {
    let start = Session::choosing(80, 24).state.start;
    let _ = tui::run(&mut Falls(0), start, tui::Files::default());
}

#[test]
fn a_panic_gives_the_terminal_back_before_it_prints() {
    let tests = std::env::current_exe().unwrap();
    let arguments = ["--exact", "terminal_manners::the_ui_panics", "--ignored", "--nocapture"];
    let mut run = Run::program(tests, 100, 24, |command| command.args(arguments));
    let status = run.ended();
    run.restored();
    assert!(!status.success());
    // On the screen that the person sees, not on the one that is gone.
    run.shows("the host has fallen over");
    let written = run.written.lock().unwrap();
    let entered = written.windows(8).position(|bytes| bytes == b"\x1b[?1049h").expect("the UI was there");
    let left = written.windows(8).position(|bytes| bytes == b"\x1b[?1049l").expect("and left");
    let told = written.windows(10).position(|bytes| bytes == b"the host h").expect("and said why");
    assert!(entered < left && left < told);
}
