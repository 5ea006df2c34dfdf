//! The context of an MTP assistant: no cache of its own, it reads the target's.
//!
//! Creating one erases the target's cells (they are shared, then resized), so `DraftContext::beside` saves and
//! restores them. There is no way to clear it from here: that would clear the target.

use std::rc::Rc;

use super::context::{Context, ContextSettings, Handle};
use super::error::LlamaError;
use super::model::Model;
use crate::token::TokenId;

/// Micro-batch of a draft context: a step is one token, and a large one would only cost scratch memory
/// (2.3 GiB on the 26B where it inherits the target's 512).
const DRAFT_MICRO_BATCH: u32 = 64;

/// An assistant's context beside its target's.
pub struct DraftContext<'m> {
    // Dropped before the count of the target's handle below: it points into it.
    inner: Context<'m>,
    _target: Rc<Handle<'m>>,
}

impl<'m> DraftContext<'m> {
    /// Links the assistant `model` to `target`, which hands out hidden rows from then on. `threads` is for one
    /// draft step.
    ///
    /// # Errors
    /// `Limit` where the hidden widths differ, `Context` mostly for lack of memory; the target works on.
    pub fn beside(
        target: &mut Context<'m>,
        model: &'m Model,
        threads: u32,
    ) -> Result<DraftContext<'m>, LlamaError> {
        let (got, limit) = (model.hidden_width(), target.model().hidden_width());
        if got != limit {
            return Err(LlamaError::Limit { what: "hidden width of the drafter", got, limit });
        }
        let settings = ContextSettings {
            micro_batch: DRAFT_MICRO_BATCH,
            max_outputs: 1,
            threads,
            threads_batch: threads,
            ..target.settings().clone()
        };
        let length = target.length();
        let saved = if length > 0 { target.save_all() } else { None };
        // SAFETY: the target's handle is counted by the new `DraftContext`, so it lives as long; both types hold an
        // `Rc`, so neither leaves this thread.
        let created = unsafe { Context::create(model, &settings, "drafter", target.handle(), None) };
        if length > 0 && !saved.is_some_and(|data| target.load_all(&data)) {
            target.clear();
        }
        let mut inner = created?;
        inner.set_hidden_rows(true);
        target.set_hidden_rows(true);
        Ok(DraftContext { inner, _target: target.shared_handle() })
    }

    /// One draft step: the last token (or the guess before) with the hidden row that predicted it. `position` is the
    /// place of the last emitted token, the same in every step of a draft. Nothing is written to the cache, but one
    /// free cell is needed.
    ///
    /// # Errors
    /// `Full` without a free cell; `Limit`; `Decode`.
    pub fn decode(&mut self, token: TokenId, hidden: &[f32], position: u32) -> Result<(), LlamaError> {
        self.inner.decode_hidden(token, hidden, position)
    }

    /// Scores of the guess.
    #[must_use]
    pub fn scores(&self) -> Option<&[f32]> {
        self.inner.row(0)
    }

    /// The drafter's own hidden row, input of the next step.
    #[must_use]
    pub fn hidden(&self) -> Option<&[f32]> {
        self.inner.hidden_row(0)
    }

    /// Threads of the steps from the next one on.
    pub fn set_threads(&mut self, threads: u32) {
        self.inner.set_threads(threads, threads);
    }

    /// What it holds.
    #[must_use]
    pub fn memory_use(&self) -> super::context::MemoryUse {
        self.inner.memory_use()
    }
}
