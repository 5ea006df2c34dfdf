//! What can go wrong in the machine, with what llama.cpp itself said about it.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context as LayerContext;

/// A failure below the safe layer.
#[derive(Debug, thiserror::Error)]
pub enum LlamaError {
    /// llama.cpp was already started in this process, or could not start.
    #[error("starting llama.cpp failed: {0}")]
    Backend(String),
    /// A model file was refused by llama.cpp.
    #[error("llama.cpp could not load {path}: {reason}")]
    Load {
        /// The file.
        path: PathBuf,
        /// llama.cpp's own last error lines, or a sentence of ours.
        reason: String,
    },
    /// llama.cpp's own quantization of a file failed.
    #[error("llama.cpp could not quantize {path}: {reason}")]
    Quantize {
        /// The file.
        path: PathBuf,
        /// llama.cpp's own last error lines, or a sentence of ours.
        reason: String,
    },
    /// Loading was cancelled.
    #[error("loading {0} was cancelled")]
    Cancelled(PathBuf),
    /// A context could not be created, mostly for lack of memory.
    #[error("creating the {what} context ({cells} tokens) failed: {reason}")]
    Context {
        /// "target" or "drafter".
        what: &'static str,
        /// Context length asked for.
        cells: u32,
        /// llama.cpp's own last error lines.
        reason: String,
    },
    /// No room left in the cache for a batch.
    #[error("the context is full ({cells} tokens)")]
    Full {
        /// Its size.
        cells: u32,
    },
    /// A batch was refused or failed.
    #[error("decoding {count} tokens failed with code {code}: {reason}")]
    Decode {
        /// Tokens in the batch.
        count: usize,
        /// llama.cpp's return value.
        code: i32,
        /// What is known about it.
        reason: String,
    },
    /// Something asked of the layer that llama.cpp would abort on.
    #[error("{what}: got {got}, the limit is {limit}")]
    Limit {
        /// Which limit.
        what: &'static str,
        /// What was asked.
        got: usize,
        /// What is possible.
        limit: usize,
    },
    /// The template failed.
    #[error("rendering the chat with the model's template failed: {0}")]
    Template(String),
    /// There is nothing to continue.
    #[error("the prompt is empty")]
    EmptyPrompt,
    /// Text could not be tokenized.
    #[error("tokenizing {bytes} bytes failed")]
    Tokenize {
        /// Length of the text.
        bytes: usize,
    },
}

/// The latest error lines of llama.cpp's log: its C interface answers a failure with null and tells the
/// reason only there.
#[derive(Clone, Default)]
pub struct LogTail(Arc<Mutex<VecDeque<String>>>);

/// Lines kept; a failing load writes three or four.
const LINES_KEPT: usize = 6;

impl LogTail {
    /// Forgets what was said before, so that `take` tells of one call only.
    pub fn clear(&self) {
        if let Ok(mut lines) = self.0.lock() {
            lines.clear();
        }
    }

    /// The lines since `clear`, joined; "no reason given" where there were none.
    #[must_use]
    pub fn take(&self) -> String {
        let lines: Vec<String> = self.0.lock().map(|mut lines| lines.drain(..).collect()).unwrap_or_default();
        if lines.is_empty() { "no reason given".to_owned() } else { lines.join("; ") }
    }
}

/// Collects the message of an event.
struct Message(String);

impl Visit for Message {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.0.push_str(value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0.push_str(&format!("{value:?}"));
        }
    }
}

impl<S: tracing::Subscriber> Layer<S> for LogTail {
    fn on_event(&self, event: &tracing::Event<'_>, _: LayerContext<'_, S>) {
        if *event.metadata().level() != tracing::Level::ERROR {
            return;
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        if let Ok(mut lines) = self.0.lock() {
            if lines.len() == LINES_KEPT {
                lines.pop_front();
            }
            lines.push_back(message.0.trim().to_owned());
        }
    }
}
