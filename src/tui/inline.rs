//! The inline mode: finished turns are printed above the view and belong to the terminal's scrollback from then on; the
//! view itself holds only what still grows, the input and the status line.

use crate::tui::entry::{Entry, ReplyEntry, Shown};
use crate::tui::transcript::Transcript;

/// Rows of the view, on a screen that has as many.
pub const ROWS: u16 = 12;

/// What of the conversation is printed, and what grows.
#[derive(Debug, Default)]
pub struct Inline {
    /// What still grows: nothing, or the running reply.
    pub live: Transcript,
    printed: usize,
}

impl Inline {
    /// Entries were removed: what comes in their place is not printed yet.
    pub fn limit(&mut self, entries: usize) {
        self.printed = self.printed.min(entries);
    }

    /// Lays out what waits, and says how many entries of it are finished: at the `end` those that grow, too.
    pub fn finished(&mut self, transcript: &Transcript, columns: usize, rows: usize, end: bool) -> usize {
        self.fit(transcript, columns, rows);
        let grows = |entry: &&Entry| matches!(entry, Entry::Reply(ReplyEntry { running: true, .. }));
        let count = self.live.entries().take_while(|entry| end || !grows(entry)).count();
        (0..count).for_each(|index| self.live.fit_entry(index));
        count
    }

    /// The first entries were printed.
    pub fn printed(&mut self, count: usize) {
        self.live.drop_first(count);
        self.printed += count;
    }

    /// Rows of what still grows, without the empty one that ends it.
    #[must_use]
    pub fn filled(&self) -> usize {
        let lines = self.live.visible();
        let empty = matches!(lines.last(), Some(Shown::Words(_, text)) if text.is_empty());
        lines.len() - usize::from(empty)
    }

    /// Lays out what still grows.
    pub fn fit(&mut self, transcript: &Transcript, columns: usize, rows: usize) {
        let waiting: Vec<&Entry> = transcript.entries().skip(self.printed).collect();
        // What is laid out may only grow. Where it has changed otherwise, it is laid out anew.
        let fits = self.live.entries().zip(&waiting).all(|(shown, entry)| extends(entry, shown));
        if !fits || self.live.entries().count() > waiting.len() {
            self.live.clear();
        }
        let shown = self.live.entries().count();
        for (index, entry) in waiting.into_iter().enumerate() {
            if index >= shown {
                self.live.push(entry.clone());
            } else if let (Some(shown), Entry::Reply(reply)) = (self.live.reply_mut(index), entry) {
                shown.answer.push_str(&reply.answer[shown.answer.len()..]);
                shown.reasoning.push_str(&reply.reasoning[shown.reasoning.len()..]);
                (shown.reasoning_tokens, shown.reasoning_time) =
                    (reply.reasoning_tokens, reply.reasoning_time);
                if shown.running && !reply.running {
                    shown.running = false;
                    shown.footer.clone_from(&reply.footer);
                }
            }
        }
        self.live.thoughts_open = transcript.thoughts_open;
        self.live.fit(columns, rows);
    }
}

/// Whether an entry is what is shown, or that with more text behind it.
fn extends(entry: &Entry, shown: &Entry) -> bool {
    match (entry, shown) {
        (Entry::Reply(entry), Entry::Reply(shown)) => {
            entry.answer.starts_with(&shown.answer)
                && entry.reasoning.starts_with(&shown.reasoning)
                && (shown.running || (entry.running, &entry.footer) == (false, &shown.footer))
        }
        (Entry::User(entry), Entry::User(shown))
        | (Entry::Note(entry), Entry::Note(shown))
        | (Entry::Error(entry), Entry::Error(shown)) => entry == shown,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(answer: &str, running: bool) -> Entry {
        Entry::Reply(ReplyEntry { answer: answer.to_owned(), running, ..ReplyEntry::default() })
    }

    #[test]
    fn each_finished_entry_is_printed_once_and_what_grows_is_not() {
        let (mut inline, mut transcript) = (Inline::default(), Transcript::default());
        let print = |inline: &mut Inline, transcript: &Transcript, end| {
            let count = inline.finished(transcript, 20, 5, end);
            let lines = (0..count).map(|index| inline.live.whole(index).len()).sum::<usize>();
            inline.printed(count);
            (count, lines)
        };
        transcript.push(Entry::User("one".into()));
        let index = transcript.push(reply("a", true));
        // "you", the question, an empty line.
        assert_eq!(print(&mut inline, &transcript, false), (1, 3));
        assert_eq!(print(&mut inline, &transcript, false), (0, 0));
        transcript.reply_mut(index).unwrap().answer.push_str("bc");
        inline.fit(&transcript, 20, 5);
        assert_eq!(inline.live.entries().count(), 1);
        assert_eq!(inline.live.reply_mut(0).unwrap().answer, "abc");
        transcript.reply_mut(index).unwrap().running = false;
        assert_eq!(print(&mut inline, &transcript, false).0, 1);
        inline.fit(&transcript, 20, 5);
        assert_eq!(inline.live.entries().count(), 0);
        // Taken back and asked again: the new turn is printed as well, and at the end what still grows.
        transcript.undo();
        inline.limit(transcript.entries().count());
        transcript.push(Entry::User("two".into()));
        transcript.push(reply("x", true));
        assert_eq!(print(&mut inline, &transcript, false).0, 1);
        assert_eq!(print(&mut inline, &transcript, true).0, 1);
    }
}
