//! The terminal UI without a terminal: keys and engine events in, whole screens and effects out.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;

use slipstream::event::{
    Activity, Channel, Command, Counters, Event, Failure, Prefill, Ready, StopReason, Text, TooLong,
};
use slipstream::request::{DraftLength, Message, Prompt, Role, SamplingSettings, Speculation};
use slipstream::token::{Origin, TokenSpan};
use slipstream::tui::app::{Effect, Msg};
use slipstream::tui::host::{Found, MemoryLine, Opening, Wanted};
use slipstream::tui::{Exit, keys};

use crate::screen::{
    CONTROL, NONE, Session, counters, failure, found, loaded, model, piece, same, standing, user, whole,
};

// -- screens

#[test]
fn loading_shows_files_and_bars() {
    let mut session = Session::loading(50, 5);
    session.event(Event::Loading { what: "/models/pocket.gguf".into(), fraction: 1.0 });
    session.event(Event::Loading { what: "/models/pocket-mtp.gguf".into(), fraction: 0.25 });
    session.event(Event::Loading { what: "/models/pocket-mtp.gguf".into(), fraction: 0.5 });
    session.keys("hi");
    same(
        &session.screen(),
        "
loading pocket
pocket.gguf                 ████████████████ 100%
pocket-mtp.gguf             ████████········  50%
Esc cancels; what you type is kept
",
    );
    session.press(KeyCode::Esc, NONE);
    assert_eq!(session.effects(), [Effect::Cancel]);
}

#[test]
fn a_whole_turn_on_a_small_screen() {
    let mut session = Session::ready(60, 12);
    session.keys("Hello there\n");
    assert_eq!(session.messages(), [user("Hello there")]);
    session.event(Event::Prefill(Prefill { done: 8, total: 20, reused: 0 }));
    same(
        &session.screen(),
        "
 slipstream  pocket  Q8_0                       Hello there
 you
 Hello there

 model




────────────────────────────────────────────────────────────
› ask something, or /help
● reading 8/20  draft 3 | ctx 0% | Esc stop  ? help",
    );
    session.event(piece(Channel::Answer, "Hi! What can I do for you on this fine "));
    let half = Counters { predicted: 1, elapsed: Duration::from_secs(1), ..counters() };
    session.event(Event::Progress(half));
    session.event(Event::Progress(counters()));
    session.keys("next");
    same(
        &session.screen(),
        "
 slipstream  pocket  Q8_0                       Hello there
 you
 Hello there

 model
 Hi! What can I do for you on this fine



────────────────────────────────────────────────────────────
› next
● 60.0 t/s  draft 3  acc 71%  len 2.4  ×1.22 | ctx 26%",
    );
    assert_eq!(session.cursor(), (6, 10));
    session.event(piece(Channel::Answer, "morning, my friend?"));
    session.event(Event::Done(whole(
        "Hi! What can I do for you on this fine morning, my friend?",
        "",
        StopReason::EndOfTurn,
    )));
    same(
        &session.screen(),
        "
 slipstream  pocket  Q8_0                       Hello there
 you
 Hello there

 model
 Hi! What can I do for you on this fine morning, my friend?
 30.0 t/s · 61 tokens · 71 % accepted · first token 0.42 s


────────────────────────────────────────────────────────────
› next
○ 30.0 t/s  draft 3  acc 71%  len 2.4  ×1.22 | ctx 26%",
    );
}

