//! A benchmark as arithmetic: who takes turns, and what the single runs say together. It runs nothing itself.
//!
//! Machines are noisy, so speeds are compared only within one repeat: every setting writes the same reply to the same
//! prompt shortly after the others, and each is divided by the plain run of that repeat. What is reported is the
//! median of these ratios, with the smallest and the largest.

mod divergence;
mod order;
mod summary;
mod table;

pub use divergence::{Divergence, log_probabilities};
pub use order::{Turn, turns};
pub use summary::{Overall, Row, Spread, overall, rows};
pub use table::{csv, markdown, text};

/// What is measured against plain decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Setting {
    /// Plain decoding: the baseline.
    Plain,
    /// Always so many guesses.
    Fixed(u32),
    /// The measured policy.
    Auto,
}

impl Setting {
    /// From a word of `--fixed`.
    #[must_use]
    pub fn parse(word: &str, longest: u32) -> Option<Setting> {
        match word {
            "auto" => Some(Setting::Auto),
            number => match number.parse().ok()? {
                0 => Some(Setting::Plain),
                length if length <= longest => Some(Setting::Fixed(length)),
                _ => None,
            },
        }
    }

    /// Its name in tables and JSON.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Setting::Plain => "plain".to_owned(),
            Setting::Fixed(length) => length.to_string(),
            Setting::Auto => "auto".to_owned(),
        }
    }
}

/// One reply, measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Which of the kinds of text.
    pub kind: usize,
    /// How it was written.
    pub setting: Setting,
    /// In which round of repeats, from 0.
    pub repeat: usize,
    /// Tokens written.
    pub tokens: u32,
    /// Tokens after the first ÷ seconds since the first.
    pub per_second: f64,
    /// Rounds it took.
    pub rounds: u32,
    /// Guesses tested, by place.
    pub tested: Vec<u32>,
    /// Guesses accepted, by place.
    pub accepted: Vec<u32>,
    /// Seconds that llama.cpp did not compute: drawing, copying, deciding.
    pub own_seconds: f64,
    /// Its tokens are the plain run's of the same repeat; `None` for that run itself.
    pub same_text: Option<bool>,
    /// How speculation stood at the end, and why, of `auto`.
    pub state: Option<(&'static str, Option<String>)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_words() {
        let parsed = ["auto", "0", "3", "17", "-1", "on"].map(|word| Setting::parse(word, 16));
        let expected = [Some(Setting::Auto), Some(Setting::Plain), Some(Setting::Fixed(3)), None, None, None];
        assert_eq!(parsed, expected);
        assert_eq!(
            [Setting::Plain, Setting::Fixed(3), Setting::Auto].map(Setting::name),
            ["plain", "3", "auto"]
        );
    }
}
