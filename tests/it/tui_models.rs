//! Choosing a pair: the start screen, the models screen, loading and its cancelling, switching in the midst of a chat.

use crossterm::event::KeyCode;

use slipstream::event::{Channel, Command, Event, Failure};
use slipstream::request::{DraftLength, SamplingSettings, Speculation};
use slipstream::tui::Exit;
use slipstream::tui::app::{Effect, Msg, Stage};
use slipstream::tui::host::{Found, MemoryLine, Opening, Wanted};

use crate::screen::{NONE, Session, failure, found, loaded, model, pair, piece, user};

fn wanted(model: &str) -> Wanted {
    Wanted { model: model.into(), drafter: Some("auto".into()) }
}

fn opening(title: &str, sampling: SamplingSettings) -> Opening {
    Opening {
        wanted: wanted(title),
        title: title.into(),
        sampling,
        speculation: Speculation { length: DraftLength::Fixed(3), p_min: 0.0 },
        memory: vec![
            MemoryLine { what: "weights".into(), bytes: 14_000_000_000 },
            MemoryLine { what: "computing".into(), bytes: 300_000_000 },
        ],
        available: 22_000_000_000,
    }
}

#[test]
fn without_a_model_one_is_chosen_first() {
    let mut session = Session::choosing(80, 20);
    assert_eq!(session.state.stage(), Stage::Choosing);
    assert!(session.screen().contains("looking for models"));
    // Nothing there to open yet: Enter does nothing.
    session.press(KeyCode::Enter, NONE);
    session.tell(Msg::Pairs(found()));
    session.keys("hello");
    assert!(session.state.composer.is_empty(), "there is no input on the start screen");
    let screen = session.screen();
    assert!(screen.contains("› gemma-4-26B + drafter"), "{screen}");
    assert!(screen.contains("24.6"), "the speed that tune has measured: {screen}");
    session.press(KeyCode::Down, NONE);
    session.press(KeyCode::Enter, NONE);
    assert_eq!(session.effects(), [Effect::Open(wanted("/models/gemma-4-31B-Q8_0.gguf"))]);
    assert_eq!(session.state.stage(), Stage::Opening);
    session.tell(Msg::Opened(Box::new(opening("gemma", SamplingSettings::default()))));
    session.event(Event::Ready(loaded()));
    session.keys("hello\n");
    assert_eq!(session.messages(), [user("hello")]);
}

#[test]
fn where_there_is_but_one_pair_it_tells_where_it_looked() {
    let mut session = Session::choosing(80, 20);
    let pairs = vec![pair("pocket", "pocket", 13_000_000, true)];
    session.tell(Msg::Pairs(Found { pairs, folders: vec!["/home/me/models".into()], unreadable: 2 }));
    let screen = session.screen();
    assert!(screen.contains("Looked into /home/me/models."), "{screen}");
    assert!(
        screen.contains("slipstream chat FILE.gguf") && screen.contains("2 files could not be read"),
        "{screen}"
    );
    session.tell(Msg::Pairs(found()));
    assert!(!session.screen().contains("Looked into"));
}

#[test]
fn the_start_screen_is_left_by_escape_and_looks_again_by_r() {
    let mut session = Session::choosing(80, 20);
    session.tell(Msg::Pairs(Found::default()));
    session.keys("r");
    assert_eq!(session.effects(), [Effect::FindPairs]);
    session.keys("?");
    assert!(!session.screen().contains("Enter loads"), "the help is open");
    session.press(KeyCode::Esc, NONE);
    assert!(session.screen().contains("Enter loads"));
    session.press(KeyCode::Esc, NONE);
    assert!(session.effects().contains(&Effect::Exit(Exit::Quit)));
    let mut session = Session::choosing(80, 20);
    session.control('c');
    assert!(session.effects().contains(&Effect::Exit(Exit::Interrupted)));
}

#[test]
fn loading_shows_the_memory_it_will_take_and_can_be_cancelled() {
    let mut session = Session::choosing(60, 12);
    session.tell(Msg::Pairs(found()));
    session.press(KeyCode::Enter, NONE);
    session.effects();
    session.tell(Msg::Opened(Box::new(opening("gemma", SamplingSettings::default()))));
    session.event(Event::Loading { what: "/models/gemma-4-26B-Q4_0.gguf".into(), fraction: 0.5 });
    let screen = session.screen();
    for line in [
        "memory needed: 14.3 GB of 22.0 GB free (estimated)",
        "   14.0 GB  weights",
        "    300 MB  computing",
        "Esc cancels",
    ] {
        assert!(screen.lines().any(|shown| shown.trim() == line.trim()), "{line} in\n{screen}");
    }
    session.press(KeyCode::Esc, NONE);
    assert_eq!(session.effects(), [Effect::Cancel]);
    // The engine lets go when it has finished what it is at: a large file may take seconds.
    let screen = session.screen();
    assert!(screen.contains("stopping…") && !screen.contains("Esc cancels"), "{screen}");
    session.event(Event::Failed(Failure { code: 130, too_long: None, ..failure(true) }));
    assert_eq!(session.effects(), [], "the list is known already");
    let screen = session.screen();
    assert!(screen.contains("! loading was stopped") && screen.contains("gemma-4-26B"), "{screen}");
}

