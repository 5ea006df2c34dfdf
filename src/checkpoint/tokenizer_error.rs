//! What can be wrong with a tokenizer's files: data, turned into words only here.

use crate::gguf::Printable;

/// Text from a file, in an error message.
fn named(text: &str) -> Printable<'_> {
    Printable::short(text, 60)
}

/// Why a vocabulary cannot be taken over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// Another kind of tokenizer.
    #[error("the tokenizer is of the kind `{}`{}, expected BPE with byte fallback", named(.found), if *.byte_fallback { "" } else { " without byte fallback" })]
    Model {
        /// Its kind.
        found: String,
        /// Whether unknown characters become bytes.
        byte_fallback: bool,
    },
    /// A decoder of another kind.
    #[error("the tokenizer's decoder is `{}`, expected `Sequence`", named(.found))]
    Decoder {
        /// Its kind.
        found: String,
    },
    /// More tokens than any model has.
    #[error("the tokenizer has {found} tokens, which no model has")]
    TooMany {
        /// How many.
        found: usize,
    },
    /// Numbers that leave others out.
    #[error("a token has the number {id}, and there are {tokens} tokens: numbers are missing")]
    Gap {
        /// The number.
        id: u32,
        /// Tokens there are.
        tokens: usize,
    },
    /// A text or number of two tokens.
    #[error("the token `{}` (number {id}) occurs twice", named(.text))]
    Twice {
        /// The text.
        text: String,
        /// The number.
        id: u32,
    },
    /// A special token that is none.
    #[error("tokenizer_config.json names the special token `{}`, which the vocabulary does not have", named(.text))]
    NoSuchToken {
        /// Its text.
        text: String,
    },
    /// A special token's number that is none.
    #[error("the {role} token has the number {id}; there are {tokens} tokens")]
    NoSuchId {
        /// Its role, e.g. `eos`.
        role: String,
        /// The number.
        id: u64,
        /// Tokens there are.
        tokens: u64,
    },
}

impl TokenizerError {
    /// What a person can do about it.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            TokenizerError::Model { .. } | TokenizerError::Decoder { .. } => {
                "The tokenizer is not Gemma 4's; fetch tokenizer.json of the original checkpoint."
            }
            _ => "The tokenizer's files do not belong together or are damaged; fetch them again.",
        }
    }
}
