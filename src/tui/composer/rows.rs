//! The input as rows of the screen, and the way back from a row to a place in the text.

use unicode_segmentation::UnicodeSegmentation;

use super::folds::Folds;
use crate::tui::markdown::row::{Kind, Look, Row};
use crate::tui::text::{grapheme_width, shorten, width};

/// Something folded, as it is shown.
const FOLDED: Look = Look::of(Kind::Marker);

/// The input as rows of a given width.
#[derive(Debug, PartialEq, Eq)]
pub struct Rows {
    /// The rows.
    pub rows: Vec<Row>,
    /// The caret's row and column.
    pub caret: (usize, usize),
    /// For each row its line, and each of its clusters: its column and its first character in the line.
    places: Vec<(usize, Vec<(usize, usize)>)>,
}

impl Rows {
    /// The place in the text nearest to a row and a column: its line and its character.
    #[must_use]
    pub fn place(&self, row: usize, column: usize) -> Option<(usize, usize)> {
        let (line, places) = self.places.get(row)?;
        let (_, character) = places.iter().rev().find(|(at, _)| *at <= column).or(places.first())?;
        Some((*line, *character))
    }
}

/// Cuts `lines` into rows of `columns`; `caret` is its line and its character there.
pub(super) fn rows(lines: &[String], folds: &Folds, caret: (usize, usize), columns: usize) -> Rows {
    let columns = columns.max(1);
    let mut out = Rows { rows: Vec::new(), caret: (0, 0), places: Vec::new() };
    for (number, line) in lines.iter().enumerate() {
        let (mut row, mut used, mut chars) = (Row::default(), 0, 0);
        let mut places = Vec::new();
        let caret_here = (number == caret.0).then_some(caret.1);
        for grapheme in line.graphemes(true) {
            let fold = grapheme.chars().next().and_then(|c| folds.get(c));
            let label = fold.map(|fold| shorten(&fold.label, columns));
            let shown = label.as_deref().unwrap_or(grapheme);
            let wide = if fold.is_some() { width(shown) } else { grapheme_width(grapheme) };
            if used > 0 && used + wide > columns {
                out.rows.push(std::mem::take(&mut row));
                out.places.push((number, std::mem::take(&mut places)));
                used = 0;
            }
            // The caret stands before the cluster it is in or before.
            let count = grapheme.chars().count();
            if caret_here.is_some_and(|at| (chars..chars + count).contains(&at)) {
                out.caret = (out.rows.len(), used);
            }
            places.push((used, chars));
            row.push(shown, if fold.is_some() { FOLDED } else { Look::default() });
            used += wide;
            chars += count;
        }
        // The end of the line is a place too: behind the last cluster, or at the start of a row of its own.
        if caret_here.is_some_and(|at| at >= chars) {
            if used >= columns {
                out.rows.push(std::mem::take(&mut row));
                out.places.push((number, std::mem::take(&mut places)));
                used = 0;
            }
            out.caret = (out.rows.len(), used);
        }
        places.push((used, chars));
        out.rows.push(row);
        out.places.push((number, places));
    }
    out
}
