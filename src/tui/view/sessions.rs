//! The sessions screen: what is typed, the sessions or the places that were found, and what is known of the marked one.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};

use crate::sessions::SessionInfo;
use crate::tui::app::State;
use crate::tui::sessions::list::{Line, List};
use crate::tui::text::{one_line, shorten, width, wrap};
use crate::tui::theme::Theme;
use crate::tui::view::list;

/// From this many columns on the list is a table.
const TABLE: usize = 70;
/// Columns of the numbers, each with the space before it: model, turns, age.
const NUMBERS: [usize; 3] = [20, 7, 16];
/// From this height on there are lines about the marked one.
const TALL: u16 = 14;
/// Before what is typed.
const FIND: &str = " sessions  find: ";
const TITLE: &str = " title: ";

/// Draws the screen.
pub fn draw(state: &State, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let columns = usize::from(area.width);
    let open = &state.sessions.list;
    let mut rows = list::rows(area);
    let Some(top) = rows.next() else { return };
    let (prompt, typed) = match &open.renaming {
        Some(title) => (TITLE, title.text()),
        None => (FIND, open.filter()),
    };
    // The end of what is typed is where the caret is.
    let mut shown = typed;
    while width(prompt) + width(shown) >= columns && !shown.is_empty() {
        let first = shown.chars().next().map_or(1, char::len_utf8);
        shown = &shown[first..];
    }
    list::line(frame, top, &format!("{prompt}{shown}"), theme.title());
    let caret = u16::try_from(width(prompt) + width(shown)).unwrap_or(u16::MAX);
    let x = area.x + caret.min(area.width.saturating_sub(1));

    let lines = open.lines();
    let about = about(state, open, columns);
    let below = if area.height >= TALL { about.len() } else { 0 };
    let height = usize::from(area.height).saturating_sub(2 + below);
    match &lines {
        None => put(frame, &mut rows, " …", theme.quiet()),
        Some(lines) if lines.is_empty() => {
            let empty =
                if open.filter().trim().is_empty() { " no chat is kept yet" } else { " nothing found" };
            put(frame, &mut rows, empty, theme.quiet());
        }
        Some(lines) => {
            let selected = open.selected.min(lines.len() - 1);
            let first = list::first(selected, lines.len(), height.max(1));
            for (at, line) in lines.iter().enumerate().skip(first).take(height) {
                let marked = at == selected;
                let text = format!("{}{}", list::mark(marked), row(state, line, columns.saturating_sub(2)));
                put(frame, &mut rows, &text, list::style(marked, theme));
            }
        }
    }
    drop(rows);
    for (at, text) in about.iter().take(below).enumerate() {
        let y = area.bottom() - 1 - u16::try_from(below - at).unwrap_or(0);
        list::line(frame, Rect { y, height: 1, ..area }, text, theme.quiet());
    }
    let last = Rect { y: area.bottom() - 1, height: 1, ..area };
    list::line(frame, last, &hint(state), theme.quiet());
    frame.set_cursor_position(Position { x, y: area.y });
}

fn put(
    frame: &mut Frame<'_>,
    rows: &mut impl Iterator<Item = Rect>,
    text: &str,
    style: ratatui::style::Style,
) {
    if let Some(row) = rows.next() {
        list::line(frame, row, text, style);
    }
}

/// The keys; what happened last comes first.
fn hint(state: &State) -> String {
    if let Some((notice, _)) = &state.notice {
        return format!(" {}", one_line(notice));
    }
    match &state.sessions.list.renaming {
        Some(_) => " Enter renames  Esc leaves the title as it was".to_owned(),
        None => " Enter opens  Del deletes  Ctrl+X: z back, n rename, e export  Esc closes".to_owned(),
    }
}

/// A line of the list.
fn row(state: &State, line: &Line<'_>, columns: usize) -> String {
    let date = state.sessions.date;
    let title = one_line(line.title());
    match line {
        Line::Session(info) => {
            let age = info.updated.ago(date);
            let here = if state.sessions.chat.id() == Some(info.id) { "● " } else { "" };
            let title = format!("{here}{title}");
            if columns + 2 < TABLE {
                let room = columns.saturating_sub(width(&age) + 2);
                let title = shorten(&title, room);
                return format!(
                    "{title}{}{age}",
                    " ".repeat(columns.saturating_sub(width(&title) + width(&age)))
                );
            }
            let turns = info.turns.to_string();
            fill(&title, [model(info), turns, age], columns)
        }
        Line::Hit(hit, _) => {
            let speaker = hit.speaker.map_or("title", |speaker| speaker.name());
            let snippet = one_line(&hit.snippet);
            if hit.turn.is_none() {
                return shorten(&format!("{title}  ({speaker})"), columns);
            }
            if columns + 2 < TABLE {
                return shorten(&snippet, columns);
            }
            let left = shorten(&title, columns / 3);
            let pad = " ".repeat((columns / 3).saturating_sub(width(&left)) + 2);
            shorten(&format!("{left}{pad}{speaker}: {snippet}"), columns)
        }
    }
}

fn model(info: &SessionInfo) -> String {
    info.settings.model.as_ref().map_or_else(String::new, |model| one_line(&model.name))
}

/// A title at the left and numbers at the right.
fn fill(title: &str, numbers: [String; 3], columns: usize) -> String {
    let room = columns.saturating_sub(NUMBERS.iter().sum());
    let title = shorten(title, room);
    let mut text = format!("{title}{}", " ".repeat(room.saturating_sub(width(&title))));
    for (number, columns) in numbers.iter().zip(NUMBERS) {
        let number = shorten(number, columns - 1);
        text.push_str(&" ".repeat(columns.saturating_sub(width(&number))));
        text.push_str(&number);
    }
    text
}

/// What is known of the marked line.
fn about(state: &State, open: &List, columns: usize) -> Vec<String> {
    let Some(line) = open.marked() else { return Vec::new() };
    let mut lines = vec![String::new()];
    let mut say = |text: &str| wrap(&one_line(text), columns.saturating_sub(1), &mut lines);
    let info = match line {
        Line::Session(info) => Some(info),
        Line::Hit(hit, info) => {
            let speaker = hit.speaker.map_or("its title", |speaker| speaker.name());
            say(&format!("{}: {}", speaker, hit.snippet));
            info
        }
    };
    if let Some(info) = info {
        let model = model(info);
        let model = if model.is_empty() { String::new() } else { format!(", with {model}") };
        let plural = if info.turns == 1 { "" } else { "s" };
        say(&format!(
            "{}: begun {}, used last {}, {} turn{plural}{model}",
            info.id,
            info.created,
            info.updated.ago(state.sessions.date),
            info.turns
        ));
        if let Some(system) = &info.settings.system {
            say(&shorten(&one_line(&format!("system prompt: {system}")), columns.saturating_sub(1)));
        }
    }
    lines.truncate(5);
    lines.into_iter().map(|line| format!(" {line}")).collect()
}
