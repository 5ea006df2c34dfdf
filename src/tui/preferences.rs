//! What is kept from one session to the next: presets and the theme. Plain data; the program around the UI stores it.

use crate::request::SamplingSettings;

/// Settings under a name.
#[derive(Clone, Debug, PartialEq)]
pub struct Preset {
    /// The name: one word.
    pub name: String,
    /// How tokens are drawn; the seed is not part of it.
    pub sampling: SamplingSettings,
    /// Standing instructions; `None` leaves them as they are.
    pub system: Option<String>,
    /// Reasoning; `None` leaves it as it is.
    pub thinking: Option<bool>,
}

/// Which colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colours {
    /// As the environment tells.
    #[default]
    Auto,
    /// For a dark background.
    Dark,
    /// For a light one.
    Light,
    /// None: bold, dim and underlined only.
    None,
}

impl Colours {
    /// All of them.
    pub const ALL: [Colours; 4] = [Colours::Auto, Colours::Dark, Colours::Light, Colours::None];

    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Colours::Auto => "auto",
            Colours::Dark => "dark",
            Colours::Light => "light",
            Colours::None => "none",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Colours> {
        Colours::ALL.into_iter().find(|colours| colours.name() == name)
    }
}

/// All that is kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Preferences {
    /// The person's own presets.
    pub presets: Vec<Preset>,
    /// The colours.
    pub colours: Colours,
}

/// The presets that are always there. `own` is what the model recommends.
#[must_use]
pub fn built_in(own: &SamplingSettings) -> Vec<Preset> {
    let preset =
        |name: &str, sampling| Preset { name: name.to_owned(), sampling, system: None, thinking: None };
    let base = SamplingSettings { repeat_penalty: 1.0, ..own.clone() };
    vec![
        preset("model", own.clone()),
        preset("greedy", SamplingSettings { temperature: 0.0, ..base.clone() }),
        preset(
            "precise",
            SamplingSettings { temperature: 0.3, top_k: 40, top_p: 0.9, min_p: 0.0, ..base.clone() },
        ),
        preset("creative", SamplingSettings { temperature: 1.3, top_k: 0, top_p: 0.98, min_p: 0.02, ..base }),
    ]
}
