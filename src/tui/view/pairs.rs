//! The start screen and the models screen: the pairs on this machine, and what is known of the marked one.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::tui::app::{Stage, State};
use crate::tui::figures::bytes;
use crate::tui::host::Pair;
use crate::tui::text::{one_line, shorten, width, wrap};
use crate::tui::theme::Theme;
use crate::tui::view::list;

/// From this many columns on the list is a table.
const TABLE: usize = 70;
/// Columns of the numbers, each with the space before it: type, size, fits, speed.
const NUMBERS: [usize; 4] = [9, 10, 7, 10];
/// Lines about the marked pair at most.
const ABOUT: usize = 5;

/// Draws the screen.
pub fn draw(state: &State, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let columns = usize::from(area.width);
    let choosing = state.stage() == Stage::Choosing;
    let title = if choosing { " slipstream  choose a pair" } else { " models: load another pair" };
    let mut head = vec![(title.to_owned(), theme.title())];
    if let Some(problem) = &state.pairs.problem {
        let mut wrapped = Vec::new();
        wrap(&format!("! {}", one_line(problem)), columns, &mut wrapped);
        head.extend(wrapped.into_iter().take(3).map(|line| (line, theme.alert())));
    }
    let found = state.pairs.found.as_deref();
    let count = found.map_or(0, <[Pair]>::len);
    let selected = state.pairs.selected.min(count.saturating_sub(1));
    let about =
        found.and_then(|found| found.get(selected)).map(|pair| about(pair, columns)).unwrap_or_default();
    let about: Vec<String> = about.into_iter().take(ABOUT).collect();
    let room = usize::from(area.height).saturating_sub(head.len() + 1);
    // On a low screen the list comes first: three lines of it, then what is known of the marked one.
    let about = &about[..about.len().min(room.saturating_sub(count.clamp(1, 3) + 1))];
    let listed = room.saturating_sub(about.len() + usize::from(!about.is_empty()));

    let mut rows = list::rows(area);
    let mut put = |text: &str, style| {
        if let Some(row) = rows.next() {
            list::line(frame, row, text, style);
        }
    };
    for (text, style) in &head {
        put(text, *style);
    }
    let mut used = 0;
    match found {
        None => {
            put(" looking for models …", theme.quiet());
            used += 1;
        }
        Some(found) => {
            if columns >= TABLE && listed > count.min(3) {
                put(&heading(columns), theme.quiet());
                used += 1;
            }
            let lines = listed.saturating_sub(used);
            let first = list::first(selected, count, lines.max(1));
            for (at, pair) in found.iter().enumerate().skip(first).take(lines) {
                let text = format!("{}{}", list::mark(at == selected), row(pair, columns.saturating_sub(2)));
                put(&text, list::style(at == selected, theme));
                used += 1;
            }
        }
    }
    let advice = found.map(|found| advice(state, found, columns)).unwrap_or_default();
    for line in advice.into_iter().take(listed.saturating_sub(used)) {
        put(&line, theme.quiet());
        used += 1;
    }
    for _ in used..listed {
        put("", theme.quiet());
    }
    if !about.is_empty() {
        put("", theme.quiet());
        about.iter().for_each(|line| put(line, theme.quiet()));
    }
    drop(rows);
    let last = Rect { y: area.bottom() - 1, height: 1, ..area };
    let leave = if choosing { "Esc quits" } else { "Esc closes" };
    let (chats, last_chat) = chats(state, choosing);
    let hint = format!("Enter loads  {chats}{leave}  r looks again{last_chat}");
    frame.render_widget(Line::from(Span::styled(shorten(&hint, columns), theme.quiet())), last);
}

/// On the start screen: how many chats there are of before, and which was the last.
fn chats(state: &State, choosing: bool) -> (String, String) {
    let infos = state.sessions.list.infos().unwrap_or_default();
    let Some(last) = infos.first().filter(|_| choosing) else { return (String::new(), String::new()) };
    let plural = if infos.len() == 1 { "" } else { "s" };
    (
        format!("Ctrl+S {} earlier chat{plural}  ", infos.len()),
        format!("  (the last: {})", shorten(&one_line(&last.title), 40)),
    )
}

fn heading(columns: usize) -> String {
    let names = ["type", "size", "fits", "plain t/s"];
    format!("  {}", fill("model + drafter", names.map(str::to_owned), columns.saturating_sub(2)))
}

/// A pair on one line.
fn row(pair: &Pair, columns: usize) -> String {
    let drafter = pair.drafter.as_deref().map_or("no drafter", |_| "+ drafter");
    let name = one_line(&pair.name);
    let fits = if pair.memory.1 { "yes" } else { "no" };
    if columns + 2 < TABLE {
        let short = if pair.memory.1 { "" } else { "  too large" };
        let kind = if columns >= 40 { format!("  {}", pair.quantization) } else { String::new() };
        let tail = format!("{kind}  {}{short}", bytes(pair.bytes));
        let name = shorten(&name, columns.saturating_sub(width(&tail)).max(8));
        return shorten(&format!("{name}{tail}"), columns);
    }
    let measured = pair.measured.map_or_else(|| "…".to_owned(), |speed| format!("{speed:.1}"));
    fill(
        &format!("{name} {drafter}"),
        [one_line(&pair.quantization), bytes(pair.bytes), fits.to_owned(), measured],
        columns,
    )
}

/// A name at the left and numbers at the right.
fn fill(name: &str, numbers: [String; 4], columns: usize) -> String {
    let room = columns.saturating_sub(NUMBERS.iter().sum());
    let name = shorten(name, room);
    let mut text = format!("{name}{}", " ".repeat(room.saturating_sub(width(&name))));
    for (number, columns) in numbers.iter().zip(NUMBERS) {
        let number = shorten(number, columns - 1);
        text.push_str(&" ".repeat(columns.saturating_sub(width(&number))));
        text.push_str(&number);
    }
    text
}

/// What a person can do who does not find theirs: below a short list, and only there.
fn advice(state: &State, found: &[Pair], columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut say = |text: String| wrap(&one_line(&text), columns.saturating_sub(1), &mut lines);
    let list = &state.pairs;
    if found.len() < 2 {
        let folders: Vec<String> = list.folders.iter().map(|folder| folder.display().to_string()).collect();
        say(match folders.is_empty() {
            true => "No folder with models was found.".to_owned(),
            false => format!("Looked into {}.", folders.join(", ")),
        });
        say("A model elsewhere: slipstream chat FILE.gguf (its drafter is found beside it).".to_owned());
    }
    if list.unreadable > 0 {
        let files =
            if list.unreadable == 1 { "1 file".to_owned() } else { format!("{} files", list.unreadable) };
        say(format!("{files} could not be read: slipstream list tells why."));
    }
    lines.into_iter().map(|line| format!(" {line}")).collect()
}

/// What is known of the marked pair.
fn about(pair: &Pair, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut say = |text: String| wrap(&one_line(&text), columns.saturating_sub(1), &mut lines);
    match &pair.drafter {
        Some(drafter) => say(format!("drafter: {drafter}. {}", pair.pairing)),
        None => say(format!("no drafter: {}", pair.pairing)),
    }
    let (needs, fits) = pair.memory;
    let verdict = if fits { "it is there" } else { "more than is free: a smaller context may fit (-c)" };
    say(format!("memory: {} needed, {verdict}", bytes(needs)));
    if let Some(measured) = pair.measured {
        say(format!("measured: {measured:.1} t/s plain (slipstream tune)"));
    }
    say(format!("found in: {}: {}", pair.found_in, pair.wanted.model));
    lines.into_iter().map(|line| format!(" {line}")).collect()
}
