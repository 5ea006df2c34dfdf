//! What was said is in the store, with its settings, numbers and tokens.

use crossterm::event::KeyCode;

use slipstream::event::{Channel, Event, Failure, StopReason, Text, TooLong};
use slipstream::sessions::{INTERRUPTED, Question, Report, Speaker, StoreError};
use slipstream::token::{Origin, TokenSpan};
use slipstream::tui::app::Msg;
use slipstream::tui::sessions::Told;

use super::desk::Desk;
use crate::screen::{NONE, failure, piece, whole};

#[test]
fn a_chat_is_in_the_store_turn_by_turn() {
    let mut desk = Desk::new(80, 24);
    assert_eq!(desk.state.sessions.chat.id(), None);
    desk.say("/set temp 0.5");
    assert!(desk.wishes().is_empty(), "nothing was said: there is nothing to keep");
    desk.turn("What is a river?", "Water that flows.");
    desk.turn("And a lake?", "Water that stays.");
    let stored = desk.stored();
    assert_eq!(stored.info.title, "What is a river?");
    let said: Vec<(Speaker, &str)> = stored.turns.iter().map(|turn| (turn.speaker, &*turn.text)).collect();
    let (user, model) = (Speaker::User, Speaker::Model);
    assert_eq!(
        said,
        [
            (user, "What is a river?"),
            (model, "Water that flows."),
            (user, "And a lake?"),
            (model, "Water that stays.")
        ]
    );
    assert_eq!(stored.head, stored.turns.last().map(|turn| turn.id));
    assert_eq!(stored.turns[1].ended.as_deref(), Some("eot"));
    assert_eq!(stored.turns[1].numbers.as_ref().unwrap()["predicted_n"], 61);
    assert_eq!(stored.info.settings.sampling.as_ref().unwrap().temp, 0.5);
    assert_eq!(stored.info.settings.model.as_ref().unwrap().name, "pocket");
}

#[test]
fn a_running_reply_is_stored_as_it_grows() {
    let mut desk = Desk::new(80, 24);
    desk.say("go");
    let spans = vec![
        TokenSpan::new(4, Origin::Accepted),
        TokenSpan { rejected: Some(" blue".into()), ..TokenSpan::new(4, Origin::Target) },
    ];
    desk.event(Event::Text(Text { channel: Channel::Answer, text: "Half red".into(), spans }));
    let stored = desk.stored();
    let reply = stored.turns.last().unwrap();
    assert_eq!((reply.text.as_str(), reply.ended.as_deref()), ("Half red", None));
    // The program ends: what was written is all there is, and says so when it is opened again.
    let mut desk = desk.restarted(80, 24);
    desk.open(stored.info.id);
    assert!(desk.screen().contains(INTERRUPTED), "{}", desk.screen());
    // Its tokens are there, too.
    desk.keys("/tokens rejected\n");
    desk.settle();
    assert!(desk.screen().contains("Half[ blue] red"), "{}", desk.screen());
}

#[test]
fn leaving_ends_the_reply_that_runs() {
    let mut desk = Desk::new(80, 24);
    desk.say("go");
    desk.event(piece(Channel::Answer, "half"));
    desk.press(KeyCode::Char('c'), crate::screen::CONTROL);
    desk.press(KeyCode::Char('c'), crate::screen::CONTROL);
    let stored = desk.stored();
    let reply = stored.turns.last().unwrap();
    assert_eq!((reply.text.as_str(), reply.ended.as_deref()), ("half", Some("cancelled")));
}

#[test]
fn what_fails_is_kept_as_failed() {
    let mut desk = Desk::new(80, 24);
    desk.say("go");
    desk.event(Event::Failed(failure(false)));
    assert_eq!(desk.stored().turns.last().unwrap().ended.as_deref(), Some("failed"));
    desk.say("go on");
    desk.event(piece(Channel::Answer, "half"));
    desk.event(Event::Failed(failure(true)));
    let stored = desk.stored();
    assert_eq!(stored.turns.last().unwrap().ended.as_deref(), Some("failed"));
    assert_eq!(stored.turns.last().unwrap().text, "half");
}

#[test]
fn a_question_that_did_not_fit_is_asked_anew_in_the_same_place() {
    let mut desk = Desk::new(80, 24);
    desk.turn("one", "first answer");
    desk.turn("two", "second answer");
    desk.say("three");
    let too_long = Some(TooLong { tokens: 5000, limit: 4095 });
    desk.event(Event::Failed(Failure { too_long, ..failure(false) }));
    desk.settle();
    // Drop the oldest turns.
    desk.press(KeyCode::Char('2'), NONE);
    desk.settle();
    desk.reply("third answer");
    let stored = desk.stored();
    let texts: Vec<&str> = stored.turns.iter().map(|turn| turn.text.as_str()).collect();
    assert_eq!(texts, ["one", "first answer", "two", "second answer", "three", "third answer"]);
    // What got no answer is no version of it.
    assert_eq!(stored.tree.version(stored.turns[4].id), Some((1, 1)));
    assert!(stored.sent_from.is_some());
    // It is so after a restart, too.
    let sent = desk.state.messages();
    let mut desk = desk.restarted(80, 24);
    desk.open(stored.info.id);
    assert_eq!(desk.state.messages(), sent);
}

#[test]
fn settings_are_kept_as_they_change_and_come_back() {
    let mut desk = Desk::new(80, 24);
    desk.turn("one", "answer");
    for command in ["/system Be brief.", "/think on", "/set top_k 7", "/set seed 99"] {
        desk.say(command);
    }
    let stored = desk.stored();
    assert_eq!(stored.info.settings.system.as_deref(), Some("Be brief."));
    let mut desk = desk.restarted(80, 24);
    assert_eq!(desk.state.start.system, None);
    desk.open(stored.info.id);
    let start = &desk.state.start;
    assert_eq!(start.system.as_deref(), Some("Be brief."));
    assert!(start.thinking);
    assert_eq!((start.sampling.top_k, start.sampling.seed), (7, 99));
    assert!(desk.wishes().is_empty(), "opening changes nothing");
}

#[test]
fn trouble_with_the_disk_is_one_quiet_line_that_goes_away() {
    let mut desk = Desk::new(80, 24);
    desk.turn("one", "answer");
    let error = StoreError::Full { path: "/data/sessions.db".into(), what: "disk full".into() };
    desk.tell(Msg::Sessions(Told::Report(Report::Trouble(error))));
    let screen = desk.screen();
    assert_eq!(screen.matches("not saved yet").count(), 1, "{screen}");
    desk.turn("two", "answer");
    assert!(desk.screen().contains("not saved yet"));
    desk.tell(Msg::Sessions(Told::Report(Report::TroubleOver)));
    assert!(!desk.screen().contains("not saved"));
}

#[test]
fn a_stop_text_and_a_limit_end_a_reply_as_they_did() {
    let mut desk = Desk::new(80, 24);
    desk.say("go");
    desk.event(piece(Channel::Answer, "some text END"));
    // The engine's last word counts.
    desk.event(Event::Done(whole("some text", "", StopReason::StopText)));
    let stored = desk.stored();
    let reply = stored.turns.last().unwrap();
    assert_eq!((reply.text.as_str(), reply.ended.as_deref()), ("some text", Some("stop")));
    let answer = desk.ask(Question::Trace(reply.id));
    assert!(matches!(answer, Report::Answer(_)));
}
