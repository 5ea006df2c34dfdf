//! Speculation on the screen: the panel and its history, the keys that change it, the token view, the two sentences.

use std::time::Duration;

use crossterm::event::KeyCode;
use ratatui::style::Modifier;

use slipstream::event::{
    Activity, Channel, Command, Counters, Event, Ready, SpeculationState, StopReason, Text,
};
use slipstream::request::{DraftLength, Speculation};
use slipstream::token::{Origin, TokenSpan};
use slipstream::tui::app::Effect;

use crate::screen::{CONTROL, NONE, Session, counters, loaded, standing, whole};

fn asks(length: DraftLength, p_min: f32) -> [Effect; 1] {
    [Effect::Send(Command::SetSpeculation(Speculation { length, p_min }))]
}

fn auto(length: u32, activity: Activity, reason: Option<&str>) -> SpeculationState {
    let asked = Speculation { length: DraftLength::Auto(length), p_min: 0.0 };
    SpeculationState { activity, length, reason: reason.map(str::to_owned), asked }
}

/// Counters after so many rounds, of which the guesses at two places were accepted so often.
fn after(rounds: u32, first: u32, second: u32) -> Counters {
    Counters {
        predicted: rounds + first + second,
        rounds,
        tested: rounds + first,
        accepted: first + second,
        tested_by_position: vec![rounds, first],
        accepted_by_position: vec![first, second],
        elapsed: Duration::from_millis(100 * u64::from(rounds)),
        ..Counters::default()
    }
}

#[test]
fn the_panel_shows_how_acceptance_went() {
    let mut session = Session::ready(110, 30);
    session.keys("go\n");
    // Two dozen rounds in which everything is accepted, then two dozen in which nothing is.
    session.event(Event::Progress(after(12, 12, 12)));
    session.event(Event::Progress(after(24, 24, 24)));
    session.event(Event::Progress(after(36, 24, 24)));
    session.event(Event::Progress(after(48, 24, 24)));
    let screen = session.screen();
    assert!(screen.contains("accepted   67 % of 72  ██▁▁"), "{screen}");
    assert!(screen.contains("pos 1  0.50 █████      ██▁▁"), "{screen}");
    assert!(screen.contains("pos 2  1.00 ██████████ ██"), "{screen}");
    assert!(screen.contains("guesses    1.0 a round lately"), "{screen}");
    // Speed relative to the highest: three tokens a round, then one.
    assert!(screen.contains("now        10.0 t/s  ██▃▃"), "{screen}");
    assert!(screen.contains("plain      …") && screen.contains("gain       …"), "{screen}");
}

#[test]
fn the_state_and_its_reason_are_always_there() {
    for columns in [30, 40, 60, 80, 110] {
        let mut session = Session::ready(columns, 12);
        let status = |session: &mut Session| session.screen().lines().last().unwrap_or_default().to_owned();
        session.event(Event::Speculation(auto(4, Activity::On, None)));
        assert!(status(&mut session).contains("auto 4"), "{}", status(&mut session));
        session.keys("go\n");
        session.event(Event::Progress(counters()));
        assert!(status(&mut session).contains("auto 4"), "{}", status(&mut session));
        session.event(Event::Speculation(auto(4, Activity::Parked, Some("0.94x here"))));
        let line = status(&mut session);
        assert!(line.contains("draft parked") && (columns < 40 || line.contains("0.94x here")), "{line}");
        session.event(Event::Speculation(auto(4, Activity::Off, Some("the drafter failed"))));
        assert!(status(&mut session).contains("draft off"), "{}", status(&mut session));
    }
}