#[test]
fn wide_screens_have_the_panel() {
    let mut session = Session::ready(110, 24);
    session.keys("Hello\n");
    session.reply("Hi!");
    same(
        &session.screen(),
        "
 slipstream  pocket  Q8_0                                                                               Hello
 you                                                                        │ speculation
 Hello                                                                      │ draft on: up to 3 a round
                                                                            │ drafter    pocket-mtp.gguf
 model                                                                      │ kind       mtp
 Hi!                                                                        │
 30.0 t/s · 61 tokens · 71 % accepted · first token 0.42 s                  │ accepted   71 % of 51
                                                                            │ pos 1  0.80 ████████
                                                                            │ pos 2  0.65 ██████▌
                                                                            │ pos 3  0.56 █████▌
                                                                            │ per round  2.44 tokens
                                                                            │ guesses    2.0 a round lately
                                                                            │
                                                                            │ now        30.0 t/s
                                                                            │ plain      24.6 t/s (measured)
                                                                            │ gain       ×1.22
                                                                            │ draft 11% verify 86% other 3%
                                                                            │
                                                                            │ context    1.1k / 4.1k █▌
                                                                            │ memory     23 MB
                                                                            │
──────────────────────────────────────────────────────────────────────────────────────────────────────────────
› ask something, or /help
○ 30.0 t/s  draft 3  acc 71%  len 2.4  ×1.22 | ctx 26% | ? help",
    );
    session.keys("/panel\n");
    assert!(!session.screen().contains("speculation"));
}

#[test]
fn narrow_screens_have_it_as_an_overlay() {
    let mut session = Session::ready(50, 10);
    session.keys("日本語のテキストはとても幅が広いのです\n");
    session.keys("/panel\n");
    same(
        &session.screen(),
        "
 slipstream  pocket  Q8_0   日本語のテキストはと…
 you            │ speculation
 日本語のテキス │ draft on: up to 3 a round
                │ drafter    pocket-mtp.gguf
 model          │ kind       mtp
                │
                │ accepted   …
──────────────────────────────────────────────────
› ask something, or /help
● …  draft 3 | ctx 0% | Esc stop  ? help",
    );
    session.press(KeyCode::Esc, NONE);
    assert!(!session.screen().contains("speculation"));
    assert_eq!(session.effects().len(), 1, "Esc closed the panel, and did not stop the reply");
}

#[test]
fn twenty_by_five_shows_the_end_and_the_input() {
    let mut session = Session::ready(20, 5);
    session.keys("Hello there\n");
    session.reply("A reply of some length, over lines.");
    session.keys("and");
    same(
        &session.screen(),
        "
A reply of some
length, over lines.
30.0 t/s · 61 token…
› and
○ 30.0 t/s  draft 3",
    )
}

#[test]
fn below_that_it_says_so() {
    let mut session = Session::ready(20, 2);
    same(&session.screen(), "terminal too small\n");
    session.resize(9, 20);
    assert!(session.screen().starts_with("terminal"));
}

#[test]
fn reasoning_folds_to_a_line() {
    let mut session = Session::ready(40, 12);
    session.keys("why?\n");
    session.event(piece(Channel::Reasoning, "Let me think."));
    session.event(Event::Progress(Counters { predicted: 5, ..counters() }));
    assert!(session.screen().contains("▸ thinking 2.0 s (5 tokens)"));
    session.event(piece(Channel::Answer, "Because."));
    session.event(Event::Done(whole("Because.", "Let me think.", StopReason::EndOfTurn)));
    assert!(session.screen().contains("▸ thought for 2.0 s (5 tokens)\n Because."));
    session.control('t');
    same(
        &session.screen(),
        "
 slipstream  pocket  Q8_0
 you
 why?

 model
 ▾ thought for 2.0 s (5 tokens)
 Let me think.
 Because.
 30.0 t/s · 61 tokens · 71 % accepted…
────────────────────────────────────────
› ask something, or /help
○ 30.0 t/s  draft 3  ×1.22 | ctx 26%",
    );
    session.keys("and?\n");
    assert_eq!(session.messages(), [user("why?"), model("Because."), user("and?")], "without the reasoning");
}

