//! Every screen at four sizes, as files that are looked at when they change.

use std::time::Duration;

use crossterm::event::KeyCode;

use slipstream::event::{Activity, Channel, Counters, Event, StopReason, Text};
use slipstream::request::{DraftLength, SamplingSettings, Speculation};
use slipstream::token::{Origin, TokenSpan};
use slipstream::tui::app::Msg;
use slipstream::tui::host::{MemoryLine, Opening, Wanted};

use crate::screen::{NONE, SIZES, Session, counters, found, snapshot, standing, whole};

/// A chat of two turns, the second reply half written.
fn chat(columns: u16, rows: u16) -> Session {
    let mut session = Session::ready(columns, rows);
    session.keys("What is a lantern?\n");
    session.reply("A lantern is a lamp with a handle.");
    session.keys("And a bank?\n");
    for (rounds, text) in
        [(8_u32, "A bank is"), (20, " a place"), (32, " that keeps money,"), (44, " or the edge of a river")]
    {
        let spans = vec![
            TokenSpan { rejected: Some(" never".into()), ..TokenSpan::new(2, Origin::Target) },
            TokenSpan::new(text.len() - 2, Origin::Accepted),
        ];
        session.event(Event::Text(Text { channel: Channel::Answer, text: text.into(), spans }));
        let accepted = rounds / 2;
        session.event(Event::Progress(Counters {
            predicted: rounds + accepted,
            rounds,
            tested: rounds,
            accepted,
            tested_by_position: vec![rounds, accepted],
            accepted_by_position: vec![accepted, accepted / 2],
            elapsed: Duration::from_millis(50 * u64::from(rounds)),
            ..counters()
        }));
    }
    let mut auto = standing(Activity::On, 4, None);
    auto.asked = Speculation { length: DraftLength::Auto(4), p_min: 0.0 };
    session.event(Event::Speculation(auto));
    session.keys("a next question");
    session
}

#[test]
fn start() {
    snapshot("start", &SIZES, |columns, rows| {
        let mut session = Session::choosing(columns, rows);
        session.tell(Msg::Pairs(found()));
        session.screen()
    });
}

#[test]
fn loading() {
    snapshot("loading", &SIZES, |columns, rows| {
        let mut session = Session::loading(columns, rows);
        let memory = [
            ("weights", 13_400_000_000),
            ("cache of full-attention layers", 640_000_000),
            ("computing", 300_000_000),
        ]
        .map(|(what, bytes)| MemoryLine { what: what.into(), bytes });
        session.tell(Msg::Opened(Box::new(Opening {
            wanted: Wanted { model: "gemma-4-26B".into(), drafter: None },
            title: "gemma-4-26B".into(),
            sampling: SamplingSettings::default(),
            speculation: Speculation { length: DraftLength::Fixed(3), p_min: 0.0 },
            memory: memory.to_vec(),
            available: 22_000_000_000,
        })));
        session.event(Event::Loading { what: "/models/gemma-4-26B-Q4_0.gguf".into(), fraction: 1.0 });
        session.event(Event::Loading { what: "/models/mtp-gemma-4-26B-Q8_0.gguf".into(), fraction: 0.4 });
        session.screen()
    });
}

#[test]
fn chatting() {
    snapshot("chat", &SIZES, |columns, rows| chat(columns, rows).screen());
}

#[test]
fn inspector() {
    snapshot("inspector", &SIZES, |columns, rows| {
        let mut session = chat(columns, rows);
        // At the side of the wide ones it is open from the start.
        if columns < 110 {
            session.control('x');
            session.press(KeyCode::Char('p'), NONE);
        }
        session.screen()
    });
}

#[test]
fn token_view() {
    snapshot("tokens", &SIZES, |columns, rows| {
        let mut session = chat(columns, rows);
        session.control('x');
        session.press(KeyCode::Char('r'), NONE);
        session.screen()
    });
}

#[test]
fn models() {
    snapshot("models", &SIZES, |columns, rows| {
        let mut session = chat(columns, rows);
        session.control('o');
        session.tell(Msg::Pairs(found()));
        session.press(KeyCode::Down, NONE);
        session.screen()
    });
}

#[test]
fn settings() {
    snapshot("settings", &SIZES, |columns, rows| {
        let mut session = chat(columns, rows);
        session.control('x');
        session.press(KeyCode::Char(','), NONE);
        session.press(KeyCode::Down, NONE);
        session.screen()
    });
}

#[test]
fn palette() {
    snapshot("palette", &SIZES, |columns, rows| {
        let mut session = chat(columns, rows);
        session.control('p');
        session.keys("co");
        session.screen()
    });
}

#[test]
fn context() {
    snapshot("context", &SIZES, |columns, rows| {
        let mut session = chat(columns, rows);
        let mut reply = whole("A bank is a place", "", StopReason::ContextFull);
        reply.counters.context_used = 4096;
        session.event(Event::Done(reply));
        session.screen()
    });
}

#[test]
fn help() {
    snapshot("help", &SIZES, |columns, rows| {
        let mut session = Session::ready(columns, rows);
        session.keys("?");
        session.screen()
    });
}
