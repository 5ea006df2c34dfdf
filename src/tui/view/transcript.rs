//! The conversation.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

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
    let area = inner(area);
    for (y, (tone, text)) in (area.top()..area.bottom()).zip(transcript.visible()) {
        let line = Line::from(Span::styled(text, theme.tone(tone)));
        line.render(Rect { y, height: 1, ..area }, buffer);
    }
}