#[test]
fn new_text_does_not_steal_the_view() {
    let mut session = Session::ready(40, 10);
    session.keys("count\n");
    let lines: String = (1..=20).map(|n| format!("line {n}\n")).collect();
    session.event(piece(Channel::Answer, &lines));
    assert!(session.screen().contains("line 20"));
    session.press(KeyCode::PageUp, NONE);
    let before = session.screen();
    assert!(before.contains("─ ↓ 5 lines ─"), "{before}");
    session.event(piece(Channel::Answer, "line 21\nline 22"));
    let after = session.screen();
    assert!(after.contains("─ ↓ 2 new lines ─"), "{after}");
    assert_eq!(before.lines().nth(1), after.lines().nth(1));
    session.press(KeyCode::PageDown, NONE);
    session.press(KeyCode::PageDown, NONE);
    let end = session.screen();
    assert!(end.contains("line 22") && !end.contains('↓'), "{end}");
    session.tell(Msg::Scroll(-3));
    assert!(session.screen().contains("↓ 3 lines"));
    session.press(KeyCode::Home, NONE);
    assert!(session.screen().contains(" you\n count"));
    session.press(KeyCode::End, NONE);
    assert!(session.screen().contains("line 22"));
}

#[test]
fn foreign_sequences_never_reach_a_cell() {
    let mut session = Session::ready(60, 12);
    session.tell(Msg::Paste("a\u{1b}[2Jb\u{7}\r\nc\td\u{202e}".into()));
    assert_eq!(session.state.composer.text(), "ab\nc   d");
    session.press(KeyCode::Enter, NONE);
    session.event(piece(Channel::Answer, "x\u{1b}]0;title\u{7}y\u{1b}[31mz\u{9b}5m\u{0}!"));
    let screen = session.screen();
    assert!(screen.contains("xyz!"), "{screen}");
    assert!(!screen.contains("title") && !screen.contains('\u{1b}'));
}

#[test]
fn the_help_comes_from_the_tables() {
    let mut session = Session::ready(60, 8);
    session.keys("?");
    same(
        &session.screen(),
        "
 keys (Esc closes, Up and Down scroll)
 Enter                       send
 Ctrl+J, Shift+Enter         new line
 Esc                         stop the reply; close what is
                             open
 Ctrl+C                      stop; twice: quit
 Ctrl+D                      quit, on an empty input
○ ready  draft 3 | ctx 0% | ? help",
    );
    session.press(KeyCode::End, NONE);
    assert!(session.screen().contains("/exit"));
    session.press(KeyCode::Up, NONE);
    session.press(KeyCode::PageUp, NONE);
    session.press(KeyCode::Esc, NONE);
    assert!(!session.screen().contains("Ctrl+J"));
    session.keys("what?");
    assert_eq!(session.state.composer.text(), "what?", "? is text in an input that is not empty");
}

#[test]
fn the_status_says_why_it_does_not_speculate() {
    let mut session = Session::loading(80, 6);
    let speculation = standing(Activity::Off, 0, Some("no drafter fits this model"));
    session.event(Event::Ready(Ready { drafter: None, draft_kind: "none", speculation, ..loaded() }));
    let screen = session.screen();
    assert!(screen.ends_with("○ ready  draft off: no drafter fits this model | ctx 0% | ? help"), "{screen}");
    session.keys("/why\n");
    assert!(session.screen().contains("Speculation is off: no drafter fits this model."));
}

// -- keys and commands

#[test]
fn escape_stops_and_the_part_that_was_written_is_kept() {
    let mut session = Session::ready(60, 12);
    session.keys("go\n");
    session.event(piece(Channel::Answer, "Once upon"));
    session.effects();
    session.press(KeyCode::Esc, NONE);
    assert_eq!(session.effects(), [Effect::Cancel]);
    assert!(session.screen().contains("● stopping"));
    session.event(Event::Progress(counters()));
    assert_eq!(session.effects(), [Effect::Cancel], "asked again while the reply goes on");
    session.event(Event::Done(whole("Once upon", "", StopReason::Cancelled)));
    assert!(session.screen().contains(" stopped · 30.0 t/s"));
    session.keys("on\n");
    assert_eq!(session.messages(), [user("go"), model("Once upon"), user("on")]);
}

#[test]
fn a_question_without_an_answer_is_not_sent_again() {
    let mut session = Session::ready(60, 14);
    session.keys("first\n");
    session.event(Event::Failed(failure(false)));
    let screen = session.screen();
    assert!(
        screen.contains(" error\n decoding 9 tokens: no room in the cache\n start with a larger --ctx"),
        "{screen}"
    );
    session.effects();
    session.keys("second\n");
    assert_eq!(session.messages(), [user("second")]);
    session.event(Event::Done(whole("", "", StopReason::Cancelled)));
    session.keys("third\n");
    assert_eq!(session.messages(), [user("third")]);
}

