//! The part of a growing text whose rows are not final, and how it becomes final.
//!
//! Whole lines are taken in, in one of three states:
//!
//! 1. *text*: lines gather until they form more than one block; all but the last are closed, and their rows
//!    are final. Of a list that is last, all items but the last are closed.
//! 2. *code* of a fence at the left edge: each line is final at once, until the fence that closes.
//! 3. *a long line*: one beyond [`LONG`] is no markup but a flood of words; it is final in pieces.
//!
//! A block beyond [`WINDOW`] is cut at the end of a line, wherever that is; a table goes on under the same
//! head. So what is parsed again with every piece is bounded, and the whole costs no more than a constant
//! times its length. Every boundary depends on the text only, never on the pieces that it came in.

use super::code;
use super::colours::Colours;
use super::fence::Fence;
use super::layout::Page;
use super::lines::{blank_before, line_start};
use super::mend::mended;
use super::parse::{Block, Placed, parse};
use super::row::{Look, Row};
use crate::tui::text::{cleaned, pieces};

/// Bytes of a block that is cut though it goes on.
pub(super) const WINDOW: usize = 8 * 1024;
/// Bytes of a line that is not looked at as markup any more.
const LONG: usize = 4 * 1024;

/// What is open.
#[derive(Debug, Default)]
pub(super) struct Open {
    /// Bytes of the text that were taken in.
    taken: usize,
    /// Whole lines that are not final, clean.
    pub(super) lines: String,
    /// An empty line stands before them.
    pub(super) gap: bool,
    /// They go on with a list whose next item has this number (none: a bullet).
    pub(super) list: Option<Option<u64>>,
    pub(super) state: State,
    /// Rows that are final.
    pub(super) settled: usize,
    /// Bytes parsed.
    pub(super) parsed: u64,
    pub(super) colours: Colours,
}

#[derive(Debug, Default)]
pub(super) enum State {
    #[default]
    Text,
    Code(Fence),
    LongLine,
}

impl Open {
    /// Gives final rows the colours that have come since.
    pub(super) fn colour(&mut self, rows: &mut [Row]) {
        self.colours.colour_settled(&mut rows[..self.settled]);
    }

    /// Takes in what is new in `text`, and makes `rows`, which hold the final ones only, complete.
    pub(super) fn take(&mut self, text: &str, whole: bool, columns: usize, rows: &mut Vec<Row>) {
        while let Some(rest) = text.get(self.taken..).filter(|rest| !rest.is_empty()) {
            let end = rest.find('\n');
            if end.is_none() && rest.len() <= LONG && !whole {
                break;
            }
            if end.unwrap_or(rest.len()) > LONG {
                self.take_long(&rest[..end.unwrap_or(rest.len())], columns, rows);
                continue;
            }
            let line = &rest[..end.unwrap_or(rest.len())];
            self.taken += end.map_or(rest.len(), |end| end + 1);
            match self.state {
                State::LongLine => {
                    words(line, columns, rows);
                    self.settled = rows.len();
                    self.state = State::Text;
                }
                State::Text | State::Code(_) => {
                    self.lines.push_str(&cleaned(line.trim_end_matches('\r')));
                    self.lines.push('\n');
                }
            }
        }
        self.settle(whole, columns, rows);
        let growing = cleaned(&text[self.taken.min(text.len())..]).into_owned();
        self.colours.colour_settled(rows);
        self.show(&growing, columns, rows);
    }

    /// Takes a piece of a line that is too long, which makes everything before it final.
    fn take_long(&mut self, line: &str, columns: usize, rows: &mut Vec<Row>) {
        // Code may have begun in the lines before.
        self.settle(false, columns, rows);
        let end = piece_end(line);
        let piece = &line[..end];
        self.taken += end;
        match self.state {
            State::Code(_) => {
                self.lines.push_str(&cleaned(piece));
                self.lines.push('\n');
                self.settle(false, columns, rows);
            }
            State::Text | State::LongLine => {
                if matches!(self.state, State::Text) {
                    self.settle(true, columns, rows);
                    if self.gap && !rows.is_empty() {
                        rows.push(Row::default());
                    }
                    (self.gap, self.list, self.state) = (false, None, State::LongLine);
                }
                words(piece, columns, rows);
                self.settled = rows.len();
            }
        }
    }

    /// Adds the rows of what is not final: the lines, and the one that grows behind them.
    fn show(&mut self, growing: &str, columns: usize, rows: &mut Vec<Row>) {
        match &self.state {
            State::LongLine => words(growing, columns, rows),
            State::Code(fence) => {
                if growing.is_empty() || fence.may_close(growing) {
                    self.colours.canvas(fence.code).flush(None);
                    return;
                }
                let line = fence.unindented(growing);
                let mut page = Page::new(columns);
                code::line(&mut page, fence.code, fence.line, line);
                self.colours.canvas(fence.code).flush(Some(line));
                self.colours.colour_growing(&mut page, fence.code, line);
                rows.append(&mut page.rows);
            }
            State::Text => {
                let mut text = self.lines.clone();
                // A line of these alone may become anything, and until then makes a heading of the words before.
                if !growing.trim().chars().all(|c| matches!(c, '-' | '=')) {
                    text.push_str(growing);
                }
                let text = mended(&text);
                let blocks = parse(&text);
                self.parsed += text.len() as u64;
                let mut page = Page::new(columns);
                self.lay(&text, &blocks, !rows.is_empty(), false, &mut page);
                self.colours.colour_open(&mut page);
                rows.append(&mut page.rows);
            }
        }
    }

    /// Lays out blocks that begin what is open. `follows`: rows stand above. `closed`: they are complete.
    pub(super) fn lay(&self, source: &str, blocks: &[Placed], follows: bool, closed: bool, page: &mut Page) {
        for (number, placed) in blocks.iter().enumerate() {
            let first = number == 0;
            let gap = if first { self.gap_before(source, placed) } else { placed.gap };
            let follows = follows || !page.rows.is_empty();
            let goes_on = first && self.list.is_some();
            if follows && (gap || (placed.block.stands_apart() && !goes_on)) {
                page.gap();
            }
            match (&placed.block, self.list) {
                (Block::List { first: Some(_), items }, Some(next @ Some(_)))
                | (Block::List { first: None, items }, Some(next @ None))
                    if first =>
                {
                    page.list(next, items);
                }
                (Block::Code { language, text, fenced: true }, _)
                    if !closed && number + 1 == blocks.len() =>
                {
                    // Still open: no frame below.
                    let lines: Vec<&str> = text.lines().collect();
                    code::listing(page, language, &lines, false);
                }
                (block, _) => page.block(block),
            }
        }
    }

    /// Whether an empty line stands before the first block of what is open.
    pub(super) fn gap_before(&self, source: &str, placed: &Placed) -> bool {
        let start = placed.range.start;
        blank_before(source, start) || (self.gap && line_start(source, start) == 0)
    }
}

/// Words that are no markup.
fn words(text: &str, columns: usize, rows: &mut Vec<Row>) {
    if text.is_empty() {
        return;
    }
    for line in cleaned(text).split('\n') {
        rows.extend(pieces(line, columns).into_iter().map(|piece| Row::of(&line[piece], Look::default())));
    }
}

/// Where the first piece of a line that is too long ends: after a space, if there is one.
fn piece_end(line: &str) -> usize {
    let most = line.floor_char_boundary(LONG);
    line[..most].rfind(' ').map(|space| space + 1).filter(|end| *end > LONG / 2).unwrap_or(most)
}
