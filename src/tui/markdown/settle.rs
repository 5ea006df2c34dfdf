//! How what is open becomes final; the rules are at the top of [`super::open`].

use super::code;
use super::fence::Fence;
use super::layout::Page;
use super::lines::{blank_before, line_start};
use super::open::{Open, State, WINDOW};
use super::parse::{Block, Placed, parse};
use super::row::Row;

/// A head that is longer is not repeated when its table is cut.
const LONGEST_HEAD: usize = WINDOW / 4;

/// What is known of the last block that was parsed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// It may go on.
    Open,
    /// Nothing follows.
    Closed,
    /// It was cut off by the window.
    Cut,
}

/// What became final: so many bytes. `head` are the lines that a table, cut, goes on under.
#[derive(Default)]
struct Done {
    bytes: usize,
    head: Option<String>,
}

impl Open {
    /// Makes final what is closed. `whole`: everything is.
    pub(super) fn settle(&mut self, whole: bool, columns: usize, rows: &mut Vec<Row>) {
        let mut lines = std::mem::take(&mut self.lines);
        let mut from = 0;
        loop {
            if let State::Code(_) = self.state
                && let State::Code(fence) = std::mem::take(&mut self.state)
            {
                from += self.settle_code(fence, &lines[from..], whole, columns, rows);
            }
            if from >= lines.len() || matches!(self.state, State::Code(_)) {
                break;
            }
            let length = window(&lines[from..]);
            let last = match (from + length == lines.len(), whole) {
                (false, _) => Last::Cut,
                (true, false) => Last::Open,
                (true, true) => Last::Closed,
            };
            let done = self.settle_blocks(&lines[from..from + length], last, columns, rows);
            from += done.bytes;
            if let Some(head) = done.head {
                lines.replace_range(..from, &head);
                from = 0;
            }
            if done.bytes == 0 {
                break;
            }
        }
        lines.drain(..from);
        self.lines = lines;
        self.settled = rows.len();
    }

    /// Makes the closed ones of the blocks of `source` final.
    fn settle_blocks(&mut self, source: &str, last: Last, columns: usize, rows: &mut Vec<Row>) -> Done {
        let blocks = parse(source);
        self.parsed += source.len() as u64;
        if blocks.is_empty() {
            // The mark of a quote that has no words yet is no empty line.
            if last == Last::Open && !source.trim().is_empty() {
                return Done::default();
            }
            self.gap = true;
            return Done { bytes: source.len(), head: None };
        }
        let closed = if last == Last::Closed { blocks.len() } else { closed(source, &blocks) };
        // Up to the end of the last one: what lies between it and the next may belong to either.
        let mut bytes = match (blocks.get(closed), blocks[..closed].last()) {
            (None, _) => source.len(),
            (_, None) => 0,
            (Some(next), Some(done)) => done.end(source).min(line_start(source, next.range.start)),
        };
        self.freeze(source, &blocks[..closed], bytes, columns, rows);
        if let [Placed { block: Block::Code { language, fenced: true, .. }, range, .. }] = &blocks[closed..] {
            return Done { bytes: self.begin_code(source, range.start, language, columns, rows), head: None };
        }
        if let [open] = &blocks[closed..]
            && let Block::List { first, items } = &open.block
            && let [ended @ .., item] = items.as_slice()
            && !ended.is_empty()
        {
            bytes = line_start(source, item.range.start);
            let list = self.freeze_items(source, open, *first, ended.len(), bytes, columns, rows);
            self.list = Some(list);
        }
        if bytes > 0 || last != Last::Cut {
            return Done { bytes, head: None };
        }
        // One block fills the window: it is cut here.
        self.freeze(source, &blocks, source.len(), columns, rows);
        let head = match blocks.last() {
            Some(Placed { block: Block::Table(_), range, .. }) => head(&source[range.start..]),
            _ => None,
        };
        Done { bytes: source.len(), head }
    }

    /// Makes blocks final that begin `source`, of which `bytes` are done then.
    fn freeze(&mut self, source: &str, blocks: &[Placed], bytes: usize, columns: usize, rows: &mut Vec<Row>) {
        if bytes == 0 {
            return;
        }
        let mut page = Page::new(columns);
        self.lay(source, blocks, !rows.is_empty(), true, &mut page);
        self.keep(&mut page, rows);
        self.gap = if blocks.is_empty() { true } else { blank_before(source, bytes) };
        self.list = None;
    }

    /// Makes the first `count` items of a list final; gives the number of the next one.
    #[expect(clippy::too_many_arguments, reason = "the list, and where it stands")]
    fn freeze_items(
        &mut self,
        source: &str,
        list: &Placed,
        first: Option<u64>,
        count: usize,
        bytes: usize,
        columns: usize,
        rows: &mut Vec<Row>,
    ) -> Option<u64> {
        let Block::List { items, .. } = &list.block else { return first };
        let goes_on = self.list.filter(|next| next.is_some() == first.is_some());
        let first = goes_on.unwrap_or(first);
        let mut page = Page::new(columns);
        if !rows.is_empty() && self.gap_before(source, list) {
            page.gap();
        }
        page.list(first, &items[..count]);
        self.keep(&mut page, rows);
        self.gap = blank_before(source, bytes);
        first.map(|first| first.saturating_add(count as u64))
    }