#[test]
fn a_fatal_failure_is_passed_out() {
    let mut session = Session::loading(60, 12);
    session.event(Event::Failed(failure(true)));
    assert_eq!(session.effects(), [Effect::Fail(failure(true))]);
}

#[test]
fn interrupt_stops_then_quits_within_two_seconds() {
    let mut session = Session::ready(60, 12);
    session.keys("go\n");
    session.effects();
    session.at(10.0);
    session.control('c');
    assert_eq!(session.effects(), [Effect::Cancel]);
    assert!(session.screen().contains("! Ctrl+C again to quit"));
    session.at(13.0);
    assert!(!session.screen().contains("again to quit"));
    session.event(Event::Done(whole("x", "", StopReason::Cancelled)));
    session.keys("draft");
    session.control('c');
    assert!(session.state.composer.is_empty());
    assert_eq!(session.effects(), []);
    session.at(14.0);
    session.control('c');
    let quit = [Effect::Cancel, Effect::Send(Command::Shutdown), Effect::Exit(Exit::Interrupted)];
    assert_eq!(session.effects(), quit);
    assert_eq!(Exit::Interrupted.code(), 130);
    assert_eq!(Exit::Signal(15).code(), 143);
}

#[test]
fn end_of_input_quits_only_on_an_empty_input() {
    let mut session = Session::ready(60, 12);
    session.keys("ab");
    session.control('a');
    session.control('d');
    assert_eq!(session.state.composer.text(), "b");
    session.control('d');
    session.control('d');
    assert!(session.effects().contains(&Effect::Exit(Exit::Quit)));
}

#[test]
fn newlines_and_pastes_do_not_send() {
    let mut session = Session::ready(60, 12);
    session.keys("one");
    session.control('j');
    session.keys("two");
    session.press(KeyCode::Enter, KeyModifiers::ALT);
    session.press(KeyCode::Enter, KeyModifiers::SHIFT);
    session.tell(Msg::Paste("three\n".into()));
    assert_eq!(session.effects(), []);
    assert_eq!(session.state.composer.text(), "one\ntwo\n\nthree\n");
    assert_eq!(session.cursor(), (2, 10));
    session.press(KeyCode::Enter, NONE);
    assert_eq!(session.messages(), [user("one\ntwo\n\nthree\n")]);
}

#[test]
fn what_is_typed_while_a_reply_runs_waits() {
    let mut session = Session::ready(60, 12);
    session.keys("go\n");
    session.effects();
    session.keys("next\n");
    assert_eq!(session.effects(), []);
    assert_eq!(session.state.composer.text(), "next");
    assert!(session.screen().contains("! a reply is being written: Esc stops it"));
    session.reply("done");
    session.press(KeyCode::Enter, NONE);
    assert_eq!(session.messages(), [user("go"), model("done"), user("next")]);
}

#[test]
fn the_history_comes_back_with_up() {
    let mut session = Session::ready(60, 12);
    session.keys("go\n");
    session.reply("done");
    session.keys("/stats\n");
    session.press(KeyCode::Up, NONE);
    assert_eq!(session.state.composer.text(), "/stats");
    session.press(KeyCode::Up, NONE);
    assert_eq!(session.state.composer.text(), "go");
    session.press(KeyCode::Down, NONE);
    session.press(KeyCode::Down, NONE);
    assert!(session.state.composer.is_empty());
}

