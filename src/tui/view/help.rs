//! Keys and commands, from the tables that they are looked up in.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::tui::commands::COMMANDS;
use crate::tui::keys::{BINDINGS, EDITING, PREFIXED};
use crate::tui::text::shorten;
use crate::tui::theme::Theme;

/// Columns for what is pressed or typed.
const LEFT: usize = 22;

/// What is pressed or typed, and what it does. A heading has no second part.
#[must_use]
pub fn lines() -> Vec<(String, &'static str)> {
    let mut lines = vec![("keys (Esc closes this, Up and Down scroll)".to_string(), "")];
    lines.extend(BINDINGS.iter().filter(|b| !b.shown.is_empty()).map(|b| (b.shown.to_string(), b.does)));
    lines.extend(PREFIXED.iter().filter(|b| !b.shown.is_empty()).map(|b| (b.shown.to_string(), b.does)));
    lines.extend(EDITING.iter().map(|(shown, does)| ((*shown).to_string(), *does)));
    lines.push((String::new(), ""));
    lines.push(("commands (// sends a literal slash)".to_string(), ""));
    lines.extend(COMMANDS.iter().filter(|command| !command.does.is_empty()).map(|command| {
        (format!("/{} {}", command.name, command.takes).trim_end().to_string(), command.does)
    }));
    lines
}

/// Draws the help from line `top` on.
pub fn draw(top: usize, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let lines = lines();
    let top = top.min(lines.len().saturating_sub(usize::from(area.height)));
    let columns = usize::from(area.width);
    for (y, (left, right)) in (area.top()..area.bottom()).zip(lines.into_iter().skip(top)) {
        let line = if right.is_empty() {
            Line::from(Span::styled(shorten(&format!(" {left}"), columns), theme.title()))
        } else {
            Line::from(vec![
                Span::styled(format!(" {left:<LEFT$} "), theme.tone(crate::tui::entry::Tone::Label)),
                Span::raw(shorten(right, columns.saturating_sub(LEFT + 2))),
            ])
        };
        frame.render_widget(line, Rect { y, height: 1, ..area });
    }
}
