//! Reads the config file: TOML, one key an option, named like the option (`-` or `_`). Every value is checked here, by
//! clap itself, whether or not it will be used: a mistake in the file is told at once, not on the day a flag is left out.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction};
use etcetera::BaseStrategy as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::{Kind, Problem};
use crate::gguf::{Printable, printable};

/// A config file is a few hundred bytes; whatever is larger than this is something else.
const LONGEST_FILE: u64 = 1 << 20;
/// The usual way to say "no file" in the systems that have it.
const NO_FILE: &str = "/dev/null";
/// Characters of a wrong value that a message repeats.
const SHOWN_CHARACTERS: usize = 60;

/// What the config file says, all of it checked.
#[derive(Debug, Default)]
pub struct ConfigFile {
    /// By the long name of the option, each as it would be typed. Several only where the option is repeatable.
    values: BTreeMap<String, Vec<String>>,
}

/// Where the config file lies, or would lie; `None` where this person has no home folder.
#[must_use]
pub fn path() -> Option<PathBuf> {
    match std::env::var_os("SLIPSTREAM_CONFIG") {
        Some(path) if !path.is_empty() => Some(PathBuf::from(path)),
        _ => Some(etcetera::choose_base_strategy().ok()?.config_dir().join("slipstream/config.toml")),
    }
}

impl ConfigFile {
    /// Reads it. A missing file says nothing.
    ///
    /// # Errors
    /// Where it cannot be read, is no TOML, names an unknown option or gives one a value that it cannot have.
    pub fn load() -> Result<ConfigFile, Problem> {
        match path() {
            Some(path) => ConfigFile::parse(&path, &read(&path)?),
            None => Ok(ConfigFile::default()),
        }
    }

    /// The values of an option, by its long name.
    #[must_use]
    pub fn values(&self, option: &str) -> Option<&[String]> {
        self.values.get(option).map(Vec::as_slice)
    }

    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    fn parse(path: &Path, text: &str) -> Result<ConfigFile, Problem> {
        let place = Place { path, text };
        let table = DeTable::parse(text).map_err(|error| {
            let at = error.span().unwrap_or_default();
            let what = printable(error.message()).to_string();
            place.problem(&at, &what, "write one `name = value` a line; texts stand in \"quotes\"")
        })?;
        let mut entries: Vec<_> = table.into_inner().into_iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let options = super::options();
        let mut values = BTreeMap::new();
        for (key, value) in entries {
            let name = key.get_ref().replace('_', "-");
            let Some(option) = options.get_arguments().find(|option| option.get_long() == Some(&name)) else {
                return Err(unknown(&place, &key, &name));
            };
            let typed = place.typed(option, &name, &value)?;
            if values.insert(name, typed).is_some() {
                let what = format!("the key `{}` is given twice", key.get_ref());
                return Err(place.problem(
                    &key.span(),
                    &what,
                    "`-` and `_` mean the same: leave one of them out",
                ));
            }
        }
        Ok(ConfigFile { values })
    }
}

fn read(path: &Path) -> Result<String, Problem> {
    let failed = |what: String| {
        let help = "correct or remove the file, or name another one with SLIPSTREAM_CONFIG";
        Problem::new(Kind::Usage, format!("reading the config file {}: {what}", shown(path)), help)
    };
    // A pipe without a writer would be waited for.
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Err(failed("it is a directory".to_owned())),
        Ok(metadata) if !metadata.is_file() && path != Path::new(NO_FILE) => {
            return Err(failed("it is not a regular file".to_owned()));
        }
        _ => {}
    }
    let mut bytes = Vec::new();
    let outcome =
        std::fs::File::open(path).and_then(|file| file.take(LONGEST_FILE + 1).read_to_end(&mut bytes));
    match outcome {
        Ok(_) if bytes.len() as u64 > LONGEST_FILE => {
            Err(failed(format!("it is longer than {LONGEST_FILE} bytes, which no config file is")))
        }
        Ok(_) => String::from_utf8(bytes).map_err(|error| {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
            failed(format!("line {line} is not UTF-8"))
        }),
        // The second: a folder on the way is none, as below a home of /dev/null.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(String::new())
        }
        Err(error) => Err(failed(error.to_string())),
    }
}

fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy()).to_string()
}

/// The file at hand, to say where in it something is wrong.
struct Place<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Place<'_> {
    fn problem(&self, at: &Range<usize>, what: &str, help: &str) -> Problem {
        let before = self.text.as_bytes().get(..at.start).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let message = format!("reading the config file {}: line {line}: {what}", shown(self.path));
        Problem::new(Kind::Usage, message, help)
    }

    /// The value as it would be typed, found good by clap.
    fn typed(&self, option: &Arg, name: &str, value: &Spanned<DeValue<'_>>) -> Result<Vec<String>, Problem> {
        let at = value.span();
        let is_flag = !option.get_action().takes_values();
        let refuse = |reason: String| {
            let written = self.text.get(at.clone()).unwrap_or_default();
            let written = Printable::short(written, SHOWN_CHARACTERS);
            let what = format!("`{name} = {written}`: {reason}");
            let help = format!("see --{name} in `slipstream run --help`");
            Err(self.problem(&at, &what, &help))
        };
        let values = match value.get_ref() {
            DeValue::Table(_) => {
                let what = format!("`{name}` is a table, and the file has none");
                return Err(self.problem(&at, &what, "write one `name = value` a line"));
            }
            DeValue::Boolean(value) if is_flag => return Ok(vec![value.to_string()]),
            _ if is_flag => return refuse("expected true or false".to_owned()),
            DeValue::Array(array) if matches!(option.get_action(), ArgAction::Append) => {
                array.iter().map(|each| plain(each.get_ref())).collect::<Option<Vec<_>>>()
            }
            single => plain(single).map(|value| vec![value]),
        };
        let Some(values) = values else {
            return refuse("expected a text, a number, or true or false".to_owned());
        };
        for value in &values {
            // No argument and no variable can hold one, so nothing below expects it.
            if value.contains('\0') {
                return refuse("it contains a NUL character".to_owned());
            }
            if let Some(reason) = refusal(option, name, value) {
                return refuse(reason);
            }
        }
        Ok(values)
    }
}

/// A value as it would be typed; `None` for what cannot be.
fn plain(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Boolean(value) => Some(value.to_string()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Integer(number) => {
            u64::from_str_radix(number.as_str(), number.radix()).ok().map(|number| number.to_string())
        }
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

/// clap's reason to refuse a value, if it has one.
fn refusal(option: &Arg, name: &str, value: &str) -> Option<String> {
    let alone = clap::Command::new("config").no_binary_name(true).arg(option.clone());
    let error = alone.try_get_matches_from([format!("--{name}={value}")]).err()?;
    if let Some(reason) = std::error::Error::source(&error) {
        return Some(reason.to_string());
    }
    match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(words)) if !words.is_empty() => {
            Some(format!("expected one of {}", words.join(", ")))
        }
        _ if value.is_empty() => Some("it is empty".to_owned()),
        _ => Some("it does not fit".to_owned()),
    }
}

/// A key that is no option, with the nearest one, by clap's own ear.
fn unknown(place: &Place<'_>, key: &Spanned<std::borrow::Cow<'_, str>>, name: &str) -> Problem {
    let error = super::options().no_binary_name(true).try_get_matches_from([format!("--{name}")]).err();
    let nearest = error.as_ref().and_then(|error| match error.get(ContextKind::SuggestedArg) {
        Some(ContextValue::String(argument)) => Some(argument.trim_start_matches('-')),
        _ => None,
    });
    let help = match nearest {
        Some(nearest) => format!("did you mean `{nearest}`? `slipstream config show` prints every key"),
        None => "`slipstream config show` prints every key".to_owned(),
    };
    let what = format!("unknown key `{}`", Printable::short(key.get_ref(), SHOWN_CHARACTERS));
    place.problem(&key.span(), &what, &help)
}
