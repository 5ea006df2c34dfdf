//! The slash commands that change how the next reply is written: sampling, instructions, reasoning; and colours.

use crate::request::SamplingSettings;
use crate::tui::app::{Effect, State};
use crate::tui::commands::Outcome;
use crate::tui::preferences::Colours;
use crate::tui::text::one_line;

/// `/think`.
pub(super) fn think(state: &mut State, argument: &str) -> Outcome {
    match argument {
        "show" | "hide" => {
            state.transcript.thoughts_open = argument == "show";
            return Ok(Vec::new());
        }
        _ => set_thinking(state, argument)?,
    }
    state.note(format!("thinking is now {}, from the next reply on", on_off(state.start.thinking)));
    Ok(Vec::new())
}

pub(super) fn set_thinking(state: &mut State, word: &str) -> Result<(), String> {
    state.start.thinking = match word {
        "on" => true,
        "off" => false,
        _ => {
            let now = on_off(state.start.thinking);
            return Err(format!("thinking is {now}; /think takes on, off, show or hide"));
        }
    };
    Ok(())
}

pub(super) fn on_off(on: bool) -> &'static str {
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

/// `/theme`.
pub(super) fn theme(state: &mut State, argument: &str) -> Outcome {
    let effects = set_colours(state, argument)?;
    state.note(format!("colours: {}", state.start.preferences.colours.name()));
    Ok(effects)
}

pub(super) fn set_colours(state: &mut State, name: &str) -> Outcome {
    let Some(colours) = Colours::named(name) else {
        let now = state.start.preferences.colours.name();
        return Err(format!("the theme is {now}; /theme takes auto, dark, light or none"));
    };
    state.start.preferences.colours = colours;
    Ok(vec![Effect::Keep])
}

/// `/set`.
pub(super) fn set(state: &mut State, argument: &str) -> Outcome {
    let (name, value) = argument.split_once(char::is_whitespace).unwrap_or((argument, ""));
    let value = value.trim();
    let sampling = &mut state.start.sampling;
    match (name, value) {
        ("", _) => return Err(line(sampling)),
        (name, "") => return Err(format!("/set {} needs a value\n{}", one_line(name), line(sampling))),
        (name, value) => sample(sampling, name, value)?,
    }
    let text = line(sampling);
    state.note(text);
    Ok(Vec::new())
}

/// Sets one of the sampler's settings.
pub(super) fn sample(sampling: &mut SamplingSettings, name: &str, value: &str) -> Result<(), String> {
    match name {
        "temp" | "temperature" => sampling.temperature = number(value, "temp", 0.0, 100.0)?,
        "top_k" => sampling.top_k = whole(value, "top_k")?,
        "top_p" => sampling.top_p = number(value, "top_p", 0.0, 1.0)?,
        "min_p" => sampling.min_p = number(value, "min_p", 0.0, 1.0)?,
        "repeat_penalty" => sampling.repeat_penalty = number(value, "repeat_penalty", 0.01, 100.0)?,
        "seed" => sampling.seed = whole(value, "seed")?,
        name => {
            return Err(format!(
                "/set knows temp, top_k, top_p, min_p, repeat_penalty and seed, not {}",
                one_line(name)
            ));
        }
    }
    Ok(())
}

/// One of the sampler's settings, as text.
pub(super) fn sampler_value(sampling: &SamplingSettings, name: &str) -> String {
    match name {
        "temp" => sampling.temperature.to_string(),
        "top_k" => sampling.top_k.to_string(),
        "top_p" => sampling.top_p.to_string(),
        "min_p" => sampling.min_p.to_string(),
        "repeat_penalty" => sampling.repeat_penalty.to_string(),
        _ => sampling.seed.to_string(),
    }
}

/// One of the sampler's settings, a step further.
pub(super) fn step_sampler(sampling: &mut SamplingSettings, name: &str, by: i32) {
    // In hundredths, so that steps there and back meet.
    let step = |value: f32, step: f32, least: f32, most: f32| {
        let moved = if by > 0 { value + step } else { value - step };
        ((moved * 100.0).round() / 100.0).clamp(least, most)
    };
    match name {
        "temp" => sampling.temperature = step(sampling.temperature, 0.1, 0.0, 100.0),
        "top_k" => sampling.top_k = sampling.top_k.saturating_add_signed(8 * by.signum()),
        "top_p" => sampling.top_p = step(sampling.top_p, 0.05, 0.0, 1.0),
        "min_p" => sampling.min_p = step(sampling.min_p, 0.01, 0.0, 1.0),
        "repeat_penalty" => sampling.repeat_penalty = step(sampling.repeat_penalty, 0.05, 0.05, 100.0),
        _ => sampling.seed = sampling.seed.saturating_add_signed(i64::from(by.signum())),
    }
}

/// The sampler's settings on one line.
#[must_use]
pub fn line(s: &SamplingSettings) -> String {
    format!(
        "temp {} · top_k {} · top_p {} · min_p {} · repeat_penalty {} · seed {}",
        s.temperature, s.top_k, s.top_p, s.min_p, s.repeat_penalty, s.seed
    )
}

/// A number within bounds.
pub(super) fn number(text: &str, name: &str, least: f32, most: f32) -> Result<f32, String> {
    text.parse()
        .ok()
        .filter(|value: &f32| (least..=most).contains(value))
        .ok_or_else(|| format!("{name} takes a number from {least} to {most}, not {}", one_line(text)))
}

fn whole<T: std::str::FromStr>(text: &str, name: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{name} takes a whole number, not {}", one_line(text)))
}
