//! Tokens whose text is on its way to the screen: which of them gave the bytes that a stage of `text.rs` holds back.

use std::collections::VecDeque;

use crate::token::{Origin, TokenSpan};

/// Spans of a text that is held back, in its order.
#[derive(Debug, Default)]
pub(super) struct Spans(VecDeque<TokenSpan>);

impl Spans {
    /// Adds one at the end.
    pub(super) fn push(&mut self, span: TokenSpan) {
        self.0.push_back(span);
    }

    /// Adds some at the end.
    pub(super) fn append(&mut self, spans: Vec<TokenSpan>) {
        self.0.extend(spans);
    }

    /// Adds bytes that no new token gave: the end of the reply replaces a character that will not be finished.
    pub(super) fn lengthen_last(&mut self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        match self.0.back_mut() {
            Some(last) => last.bytes += u32::try_from(bytes).unwrap_or(0),
            None => self.push(TokenSpan::new(bytes, Origin::Target)),
        }
    }

    /// Takes those of the first `bytes` bytes. A token whose text is cut there has a span on either side.
    pub(super) fn take(&mut self, bytes: usize) -> Vec<TokenSpan> {
        let mut left = u32::try_from(bytes).unwrap_or(u32::MAX);
        let mut taken = Vec::new();
        while left > 0 {
            let Some(mut span) = self.0.pop_front() else { break };
            if span.bytes > left {
                let rest = TokenSpan { bytes: span.bytes - left, origin: span.origin, rejected: None };
                self.0.push_front(rest);
                span.bytes = left;
            }
            left -= span.bytes;
            taken.push(span);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(spans: &[TokenSpan]) -> Vec<u32> {
        spans.iter().map(|span| span.bytes).collect()
    }

    #[test]
    fn a_cut_token_has_a_span_on_either_side() {
        let mut spans = Spans::default();
        for length in [3, 0, 4] {
            spans.push(TokenSpan::new(length, Origin::Accepted));
        }
        assert_eq!(bytes(&spans.take(0)), [0u32; 0]);
        assert_eq!(bytes(&spans.take(5)), [3, 0, 2]);
        assert_eq!(bytes(&spans.take(2)), [2]);
        assert_eq!(bytes(&spans.take(1)), [0u32; 0], "there are no more");
    }

    #[test]
    fn what_the_end_adds_belongs_to_the_last_token() {
        let mut spans = Spans::default();
        spans.push(TokenSpan::new(0, Origin::Accepted));
        spans.lengthen_last(3);
        assert_eq!(spans.take(3), [TokenSpan::new(3, Origin::Accepted)]);
        spans.lengthen_last(0);
        spans.lengthen_last(2);
        assert_eq!(spans.take(2), [TokenSpan::new(2, Origin::Target)]);
    }
}
