//! The screen while files are loaded.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::tui::app::State;
use crate::tui::text::{one_line, shorten, width};
use crate::tui::theme::Theme;
use crate::tui::view::bar;

/// A line for each file (the last ones, where there are too many), and how to leave.
pub fn draw(state: &State, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let columns = usize::from(area.width);
    let title = format!("loading {}", one_line(&state.start.title));
    let mut lines = vec![Line::from(Span::styled(shorten(&title, columns), theme.title()))];
    let room = usize::from(area.height).saturating_sub(2);
    let skip = state.loading.len().saturating_sub(room);
    for (file, fraction) in state.loading.iter().skip(skip) {
        let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy();
        let percent = format!("{:>4.0}%", fraction * 100.0);
        // A third of the line for the bar, none on a very narrow screen.
        let gauge = if columns < 40 { 0 } else { columns / 3 };
        let space = columns.saturating_sub(width(&percent) + gauge + 2);
        let name = shorten(&one_line(&name), space);
        let pad = " ".repeat(space.saturating_sub(width(&name)) + 1);
        let filled = bar(f64::from(*fraction), gauge);
        let rest = "·".repeat(gauge.saturating_sub(width(&filled)));
        lines.push(Line::from(vec![
            Span::raw(name),
            Span::raw(pad),
            Span::styled(filled, theme.live()),
            Span::styled(rest, theme.quiet()),
            Span::raw(percent),
        ]));
    }
    let mut hint = "Esc quits".to_string();
    if !state.composer.is_empty() {
        hint.push_str("; what you type is kept");
    }
    lines.push(Line::from(Span::styled(shorten(&hint, columns), theme.quiet())));
    for (y, line) in (area.top()..area.bottom()).zip(lines) {
        frame.render_widget(line, Rect { y, height: 1, ..area });
    }
}
