//! llama contexts as the target and the drafters that `spec` speaks to.

use std::cell::RefCell;
use std::rc::Rc;

use super::laboratory::DraftThreads;
use crate::llama::{Context, DraftContext, LlamaError};
use crate::spec::{DraftRequest, Drafter, Guess, Target};
use crate::token::{Position, TokenId};

/// The target's hidden row of the last kept position, handed from the target to an MTP drafter.
pub type HiddenRow = Rc<RefCell<Vec<f32>>>;

/// A target's context as `spec::Target`. Its cache holds the text minus its last token.
pub struct TargetMachine<'m> {
    context: Context<'m>,
    hidden: Option<HiddenRow>,
    /// Tokens in the cache before the latest `verify`.
    before: u32,
    batch: Vec<TokenId>,
    /// Of the rows that gave tokens, where they are wanted.
    fingerprints: Option<Vec<u64>>,
}

/// A number that another row has by a chance of one in 10^19: of its bits, not of its values.
fn fingerprint(row: &[f32]) -> u64 {
    // Each step is a permutation of the state, so that a single different score always shows.
    let mix = |state: u64, score: &f32| {
        (state.rotate_left(5) ^ u64::from(score.to_bits())).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    };
    row.iter().fold(row.len() as u64, mix)
}

impl<'m> TargetMachine<'m> {
    /// Over a context; `hidden` is kept up to date where a drafter needs it.
    #[must_use]
    pub fn new(context: Context<'m>, hidden: Option<HiddenRow>) -> TargetMachine<'m> {
        let before = context.length();
        TargetMachine { context, hidden, before, batch: Vec::new(), fingerprints: None }
    }

    /// The context, between two rounds.
    pub fn context(&mut self) -> &mut Context<'m> {
        &mut self.context
    }

    /// From now on notes a fingerprint of each row that gives a token.
    pub fn take_fingerprints(&mut self) {
        self.fingerprints = Some(Vec::new());
    }

    /// Notes the row of a token that no round gives: the `index`-th of the latest batch.
    pub fn note_row(&mut self, index: usize) {
        if let Some(noted) = &mut self.fingerprints {
            noted.push(fingerprint(self.context.row(index).unwrap_or(&[])));
        }
    }

    /// What was noted since the last call.
    pub fn noted_rows(&mut self) -> Vec<u64> {
        self.fingerprints.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// No drafter reads hidden rows any more.
    pub fn forget_hidden(&mut self) {
        self.hidden = None;
        self.context.set_hidden_rows(false);
    }

    /// A copy of the hidden row that a drafter goes on from, to go back to it with `put_hidden`.
    #[must_use]
    pub fn hidden(&self) -> Vec<f32> {
        self.hidden.as_ref().map(|hidden| hidden.borrow().clone()).unwrap_or_default()
    }

    /// Puts back a hidden row.
    pub fn put_hidden(&mut self, row: &[f32]) {
        if let Some(hidden) = &self.hidden {
            let mut hidden = hidden.borrow_mut();
            hidden.clear();
            hidden.extend_from_slice(row);
        }
    }

    /// Takes over the hidden row of the `index`-th token of the latest batch.
    pub fn take_hidden(&mut self, index: usize) {
        if let Some(hidden) = &self.hidden {
            // Without a row there is no draft, rather than one from an older row.
            let mut hidden = hidden.borrow_mut();
            hidden.clear();
            hidden.extend_from_slice(self.context.hidden_row(index).unwrap_or(&[]));
        }
    }
}

impl Target for TargetMachine<'_> {
    type Error = LlamaError;

    fn verify(&mut self, last: TokenId, guesses: &[TokenId], padding: usize) -> Result<(), LlamaError> {
        self.before = self.context.length();
        self.batch.clear();
        self.batch.push(last);
        self.batch.extend_from_slice(guesses);
        // Nothing before the padding can see it. Any token would do; one that is there already asks a mixture of
        // experts for few experts more.
        self.batch.resize(self.batch.len() + padding, guesses.last().copied().unwrap_or(last));
        // The padding gives rows too, although nobody reads them: so it is the same computation as a batch of real
        // guesses. Its time is the one that was measured, the output matrix has its cheap width as well, and
        // llama.cpp's graph, which it builds anew when the number of rows changes, stays.
        self.context.decode(&self.batch, self.batch.len())
    }

    fn row(&self, index: usize) -> &[f32] {
        // Every token of a verify batch has a row; an empty one gives a defined token, never a panic.
        self.context.row(index).unwrap_or(&[])
    }

