//! Text to tokens and back.

use llama_cpp_sys_2 as sys;

use super::error::LlamaError;
use super::model::Model;
use crate::token::TokenId;

/// A model's vocabulary.
#[derive(Clone, Copy)]
pub struct Vocab<'m> {
    handle: *const sys::llama_vocab,
    size: usize,
    _model: std::marker::PhantomData<&'m Model>,
}

impl<'m> Vocab<'m> {
    pub(super) fn of(model: &'m Model) -> Vocab<'m> {
        // SAFETY: the vocabulary is part of the model, which `'m` keeps alive; const query.
        let (handle, size) = unsafe {
            let handle = sys::llama_model_get_vocab(model.handle());
            (handle, sys::llama_vocab_n_tokens(handle))
        };
        Vocab { handle, size: usize::try_from(size).unwrap_or(0), _model: std::marker::PhantomData }
    }

    /// Number of tokens; every id is below it.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Whether `token` is one of this vocabulary.
    #[must_use]
    pub fn contains(&self, token: TokenId) -> bool {
        usize::try_from(token.0).is_ok_and(|id| id < self.size)
    }

    /// Tokens of `text`. `special`: texts of special tokens become those tokens, and the model's own
    /// beginning-of-text token is put in front where it wants one.
    ///
    /// # Errors
    /// `Tokenize` for texts of 2 GiB and more.
    pub fn tokenize(&self, text: &str, special: bool) -> Result<Vec<TokenId>, LlamaError> {
        let failed = || LlamaError::Tokenize { bytes: text.len() };
        let length = i32::try_from(text.len()).map_err(|_| failed())?;
        // A token is at least one byte long, but for the ones put around the text.
        let mut tokens: Vec<sys::llama_token> = vec![0; text.len() + 8];
        for _ in 0..2 {
            let room = i32::try_from(tokens.len()).map_err(|_| failed())?;
            // SAFETY: `text` is read for `length` bytes, `tokens` written for at most `room` entries.
            let count = unsafe {
                sys::llama_tokenize(
                    self.handle,
                    text.as_ptr().cast(),
                    length,
                    tokens.as_mut_ptr(),
                    room,
                    special,
                    special,
                )
            };
            if let Ok(count) = usize::try_from(count) {
                tokens.truncate(count);
                return Ok(tokens.into_iter().map(TokenId).collect());
            }
            tokens.resize(count.unsigned_abs() as usize, 0);
        }
        Err(failed())
    }

    /// Appends the bytes of `token` to `out`: part of a character, a word, or nothing for control tokens.
    pub fn piece(&self, token: TokenId, out: &mut Vec<u8>) {
        if !self.contains(token) {
            return;
        }
        let start = out.len();
        let mut room = 64;
        for _ in 0..2 {
            out.resize(start + room, 0);
            // SAFETY: the id is in range; the buffer is writable for `room` bytes from `start`.
            let count = unsafe {
                sys::llama_token_to_piece(
                    self.handle,
                    token.0,
                    out[start..].as_mut_ptr().cast(),
                    i32::try_from(room).unwrap_or(i32::MAX),
                    0,
                    false,
                )
            };
            if let Ok(count) = usize::try_from(count) {
                out.truncate(start + count);
                return;
            }
            room = count.unsigned_abs() as usize;
        }
        out.truncate(start);
    }

    /// Whether `token` ends a turn or the text.
    #[must_use]
    pub fn ends_turn(&self, token: TokenId) -> bool {
        // SAFETY: the id is in range; const query.
        self.contains(token) && unsafe { sys::llama_vocab_is_eog(self.handle, token.0) }
    }

    /// All tokens that end a turn or the text: a look at each token, so call it once.
    #[must_use]
    pub fn end_tokens(&self) -> Vec<TokenId> {
        (0..self.size)
            .filter_map(|id| i32::try_from(id).ok())
            .map(TokenId)
            .filter(|t| self.ends_turn(*t))
            .collect()
    }

    /// Tokens that the model must never emit (some Gemma 4 files name them).
    #[must_use]
    pub fn suppressed(&self) -> Vec<TokenId> {
        let mut count = 0;
        // SAFETY: returns an array of `count` ids that belongs to the vocabulary; copied at once.
        let tokens = unsafe {
            let first = sys::llama_vocab_get_suppress_tokens(self.handle, &raw mut count);
            let count = usize::try_from(count).unwrap_or(0);
            if first.is_null() || count == 0 { &[] } else { std::slice::from_raw_parts(first, count) }
        };
        tokens.iter().map(|token| TokenId(*token)).filter(|token| self.contains(*token)).collect()
    }

    /// The text of a token as it stands in the file, for comparing vocabularies and for messages.
    #[must_use]
    pub fn text(&self, token: TokenId) -> String {
        if !self.contains(token) {
            return String::new();
        }
        // SAFETY: the id is in range; the text belongs to the vocabulary; copied at once.
        unsafe { std::ffi::CStr::from_ptr(sys::llama_vocab_get_text(self.handle, token.0)) }
            .to_string_lossy()
            .into_owned()
    }
}
