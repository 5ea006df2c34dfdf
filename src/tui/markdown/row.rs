//! One row of the screen: its text, and what each part of it is. What a part looks like is the theme's
//! business, so rows outlive a change of theme.

use std::ops::Range;

use ratatui::text::{Line, Span};

use super::paint::Class;
use crate::tui::text::{ISOLATE, has_right_to_left, width};
use crate::tui::theme::Theme;

/// What a part of a row is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Plain words.
    #[default]
    Text,
    /// A heading of this level, 1 to 6.
    Heading(u8),
    /// `code` within words.
    Code,
    /// Code of a block.
    Syntax(Class),
    /// The words of a link.
    Link,
    /// An address.
    Address,
    /// Bullets and numbers.
    Marker,
    /// Rules, frames, the bar of a quote, and what else is not text.
    Frame,
}

/// A kind, and how its words are stressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// What it is.
    pub kind: Kind,
    /// Strong.
    pub bold: bool,
    /// Emphasis.
    pub italic: bool,
    /// Struck through.
    pub struck: bool,
}

impl Look {
    /// A kind without stress.
    #[must_use]
    pub const fn of(kind: Kind) -> Look {
        Look { kind, bold: false, italic: false, struck: false }
    }
}

/// The frame's look.
pub const FRAME: Look = Look::of(Kind::Frame);

/// A text and its looks: a row, or a paragraph that is still to be cut into rows (then `\n` is a hard break).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    text: String,
    /// Where each look ends, in bytes, ascending; together they cover the text.
    runs: Vec<(u32, Look)>,
}

impl Row {
    /// A row of one look.
    #[must_use]
    pub fn of(text: &str, look: Look) -> Row {
        let mut row = Row::default();
        row.push(text, look);
        row
    }

    /// Adds text at the end. It must be clean.
    pub fn push(&mut self, text: &str, look: Look) {
        if text.is_empty() {
            return;
        }
        self.text.push_str(text);
        // A reply of four gigabytes is beyond any context.
        let end = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        match self.runs.last_mut() {
            Some((last, same)) if *same == look => *last = end,
            _ => self.runs.push((end, look)),
        }
    }

    /// Adds a part of another row.
    pub fn push_part(&mut self, other: &Row, part: Range<usize>) {
        for (range, look) in other.parts() {
            let (from, to) = (range.start.max(part.start), range.end.min(part.end));
            if from < to {
                self.push(&other.text[from..to], look);
            }
        }
    }

    /// Adds spaces up to a width.
    pub fn pad(&mut self, columns: usize) {
        let missing = columns.saturating_sub(self.width());
        self.push(&" ".repeat(missing), Look::default());
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Columns it takes.
    #[must_use]
    pub fn width(&self) -> usize {
        width(&self.text)
    }

    /// The parts and their looks.
    pub fn parts(&self) -> impl Iterator<Item = (Range<usize>, Look)> + '_ {
        let starts = std::iter::once(0).chain(self.runs.iter().map(|(end, _)| *end as usize));
        starts.zip(&self.runs).map(|(start, (end, look))| (start..*end as usize, *look))
    }

    /// Gives the bytes from `at` on other looks: `runs` says where each ends, counted from `at`.
    pub fn repaint(&mut self, at: usize, runs: impl Iterator<Item = (usize, Look)>) {
        let old = std::mem::take(self);
        self.push_part(&old, 0..at);
        let mut from = at;
        for (end, look) in runs {
            let to = (at + end).min(old.text.len());
            if from < to {
                self.push(&old.text[from..to], look);
                from = to;
            }
        }
        self.push_part(&old, from..old.text.len());
    }

    /// The lines that hard breaks make of it.
    #[must_use]
    pub fn lines(&self) -> Vec<Row> {
        let mut lines = Vec::new();
        let mut start = 0;
        for line in self.text.split('\n') {
            let mut row = Row::default();
            row.push_part(self, start..start + line.len());
            start += line.len() + 1;
            lines.push(row);
        }
        lines
    }

    /// The row as ratatui draws it. In a row with right-to-left letters the frame is isolated from them.
    #[must_use]
    pub fn line(&self, theme: Theme) -> Line<'static> {
        let isolate = has_right_to_left(&self.text);
        Line::from_iter(self.parts().map(|(range, look)| {
            let mut text = self.text[range].to_string();
            if isolate && look == FRAME {
                text.insert(0, ISOLATE);
            }
            Span::styled(text, theme.look(look))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOLD: Look = Look { kind: Kind::Text, bold: true, italic: false, struck: false };

    fn parts(row: &Row) -> Vec<(&str, Look)> {
        row.parts().map(|(range, look)| (&row.text()[range], look)).collect()
    }

    #[test]
    fn parts_of_the_same_look_are_one() {
        let mut row = Row::of("one ", Look::default());
        row.push("two", Look::default());
        row.push(" three", BOLD);
        assert_eq!(parts(&row), [("one two", Look::default()), (" three", BOLD)]);
        let mut part = Row::default();
        part.push_part(&row, 4..9);
        assert_eq!(parts(&part), [("two", Look::default()), (" t", BOLD)]);
        assert_eq!(row.width(), 13);
    }

    #[test]
    fn a_part_is_repainted() {
        let mut row = Row::of("│ ", FRAME);
        row.push("let x = 1;", Look::default());
        row.push(" │", FRAME);
        row.repaint("│ ".len(), [(3, BOLD), (10, Look::default())].into_iter());
        assert_eq!(parts(&row), [("│ ", FRAME), ("let", BOLD), (" x = 1;", Look::default()), (" │", FRAME)]);
    }

    #[test]
    fn hard_breaks_make_lines() {
        let mut row = Row::of("a\nb", Look::default());
        row.push("c\n", BOLD);
        let lines: Vec<String> = row.lines().iter().map(|line| line.text().to_string()).collect();
        assert_eq!(lines, ["a", "bc", ""]);
    }
}
