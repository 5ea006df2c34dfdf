//! The numbers of a reply as they are kept with it, and the line below it that is made of them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::event::{Reply, StopReason};
use crate::request::milliseconds;
use crate::sessions::{INTERRUPTED, WRITTEN};

/// The numbers, named as `run --json` names them.
#[must_use]
pub fn of(reply: &Reply) -> Value {
    let counters = &reply.counters;
    json!({
        "prompt_n": reply.prompt_tokens,
        "prompt_decoded_n": reply.prompt_decoded,
        "prompt_ms": milliseconds(reply.prompt_time),
        "first_token_ms": milliseconds(reply.first_token),
        "predicted_n": counters.predicted,
        "predicted_ms": milliseconds(counters.elapsed),
        "predicted_per_second": counters.tokens_per_second(),
        "draft_n": counters.tested,
        "draft_n_accepted": counters.accepted,
        "draft_rounds": counters.rounds,
        "draft_ms": milliseconds(counters.drafting),
        "verify_ms": milliseconds(counters.verifying),
        "accept_len": counters.length_per_round(),
        "tested_by_position": counters.tested_by_position,
        "accepted_by_position": counters.accepted_by_position,
        "plain_per_second": counters.plain_per_second,
        "gain": counters.gain,
        "context_used": counters.context_used,
    })
}

/// What is said of why a reply ended; nothing where it ended by itself.
#[must_use]
pub fn ending(reason: &str) -> Option<&'static str> {
    const NAMES: [(StopReason, Option<&str>); 5] = [
        (StopReason::EndOfTurn, None),
        (StopReason::Length, Some("token limit reached")),
        (StopReason::StopText, Some("stop text met")),
        (StopReason::ContextFull, Some("context full")),
        (StopReason::Cancelled, Some("stopped")),
    ];
    match reason {
        WRITTEN => Some("rewritten"),
        INTERRUPTED => Some("interrupted: the program had ended"),
        "failed" => Some("failed"),
        _ => NAMES.iter().find(|(name, _)| name.name() == reason).and_then(|(_, words)| *words),
    }
}

/// The line below a stored reply. Numbers that are not there are not shown.
#[must_use]
pub fn footer(ended: Option<&str>, numbers: Option<&Value>) -> String {
    let number = |name: &str| numbers?.get(name)?.as_f64();
    let mut parts: Vec<String> =
        ending(ended.unwrap_or(INTERRUPTED)).map(str::to_owned).into_iter().collect();
    if let Some(rate) = number("predicted_per_second") {
        parts.push(format!("{rate:.1} t/s"));
    }
    if let Some(count) = number("predicted_n") {
        let plural = if (count - 1.0).abs() < f64::EPSILON { "" } else { "s" };
        parts.push(format!("{count:.0} token{plural}"));
    }
    if let (Some(accepted), Some(tested)) =
        (number("draft_n_accepted"), number("draft_n").filter(|tested| *tested > 0.0))
    {
        parts.push(format!("{:.0} % accepted", accepted / tested * 100.0));
    }
    if let Some(first) = number("first_token_ms").filter(|first| first.is_finite() && *first >= 0.0) {
        let first = Duration::try_from_secs_f64(first / 1000.0).unwrap_or_default();
        parts.push(format!("first token {:.2} s", first.as_secs_f64()));
    }
    parts.join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Counters, SpeculationState};

    #[test]
    fn a_stored_reply_has_the_line_it_had() {
        let counters = Counters {
            predicted: 61,
            rounds: 25,
            tested: 51,
            accepted: 36,
            elapsed: Duration::from_secs(2),
            ..Counters::default()
        };
        let mut reply = Reply {
            text: String::new(),
            reasoning: String::new(),
            tokens: Vec::new(),
            stop_reason: StopReason::EndOfTurn,
            prompt_tokens: 20,
            prompt_decoded: 20,
            prompt_time: Duration::from_millis(400),
            first_token: Duration::from_millis(420),
            counters,
            speculation: SpeculationState::default(),
            rows: Vec::new(),
        };
        for stop in [StopReason::EndOfTurn, StopReason::Length, StopReason::StopText, StopReason::Cancelled] {
            reply.stop_reason = stop;
            let stored = footer(Some(stop.name()), Some(&of(&reply)));
            assert_eq!(stored, crate::tui::engine::footer(&reply));
        }
        reply.counters = Counters { predicted: 1, ..Counters::default() };
        reply.stop_reason = StopReason::EndOfTurn;
        assert_eq!(footer(Some("eot"), Some(&of(&reply))), "1 token · first token 0.42 s");
        assert_eq!(footer(None, None), "interrupted: the program had ended");
        assert_eq!(footer(Some("written"), Some(&json!({"predicted_n": "many"}))), "rewritten");
    }
}
