//! What the target's cache holds of the conversation, and how much of the next prompt that spares.

use crate::llama::{Checkpoint, Context, LlamaError};
use crate::token::TokenId;

/// Checkpoints kept at most. Each is a copy of the sliding window (200 MiB on the 26B, 1 MiB on the pocket
/// pair); one per turn boundary, and only the latest are likely to be returned to.
const CHECKPOINTS: usize = 3;
/// Bytes of checkpoints kept at most, the newest excepted.
const CHECKPOINT_BYTES: usize = 512 << 20;

/// The conversation as the cache holds it.
#[derive(Default)]
pub struct Session {
    tokens: Vec<TokenId>,
    checkpoints: Vec<Checkpoint>,
}

impl Session {
    /// Tokens in the cache.
    #[must_use]
    pub fn tokens(&self) -> &[TokenId] {
        &self.tokens
    }

    /// Goes back to the longest prefix that `prompt` shares with the cache, and returns its length. At least the
    /// last token of the prompt stays to be decoded: its row is wanted.
    ///
    /// Where the sliding window has moved on, a checkpoint at or before that prefix is restored; without one the
    /// whole prompt is read again.
    pub fn reuse(&mut self, context: &mut Context<'_>, prompt: &[TokenId]) -> usize {
        let common = self.tokens.iter().zip(prompt).take_while(|(held, token)| held == token).count();
        let common = common.min(prompt.len().saturating_sub(1));
        let length = if context.truncate(common as u32) { common } else { self.restore(context, common) };
        self.tokens.truncate(length);
        self.checkpoints.retain(|checkpoint| checkpoint.length as usize <= length);
        length
    }

    fn restore(&mut self, context: &mut Context<'_>, common: usize) -> usize {
        while let Some(checkpoint) = self.checkpoints.pop() {
            if checkpoint.length as usize <= common && context.restore(&checkpoint) {
                let length = checkpoint.length;
                self.checkpoints.push(checkpoint);
                return length as usize;
            }
        }
        context.clear();
        0
    }

    /// The latest way back.
    #[must_use]
    pub fn newest_checkpoint(&self) -> Option<&Checkpoint> {
        self.checkpoints.last()
    }

    /// Takes over a saved state in place of what the cache held. False where it does not fit: then nothing is held.
    pub fn take_over(
        &mut self,
        context: &mut Context<'_>,
        tokens: Vec<TokenId>,
        state: &[u8],
        window: Option<Checkpoint>,
    ) -> bool {
        *self = Session::default();
        if !context.load_state(state, tokens.len() as u32) {
            return false;
        }
        self.tokens = tokens;
        self.checkpoints = window.into_iter().collect();
        true
    }

    /// Notes tokens that were decoded.
    pub fn extend(&mut self, tokens: &[TokenId]) {
        self.tokens.extend_from_slice(tokens);
    }

    /// Cuts the conversation to `length` tokens, in the cache as well.
    pub fn truncate(&mut self, context: &mut Context<'_>, length: usize) {
        if !context.truncate(length as u32) {
            context.clear();
        }
        self.tokens.truncate(context.length() as usize);
    }

    /// Saves a way back to the present length, for the turns after this one.
    fn save(&mut self, context: &mut Context<'_>) {
        if self.checkpoints.iter().any(|checkpoint| checkpoint.length == context.length()) {
            return;
        }
        self.checkpoints.extend(context.checkpoint());
        let bytes = |list: &[Checkpoint]| list.iter().map(Checkpoint::bytes).sum::<usize>();
        while self.checkpoints.len() > CHECKPOINTS
            || (self.checkpoints.len() > 1 && bytes(&self.checkpoints) > CHECKPOINT_BYTES)
        {
            self.checkpoints.remove(0);
        }
    }

    /// Decodes the part of `prompt` that the cache lacks, in micro-batches. `go_on` hears the tokens in the cache
    /// and ends the reading by answering false: the cache then holds what was read. The last micro-batch's last
    /// token has a row of scores. Returns the index of that token in its micro-batch, `None` where the reading was
    /// ended. At `boundary` a way back is saved: where the model's own turn begins, because that is what later prompts
    /// have in common with this one.
    ///
    /// # Errors
    /// The machine's.
    pub fn read(
        &mut self,
        context: &mut Context<'_>,
        prompt: &[TokenId],
        boundary: Option<usize>,
        go_on: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Option<usize>, LlamaError> {
        let boundary = boundary.filter(|_| context.has_window());
        let mut last = 0;
        while self.tokens.len() < prompt.len() {
            if !go_on(self.tokens.len()) {
                return Ok(None);
            }
            let here = self.tokens.len();
            if boundary == Some(here) {
                self.save(context);
            }
            let end = boundary.filter(|boundary| *boundary > here).unwrap_or(prompt.len());
            let rest = &prompt[here..end];
            let chunk = &rest[..rest.len().min(context.settings().micro_batch as usize)];
            let is_last = here + chunk.len() == prompt.len();
            context.decode(chunk, usize::from(is_last))?;
            self.tokens.extend_from_slice(chunk);
            last = chunk.len() - 1;
        }
        Ok(Some(last))
    }
}
