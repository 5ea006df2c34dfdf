//! Speculation from the keyboard: how many guesses a round, and how doubtful they may be. All of it works while a reply
//! is written, and what is echoed is the engine's answer: the values in effect, not those asked for.

use crate::event::{Activity, Command, SpeculationState};
use crate::request::{DraftLength, Speculation};
use crate::tui::app::{Effect, State};
use crate::tui::commands::Outcome;
use crate::tui::settings::number;
use crate::tui::text::one_line;

/// The most guesses a round that can be asked for; beyond this every known pair only gets slower.
const LONGEST_DRAFT: u32 = 16;

/// How the engine's answer is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Echo {
    /// Nobody asked.
    #[default]
    None,
    /// A command asked: in the transcript.
    Note,
    /// A key asked: in the status line, for a while.
    Notice,
}

/// `/draft`.
pub(super) fn draft(state: &mut State, argument: &str) -> Outcome {
    if argument.is_empty() {
        return Err(line(&state.speculation));
    }
    set_length(state, argument)?;
    Ok(tell(state, Echo::Note))
}

/// Notes the length that was asked for.
pub(super) fn set_length(state: &mut State, word: &str) -> Result<(), String> {
    let most = state.start.n_max.max(1);
    let length = match word {
        "auto" => DraftLength::Auto(most),
        "on" => DraftLength::Fixed(most),
        "off" | "0" => DraftLength::Off,
        number => match number.parse() {
            Ok(length) if (1..=LONGEST_DRAFT).contains(&length) => DraftLength::Fixed(length),
            _ => {
                let number = one_line(number);
                return Err(format!("/draft takes auto, on, off, or 1 to {LONGEST_DRAFT}, not {number}"));
            }
        },
    };
    state.start.speculation.length = length;
    Ok(())
}

/// `/pmin`.
pub(super) fn p_min(state: &mut State, argument: &str) -> Outcome {
    if argument.is_empty() {
        return Err(format!("pmin is {}", state.start.speculation.p_min));
    }
    state.start.speculation.p_min = number(argument, "pmin", 0.0, 1.0)?;
    Ok(tell(state, Echo::Note))
}

/// From automatic to fixed, from fixed to off, from off to automatic.
pub(super) fn cycle(state: &mut State) -> Vec<Effect> {
    let most = state.start.n_max.max(1);
    let speculation = &mut state.start.speculation;
    speculation.length = match speculation.length {
        DraftLength::Auto(most) => DraftLength::Fixed(most),
        DraftLength::Fixed(_) => DraftLength::Off,
        DraftLength::Off => DraftLength::Auto(most),
    };
    tell(state, Echo::Notice)
}

/// More or fewer guesses a round: at most, where it is automatic. From off, one more is one.
pub(super) fn step(state: &mut State, by: i32) -> Vec<Effect> {
    let changed = |length: u32| length.saturating_add_signed(by).clamp(1, LONGEST_DRAFT);
    let length = match state.start.speculation.length {
        DraftLength::Auto(most) => DraftLength::Auto(changed(most)),
        DraftLength::Fixed(length) => DraftLength::Fixed(changed(length)),
        DraftLength::Off if by > 0 => DraftLength::Fixed(1),
        DraftLength::Off => DraftLength::Off,
    };
    if let DraftLength::Auto(most) | DraftLength::Fixed(most) = length {
        state.start.n_max = most;
    }
    state.start.speculation.length = length;
    tell(state, Echo::Notice)
}

/// A step through off, auto, and the fixed lengths.
pub(super) fn step_wish(state: &mut State, by: i32) -> Vec<Effect> {
    let most = state.start.n_max.max(1);
    state.start.speculation.length = match state.start.speculation.length {
        DraftLength::Off if by > 0 => DraftLength::Auto(most),
        DraftLength::Auto(_) if by > 0 => DraftLength::Fixed(1),
        DraftLength::Auto(_) => DraftLength::Off,
        DraftLength::Fixed(1) if by < 0 => DraftLength::Auto(most),
        DraftLength::Fixed(length) => {
            DraftLength::Fixed(length.saturating_add_signed(by).clamp(1, LONGEST_DRAFT))
        }
        DraftLength::Off => DraftLength::Off,
    };
    tell(state, Echo::Notice)
}

/// What was asked for, as `/draft` takes it.
pub(super) fn wish(speculation: &Speculation) -> String {
    match speculation.length {
        DraftLength::Auto(_) => "auto".to_owned(),
        DraftLength::Fixed(length) => length.to_string(),
        DraftLength::Off => "off".to_owned(),
    }
}

/// A step of p-min.
pub(super) fn step_p_min(state: &mut State, by: f32) -> Vec<Effect> {
    let p_min = state.start.speculation.p_min + by;
    // Hundredths, so that steps there and back meet.
    state.start.speculation.p_min = ((p_min * 100.0).round() / 100.0).clamp(0.0, 1.0);
    tell(state, Echo::Notice)
}

/// Tells the engine what was asked for; its answer is echoed.
pub(super) fn tell(state: &mut State, echo: Echo) -> Vec<Effect> {
    if state.ready.is_none() {
        return Vec::new();
    }
    state.echo = echo;
    vec![Effect::Send(Command::SetSpeculation(state.start.speculation))]
}

/// The engine's word on how it stands: echoed where somebody asked, told once where it went off by itself.
pub(super) fn heard(state: &mut State, now: SpeculationState) {
    let echo = std::mem::take(&mut state.echo);
    // Parking and going on again is everyday work: the panel shows it, the transcript does not.
    let turned_off =
        state.speculation.activity != Activity::Off && now.activity == Activity::Off && now.reason.is_some();
    state.speculation = now;
    let told = line(&state.speculation);
    match echo {
        Echo::Notice => state.notify(told),
        Echo::None if !turned_off => {}
        _ => {
            state.notice = None;
            // Not `note`: what nobody asked for does not move the view.
            state.transcript.push(crate::tui::entry::Entry::Note(told));
        }
    }
}

/// What was asked for, in a word or two: `auto 4`, `draft 3`, `draft off`.
#[must_use]
pub fn short(speculation: &SpeculationState) -> String {
    match speculation.asked.length {
        DraftLength::Auto(most) => format!("auto {most}"),
        DraftLength::Fixed(length) => format!("draft {length}"),
        DraftLength::Off => "draft off".to_owned(),
    }
}

/// How speculation stands, in one line: `draft auto: up to 4 a round, p-min 0.50`.
#[must_use]
pub fn line(speculation: &SpeculationState) -> String {
    let SpeculationState { activity, length, reason, asked } = speculation;
    let reason = reason.as_deref().map(one_line);
    let p_min = match asked {
        Speculation { p_min, .. } if *p_min > 0.0 => format!(", p-min {p_min:.2}"),
        _ => String::new(),
    };
    match (activity, reason) {
        (Activity::On, reason) => {
            let automatic = matches!(asked.length, DraftLength::Auto(_));
            let mode = if automatic { "auto" } else { "on" };
            let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
            format!("draft {mode}: up to {length} a round{p_min}{reason}")
        }
        (Activity::Parked, None) => format!("draft parked{p_min}"),
        (Activity::Parked, Some(reason)) => format!("draft parked: {reason}{p_min}"),
        (Activity::Off, None) => "draft off".to_owned(),
        (Activity::Off, Some(reason)) => format!("draft off: {reason}"),
    }
}
