//! Tokens to text for a person: whole UTF-8 characters, reasoning apart from the answer, stop texts.
//!
//! Bytes of tokens go through three stages, each of which may hold back an end that is not decided yet:
//! 1. characters: bytes of a started character wait for the rest of it;
//! 2. channels: an end that may be the beginning of a reasoning tag waits;
//! 3. stops: an end of the answer that may be the beginning of a stop text waits.

use super::spans::Spans;
use crate::event::{Channel, Text};
use crate::token::{Origin, TokenSpan};

/// Replaces bytes that are no UTF-8.
const REPLACEMENT: char = '\u{FFFD}';

/// The reasoning tags of a template, and whether the prompt ends inside a reasoning already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reasoning {
    /// Opens it, e.g. `<|channel>thought`.
    pub start: String,
    /// Closes it, e.g. `<channel|>`.
    pub end: String,
    /// The prompt has opened it.
    pub open: bool,
}

/// Turns the tokens of one reply into pieces of text.
pub struct TextStream {
    /// Bytes of a character that is not whole yet.
    partial: Vec<u8>,
    reasoning: Option<Reasoning>,
    channel: Channel,
    /// Text of the current channel that may become a tag.
    undecided: String,
    undecided_spans: Spans,
    /// White space after the opening tag is not part of the reasoning.
    skip_space: bool,
    stops: Vec<String>,
    /// Answer text that may become a stop text.
    held: String,
    held_spans: Spans,
    answer: String,
    thought: String,
    /// Bytes of answer (shown or held) after each token, to find the token a stop text begins in.
    ends: Vec<usize>,
    stopped: bool,
}

/// What a token added.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pieces {
    /// Text to show.
    pub texts: Vec<Text>,
    /// A stop text was met; the number of tokens that lie wholly before it.
    pub stop_after: Option<usize>,
}

impl TextStream {
    /// A stream for one reply.
    #[must_use]
    pub fn new(stops: Vec<String>, reasoning: Option<Reasoning>) -> TextStream {
        let open = reasoning.as_ref().is_some_and(|reasoning| reasoning.open);
        TextStream {
            partial: Vec::new(),
            channel: if open { Channel::Reasoning } else { Channel::Answer },
            reasoning,
            undecided: String::new(),
            undecided_spans: Spans::default(),
            skip_space: open,
            stops: stops.into_iter().filter(|stop| !stop.is_empty()).collect(),
            held: String::new(),
            held_spans: Spans::default(),
            answer: String::new(),
            thought: String::new(),
            ends: Vec::new(),
            stopped: false,
        }
    }

    /// Adds the bytes of one token. `rejected`: the guesses that were thrown away in its place.
    pub fn push(&mut self, bytes: &[u8], origin: Origin, rejected: Option<Box<str>>) -> Pieces {
        let mut pieces = Pieces::default();
        if self.stopped {
            return pieces;
        }
        self.partial.extend_from_slice(bytes);
        let text = take_characters(&mut self.partial, false);
        self.undecided_spans.push(TokenSpan { rejected, ..TokenSpan::new(text.len(), origin) });
        self.take(&text, false, &mut pieces);
        let undecided = match self.channel {
            Channel::Answer => self.undecided.len() + self.partial.len(),
            Channel::Reasoning => 0,
        };
        self.ends.push(self.answer.len() + self.held.len() + undecided);
        pieces
    }

    /// Lets go of everything held back: the reply has ended.
    pub fn finish(&mut self) -> Pieces {
        let mut pieces = Pieces::default();
        if !self.stopped {
            let text = take_characters(&mut self.partial, true);
            self.undecided_spans.lengthen_last(text.len());
            self.take(&text, true, &mut pieces);
        }
        pieces
    }

    /// The answer so far, without what is held back.
    #[must_use]
    pub fn answer(&self) -> &str {
        &self.answer
    }

    /// The reasoning so far.
    #[must_use]
    pub fn thought(&self) -> &str {
        &self.thought
    }

    fn take(&mut self, text: &str, last: bool, pieces: &mut Pieces) {
        self.undecided.push_str(text);
        while let Some(Text { channel, text, spans }) = self.next_segment(last) {
            match channel {
                Channel::Reasoning => {
                    self.thought.push_str(&text);
                    pieces.texts.push(Text { channel, text, spans });
                }
                Channel::Answer => self.answer_segment(&text, spans, pieces),
            }
            if self.stopped {
                return;
            }
        }
        if last {
            let rest = std::mem::take(&mut self.held);
            self.show_answer(rest, pieces);
        }
    }

