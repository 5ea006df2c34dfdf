//! Edit, regenerate, continue, take back, delete: every change is one more version.

use crossterm::event::KeyCode;
use proptest::prelude::*;

use slipstream::event::{Channel, Event, StopReason};
use slipstream::request::Role;

use super::desk::Desk;
use crate::screen::{NONE, counters, model, piece, user, whole};

/// Two turns.
fn chat() -> Desk {
    let mut desk = Desk::new(80, 24);
    desk.turn("one", "first");
    desk.turn("two", "second");
    desk
}

#[test]
fn a_reply_written_again_is_another_version() {
    let mut desk = chat();
    let seed = desk.state.start.sampling.seed;
    desk.keys("/regen\n");
    let request = desk.request();
    assert_eq!(request.sampling.seed, seed + 1);
    assert_eq!(desk.state.messages(), [user("one"), model("first"), user("two")]);
    desk.reply("second, otherwise");
    assert_eq!(desk.texts(), ["one", "first", "two", "second, otherwise"]);
    assert!(desk.screen().contains("model  2/2"), "{}", desk.screen());
    // Back to the first, and forth again.
    desk.keys("\u{18}");
    desk.control('x');
    desk.press(KeyCode::Char('['), NONE);
    desk.settle();
    assert!(desk.screen().contains("model  1/2"), "{}", desk.screen());
    assert_eq!(desk.texts(), ["one", "first", "two", "second"]);
    desk.say("/branch 2");
    assert_eq!(desk.texts(), ["one", "first", "two", "second, otherwise"]);
    assert_eq!(desk.state.messages().last(), Some(&model("second, otherwise")));
}

#[test]
fn an_edited_question_is_another_version_and_escape_leaves_it() {
    let mut desk = chat();
    desk.press(KeyCode::Esc, NONE);
    desk.press(KeyCode::Esc, NONE);
    desk.settle();
    assert_eq!(desk.state.composer.text(), "two");
    assert!(!desk.screen().contains("second"), "{}", desk.screen());
    // Nothing is changed yet, on the disk neither.
    assert_eq!(desk.texts(), ["one", "first", "two", "second"]);
    desk.press(KeyCode::Esc, NONE);
    desk.settle();
    assert!(desk.state.composer.is_empty());
    assert!(desk.screen().contains("second"), "{}", desk.screen());
    desk.say("/edit");
    desk.keys(" or three");
    desk.press(KeyCode::Enter, NONE);
    desk.settle();
    desk.reply("third");
    assert_eq!(desk.texts(), ["one", "first", "two or three", "third"]);
    assert!(desk.screen().contains("you  2/2"), "{}", desk.screen());
    desk.say("/branch back");
    assert_eq!(desk.texts(), ["one", "first", "two", "second"]);
}

#[test]
fn a_reply_goes_on_where_it_ended() {
    let mut desk = Desk::new(80, 24);
    desk.say("count");
    desk.event(piece(Channel::Answer, "one, two"));
    desk.event(Event::Done(whole("one, two", "", StopReason::Length)));
    desk.settle();
    desk.effects();
    desk.keys("/continue\n");
    let request = desk.request();
    assert_eq!(request.sampling.seed, desk.state.start.sampling.seed, "as it would have become");
    let slipstream::request::Prompt::Chat { messages, thinking } = request.prompt else { panic!("a chat") };
    assert_eq!(messages.last().map(|last| last.role), Some(Role::Model), "it begins with what there is");
    assert!(!thinking);
    assert_eq!(messages, [user("count"), model("one, two")]);
    desk.event(piece(Channel::Answer, ", three"));
    assert_eq!(desk.texts(), ["count", "one, two, three"], "stored while it grows");
    desk.event(Event::Progress(counters()));
    desk.event(Event::Done(whole(", three", "", StopReason::EndOfTurn)));
    assert_eq!(desk.texts(), ["count", "one, two, three"]);
    let stored = desk.stored();
    assert_eq!(stored.tree.version(stored.turns[1].id), Some((2, 2)));
    assert!(stored.turns[1].continues.is_some());
    let screen = desk.screen();
    assert!(screen.contains("one, two, three") && screen.contains("model  2/2"), "{screen}");
    // The tokens of both parts are known.
    let mut desk = desk.restarted(80, 24);
    desk.open(stored.info.id);
    desk.keys("/tokens\n");
    desk.settle();
    assert!(!desk.screen().contains("not known"), "{}", desk.screen());
}

