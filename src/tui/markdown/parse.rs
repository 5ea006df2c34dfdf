//! Markdown source to blocks, by pulldown-cmark. What the parser gives is foreign text once more (`&#27;` is
//! an escape character): it is cleaned here, so that nothing behind this file needs to.

use std::iter::Peekable;
use std::ops::Range;

use pulldown_cmark::{Alignment, CodeBlockKind, Event, OffsetIter, Options, Parser, Tag};

use super::lines::{blank_before, line_start, next_line, with_definitions};
use super::words::Words;
use crate::tui::markdown::row::Row;
use crate::tui::text::{cleaned, one_line};

/// Quotes and lists deeper than this are drawn as if they were at this depth; it also bounds the recursion.
const DEEPEST: usize = 12;

/// A block and its place.
#[derive(Debug, PartialEq)]
pub(super) struct Placed {
    /// Its bytes in the source.
    pub(super) range: Range<usize>,
    /// The source has an empty line before it.
    pub(super) gap: bool,
    pub(super) block: Block,
}

impl Placed {
    /// Where the line after the block's last one begins. The parser's own range of a list or a quote may take
    /// in what follows it.
    pub(super) fn end(&self, source: &str) -> usize {
        let inner = match &self.block {
            Block::List { items, .. } => items.last().map(|item| (&item.blocks, &item.range)),
            Block::Quote(blocks) => Some((blocks, &self.range)),
            _ => None,
        };
        match inner {
            Some((blocks, range)) => match blocks.last() {
                Some(last) => last.end(source),
                None => next_line(source, range.start),
            },
            None if self.range.end == line_start(source, self.range.end) => self.range.end,
            None => next_line(source, self.range.end),
        }
    }
}

/// One block.
#[derive(Debug, PartialEq)]
pub(super) enum Block {
    Words(Row),
    /// Where references lead.
    Definition(Row),
    Heading(u8, Row),
    Rule,
    Quote(Vec<Placed>),
    List {
        /// The first item's number, where items are numbered.
        first: Option<u64>,
        items: Vec<Item>,
    },
    Code {
        language: String,
        text: String,
        fenced: bool,
    },
    Table(Table),
}

/// An item of a list.
#[derive(Debug, PartialEq)]
pub(super) struct Item {
    pub(super) range: Range<usize>,
    pub(super) gap: bool,
    pub(super) blocks: Vec<Placed>,
}

/// A table: all rows, the head's first, have as many cells as there are columns.
#[derive(Debug, PartialEq)]
pub(super) struct Table {
    pub(super) alignments: Vec<Alignment>,
    pub(super) rows: Vec<Vec<Row>>,
}

/// The blocks of `source`, which must be clean.
pub(super) fn parse(source: &str) -> Vec<Placed> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let events = Parser::new_ext(source, options).into_offset_iter().peekable();
    let blocks = Reader { source, events }.blocks(0);
    with_definitions(source, blocks)
}

struct Reader<'a> {
    source: &'a str,
    events: Peekable<OffsetIter<'a>>,
}

impl<'a> Reader<'a> {
    /// The blocks up to the end of the container (or of the text), which is taken too.
    fn blocks(&mut self, depth: usize) -> Vec<Placed> {
        let mut out: Vec<Placed> = Vec::new();
        // Containers that were entered without a block of their own.
        let mut ignored = 0;
        while let Some((event, range)) = self.events.peek() {
            let mut range = range.clone();
            let block = match event {
                Event::End(_) if ignored == 0 => {
                    self.events.next();
                    break;
                }
                Event::End(_) => {
                    self.events.next();
                    ignored -= 1;
                    continue;
                }
                Event::Start(Tag::BlockQuote(_) | Tag::List(_) | Tag::Item) if depth >= DEEPEST => {
                    self.events.next();
                    ignored += 1;
                    continue;
                }
                Event::Start(tag) if !Words::is_inline(tag) => self.block(depth),
                Event::Rule => {
                    self.events.next();
                    Some(Block::Rule)
                }
                // The words of an item, which have no block of their own.
                _ => {
                    let (words, end) = self.words();
                    range.end = range.end.max(end);
                    Some(Block::Words(words))
                }
            };
            if let Some(block) = block {
                let gap = !out.is_empty() && blank_before(self.source, range.start);
                out.push(Placed { range, gap, block });
            }
        }
        out
    }

    /// The block that starts here.
    fn block(&mut self, depth: usize) -> Option<Block> {
        let Some((Event::Start(tag), _)) = self.events.next() else { return None };
        Some(match tag {
            Tag::Heading { level, .. } => {
                let (words, _) = self.words();
                self.end();
                Block::Heading(level as u8, words)
            }
            Tag::BlockQuote(_) => match self.blocks(depth + 1) {
                // Its marks count as an empty line.
                inner if inner.is_empty() => return None,
                inner => Block::Quote(inner),
            },
            Tag::List(first) => Block::List { first, items: self.items(depth + 1) },
            Tag::CodeBlock(kind) => {
                let (language, fenced) = match &kind {
                    CodeBlockKind::Fenced(info) => (language(info), true),
                    CodeBlockKind::Indented => (String::new(), false),
                };
                Block::Code { language, text: self.text(), fenced }
            }
            Tag::HtmlBlock => {
                let text = self.text();
                Block::Words(Row::of(text.trim_end_matches('\n'), Default::default()))
            }
            Tag::Table(alignments) => Block::Table(self.table(alignments)),
            // A paragraph; anything else is not turned on, and its words are worth showing.
            _ => {
                let (words, _) = self.words();
                self.end();
                Block::Words(words)
            }
        })
    }

