//! Code in its frame:
//!
//! ```text
//! ┌ rust ───────────┐
//! │ fn main() {}    │
//! └─────────────────┘
//! ```

use super::layout::{Listing, Page, Spot};
use super::paint::Class;
use super::row::{FRAME, Kind, Look, Row};
use crate::tui::text::{hard_pieces, shorten, width};

/// Below this many columns there is no frame, which would take the place of the code.
const LEAST_FRAME: usize = 12;

/// Code is plain until its colours come.
pub(super) const PLAIN: Look = Look::of(Kind::Syntax(Class::Plain));

/// Lays out a block of code; without its frame below where it is not `closed`.
pub(super) fn listing(page: &mut Page, language: &str, lines: &[&str], closed: bool) {
    let code = page.listings.len();
    top(page, language);
    for (number, line) in lines.iter().enumerate() {
        self::line(page, code, number, line);
    }
    if closed {
        bottom(page);
    }
    let lines = lines.iter().map(|line| (*line).to_string()).collect();
    page.listings.push(Listing { language: language.to_string(), lines });
}

/// The frame above.
pub(super) fn top(page: &mut Page, language: &str) {
    let columns = page.width();
    let title = shorten(language, columns.saturating_sub(6));
    let row = if columns < LEAST_FRAME {
        Row::of(&shorten(&title, columns), FRAME)
    } else if title.is_empty() {
        Row::of(&format!("┌{}┐", "─".repeat(columns - 2)), FRAME)
    } else {
        Row::of(&format!("┌ {title} {}┐", "─".repeat(columns - 4 - width(&title))), FRAME)
    };
    if !row.is_empty() {
        page.row(&row);
    }
}

/// The frame below.
pub(super) fn bottom(page: &mut Page) {
    let columns = page.width();
    if columns >= LEAST_FRAME {
        page.row(&Row::of(&format!("└{}┘", "─".repeat(columns - 2)), FRAME));
    }
}

/// One line of code, cut where it is too long.
pub(super) fn line(page: &mut Page, code: usize, number: usize, text: &str) {
    let columns = page.width();
    let framed = columns >= LEAST_FRAME;
    let inner = if framed { columns - 4 } else { columns };
    for piece in hard_pieces(text, inner) {
        let mut row = Row::default();
        if framed {
            row.push("│ ", FRAME);
        }
        let before = row.text().len();
        row.push(&text[piece.clone()], PLAIN);
        if framed {
            row.pad(columns - 2);
            row.push(" │", FRAME);
        }
        let at = page.row(&row) + before;
        if !piece.is_empty() {
            let row = page.rows.len() - 1;
            page.spots.push(Spot { row, code, line: number, from: piece.start, to: piece.end, at });
        }
    }
}
