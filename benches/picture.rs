//! Makes the pictures of the README: `scripts/picture.sh`. (A bench only because cargo tells it, as it tells tests, where
//! the built program lies. It measures nothing.)

#![allow(clippy::print_stdout, clippy::print_stderr)]

#[path = "../tests/it/picture/mod.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod picture;
#[path = "../tests/it/pty.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod pty;

use std::path::PathBuf;

use picture::palette::{DARK, LIGHT};
use picture::{SIZE, cast, machine_path, play, svg};

const CHAT: &str =
    "A chat with slipstream's built-in pair; the panel at the right tells how speculation goes";
const TOKENS: &str = "The same chat as tokens: accepted guesses underlined, the target's own, and rejected guesses in brackets";

fn main() {
    // Cargo adds an argument of its own.
    let Some(folder) = std::env::args_os().skip(1).find(|argument| argument != "--bench") else {
        eprintln!("usage: cargo bench --bench picture -- FOLDER");
        return;
    };
    let folder = PathBuf::from(folder);
    for (light, suffix) in [(true, "-light"), (false, "")] {
        let stored = tempfile::tempdir().expect("a folder");
        let played = play(stored.path(), light, 1.0);
        let palette = if light { &LIGHT } else { &DARK };
        for (name, screen, title) in [("screen", &played.chat, CHAT), ("tokens", &played.tokens, TOKENS)] {
            keep(&folder.join(format!("{name}{suffix}.svg")), &svg::draw(screen, palette, title));
        }
        if !light {
            let title = "slipstream: a chat with the built-in pair";
            keep(&folder.join("chat.cast"), &cast::write(SIZE.0, SIZE.1, title, &played.pieces));
        }
    }
}

/// Writes a file, unless it tells of this machine.
fn keep(path: &std::path::Path, text: &str) {
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let host = Some(host.trim()).filter(|host| host.len() > 3 && text.contains(host));
    if let Some(told) = machine_path(text).or(host) {
        panic!("{} would tell {told}", path.display());
    }
    std::fs::write(path, text).expect("written");
    println!("{} ({} bytes)", path.display(), text.len());
}
