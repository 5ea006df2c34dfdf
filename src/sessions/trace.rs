//! Where a reply's text came from: each token's bytes and who chose them, and the guesses that were rejected.
//!
//! In the file a trace is a row of marks, each a number (seven bits a byte, least first) of `bytes × 4 + kind`: about one
//! byte for a token. A rejected guess's text follows its mark. Two traces one after the other are the trace of the two
//! texts one after the other, so that a growing reply only appends.

use crate::token::{Origin, TokenId};

/// Kinds of marks in the file.
const OWN: u64 = 0;
const DRAFTED: u64 = 1;
const REJECTED: u64 = 2;
const UNKNOWN: u64 = 3;

/// One mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The text's next bytes are one token (or a piece of whole characters that several tokens made).
    Token {
        /// Bytes of the text; 0 for a token that shows nothing.
        bytes: u32,
        /// Who chose it.
        origin: Origin,
    },
    /// Here this was guessed, and the target chose otherwise.
    Rejected(String),
    /// Nobody recorded where the next bytes came from: a person wrote them.
    Unknown {
        /// Bytes of the text.
        bytes: u32,
    },
}

impl Mark {
    /// Bytes of the text it stands for.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Mark::Token { bytes, .. } | Mark::Unknown { bytes } => *bytes as usize,
            Mark::Rejected(_) => 0,
        }
    }
}

/// The marks of a text, first to last. They need not reach its end: what is left is of unknown origin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace(pub Vec<Mark>);

impl Trace {
    /// Adds a piece of text.
    pub fn token(&mut self, text: &str, origin: Origin) {
        self.0.push(Mark::Token { bytes: u32::try_from(text.len()).unwrap_or(u32::MAX), origin });
    }

    /// Adds a guess that was rejected here.
    pub fn rejected(&mut self, guess: &str) {
        self.0.push(Mark::Rejected(guess.to_owned()));
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes of the text that the marks stand for.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.iter().map(Mark::bytes).sum()
    }

    /// The marks with the pieces of `text` they stand for. What does not fit the text (a damaged file, another text)
    /// ends the row; what no mark stands for comes last, as unknown.
    pub fn over<'a>(&'a self, text: &'a str) -> impl Iterator<Item = (Option<&'a Mark>, &'a str)> {
        let mut at = 0_usize;
        let fitting = self.0.iter().map_while(move |mark| {
            let piece = text.get(at..at.checked_add(mark.bytes())?)?;
            at += piece.len();
            Some((Some(mark), piece))
        });
        let told: usize = fitting.clone().map(|(_, piece)| piece.len()).sum();
        let rest = Some(&text[told..]).filter(|rest| !rest.is_empty()).map(|rest| (None, rest));
        fitting.chain(rest)
    }

    /// As it lies in the file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len());
        for mark in &self.0 {
            match mark {
                Mark::Token { bytes: length, origin } => {
                    let kind = if *origin == Origin::Accepted { DRAFTED } else { OWN };
                    number(&mut bytes, u64::from(*length) << 2 | kind);
                }
                Mark::Unknown { bytes: length } => number(&mut bytes, u64::from(*length) << 2 | UNKNOWN),
                Mark::Rejected(guess) => {
                    number(&mut bytes, (guess.len() as u64) << 2 | REJECTED);
                    bytes.extend_from_slice(guess.as_bytes());
                }
            }
        }
        bytes
    }

    /// What lies in the file; of a damaged one, what can be read.
    #[must_use]
    pub fn decode(mut bytes: &[u8]) -> Trace {
        let mut marks = Vec::with_capacity(bytes.len());
        while let Some(value) = next_number(&mut bytes) {
            let Ok(length) = u32::try_from(value >> 2) else { break };
            marks.push(match value & 3 {
                OWN => Mark::Token { bytes: length, origin: Origin::Target },
                DRAFTED => Mark::Token { bytes: length, origin: Origin::Accepted },
                UNKNOWN => Mark::Unknown { bytes: length },
                _ => {
                    let Some((guess, rest)) = bytes.split_at_checked(length as usize) else { break };
                    bytes = rest;
                    Mark::Rejected(String::from_utf8_lossy(guess).into_owned())
                }
            });
        }
        Trace(marks)
    }
}

/// Token numbers as they lie in the file.
#[must_use]
pub fn encode_tokens(tokens: &[TokenId]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(tokens.len() * 3);
    for token in tokens {
        number(&mut bytes, u64::from(token.0.cast_unsigned()));
    }
    bytes
}

/// Token numbers that lie in the file; of a damaged one, what can be read.
#[must_use]
pub fn decode_tokens(mut bytes: &[u8]) -> Vec<TokenId> {
    let mut tokens = Vec::with_capacity(bytes.len() / 2);
    while let Some(value) = next_number(&mut bytes) {
        let Ok(value) = u32::try_from(value) else { break };
        tokens.push(TokenId(value.cast_signed()));
    }
    tokens
}

fn number(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// `None` at the end, and where what is left is no number.
fn next_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for (at, &byte) in bytes.iter().enumerate().take(9) {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte < 0x80 {
            *bytes = &bytes[at + 1..];
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mark() -> impl Strategy<Value = Mark> {
        prop_oneof![
            (any::<u32>(), any::<bool>()).prop_map(|(bytes, drafted)| Mark::Token {
                bytes,
                origin: if drafted { Origin::Accepted } else { Origin::Target },
            }),
            ".{0,9}".prop_map(Mark::Rejected),
            (0_u32..300).prop_map(|bytes| Mark::Unknown { bytes }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            first in prop::collection::vec(mark(), 0..20), second in prop::collection::vec(mark(), 0..20),
        ) {
            let (first, second) = (Trace(first), Trace(second));
            let together = [first.encode(), second.encode()].concat();
            prop_assert_eq!(Trace::decode(&together).0, [first.0, second.0].concat());
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200), text in ".{0,40}") {
            let trace = Trace::decode(&bytes);
            let pieces: String = trace.over(&text).map(|(_, piece)| piece).collect();
            prop_assert_eq!(pieces, text);
            let _ = decode_tokens(&bytes);
        }

        #[test]
        fn tokens_are_read(tokens in prop::collection::vec(any::<i32>().prop_map(TokenId), 0..50)) {
            prop_assert_eq!(decode_tokens(&encode_tokens(&tokens)), tokens);
        }
    }

    #[test]
    fn a_token_takes_a_byte() {
        let mut trace = Trace::default();
        trace.token(" lantern", Origin::Accepted);
        trace.token(".", Origin::Target);
        assert_eq!(trace.encode(), [33, 4]);
        assert_eq!(encode_tokens(&[TokenId(1), TokenId(262_143)]).len(), 4);
    }

    #[test]
    fn marks_meet_their_text() {
        let mut trace = Trace::default();
        trace.token("Ein", Origin::Target);
        trace.rejected(" Hund");
        trace.token(" Bär", Origin::Accepted);
        let pieces: Vec<_> = trace.over("Ein Bär!").map(|(mark, piece)| (mark.cloned(), piece)).collect();
        assert_eq!(pieces[1], (Some(Mark::Rejected(" Hund".to_owned())), ""));
        assert_eq!(pieces[2].1, " Bär");
        assert_eq!(pieces[3], (None, "!"));
        // A mark that would cut a character in two ends the row.
        assert_eq!(Trace(vec![Mark::Unknown { bytes: 1 }]).over("ä").collect::<Vec<_>>(), [(None, "ä")]);
    }
}
