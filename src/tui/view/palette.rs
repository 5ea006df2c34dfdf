//! The palette over the transcript: what is typed, and the commands that fit.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};

use crate::tui::palette::{Palette, key_of};
use crate::tui::text::{shorten, width};
use crate::tui::theme::Theme;
use crate::tui::view::list;

/// Columns of a command's name and what it takes.
const LEFT: usize = 26;
/// Before what is typed.
const PROMPT: &str = " find: ";

/// Draws it.
pub fn draw(palette: &Palette, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let columns = usize::from(area.width);
    let mut rows = list::rows(area);
    let Some(top) = rows.next() else { return };
    list::line(frame, top, &format!("{PROMPT}{}", palette.filter()), theme.title());
    let found = palette.found();
    let lines = usize::from(area.height).saturating_sub(1);
    let first = list::first(palette.selected, found.len(), lines.max(1));
    for (at, (command, row)) in found.iter().skip(first).zip(rows).enumerate() {
        let selected = first + at == palette.selected;
        let name = format!("/{} {}", command.name, command.takes);
        let text = if columns < 50 {
            format!("{}{}", list::mark(selected), name.trim_end())
        } else {
            let key = key_of(command.name);
            let left = shorten(name.trim_end(), LEFT);
            let pad = " ".repeat(LEFT.saturating_sub(width(&left)) + 1);
            let room = columns.saturating_sub(LEFT + 3 + width(key) + 1);
            let does = shorten(command.does, room);
            let gap = " ".repeat(room.saturating_sub(width(&does)) + 1);
            format!("{}{left}{pad}{does}{gap}{key}", list::mark(selected))
        };
        list::line(frame, row, &text, list::style(selected, theme));
    }
    if found.is_empty() && area.height > 1 {
        list::line(frame, Rect { y: area.y + 1, height: 1, ..area }, "  no command fits", theme.quiet());
    }
    let caret = width(PROMPT) + width(palette.filter());
    let x = area.x + u16::try_from(caret).unwrap_or(u16::MAX).min(area.width.saturating_sub(1));
    frame.set_cursor_position(Position { x, y: area.y });
}
