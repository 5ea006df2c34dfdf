//! The settings screen.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};

use crate::tui::app::State;
use crate::tui::options::{LINES, Options, value};
use crate::tui::text::{one_line, shorten, width};
use crate::tui::theme::Theme;
use crate::tui::view::list;

/// Columns of a setting's name, with what is before and behind it.
const NAME: usize = 18;
/// Columns of a value, where what it does is told beside it.
const VALUE: usize = 20;

/// Draws it. The last line tells the keys, or what was wrong with a value.
pub fn draw(state: &State, options: &Options, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let columns = usize::from(area.width);
    let mut rows = list::rows(area);
    let Some(top) = rows.next() else { return };
    list::line(frame, top, " settings (they hold from the next reply on)", theme.title());
    let lines = usize::from(area.height).saturating_sub(2);
    let first = list::first(options.selected, LINES.len(), lines.max(1));
    for (at, line) in LINES.iter().enumerate().skip(first).take(lines) {
        let Some(row) = rows.next() else { break };
        let selected = at == options.selected;
        let typing = options.typing.as_ref().filter(|_| selected);
        let value =
            typing.map_or_else(|| one_line(&value(state, line.setting)), |field| field.text().to_owned());
        let name = shorten(line.name, NAME - 4);
        let pad = " ".repeat(NAME.saturating_sub(2 + width(&name)));
        let tell = columns >= 60 && typing.is_none();
        let shown =
            if tell { shorten(&value, VALUE) } else { end_of(&value, columns.saturating_sub(NAME + 1)) };
        let does = if tell {
            format!("{}{}", " ".repeat(VALUE.saturating_sub(width(&shown)) + 1), line.does)
        } else {
            String::new()
        };
        let text = format!("{}{name}{pad}{shown}{does}", list::mark(selected));
        list::line(frame, row, &text, list::style(selected && typing.is_none(), theme));
        if typing.is_some() {
            let x = area.x.saturating_add(u16::try_from(NAME + width(&shown)).unwrap_or(u16::MAX));
            frame.set_cursor_position(Position { x: x.min(area.right().saturating_sub(1)), y: row.y });
        }
    }
    let last = Rect { y: area.bottom() - 1, height: 1, ..area };
    match &options.wrong {
        Some(wrong) => list::line(frame, last, &format!("! {}", one_line(wrong)), theme.alert()),
        None => list::line(frame, last, " ← → change  Enter types a value  Esc closes", theme.quiet()),
    }
}

/// As much of the end of a text as fits: that is where one types.
fn end_of(text: &str, columns: usize) -> String {
    let mut start = 0;
    while width(&text[start..]) > columns {
        let Some(first) = text[start..].chars().next() else { break };
        start += first.len_utf8();
    }
    text[start..].to_owned()
}
