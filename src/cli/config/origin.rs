//! Where a setting comes from. Options are named by their long names here, as in the config file.

use std::collections::BTreeMap;
use std::fmt;

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::file::ConfigFile;

/// What gave a setting its value, the strongest first: the order of docs/NUMBERS.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The command line.
    Flag,
    /// A variable `SLIPSTREAM_…`.
    Environment,
    /// The config file.
    ConfigFile,
    /// A result of `slipstream tune`, stored for this machine and pair.
    Tune,
    /// The model's own recommendation, `general.sampling.*` in its file.
    Model,
    /// Nobody asked for anything.
    Default,
}

/// Origins by option. What is not noted is a default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(BTreeMap<String, Decision>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Decision {
    origin: Origin,
    /// The option that was given: another one, where that implies a value (`--greedy` a temperature).
    by: String,
}

impl Origins {
    /// Of the options of the innermost command in `matches`, which were parsed with the values of `file` as the
    /// options' defaults.
    #[must_use]
    pub fn of(matches: &ArgMatches, file: &ConfigFile) -> Origins {
        let mut innermost = matches;
        while let Some((_, below)) = innermost.subcommand() {
            innermost = below;
        }
        let mut origins = Origins::default();
        for option in super::options().get_arguments() {
            let id = option.get_id().as_str();
            let Some(name) = option.get_long() else { continue };
            // clap panics when asked for the source of an option that the command does not have.
            let is_present = innermost.ids().any(|present| present.as_str() == id);
            let source = if is_present { innermost.value_source(id) } else { None };
            let origin = match source {
                Some(ValueSource::CommandLine) => Origin::Flag,
                Some(ValueSource::EnvVariable) => Origin::Environment,
                _ if file.values(name).is_some() => Origin::ConfigFile,
                _ => Origin::Default,
            };
            origins.note(name, origin);
        }
        origins
    }

    /// Where the value of an option comes from.
    #[must_use]
    pub fn get(&self, option: &str) -> Origin {
        self.0.get(option).map_or(Origin::Default, |decision| decision.origin)
    }

    /// Notes where it comes from.
    pub fn note(&mut self, option: &str, origin: Origin) {
        self.0.insert(option.to_owned(), Decision { origin, by: option.to_owned() });
    }

    /// Notes that another option decided it.
    pub fn follow(&mut self, option: &str, other: &str) {
        let origin = self.get(other);
        self.0.insert(option.to_owned(), Decision { origin, by: other.to_owned() });
    }

    /// The origin in words.
    #[must_use]
    pub fn in_words(&self, option: &str) -> String {
        match self.0.get(option) {
            Some(Decision { origin: Origin::Environment, by }) => {
                format!("environment (SLIPSTREAM_{})", by.replace('-', "_").to_uppercase())
            }
            _ => self.get(option).to_string(),
        }
    }

    /// The value of an option that was given (`given`: by flag, environment or config file), else the model's own, else
    /// the default; and notes which.
    pub fn settle<T>(&mut self, option: &str, given: Option<T>, own: Option<T>, default: T) -> T {
        if let Some(value) = given {
            return value;
        }
        self.note(option, if own.is_some() { Origin::Model } else { Origin::Default });
        own.unwrap_or(default)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Origin::Flag => "flag",
            Origin::Environment => "environment",
            Origin::ConfigFile => "config file",
            Origin::Tune => "tune",
            Origin::Model => "model",
            Origin::Default => "default",
        })
    }
}
