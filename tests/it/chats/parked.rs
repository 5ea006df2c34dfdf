//! Saved states of the cache, over the pocket pair: what is found again, what is refused, and that no text changes.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use slipstream::engine::parked;
use slipstream::event::{Command, Parking};

use crate::drive::{Driver, chat, greedy, model, mtp, settings, user};

const QUESTION: &str = "What is a river, what is a lake, and what is the difference between the two of them?";

fn parking(file: &std::path::Path) -> Parking {
    Parking { file: file.to_owned(), identity: "pocket".into(), most_bytes: 1 << 30, worth: Duration::ZERO }
}

/// A first run: one turn, and its state saved. The file, the reply, and the tokens of the prompt.
fn first_run(folder: &tempfile::TempDir) -> (PathBuf, String, u32) {
    let file = folder.path().join("states/one.state");
    let driver = Driver::start(settings(mtp(), 3));
    let heard = driver.ask(chat(vec![user(QUESTION)], greedy(), 60));
    driver.engine.send(Command::Park(parking(&file)));
    // The engine ends after what it was told.
    drop(driver);
    assert!(file.is_file(), "nothing was saved");
    (file, heard.text.clone(), heard.reply().prompt_tokens)
}

/// The second turn, in a run of its own, with the state or without.
fn second_run(file: Option<&std::path::Path>, identity: &str, first: &str) -> (String, u32, u32) {
    let driver = Driver::start(settings(mtp(), 3));
    if let Some(file) = file {
        driver.engine.send(Command::Unpark(Parking { identity: identity.into(), ..parking(file) }));
    }
    let messages = vec![user(QUESTION), model(first), user("And what is the sea?")];
    let heard = driver.ask(chat(messages, greedy(), 40));
    let reply = heard.reply();
    (heard.text.clone(), reply.prompt_tokens - reply.prompt_decoded, reply.prompt_tokens)
}

#[test]
fn a_saved_state_spares_the_prompt_and_changes_no_text() {
    let folder = tempfile::tempdir().unwrap();
    let (file, first, prompt) = first_run(&folder);
    let known = parked(&file).expect("a sound file");
    assert!(known.tokens >= prompt && known.bytes == fs::metadata(&file).unwrap().len(), "{known:?}");
    let (plain, none, _) = second_run(None, "pocket", &first);
    assert_eq!(none, 0);
    let (text, reused, total) = second_run(Some(&file), "pocket", &first);
    assert_eq!(text, plain);
    assert!(reused >= prompt && reused < total, "{reused} of {total}, first prompt {prompt}");
    assert!(file.is_file(), "it is there for the next time");
}

#[test]
fn what_does_not_fit_is_thrown_away_and_the_tokens_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let (file, first, _) = first_run(&folder);
    let sound = fs::read(&file).unwrap();
    let (plain, ..) = second_run(None, "pocket", &first);
    let check = |what: &str, bytes: &[u8], identity: &str| {
        fs::write(&file, bytes).unwrap();
        let (text, reused, _) = second_run(Some(&file), identity, &first);
        assert_eq!((text.as_str(), reused), (plain.as_str(), 0), "{what}");
        assert!(!file.exists(), "{what}");
    };
    check("of another model", &sound, "another");
    for (what, at) in [("the last byte", sound.len() - 1), ("the middle", sound.len() / 2), ("the magic", 0)]
    {
        let mut damaged = sound.clone();
        damaged[at] ^= 1;
        check(what, &damaged, "pocket");
    }
    check("cut off", &sound[..sound.len() / 2], "pocket");
    check("empty", b"", "pocket");
}

#[test]
fn a_state_that_is_too_long_for_the_context_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (file, first, _) = first_run(&folder);
    let driver = Driver::start(slipstream::engine::EngineSettings { context: 256, ..settings(mtp(), 3) });
    let tokens = parked(&file).unwrap().tokens;
    driver.engine.send(Command::Unpark(parking(&file)));
    let heard = driver.ask(chat(vec![user("Hello.")], greedy(), 8));
    assert!(heard.outcome.is_ok(), "{first}");
    drop(driver);
    assert_eq!(parked(&file).map(|known| known.tokens), Some(tokens));
}

#[test]
fn nothing_is_saved_that_is_computed_faster() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("one.state");
    let driver = Driver::start(settings(mtp(), 3));
    driver.ask(chat(vec![user(QUESTION)], greedy(), 8));
    driver.engine.send(Command::Park(Parking { worth: Duration::from_secs(100_000), ..parking(&file) }));
    driver.engine.send(Command::Park(Parking { most_bytes: 100, ..parking(&file) }));
    drop(driver);
    assert!(!file.exists());
}
