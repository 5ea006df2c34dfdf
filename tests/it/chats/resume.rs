//! Opening what was kept: from the sessions screen, from the start screen, by name; search, rename, delete, files.

use crossterm::event::KeyCode;

use slipstream::event::{Channel, Event};
use slipstream::sessions::{Format, Question};
use slipstream::tui::app::{Effect, Msg, Stage};
use slipstream::tui::host::Wanted;
use slipstream::tui::sessions::{Told, Wish};

use super::desk::Desk;
use crate::screen::{CONTROL, NONE, Session, found, model, piece, user};

/// Three sessions; the last one is open.
fn three() -> Desk {
    let mut desk = Desk::new(80, 24);
    desk.turn("What is a river?", "Water that flows to the sea.");
    desk.say("/new");
    desk.turn("What is a lantern?", "A lamp with a handle.");
    desk.say("/new");
    desk.turn("What is a clock?", "It shows the time.");
    desk
}

#[test]
fn the_list_opens_what_is_marked() {
    let mut desk = three();
    desk.control('s');
    desk.settle();
    let screen = desk.screen();
    for title in ["What is a river?", "What is a lantern?", "● What is a clock?"] {
        assert!(screen.contains(title), "{title} in\n{screen}");
    }
    // All were made at the same time: whichever order, two of them are not open.
    desk.keys("lantern");
    desk.settle();
    let screen = desk.screen();
    assert!(screen.contains("find: lantern") && !screen.contains("river"), "{screen}");
    desk.press(KeyCode::Enter, NONE);
    desk.settle();
    assert_eq!(desk.state.messages(), [user("What is a lantern?"), model("A lamp with a handle.")]);
    let screen = desk.screen();
    assert!(screen.contains("A lamp with a handle.") && screen.contains("61 tokens"), "{screen}");
    // And it goes on.
    desk.turn("And a torch?", "A lamp without one.");
    assert_eq!(desk.texts().len(), 4);
}

#[test]
fn what_is_typed_is_searched_in_all_that_was_said() {
    let mut desk = three();
    desk.say("/search handle");
    let screen = desk.screen();
    assert!(screen.contains("What is a lantern?") && screen.contains("lamp with a handle"), "{screen}");
    assert!(!screen.contains("clock"), "{screen}");
    // An answer to what was typed before is no answer.
    desk.keys("x");
    let old = desk.ask(Question::Search("handle".into(), 10));
    desk.tell(Msg::Sessions(Told::Report(old)));
    desk.settle();
    assert!(desk.screen().contains("nothing found"), "{}", desk.screen());
    desk.press(KeyCode::Esc, NONE);
    desk.settle();
    assert!(desk.screen().contains("What is a clock?"), "the whole list again: {}", desk.screen());
    desk.press(KeyCode::Esc, NONE);
    assert!(!desk.screen().contains("sessions  find"), "{}", desk.screen());
}

#[test]
fn a_title_is_changed_in_the_list_and_by_the_command() {
    let mut desk = three();
    desk.say("/rename Timepieces");
    assert_eq!(desk.stored().info.title, "Timepieces");
    desk.control('s');
    desk.settle();
    desk.keys("Timep");
    desk.settle();
    desk.control('x');
    desk.press(KeyCode::Char('n'), NONE);
    assert!(desk.screen().contains("title: Timepieces"), "{}", desk.screen());
    desk.press(KeyCode::Char('u'), CONTROL);
    desk.keys("Clocks\n");
    desk.settle();
    assert_eq!(desk.stored().info.title, "Clocks");
    assert!(desk.screen().contains("Clocks"), "{}", desk.screen());
}

#[test]
fn a_deleted_session_comes_back() {
    let mut desk = three();
    desk.control('s');
    desk.settle();
    desk.keys("lantern");
    desk.settle();
    desk.press(KeyCode::Delete, NONE);
    desk.settle();
    assert!(!desk.screen().contains("What is a lantern?\u{20}\u{20}"), "{}", desk.screen());
    desk.press(KeyCode::Esc, NONE);
    desk.settle();
    assert_eq!(desk.state.sessions.list.infos().unwrap().len(), 2);
    desk.control('x');
    desk.press(KeyCode::Char('z'), NONE);
    desk.settle();
    assert_eq!(desk.state.sessions.list.infos().unwrap().len(), 3);
    desk.press(KeyCode::Esc, NONE);
    desk.press(KeyCode::Esc, NONE);
    // The open one: what follows is another session.
    let before = desk.stored();
    desk.say("/delete");
    assert_eq!(desk.state.messages(), []);
    assert_eq!(desk.state.sessions.chat.id(), None);
    desk.say("/restore");
    assert!(desk.screen().contains("is back"), "{}", desk.screen());
    assert!(desk.stored_as(before.info.id).info.deletion.is_none());
}

#[test]
fn nothing_is_opened_or_deleted_under_a_running_reply() {
    let mut desk = three();
    let id = desk.state.sessions.chat.id();
    desk.say("go on");
    desk.event(piece(Channel::Answer, "half"));
    desk.control('s');
    desk.settle();
    desk.keys("lantern");
    desk.settle();
    desk.press(KeyCode::Enter, NONE);
    desk.settle();
    desk.press(KeyCode::Esc, NONE);
    desk.press(KeyCode::Esc, NONE);
    for command in ["/delete", "/new", "/resume", "/edit", "/undo", "/branch 1", "/restore"] {
        desk.say(command);
    }
    assert_eq!(desk.state.sessions.chat.id(), id);
    assert!(desk.screen().contains("half"), "{}", desk.screen());
}

