//! Numbers for scripts (JSON, names as in docs/NUMBERS.md) and for people (one line).

use std::time::Duration;

use serde_json::{Value, json};

use super::settings::Settings;
use crate::event::{Activity, Channel, Event, Ready, Reply, SpeculationState};
use crate::llama::build_info;
use crate::request::milliseconds;

/// Times since the process began.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Until everything was loaded.
    pub startup: Duration,
    /// Until the first token of the reply.
    pub first_token: Duration,
}

/// Per second, `null` where there is nothing to divide.
fn rate(count: u32, time: Duration) -> Option<f64> {
    let seconds = time.as_secs_f64();
    (count > 0 && seconds > 0.0).then(|| f64::from(count) / seconds)
}

fn state_word(state: &SpeculationState) -> &'static str {
    state.activity.name()
}

/// The object of `run --json`.
#[must_use]
pub fn reply(reply: &Reply, ready: &Ready, settings: &Settings, times: Times) -> Value {
    let counters = &reply.counters;
    let per_second = counters.tokens_per_second();
    // A reply without a single guess was written plainly: its rate is the plain rate, measured.
    let plainly = counters.tested == 0 && reply.speculation.activity == Activity::Off;
    let plain = if plainly { per_second } else { counters.plain_per_second };
    json!({
        "text": reply.text,
        "reasoning": reply.reasoning,
        "tokens": reply.tokens.iter().map(|token| token.0).collect::<Vec<_>>(),
        "stop_reason": reply.stop_reason.name(),
        "prompt_n": reply.prompt_tokens,
        "prompt_decoded_n": reply.prompt_decoded,
        "prompt_ms": milliseconds(reply.prompt_time),
        "prompt_per_second": rate(reply.prompt_decoded, reply.prompt_time),
        "startup_ms": milliseconds(times.startup),
        "first_token_ms": milliseconds(times.first_token),
        "predicted_n": counters.predicted,
        "predicted_ms": milliseconds(counters.elapsed),
        "predicted_per_second": per_second,
        "draft_n": counters.tested,
        "draft_n_accepted": counters.accepted,
        "draft_rounds": counters.rounds,
        "draft_ms": milliseconds(counters.drafting),
        "verify_ms": milliseconds(counters.verifying),
        "decode_ms": milliseconds(counters.decoding),
        "accept_len": counters.length_per_round(),
        "tested_by_position": counters.tested_by_position,
        "accepted_by_position": counters.accepted_by_position,
        "plain_per_second": plain,
        "gain": counters.gain,
        "spec_state": state_word(&reply.speculation),
        "spec_reason": reply.speculation.reason,
        "draft_kind": ready.draft_kind,
        "pairing": ready.pairing,
        "kernels": ready.kernels.instructions.unwrap_or("off"),
        "kernels_reason": ready.kernels.reason,
        "context_n": ready.context_size,
        "context_used": counters.context_used,
        "memory_bytes": ready.memory_bytes,
        "temperature": settings.sampling.temperature,
        "seed": settings.sampling.seed,
        "model": settings.engine.model,
        "drafter": ready.drafter,
        "version": env!("CARGO_PKG_VERSION"),
        "llama_build": build_info(),
    })
}

/// The first line of `run --jsonl`.
#[must_use]
pub fn ready(ready: &Ready) -> Value {
    json!({
        "event": "ready",
        "model": ready.model,
        "drafter": ready.drafter,
        "draft_kind": ready.draft_kind,
        "pairing": ready.pairing,
        "context_n": ready.context_size,
        "quantization": ready.quantization,
        "memory_bytes": ready.memory_bytes,
        "kernels": ready.kernels.instructions.unwrap_or("off"),
        "kernels_reason": ready.kernels.reason,
        "notes": ready.notes,
        "spec_state": state_word(&ready.speculation),
        "spec_reason": ready.speculation.reason,
    })
}

/// A line of `run --jsonl`; `None` for events that have lines of their own or none.
#[must_use]
pub fn event(event: &Event) -> Option<Value> {
    match event {
        Event::Prefill(prefill) => Some(json!({
            "event": "prefill",
            "done": prefill.done,
            "total": prefill.total,
            "reused": prefill.reused,
        })),
        Event::Text(text) => Some(json!({
            "event": "text",
            "channel": match text.channel {
                Channel::Answer => "answer",
                Channel::Reasoning => "reasoning",
            },
            "text": text.text,
            "tokens": text.spans.iter().map(|span| json!([span.bytes, span.origin.name()])).collect::<Vec<_>>(),
        })),
        Event::Progress(counters) => Some(json!({
            "event": "progress",
            "predicted_n": counters.predicted,
            "predicted_per_second": counters.tokens_per_second(),
            "draft_n": counters.tested,
            "draft_n_accepted": counters.accepted,
            "accept_len": counters.length_per_round(),
            "context_used": counters.context_used,
        })),
        Event::Speculation(state) => Some(json!({
            "event": "speculation",
            "spec_state": state_word(state),
            "spec_reason": state.reason,
        })),
        Event::Loading { .. } | Event::Ready(_) | Event::Done(_) | Event::Failed(_) | Event::Found(_) => None,
    }
}

/// `31.8 t/s · 412 tokens · 71 % accepted · first token 0.42 s`
#[must_use]
pub fn footer(reply: &Reply) -> String {
    let counters = &reply.counters;
    let mut parts = Vec::new();
    if let Some(rate) = counters.tokens_per_second() {
        parts.push(format!("{rate:.1} t/s"));
    }
    parts.push(format!("{} tokens", counters.predicted));
    match (counters.accepted_share(), counters.length_per_round()) {
        (Some(share), Some(length)) => {
            parts.push(format!("{:.0} % accepted", share * 100.0));
            parts.push(format!("{length:.2} per round"));
            if let Some(gain) = counters.gain {
                parts.push(format!("×{gain:.2}"));
            }
        }
        _ => {
            if let Some(reason) = &reply.speculation.reason {
                parts.push(format!("draft {}: {reason}", reply.speculation.activity.name()));
            }
        }
    }
    parts.push(format!("first token {:.2} s", reply.first_token.as_secs_f64()));
    parts.join(" · ")
}
