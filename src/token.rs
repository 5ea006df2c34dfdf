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

impl Origin {
    /// The word in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Origin::Accepted => "accepted",
            Origin::Target => "target",
        }
    }
}

/// What one token gave to a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSpan {
    /// Bytes of the text, whole characters. A character that several tokens make belongs to the one that completes it:
    /// the others have none.
    pub bytes: u32,
    /// Who chose it.
    pub origin: Origin,
    /// The guesses that were thrown away because this token was drawn in place of the first of them, as text. Only
    /// where the request asks for them.
    pub rejected: Option<Box<str>>,
}

impl TokenSpan {
    /// A span without rejected guesses.
    #[must_use]
    pub fn new(bytes: usize, origin: Origin) -> TokenSpan {
        TokenSpan { bytes: u32::try_from(bytes).unwrap_or(u32::MAX), origin, rejected: None }
    }
}
