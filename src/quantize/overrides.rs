//! `--tensor-type REGEX=TYPE`: the first pattern that is found in a tensor's name decides, as in llama-quantize.

use regex::bytes::{Regex, RegexBuilder};

use super::error::PlanError;
use crate::gguf::GgmlType;

/// One override.
#[derive(Clone, Debug)]
pub struct Override {
    /// The pattern as it is matched: llama-quantize makes all its letters small.
    pattern: String,
    regex: Regex,
    /// The type for tensors whose name holds a match.
    pub tensor_type: GgmlType,
}

impl Override {
    /// Reads `REGEX=TYPE`; the first `=` ends the pattern.
    ///
    /// The pattern is one of the `regex` crate, which reads the same names as llama-quantize's ECMAScript one, but
    /// knows neither look-ahead nor back-references: those are refused, not misread.
    ///
    /// # Errors
    /// Where a part is missing, the pattern is none, or there is no such type.
    pub fn parse(text: &str) -> Result<Override, PlanError> {
        let bad = |what: &str| PlanError::BadOverride { text: text.to_owned(), what: what.to_owned() };
        let (pattern, type_name) = text.split_once('=').ok_or_else(|| bad("there is no `=`"))?;
        if pattern.is_empty() {
            return Err(bad("there is nothing before the `=`"));
        }
        Override::new(pattern, quantizable(type_name).ok_or_else(|| bad(&no_type(type_name)))?)
    }

    /// An override of a pattern.
    ///
    /// # Errors
    /// Where the pattern is not a regular expression.
    pub fn new(pattern: &str, tensor_type: GgmlType) -> Result<Override, PlanError> {
        // Names of tensors are bytes to C++.
        let pattern = pattern.to_ascii_lowercase();
        let regex = RegexBuilder::new(&pattern).unicode(false).build();
        let regex = regex.map_err(|error| PlanError::BadOverride {
            text: pattern.clone(),
            what: one_line(&error.to_string()),
        })?;
        Ok(Override { pattern, regex, tensor_type })
    }

    /// Whether a tensor's name holds a match.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        self.regex.is_match(name.as_bytes())
    }

    /// The pattern, as it is matched.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.pattern
    }
}

/// A type by its name, where tensors can be quantized or converted to it (`ggml_quantize_chunk` of ggml.c).
#[must_use]
pub fn quantizable(name: &str) -> Option<GgmlType> {
    // Q8_1 and Q8_K hold activations; the rest is no type for weights.
    const NOT_FOR_WEIGHTS: [&str; 7] = ["Q8_1", "Q8_K", "I8", "I16", "I32", "I64", "F64"];
    GgmlType::named(name).filter(|found| !NOT_FOR_WEIGHTS.contains(&found.name()))
}

/// What is wrong with the name of a type that is not [`quantizable`].
#[must_use]
pub fn no_type(name: &str) -> String {
    let names: Vec<&str> =
        GgmlType::all().map(GgmlType::name).filter(|name| quantizable(name).is_some()).collect();
    format!("`{name}` is no tensor type; there are {}", names.join(", "))
}

/// The last line of the regex crate's messages is the reason; the others point at the place.
fn one_line(message: &str) -> String {
    let last = message.lines().last().unwrap_or_default();
    last.trim().trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_searched_for_anywhere_and_in_small_letters() {
        let one = Override::parse("ATTN_[QK]=q8_0").expect("an override");
        assert!(one.matches("blk.0.attn_k.weight"));
        assert!(!one.matches("blk.0.attn_v.weight"));
        assert_eq!((one.pattern(), one.tensor_type), ("attn_[qk]", GgmlType::Q8_0));
        let anchored = Override::parse(r"^blk\.(0|1)\.ffn_down=Q6_K").expect("an override");
        assert!(anchored.matches("blk.1.ffn_down_exps.weight"));
        assert!(!anchored.matches("blk.11.ffn_down.weight"));
    }

    #[test]
    fn what_is_no_override_says_why() {
        for (text, part) in [
            ("attn_q", "no `=`"),
            ("=q4_0", "nothing before"),
            ("attn_q=q4", "`q4` is no tensor type"),
            ("attn_q=q8_1", "no tensor type"),
            ("attn_(q=q4_0", "unclosed group"),
            ("attn_(?!q)=q4_0", "look-around"),
        ] {
            let message = Override::parse(text).expect_err(text).to_string();
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
