//! Keys and commands, from the tables that they are looked up in.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::tui::commands::COMMANDS;
use crate::tui::entry::Tone;
use crate::tui::keys::{BINDINGS, EDITING, PREFIXED, SELECTING};
use crate::tui::text::{shorten, wrap};
use crate::tui::theme::Theme;

/// Columns for what is pressed or typed.
const LEFT: usize = 27;
/// Below this many columns there is no room beside it.
const NARROW: usize = 50;

/// What is pressed or typed, and what it does. A heading has no second part.
#[must_use]
pub fn lines() -> Vec<(String, &'static str)> {
    let mut lines = vec![("keys (Esc closes, Up and Down scroll)".to_string(), "")];
    lines.extend(BINDINGS.iter().filter(|b| !b.shown.is_empty()).map(|b| (b.shown.to_string(), b.does)));
    lines.extend(PREFIXED.iter().filter(|b| !b.shown.is_empty()).map(|b| (b.shown.to_string(), b.does)));
    lines.extend(SELECTING.iter().filter(|b| !b.shown.is_empty()).map(|b| (b.shown.to_string(), b.does)));
    lines.extend(EDITING.iter().map(|(shown, does)| ((*shown).to_string(), *does)));
    lines.push((String::new(), ""));
    lines.push(("commands (// sends a literal slash)".to_string(), ""));
    lines.extend(COMMANDS.iter().filter(|command| !command.does.is_empty()).map(|command| {
        (format!("/{} {}", command.name, command.takes).trim_end().to_string(), command.does)
    }));
    lines
}

/// The rows of a screen of this width: what it does stands beside what is pressed, or on a narrow screen below it.
fn rows(columns: usize, theme: Theme) -> Vec<Line<'static>> {
    let label = theme.tone(Tone::Label);
    let (beside, room) = match columns < NARROW {
        true => (false, columns.saturating_sub(3)),
        false => (true, columns.saturating_sub(LEFT + 2)),
    };
    let mut rows = Vec::new();
    for (left, right) in lines() {
        let left = shorten(&format!(" {left}"), columns);
        if right.is_empty() {
            rows.push(Line::from(Span::styled(left, theme.title())));
            continue;
        }
        let mut words = Vec::new();
        wrap(right, room, &mut words);
        let mut words = words.into_iter().map(Span::raw);
        let pad = LEFT + 2;
        if beside {
            let left = Span::styled(format!("{left:<pad$}"), label);
            rows.push(Line::from_iter([left, words.next().unwrap_or_default()]));
        } else {
            rows.push(Line::from(Span::styled(left, label)));
        }
        let indent = " ".repeat(if beside { pad } else { 3 });
        rows.extend(words.map(|words| Line::from_iter([Span::raw(indent.clone()), words])));
    }
    rows
}

/// The last line that is of use at the top.
#[must_use]
pub fn last_top(columns: u16, height: u16) -> usize {
    let rows = rows(usize::from(columns), Theme::new(false)).len();
    rows.saturating_sub(usize::from(height))
}

/// Draws the help from line `top` on.
pub fn draw(top: usize, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let rows = rows(usize::from(area.width), theme);
    let top = top.min(rows.len().saturating_sub(usize::from(area.height)));
    for (y, row) in (area.top()..area.bottom()).zip(rows.into_iter().skip(top)) {
        frame.render_widget(row, Rect { y, height: 1, ..area });
    }
}
