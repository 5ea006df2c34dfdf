//! Around the conversation: palette, settings, presets, copying, the inline view.

use crossterm::event::{KeyCode, KeyModifiers};

use slipstream::event::{Channel, Event, StopReason};
use slipstream::request::{DraftLength, SamplingSettings, Speculation};
use slipstream::tui::app::{Effect, Msg};
use slipstream::tui::entry::Entry;
use slipstream::tui::preferences::Colours;

use crate::screen::{NONE, Session, piece, whole};

fn status(session: &mut Session) -> String {
    session.screen().lines().last().unwrap_or_default().to_owned()
}

// -- palette

#[test]
fn the_palette_finds_and_runs_commands() {
    let mut session = Session::ready(80, 12);
    session.control('p');
    let screen = session.screen();
    assert!(screen.starts_with(" find:\n› /help"), "{screen}");
    session.keys("tkns");
    let screen = session.screen();
    assert!(screen.starts_with(" find: tkns\n› /tokens [rejected]"), "{screen}");
    assert!(screen.lines().nth(1).unwrap().ends_with("Ctrl+X t"), "{screen}");
    assert_eq!(session.cursor(), (11, 0), "the caret is where one types");
    session.press(KeyCode::Enter, NONE);
    assert!(session.state.tokens.shown && session.state.composer.is_empty());
    // One that needs a value is put into the input.
    session.control('p');
    session.keys("pmin\n");
    assert_eq!(session.state.composer.text(), "/pmin ");
    session.control('p');
    session.tell(Msg::Paste("zzz\nzzz".into()));
    assert!(session.screen().contains("no command fits"));
    session.press(KeyCode::Enter, NONE);
    session.press(KeyCode::Esc, NONE);
    assert!(!session.screen().contains("find:"));
    assert_eq!(session.effects(), []);
}

#[test]
fn question_marks_are_text_in_the_palette() {
    let mut session = Session::ready(80, 12);
    session.control('p');
    session.keys("?");
    assert!(session.screen().starts_with(" find: ?"), "{}", session.screen());
}

// -- settings

#[test]
fn settings_are_changed_by_arrows_and_by_typing() {
    let mut session = Session::ready(80, 20);
    session.control('x');
    session.press(KeyCode::Char(','), NONE);
    let screen = session.screen();
    assert!(screen.contains("› preset          model"), "{screen}");
    session.press(KeyCode::Down, NONE);
    session.press(KeyCode::Left, NONE);
    session.press(KeyCode::Left, NONE);
    session.press(KeyCode::Right, NONE);
    assert_eq!(session.state.start.sampling.temperature, 0.9);
    assert!(session.screen().contains("preset          (your own)"), "{}", session.screen());
    // A digit begins a value, Enter takes it; a wrong one is told and can be mended.
    session.keys("9");
    session.keys("999\n");
    assert!(
        status(&mut session).is_empty() || session.screen().contains("! temp takes a number from 0 to 100")
    );
    assert_eq!(session.state.start.sampling.temperature, 0.9);
    session.press(KeyCode::Char('u'), KeyModifiers::CONTROL);
    session.keys("0.35\n");
    assert_eq!(session.state.start.sampling.temperature, 0.35);
    // Esc gives up the typing first, then the screen.
    session.press(KeyCode::Enter, NONE);
    session.keys("7");
    session.press(KeyCode::Esc, NONE);
    assert_eq!(session.state.start.sampling.temperature, 0.35);
    assert!(session.screen().contains("settings"));
    session.press(KeyCode::Esc, NONE);
    assert!(!session.screen().contains("settings ("));
}

#[test]
fn every_setting_can_be_reached_and_stepped() {
    let mut session = Session::ready(80, 20);
    session.keys("/settings\n");
    for line in 0..slipstream::tui::options::LINES.len() {
        for key in [KeyCode::Right, KeyCode::Right, KeyCode::Left, KeyCode::Enter, KeyCode::Esc] {
            // Esc closes the screen where Enter began no typing.
            if !session.screen().contains("settings (") {
                session.keys("/settings\n");
                (0..line).for_each(|_| session.press(KeyCode::Down, NONE));
            }
            session.press(key, NONE);
        }
        session.press(KeyCode::Down, NONE);
    }
    session.press(KeyCode::Esc, NONE);
    let start = &session.state.start;
    assert_eq!(start.preferences.colours, Colours::Light);
    assert_eq!(start.speculation, Speculation { length: DraftLength::Fixed(4), p_min: 0.05 });
    assert_eq!((start.sampling.top_p, start.sampling.min_p), (0.95, 0.01));
    assert!(session.effects().contains(&Effect::Keep), "the theme is kept");
}

