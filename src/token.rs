//! The words every layer shares: a token's number and its place in the text.

/// A token's number in the model's vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenId(pub i32);

/// A token's place in the conversation, counted from its first token (0).
///
/// It is the cache position of the token, and one part of the key of its sampling noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position(pub u32);

impl Position {
    /// The place `count` tokens further on.
    #[must_use]
    pub fn plus(self, count: usize) -> Position {
        Position(self.0 + u32::try_from(count).unwrap_or(u32::MAX))
    }
}

/// Who chose an emitted token: a guess of the drafter that the target confirmed, or the target alone.
/// It never changes which token was emitted (the target's own draw in both cases), only what it cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Guessed by the drafter and accepted.
    Accepted,
    /// The target's own: the bonus token that ends a round, or plain decoding.
    Target,
}
