//! The settings screen: a line for each thing that can be set, changed by arrows or by typing a value.

use crossterm::event::{KeyCode, KeyEvent};

use crate::tui::app::{Effect, Overlay, State};
use crate::tui::commands::Outcome;
use crate::tui::field::Field;
use crate::tui::keys::Action;
use crate::tui::preferences::Colours;
use crate::tui::speculate;
use crate::tui::{presets, settings};

/// The screen: which line is marked, what is being typed into it, and what was wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The marked line.
    pub selected: usize,
    /// The value that is being typed.
    pub typing: Option<Field>,
    /// Why the last value was not taken.
    pub wrong: Option<String>,
}

impl Options {
    pub(super) fn paste(&mut self, text: &str) {
        if let Some(field) = &mut self.typing {
            field.insert(text);
        }
    }
}

/// Something that can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// One of the sampler's, by the name that `/set` knows.
    Sampler(&'static str),
    /// All of them at once.
    Preset,
    /// Standing instructions.
    System,
    /// Reasoning.
    Thinking,
    /// Guesses a round.
    Draft,
    /// The least probability of a guess.
    PMin,
    /// Colours.
    Colours,
}

/// One line: the setting, its name, what it is.
pub struct Line {
    /// The setting.
    pub setting: Setting,
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub does: &'static str,
}

const fn line(setting: Setting, name: &'static str, does: &'static str) -> Line {
    Line { setting, name, does }
}

/// The lines, top to bottom.
pub const LINES: &[Line] = &[
    line(Setting::Preset, "preset", "all of the next six at once"),
    line(Setting::Sampler("temp"), "temp", "0 always takes the likeliest; 1 leaves the model as it is"),
    line(Setting::Sampler("top_k"), "top_k", "so many of the likeliest tokens; 0 keeps all"),
    line(Setting::Sampler("top_p"), "top_p", "the likeliest that make up this share; 1 keeps all"),
    line(Setting::Sampler("min_p"), "min_p", "at least this share of the likeliest; 0 keeps all"),
    line(Setting::Sampler("repeat_penalty"), "repeat_penalty", "against saying it again; 1 is off"),
    line(Setting::Sampler("seed"), "seed", "the same seed gives the same text, drafter or not"),
    line(Setting::System, "system", "standing instructions; empty: none"),
    line(Setting::Thinking, "think", "reason before answering"),
    line(Setting::Draft, "draft", "guesses a round: auto, on, off, or a number"),
    line(Setting::PMin, "pmin", "least confidence of a guess, 0 to 1"),
    line(Setting::Colours, "theme", "auto, dark, light, or none"),
];

/// The value as it stands.
#[must_use]
pub fn value(state: &State, setting: Setting) -> String {
    match setting {
        Setting::Sampler(name) => settings::sampler_value(&state.start.sampling, name),
        Setting::Preset => presets::current(state).unwrap_or_else(|| "(your own)".to_owned()),
        Setting::System => state.start.system.clone().unwrap_or_default(),
        Setting::Thinking => settings::on_off(state.start.thinking).to_owned(),
        Setting::Draft => speculate::wish(&state.start.speculation),
        Setting::PMin => format!("{:.2}", state.start.speculation.p_min),
        Setting::Colours => state.start.preferences.colours.name().to_owned(),
    }
}

/// One step to the left or right.
fn nudge(state: &mut State, setting: Setting, by: i32) -> Vec<Effect> {
    match setting {
        Setting::Sampler(name) => settings::step_sampler(&mut state.start.sampling, name, by),
        Setting::Preset => presets::step(state, by),
        Setting::System => {}
        Setting::Thinking => state.start.thinking = !state.start.thinking,
        Setting::Draft => return speculate::step_wish(state, by),
        Setting::PMin => return speculate::step_p_min(state, if by > 0 { 0.05 } else { -0.05 }),
        Setting::Colours => {
            let at =
                Colours::ALL.iter().position(|each| *each == state.start.preferences.colours).unwrap_or(0);
            let count = Colours::ALL.len();
            let next = if by > 0 { at + 1 } else { at + count - 1 } % count;
            state.start.preferences.colours = Colours::ALL[next];
            return vec![Effect::Keep];
        }
    }
    Vec::new()
}

