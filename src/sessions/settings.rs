//! What is set for a session, kept with it as JSON. What a newer program has added stays in it unread.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::request::SamplingSettings;

/// The settings of a session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionSettings {
    /// Standing instructions to the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The preset chosen last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// Whether the model is asked to reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<bool>,
    /// How tokens are drawn; `None` as the model recommends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Sampling>,
    /// The model that answered last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Identity>,
    /// Its drafter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drafter: Option<Identity>,
    /// Whatever else was found.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl SessionSettings {
    /// As it lies in the file.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Strings and numbers: there is nothing in it that JSON cannot say.
        serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned())
    }

    /// What lies in the file. Settings that cannot be read are no reason to lose a conversation: defaults then.
    #[must_use]
    pub fn from_json(text: &str) -> SessionSettings {
        serde_json::from_str(text).unwrap_or_default()
    }
}

/// A model file, however often it is moved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// As a person knows it.
    pub name: String,
    /// Where it lay; empty for a drafter without a file.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// `models::fingerprint`, where it was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}

/// The sampler chain's settings. The names are those of the command line's options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Sampling {
    pub temp: f32,
    pub top_k: u32,
    pub top_p: f32,
    pub min_p: f32,
    pub repeat_penalty: f32,
    pub repeat_window: u32,
    /// `None`: a new one for each reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

impl Default for Sampling {
    fn default() -> Self {
        let mut usual = Sampling::from(&SamplingSettings::default());
        usual.seed = None;
        usual
    }
}

impl From<&SamplingSettings> for Sampling {
    fn from(settings: &SamplingSettings) -> Self {
        Sampling {
            temp: settings.temperature,
            top_k: settings.top_k,
            top_p: settings.top_p,
            min_p: settings.min_p,
            repeat_penalty: settings.repeat_penalty,
            repeat_window: settings.repeat_window,
            seed: Some(settings.seed),
        }
    }
}

impl Sampling {
    /// As the engine takes them, with this seed where none is set. What no option would have allowed (an imported or
    /// damaged file) gets its default.
    #[must_use]
    pub fn with_seed(&self, seed: u64) -> SamplingSettings {
        let usual = SamplingSettings::default();
        let within = |value: f32, least: f32, most: f32, usual: f32| {
            if (least..=most).contains(&value) { value } else { usual }
        };
        SamplingSettings {
            temperature: within(self.temp, 0.0, 100.0, usual.temperature),
            top_k: self.top_k,
            top_p: within(self.top_p, 0.0, 1.0, usual.top_p),
            min_p: within(self.min_p, 0.0, 1.0, usual.min_p),
            repeat_penalty: within(self.repeat_penalty, f32::MIN_POSITIVE, f32::MAX, usual.repeat_penalty),
            repeat_window: self.repeat_window,
            seed: self.seed.unwrap_or(seed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_newer_stays() {
        let settings = SessionSettings {
            system: Some("Be brief.\n\"Quoted\"".to_owned()),
            thinking: Some(true),
            sampling: Some(Sampling { temp: 0.7, seed: Some(u64::MAX), ..Sampling::default() }),
            model: Some(Identity { name: "gemma".to_owned(), ..Identity::default() }),
            ..SessionSettings::default()
        };
        assert_eq!(SessionSettings::from_json(&settings.to_json()), settings);
        assert_eq!(SessionSettings::default().to_json(), "{}");
        let newer = r#"{"system":"x","weather":{"rain":[1]}}"#;
        assert_eq!(SessionSettings::from_json(newer).to_json(), newer);
        assert_eq!(SessionSettings::from_json("no JSON"), SessionSettings::default());
    }

    #[test]
    fn impossible_values_become_the_default() {
        let sampling: Sampling =
            serde_json::from_str(r#"{"temp":-3,"top_p":7,"repeat_penalty":0,"top_k":5}"#).unwrap();
        let settings = sampling.with_seed(9);
        assert_eq!((settings.temperature, settings.top_p, settings.repeat_penalty), (1.0, 0.95, 1.0));
        assert_eq!((settings.top_k, settings.seed), (5, 9));
    }
}
