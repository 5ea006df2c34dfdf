//! What is typed: folds, history and its search, completion, files, the editor, and the screens of each.

use crossterm::event::{KeyCode, KeyModifiers};

use slipstream::event::{Command, Event};
use slipstream::request::Prompt;
use slipstream::tui::app::{Effect, Msg};
use slipstream::tui::complete::Folder;
use slipstream::tui::composer::Fold;
use slipstream::tui::outside::{Answer, Job};

use crate::screen::{SIZES, Session, found, snapshot};

fn long(lines: usize) -> String {
    (1..=lines).map(|n| format!("line {n}\n")).collect()
}

/// The text of the last turn that was sent.
fn sent(desk: &mut Session) -> String {
    match desk.effects().pop() {
        Some(Effect::Send(Command::Generate(request))) => match request.prompt {
            Prompt::Chat { messages, .. } => messages.last().unwrap().text.clone(),
            Prompt::Raw(text) => panic!("raw prompt {text}"),
        },
        other => panic!("no request but {other:?}"),
    }
}

#[test]
fn a_long_paste_is_one_fold_and_is_sent_whole() {
    let mut desk = Session::ready(60, 12);
    desk.keys("look: ");
    desk.tell(Msg::Paste(long(214).replace('\n', "\r\n")));
    desk.keys(" ok?");
    assert!(desk.screen().contains("› look: [pasted 214 lines] ok?"), "{}", desk.screen());
    assert_eq!(desk.cursor(), (2 + 28, 10));
    desk.key(KeyCode::Enter);
    assert_eq!(sent(&mut desk), format!("look: {} ok?", long(214)));
    let mut desk = Session::ready(60, 12);
    desk.tell(Msg::Paste(long(10)));
    assert!(!desk.screen().contains("pasted"), "ten lines are no long paste");
}

#[test]
fn the_history_is_searched() {
    let mut desk = Session::ready(60, 12);
    desk.state
        .composer
        .load_history(vec!["an older question\u{1b}[2J".into(), "How do magnets work?".into()]);
    desk.turn("Why is the sky blue?", "Because.");
    desk.keys("half a question");
    desk.control('r');
    assert!(desk.screen().contains("› look for:"));
    desk.keys("quest");
    let screen = desk.screen();
    assert!(screen.contains("› look for: quest\n  an older question"), "{screen}");
    assert_eq!(desk.cursor(), (2 + 15, 9));
    desk.key(KeyCode::Esc);
    assert_eq!(desk.state.composer.text(), "half a question", "Esc keeps what was being written");
    desk.control('r');
    desk.keys("w");
    assert!(desk.screen().contains("Why is the sky blue?"));
    desk.control('r');
    assert!(desk.screen().contains("How do magnets work?"));
    desk.keys("x?");
    assert!(desk.screen().contains("nothing found"));
    desk.key(KeyCode::Backspace);
    desk.key(KeyCode::Backspace);
    desk.effects();
    desk.key(KeyCode::Enter);
    assert_eq!(desk.effects(), [], "found is not sent");
    assert_eq!(desk.state.composer.text(), "Why is the sky blue?");
    desk.key(KeyCode::Enter);
    assert_eq!(sent(&mut desk), "Why is the sky blue?");
}

#[test]
fn what_was_sent_is_handed_out_to_be_kept_once() {
    let mut desk = Session::ready(60, 12);
    desk.turn("one", "1");
    desk.keys("/stats\n");
    assert_eq!(desk.state.composer.take_fresh(), ["one", "/stats"]);
    assert!(desk.state.composer.take_fresh().is_empty());
}

#[test]
fn a_file_becomes_a_fold() {
    let mut desk = Session::ready(60, 12);
    desk.keys("/read src/main.rs\n");
    assert_eq!(desk.effects(), [Effect::Outside(Job::Read("src/main.rs".into()))]);
    let fold =
        Fold { label: "[main.rs 8 lines]".into(), text: "src/main.rs:\n```rs\nfn main() {}\n```\n\n".into() };
    desk.tell(Msg::Outside(Answer::Text(Ok((fold.clone(), None)))));
    desk.keys("Explain.");
    assert!(desk.screen().contains("› [main.rs 8 lines]Explain."), "{}", desk.screen());
    desk.key(KeyCode::Enter);
    assert_eq!(sent(&mut desk), format!("{}Explain.", fold.text));
    desk.tell(Msg::Outside(Answer::Text(Err("reading x: there is no such file".into()))));
    assert!(desk.screen().contains("reading x: there is no such file"));
    desk.keys("/read\n/glob\n");
    assert_eq!(desk.effects(), []);
    desk.keys("/glob src/*.rs\n");
    assert_eq!(desk.effects(), [Effect::Outside(Job::Glob("src/*.rs".into()))]);
    let huge = Fold { label: "[big 9 lines]".into(), text: "x".repeat(100_000) };
    desk.tell(Msg::Outside(Answer::Text(Ok((huge, Some("left out: a (why)".into()))))));
    let screen = desk.screen();
    assert!(screen.contains("left out: a (why)"), "{screen}");
    assert!(screen.contains("! about 25000 tokens, and the context holds 4096"), "{screen}");
}