#[test]
fn a_model_of_the_command_line_that_fails_ends_the_program_unless_it_was_cancelled() {
    let mut session = Session::loading(60, 12);
    session.event(Event::Failed(failure(true)));
    assert_eq!(session.effects(), [Effect::Fail(failure(true))]);
    let mut session = Session::loading(60, 12);
    session.press(KeyCode::Esc, NONE);
    session.event(Event::Failed(Failure { code: 130, ..failure(true) }));
    assert_eq!(session.effects(), [Effect::Cancel, Effect::FindPairs]);
    assert_eq!(session.state.stage(), Stage::Choosing);
}

#[test]
fn a_pair_that_cannot_be_opened_leaves_the_list_and_says_why() {
    let mut session = Session::choosing(80, 14);
    session.tell(Msg::Pairs(found()));
    session.press(KeyCode::Enter, NONE);
    session.tell(Msg::Refused(failure(true)));
    let screen = session.screen();
    assert!(
        screen.contains("! decoding 9 tokens: no room in the cache; start with a larger --ctx"),
        "{screen}"
    );
    assert!(screen.contains("› gemma-4-26B"), "{screen}");
}

#[test]
fn another_pair_takes_the_chat_over() {
    let mut session = Session::ready(80, 16);
    session.keys("first\n");
    session.reply("answer");
    session.keys("/set seed 5\n");
    session.keys("second\n");
    session.event(piece(Channel::Answer, "half"));
    session.effects();
    session.control('o');
    assert_eq!(session.effects(), [Effect::FindPairs]);
    session.tell(Msg::Pairs(found()));
    session.press(KeyCode::Enter, NONE);
    let open = Effect::Open(wanted("/models/gemma-4-26B-Q4_0.gguf"));
    assert_eq!(session.effects(), [Effect::Cancel, open], "the running reply is stopped first");
    // Typed while it loads: kept.
    session.keys("third");
    let own = SamplingSettings { temperature: 0.7, ..SamplingSettings::default() };
    session.tell(Msg::Opened(Box::new(opening("gemma", own))));
    session.event(Event::Ready(loaded()));
    assert!(session.screen().contains("stopped: another model was opened"), "{}", session.screen());
    session.press(KeyCode::Enter, NONE);
    let request = session.request();
    assert_eq!(
        (request.sampling.temperature, request.sampling.seed),
        (0.7, 5),
        "the new model's own, my seed"
    );
    let messages = [user("first"), model("answer"), user("second"), model("half"), user("third")];
    assert_eq!(session.state.messages(), messages);
}

#[test]
fn what_was_set_stays_set_with_another_pair() {
    let mut session = Session::ready(80, 16);
    session.keys("/set temp 0.2\n/draft 2\n/model gemma\n");
    let open = Effect::Open(Wanted { model: "gemma".into(), drafter: None });
    assert_eq!(session.effects().last(), Some(&open));
    let own = SamplingSettings { temperature: 0.7, ..SamplingSettings::default() };
    session.tell(Msg::Opened(Box::new(opening("gemma", own))));
    session.event(Event::Ready(loaded()));
    let two = Speculation { length: DraftLength::Fixed(2), p_min: 0.0 };
    assert_eq!(session.effects(), [Effect::Send(Command::SetSpeculation(two))]);
    session.keys("go\n");
    assert_eq!(session.request().sampling.temperature, 0.2);
}

#[test]
fn another_drafter_opens_the_pair_anew() {
    let mut session = Session::ready(80, 16);
    session.keys("/pair\n");
    assert!(session.screen().contains("drafter: /models/pocket-mtp.gguf"), "{}", session.screen());
    session.keys("/pair none\n");
    let open = Wanted { model: "pocket".into(), drafter: Some("none".into()) };
    assert_eq!(session.effects(), [Effect::Open(open)]);
}

#[test]
fn the_list_says_what_does_not_fit_on_any_width() {
    for columns in [30, 40, 69, 70, 110, 200] {
        let mut session = Session::choosing(columns, 20);
        let pairs =
            vec![pair("tiny", "/a.gguf", 1_000_000, true), pair("huge", "/b.gguf", 90_000_000_000, false)];
        session.tell(Msg::Pairs(Found { pairs, ..Found::default() }));
        let screen = session.screen();
        let line =
            |name: &str| screen.lines().find(|line| line.contains(name)).unwrap_or_default().to_owned();
        let says_no = line("huge").contains("too large") || line("huge").contains(" no ");
        assert!(says_no, "{screen}");
        assert!(!line("tiny").contains("too large"), "{screen}");
    }
}
