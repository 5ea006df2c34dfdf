//! The conversation.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::tui::app::State;
use crate::tui::theme::Theme;

/// The area less its margins, which are there only where columns are not scarce.
#[must_use]
pub fn inner(area: Rect) -> Rect {
    let margin = u16::from(area.width >= 40);
    Rect { x: area.x + margin, width: area.width - 2 * margin, ..area }
}

/// Draws the lines in view, from the top; a short conversation begins at the top of the screen.
pub fn draw(state: &State, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let area = inner(area);
    for (y, (tone, text)) in (area.top()..area.bottom()).zip(state.transcript.visible()) {
        let line = Line::from(Span::styled(text, theme.tone(tone)));
        frame.render_widget(line, Rect { y, height: 1, ..area });
    }
}
