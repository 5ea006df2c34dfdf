//! The screen while files are loaded: how far each is, the memory they will need, and how to stop it.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::tui::app::State;
use crate::tui::figures::{bar, bytes};
use crate::tui::text::{one_line, shorten, width};
use crate::tui::theme::Theme;

/// A line for each file (the last ones, where there are too many), the memory part by part as far as there is room,
/// and how to leave.
pub fn draw(state: &State, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let columns = usize::from(area.width);
    let title = format!("loading {}", one_line(&state.start.title));
    let mut lines = vec![Line::from(Span::styled(shorten(&title, columns), theme.title()))];
    let room = usize::from(area.height).saturating_sub(2);
    let skip = state.loading.len().saturating_sub(room);
    for (file, fraction) in state.loading.iter().skip(skip) {
        let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy();
        lines.push(gauge(&name, *fraction, columns, theme));
    }
    let room = room.saturating_sub(state.loading.len());
    lines.extend(memory(state, columns, room, theme));
    let mut hint = if state.leaving { "stopping…" } else { "Esc cancels" }.to_owned();
    if !state.composer.is_empty() {
        hint.push_str("; what you type is kept");
    }
    lines.push(Line::from(Span::styled(shorten(&hint, columns), theme.quiet())));
    for (y, line) in (area.top()..area.bottom()).zip(lines) {
        frame.render_widget(line, Rect { y, height: 1, ..area });
    }
}

fn gauge(name: &str, fraction: f32, columns: usize, theme: Theme) -> Line<'static> {
    let percent = format!("{:>4.0}%", fraction * 100.0);
    // A third of the line for the bar, none on a very narrow screen.
    let gauge = if columns < 40 { 0 } else { columns / 3 };
    let space = columns.saturating_sub(width(&percent) + gauge + 2);
    let name = shorten(&one_line(name), space);
    let pad = " ".repeat(space.saturating_sub(width(&name)) + 1);
    let filled = bar(f64::from(fraction), gauge);
    let rest = "·".repeat(gauge.saturating_sub(width(&filled)));
    Line::from(vec![
        Span::raw(name),
        Span::raw(pad),
        Span::styled(filled, theme.live()),
        Span::styled(rest, theme.quiet()),
        Span::raw(percent),
    ])
}

/// The memory: the sum where there is one line, its parts where there is room for all of them.
fn memory(state: &State, columns: usize, room: usize, theme: Theme) -> Vec<Line<'static>> {
    let (parts, available) = &state.memory;
    if parts.is_empty() || room == 0 {
        return Vec::new();
    }
    let needed = parts.iter().fold(0_u64, |sum, part| sum.saturating_add(part.bytes));
    // A machine that does not tell says the largest number there is.
    let there =
        if *available == u64::MAX { String::new() } else { format!(" of {} free", bytes(*available)) };
    let sum = shorten(&format!("memory needed: {}{there} (estimated)", bytes(needed)), columns);
    let mut lines = vec![Line::from(Span::styled(sum, Style::new()))];
    if room > parts.len() {
        lines.extend(parts.iter().map(|part| {
            let text = format!("  {:>9}  {}", bytes(part.bytes), one_line(&part.what));
            Line::from(Span::styled(shorten(&text, columns), theme.quiet()))
        }));
    }
    lines
}