/// A value that was typed.
fn set(state: &mut State, setting: Setting, text: &str) -> Outcome {
    let text = text.trim();
    match setting {
        Setting::Sampler(name) => {
            settings::sample(&mut state.start.sampling, name, text)?;
            Ok(Vec::new())
        }
        Setting::Preset => presets::apply(state, text).map(|()| Vec::new()),
        Setting::System => {
            state.start.system = (!text.is_empty()).then(|| text.to_owned());
            Ok(Vec::new())
        }
        Setting::Thinking => settings::set_thinking(state, text).map(|()| Vec::new()),
        Setting::Draft => {
            speculate::set_length(state, text).map(|()| speculate::tell(state, speculate::Echo::Notice))
        }
        Setting::PMin => {
            state.start.speculation.p_min = settings::number(text, "pmin", 0.0, 1.0)?;
            Ok(speculate::tell(state, speculate::Echo::Notice))
        }
        Setting::Colours => settings::set_colours(state, text),
    }
}

/// The open screen and its marked line.
fn open(state: &mut State) -> Option<(&mut Options, Setting)> {
    match &mut state.overlay {
        Overlay::Options(options) => {
            options.selected = options.selected.min(LINES.len() - 1);
            let setting = LINES[options.selected].setting;
            Some((options, setting))
        }
        _ => None,
    }
}

/// A key with a meaning.
pub(super) fn act(state: &mut State, action: Action) -> Option<Vec<Effect>> {
    let (options, setting) = open(state)?;
    if action == Action::Send {
        return Some(enter(state, setting));
    }
    if options.typing.is_some() {
        // Esc gives the typing up; the screen stays.
        if action == Action::Escape {
            options.typing = None;
            return Some(Vec::new());
        }
        return matches!(action, Action::Up | Action::Down | Action::Complete).then(Vec::new);
    }
    options.wrong = None;
    let last = LINES.len() - 1;
    options.selected = match action {
        Action::Up | Action::LineUp => options.selected.saturating_sub(1),
        Action::Down | Action::LineDown | Action::Complete => (options.selected + 1).min(last),
        Action::PageUp | Action::Start => 0,
        Action::PageDown | Action::End => last,
        _ => return None,
    };
    Some(Vec::new())
}

/// Enter begins to type a value, or takes it; a switch is switched at once.
fn enter(state: &mut State, setting: Setting) -> Vec<Effect> {
    let before = value(state, setting);
    let Some((options, _)) = open(state) else { return Vec::new() };
    let Some(typed) = options.typing.take() else {
        if matches!(setting, Setting::Preset | Setting::Thinking | Setting::Colours) {
            return nudge(state, setting, 1);
        }
        options.typing = Some(Field::new(&before));
        return Vec::new();
    };
    match set(state, setting, typed.text()) {
        Ok(effects) => effects,
        Err(wrong) => {
            if let Some((options, _)) = open(state) {
                options.wrong = Some(wrong);
                options.typing = Some(typed);
            }
            Vec::new()
        }
    }
}

/// A key that edits: it types, or steps the value.
pub(super) fn edit(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let Some((options, setting)) = open(state) else { return Vec::new() };
    if let Some(field) = &mut options.typing {
        field.edit(key);
        options.wrong = None;
        return Vec::new();
    }
    match key.code {
        KeyCode::Left | KeyCode::Char('-' | 'h') => nudge(state, setting, -1),
        KeyCode::Right | KeyCode::Char('+' | '=' | 'l' | ' ') => nudge(state, setting, 1),
        KeyCode::Char('q') => {
            state.overlay = Overlay::None;
            Vec::new()
        }
        // A digit begins a new value.
        KeyCode::Char(digit) if digit.is_ascii_digit() => {
            options.typing = Some(Field::new(&digit.to_string()));
            Vec::new()
        }
        _ => Vec::new(),
    }
}