#[test]
fn presets_are_applied_saved_and_removed() {
    let mut session = Session::ready(80, 20);
    session.keys("/preset precise\n");
    assert_eq!(session.state.start.sampling.temperature, 0.3);
    session.keys("/set temp 0.5\n/system Be brief.\n/think on\n/preset save mine\n");
    assert_eq!(session.effects(), [Effect::Keep]);
    session.keys("/preset model\n/system none\n/think off\n");
    assert_eq!(session.state.start.sampling, SamplingSettings::default());
    session.keys("/preset MINE\n");
    let start = &session.state.start;
    assert_eq!(
        (start.sampling.temperature, start.system.as_deref(), start.thinking),
        (0.5, Some("Be brief."), true)
    );
    assert_eq!(slipstream::tui::presets::current(&session.state).as_deref(), Some("mine"));
    for wrong in
        ["/preset", "/preset nosuch", "/preset save", "/preset save two words", "/preset save greedy"]
    {
        session.keys(&format!("{wrong}\n"));
    }
    assert_eq!(session.effects(), []);
    session.keys("/preset remove mine\n");
    assert_eq!(session.effects(), [Effect::Keep]);
    assert!(session.state.start.preferences.presets.is_empty());
}

#[test]
fn what_could_not_be_kept_is_told() {
    let mut session = Session::ready(80, 20);
    session.tell(Msg::Wrong("keeping the preferences failed: disk full".into()));
    assert!(session.screen().contains("keeping the preferences failed: disk full"));
}

// -- copying

const WITH_CODE: &str = "Look:\n```rust\nfn a() {}\n```\nand\n```\nlast\n```\n";

#[test]
fn the_reply_is_copied_then_its_code() {
    let mut session = Session::ready(80, 20);
    session.press(KeyCode::Char('y'), KeyModifiers::CONTROL);
    assert_eq!(session.effects(), []);
    assert!(status(&mut session).contains("there is no reply to copy"));
    session.keys("go\n");
    session.reply(WITH_CODE);
    session.effects();
    let copied = |session: &mut Session| {
        session.press(KeyCode::Char('y'), KeyModifiers::CONTROL);
        session.effects()
    };
    assert_eq!(copied(&mut session), [Effect::Copy(WITH_CODE.into())]);
    assert_eq!(copied(&mut session), [Effect::Copy("last".into())]);
    assert_eq!(copied(&mut session), [Effect::Copy("fn a() {}".into())]);
    assert!(status(&mut session).contains("copied code block 1 of 2, 9 characters"));
    assert_eq!(copied(&mut session), [Effect::Copy(WITH_CODE.into())]);
    session.keys("/copy\n/copy code\n/copy code 1\n");
    let expected = [WITH_CODE, "last", "fn a() {}"].map(|text| Effect::Copy(text.into()));
    assert_eq!(session.effects(), expected);
    for wrong in ["/copy code 3", "/copy code x", "/copy all"] {
        session.keys(&format!("{wrong}\n"));
        assert_eq!(session.effects(), [], "{wrong}");
    }
}

// -- inline

#[test]
fn the_inline_view_holds_only_what_grows() {
    let mut session = Session::inline(60, 12);
    session.keys("Hello\n");
    let finished = |session: &mut Session| {
        let inline = session.state.inline.as_mut().unwrap();
        let count = inline.finished(&session.state.transcript, 60, 12, false);
        inline.printed(count);
        count
    };
    assert_eq!(finished(&mut session), 2, "the greeting and the question are printed");
    session.event(piece(Channel::Answer, "Hi the"));
    let screen = session.screen();
    assert!(screen.starts_with(" model\n Hi the\n"), "{screen}");
    assert!(!screen.contains("Hello") && screen.contains("› ask something"), "{screen}");
    session.event(piece(Channel::Answer, "re!"));
    assert!(session.screen().contains(" Hi there!\n"));
    session.event(Event::Done(whole("Hi there!", "", StopReason::EndOfTurn)));
    let inline = session.state.inline.as_mut().unwrap();
    assert_eq!(inline.finished(&session.state.transcript, 60, 12, false), 1);
    assert!(matches!(inline.live.entry(0), Some(Entry::Reply(reply)) if reply.answer == "Hi there!"));
    inline.printed(1);
    // There is room for a choice of completions.
    session.keys("/th");
    session.press(KeyCode::Tab, NONE);
    assert!(session.screen().contains(" think  "), "{}", session.screen());
    session.control('u');
    let screen = session.screen();
    // The input follows at once; nothing of the conversation is left in the view.
    assert!(!screen.contains("Hi there") && screen.lines().nth(1).unwrap().starts_with("› "), "{screen}");
}