#[test]
fn keys_behind_the_prefix_change_it_while_the_reply_runs() {
    let mut session = Session::ready(80, 12);
    session.event(Event::Speculation(auto(4, Activity::On, None)));
    session.state.start.speculation.length = DraftLength::Auto(4);
    session.keys("go\n");
    session.effects();
    let after_prefix = |session: &mut Session, key: char| {
        session.control('x');
        assert!(session.screen().lines().last().unwrap_or_default().starts_with("Ctrl+X: p "));
        session.press(KeyCode::Char(key), NONE);
        session.effects()
    };
    assert_eq!(after_prefix(&mut session, '+'), asks(DraftLength::Auto(5), 0.0));
    assert_eq!(after_prefix(&mut session, '-'), asks(DraftLength::Auto(4), 0.0));
    assert_eq!(after_prefix(&mut session, 's'), asks(DraftLength::Fixed(4), 0.0));
    // What is echoed is the engine's answer, in the status line: not what was asked for.
    session.event(Event::Speculation(standing(Activity::On, 2, None)));
    let status = session.screen().lines().last().unwrap_or_default().to_owned();
    assert_eq!(status, "! draft on: up to 2 a round | draft 2");
    assert_eq!(after_prefix(&mut session, 's'), asks(DraftLength::Off, 0.0));
    assert_eq!(after_prefix(&mut session, 's'), asks(DraftLength::Auto(4), 0.0));
    // An unknown key after the prefix does nothing, is no text, and ends it.
    assert_eq!(after_prefix(&mut session, 'z'), []);
    session.keys("z");
    assert_eq!(session.state.composer.text(), "z");
    // Stopping comes first.
    session.control('x');
    session.control('c');
    assert_eq!(session.effects(), [Effect::Cancel]);
}

#[test]
fn the_commands_echo_what_is_in_effect() {
    let mut session = Session::ready(80, 14);
    session.keys("/draft auto\n/pmin 0.5\n");
    session.effects();
    let mut state = auto(4, Activity::On, None);
    state.asked.p_min = 0.5;
    session.event(Event::Speculation(state));
    assert!(session.screen().contains("draft auto: up to 4 a round, p-min 0.50"), "{}", session.screen());
    // One that nobody asked for is not echoed; going off by itself is told.
    session.event(Event::Speculation(auto(4, Activity::Parked, Some("0.9x here"))));
    session.event(Event::Speculation(auto(4, Activity::On, None)));
    assert_eq!(session.screen().matches("a round").count(), 1);
    session.event(Event::Speculation(auto(4, Activity::Off, Some("the drafter failed: out of cells"))));
    assert!(
        session.screen().contains(" draft off: the drafter failed: out of cells\n"),
        "{}",
        session.screen()
    );
}

#[test]
fn why_takes_two_sentences_and_the_numbers() {
    let mut session = Session::ready(100, 20);
    let why = |session: &mut Session| {
        session.state.transcript.clear();
        session.keys("/why\n");
        session
            .screen()
            .lines()
            .skip(1)
            .take_while(|line| !line.is_empty())
            .map(str::trim)
            .collect::<Vec<_>>()
            .join(" ")
    };
    session.event(Event::Speculation(auto(4, Activity::On, None)));
    assert_eq!(
        why(&mut session),
        "Speculation is on: pocket-mtp.gguf guesses up to 4 tokens a round and the target checks them in one pass. \
         Whether it pays is being measured, and it is parked where it does not."
    );
    session.event(Event::Progress(counters()));
    assert_eq!(
        why(&mut session),
        "Speculation is on: of what pocket-mtp.gguf guesses, up to 4 tokens a round, 71 % is accepted, so one pass of the \
         target gives 2.44 tokens. That is ×1.22 of the 24.6 t/s measured here without guesses."
    );
    session.event(Event::Progress(Counters { gain: Some(0.9), ..counters() }));
    assert!(why(&mut session).ends_with("without guesses, so it will be parked unless it gets better."));
    session.event(Event::Speculation(auto(4, Activity::Parked, Some("0.94x here"))));
    assert_eq!(
        why(&mut session),
        "Speculation is parked: it was measured to be no faster here (0.94x here, with 71 % accepted). It is tried again now \
         and then, and taken up when it pays; /draft on forces it."
    );
    session.event(Event::Speculation(standing(Activity::Off, 0, Some("turned off"))));
    assert!(why(&mut session).starts_with("Speculation is off: turned off. "));
    let speculation = standing(Activity::Off, 0, Some("no drafter fits this model"));
    let pairing = "no drafter fits this model".to_owned();
    session.event(Event::Ready(Ready {
        drafter: None,
        draft_kind: "none",
        pairing,
        speculation,
        ..loaded()
    }));
    assert_eq!(
        why(&mut session),
        "Speculation is off: no drafter fits this model. /pair FILE gives it a drafter, where you have one that fits."
    );
}

