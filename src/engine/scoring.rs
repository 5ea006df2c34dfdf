//! A model's scores along texts that are written already: what quantized models are compared by. No drafter, no draws, no
//! worker thread: it loads, computes, and is gone.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::EngineSettings;
use super::loading::model_settings;
use crate::llama::{Backend, Context, ContextSettings, LlamaError, Model, Templates};
use crate::request::{Message, Role};
use crate::token::TokenId;

/// Tokens computed at once; each has a row of scores, a megabyte with Gemma's vocabulary.
const AT_ONCE: u32 = 32;

/// A question and its reply.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// The question.
    pub question: String,
    /// The reply's tokens: the places whose scores are wanted.
    pub reply: Vec<TokenId>,
}

/// Loads the model of `settings` alone and shows `visit` its scores at every place of every reply, in order: those from
/// which the reply's token there would be drawn.
///
/// # Errors
/// Where the model cannot be loaded or computed with; [`LlamaError::Cancelled`] where `cancel` was set.
pub fn score(
    settings: &EngineSettings,
    texts: &[Scored],
    cancel: &AtomicBool,
    visit: &mut dyn FnMut(&[f32]),
) -> Result<(), LlamaError> {
    let backend = Backend::start(None)?;
    let path: &Path = &settings.model;
    let is_cancelled = || cancel.load(Ordering::Relaxed);
    let model = Model::load(backend, path, &model_settings(settings), &mut |_| !is_cancelled())?;
    let templates = Templates::of(&model, settings.template.as_deref())?;
    let mut passages = Vec::new();
    for text in texts {
        let message = Message { role: Role::User, text: text.question.clone() };
        let prompt = templates.render(&[message], false)?.prompt();
        let prompt = model.vocab().tokenize(&prompt, true)?;
        if prompt.is_empty() {
            return Err(LlamaError::EmptyPrompt);
        }
        passages.push((prompt, &text.reply));
    }
    let longest = passages.iter().map(|(prompt, reply)| prompt.len() + reply.len()).max().unwrap_or(1);
    let context_settings = ContextSettings {
        cells: u32::try_from(longest).unwrap_or(u32::MAX),
        micro_batch: AT_ONCE,
        max_outputs: AT_ONCE,
        threads: settings.threads,
        threads_batch: settings.threads_batch,
        kv_type: settings.kv_type,
    };
    let mut context = Context::new(&model, &context_settings)?;
    for (prompt, reply) in &passages {
        context.clear();
        // The last token's own scores come after the reply.
        let tokens: Vec<TokenId> = prompt.iter().chain(reply.iter()).copied().collect();
        let tokens = &tokens[..tokens.len() - 1];
        let first = prompt.len() - 1;
        for (number, batch) in tokens.chunks(AT_ONCE as usize).enumerate() {
            if is_cancelled() {
                return Err(LlamaError::Cancelled(path.to_owned()));
            }
            let begin = number * AT_ONCE as usize;
            let outputs = (begin + batch.len()).saturating_sub(first.max(begin));
            context.decode(batch, outputs)?;
            for index in batch.len() - outputs..batch.len() {
                if let Some(row) = context.row(index) {
                    visit(row);
                }
            }
        }
    }
    Ok(())
}
