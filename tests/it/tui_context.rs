//! A context that fills up: the warning, and the choice when it is full. Nothing is left out silently.

use crossterm::event::KeyCode;

use slipstream::event::{Channel, Command, Counters, Event, Failure, StopReason, TooLong};
use slipstream::request::{Message, Prompt, Request, Role};
use slipstream::tui::app::Effect;

use crate::screen::{CONTROL, NONE, Session, counters, failure, model, piece, user, whole};

/// A session of so many turns, the context nearly full.
fn long_session(turns: usize) -> Session {
    let mut session = Session::ready(80, 20);
    for turn in 0..turns {
        session.keys(&format!("question {turn}\n"));
        session.event(piece(Channel::Answer, &format!("answer {turn}")));
        session.event(Event::Done(whole(&format!("answer {turn}"), "", StopReason::EndOfTurn)));
    }
    session.effects();
    session
}

fn used(tokens: u32) -> Counters {
    Counters { context_used: tokens, ..counters() }
}

/// The question that was asked does not fit.
fn does_not_fit(session: &mut Session) {
    let too_long = Some(TooLong { tokens: 4200, limit: 4095 });
    session.event(Event::Failed(Failure { too_long, ..failure(false) }));
}

#[test]
fn it_warns_once_at_ninety_percent() {
    let mut session = Session::ready(80, 20);
    session.keys("go\n");
    session.event(Event::Progress(used(3600)));
    assert!(!session.screen().contains("% full"));
    session.event(Event::Progress(used(3700)));
    session.event(Event::Progress(used(3900)));
    let screen = session.screen();
    assert_eq!(screen.matches("the context is 90 % full (3.7k of 4.1k tokens)").count(), 1, "{screen}");
    assert!(screen.lines().last().unwrap().contains("ctx 95%!"), "{screen}");
}

#[test]
fn a_reply_that_fills_it_opens_the_choice() {
    let mut session = long_session(4);
    session.keys("more\n");
    session.effects();
    let mut reply = whole("half an ans", "", StopReason::ContextFull);
    reply.counters.context_used = 4096;
    session.event(Event::Done(reply));
    let screen = session.screen();
    assert!(screen.contains("context: 100 % full") && screen.contains("› 1 leave it as it is"), "{screen}");
    assert!(screen.contains("2 leave out the oldest 3 of 5 turns"), "{screen}");
    session.press(KeyCode::Esc, NONE);
    session.keys("still all of it\n");
    assert_eq!(session.messages().len(), 11, "nothing is left out unless it is chosen");
}

#[test]
fn the_oldest_turns_are_left_out_by_choice_and_it_is_told() {
    let mut session = long_session(4);
    session.keys("too much\n");
    session.effects();
    does_not_fit(&mut session);
    let screen = session.screen().replace("\n ", " ");
    assert!(
        screen.contains("The conversation with this question has 4200 tokens, and the context holds 4095."),
        "{screen}"
    );
    session.press(KeyCode::Char('2'), NONE);
    // The question that did not fit is asked again by itself, without the oldest turns.
    assert_eq!(session.messages(), [user("question 3"), model("answer 3"), user("too much")]);
    let screen = session.screen();
    assert!(screen.contains("the oldest 3 turns are not sent to the model any more (about"), "{screen}");
    session.reply("fits");
    session.keys("and on\n");
    assert_eq!(session.messages().len(), 5);
    session.reply("yes");
    // Taking turns back does not leave out what comes after them.
    for _ in 0..6 {
        session.keys("/undo\n");
        session.state.composer.clear();
    }
    session.effects();
    session.keys("anew\n");
    assert_eq!(session.messages(), [user("anew")]);
    session.reply("yes");
    session.keys("more\n");
    assert_eq!(session.messages(), [user("anew"), model("yes"), user("more")]);
}

#[test]
fn taking_the_question_back_leaves_everything_as_it_was() {
    let mut session = long_session(2);
    session.keys("too much\n");
    does_not_fit(&mut session);
    session.effects();
    session.press(KeyCode::Enter, NONE);
    assert_eq!(session.effects(), []);
    assert_eq!(session.state.composer.text(), "too much");
    assert!(session.screen().contains("nothing was left out"), "{}", session.screen());
}

#[test]
fn a_question_that_is_too_long_alone_is_told_so() {
    let mut session = Session::ready(80, 20);
    session.keys("too much\n");
    session.effects();
    does_not_fit(&mut session);
    session.press(KeyCode::Char('3'), NONE);
    assert_eq!(session.effects(), []);
    assert!(session.screen().contains("there are no earlier turns to leave out"), "{}", session.screen());
}

fn summary_request(session: &mut Session) -> Request {
    match session.effects().pop() {
        Some(Effect::Send(Command::Generate(request))) => request,
        other => panic!("no request but {other:?}"),
    }
}

fn messages(request: &Request) -> &[Message] {
    match &request.prompt {
        Prompt::Chat { messages, .. } => messages,
        Prompt::Raw(text) => panic!("raw prompt {text}"),
    }
}

#[test]
fn a_summary_stands_for_the_oldest_turns() {
    let mut session = long_session(4);
    session.keys("/system Be brief.\n");
    session.keys("too much\n");
    session.effects();
    does_not_fit(&mut session);
    session.press(KeyCode::Down, NONE);
    session.press(KeyCode::Down, NONE);
    session.press(KeyCode::Enter, NONE);
    let request = summary_request(&mut session);
    let asked = messages(&request);
    assert_eq!(asked.len(), 8, "instructions, three turns, the wish: {asked:?}");
    assert!(asked[7].text.starts_with("Summarise") && request.max_tokens.is_some());
    assert!(session.screen().contains("summarising 3 turns"), "{}", session.screen());
    session.event(piece(Channel::Answer, "They spoke of "));
    session.event(piece(Channel::Answer, "numbers."));
    session.event(Event::Done(whole("They spoke of numbers.", "", StopReason::EndOfTurn)));
    let sent = session.messages();
    assert_eq!(sent[0].role, Role::System);
    assert_eq!(sent[0].text, "Be brief.\n\nWhat was said before, in short:\nThey spoke of numbers.");
    assert_eq!(sent[1..], [user("question 3"), model("answer 3"), user("too much")]);
    assert!(session.screen().contains("They spoke of numbers."), "{}", session.screen());
}

#[test]
fn a_summary_that_is_stopped_or_fails_leaves_nothing_out() {
    for end in [
        Event::Done(whole("half", "", StopReason::Cancelled)),
        Event::Done(whole("", "", StopReason::EndOfTurn)),
        Event::Failed(failure(false)),
    ] {
        let mut session = long_session(4);
        session.keys("/compact\n");
        session.event(piece(Channel::Answer, " "));
        session.event(end);
        assert!(
            session.screen().contains("no summary was written: nothing was left out"),
            "{}",
            session.screen()
        );
        session.effects();
        session.keys("next\n");
        assert_eq!(session.messages().len(), 9);
    }
}

#[test]
fn compacting_waits_for_the_reply() {
    let mut session = long_session(2);
    session.keys("go\n");
    session.effects();
    session.keys("/compact\n");
    assert_eq!(session.effects(), []);
    session.press(KeyCode::Char('x'), CONTROL);
    session.keys("c2");
    assert_eq!(session.effects(), []);
    assert!(session.screen().contains("a reply is being written"), "{}", session.screen());
}