#[test]
fn draft_commands_reach_the_engine_and_its_answer_is_echoed() {
    let mut session = Session::ready(60, 12);
    let asks = |length, p_min| [Effect::Send(Command::SetSpeculation(Speculation { length, p_min }))];
    session.keys("/draft 2\n");
    assert_eq!(session.effects(), asks(DraftLength::Fixed(2), 0.0));
    session.event(Event::Speculation(standing(Activity::On, 2, None)));
    assert!(session.screen().contains("draft on: up to 2 a round"));
    session.keys("/draft on\n");
    assert_eq!(session.effects(), asks(DraftLength::Fixed(4), 0.0));
    session.keys("/draft off\n");
    assert_eq!(session.effects(), asks(DraftLength::Off, 0.0));
    session.keys("/pmin 0.5\n");
    assert_eq!(session.effects(), asks(DraftLength::Off, 0.5));
    for wrong in
        ["/draft 99\n", "/draft x\n", "/draft -1\n", "/pmin 2\n", "/pmin nan\n", "/draft\n", "/pmin\n"]
    {
        session.keys(wrong);
        assert_eq!(session.effects(), [], "{wrong}");
    }
}

#[test]
fn settings_go_into_the_next_request() {
    let mut session = Session::ready(60, 12);
    for line in [
        "/set temp 0.5",
        "/set top_k 3",
        "/set top_p 0.8",
        "/set min_p 0.1",
        "/set repeat_penalty 1.1",
        "/set seed 7",
        "/think on",
        "/system Be brief.",
    ] {
        session.keys(&format!("{line}\n"));
    }
    // None of these is a value: nothing changes.
    for line in
        ["/set", "/set temp", "/set temp hot", "/set top_k -1", "/set top_p 1.5", "/set colour red", "/think"]
    {
        session.keys(&format!("{line}\n"));
    }
    session.keys("go\n");
    let request = session.request();
    let expected = SamplingSettings {
        temperature: 0.5,
        top_k: 3,
        top_p: 0.8,
        min_p: 0.1,
        repeat_penalty: 1.1,
        repeat_window: 64,
        seed: 7,
    };
    assert_eq!(request.sampling, expected);
    let system = Message { role: Role::System, text: "Be brief.".into() };
    assert_eq!(request.prompt, Prompt::Chat { messages: vec![system, user("go")], thinking: true });
    session.reply("gone");
    session.keys("/system none\n/think off\nagain\n");
    let messages = vec![user("go"), model("gone"), user("again")];
    assert_eq!(session.request().prompt, Prompt::Chat { messages, thinking: false });
}

#[test]
fn conversations_are_undone_asked_again_and_forgotten() {
    let mut session = Session::ready(60, 12);
    session.keys("one\n");
    assert_eq!(session.request().sampling.seed, 0);
    session.keys("/new\n/undo\n/regen\n");
    assert_eq!(session.effects(), [], "not while a reply is written");
    session.reply("two");
    session.keys("/regen\n");
    let request = session.request();
    assert_eq!(request.sampling.seed, 1, "the same seed would give the same text");
    assert_eq!(request.prompt, Prompt::Chat { messages: vec![user("one")], thinking: false });
    session.reply("three");
    session.keys("four\n");
    assert_eq!(session.messages(), [user("one"), model("three"), user("four")]);
    session.reply("five");
    session.keys("/undo\n");
    assert_eq!(session.state.composer.text(), "four");
    session.keys("teen\n");
    assert_eq!(session.messages(), [user("one"), model("three"), user("fourteen")]);
    session.reply("six");
    session.keys("/new\nseven\n");
    assert_eq!(session.messages(), [user("seven")]);
    session.reply("");
    session.effects();
    session.keys("/undo\n");
    session.control('c');
    session.keys("/undo\n/regen\n");
    assert_eq!(session.effects(), [], "nothing is left to take back or ask again");
}

#[test]
fn unknown_commands_name_the_nearest_and_two_slashes_are_one() {
    let mut session = Session::ready(80, 12);
    session.keys("/thnk on\n");
    assert!(session.screen().contains("there is no command /thnk; the nearest is /think"));
    session.keys("//etc/hosts is what?\n");
    assert_eq!(session.messages(), [user("/etc/hosts is what?")]);
    session.keys("/dr");
    session.press(KeyCode::Tab, NONE);
    assert_eq!(session.state.composer.text(), "/draft ");
    for word in ["/exit\n", "/quit\n", "/bye\n"] {
        let mut session = Session::ready(80, 12);
        session.keys(word);
        assert!(session.effects().contains(&Effect::Exit(Exit::Quit)));
    }
}

