//! The pictures of the README, from a real run: the built program on the built-in pair in a pseudo-terminal, played by a
//! script, its screen drawn as SVG and what it wrote kept as a recording. `scripts/picture.sh` makes them; the tests play the
//! same scene, so that it still can be played.

pub mod cast;
pub mod palette;
pub mod shapes;
pub mod svg;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use vt100::Screen;

use crate::pty::{Run, replied};

/// The terminal: wide enough for the panel.
pub const SIZE: (u16, u16) = (110, 30);

/// What a scene gives.
pub struct Played {
    /// The chat after two replies.
    pub chat: Screen,
    /// Who chose each of their tokens.
    pub tokens: Screen,
    /// What was written when.
    pub pieces: Vec<(Duration, Vec<u8>)>,
}

/// Plays the scene. `pace` is 1 for people, who have to read, and 0 for tests; `folder` takes what the program stores.
pub fn play(folder: &Path, light: bool, pace: f64) -> Played {
    let begun = Instant::now();
    let mut run = Run::of(SIZE.0, SIZE.1, |command| {
        // A fixed length: how `auto` chooses depends on the machine, and the picture should not.
        command.args(["chat", "pocket", "--greedy", "--draft", "3", "--threads", "1"]);
        for name in ["HOME", "SLIPSTREAM_DATA", "SLIPSTREAM_CACHE", "XDG_CACHE_HOME"] {
            command.env(name, folder.join(name));
        }
        command.env("COLORFGBG", if light { "0;15" } else { "15;0" });
        command.cwd(folder);
    });
    let pause = |seconds: f64| thread::sleep(Duration::from_secs_f64(seconds * pace));
    run.wait_for("? help");
    pause(1.0);
    ask(&mut run, "Define lantern.", pace);
    run.wait("a reply", replied);
    pause(2.0);
    ask(&mut run, "Write fizzbuzz in Python.", pace);
    run.wait("a second reply", |screen| screen.contents().contains("print(n)") && replied(screen));
    pause(2.5);
    let chat = run.terminal.lock().unwrap().screen().clone();
    run.keys("\x18t\x18r");
    run.wait_for("[rejected guess]");
    pause(3.0);
    let tokens = run.terminal.lock().unwrap().screen().clone();
    run.keys("\x18t");
    run.wait("the chat again", |screen| !screen.contents().contains("[rejected guess]"));
    ask(&mut run, "/why", pace);
    pause(3.0);
    let arrived = run.arrived.lock().unwrap().clone();
    let written = run.written.lock().unwrap().clone();
    let mut pieces = Vec::new();
    let mut from = 0;
    for (at, to) in arrived {
        pieces.push((at.saturating_duration_since(begun), written[from..to].to_vec()));
        from = to;
    }
    run.keys("\x04");
    let _ = run.end();
    Played { chat, tokens, pieces }
}

fn ask(run: &mut Run, text: &str, pace: f64) {
    for c in text.chars() {
        run.keys(&c.to_string());
        thread::sleep(Duration::from_secs_f64(0.05 * pace));
    }
    run.wait_for(&format!("› {text}"));
    run.keys("\r");
}

/// A text that names a place on a machine: a path from the root.
pub fn machine_path(text: &str) -> Option<&str> {
    let path = regex::Regex::new(r#"(?:^|[\s"'`(=:])(/[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+)"#).expect("a pattern");
    Some(path.captures(text)?.get(1)?.as_str())
}
