//! The slash commands that change settings: how it speculates, how it samples, what the model is told.

use crate::event::Command;
use crate::request::{DraftLength, SamplingSettings};
use crate::tui::app::{Effect, State};
use crate::tui::commands::Outcome;
use crate::tui::engine::speculation_line;
use crate::tui::text::one_line;

/// The most guesses a round that `/draft N` takes; beyond this every known pair only gets slower.
const LONGEST_DRAFT: u32 = 16;

/// `/draft`.
pub(super) fn draft(state: &mut State, argument: &str) -> Outcome {
    let length = match argument {
        "" => return Err(speculation_line(&state.speculation)),
        "auto" => DraftLength::Auto(state.start.n_max.max(1)),
        "on" => DraftLength::Fixed(state.start.n_max.max(1)),
        "off" | "0" => DraftLength::Off,
        number => match number.parse() {
            Ok(length) if (1..=LONGEST_DRAFT).contains(&length) => DraftLength::Fixed(length),
            _ => {
                return Err(format!(
                    "/draft takes auto, on, off, or 1 to {LONGEST_DRAFT}, not {}",
                    one_line(number)
                ));
            }
        },
    };
    state.start.speculation.length = length;
    Ok(speculate(state))
}

/// `/pmin`.
pub(super) fn p_min(state: &mut State, argument: &str) -> Outcome {
    if argument.is_empty() {
        return Err(format!("pmin is {}", state.start.speculation.p_min));
    }
    state.start.speculation.p_min = number(argument, "pmin", 0.0, 1.0)?;
    state.note(format!("pmin is now {}", state.start.speculation.p_min));
    Ok(speculate(state))
}

/// Tells the engine; its answer, the effective state, is what gets echoed.
fn speculate(state: &mut State) -> Vec<Effect> {
    state.awaiting_echo = true;
    vec![Effect::Send(Command::SetSpeculation(state.start.speculation))]
}

/// `/think`.
pub(super) fn think(state: &mut State, argument: &str) -> Outcome {
    state.start.thinking = match argument {
        "on" => true,
        "off" => false,
        _ => {
            return Err(format!("thinking is {}; /think takes on or off", on_off(state.start.thinking)));
        }
    };
    state.note(format!("thinking is now {}, from the next reply on", on_off(state.start.thinking)));
    Ok(Vec::new())
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// `/system`.
pub(super) fn system(state: &mut State, argument: &str) -> Outcome {
    match argument {
        "" => {
            let text = state.start.system.as_deref().unwrap_or("none");
            return Err(format!("system prompt: {text}"));
        }
        "none" => state.start.system = None,
        text => state.start.system = Some(text.to_string()),
    }
    state.note("the system prompt holds from the next reply on");
    Ok(Vec::new())
}

/// `/set`.
pub(super) fn set(state: &mut State, argument: &str) -> Outcome {
    let (name, value) = argument.split_once(char::is_whitespace).unwrap_or((argument, ""));
    let value = value.trim();
    let sampling = &mut state.start.sampling;
    match (name, value) {
        ("", _) => return Err(settings(sampling)),
        (name, "") => {
            return Err(format!("/set {} needs a value\n{}", one_line(name), settings(sampling)));
        }
        ("temp" | "temperature", value) => sampling.temperature = number(value, "temp", 0.0, 100.0)?,
        ("top_k", value) => sampling.top_k = whole(value, "top_k")?,
        ("top_p", value) => sampling.top_p = number(value, "top_p", 0.0, 1.0)?,
        ("min_p", value) => sampling.min_p = number(value, "min_p", 0.0, 1.0)?,
        ("repeat_penalty", value) => sampling.repeat_penalty = number(value, "repeat_penalty", 0.01, 100.0)?,
        ("seed", value) => sampling.seed = whole(value, "seed")?,
        (name, _) => {
            return Err(format!(
                "/set knows temp, top_k, top_p, min_p, repeat_penalty and seed, not {}",
                one_line(name)
            ));
        }
    }
    let text = settings(sampling);
    state.note(text);
    Ok(Vec::new())
}

fn settings(s: &SamplingSettings) -> String {
    format!(
        "temp {} · top_k {} · top_p {} · min_p {} · repeat_penalty {} · seed {}",
        s.temperature, s.top_k, s.top_p, s.min_p, s.repeat_penalty, s.seed
    )
}

fn number(text: &str, name: &str, least: f32, most: f32) -> Result<f32, String> {
    text.parse()
        .ok()
        .filter(|value: &f32| (least..=most).contains(value))
        .ok_or_else(|| format!("{name} takes a number from {least} to {most}, not {}", one_line(text)))
}

fn whole<T: std::str::FromStr>(text: &str, name: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{name} takes a whole number, not {}", one_line(text)))
}