    /// The next piece of `undecided` whose channel is certain.
    fn next_segment(&mut self, last: bool) -> Option<Text> {
        let Some(reasoning) = &self.reasoning else {
            let text = std::mem::take(&mut self.undecided);
            let spans = self.undecided_spans.take(text.len());
            return (!text.is_empty()).then_some(Text { channel: Channel::Answer, text, spans });
        };
        loop {
            if self.skip_space {
                let space = self.undecided.len() - self.undecided.trim_start().len();
                self.undecided.drain(..space);
                self.undecided_spans.take(space);
                self.skip_space = self.undecided.is_empty();
            }
            let channel = self.channel;
            let (tag, next) = match channel {
                Channel::Answer => (&reasoning.start, Channel::Reasoning),
                Channel::Reasoning => (&reasoning.end, Channel::Answer),
            };
            let Some(at) = self.undecided.find(tag.as_str()) else {
                let hold = if last { 0 } else { overlap(&self.undecided, tag) };
                let ready = self.undecided.len() - hold;
                return (ready > 0).then(|| Text {
                    channel,
                    text: self.undecided.drain(..ready).collect(),
                    spans: self.undecided_spans.take(ready),
                });
            };
            let before: String = self.undecided[..at].to_owned();
            let spans = self.undecided_spans.take(at);
            self.undecided.drain(..at + tag.len());
            self.undecided_spans.take(tag.len());
            self.channel = next;
            self.skip_space = next == Channel::Reasoning;
            if !before.is_empty() {
                return Some(Text { channel, text: before, spans });
            }
        }
    }

    fn answer_segment(&mut self, text: &str, spans: Vec<TokenSpan>, pieces: &mut Pieces) {
        self.held.push_str(text);
        self.held_spans.append(spans);
        let first_stop = self.stops.iter().filter_map(|stop| self.held.find(stop.as_str())).min();
        if let Some(at) = first_stop {
            self.stopped = true;
            let end = self.answer.len() + at;
            pieces.stop_after = Some(self.ends.iter().take_while(|before| **before <= end).count());
            self.held.truncate(at);
            let shown = std::mem::take(&mut self.held);
            self.show_answer(shown, pieces);
            return;
        }
        let hold = self.stops.iter().map(|stop| overlap(&self.held, stop)).max().unwrap_or(0);
        let shown: String = self.held.drain(..self.held.len() - hold).collect();
        self.show_answer(shown, pieces);
    }

    fn show_answer(&mut self, text: String, pieces: &mut Pieces) {
        if !text.is_empty() {
            self.answer.push_str(&text);
            let spans = self.held_spans.take(text.len());
            pieces.texts.push(Text { channel: Channel::Answer, text, spans });
        }
    }
}

/// Length of the longest end of `text` that is a true beginning of `pattern`.
fn overlap(text: &str, pattern: &str) -> usize {
    let longest = pattern.len().saturating_sub(1).min(text.len());
    (1..=longest)
        .rev()
        .find(|length| text.as_bytes()[text.len() - length..] == pattern.as_bytes()[..*length])
        .unwrap_or(0)
}