#[test]
fn the_editor_gets_the_whole_text_and_a_failure_changes_nothing() {
    let mut desk = Session::ready(60, 12);
    desk.keys("see ");
    desk.tell(Msg::Paste(long(20)));
    desk.control('g');
    assert_eq!(desk.effects(), [Effect::Edit(format!("see {}", long(20)))]);
    desk.tell(Msg::Outside(Answer::Edited(Err(
        "editing with vi: it ended with 1; the input is unchanged".into()
    ))));
    assert_eq!(desk.state.composer.text(), format!("see {}", long(20)));
    assert!(desk.screen().contains("the input is unchanged"));
    desk.tell(Msg::Outside(Answer::Edited(Ok("new\ttext\u{1b}[2J\nhere".into()))));
    assert_eq!(desk.state.composer.text(), "new text\nhere");
    assert_eq!(desk.cursor(), (6, 10));
}

#[test]
fn tab_completes_commands_words_and_paths() {
    let mut desk = Session::ready(60, 16);
    desk.keys("/thi");
    desk.key(KeyCode::Tab);
    assert_eq!(desk.state.composer.text(), "/think ");
    desk.key(KeyCode::Tab);
    assert_eq!(desk.state.composer.text(), "/think ", "they have nothing in common");
    assert_eq!(desk.state.composer.menu().unwrap().candidates.len(), 4);
    desk.keys("o");
    desk.key(KeyCode::Tab);
    assert_eq!(desk.state.composer.text(), "/think o");
    assert_eq!(desk.state.composer.menu().unwrap().candidates.len(), 2);
    desk.key(KeyCode::Tab);
    desk.key(KeyCode::Tab);
    assert_eq!(desk.state.composer.text(), "/think off");
    desk.press(KeyCode::BackTab, KeyModifiers::SHIFT);
    assert_eq!(desk.state.composer.text(), "/think on");
    desk.key(KeyCode::Enter);
    assert_eq!(desk.state.composer.text(), "/think on", "Enter takes the choice, and sends nothing yet");
    assert!(desk.state.composer.menu().is_none());
    desk.control('u');
    desk.keys("/read sr");
    desk.key(KeyCode::Tab);
    assert_eq!(desk.effects(), [Effect::Outside(Job::List(String::new()))]);
    let names = vec!["src/".to_string(), "tests/".to_string()];
    desk.tell(Msg::Outside(Answer::Listed(Folder { path: String::new(), names })));
    assert_eq!(desk.state.composer.text(), "/read src/");
    desk.key(KeyCode::Tab);
    assert_eq!(desk.effects(), [Effect::Outside(Job::List("src/".into()))]);
    // Typed on before the answer came: it is of no use any more, and writes nothing.
    desk.keys("x/");
    desk.tell(Msg::Outside(Answer::Listed(Folder { path: "src/".into(), names: vec!["y".into()] })));
    assert_eq!(desk.state.composer.text(), "/read src/x/");
    desk.control('u');
    desk.keys("just words");
    desk.key(KeyCode::Tab);
    assert_eq!(desk.state.composer.text(), "just words");
}

#[test]
fn models_are_looked_for_once_and_completed_when_they_are_there() {
    let mut desk = Session::ready(60, 16);
    desk.keys("/model 31b");
    desk.key(KeyCode::Tab);
    assert_eq!(desk.effects(), [Effect::FindPairs]);
    desk.tell(Msg::Pairs(found()));
    assert_eq!(desk.state.composer.text(), "/model /models/gemma-4-31B-Q8_0.gguf");
    desk.control('u');
    desk.keys("/model gemma");
    desk.key(KeyCode::Tab);
    assert_eq!(desk.effects(), [], "they are known");
    assert_eq!(desk.state.composer.menu().unwrap().candidates.len(), 2);
    assert_eq!(desk.state.composer.text(), "/model gemma", "none of them begins like this");
    desk.key(KeyCode::Tab);
    assert_eq!(desk.state.composer.text(), "/model /models/gemma-4-26B-Q4_0.gguf");
    // Found after something else was typed: nothing is written.
    let mut desk = Session::ready(60, 16);
    desk.keys("/model 31b");
    desk.key(KeyCode::Tab);
    desk.keys("x");
    desk.tell(Msg::Pairs(found()));
    assert_eq!(desk.state.composer.text(), "/model 31bx");
}

/// A chat with an input of several rows.
fn written(columns: u16, rows: u16) -> Session {
    let mut desk = Session::ready(columns, rows);
    desk.turn("Why is the sky blue?", "Because *short* waves are scattered more.");
    desk.keys("One line,\u{20}");
    desk.control('j');
    desk.keys("and a second that is longer, 日本語 too, ");
    desk.tell(Msg::Paste(long(30)));
    desk
}

#[test]
fn screens_of_an_input() {
    snapshot("input", &SIZES, |columns, rows| written(columns, rows).screen());
}

#[test]
fn screens_of_a_search() {
    snapshot("search", &SIZES, |columns, rows| {
        let mut desk = written(columns, rows);
        desk.control('r');
        desk.keys("sky");
        desk.screen()
    });
}

#[test]
fn screens_of_a_choice() {
    snapshot("menu", &SIZES, |columns, rows| {
        let mut desk = Session::ready(columns, rows);
        desk.keys("/");
        desk.key(KeyCode::Tab);
        desk.key(KeyCode::Tab);
        desk.screen()
    });
}

#[test]
fn typing_goes_on_while_a_reply_is_written() {
    let mut desk = Session::ready(60, 12);
    desk.keys("go\n");
    desk.write(slipstream::event::Channel::Answer, "word ");
    desk.keys("next");
    desk.event(Event::Progress(crate::screen::counters()));
    assert!(desk.screen().contains("› next"));
    assert_eq!(desk.cursor(), (6, 10));
}
