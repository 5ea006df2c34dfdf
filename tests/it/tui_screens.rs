//! Every screen at four sizes, as files that are looked at when they change.

use std::time::Duration;

use crossterm::event::KeyCode;
use ratatui::style::Color;

use slipstream::event::{Activity, Channel, Counters, Event, StopReason, Text};
use slipstream::request::{DraftLength, SamplingSettings, Speculation};
use slipstream::token::{Origin, TokenSpan};
use slipstream::tui::app::Msg;
use slipstream::tui::host::{MemoryLine, Opening, Wanted};
use slipstream::tui::theme::Theme;

use crate::screen::{NONE, SIZES, Session, counters, found, snapshot, standing, whole};

/// A chat of two turns, the second reply half written.
fn chat(columns: u16, rows: u16) -> Session {
    chat_seen(columns, rows, |_| {})
}

/// The same, looked at while it is written.
fn chat_seen(columns: u16, rows: u16, mut look: impl FnMut(&mut Session)) -> Session {
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
        look(&mut session);
    }
    let mut auto = standing(Activity::On, 4, None);
    auto.asked = Speculation { length: DraftLength::Auto(4), p_min: 0.0 };
    session.event(Event::Speculation(auto));
    session.keys("a next question");
    session
}

/// Leads to a screen of this size.
type Way = fn(u16, u16) -> Session;

/// The screens.
const SCREENS: &[(&str, Way)] = &[
    ("start", start),
    ("loading", loading),
    ("chat", chatting),
    ("inspector", inspector),
    ("tokens", token_view),
    ("models", models),
    ("settings", settings),
    ("palette", palette),
    ("context", context),
    ("help", help),
];

fn start(columns: u16, rows: u16) -> Session {
    let mut session = Session::choosing(columns, rows);
    session.tell(Msg::Pairs(found()));
    session
}

fn loading(columns: u16, rows: u16) -> Session {
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
    session
}

fn chatting(columns: u16, rows: u16) -> Session {
    chat(columns, rows)
}

fn inspector(columns: u16, rows: u16) -> Session {
    let mut session = chat(columns, rows);
    // At the side of the wide ones it is open from the start.
    if columns < 110 {
        session.control('x');
        session.press(KeyCode::Char('p'), NONE);
    }
    session
}

fn token_view(columns: u16, rows: u16) -> Session {
    let mut session = chat(columns, rows);
    session.control('x');
    session.press(KeyCode::Char('r'), NONE);
    session
}

fn models(columns: u16, rows: u16) -> Session {
    let mut session = chat(columns, rows);
    session.control('o');
    session.tell(Msg::Pairs(found()));
    session.press(KeyCode::Down, NONE);
    session
}

fn settings(columns: u16, rows: u16) -> Session {
    let mut session = chat(columns, rows);
    session.control('x');
    session.press(KeyCode::Char(','), NONE);
    session.press(KeyCode::Down, NONE);
    session
}

fn palette(columns: u16, rows: u16) -> Session {
    let mut session = chat(columns, rows);
    session.control('p');
    session.keys("co");
    session
}

fn context(columns: u16, rows: u16) -> Session {
    let mut session = chat(columns, rows);
    let mut reply = whole("A bank is a place", "", StopReason::ContextFull);
    reply.counters.context_used = 4096;
    session.event(Event::Done(reply));
    session
}

fn help(columns: u16, rows: u16) -> Session {
    let mut session = Session::ready(columns, rows);
    session.keys("?");
    session
}

#[test]
fn screens_are_as_they_were() {
    for (name, screen) in SCREENS {
        snapshot(name, &SIZES, |columns, rows| screen(columns, rows).screen());
    }
}

/// The terminal's own sixteen colours suit its background, and nothing is told by colour alone.
#[test]
fn every_screen_on_every_size_with_sixteen_colours_or_none() {
    let sizes = [(10, 3), (20, 5), (40, 10), (41, 9), (64, 16), (109, 30), (110, 30), (300, 100)];
    for (name, screen) in SCREENS {
        for (columns, rows) in sizes {
            let mut session = screen(columns, rows);
            let plain = session.screen();
            for theme in [Theme::new(false), Theme::new(true), Theme::new(true).on_light()] {
                session.theme = theme;
                assert_eq!(session.screen(), plain, "{name} at {columns}x{rows}");
                let none = |colour: Color| colour == Color::Reset;
                let of_sixteen = |colour: Color| !matches!(colour, Color::Rgb(..) | Color::Indexed(_));
                for cell in session.buffer().content() {
                    let fine =
                        |colour| if theme == Theme::new(false) { none(colour) } else { of_sixteen(colour) };
                    assert!(fine(cell.fg) && fine(cell.bg), "{name} at {columns}x{rows}: {cell:?}");
                    // Pale colours cannot be read on a light background.
                    let pale = matches!(cell.fg, Color::Yellow | Color::LightGreen | Color::White);
                    assert!(!pale || theme != Theme::new(true).on_light(), "{name}: {cell:?}");
                }
            }
        }
    }
}

#[test]
fn a_screen_that_was_resized_while_a_reply_is_written_is_as_one_that_was_not() {
    let mut sizes =
        [(300, 100), (40, 10), (10, 3), (80, 24), (120, 9), (64, 40), (200, 50)].into_iter().cycle();
    for (columns, rows) in [(40, 10), (80, 24), (110, 30), (300, 100)] {
        let mut resized = chat_seen(80, 24, |session| {
            for _ in 0..3 {
                let (columns, rows) = sizes.next().unwrap();
                session.resize(columns, rows);
                session.draw();
            }
        });
        resized.resize(columns, rows);
        assert_eq!(resized.screen(), chat(columns, rows).screen(), "{columns}x{rows}");
    }
}