#[test]
fn the_start_screen_tells_of_the_last_chat_and_opens_it_with_its_model() {
    let mut desk = three();
    let last = desk.stored().info.id;
    let mut desk = desk.restarted_as(Session::choosing(80, 24));
    let answer = desk.ask(Question::Sessions);
    desk.tell(Msg::Pairs(found()));
    desk.tell(Msg::Sessions(Told::Report(answer)));
    let screen = desk.screen();
    assert!(screen.contains("Ctrl+S") && screen.contains("3 earlier chats"), "{screen}");
    desk.control('s');
    desk.settle();
    assert!(desk.screen().contains("find:"), "{}", desk.screen());
    desk.keys("clock");
    desk.settle();
    desk.press(KeyCode::Enter, NONE);
    desk.settle();
    assert_eq!(desk.effects(), [Effect::Open(Wanted { model: "pocket".into(), drafter: None })]);
    assert_eq!(desk.state.stage(), Stage::Opening);
    desk.ready();
    assert_eq!(desk.state.sessions.chat.id(), Some(last));
    assert_eq!(desk.state.messages(), [user("What is a clock?"), model("It shows the time.")]);
    assert!(desk.other.contains(&Wish::Unpark(last)), "its cache may be there: {:?}", desk.other);
}

#[test]
fn a_session_opened_on_the_command_line_is_there_when_the_model_is() {
    let mut desk = three();
    let last = desk.stored().info.id;
    let mut desk = desk.restarted_as(Session::loading(80, 24));
    desk.open(last);
    desk.ready();
    let screen = desk.screen();
    assert!(screen.contains("It shows the time."), "{screen}");
    desk.turn("And a sundial?", "So does it.");
    assert_eq!(desk.texts().len(), 4);
}

#[test]
fn another_model_than_the_one_that_answered_is_told() {
    let mut desk = three();
    let last = desk.stored().info.id;
    let mut session = Session::loading(80, 24);
    let ready = slipstream::event::Ready { model_name: "other".into(), ..crate::screen::loaded() };
    session.event(Event::Ready(ready));
    let mut desk = desk.restarted_as(session);
    desk.open(last);
    assert!(desk.screen().contains("the replies above are pocket's"), "{}", desk.screen());
}

#[test]
fn files_are_written_and_read_by_the_program_around() {
    let mut desk = three();
    let session = desk.stored().info.id;
    for command in ["/export", "/export json", "/save out.md", "/export json notes.txt", "/import old.json"] {
        desk.say(command);
    }
    let export = |format, file: &str| Wish::Export { session, format, file: file.into() };
    let (markdown, json) = (Format::Markdown, Format::Json);
    let wishes: Vec<Wish> = desk
        .other
        .iter()
        .filter(|wish| matches!(wish, Wish::Export { .. } | Wish::Import(_)))
        .cloned()
        .collect();
    assert_eq!(
        wishes,
        [
            export(markdown, "what-is-a-clock.md"),
            export(json, "what-is-a-clock.json"),
            export(markdown, "out.md"),
            export(json, "notes.txt"),
            Wish::Import("old.json".into())
        ]
    );
    desk.tell(Msg::Sessions(Told::Said("written to out.md".into())));
    assert!(desk.screen().contains("written to out.md"), "{}", desk.screen());
}

#[test]
fn leaving_and_coming_back_park_the_cache() {
    let mut desk = three();
    desk.settle();
    let (session, head) = (desk.stored().info.id, desk.state.sessions.chat.head());
    desk.other.clear();
    desk.say("/new");
    assert_eq!(desk.other, [Wish::Park(session, head)]);
    desk.other.clear();
    desk.open(session);
    assert_eq!(desk.other, [Wish::Unpark(session)], "nothing was said in the new one");
    desk.other.clear();
    desk.control('d');
    desk.settle();
    assert_eq!(desk.other, [Wish::Park(session, head)]);
}

#[test]
fn an_imported_summary_stands_for_what_was_before_it() {
    let text = r#"{"kind": "slipstream sessions", "version": 1, "sessions": [{
        "title": "Old", "created_ms": 1, "updated_ms": 2, "settings": {}, "head": 6, "turns": [
        {"id": 1, "speaker": "user", "created_ms": 1, "ended": "written", "text": "one", "reasoning": ""},
        {"id": 2, "parent": 1, "speaker": "model", "created_ms": 1, "ended": "eot", "text": "first", "reasoning": ""},
        {"id": 3, "parent": 2, "speaker": "summary", "created_ms": 1, "ended": "written", "text": "they met", "reasoning": ""},
        {"id": 5, "parent": 3, "speaker": "user", "created_ms": 1, "ended": "written", "text": "two", "reasoning": ""},
        {"id": 6, "parent": 5, "speaker": "model", "created_ms": 1, "ended": "eot", "text": "second", "reasoning": ""}]}]}"#;
    let document = slipstream::sessions::parse_export(text).unwrap();
    let mut desk = Desk::new(80, 24);
    let answer = desk.ask(Question::Import(Box::new(document)));
    let slipstream::sessions::Report::Answer(slipstream::sessions::Answer::Imported(ids)) = answer else {
        panic!("{answer:?}")
    };
    desk.open(ids[0]);
    let messages = desk.state.messages();
    assert!(messages[0].text.ends_with("they met"), "{messages:?}");
    assert_eq!(messages[1..], [user("two"), model("second")]);
}
