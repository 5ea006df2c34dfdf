//! What the engine tells, taken into the state.

use crate::event::{Activity, Channel, Event, Failure, Ready, Reply, SpeculationState, StopReason, Text};
use crate::tui::app::{Effect, State};
use crate::tui::entry::Entry;
use crate::tui::text::one_line;

/// Takes one event in.
pub fn receive(state: &mut State, event: Event) -> Vec<Effect> {
    match event {
        Event::Loading { what, fraction } => {
            let fraction = if fraction.is_finite() { fraction.clamp(0.0, 1.0) } else { 0.0 };
            match state.loading.iter_mut().find(|(file, _)| *file == what) {
                Some((_, known)) => *known = fraction,
                None => state.loading.push((what, fraction)),
            }
        }
        Event::Ready(ready) => become_ready(state, ready),
        Event::Prefill(prefill) => state.prefill = Some(prefill),
        Event::Text(text) => append(state, &text),
        Event::Progress(counters) => {
            state.prefill = None;
            state.meter.observe(counters.elapsed, counters.predicted);
            state.counters = counters;
            if let Some(running) = state.running {
                let (predicted, elapsed) = (state.counters.predicted, state.counters.elapsed);
                if let Some(reply) = state.transcript.reply_mut(running.entry)
                    && reply.answer.is_empty()
                    && !reply.reasoning.is_empty()
                {
                    reply.reasoning_tokens = predicted;
                    reply.reasoning_time = elapsed;
                }
                // A stop asked for before the engine had taken the request up may have been forgotten.
                if running.stopping {
                    return vec![Effect::Cancel];
                }
            }
        }
        Event::Speculation(now) => speculation(state, now),
        Event::Done(reply) => done(state, &reply),
        Event::Found(_) => {}
        Event::Failed(failure) => return failed(state, failure),
    }
    Vec::new()
}

fn become_ready(state: &mut State, ready: Ready) {
    state.speculation = ready.speculation.clone();
    let mut text = format!("{} {}", one_line(&ready.model_name), one_line(&ready.quantization));
    text.push_str(&format!("\n{}", one_line(&ready.pairing)));
    if let Some(instructions) = ready.kernels.instructions {
        text.push_str(&format!("\nslipstream's own kernels ({instructions})"));
    }
    for note in &ready.notes {
        text.push_str(&format!("\n{}", one_line(note)));
    }
    text.push_str("\n/help lists the keys and commands");
    state.ready = Some(ready);
    state.note(text);
}

fn append(state: &mut State, text: &Text) {
    state.prefill = None;
    let Some(running) = state.running else { return };
    let Some(reply) = state.transcript.reply_mut(running.entry) else {
        return;
    };
    match text.channel {
        Channel::Answer => reply.answer.push_str(&text.text),
        Channel::Reasoning => reply.reasoning.push_str(&text.text),
    }
}

/// An answer to `/draft` is echoed; a change that nobody asked for is told once, where it has a reason.
fn speculation(state: &mut State, now: SpeculationState) {
    let asked = std::mem::take(&mut state.awaiting_echo);
    // Parking and going on again is everyday work: the panel shows it, the transcript does not.
    let turned_off =
        state.speculation.activity != Activity::Off && now.activity == Activity::Off && now.reason.is_some();
    state.speculation = now;
    if asked || turned_off {
        state.notice = None;
        // Not `note`: what nobody asked for does not move the view.
        state.transcript.push(Entry::Note(speculation_line(&state.speculation)));
    }
}

/// How speculation stands, in one line.
#[must_use]
pub fn speculation_line(speculation: &SpeculationState) -> String {
    let reason = speculation.reason.as_deref().map(one_line);
    match (speculation.activity, reason) {
        (Activity::On, None) => format!("draft on: up to {} a round", speculation.length),
        (Activity::On, Some(reason)) => format!("draft on: up to {} a round ({reason})", speculation.length),
        (Activity::Parked, None) => "draft parked".to_string(),
        (Activity::Parked, Some(reason)) => format!("draft parked: {reason}"),
        (Activity::Off, None) => "draft off".to_string(),
        (Activity::Off, Some(reason)) => format!("draft off: {reason}"),
    }
}

fn done(state: &mut State, reply: &Reply) {
    state.prefill = None;
    state.counters = reply.counters.clone();
    state.speculation = reply.speculation.clone();
    let Some(running) = state.running.take() else {
        return;
    };
    state.transcript.settle(running.entry, &reply.text, &reply.reasoning);
    if let Some(entry) = state.transcript.reply_mut(running.entry) {
        entry.running = false;
        entry.footer = footer(reply);
        if entry.answer.trim().is_empty() {
            entry.footer.insert_str(0, "no answer, so the question is not kept · ");
        }
    }
}

/// The numbers below a reply: of the whole reply, as docs/NUMBERS.md defines them.
#[must_use]
pub fn footer(reply: &Reply) -> String {
    let counters = &reply.counters;
    // First what went otherwise than asked: a narrow screen cuts the end off.
    let mut parts = Vec::new();
    match reply.stop_reason {
        StopReason::EndOfTurn => {}
        StopReason::Length => parts.push("token limit reached".to_string()),
        StopReason::StopText => parts.push("stop text met".to_string()),
        StopReason::ContextFull => parts.push("context full: /new starts over".to_string()),
        StopReason::Cancelled => parts.push("stopped".to_string()),
    }
    if let Some(rate) = counters.tokens_per_second() {
        parts.push(format!("{rate:.1} t/s"));
    }
    let plural = if counters.predicted == 1 { "" } else { "s" };
    parts.push(format!("{} token{plural}", counters.predicted));
    if let Some(share) = counters.accepted_share() {
        parts.push(format!("{:.0} % accepted", share * 100.0));
    }
    parts.push(format!("first token {:.2} s", reply.first_token.as_secs_f64()));
    parts.join(" · ")
}

fn failed(state: &mut State, failure: Failure) -> Vec<Effect> {
    if failure.fatal {
        return vec![Effect::Fail(failure)];
    }
    state.prefill = None;
    if let Some(running) = state.running.take()
        && let Some(entry) = state.transcript.reply_mut(running.entry)
    {
        entry.running = false;
        entry.footer = "failed".to_string();
    }
    let mut text = failure.message;
    if let Some(help) = failure.help {
        text.push('\n');
        text.push_str(&help);
    }
    state.transcript.push(Entry::Error(text));
    Vec::new()
}