/// A reply whose tokens are told.
fn tokens(session: &mut Session, tokens: &[(&str, Origin, Option<&str>)]) {
    let text: String = tokens.iter().map(|(text, ..)| *text).collect();
    for (token, origin, rejected) in tokens {
        let span = TokenSpan { rejected: rejected.map(Into::into), ..TokenSpan::new(token.len(), *origin) };
        session.event(Event::Text(Text {
            channel: Channel::Answer,
            text: (*token).to_owned(),
            spans: vec![span],
        }));
    }
    session.event(Event::Done(whole(&text, "", StopReason::EndOfTurn)));
}

const LANTERN: [(&str, Origin, Option<&str>); 4] = [
    ("A", Origin::Target, None),
    (" lan", Origin::Accepted, None),
    ("tern", Origin::Accepted, None),
    (" glows", Origin::Target, Some(" shines bright")),
];

#[test]
fn the_token_view_marks_every_token_by_its_origin() {
    let mut session = Session::ready(60, 12);
    session.keys("go\n");
    tokens(&mut session, &LANTERN);
    assert!(session.screen().contains("\n A lantern glows\n"));
    session.control('x');
    session.press(KeyCode::Char('t'), NONE);
    let screen = session.screen();
    assert!(screen.contains(" accepted guess the target's own\n"), "{screen}");
    assert!(screen.contains("\n A lantern glows\n"), "{screen}");
    let row = screen.lines().position(|line| line == " A lantern glows").unwrap();
    let buffer = session.terminal.backend().buffer();
    let underlined: String = (0..18)
        .map(|x| &buffer[(x, row as u16)])
        .map(|cell| if cell.modifier.contains(Modifier::UNDERLINED) { '_' } else { '.' })
        .collect();
    // The space before a token is left bare: one sees where tokens begin.
    assert_eq!(underlined, "..._______........");
    session.control('x');
    session.press(KeyCode::Char('r'), NONE);
    let screen = session.screen();
    assert!(screen.contains(" A lantern[ shines bright] glows\n"), "{screen}");
    let row = screen.lines().position(|line| line.contains("shines")).unwrap();
    let cell = &session.terminal.backend().buffer()[(12, row as u16)];
    assert!(cell.modifier.contains(Modifier::CROSSED_OUT), "{cell:?}");
    session.keys("/tokens\n");
    assert!(session.screen().contains("\n A lantern glows\n 30.0 t/s"));
    session.keys("/tokens rejected\n");
    assert!(session.screen().contains("[ shines bright]"));
}

#[test]
fn the_token_view_is_live_and_scrolls() {
    let mut session = Session::ready(40, 10);
    session.keys("/tokens\ngo\n");
    for number in 0..30 {
        let text = format!("line {number}\n");
        let spans = vec![TokenSpan::new(text.len(), Origin::Accepted)];
        session.event(Event::Text(Text { channel: Channel::Answer, text, spans }));
    }
    assert!(session.screen().contains("line 29↵"));
    session.press(KeyCode::PageUp, NONE);
    assert!(!session.screen().contains("line 29↵"));
    session.press(KeyCode::Home, NONE);
    assert!(session.screen().contains(" you\n go\n"), "{}", session.screen());
    session.press(KeyCode::End, NONE);
    assert!(session.screen().contains("line 29↵"));
    // Where the final text is another one than was told, the tokens are not claimed to be known.
    session.event(Event::Done(whole("something else", "", StopReason::EndOfTurn)));
    assert!(session.screen().contains("(its tokens are not known)"), "{}", session.screen());
}

#[test]
fn every_request_of_the_chat_asks_for_rejected_guesses() {
    let mut session = Session::ready(40, 10);
    session.keys("go\n");
    assert!(session.request().tell_rejected);
}

#[test]
fn the_panel_scrolls_where_it_is_an_overlay() {
    let mut session = Session::ready(40, 10);
    session.keys("go\n");
    session.event(Event::Progress(counters()));
    session.control('x');
    session.press(KeyCode::Char('p'), NONE);
    assert!(session.screen().contains("│ speculation") && !session.screen().contains("memory"));
    for _ in 0..3 {
        session.press(KeyCode::PageDown, NONE);
    }
    assert!(session.screen().contains("│ memory     23 MB"), "{}", session.screen());
    // One writes on below it.
    session.keys("next");
    assert_eq!(session.state.composer.text(), "next");
    session.press(KeyCode::Char('x'), CONTROL);
    session.press(KeyCode::Char('p'), CONTROL);
    assert!(!session.screen().contains("│ memory"));
}
