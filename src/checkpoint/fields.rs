//! Typed access to a JSON object: a missing key and null are the same, a value of another type is an error.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::config_error::ConfigError;

/// Any width or count at most: far above every model, and products of two stay below 2^64.
pub(super) const MAX_SIZE: u64 = 1 << 24;

/// An object of config.json.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a Map<String, Value>);

impl<'a> Fields<'a> {
    fn get(&self, key: &str) -> Option<&'a Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    /// A whole number.
    pub(super) fn optional_count(
        &self,
        key: &str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, ConfigError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let is_possible = |found: &u64| range.contains(found);
        value.as_u64().filter(is_possible).map(Some).ok_or_else(|| {
            ConfigError::value(key, value, format!("a number from {} to {}", range.start(), range.end()))
        })
    }

    /// A whole number that has a default. Null counts as 0 where 0 is possible: so the reference converter takes it.
    pub(super) fn count(
        &self,
        key: &str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> Result<u64, ConfigError> {
        let if_missing = if self.0.contains_key(key) && range.contains(&0) { 0 } else { default };
        Ok(self.optional_count(key, range)?.unwrap_or(if_missing))
    }

    /// A number.
    pub(super) fn number(&self, key: &str) -> Result<Option<f64>, ConfigError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        // A GGUF holds 32 bits of it.
        let fits = |found: &f64| (*found as f32).is_finite();
        let expected = || ConfigError::value(key, value, "a number".to_owned());
        value.as_f64().filter(fits).map(Some).ok_or_else(expected)
    }

    /// True or false; false where it is missing.
    pub(super) fn truth(&self, key: &str) -> Result<bool, ConfigError> {
        let Some(value) = self.get(key) else { return Ok(false) };
        value.as_bool().ok_or_else(|| ConfigError::value(key, value, "true or false".to_owned()))
    }

    /// An object within.
    pub(super) fn object(&self, key: &str) -> Result<Option<Fields<'a>>, ConfigError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Object(object)) => Ok(Some(Fields(object))),
            Some(other) => Err(ConfigError::value(key, other, "an object".to_owned())),
        }
    }
}