    fn keep(&mut self, kept: usize) -> Result<(), LlamaError> {
        self.take_hidden(kept);
        // Row `kept` gave the last token.
        (0..=kept).for_each(|index| self.note_row(index));
        // The batch is far below 2^32 tokens.
        self.context.drop_tail(self.before + 1 + kept as u32);
        Ok(())
    }
}

/// The text a drafter draws after: the end of the real text that can matter, and its own guesses.
fn start_draft_text(request: &DraftRequest<'_>, window: &mut Vec<TokenId>) {
    window.clear();
    let reach = request.sampler.window().min(request.text.len());
    window.extend_from_slice(&request.text[request.text.len() - reach..]);
}

/// Gemma 4's MTP assistant: reads the target's cache, has none of its own (docs/ARCHITECTURE.md, "The drafter").
pub struct MtpDrafter<'m> {
    context: DraftContext<'m>,
    threads: DraftThreads,
    /// What the context computes with now.
    threads_set: u32,
    hidden: HiddenRow,
    /// The drafter's own hidden row of the step before.
    step: Vec<f32>,
    window: Vec<TokenId>,
}

impl<'m> MtpDrafter<'m> {
    /// Over a draft context; `hidden` is the row that the target keeps up to date.
    #[must_use]
    pub fn new(context: DraftContext<'m>, hidden: HiddenRow, threads: DraftThreads) -> MtpDrafter<'m> {
        let threads_set = threads.get();
        MtpDrafter { context, threads, threads_set, hidden, step: Vec::new(), window: Vec::new() }
    }
}

impl Drafter for MtpDrafter<'_> {
    fn propose(&mut self, request: DraftRequest<'_>, draft: &mut Vec<Guess>) -> Result<(), String> {
        start_draft_text(&request, &mut self.window);
        let Some(mut token) = request.text.last().copied() else { return Ok(()) };
        let after = Position(0).plus(request.text.len());
        self.step.clear();
        self.step.extend_from_slice(&self.hidden.borrow());
        if self.step.is_empty() {
            return Ok(());
        }
        if self.threads_set != self.threads.get() {
            self.threads_set = self.threads.get();
            self.context.set_threads(self.threads_set);
        }
        while draft.len() < request.max_length {
            let Some(floor) = (request.floor)(draft) else { break };
            // The same position in every step: the shared cache does not advance.
            let decoded = self.context.decode(token, &self.step, after.0 - 1);
            match decoded {
                Ok(()) => {}
                // No free cell for a step: a shorter draft, not a failure.
                Err(LlamaError::Full { .. }) => break,
                Err(error) => return Err(error.to_string()),
            }
            let (Some(scores), Some(hidden)) = (self.context.scores(), self.context.hidden()) else {
                return Err("the drafter gave no scores".to_owned());
            };
            let drawn = request.sampler.draw_with_probability(scores, &self.window, after.plus(draft.len()));
            if drawn.probability < floor {
                break;
            }
            self.step.clear();
            self.step.extend_from_slice(hidden);
            token = drawn.token;
            self.window.push(token);
            draft.push(Guess { token, probability: drawn.probability });
        }
        Ok(())
    }

    fn observe(&mut self, _text: &[TokenId], _kept: usize) -> Result<(), String> {
        Ok(())
    }

    fn rewind(&mut self, _position: Position) -> Result<(), String> {
        Ok(())
    }
}

/// An ordinary smaller model of the same vocabulary, with a cache of its own.
pub struct ModelDrafter<'m> {
    context: Context<'m>,
    threads: DraftThreads,
    /// What the context computes single tokens with now.
    threads_set: u32,
    /// What its cache holds: some prefix of the text, and guesses of the latest draft.
    held: Vec<TokenId>,
    window: Vec<TokenId>,
}

