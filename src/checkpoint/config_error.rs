//! What can be wrong with config.json: data, turned into words only here.

use serde_json::Value;

use crate::gguf::Printable;

/// Text from a file, in an error message.
fn named(text: &str) -> Printable<'_> {
    Printable::short(text, 100)
}

/// Why config.json describes no model that can be converted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// JSON that is none, or no object.
    #[error("it is no JSON object: {}", named(.message))]
    Json {
        /// What the parser says.
        message: String,
    },
    /// Another model than Gemma 4.
    #[error("the checkpoint is of the architecture {}; slipstream itself converts Gemma 4 and its MTP drafters only", shown(.found.as_deref()))]
    Architecture {
        /// What `architectures` begins with.
        found: Option<String>,
    },
    /// Weights that are quantized already.
    #[error("the checkpoint's weights are quantized already (`quantization_config` names {})", named(.method))]
    Quantized {
        /// By which method.
        method: String,
    },
    /// A value that no Gemma 4 has.
    #[error("`{}` is {}, expected {expected}", named(.key), named(.found))]
    Value {
        /// The key.
        key: String,
        /// Its value.
        found: String,
        /// What it can be.
        expected: String,
    },
    /// A value that has no default.
    #[error("`{}` is missing", named(.key))]
    Missing {
        /// The key.
        key: String,
    },
}

fn shown(architecture: Option<&str>) -> String {
    architecture.map_or("(none is named)".to_owned(), |name| format!("`{}`", named(name)))
}

impl ConfigError {
    pub(super) fn json(error: serde_json::Error) -> ConfigError {
        ConfigError::Json { message: error.to_string() }
    }

    pub(super) fn value(key: &str, found: &Value, expected: String) -> ConfigError {
        ConfigError::Value { key: key.to_owned(), found: found.to_string(), expected }
    }

    /// What a person can do about it.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            ConfigError::Architecture { .. } => {
                "Convert it with llama.cpp's `convert_hf_to_gguf.py FOLDER --outtype bf16`, then give that GGUF to \
                 `slipstream quantize`."
            }
            ConfigError::Quantized { .. } => "Start from the BF16 original.",
            ConfigError::Json { .. } => "Fetch config.json again.",
            ConfigError::Value { .. } | ConfigError::Missing { .. } => {
                "Compare config.json with the original. If it is right, the model is newer than this program: convert \
                 it with llama.cpp's `convert_hf_to_gguf.py FOLDER --outtype bf16`, then give that GGUF to `slipstream \
                 quantize`."
            }
        }
    }
}