#[test]
fn the_other_keys_have_their_effects() {
    let mut session = Session::ready(80, 12);
    session.control('z');
    session.control('l');
    assert_eq!(session.effects(), [Effect::Suspend, Effect::Redraw]);
    session.press(KeyCode::F(1), NONE);
    assert!(session.screen().contains("Ctrl+J"));
}

#[test]
fn nothing_new_means_nothing_to_draw() {
    let mut session = Session::ready(80, 12);
    session.screen();
    session.state.dirty = false;
    session.at(1.0);
    session.tell(Msg::Nothing);
    assert!(!session.state.dirty);
    session.keys("x");
    assert!(session.state.dirty);
}

// -- any history, any size

#[derive(Clone, Debug)]
enum Step {
    Say(Box<Msg>),
    Size(u16, u16),
}

fn say(message: Msg) -> Step {
    Step::Say(Box::new(message))
}

fn any_step() -> impl Strategy<Value = Step> {
    let text = "[ -~\n\t\u{1b}\u{7}\u{9b}\u{202e}日本👩\u{200d}\u{301}ﾞ한]{0,60}";
    let code = prop_oneof![
        any::<char>().prop_map(KeyCode::Char),
        prop::sample::select(vec![
            KeyCode::Enter,
            KeyCode::Esc,
            KeyCode::Backspace,
            KeyCode::Delete,
            KeyCode::Left,
            KeyCode::Right,
            KeyCode::Up,
            KeyCode::Down,
            KeyCode::Home,
            KeyCode::End,
            KeyCode::PageUp,
            KeyCode::PageDown,
            KeyCode::Tab,
            KeyCode::F(1),
        ]),
        "[a-z?/]".prop_map(|s| KeyCode::Char(s.chars().next().unwrap())),
    ];
    let modifiers = prop::sample::select(vec![NONE, NONE, CONTROL, KeyModifiers::ALT, KeyModifiers::SHIFT]);
    let channel = prop::sample::select(vec![Channel::Answer, Channel::Reasoning]);
    let name =
        prop::sample::select(slipstream::tui::commands::COMMANDS.iter().map(|c| c.name).collect::<Vec<_>>());
    prop_oneof![
        (1u16..=300, 1u16..=100).prop_map(|(columns, rows)| Step::Size(columns, rows)),
        (1u16..=30, 1u16..=12).prop_map(|(columns, rows)| Step::Size(columns, rows)),
        (code, modifiers, any::<[bool; 3]>()).prop_map(|(code, modifiers, [empty, prefix, selecting])| say(
            keys::message(KeyEvent::new(code, modifiers), keys::Focus { empty, prefix, selecting })
        )),
        text.prop_map(|text| say(Msg::Paste(text))),
        name.prop_map(|name| say(Msg::Paste(format!("/{name} ")))),
        (-500isize..500).prop_map(|lines| say(Msg::Scroll(lines))),
        (channel, text).prop_map(|(channel, text)| say(Msg::Engine(piece(channel, &text)))),
        (any::<u32>(), any::<u32>(), any::<u32>(), any::<u64>()).prop_map(
            |(predicted, rounds, tested, time)| {
                say(Msg::Engine(Event::Progress(Counters {
                    predicted,
                    rounds,
                    tested,
                    accepted: predicted,
                    tested_by_position: vec![tested; 20],
                    accepted_by_position: vec![rounds; 3],
                    elapsed: Duration::from_nanos(time),
                    drafting: Duration::from_nanos(time / 2),
                    verifying: Duration::from_nanos(time),
                    decoding: Duration::from_nanos(time),
                    context_used: rounds,
                    plain_per_second: Some(f64::from(tested)),
                    gain: Some(f64::NAN),
                })))
            }
        ),
        (text, text).prop_map(|(answer, reasoning)| {
            say(Msg::Engine(Event::Done(whole(&answer, &reasoning, StopReason::ContextFull))))
        }),
        Just(say(Msg::Engine(Event::Failed(failure(false))))),
        // Spans that need not fit the text: the engine's do, but nothing may rest on it.
        (text, prop::collection::vec((0u32..9, any::<bool>(), proptest::option::of(text)), 0..4)).prop_map(
            |(text, spans)| {
                let spans = spans.into_iter().map(|(bytes, accepted, rejected)| TokenSpan {
                    bytes,
                    origin: if accepted { Origin::Accepted } else { Origin::Target },
                    rejected: rejected.map(Into::into),
                });
                say(Msg::Engine(Event::Text(Text { channel: Channel::Answer, text, spans: spans.collect() })))
            }
        ),
        any_outcome(),
        any::<f32>()
            .prop_map(|fraction| say(Msg::Engine(Event::Loading { what: "日本.gguf".into(), fraction }))),
        (0..3, any::<u32>(), proptest::option::of(text)).prop_map(|(activity, length, reason)| {
            let activity = [Activity::On, Activity::Parked, Activity::Off][activity as usize];
            say(Msg::Engine(Event::Speculation(standing(activity, length, reason.as_deref()))))
        }),
        Just(say(Msg::Act(keys::Action::Send))),
    ]
}

