//! The input, with the terminal's own cursor at the caret, so that input methods open where one types.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use crate::tui::app::State;
use crate::tui::composer::Rows;
use crate::tui::theme::Theme;

/// Before the first row; the others are indented as far.
const PROMPT: &str = "› ";
/// Columns of the prompt.
const INDENT: u16 = 2;

/// The input's rows on a screen of this width.
#[must_use]
pub fn rows(state: &State, columns: u16) -> Rows {
    state.composer.rows(usize::from(columns.saturating_sub(INDENT)))
}

/// Draws the rows around the caret.
pub fn draw(state: &State, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let Rows { rows, caret: (row, column) } = rows(state, area.width);
    let height = usize::from(area.height);
    // The caret's row is in view, as low as it can be.
    let first = (row + 1).saturating_sub(height);
    for (y, (index, text)) in (area.top()..area.bottom()).zip(rows.iter().enumerate().skip(first)) {
        let prompt = if index == 0 { PROMPT } else { "  " };
        let mut line = Line::from(vec![Span::styled(prompt, theme.title()), Span::raw(text)]);
        if state.composer.is_empty() {
            line.push_span(Span::styled("ask something, or /help", theme.quiet()));
        }
        frame.render_widget(line, Rect { y, height: 1, ..area });
    }
    if !state.overlay.takes_letters() {
        let x = area.x + INDENT.saturating_add(u16::try_from(column).unwrap_or(u16::MAX)).min(area.width - 1);
        let y = area.y + u16::try_from(row - first).unwrap_or(0).min(area.height - 1);
        frame.set_cursor_position(Position { x, y });
    }
}
