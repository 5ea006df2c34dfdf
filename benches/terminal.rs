//! What the chat costs on a real terminal: `cargo bench --bench terminal -- [seconds=20] [keys=200]`.
//!
//! Method: the chat runs in a pseudo-terminal of 200x50 that another thread reads at once. First with an engine of a script,
//! which writes markdown at 100 tokens a second, 4 bytes each, in rounds of one to four; then with the built-in pair, at
//! whatever speed it has. Counted between two moments of one reply: processor time of the UI's thread (Linux's own account
//! of it), bytes that came from the program, frames among them. Then keys are pressed while a reply is written, 40 to 140
//! ms apart, and each is timed until the terminal's cell holds its letter.
//!
//! Figures are printed; nothing is asserted.

#![allow(clippy::print_stdout)]

#[path = "../tests/it/pty.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod pty;
#[path = "../tests/it/screen.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod screen;
mod script;

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use pty::Run;

const SIZE: (u16, u16) = (200, 50);

fn number(name: &str, usual: u32) -> u32 {
    let prefix = format!("{name}=");
    std::env::args().find_map(|argument| argument.strip_prefix(&prefix)?.parse().ok()).unwrap_or(usual)
}

fn main() {
    if std::env::args().any(|argument| argument == "script") {
        script::chat();
        return;
    }
    let (seconds, keys) = (number("seconds", 20), number("keys", 200));
    println!("| {SIZE:?} | tokens/s | UI, % of a core | UI, µs/token | bytes/token | KB/s | frames/s |");
    println!("|---|---:|---:|---:|---:|---:|---:|");
    cost("script", &mut scripted(), seconds, Some(script::TOKENS_PER_SECOND));
    cost("built-in pair, one thread", &mut pocket(1), seconds.min(10), None);
    println!("\n| key to echo, ms | median | 95th percentile | longest | keys |\n|---|---:|---:|---:|---:|");
    echo("nothing else under way", &mut scripted(), keys, false);
    echo("script writing", &mut scripted(), keys, true);
    echo("built-in pair writing, one thread", &mut pocket(1), keys, true);
    echo("built-in pair writing, a thread for every core", &mut pocket(cores()), keys, true);
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn scripted() -> Run {
    let own = std::env::current_exe().expect("this program");
    Run::program(own, SIZE.0, SIZE.1, |command| command.args(["script"]))
}

/// The built-in pair, in a context that takes it long to fill.
fn pocket(threads: usize) -> Run {
    let threads = threads.to_string();
    Run::of(SIZE.0, SIZE.1, |command| {
        command.args([
            "chat",
            "pocket",
            "--ignore-eos",
            "--ctx",
            "32768",
            "--seed",
            "1",
            "--threads",
            &threads,
        ]);
    })
}

/// Asks, and waits until the reply grows.
fn begin(run: &mut Run) {
    run.wait_for("? help");
    run.keys("Count from 1 to 20.\r");
    run.wait_for("Esc stop");
    thread::sleep(Duration::from_secs(1));
}

fn end(run: &mut Run) {
    run.keys("\x03\x03\x03");
    let _ = run.ended();
}

/// Processor time of the program's first thread, which is the UI's.
fn spent(run: &Run) -> Option<Duration> {
    let process = run.child.process_id()?;
    let told = fs::read_to_string(format!("/proc/{process}/task/{process}/schedstat")).ok()?;
    Some(Duration::from_nanos(told.split_whitespace().next()?.parse().ok()?))
}

/// The rate that the status line tells.
fn rate(run: &Run) -> Option<f64> {
    let contents = run.contents();
    let status = contents.lines().rfind(|line| line.starts_with('●'))?;
    status.split_once("● ")?.1.split_once(" t/s")?.0.trim().parse().ok()
}

fn cost(name: &str, run: &mut Run, seconds: u32, known: Option<f64>) {
    begin(run);
    let written = |run: &Run| run.written.lock().expect("bytes").len();
    let (begun, bytes, before) = (Instant::now(), written(run), spent(run));
    let mut rates = Vec::new();
    for _ in 0..seconds {
        thread::sleep(Duration::from_secs(1));
        rates.extend(rate(run));
    }
    let (elapsed, bytes_then, after) = (begun.elapsed().as_secs_f64(), written(run), spent(run));
    let frames = run.written.lock().expect("bytes")[bytes..bytes_then]
        .windows(8)
        .filter(|b| b == b"\x1b[?2026h")
        .count();
    let rate = known.unwrap_or_else(|| rates.iter().sum::<f64>() / rates.len().max(1) as f64);
    let tokens = rate * elapsed;
    let bytes = (bytes_then - bytes) as f64;
    let ui = before.zip(after).map_or(f64::NAN, |(before, after)| (after - before).as_secs_f64());
    println!(
        "| {name} | {rate:.0} | {:.2} | {:.1} | {:.0} | {:.1} | {:.1} |",
        100.0 * ui / elapsed,
        1e6 * ui / tokens,
        bytes / tokens,
        bytes / 1e3 / elapsed,
        frames as f64 / elapsed,
    );
    end(run);
}

/// Presses `count` keys while a reply is written, or without one.
fn echo(name: &str, run: &mut Run, count: u32, writing: bool) {
    run.wait_for("? help");
    // Where the first letter will stand: the terminal's cursor, before anything moves.
    let place = |run: &Run| run.terminal.lock().expect("a terminal").screen().cursor_position();
    run.wait("a cursor", |screen| !screen.hide_cursor());
    if writing {
        begin(run);
    }
    thread::sleep(Duration::from_millis(300));
    let (row, first) = settled(run, place);
    let mut times = Vec::new();
    let mut random = 1_u64;
    for key in 0..count {
        let column = first + (key % 40) as u16;
        // Not one that the empty input's hint has at this place.
        let letter = char::from(b'b' + (key % 23) as u8).to_string();
        let pressed = Instant::now();
        run.keys(&letter);
        let is_there = |run: &Run| {
            let terminal = run.terminal.lock().expect("a terminal");
            terminal.screen().cell(row, column).is_some_and(|cell| cell.contents() == letter)
        };
        while !is_there(run) {
            assert!(
                pressed.elapsed() < Duration::from_secs(5),
                "no {letter} at {row}, {column}:\n{}",
                run.contents()
            );
            thread::sleep(Duration::from_micros(100));
        }
        times.push(pressed.elapsed().as_secs_f64() * 1e3);
        if key % 40 == 39 {
            run.keys("\x15");
            thread::sleep(Duration::from_millis(200));
        }
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        thread::sleep(Duration::from_millis(40 + (random >> 33) % 100));
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!("| {name} | {:.1} | {:.1} | {:.1} | {} |", at(0.5), at(0.95), at(1.0), times.len());
    end(run);
}

/// A place that the cursor is seen at again and again: within a frame it is elsewhere.
fn settled(run: &Run, place: impl Fn(&Run) -> (u16, u16)) -> (u16, u16) {
    let mut seen = std::collections::BTreeMap::new();
    for _ in 0..200 {
        *seen.entry(place(run)).or_insert(0) += 1;
        thread::sleep(Duration::from_millis(2));
    }
    seen.into_iter().max_by_key(|(_, count)| *count).expect("a place").0
}