    fn items(&mut self, depth: usize) -> Vec<Item> {
        let mut items: Vec<Item> = Vec::new();
        while let Some((event, range)) = self.events.next() {
            match event {
                Event::Start(_) => {
                    let gap = !items.is_empty() && blank_before(self.source, range.start);
                    items.push(Item { gap, blocks: self.blocks(depth), range });
                }
                _ => break,
            }
        }
        items
    }

    fn table(&mut self, alignments: Vec<Alignment>) -> Table {
        let mut rows: Vec<Vec<Row>> = Vec::new();
        while let Some((event, _)) = self.events.next() {
            match event {
                Event::Start(Tag::TableHead | Tag::TableRow) => rows.push(Vec::new()),
                Event::Start(Tag::TableCell) => {
                    let (words, _) = self.words();
                    self.end();
                    if let Some(row) = rows.last_mut() {
                        row.push(words);
                    }
                }
                Event::End(pulldown_cmark::TagEnd::Table) => break,
                _ => {}
            }
        }
        for row in &mut rows {
            row.resize_with(alignments.len(), Row::default);
        }
        Table { alignments, rows }
    }

    /// Words, and where they end.
    fn words(&mut self) -> (Row, usize) {
        let mut words = Words::new(self.source);
        let mut end = 0;
        while let Some((event, range)) = self.events.peek() {
            if !words.take(event, range) {
                break;
            }
            end = range.end;
            self.events.next();
        }
        (words.finish(), end)
    }

    /// Takes the end of a block; whatever stands before it, which nothing should, goes with it.
    fn end(&mut self) {
        let mut depth = 0;
        for (event, _) in self.events.by_ref() {
            match event {
                Event::Start(_) => depth += 1,
                Event::End(_) if depth == 0 => break,
                Event::End(_) => depth -= 1,
                _ => {}
            }
        }
    }

    /// The raw text of a block without structure, its end taken.
    fn text(&mut self) -> String {
        let mut text = String::new();
        for (event, _) in self.events.by_ref() {
            match event {
                Event::Text(piece) | Event::Html(piece) | Event::InlineHtml(piece) => {
                    text.push_str(&cleaned(&piece));
                }
                Event::End(_) => break,
                _ => {}
            }
        }
        text
    }
}

/// The language that an info string names: `rust,ignore` and `{.python}` are `rust` and `python`.
pub(super) fn language(info: &str) -> String {
    let word = |c: char| c.is_whitespace() || matches!(c, ',' | '{' | '}');
    let first = info.split(word).find(|part| !part.is_empty()).unwrap_or_default();
    one_line(first.trim_start_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_those_of_the_source() {
        let blocks = parse("# a\nb\n\nc\n- d\n\n- e\n");
        let gaps: Vec<bool> = blocks.iter().map(|placed| placed.gap).collect();
        assert_eq!(gaps, [false, false, true, false]);
        let Block::List { items, .. } = &blocks[3].block else { panic!("{blocks:?}") };
        assert!(!items[0].gap && items[1].gap);
        let quoted = parse("> a\n>\n> b\n");
        let Block::Quote(inner) = &quoted[0].block else { panic!("{quoted:?}") };
        assert!(inner[1].gap);
    }

    #[test]
    fn very_deep_nesting_is_flattened() {
        let deep = format!("{} words", ">".repeat(50_000));
        let mut blocks = &parse(&deep);
        let mut depth = 0;
        while let Block::Quote(inner) = &blocks[0].block {
            depth += 1;
            blocks = inner;
        }
        assert_eq!(depth, DEEPEST);
        assert!(matches!(&blocks[0].block, Block::Words(row) if row.text().contains("words")), "{blocks:?}");
    }

    #[test]
    fn languages_of_info_strings() {
        for (info, name) in
            [("rust", "rust"), ("rust,ignore", "rust"), ("{.python}", "python"), ("", ""), ("c++ x", "c++")]
        {
            assert_eq!(language(info), name);
        }
    }

    #[test]
    fn nothing_but_definitions_is_without_a_block() {
        let text = "# a\n\nb\n===\n- c\n\n  d\n1. e\n   ```\n   f\n   ```\n\n```x\ng\n```\n~~~\nh\n\n~~~~\n\n| i | j |\n|-|-|\n\
                    | k | l |\n\n> m\nn\n\n<div>\no\n</div>\n\n    p\n\n    q\n\n---\nr  \ns\n";
        let blocks = parse(text);
        assert_eq!(blocks.len(), 12);
        assert!(!blocks.iter().any(|placed| matches!(placed.block, Block::Definition(_))), "{blocks:?}");
        let twice = parse("[a]: /u\n[a]: /u\n\n[b]: /v\nwords\n\n[a]: /w");
        let definitions: Vec<&str> = twice
            .iter()
            .filter_map(|placed| match &placed.block {
                Block::Definition(row) => Some(row.text()),
                _ => None,
            })
            .collect();
        assert_eq!(definitions, ["[a]: /u\n[a]: /u", "[b]: /v", "[a]: /w"]);
    }

    #[test]
    fn a_definition_stays_visible() {
        let blocks = parse("See [a][1].\n\n[1]: https://x.example\n");
        assert_eq!(blocks.len(), 2);
        assert!(matches!(&blocks[0].block, Block::Words(row) if row.text() == "See [a][1]."), "{blocks:?}");
        assert!(
            matches!(&blocks[1].block, Block::Definition(row) if row.text().contains("https://x.example"))
        );
    }
}
