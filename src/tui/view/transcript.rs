//! The conversation.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;
use unicode_segmentation::UnicodeSegmentation;

use crate::tui::entry::Shown;
use crate::tui::markdown::row::{FRAME, Row};
use crate::tui::text::{ISOLATE, grapheme_width, has_right_to_left};
use crate::tui::theme::Theme;
use crate::tui::transcript::Transcript;

/// The area less its margins, which are there only where columns are not scarce.
#[must_use]
pub fn inner(area: Rect) -> Rect {
    let margin = u16::from(area.width >= 40);
    Rect { x: area.x + margin, width: area.width - 2 * margin, ..area }
}

/// Draws the lines in view, from the top; a short conversation begins at the top of the screen.
pub fn draw(transcript: &Transcript, theme: Theme, buffer: &mut Buffer, area: Rect) {
    lines(transcript.visible(), theme, buffer, area);
}

/// Draws lines from the top.
pub fn lines(lines: Vec<Shown<'_>>, theme: Theme, buffer: &mut Buffer, area: Rect) {
    let area = inner(area);
    for (y, line) in (area.top()..area.bottom()).zip(lines) {
        let area = Rect { y, height: 1, ..area };
        match line {
            Shown::Words(tone, text) => {
                Line::from(Span::styled(text, theme.tone(tone))).render(area, buffer);
            }
            Shown::Row(row) => draw_row(row, theme, buffer, area),
        }
    }
}

/// Draws a row cell by cell: by clusters of the whole row, whose parts may have different looks, and with
/// the frame isolated from right-to-left letters, which ratatui's own lines would lose.
fn draw_row(row: &Row, theme: Theme, buffer: &mut Buffer, area: Rect) {
    let isolates = has_right_to_left(row.text());
    let mut parts = row.parts().peekable();
    let mut x = area.x;
    for (at, grapheme) in row.text().grapheme_indices(true) {
        while parts.next_if(|(part, _)| part.end <= at).is_some() {}
        let look = parts.peek().map(|(_, look)| *look).unwrap_or_default();
        if grapheme.contains(char::is_control) {
            continue;
        }
        let columns = u16::try_from(grapheme_width(grapheme)).unwrap_or(u16::MAX);
        if columns > area.right().saturating_sub(x) {
            return;
        }
        if columns == 0 {
            continue;
        }
        let cell = &mut buffer[(x, area.y)];
        cell.set_style(theme.look(look));
        if isolates && look == FRAME && grapheme != " " {
            cell.set_symbol(&format!("{ISOLATE}{grapheme}"));
        } else {
            cell.set_symbol(grapheme);
        }
        // The other half of a wide character is nothing of its own.
        for behind in 1..columns {
            buffer[(x + behind, area.y)].reset();
        }
        x += columns;
    }
}