/// Takes the whole characters from the front of `bytes`; bytes that cannot become one are replaced. `last`: an
/// unfinished character at the end will not be finished.
fn take_characters(bytes: &mut Vec<u8>, last: bool) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest: &[u8] = bytes;
    loop {
        match std::str::from_utf8(rest) {
            Ok(whole) => {
                text.push_str(whole);
                rest = &[];
                break;
            }
            Err(error) => {
                let (whole, after) = rest.split_at(error.valid_up_to());
                text.push_str(&String::from_utf8_lossy(whole));
                match error.error_len() {
                    Some(bad) => {
                        text.push(REPLACEMENT);
                        rest = &after[bad..];
                    }
                    None if last => {
                        text.push(REPLACEMENT);
                        rest = &[];
                        break;
                    }
                    None => {
                        rest = after;
                        break;
                    }
                }
            }
        }
    }
    let kept = rest.to_vec();
    *bytes = kept;
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(stops: &[&str], tags: bool, open: bool, tokens: &[&[u8]]) -> (String, String, Option<usize>) {
        let reasoning = tags.then(|| Reasoning { start: "<|c>t".into(), end: "<c|>".into(), open });
        let mut stream = TextStream::new(stops.iter().map(|stop| (*stop).to_owned()).collect(), reasoning);
        let (mut answer, mut thought, mut stop) = (String::new(), String::new(), None);
        let mut take = |pieces: Pieces| {
            for text in pieces.texts {
                let spans: u32 = text.spans.iter().map(|span| span.bytes).sum();
                assert_eq!(spans as usize, text.text.len(), "the spans of {:?}", text.text);
                match text.channel {
                    Channel::Answer => answer.push_str(&text.text),
                    Channel::Reasoning => thought.push_str(&text.text),
                }
            }
            stop = stop.or(pieces.stop_after);
        };
        for token in tokens {
            take(stream.push(token, Origin::Target, None));
        }
        take(stream.finish());
        assert_eq!((answer.as_str(), thought.as_str()), (stream.answer(), stream.thought()));
        (answer, thought, stop)
    }

    #[test]
    fn characters_split_over_tokens_come_whole() {
        let crab = "🦀".as_bytes();
        assert_eq!(run(&[], false, false, &[b"a", &crab[..1], &crab[1..3], &crab[3..], b"b"]).0, "a🦀b");
        // An unfinished one at the end, and a byte that is no UTF-8.
        assert_eq!(run(&[], false, false, &[b"a", &crab[..2]]).0, "a\u{FFFD}");
        assert_eq!(run(&[], false, false, &[b"a\xFFb"]).0, "a\u{FFFD}b");
    }

    #[test]
    fn stop_texts_across_tokens_end_the_answer_before_them() {
        assert_eq!(
            run(&["END"], false, false, &[b"one ", b"E", b"N", b"D two"]),
            ("one ".into(), "".into(), Some(1))
        );
        // A beginning that turns out to be something else is shown after all.
        assert_eq!(run(&["END"], false, false, &[b"E", b"N", b"T"]), ("ENT".into(), "".into(), None));
        assert_eq!(run(&["END"], false, false, &[b"xE", b"N"]), ("xEN".into(), "".into(), None));
        // The earliest of several; one inside a token.
        assert_eq!(run(&["two", "ne"], false, false, &[b"one two"]), ("o".into(), "".into(), Some(0)));
    }

    #[test]
    fn reasoning_is_kept_apart() {
        let tokens: &[&[u8]] = &[b"<|c", b">t", b"\nwhy", b" <", b"c|", b">so"];
        assert_eq!(run(&[], true, false, tokens), ("so".into(), "why ".into(), None));
        // The prompt opened it already.
        assert_eq!(run(&[], true, true, &[b"why", b"<c|>", b"so"]), ("so".into(), "why".into(), None));
        // Never closed, and a stop text inside it that does not count.
        assert_eq!(run(&["why"], true, true, &[b"why not"]), ("".into(), "why not".into(), None));
        // A `<` that is no tag.
        assert_eq!(run(&[], true, false, &[b"a <", b" b"]), ("a < b".into(), "".into(), None));
    }
    /// What each token gave, over both channels: its origin, its bytes as the spans cut the text.
    fn spans(stops: &[&str], tags: bool, tokens: &[(&[u8], Origin)]) -> Vec<(String, Origin)> {
        let reasoning = tags.then(|| Reasoning { start: "<|c>t".into(), end: "<c|>".into(), open: false });
        let mut stream = TextStream::new(stops.iter().map(|stop| (*stop).to_owned()).collect(), reasoning);
        let mut texts = Vec::new();
        for (token, origin) in tokens {
            texts.extend(stream.push(token, *origin, None).texts);
        }
        texts.extend(stream.finish().texts);
        let mut found = Vec::new();
        for text in texts {
            let mut rest = text.text.as_str();
            for span in text.spans {
                let (own, after) = rest.split_at(span.bytes as usize);
                found.push((own.to_owned(), span.origin));
                rest = after;
            }
            assert_eq!(rest, "", "bytes that no token gave");
        }
        found
    }

    #[test]
    fn every_byte_belongs_to_the_token_that_gave_it() {
        use Origin::{Accepted, Target};
        let own = |text: &str, origin| (text.to_owned(), origin);
        // A character of two tokens is the second one's; the first has none.
        let crab = "🦀".as_bytes();
        assert_eq!(
            spans(
                &[],
                false,
                &[(b"a", Target), (&crab[..2], Accepted), (&crab[2..], Target), (b" b", Accepted)]
            ),
            [own("a", Target), own("", Accepted), own("🦀", Target), own(" b", Accepted)]
        );
        // Held back as a possible stop text, and shown after all, token by token.
        assert_eq!(
            spans(&["END"], false, &[(b"E", Accepted), (b"N", Target), (b"T", Accepted)]),
            [own("E", Accepted), own("N", Target), own("T", Accepted)]
        );
        // Cut off by one: the rest of that token and what follows is not shown.
        assert_eq!(
            spans(&["END"], false, &[(b"one E", Accepted), (b"ND", Target), (b"two", Accepted)]),
            [own("one ", Accepted)]
        );
        // Tags and the white space behind them vanish; the tokens around them keep what is left.
        assert_eq!(
            spans(
                &[],
                true,
                &[(b"<|c>t", Target), (b"\n why", Accepted), (b"<c|>s", Target), (b"o", Accepted)]
            ),
            [own("why", Accepted), own("s", Target), own("o", Accepted)]
        );
        // A character that is never finished becomes a sign, and the last token's.
        assert_eq!(
            spans(&[], false, &[(b"a", Target), (&crab[..2], Accepted)]),
            [own("a", Target), own("\u{FFFD}", Accepted)]
        );
    }

    #[test]
    fn rejected_guesses_stay_with_their_token() {
        let mut stream = TextStream::new(vec!["xyz".to_owned()], None);
        let mut texts = stream.push(b"x", Origin::Target, Some("guess".into())).texts;
        assert!(texts.is_empty(), "held back");
        texts.extend(stream.push(b"a", Origin::Accepted, None).texts);
        let [text] = texts.as_slice() else { panic!("{texts:?}") };
        let rejected: Vec<Option<&str>> = text.spans.iter().map(|span| span.rejected.as_deref()).collect();
        assert_eq!(rejected, [Some("guess"), None]);
    }
}
