//! The chat over an engine that follows a script: markdown at 100 tokens a second for as long as it is let.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use slipstream::event::{Channel, Command, Counters, Event, Ready, Reply, StopReason, Text};
use slipstream::token::{Origin, TokenSpan};
use slipstream::tui;
use slipstream::tui::host::{Connection, Host, News, Opening, Wanted};
use slipstream::tui::preferences::Preferences;
use slipstream::tui::sessions::Wish;

use crate::screen::{Session, counters, loaded, whole};

pub const TOKENS_PER_SECOND: f64 = 100.0;
const BYTES_PER_TOKEN: usize = 4;

/// What is written again and again.
const TEXT: &str = "The order is kept because the left slice goes *first* where both heads are equal, and `push` never \
moves what is there: room was reserved for **both** slices before the loop began. So the whole takes one pass.\n\n\
1. Reserve the room for both.\n2. Take the smaller head, again and again:\n   - of the left one where both are equal,\n   \
- else of the right one.\n3. Append what is left.\n\n```rust\npub fn merge<T: Ord + Clone>(a: &[T], b: &[T]) -> Vec<T> \
{\n    let mut out = Vec::with_capacity(a.len() + b.len());\n    let (mut i, mut j) = (0, 0);\n    while i < a.len() && j < \
b.len() {\n        if a[i] <= b[j] {\n            out.push(a[i].clone());\n            i += 1;\n        } else {\n            \
out.push(b[j].clone());\n            j += 1;\n        }\n    }\n    out.extend_from_slice(&a[i..]); // what is left\n    \
out\n}\n```\n\n| case | comparisons | note |\n|:-----|:-----------:|-----:|\n| equal lengths | n + m - 1 | the worst |\n| one \
is empty | 0 | a copy |\n| both are | 0 | nothing |\n\n";

/// Runs the chat on this process's terminal.
pub fn chat() {
    let start = Session::loading(80, 24).state.start;
    let mut host = Script { opened: Some(open()) };
    tui::run(&mut host, start, tui::Files::default()).expect("a chat");
}

struct Script {
    opened: Option<News>,
}

impl Host for Script {
    fn open(&mut self, _: &Wanted) {}

    fn loaded(&mut self) {}

    fn find_pairs(&mut self) {}

    fn keep(&mut self, _: &Preferences) -> Result<(), String> {
        Ok(())
    }

    fn store(&mut self, _: Wish) {}

    fn news(&mut self) -> Option<News> {
        self.opened.take()
    }
}

fn open() -> News {
    let start = Session::loading(80, 24).state.start;
    let opening = Opening {
        wanted: Wanted { model: "script".into(), drafter: None },
        title: "script".into(),
        sampling: start.sampling,
        speculation: start.speculation,
        memory: Vec::new(),
        available: 0,
    };
    let (commands, orders) = channel();
    let (sender, events) = channel();
    let cancelled = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&cancelled);
    thread::spawn(move || engine(&orders, &sender, &told));
    let cancel = Box::new(move || cancelled.store(true, Ordering::SeqCst));
    News::Opened(Box::new(opening), Connection { commands, events, cancel })
}

fn engine(orders: &Receiver<Command>, events: &Sender<Event>, cancelled: &AtomicBool) {
    let _ = events.send(Event::Ready(Ready { context_size: 131_072, ..loaded() }));
    for order in orders {
        match order {
            Command::Generate(_) => {
                cancelled.store(false, Ordering::SeqCst);
                if events.send(Event::Done(reply(events, cancelled))).is_err() {
                    return;
                }
            }
            Command::Shutdown => return,
            _ => {}
        }
    }
}

/// Writes until it is cancelled.
fn reply(events: &Sender<Event>, cancelled: &AtomicBool) -> Reply {
    let mut pieces = TEXT.as_bytes().chunks(BYTES_PER_TOKEN).map(String::from_utf8_lossy).cycle();
    let begun = Instant::now();
    let mut told = Counters { predicted: 0, rounds: 0, ..counters() };
    let mut text = String::new();
    while !cancelled.load(Ordering::SeqCst) {
        let tokens = 1 + told.rounds * 7 % 4;
        told.rounds += 1;
        let mut piece = Text { channel: Channel::Answer, text: String::new(), spans: Vec::new() };
        for token in 1..=tokens {
            let next = pieces.next().unwrap_or_default();
            piece.text.push_str(&next);
            let origin = if token == tokens { Origin::Target } else { Origin::Accepted };
            piece.spans.push(TokenSpan::new(next.len(), origin));
        }
        told.predicted += tokens;
        let due = Duration::from_secs_f64(f64::from(told.predicted) / TOKENS_PER_SECOND);
        thread::sleep(due.saturating_sub(begun.elapsed()));
        told.elapsed = begun.elapsed();
        told.context_used = told.predicted;
        text.push_str(&piece.text);
        if events.send(Event::Text(piece)).is_err() || events.send(Event::Progress(told.clone())).is_err() {
            break;
        }
    }
    Reply { counters: told, ..whole(&text, "", StopReason::Cancelled) }
}