impl<'m> ModelDrafter<'m> {
    /// Over a context of the small model.
    #[must_use]
    pub fn new(context: Context<'m>, threads: DraftThreads) -> ModelDrafter<'m> {
        let threads_set = context.settings().threads;
        ModelDrafter { context, threads, threads_set, held: Vec::new(), window: Vec::new() }
    }

    /// Decodes what the cache lacks of `text`, one micro-batch at most, so that a person who cancels need not wait for
    /// more. `Some(n)`: row `n − 1` of the batch follows the text. `None`: there is more to read, in the next rounds.
    fn catch_up(&mut self, text: &[TokenId]) -> Result<Option<usize>, LlamaError> {
        let common = self.held.iter().zip(text).take_while(|(held, token)| held == token).count();
        // The last token is always decoded again: its row is wanted.
        let mut common = common.min(text.len() - 1);
        if !self.context.truncate(common as u32) {
            self.context.clear();
            common = 0;
        }
        self.held.truncate(common);
        let rest = &text[common..];
        let chunk = &rest[..rest.len().min(self.context.settings().micro_batch as usize)];
        let is_last = chunk.len() == rest.len();
        self.context.decode(chunk, usize::from(is_last))?;
        self.held.extend_from_slice(chunk);
        Ok(is_last.then_some(chunk.len()))
    }
}

impl Drafter for ModelDrafter<'_> {
    fn propose(&mut self, request: DraftRequest<'_>, draft: &mut Vec<Guess>) -> Result<(), String> {
        start_draft_text(&request, &mut self.window);
        if request.text.is_empty() {
            return Ok(());
        }
        let Some(mut floor) = (request.floor)(draft) else { return Ok(()) };
        if self.threads_set != self.threads.get() {
            self.threads_set = self.threads.get();
            let batch = self.context.settings().threads_batch;
            self.context.set_threads(self.threads_set, batch);
        }
        let after = Position(0).plus(request.text.len());
        let mut count = match self.catch_up(request.text) {
            Ok(Some(count)) => count,
            Ok(None) => return Ok(()),
            // Its own context is smaller than the target's: no guesses from here on.
            Err(LlamaError::Full { .. }) => return Ok(()),
            Err(error) => return Err(error.to_string()),
        };
        loop {
            let Some(scores) = self.context.row(count - 1) else {
                return Err("the draft model gave no scores".to_owned());
            };
            let drawn = request.sampler.draw_with_probability(scores, &self.window, after.plus(draft.len()));
            if drawn.probability < floor {
                return Ok(());
            }
            self.window.push(drawn.token);
            draft.push(Guess { token: drawn.token, probability: drawn.probability });
            if draft.len() == request.max_length {
                return Ok(());
            }
            let Some(next) = (request.floor)(draft) else { return Ok(()) };
            floor = next;
            match self.context.decode(&[drawn.token], 1) {
                Ok(()) => self.held.push(drawn.token),
                Err(LlamaError::Full { .. }) => return Ok(()),
                Err(error) => return Err(error.to_string()),
            }
            count = 1;
        }
    }

    fn observe(&mut self, _text: &[TokenId], _kept: usize) -> Result<(), String> {
        // The next draft finds out what still fits (`catch_up`).
        Ok(())
    }

    fn rewind(&mut self, position: Position) -> Result<(), String> {
        self.held.truncate(position.0 as usize);
        if !self.context.truncate(position.0) {
            self.context.clear();
            self.held.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::llama::{Backend, ContextSettings, KvType, Model, ModelSettings};

    /// Rows and cache after a padded batch are those of the same batch without padding.
    #[test]
    fn padding_leaves_no_trace() {
        let backend = Backend::start(None).expect("llama.cpp starts");
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/pocket/pocket-target-Q8_0.gguf");
        let model = Model::load(backend, &file, &ModelSettings::default(), &mut |_| true).expect("loads");
        let text: Vec<TokenId> = (10..40).map(TokenId).collect();
        let machine = || {
            let settings = ContextSettings {
                cells: 256,
                micro_batch: 64,
                max_outputs: 8,
                threads: 1,
                threads_batch: 1,
                kv_type: KvType::F16,
            };
            let mut context = Context::new(&model, &settings).expect("a context");
            context.decode(&text, 0).expect("decodes");
            TargetMachine::new(context, None)
        };
        let (mut padded, mut guessed) = (machine(), machine());
        let [last, first, second] = [50, 51, 52].map(TokenId);
        padded.verify(last, &[first], 2).expect("decodes");
        // The same four tokens, all of them guesses.
        guessed.verify(last, &[first, first, first], 0).expect("decodes");
        assert!(padded.row(0) == guessed.row(0) && padded.row(1) == guessed.row(1));
        assert_eq!(padded.context().length() as usize, text.len() + 4);
        for machine in [&mut padded, &mut guessed] {
            machine.keep(1).expect("keeps");
            assert_eq!(machine.context().length() as usize, text.len() + 2);
            machine.verify(second, &[], 0).expect("decodes");
        }
        assert!(padded.row(0) == guessed.row(0));
    }
}
