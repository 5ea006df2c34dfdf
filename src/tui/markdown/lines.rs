//! Lines of the source: what precedes a block, and what the parser shows nothing of.

use std::ops::Range;

use super::parse::{Block, Placed};
use super::words::Words;

/// Where the line after that of byte `at` begins.
pub(super) fn next_line(source: &str, at: usize) -> usize {
    source[at..].find('\n').map_or(source.len(), |end| at + end + 1)
}

/// The blocks, and between them the definitions of references (`[1]: https://…`) as they are written: the
/// parser itself shows nothing of them, and the links that refer to them may have been drawn long before.
pub(super) fn with_definitions(source: &str, blocks: Vec<Placed>) -> Vec<Placed> {
    let mut out: Vec<Placed> = Vec::with_capacity(blocks.len());
    let mut from = 0;
    for placed in blocks {
        let start = line_start(source, placed.range.start);
        definitions(source, from..start, &mut out);
        from = placed.end(source);
        let gap = !out.is_empty() && blank_before(source, placed.range.start);
        out.push(Placed { gap, ..placed });
    }
    definitions(source, from..source.len(), &mut out);
    out
}

/// The lines of a part that no block covers: definitions, one block for those without an empty line between.
/// One that is indented may belong to a list or a quote: only what begins at the edge is certain.
fn definitions(source: &str, part: Range<usize>, out: &mut Vec<Placed>) {
    let Some(text) = source.get(part.clone()).filter(|text| !text.trim().is_empty()) else { return };
    let mut at = part.start;
    let mut begun: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        if line.trim().is_empty() {
            if let Some(start) = begun.take() {
                out.push(definition(source, start..at, !out.is_empty()));
            }
        } else if begun.is_none() && line.starts_with('[') {
            begun = Some(at);
        }
        at += line.len();
    }
    if let Some(start) = begun {
        out.push(definition(source, start..at, !out.is_empty()));
    }
}

fn definition(source: &str, range: Range<usize>, follows: bool) -> Placed {
    let gap = follows && blank_before(source, range.start);
    let block = Block::Definition(Words::quiet(source[range.clone()].trim_end()));
    Placed { range, gap, block }
}

/// Where the line of byte `at` begins.
pub(super) fn line_start(source: &str, at: usize) -> usize {
    source[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// Whether an empty line precedes the line of byte `at`. Marks of quotes do not count as text.
pub(super) fn blank_before(source: &str, at: usize) -> bool {
    let Some(before) = source[..line_start(source, at)].strip_suffix('\n') else { return false };
    let line = &before[line_start(before, before.len())..];
    line.chars().all(|c| c.is_whitespace() || c == '>')
}
