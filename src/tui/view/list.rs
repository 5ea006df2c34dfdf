//! Lists with a marked line, and boxes over the transcript.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::tui::text::{shorten, width};
use crate::tui::theme::Theme;

/// The first line to be shown, so that the marked one is in view.
#[must_use]
pub fn first(selected: usize, count: usize, rows: usize) -> usize {
    (selected + 1).saturating_sub(rows).min(count.saturating_sub(rows))
}

/// One line across `area`, marked or not.
pub fn line(frame: &mut Frame<'_>, area: Rect, text: &str, style: Style) {
    let columns = usize::from(area.width);
    let text = shorten(text, columns);
    let pad = " ".repeat(columns.saturating_sub(width(&text)));
    frame.render_widget(Line::from(Span::styled(format!("{text}{pad}"), style)), Rect { height: 1, ..area });
}

/// A mark before the line, which is seen without colours as well.
#[must_use]
pub fn mark(selected: bool) -> &'static str {
    if selected { "› " } else { "  " }
}

/// How a line of a list is drawn.
#[must_use]
pub fn style(selected: bool, theme: Theme) -> Style {
    if selected { theme.marked() } else { Style::new() }
}

/// The rows of `area`, top to bottom.
pub fn rows(area: Rect) -> impl Iterator<Item = Rect> {
    (area.top()..area.bottom()).map(move |y| Rect { y, height: 1, ..area })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marked_line_is_in_view() {
        for count in 0..20usize {
            for rows in 1..8 {
                for selected in 0..count {
                    let first = first(selected, count, rows);
                    assert!(first <= selected && selected < first + rows, "{selected} of {count} on {rows}");
                    assert!(first + rows <= count.max(rows));
                }
            }
        }
    }
}
