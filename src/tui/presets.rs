//! Presets: sampling, instructions and reasoning under a name.

use crate::request::SamplingSettings;
use crate::tui::app::{Effect, State};
use crate::tui::commands::Outcome;
use crate::tui::preferences::{Preset, built_in};
use crate::tui::text::one_line;

/// Presets of one's own that are kept.
const MOST: usize = 64;

/// All presets: the built-in ones, then the person's.
#[must_use]
pub fn all(state: &State) -> Vec<Preset> {
    let mut all = built_in(&state.start.own_sampling);
    all.extend(state.start.preferences.presets.iter().cloned());
    all
}

/// The preset whose settings are in effect.
#[must_use]
pub fn current(state: &State) -> Option<String> {
    let start = &state.start;
    let fits = |preset: &Preset| {
        same(&preset.sampling, &start.sampling)
            && preset.thinking.is_none_or(|thinking| thinking == start.thinking)
            && preset.system.as_ref().is_none_or(|system| Some(system) == start.system.as_ref())
    };
    // One's own say more than the built-in ones, which may have the same sampling.
    all(state).into_iter().rev().find(fits).map(|preset| preset.name)
}

/// The seed is nobody's preset.
fn same(a: &SamplingSettings, b: &SamplingSettings) -> bool {
    SamplingSettings { seed: b.seed, ..a.clone() } == *b
}

/// Puts the preset of that name into effect.
///
/// # Errors
/// Where there is none, naming all.
pub fn apply(state: &mut State, name: &str) -> Result<(), String> {
    let presets = all(state);
    let Some(preset) = presets.iter().find(|preset| preset.name.eq_ignore_ascii_case(name)) else {
        let names: Vec<&str> = presets.iter().map(|preset| preset.name.as_str()).collect();
        return Err(format!("there is no preset {}; there are {}", one_line(name), names.join(", ")));
    };
    let seed = state.start.sampling.seed;
    state.start.sampling = SamplingSettings { seed, ..preset.sampling.clone() };
    if let Some(system) = &preset.system {
        state.start.system = Some(system.clone());
    }
    if let Some(thinking) = preset.thinking {
        state.start.thinking = thinking;
    }
    Ok(())
}

/// Puts the next preset into effect, or the one before.
pub(super) fn step(state: &mut State, by: i32) {
    let presets = all(state);
    let now = current(state);
    let at = presets.iter().position(|preset| Some(&preset.name) == now.as_ref());
    let count = presets.len();
    let next = match at {
        Some(at) if by > 0 => (at + 1) % count,
        Some(at) => (at + count - 1) % count,
        None => 0,
    };
    let _ = apply(state, &presets[next].name.clone());
}

/// `/preset`: one by its name, `save NAME`, `remove NAME`, or all of them listed.
pub(super) fn command(state: &mut State, argument: &str) -> Outcome {
    match argument.split_once(char::is_whitespace) {
        Some(("save", name)) => save(state, name.trim()),
        Some(("remove", name)) => remove(state, name.trim()),
        _ if argument.is_empty() => {
            let names: Vec<String> = all(state).into_iter().map(|preset| preset.name).collect();
            let now = current(state).unwrap_or_else(|| "none of them".to_owned());
            Err(format!(
                "presets: {} (in effect: {now}); /preset save NAME keeps the present one",
                names.join(", ")
            ))
        }
        _ => {
            apply(state, argument)?;
            let settings = crate::tui::settings::line(&state.start.sampling);
            state.note(format!("preset {}: {settings}", one_line(argument)));
            Ok(Vec::new())
        }
    }
}

fn save(state: &mut State, name: &str) -> Outcome {
    let letters = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 40 || !name.chars().all(letters) {
        return Err(format!(
            "a preset's name is one word of letters, digits, - and _, not {}",
            one_line(name)
        ));
    }
    if built_in(&state.start.own_sampling).iter().any(|preset| preset.name.eq_ignore_ascii_case(name)) {
        return Err(format!("{name} is a built-in preset: choose another name"));
    }
    let start = &mut state.start;
    let preset = Preset {
        name: name.to_owned(),
        sampling: SamplingSettings { seed: 0, ..start.sampling.clone() },
        system: start.system.clone(),
        thinking: Some(start.thinking),
    };
    let presets = &mut start.preferences.presets;
    presets.retain(|other| !other.name.eq_ignore_ascii_case(name));
    if presets.len() >= MOST {
        return Err(format!("there are {MOST} presets already: /preset remove NAME makes room"));
    }
    presets.push(preset);
    state.note(format!("preset {name} is kept"));
    Ok(vec![Effect::Keep])
}

fn remove(state: &mut State, name: &str) -> Outcome {
    let presets = &mut state.start.preferences.presets;
    let before = presets.len();
    presets.retain(|preset| !preset.name.eq_ignore_ascii_case(name));
    if presets.len() == before {
        return Err(format!("you have no preset {}", one_line(name)));
    }
    state.note(format!("preset {} is gone", one_line(name)));
    Ok(vec![Effect::Keep])
}
