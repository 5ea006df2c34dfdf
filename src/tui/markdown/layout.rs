//! Blocks to rows of a width.

use super::code;
use super::parse::{Block, Item, Placed};
use super::row::{FRAME, Kind, Look, Row};
use super::table;
use crate::tui::text::pieces;

/// What stands in front of a block's own words leaves them at least this many columns.
const LEAST_WORDS: usize = 10;

/// Columns of the widest character.
const WIDEST: usize = 2;

/// Bullets, from the outside in.
const BULLETS: [&str; 3] = ["• ", "◦ ", "▪ "];

/// Which part of which line of code a row shows, and where in the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    /// The row.
    pub(super) row: usize,
    /// The code block, counted within the layout.
    pub(super) code: usize,
    /// The line of code.
    pub(super) line: usize,
    /// Its bytes that the row shows.
    pub(super) from: usize,
    pub(super) to: usize,
    /// Where they begin in the row.
    pub(super) at: usize,
}

/// A block of code that wants colours.
#[derive(Debug, PartialEq)]
pub(super) struct Listing {
    pub(super) language: String,
    pub(super) lines: Vec<String>,
}

/// Something in front of every row: an item's indent, a quote's bar.
struct Level {
    /// Before the first row only: an item's mark.
    first: Option<Row>,
    rest: Row,
    columns: usize,
}

/// Rows being made.
pub(super) struct Page {
    columns: usize,
    levels: Vec<Level>,
    lists: usize,
    /// The rows made.
    pub(super) rows: Vec<Row>,
    /// Where code stands in them.
    pub(super) spots: Vec<Spot>,
    /// The code.
    pub(super) listings: Vec<Listing>,
}

impl Page {
    pub(super) fn new(columns: usize) -> Page {
        Page {
            columns: columns.max(1),
            levels: Vec::new(),
            lists: 0,
            rows: Vec::new(),
            spots: Vec::new(),
            listings: Vec::new(),
        }
    }

    /// Columns for the next row's own words.
    pub(super) fn width(&self) -> usize {
        let before: usize = self.levels.iter().map(|level| level.columns).sum();
        self.columns.saturating_sub(before).max(1)
    }

    /// Ends a row: what stands in front, then `words`. Gives the byte that the words begin at.
    pub(super) fn row(&mut self, words: &Row) -> usize {
        let mut row = Row::default();
        for level in &mut self.levels {
            let first = level.first.take();
            let before = first.as_ref().unwrap_or(&level.rest);
            row.push_part(before, 0..before.text().len());
        }
        let at = row.text().len();
        row.push_part(words, 0..words.text().len());
        self.rows.push(row);
        at
    }

    /// An empty line.
    pub(super) fn gap(&mut self) {
        self.row(&Row::default());
    }

    /// Blocks, one below the other.
    pub(super) fn blocks(&mut self, blocks: &[Placed]) {
        let before = self.rows.len();
        for placed in blocks {
            if self.rows.len() > before && (placed.gap || placed.block.stands_apart()) {
                self.gap();
            }
            self.block(&placed.block);
        }
    }

    /// One block.
    pub(super) fn block(&mut self, block: &Block) {
        match block {
            Block::Words(words) | Block::Definition(words) => self.words(words),
            Block::Heading(level, words) => {
                let mut heading = Row::default();
                for (part, look) in words.parts() {
                    let kind = if look.kind == Kind::Text { Kind::Heading(*level) } else { look.kind };
                    heading.push(&words.text()[part], Look { kind, ..look });
                }
                self.words(&heading);
            }
            Block::Rule => {
                let columns = self.width();
                self.row(&Row::of(&"─".repeat(columns), FRAME));
            }
            Block::Quote(blocks) => self.within(None, Row::of("▌ ", FRAME), |page| page.blocks(blocks)),
            Block::List { first, items } => self.list(*first, items),
            Block::Code { language, text, .. } => {
                let lines: Vec<&str> = text.lines().collect();
                code::listing(self, language, &lines, true);
            }
            Block::Table(table) => table::lay(self, table),
        }
    }

    /// Items of a list. `first` is the number of the first one, where they are numbered.
    pub(super) fn list(&mut self, first: Option<u64>, items: &[Item]) {
        for (number, item) in items.iter().enumerate() {
            if item.gap && number > 0 {
                self.gap();
            }
            self.item(item, first.map(|first| first.saturating_add(number as u64)));
        }
    }

    /// One item of a list, with its number or a bullet.
    fn item(&mut self, item: &Item, ordinal: Option<u64>) {
        let mark = match ordinal {
            Some(number) => format!("{number}. "),
            None => BULLETS[self.lists % BULLETS.len()].to_string(),
        };
        let mark = Row::of(&mark, Look::of(Kind::Marker));
        let indent = Row::of(&" ".repeat(mark.width()), Look::default());
        self.lists += 1;
        self.within(Some(mark), indent, |page| {
            let before = page.rows.len();
            page.blocks(&item.blocks);
            // An item that has no words yet has its mark, and always a row.
            if page.rows.len() == before {
                page.gap();
            }
        });
        self.lists -= 1;
    }

    /// Words, cut into rows.
    fn words(&mut self, words: &Row) {
        for line in words.lines() {
            for piece in pieces(line.text(), self.width()) {
                let mut row = Row::default();
                row.push_part(&line, piece);
                self.row(&row);
            }
        }
    }

    /// What `inside` lays out, with `rest` in front of each row, and `first` in front of the first.
    fn within(&mut self, first: Option<Row>, rest: Row, inside: impl FnOnce(&mut Page)) {
        let columns = rest.width();
        let fits = self.width() >= LEAST_WORDS + columns;
        // Where columns are scarce, the mark alone stays, in a row with the words; or nothing does.
        let level = if fits {
            Level { first, rest, columns }
        } else if first.is_some() && self.width() >= columns + WIDEST {
            Level { first, columns, rest: Row::of(&" ".repeat(columns), Look::default()) }
        } else {
            Level { first: None, rest: Row::default(), columns: 0 }
        };
        self.levels.push(level);
        inside(self);
        self.levels.pop();
    }
}

impl Block {
    /// Whether it has an empty line before it though the source has none.
    pub(super) fn stands_apart(&self) -> bool {
        matches!(self, Block::Heading(..))
    }
}
