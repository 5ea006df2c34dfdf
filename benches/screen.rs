//! What the screen costs while a reply is written: processor time of the UI thread and bytes to the terminal,
//! for each token.
//!
//! Method: a reply of 100 tokens a second, 4 bytes each, comes in rounds of two to three tokens; every 33 ms of
//! its time a frame is fitted and drawn by the crossterm backend on a screen of 200x50 (and 80x24), into a
//! writer that counts. Nothing waits: the processor time of this thread (Linux's own account of it; elsewhere
//! the wall clock) is set against the time that the reply would take. The painter of code is another thread,
//! counted apart. Then: one long text at once, and a session of 2,000 turns opened and scrolled.
//!
//! Figures are printed; nothing is asserted.

#![allow(clippy::print_stdout)]

#[path = "../tests/it/screen.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod screen;

use std::cell::Cell;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};

use slipstream::event::{Activity, Channel, Counters, Event, KernelState, Ready, SpeculationState, Text};
use slipstream::request::{DraftLength, Speculation};
use slipstream::token::{Origin, TokenSpan};
use slipstream::tui::app::{Msg, State, update};
use slipstream::tui::entry::{Entry, ReplyEntry};
use slipstream::tui::keys::Action;
use slipstream::tui::markdown::{Markdown, paint};
use slipstream::tui::theme::Theme;
use slipstream::tui::tokens::Origins;
use slipstream::tui::view;

use screen::Session;

const TOKENS_PER_SECOND: f64 = 100.0;
const BYTES_PER_TOKEN: usize = 4;
const FRAME: f64 = 0.033;

const PROSE: &str = "The order is kept because the left slice goes *first* where both heads are equal, and `push` never \
moves what is there: room was reserved for **both** slices before the loop began. So the whole takes one pass.\n\n";
const CODE: &str = "```rust\npub fn merge<T: Ord + Clone>(a: &[T], b: &[T]) -> Vec<T> {\n    let mut out = \
Vec::with_capacity(a.len() + b.len());\n    let (mut i, mut j) = (0, 0);\n    while i < a.len() && j < b.len() {\n        \
if a[i] <= b[j] {\n            out.push(a[i].clone());\n            i += 1;\n        } else {\n            out.push(b[j].clone());\n            \
j += 1;\n        }\n    }\n    out.extend_from_slice(&a[i..]); // what is left\n    out\n}\n```\n\n";
const LIST: &str = "1. Reserve the room for both.\n2. Take the smaller head, again and again:\n   - of the left one where both \
are equal,\n   - else of the right one.\n3. Append what is left.\n\n";
const TABLE: &str = "| case | comparisons | note |\n|:-----|:-----------:|-----:|\n| equal lengths | n + m - 1 | the worst |\n| \
one is empty | 0 | a copy |\n| both are | 0 | nothing |\n\n";

