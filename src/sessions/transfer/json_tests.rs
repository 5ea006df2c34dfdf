use proptest::prelude::*;

use super::*;

fn document() -> Document {
    let turn = |id, parent, speaker, text: &str| TurnDocument {
        id,
        parent,
        speaker,
        created: Moment(1_795_601_472_000),
        ended: Some("eot".to_owned()),
        continues: None,
        text: text.to_owned(),
        reasoning: String::new(),
        numbers: None,
        trace: TurnTrace::default(),
    };
    let mut answer = turn(2, Some(1), Speaker::Model, "Ein Bär.");
    answer.trace.text = Trace(vec![
        Mark::Token { bytes: 3, origin: Origin::Target },
        Mark::Rejected(" \"Hund\"".to_owned()),
        Mark::Token { bytes: 5, origin: Origin::Accepted },
        Mark::Unknown { bytes: 1 },
    ]);
    answer.trace.tokens = vec![TokenId(12), TokenId(262_143)];
    answer.numbers = Some(serde_json::json!({ "predicted_n": 3 }));
    answer.reasoning = "A bear?".to_owned();
    answer.trace.reasoning = Trace(vec![Mark::Token { bytes: 0, origin: Origin::Accepted }]);
    let session = SessionDocument {
        title: "Bären".to_owned(),
        created: Moment(1),
        updated: Moment(2),
        settings: SessionSettings { system: Some("Be brief.".to_owned()), ..SessionSettings::default() },
        head: Some(2),
        sent_from: None,
        turns: vec![turn(1, None, Speaker::User, "Was ist das?"), answer],
    };
    Document { sessions: vec![session] }
}

#[test]
fn what_is_written_is_read() {
    let document = document();
    assert_eq!(parse(&document.to_json()), Ok(document));
}

#[test]
fn what_is_wrong_is_named() {
    let text = document().to_json();
    let read = |from: &str, to: &str| {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        parse(&changed).unwrap_err().to_string()
    };
    assert_eq!(read("\"version\":1", "\"version\":7"), "it has version 7, this slipstream reads 1");
    assert_eq!(read("slipstream sessions", "other"), "its \"kind\" is not \"slipstream sessions\"");
    assert!(read("\"title\":", "\"tilte\":").contains("missing field `title`"));
    assert!(read("\"parent\":1", "\"parent\":2").starts_with("session 1, turn 2: no turn before it"));
    assert!(read("\"id\":2", "\"id\":1").contains("the same \"id\""));
    assert!(read("\"user\"", "\"pope\"").contains("\"speaker\""));
    // Six bytes for `Ein`: the next mark would begin within a character.
    assert!(read("\"trace\":[6", "\"trace\":[12").contains("\"trace\" does not fit"));
    assert!(read("\"trace\":[6", "\"trace\":[60").contains("\"trace\" does not fit"));
    assert!(read("\"trace\":[6", "\"trace\":[9999999999999").contains("\"trace\" does not fit"));
    assert!(parse("").is_err() && parse("[]").is_err() && parse("{}").is_err());
    // Deeper than any stack.
    assert!(parse(&"[".repeat(1_000_000)).is_err());
    let deep = format!("{{\"kind\":\"{KIND}\",\"version\":1,\"sessions\":{}", "[".repeat(100_000));
    assert!(parse(&deep).is_err());
}

#[test]
fn places_that_are_not_there_are_none() {
    let text = document().to_json().replace("\"head\":2", "\"head\":9");
    assert_eq!(parse(&text).unwrap().sessions[0].head, None);
}

proptest! {
    /// Whatever one wrong character makes of a text: it is refused, or all it says holds together.
    #[test]
    fn a_changed_text_is_refused_or_sound(at in 0_usize..900, with in "[0-9\"{},\\[\\]a-z-]") {
        let text = document().to_json();
        let at = at % text.len();
        prop_assume!(text.is_char_boundary(at) && text.is_char_boundary(at + 1));
        let changed = format!("{}{with}{}", &text[..at], &text[at + 1..]);
        if let Ok(document) = parse(&changed) {
            // It can be written and read again.
            prop_assert_eq!(parse(&document.to_json()), Ok(document));
        }
    }

    #[test]
    fn any_text_is_read_without_harm(text in ".{0,60}") {
        let _ = parse(&text);
    }
}
