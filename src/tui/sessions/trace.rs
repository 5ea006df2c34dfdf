//! Who chose each token, there and back: spans of the screen, marks of the store.

use super::ask;
use crate::sessions::{Mark, Question, Trace, TurnId, TurnTrace};
use crate::token::{Origin, TokenSpan};
use crate::tui::app::{Effect, State};
use crate::tui::entry::Entry;
use crate::tui::tokens::Origins;

/// The spans of a stored text; none where the origin of any byte is not known, since nothing is shown as what it is not.
#[must_use]
pub fn spans(trace: &Trace, text: &str) -> Vec<TokenSpan> {
    let (mut spans, mut rejected) = (Vec::new(), None::<String>);
    for (mark, piece) in trace.over(text) {
        match mark {
            Some(Mark::Token { origin, .. }) => {
                let rejected = rejected.take().map(String::into_boxed_str);
                spans.push(TokenSpan { rejected, ..TokenSpan::new(piece.len(), *origin) });
            }
            Some(Mark::Rejected(guess)) => rejected.get_or_insert_default().push_str(guess),
            Some(Mark::Unknown { bytes: 0 }) => {}
            Some(Mark::Unknown { .. }) | None => return Vec::new(),
        }
    }
    // A guess in whose place nothing was drawn any more.
    if let Some(guess) = rejected {
        spans.push(TokenSpan { rejected: Some(guess.into()), ..TokenSpan::new(0, Origin::Target) });
    }
    spans
}

/// The token view is shown: asks for the tokens of all stored replies that are on the screen's branch.
pub(in crate::tui) fn wanted(state: &mut State) -> Vec<Effect> {
    if !state.tokens.shown {
        return Vec::new();
    }
    let chat = &mut state.sessions.chat;
    let mut effects = Vec::new();
    for (at, entry) in state.transcript.entries().enumerate() {
        let Entry::Reply(reply) = entry else { continue };
        let Some(turn) = chat.turn_at(at) else { continue };
        let unknown = reply.origins == Origins::default() && !reply.running;
        if unknown && chat.traced.insert(turn) {
            effects.push(ask(Question::Trace(turn)));
        }
    }
    effects
}

/// The tokens of a stored reply.
pub(super) fn known(state: &mut State, turn: TurnId, trace: &TurnTrace) {
    let Some(entry) = state.sessions.chat.entry_of(turn) else { return };
    let Some(reply) = state.transcript.reply_mut(entry) else { return };
    if reply.origins == Origins::default() {
        reply.origins = Origins {
            answer: spans(&trace.text, &reply.answer),
            reasoning: spans(&trace.reasoning, &reply.reasoning),
        };
        state.tokens.forget();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_become_the_spans_they_were() {
        let mut trace = Trace::default();
        trace.token("Ein", Origin::Target);
        trace.token("", Origin::Accepted);
        trace.rejected(" Hund");
        trace.token(" Bär", Origin::Target);
        let rejected = TokenSpan { rejected: Some(" Hund".into()), ..TokenSpan::new(5, Origin::Target) };
        let expected = [TokenSpan::new(3, Origin::Target), TokenSpan::new(0, Origin::Accepted), rejected];
        assert_eq!(spans(&trace, "Ein Bär"), expected);
    }

    #[test]
    fn what_is_not_known_whole_is_not_shown() {
        let mut trace = Trace::default();
        trace.token("Ein", Origin::Target);
        assert_eq!(spans(&trace, "Ein Bär"), []);
        trace.0.push(Mark::Unknown { bytes: 5 });
        assert_eq!(spans(&trace, "Ein Bär"), []);
    }
}
