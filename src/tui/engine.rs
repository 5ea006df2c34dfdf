//! What the engine tells, taken into the state.

use crate::event::{Channel, Counters, Event, Failure, Ready, Reply, StopReason, Text};
use crate::tui::app::{Effect, Stage, State};
use crate::tui::entry::Entry;
use crate::tui::speculate::{self, Echo};
use crate::tui::text::one_line;
use crate::tui::{context, pairs};

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
        Event::Ready(ready) => return become_ready(state, ready),
        Event::Prefill(prefill) => state.prefill = Some(prefill),
        Event::Text(text) => append(state, &text),
        Event::Progress(counters) => {
            state.prefill = None;
            state.meter.observe(counters.elapsed, counters.predicted);
            state.history.observe(&counters);
            state.counters = counters;
            context::watch(state);
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
        Event::Speculation(now) => speculate::heard(state, now),
        Event::Done(reply) => return done(state, &reply),
        Event::Found(_) => {}
        Event::Failed(failure) => return failed(state, failure),
    }
    Vec::new()
}

fn become_ready(state: &mut State, ready: Ready) -> Vec<Effect> {
    state.opening = false;
    state.echo = Echo::None;
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
    let asked = ready.speculation.asked;
    state.ready = Some(ready);
    state.counters = Counters::default();
    state.note(text);
    // What was set while it loaded, or for the model before, holds for this one too.
    if asked == state.start.speculation { Vec::new() } else { speculate::tell(state, Echo::None) }
}

fn append(state: &mut State, text: &Text) {
    state.prefill = None;
    if let Some(summary) = &mut state.room.writing {
        if text.channel == Channel::Answer {
            summary.text.push_str(&text.text);
        }
        return;
    }
    let Some(running) = state.running else { return };
    let Some(reply) = state.transcript.reply_mut(running.entry) else {
        return;
    };
    match text.channel {
        Channel::Answer => {
            reply.answer.push_str(&text.text);
            reply.origins.answer.extend_from_slice(&text.spans);
        }
        Channel::Reasoning => {
            reply.reasoning.push_str(&text.text);
            reply.origins.reasoning.extend_from_slice(&text.spans);
        }
    }
}

fn done(state: &mut State, reply: &Reply) -> Vec<Effect> {
    state.prefill = None;
    state.history.observe(&reply.counters);
    state.counters = reply.counters.clone();
    state.speculation = reply.speculation.clone();
    let Some(running) = state.running.take() else { return Vec::new() };
    if let Some(summary) = state.room.writing.take() {
        let whole = !matches!(reply.stop_reason, StopReason::Cancelled | StopReason::ContextFull);
        return context::summarised(state, summary, whole);
    }
    state.transcript.settle(running.entry, &reply.text, &reply.reasoning);
    if let Some(entry) = state.transcript.reply_mut(running.entry) {
        entry.running = false;
        entry.footer = footer(reply);
        if entry.answer.trim().is_empty() {
            entry.footer.insert_str(0, "no answer, so the question is not kept · ");
        }
    }
    state.tokens.forget();
    context::watch(state);
    context::full(state, reply);
    Vec::new()
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
        StopReason::ContextFull => parts.push("context full: /context, or /new".to_string()),
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
    if failure.fatal && state.stage() == Stage::Opening && state.choosable {
        return pairs::refused(state, failure);
    }
    if failure.fatal {
        return vec![Effect::Fail(failure)];
    }
    state.prefill = None;
    if let Some(summary) = state.room.writing.take() {
        state.running = None;
        state.transcript.push(Entry::Error(failure.message));
        return context::summarised(state, summary, false);
    }
    if let Some(running) = state.running.take()
        && let Some(entry) = state.transcript.reply_mut(running.entry)
    {
        entry.running = false;
        entry.footer = "failed".to_string();
    }
    if let Some(too_long) = failure.too_long {
        context::too_long(state, too_long);
    }
    let mut text = failure.message;
    if let Some(help) = failure.help {
        text.push('\n');
        text.push_str(&help);
    }
    state.transcript.push(Entry::Error(text));
    Vec::new()
}