/// Counts what is written.
#[derive(Clone, Default)]
struct Counter(Rc<Cell<usize>>);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.set(self.0.get() + bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Processor time of this thread, and of all threads of this process.
fn processor_time() -> Option<(Duration, Duration)> {
    let spent = |file: PathBuf| -> Option<u64> {
        fs::read_to_string(file).ok()?.split_whitespace().next()?.parse().ok()
    };
    let own = spent("/proc/thread-self/schedstat".into())?;
    let threads = fs::read_dir("/proc/self/task").ok()?.flatten();
    let all = threads.filter_map(|thread| spent(thread.path().join("schedstat"))).sum();
    Some((Duration::from_nanos(own), Duration::from_nanos(all)))
}

/// Runs `work`; the processor time of this thread and of the others.
fn cost(work: impl FnOnce()) -> (Duration, Duration) {
    let (begun, before) = (Instant::now(), processor_time());
    work();
    match before.zip(processor_time()) {
        Some(((own, all), (own_then, all_then))) => {
            let own = own_then.saturating_sub(own);
            (own, all_then.saturating_sub(all).saturating_sub(own))
        }
        None => (begun.elapsed(), Duration::ZERO),
    }
}

fn chat() -> State {
    let mut state = Session::loading(200, 50).state;
    let ready = Ready {
        model: "/models/bench.gguf".into(),
        model_name: "bench".into(),
        drafter: None,
        draft_kind: "mtp",
        pairing: "for the bench".into(),
        context_size: 131_072,
        quantization: "Q4_0".into(),
        memory_bytes: 16_000_000_000,
        speculation: SpeculationState {
            activity: Activity::On,
            length: 3,
            reason: None,
            asked: Speculation { length: DraftLength::Fixed(3), p_min: 0.0 },
        },
        kernels: KernelState::default(),
        notes: Vec::new(),
    };
    update(&mut state, Msg::Engine(Event::Ready(ready)));
    state
}

type Screen = Terminal<CrosstermBackend<Counter>>;

fn screen(columns: u16, rows: u16, written: &Counter) -> Screen {
    let options = TerminalOptions { viewport: Viewport::Fixed(Rect::new(0, 0, columns, rows)) };
    Terminal::with_options(CrosstermBackend::new(written.clone()), options)
        .expect("a screen without a terminal")
}

fn draw(state: &mut State, screen: &mut Screen, columns: u16, rows: u16) {
    view::fit(state, columns, rows);
    screen.draw(|frame| view::draw(state, Theme::new(true), frame)).expect("counting cannot fail");
    // Begin and end of a synchronized update.
    screen.backend_mut().write_all(&[0; 16]).expect("counting cannot fail");
}

/// A reply of `text`, again and again, for `seconds` of its time.
fn reply(name: &str, text: &str, seconds: f64, columns: u16, rows: u16) {
    let mut state = chat();
    for c in "go".chars() {
        let key = crossterm::event::KeyEvent::from(crossterm::event::KeyCode::Char(c));
        update(&mut state, Msg::Edit(key));
    }
    update(&mut state, Msg::Act(Action::Send));
    let written = Counter::default();
    let mut screen = screen(columns, rows, &written);
    draw(&mut state, &mut screen, columns, rows);
    let before = written.0.get();
    let tokens = (seconds * TOKENS_PER_SECOND) as usize;
    let mut pieces = text.as_bytes().chunks(BYTES_PER_TOKEN).cycle();
    let (own, others) = cost(|| {
        let mut next_frame = FRAME;
        for token in 0..tokens {
            let piece = String::from_utf8_lossy(pieces.next().unwrap_or_default()).into_owned();
            let spans = vec![TokenSpan::new(piece.len(), Origin::Target)];
            let text = Text { channel: Channel::Answer, text: piece, spans };
            update(&mut state, Msg::Engine(Event::Text(text)));
            let now = token as f64 / TOKENS_PER_SECOND;
            if token % 5 == 2 || token % 5 == 4 {
                update(&mut state, Msg::Engine(Event::Progress(counters(token as u32, now))));
            }
            if now >= next_frame {
                next_frame += FRAME;
                update(&mut state, Msg::Tick(Duration::from_secs_f64(now)));
                draw(&mut state, &mut screen, columns, rows);
            }
        }
    });
    let bytes = written.0.get() - before;
    let share = |time: Duration| 100.0 * time.as_secs_f64() / seconds;
    println!(
        "{name:<8} {columns:>3}x{rows:<3} {:>7.1} µs/token  {:>5.2} % of a core  painter {:>5.2} %  {:>5.0} bytes/token",
        own.as_secs_f64() * 1e6 / tokens as f64,
        share(own),
        share(others),
        bytes as f64 / tokens as f64,
    );
}

fn counters(predicted: u32, now: f64) -> Counters {
    Counters {
        predicted,
        rounds: predicted / 2,
        tested: predicted,
        accepted: predicted / 2,
        tested_by_position: vec![predicted / 2, predicted / 4, predicted / 8],
        accepted_by_position: vec![predicted / 3, predicted / 6, predicted / 12],
        elapsed: Duration::from_secs_f64(now),
        drafting: Duration::from_secs_f64(now / 10.0),
        verifying: Duration::from_secs_f64(now / 1.2),
        decoding: Duration::from_secs_f64(now / 1.1),
        context_used: predicted,
        plain_per_second: Some(70.0),
        gain: Some(1.4),
    }
}

fn main() {
    let mixed = [PROSE, LIST, CODE, PROSE, TABLE].concat();
    println!("a reply at 100 tokens a second, 30 frames a second:");
    for (columns, rows) in [(200, 50), (80, 24)] {
        for (name, text) in
            [("mixed", mixed.as_str()), ("prose", PROSE), ("code", CODE), ("list", LIST), ("table", TABLE)]
        {
            reply(name, text, 40.0, columns, rows);
        }
    }

    let whole = mixed.repeat(1_000_000 / mixed.len());
    let mut markdown = Markdown::default();
    let (own, _) = cost(|| markdown.fit(&whole, 160, true));
    println!(
        "\n1 MB of markdown at once, 160 columns: {:.0} ms, {} rows, {:.2} bytes parsed for each",
        own.as_secs_f64() * 1e3,
        markdown.rows().len(),
        markdown.parsed() as f64 / whole.len() as f64
    );
    paint::settle();

    long_session(&mixed);
}

/// A session of 2,000 turns and 2 M tokens: its first frame, scrolling, and the same of the token view.
fn long_session(text: &str) {
    let mut state = chat();
    let answer = text.repeat(8_000_000 / 1000 / text.len() + 1);
    // A token has about four bytes; where one would end within a character, it ends behind it.
    let mut spans = Vec::new();
    let mut from = 0;
    while from < answer.len() {
        let to = (from + BYTES_PER_TOKEN..).find(|to| *to >= answer.len() || answer.is_char_boundary(*to));
        let to = to.unwrap_or(answer.len()).min(answer.len());
        let origin = if spans.len() % 3 == 0 { Origin::Target } else { Origin::Accepted };
        spans.push(TokenSpan::new(to - from, origin));
        from = to;
    }
    let tokens = 1000 * spans.len();
    for number in 0..1000 {
        let origins = Origins { answer: spans.clone(), ..Origins::default() };
        state.transcript.push(Entry::User(format!("question {number}?")));
        state.transcript.push(Entry::Reply(ReplyEntry {
            answer: answer.clone(),
            origins,
            ..ReplyEntry::default()
        }));
    }
    let mut screen = screen(200, 50, &Counter::default());
    println!("\na session of 2,000 turns, {:.1} M tokens:", tokens as f64 / 1e6);
    for view in ["transcript", "token view"] {
        if view == "token view" {
            update(&mut state, Msg::Act(Action::Tokens));
        }
        let (open, _) = cost(|| draw(&mut state, &mut screen, 200, 50));
        let frames = 600;
        let mut worst = Duration::ZERO;
        let (scroll, _) = cost(|| {
            for _ in 0..frames {
                let begun = Instant::now();
                update(&mut state, Msg::Scroll(-7));
                draw(&mut state, &mut screen, 200, 50);
                worst = worst.max(begun.elapsed());
            }
        });
        println!(
            "{view}: first frame {:.1} ms; scrolled up by 7 lines a frame: {:.2} ms a frame ({:.1} ms the longest, by the \
             wall clock)",
            open.as_secs_f64() * 1e3,
            scroll.as_secs_f64() * 1e3 / f64::from(frames),
            worst.as_secs_f64() * 1e3
        );
    }
}