#[test]
fn what_cannot_be_gone_on_with_says_so() {
    let mut desk = Desk::new(80, 24);
    desk.say("/continue");
    assert!(desk.screen().contains("no reply to go on with"), "{}", desk.screen());
    desk.say("go");
    desk.say("/regen");
    assert!(desk.screen().contains("a reply is being written"), "{}", desk.screen());
    desk.event(Event::Done(whole("", "only thoughts", StopReason::Length)));
    desk.say("/continue");
    assert!(desk.screen().contains("/regen writes it again"), "{}", desk.screen());
}

#[test]
fn a_question_taken_back_can_be_brought_back() {
    let mut desk = chat();
    desk.say("/undo");
    assert_eq!(desk.state.composer.text(), "two");
    assert_eq!(desk.texts(), ["one", "first"]);
    desk.control('x');
    desk.press(KeyCode::Char('z'), NONE);
    desk.settle();
    assert!(desk.state.composer.is_empty());
    assert_eq!(desk.texts(), ["one", "first", "two", "second"]);
    // Taken back altogether: the next question is the first one.
    desk.say("/undo");
    desk.press(KeyCode::Char('u'), crate::screen::CONTROL);
    desk.say("/undo");
    assert_eq!(desk.texts(), [""; 0]);
    desk.press(KeyCode::Char('u'), crate::screen::CONTROL);
    desk.turn("another one", "answer");
    assert_eq!(desk.texts(), ["another one", "answer"]);
    assert!(desk.screen().contains("you  2/2"), "{}", desk.screen());
}

#[test]
fn a_turn_is_chosen_and_what_is_done_is_done_to_it() {
    let mut desk = chat();
    desk.press(KeyCode::Tab, NONE);
    let screen = desk.screen();
    assert!(screen.contains("▌model") && screen.contains("e edit · r again"), "{screen}");
    // The first question.
    desk.keys("kkk");
    desk.keys("y");
    assert!(desk.effects().contains(&slipstream::tui::app::Effect::Copy("one".into())));
    desk.keys("e");
    assert_eq!(desk.state.composer.text(), "one");
    desk.keys("!\n");
    desk.settle();
    desk.reply("first, otherwise");
    assert_eq!(desk.texts(), ["one!", "first, otherwise"]);
    // The other versions of the chosen turn.
    desk.press(KeyCode::Tab, NONE);
    desk.keys("kh");
    desk.settle();
    assert_eq!(desk.texts(), ["one", "first", "two", "second"]);
    desk.press(KeyCode::Esc, NONE);
    // Another reply to the first question: a branch there.
    desk.press(KeyCode::Tab, NONE);
    desk.keys("kkr");
    desk.settle();
    desk.reply("first, a third time");
    assert_eq!(desk.texts(), ["one", "first, a third time"]);
    // Deleted, and back.
    desk.press(KeyCode::Tab, NONE);
    desk.keys("d");
    desk.settle();
    assert_eq!(desk.texts(), ["one", "first", "two", "second"]);
    desk.control('x');
    desk.press(KeyCode::Char('z'), NONE);
    desk.settle();
    assert!(desk.stored().tree.len() == 7, "{:?}", desk.stored().tree);
    // Letters are the input's again.
    desk.press(KeyCode::Esc, NONE);
    desk.keys("hello");
    assert_eq!(desk.state.composer.text(), "hello");
}

