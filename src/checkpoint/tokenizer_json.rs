//! tokenizer.json as it is written: vocabulary, merges, added tokens. Hundreds of thousands of entries, hence typed
//! structures and no JSON tree.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::Value;

use super::files::pairs;

/// The file.
#[derive(Deserialize)]
pub(super) struct TokenizerJson {
    pub model: Bpe,
    #[serde(default)]
    pub added_tokens: Vec<AddedToken>,
    #[serde(default)]
    pub decoder: Value,
    #[serde(default)]
    pub normalizer: Value,
    #[serde(default)]
    pub post_processor: Value,
}

/// The model of a tokenizer.
#[derive(Deserialize)]
pub(super) struct Bpe {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    #[serde(default)]
    pub byte_fallback: bool,
    pub vocab: Vocab,
    #[serde(default)]
    pub merges: Vec<Merge>,
}

/// A token beside the vocabulary, or one of it that is found before all others.
#[derive(Deserialize)]
pub(super) struct AddedToken {
    pub id: u32,
    pub content: String,
}

/// Texts and their numbers, in the order of the file.
pub(super) struct Vocab(pub Vec<(String, u32)>);

impl<'de> Deserialize<'de> for Vocab {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        pairs(deserializer, "a table of tokens").map(Vocab)
    }
}

/// A merge, in the form of a GGUF: two texts with a space between, a space within a text written as U+0120.
pub(super) struct Merge(pub String);

/// A space within a part: chr(32 + 256).
const SPACE: &str = "\u{120}";

impl<'de> Deserialize<'de> for Merge {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts;
        impl<'de> Visitor<'de> for Parts {
            type Value = Merge;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("two texts, or one with a space between them")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Merge, E> {
                Ok(Merge(text.to_owned()))
            }

            // Transformers since 4.45: pairs.
            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Merge, A::Error> {
                let mut next =
                    |at| parts.next_element::<String>()?.ok_or(A::Error::invalid_length(at, &self));
                let (first, second) = (next(0)?, next(1)?);
                if parts.next_element::<serde::de::IgnoredAny>()?.is_some() {
                    return Err(A::Error::invalid_length(3, &self));
                }
                Ok(Merge(format!("{} {}", first.replace(' ', SPACE), second.replace(' ', SPACE))))
            }
        }
        deserializer.deserialize_any(Parts)
    }
}
