//! The input, with the terminal's own cursor at the caret, so that input methods open where one types.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Clear;

use crate::tui::app::State;
use crate::tui::composer::Search;
use crate::tui::markdown::row::{Kind, Look, Row};
use crate::tui::text::{clean, pieces, shorten, width as columns_of};
use crate::tui::theme::Theme;

/// Before the first row; the others are indented as far.
const PROMPT: &str = "› ";
/// Columns of the prompt.
const INDENT: u16 = 2;
/// Before what is looked for in the history.
const LOOKING: &str = "look for: ";
/// Rows of the menu of completions.
const MENU_ROWS: usize = 8;
/// Rows of an input that was found, at most.
const FOUND_ROWS: usize = 6;

/// Columns of the input on a screen of this width.
#[must_use]
pub fn width(columns: u16) -> usize {
    usize::from(columns.saturating_sub(INDENT)).max(1)
}

/// The input's rows on a screen of this width, and the caret's row and column.
#[must_use]
pub fn rows(state: &State, columns: u16) -> (Vec<Row>, (usize, usize)) {
    let columns = width(columns);
    match state.composer.search() {
        Some((search, found)) => search_rows(search, found, columns),
        None => {
            let rows = state.composer.rows(columns);
            (rows.rows, rows.caret)
        }
    }
}

/// What is looked for, and what was found, with the words in it marked.
fn search_rows(search: &Search, found: Option<&str>, columns: usize) -> (Vec<Row>, (usize, usize)) {
    let mut first = Row::of(LOOKING, Look::of(Kind::Marker));
    // The end of what is typed stays in sight.
    let room = columns.saturating_sub(columns_of(LOOKING) + 1).max(1);
    let query = pieces_end(&search.query, room);
    first.push(query, Look::default());
    let caret = (0, first.width().min(columns.saturating_sub(1)));
    let mut rows = vec![first];
    match found {
        None if search.query.is_empty() => {}
        None => rows.push(Row::of("nothing found", Look::of(Kind::Frame))),
        Some(text) => {
            let lower = search.query.to_lowercase();
            for line in clean(text).split('\n') {
                // Lowering changes the length of few letters; then the mark is left out.
                let at = line.to_lowercase().find(&lower).filter(|_| line.to_lowercase().len() == line.len());
                let mut row = Row::default();
                let mark = at.map_or(0..0, |at| at..at + lower.len());
                let whole = |range: &std::ops::Range<usize>| line.get(range.clone()).is_some();
                let mark = Some(mark).filter(whole).unwrap_or(0..0);
                row.push(&line[..mark.start], Look::default());
                row.push(&line[mark.clone()], Look { bold: true, ..Look::of(Kind::Link) });
                row.push(&line[mark.end..], Look::default());
                for piece in pieces(line, columns) {
                    let mut part = Row::default();
                    part.push_part(&row, piece);
                    rows.push(part);
                }
            }
            rows.truncate(1 + FOUND_ROWS);
        }
    }
    (rows, caret)
}

/// The last piece of a text that is no wider than `columns`.
fn pieces_end(text: &str, columns: usize) -> &str {
    let mut from = 0;
    while columns_of(&text[from..]) > columns {
        from += text[from..].chars().next().map_or(1, char::len_utf8);
    }
    &text[from..]
}

/// Draws the rows around the caret.
pub fn draw(state: &State, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let (rows, (row, column)) = rows(state, area.width);
    let height = usize::from(area.height);
    // The caret's row is in view, as low as it can be.
    let first = (row + 1).saturating_sub(height);
    for (y, (index, text)) in (area.top()..area.bottom()).zip(rows.iter().enumerate().skip(first)) {
        let prompt = if index == 0 { PROMPT } else { "  " };
        let mut line = text.line(theme);
        line.spans.insert(0, Span::styled(prompt, theme.title()));
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

/// Rows that the choice of completions takes where there is room.
#[must_use]
pub fn menu_rows(state: &State) -> usize {
    state.composer.menu().map_or(0, |menu| menu.candidates.len().min(MENU_ROWS))
}

/// Draws what may be completed, where there is a choice, over the end of `above`.
pub fn draw_menu(state: &State, theme: Theme, frame: &mut Frame<'_>, above: Rect) {
    let Some(menu) = state.composer.menu() else { return };
    let height = menu_rows(state).min(usize::from(above.height));
    if height == 0 {
        return;
    }
    // The chosen one is in sight.
    let first = menu.chosen.map_or(0, |chosen| (chosen + 1).saturating_sub(height));
    let last = first + height;
    let names = menu.candidates.iter().map(|candidate| columns_of(&candidate.text)).max().unwrap_or(0);
    let lines: Vec<(String, bool)> = menu
        .candidates
        .iter()
        .enumerate()
        .skip(first)
        .take(height)
        .map(|(number, candidate)| {
            let gap = " ".repeat(names - columns_of(&candidate.text));
            let mut text =
                format!(" {}{gap}  {}", clean(&candidate.text), candidate.note).trim_end().to_string();
            if number + 1 == last && last < menu.candidates.len() {
                text.push_str(&format!("  … {} more", menu.candidates.len() - last));
            }
            (text, menu.chosen == Some(number))
        })
        .collect();
    let wide = lines.iter().map(|(text, _)| columns_of(text) + 1).max().unwrap_or(0);
    let columns = u16::try_from(wide).unwrap_or(u16::MAX).min(above.width);
    let top = above.bottom() - u16::try_from(height).unwrap_or(above.height);
    let area = Rect { x: above.x, y: top, width: columns, height: above.bottom() - top };
    frame.render_widget(Clear, area);
    for (y, (text, chosen)) in (area.top()..area.bottom()).zip(lines) {
        let text = shorten(&text, usize::from(columns));
        let text = format!("{text}{}", " ".repeat(usize::from(columns) - columns_of(&text)));
        // Reversed: it shows without colours too.
        let style = if chosen {
            Style::new().add_modifier(Modifier::REVERSED)
        } else {
            theme.look(Look::of(Kind::Marker))
        };
        frame.render_widget(Line::from(Span::styled(text, style)), Rect { y, height: 1, ..area });
    }
}