    /// The rows of a page become final.
    fn keep(&mut self, page: &mut Page, rows: &mut Vec<Row>) {
        self.colours.settle(page, rows.len());
        rows.append(&mut page.rows);
    }

    /// A fence opens at byte `at`: its line is final. Gives the bytes that are done.
    fn begin_code(
        &mut self,
        source: &str,
        at: usize,
        language: &str,
        columns: usize,
        rows: &mut Vec<Row>,
    ) -> usize {
        let start = line_start(source, at);
        let line = source[start..].split('\n').next().unwrap_or_default();
        let fence = line.trim_start();
        let mark = fence.chars().next().unwrap_or('`');
        let mut page = Page::new(columns);
        if !rows.is_empty() && (blank_before(source, at) || (self.gap && start == 0)) {
            page.gap();
        }
        code::top(&mut page, language);
        rows.append(&mut page.rows);
        (self.gap, self.list) = (false, None);
        self.state = State::Code(Fence {
            mark,
            count: fence.chars().take_while(|c| *c == mark).count(),
            indent: line.len() - fence.len(),
            code: self.colours.begin(language),
            line: 0,
        });
        start + line.len() + 1
    }

    /// Makes lines of code final, up to the fence that closes. Gives the bytes that are done.
    fn settle_code(
        &mut self,
        mut fence: Fence,
        source: &str,
        whole: bool,
        columns: usize,
        rows: &mut Vec<Row>,
    ) -> usize {
        let mut page = Page::new(columns);
        let mut bytes = 0;
        let mut closed = false;
        for line in source.split_inclusive('\n') {
            bytes += line.len();
            let line = line.trim_end_matches('\n');
            closed = fence.closes(line);
            if closed {
                break;
            }
            let line = fence.unindented(line);
            code::line(&mut page, fence.code, fence.line, line);
            self.colours.canvas(fence.code).push(line);
            fence.line += 1;
        }
        closed |= whole && bytes == source.len();
        if closed {
            code::bottom(&mut page);
            self.colours.canvas(fence.code).flush(None);
        }
        self.colours.wait(page.spots.drain(..), rows.len());
        rows.append(&mut page.rows);
        if !closed {
            self.state = State::Code(fence);
        }
        bytes
    }
}

/// How many of the blocks are closed whatever follows: all but the last. A definition of a reference may go
/// on in the words below it, as its title, until those are closed too.
fn closed(source: &str, blocks: &[Placed]) -> usize {
    let mut closed = blocks.len() - 1;
    while closed > 0
        && matches!(blocks[closed - 1].block, Block::Definition(_))
        && !blank_before(source, blocks[closed].range.start)
    {
        closed -= 1;
    }
    closed
}

/// The lines of `text` that are parsed at once: all, or as many as fit the window, one at least.
fn window(text: &str) -> usize {
    if text.len() <= WINDOW {
        return text.len();
    }
    let most = &text[..text.floor_char_boundary(WINDOW)];
    most.rfind('\n').or_else(|| text.find('\n')).map_or(text.len(), |newline| newline + 1)
}

/// The two lines that make a table's head.
fn head(table: &str) -> Option<String> {
    let length = table.split_inclusive('\n').take(2).map(str::len).sum();
    (length <= LONGEST_HEAD).then(|| table[..length].to_string())
}

#[cfg(test)]
mod tests {
    use super::super::Markdown;
    use super::*;
    use crate::tui::text::clean;
    use proptest::prelude::*;

    /// The rows of a text that is parsed as one, nothing frozen.
    fn parsed_as_one(text: &str, columns: usize) -> Vec<Row> {
        let mut page = Page::new(columns);
        page.blocks(&parse(&clean(text)));
        page.rows
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        /// Freezing changes nothing: a closed block is what it would be in the whole text.
        #[test]
        fn blocks_are_those_of_the_whole_text(
            lines in prop::collection::vec(
                prop::sample::select(vec![
                    "", "", "", "# head", "- item", "* star", "  - inner", "    deep", "1. one", "5. five", "> quote",
                    "> - both", "```rust", "```", "code", "---", "| a | b |", "|---|---|", "| 1 | 2 |", "words *of* it",
                    "<div>", "   text", "  ~~~", "-", "* * *",
                ]),
                0..20,
            ),
            columns in 4usize..60,
        ) {
            let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
            let mut markdown = Markdown::default();
            for end in text.match_indices('\n').map(|(at, _)| at + 1) {
                markdown.fit(&text[..end], columns, false);
            }
            markdown.fit(&text, columns, true);
            let plain = |rows: &[Row]| rows.iter().map(|row| row.text().to_string()).collect::<Vec<_>>();
            prop_assert_eq!(plain(markdown.rows()), plain(&parsed_as_one(&text, columns)), "{}", text);
        }
    }

    #[test]
    fn a_cut_table_goes_on_under_its_head() {
        let text = format!("| head | more |\n|---|---|\n{}", "| some cell | another |\n".repeat(1000));
        let mut markdown = Markdown::default();
        markdown.fit(&text, 40, true);
        let rows: Vec<&str> = markdown.rows().iter().map(|row| row.text().trim_end()).collect();
        assert_eq!(rows.iter().filter(|row| **row == "some cell │ another").count(), 1000);
        assert!(rows.iter().filter(|row| row.starts_with("head ")).count() > 1);
    }
}
