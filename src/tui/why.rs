//! Why it speculates or does not: two sentences, from what was measured.

use crate::event::Activity;
use crate::request::DraftLength;
use crate::tui::app::State;
use crate::tui::speculate;
use crate::tui::text::one_line;
use crate::tui::view::stats::drafter;

/// The two sentences.
#[must_use]
pub fn sentences(state: &State) -> String {
    let (first, second) = match state.speculation.activity {
        Activity::On => on(state),
        Activity::Parked => parked(state),
        Activity::Off => off(state),
    };
    format!("{first} {second}")
}

/// With a full stop, exactly one.
fn sentence(text: &str) -> String {
    let text = one_line(text);
    if text.is_empty() || text.ends_with(['.', '!', '?']) { text } else { format!("{text}.") }
}

fn on(state: &State) -> (String, String) {
    let counters = &state.counters;
    let drafter = drafter(state).unwrap_or_else(|| "the drafter".to_owned());
    let reason =
        state.speculation.reason.as_deref().map(|it| format!(" ({})", one_line(it))).unwrap_or_default();
    let up_to = state.speculation.length;
    let first = match (counters.accepted_share(), counters.length_per_round()) {
        (Some(share), Some(length)) => format!(
            "Speculation is on{reason}: of what {drafter} guesses, up to {up_to} tokens a round, {:.0} % is accepted, so \
             one pass of the target gives {length:.2} tokens.",
            share * 100.0
        ),
        _ => format!(
            "Speculation is on{reason}: {drafter} guesses up to {up_to} tokens a round and the target checks them in one \
             pass."
        ),
    };
    let automatic = matches!(state.speculation.asked.length, DraftLength::Auto(_));
    let second = match (counters.gain, counters.plain_per_second) {
        (Some(gain), Some(plain)) if gain >= 1.0 => {
            format!("That is ×{gain:.2} of the {plain:.1} t/s measured here without guesses.")
        }
        (Some(gain), Some(plain)) => format!(
            "That is only ×{gain:.2} of the {plain:.1} t/s measured here without guesses{}",
            if automatic {
                ", so it will be parked unless it gets better."
            } else {
                ": /draft auto would park it."
            }
        ),
        _ if automatic => "Whether it pays is being measured, and it is parked where it does not.".to_owned(),
        _ => "It was asked for, so nobody measures whether it pays: /draft auto does.".to_owned(),
    };
    (first, second)
}

fn parked(state: &State) -> (String, String) {
    let reason = state.speculation.reason.as_deref().map_or_else(|| "it did not pay".to_owned(), one_line);
    let reason = reason.trim_end_matches('.');
    let counters = &state.counters;
    let share = counters.accepted_share().map(|share| format!(", with {:.0} % accepted", share * 100.0));
    (
        format!(
            "Speculation is parked: it was measured to be no faster here ({reason}{}).",
            share.unwrap_or_default()
        ),
        "It is tried again now and then, and taken up when it pays; /draft on forces it.".to_owned(),
    )
}

fn off(state: &State) -> (String, String) {
    let reason = state.speculation.reason.as_deref().map_or_else(|| "it was turned off".to_owned(), one_line);
    let ready = state.ready.as_ref();
    let has_drafter = ready.is_some_and(|ready| ready.draft_kind != "none");
    let pairing = ready.map(|ready| sentence(&ready.pairing)).unwrap_or_default();
    let next = match has_drafter {
        true => format!(
            "{} turns it on.",
            if speculate::short(&state.speculation) == "draft off" { "/draft auto" } else { "/draft on" }
        ),
        false if pairing.is_empty() || pairing.trim_end_matches('.') == reason.trim_end_matches('.') => {
            "/pair FILE gives it a drafter, where you have one that fits.".to_owned()
        }
        false => pairing,
    };
    (format!("Speculation is off: {}", sentence(&reason)), next)
}