/// What the program around the UI tells.
fn any_outcome() -> impl Strategy<Value = Step> {
    let opening = Opening {
        wanted: Wanted { model: "日本\u{1b}[2J.gguf".into(), drafter: None },
        title: "日本\u{1b}[2J".into(),
        sampling: SamplingSettings::default(),
        speculation: Speculation { length: DraftLength::Auto(4), p_min: 0.5 },
        memory: vec![MemoryLine { what: "weights\n".into(), bytes: u64::MAX }],
        available: u64::MAX,
    };
    let too_long = Some(TooLong { tokens: 9, limit: 8 });
    prop_oneof![
        Just(say(Msg::Opened(Box::new(opening)))),
        Just(say(Msg::Pairs(found()))),
        Just(say(Msg::Pairs(Found::default()))),
        Just(say(Msg::Refused(failure(true)))),
        Just(say(Msg::Engine(Event::Ready(loaded())))),
        Just(say(Msg::Engine(Event::Failed(Failure { too_long, ..failure(false) })))),
        Just(say(Msg::Engine(Event::Failed(failure(true))))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_history_on_any_size_panics(begin in 0..4, steps in prop::collection::vec(any_step(), 1..60)) {
        let mut session = match begin {
            0 => Session::loading(20, 5),
            1 => Session::choosing(60, 20),
            2 => Session::inline(80, 12),
            _ => Session::ready(80, 24),
        };
        for (time, step) in steps.into_iter().enumerate() {
            match step {
                Step::Size(columns, rows) => session.resize(columns, rows),
                Step::Say(message) => session.tell(*message),
            }
            session.at(time as f64 / 3.0);
            session.draw();
            let size = session.terminal.size().unwrap();
            let cursor = session.terminal.get_cursor_position().unwrap();
            let overlay = &session.state.overlay;
            let hidden = overlay.takes_letters() && !overlay.is_typed_into();
            if session.state.ready.is_some() && !hidden && size.width >= 10 && size.height >= 3 {
                prop_assert!(cursor.x < size.width && cursor.y < size.height);
            }
            for cell in session.terminal.backend().buffer().content() {
                prop_assert!(!cell.symbol().contains(char::is_control));
            }
        }
    }

    #[test]
    fn wrapped_lines_fit_and_lose_no_letter(text in "[a-z 日本👩\u{301}-]{0,80}", columns in 2usize..40) {
        let mut lines = Vec::new();
        slipstream::tui::text::wrap(&text, columns, &mut lines);
        for line in &lines {
            prop_assert!(slipstream::tui::text::width(line) <= columns, "{line:?} at {columns}");
        }
        let letters = |s: &str| s.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        prop_assert_eq!(letters(&lines.concat()), letters(&text));
    }
}
