//! Every piece of text tells which tokens gave it and who chose them: from scripted rounds to spans, byte by byte.

use slipstream::engine::TextStream;
use slipstream::event::{Channel, Event};
use slipstream::request::SamplingSettings;
use slipstream::spec::FixedLength;
use slipstream::token::{Origin, TokenId, TokenSpan};

use crate::drive::{Driver, chat, greedy, mtp, settings, user};
use crate::fakes::{END_OF_TURN, FakeDrafter, Habit, LASTING_HABITS, Script, Task, Written};

const SCRIPT: Script = Script { seed: 5, spread: 12.0, end_bias: 0.0 };

/// The bytes of a scripted token: words, halves of characters, bytes that are no text, and nothing at all.
fn piece(token: TokenId) -> Vec<u8> {
    match token.0 % 6 {
        0 => format!(" word{}", token.0).into_bytes(),
        1 => "é".as_bytes()[..1].to_vec(),
        2 => "é".as_bytes()[1..].to_vec(),
        3 => Vec::new(),
        4 => "🦀".as_bytes().to_vec(),
        _ => vec![0xFF],
    }
}

fn written(habit: Habit, seed: u64) -> Written {
    let task = Task::new(SCRIPT, SamplingSettings { seed, ..SamplingSettings::default() });
    let mut drafter = FakeDrafter::new(habit, task.script);
    task.speculative(Some(&mut drafter), &mut FixedLength { length: 3, p_min: 0.0 })
}

/// The text of the rounds and its spans, as the engine makes them.
fn spans(written: &Written, stops: &[&str]) -> (String, Vec<TokenSpan>) {
    let stops = stops.iter().map(|stop| (*stop).to_owned()).collect();
    let mut stream = TextStream::new(stops, None);
    let mut texts = Vec::new();
    for (round, rejected) in written.rounds.iter().zip(&written.rejected) {
        for (place, emitted) in round.emitted.iter().enumerate() {
            if emitted.token == END_OF_TURN {
                break;
            }
            let last = place + 1 == round.emitted.len() && !rejected.is_empty();
            let rejected =
                last.then(|| rejected.iter().map(|token| format!("<{}>", token.0)).collect::<String>());
            texts.extend(stream.push(&piece(emitted.token), emitted.origin, rejected.map(Into::into)).texts);
        }
    }
    texts.extend(stream.finish().texts);
    let text: String = texts.iter().map(|text| text.text.as_str()).collect();
    assert!(texts.iter().all(|text| text.channel == Channel::Answer));
    (text, texts.into_iter().flat_map(|text| text.spans).collect())
}

#[test]
fn every_token_has_its_span_and_its_origin() {
    let (mut accepted, mut own) = (0, 0);
    for habit in LASTING_HABITS {
        for seed in 0..40 {
            let written = written(habit, seed);
            let (text, spans) = spans(&written, &[]);
            let bytes: u32 = spans.iter().map(|span| span.bytes).sum();
            assert_eq!(bytes as usize, text.len(), "{habit:?} {seed}");
            let mut at = 0;
            for span in &spans {
                at += span.bytes as usize;
                assert!(text.is_char_boundary(at), "{habit:?} {seed}: a span ends within a character");
            }
            // Tokens without bytes at the very end have nothing to be shown with; all others are there, in order.
            let drawn: Vec<Origin> = written
                .rounds
                .iter()
                .flat_map(|round| &round.emitted)
                .filter(|emitted| emitted.token != END_OF_TURN)
                .map(|emitted| emitted.origin)
                .collect();
            let shown: Vec<Origin> = spans.iter().map(|span| span.origin).collect();
            assert_eq!(shown, drawn[..shown.len()], "{habit:?} {seed}");
            accepted += shown.iter().filter(|origin| **origin == Origin::Accepted).count();
            own += shown.iter().filter(|origin| **origin == Origin::Target).count();
        }
    }
    assert!(accepted > 500 && own > 500, "{accepted} accepted, {own} of the target's own");
}

#[test]
fn rejected_guesses_are_told_with_the_token_drawn_in_their_place() {
    let mut told = 0;
    for seed in 0..40 {
        let written = written(Habit::Noisy(6.0), seed);
        for (round, rejected) in written.rounds.iter().zip(&written.rejected) {
            let last = round.emitted.last().expect("a round emits a token").token;
            assert_ne!(rejected.first(), Some(&last), "a rejected guess is not what was drawn");
        }
        let (_, spans) = spans(&written, &[]);
        for span in spans.iter().filter(|span| span.rejected.is_some()) {
            assert_eq!(span.origin, Origin::Target, "only the target's own token stands in place of a guess");
            told += 1;
        }
    }
    assert!(told > 50, "{told} rejections");
}

#[test]
fn a_stop_text_cuts_the_spans_where_it_cuts_the_text() {
    let mut cut = 0;
    for seed in 0..40 {
        let written = written(Habit::Noisy(2.0), seed);
        let (whole, _) = spans(&written, &[]);
        let (text, spans) = spans(&written, &["rd12"]);
        let bytes: u32 = spans.iter().map(|span| span.bytes).sum();
        assert_eq!(bytes as usize, text.len());
        assert_eq!(text, whole.split("rd12").next().unwrap_or_default());
        cut += usize::from(text.len() < whole.len());
    }
    assert!(cut > 0, "no reply met the stop text");
}

#[test]
fn the_pocket_pair_tells_them_where_it_is_asked_to() {
    let driver = Driver::start(settings(mtp(), 3));
    let mut request = chat(vec![user("Define lantern.")], greedy(), 48);
    request.ignore_end_of_turn = true;
    let ask = |request| {
        let mut spans: Vec<TokenSpan> = Vec::new();
        let heard = driver.ask_watching(request, |_, event| {
            if let Event::Text(text) = event {
                spans.extend(text.spans.iter().cloned());
            }
        });
        (heard, spans)
    };
    let (quiet, without) = ask(request.clone());
    request.tell_rejected = true;
    let (told, with) = ask(request);
    assert_eq!(quiet.text, told.text);
    assert!(without.iter().all(|span| span.rejected.is_none()));
    let counters = &told.reply().counters;
    let accepted = with.iter().filter(|span| span.origin == Origin::Accepted).count();
    assert_eq!(accepted, counters.accepted as usize);
    assert_eq!(with.len(), counters.predicted as usize);
    // Each guess that was tested in vain is told with the token in its place. The last round may end the reply before.
    let rejections = with.iter().filter(|span| span.rejected.is_some()).count();
    let tested_in_vain = (counters.tested - counters.accepted) as usize;
    assert!(rejections > 0 && (tested_in_vain.saturating_sub(1)..=tested_in_vain).contains(&rejections));
}