#[test]
fn an_earlier_reply_is_gone_on_with_on_a_branch() {
    let mut desk = chat();
    desk.press(KeyCode::Tab, NONE);
    desk.keys("kkc");
    desk.settle();
    desk.event(piece(Channel::Answer, " and more"));
    desk.event(Event::Done(whole(" and more", "", StopReason::EndOfTurn)));
    assert_eq!(desk.texts(), ["one", "first and more"]);
    desk.say("/branch 1");
    assert_eq!(desk.texts(), ["one", "first", "two", "second"]);
}

/// Whatever is done, the screen's branch, the store's, and what is sent to the model are the same conversation.
#[derive(Clone, Debug)]
enum Act {
    Ask,
    Regen,
    EditAndSend,
    EditAndLeave,
    Undo,
    BringBack,
    Continue,
    Back,
    Next,
    Delete(u8),
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => Just(Act::Ask),
        2 => Just(Act::Regen),
        2 => Just(Act::EditAndSend),
        1 => Just(Act::EditAndLeave),
        1 => Just(Act::Undo),
        1 => Just(Act::BringBack),
        2 => Just(Act::Continue),
        2 => Just(Act::Back),
        2 => Just(Act::Next),
        1 => any::<u8>().prop_map(Act::Delete),
        1 => Just(Act::Restart),
    ]
}

fn perform(mut desk: Desk, act: &Act, number: usize) -> Desk {
    match act {
        Act::Ask => desk.say(&format!("question {number}")),
        Act::Regen => desk.say("/regen"),
        Act::EditAndSend => {
            desk.say("/edit");
            desk.keys("~\n");
        }
        Act::EditAndLeave => {
            desk.say("/edit");
            desk.press(KeyCode::Esc, NONE);
        }
        Act::Undo => desk.say("/undo"),
        Act::BringBack => desk.say("/restore"),
        Act::Continue => desk.say("/continue"),
        Act::Back => desk.say("/branch back"),
        Act::Next => desk.say("/branch next"),
        Act::Delete(which) => {
            desk.press(KeyCode::Tab, NONE);
            desk.keys(&"k".repeat(usize::from(which % 5)));
            desk.settle();
            desk.keys("d");
            desk.settle();
            desk.state.selection = None;
        }
        Act::Restart => {
            desk.settle();
            if let Some(id) = desk.state.sessions.chat.id() {
                desk = desk.restarted(60, 20);
                desk.open(id);
            }
        }
    }
    desk.settle();
    if desk.state.running.is_some() {
        let text = format!("answer {number} ");
        desk.reply(&text);
        desk.settle();
    }
    desk.state.composer.clear();
    desk
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn screen_store_and_model_see_one_conversation(acts in prop::collection::vec(act(), 1..14)) {
        let mut desk = Desk::new(60, 20);
        for (number, act) in acts.iter().enumerate() {
            desk = perform(desk, act, number);
            if desk.state.sessions.chat.id().is_none() {
                continue;
            }
            let stored = desk.stored();
            let chat = &desk.state.sessions.chat;
            prop_assert_eq!(&stored.tree, chat.tree(), "after {:?}", act);
            prop_assert_eq!(stored.head, chat.head(), "after {:?}", act);
            let path = desk.path();
            let ids: Vec<_> = stored.turns.iter().map(|turn| turn.id).collect();
            prop_assert_eq!(&ids, &path);
            let said: Vec<String> = stored.turns.iter().map(|turn| turn.text.clone()).collect();
            let sent: Vec<String> =
                desk.state.messages().into_iter().map(|message| message.text).collect();
            // A question without an answer, in the midst of others, is not sent.
            let speakers: Vec<_> = stored.turns.iter().map(|turn| turn.speaker).collect();
            if speakers.windows(2).all(|two| two[0] != two[1]) {
                prop_assert_eq!(said, sent, "after {:?}", act);
            }
            desk.screen();
        }
    }
}
