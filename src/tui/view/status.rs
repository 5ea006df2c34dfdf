//! The last line: `● 31.8 t/s  acc 71%  len 2.4 | ctx 26% | Esc stop  ? help`.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::tui::app::State;
use crate::tui::speculate;
use crate::tui::text::{shorten, width};
use crate::tui::theme::Theme;
use crate::tui::view::{below, stats};
use crate::tui::{context, keys, select};

/// A piece of the line, and how soon it is given up where columns are scarce: the highest goes first.
type Piece = (String, u8);

/// Columns of a reason for not speculating: all it may take, and what it is cut to before other pieces go.
const REASON: (usize, usize) = (70, 34);

/// Draws the line. A notice takes the place of the numbers while it lasts. `tell_below`: nothing above tells
/// what is below the view.
pub fn draw(state: &State, theme: Theme, frame: &mut Frame<'_>, area: Rect, tell_below: bool) {
    let columns = usize::from(area.width);
    if state.prefix {
        let keys: Vec<String> = keys::PREFIXED
            .iter()
            .filter(|binding| !binding.shown.is_empty())
            .map(|binding| format!("{} {}", binding.shown.trim_start_matches("Ctrl+X "), binding.does))
            .collect();
        let line = Span::styled(shorten(&format!("Ctrl+X: {}", keys.join(" · ")), columns), theme.title());
        frame.render_widget(Line::from(line), area);
        return;
    }
    if let Some(line) = select::line(state).filter(|_| state.notice.is_none()) {
        frame.render_widget(Line::from(Span::styled(shorten(&line, columns), theme.title())), area);
        return;
    }
    if let Some((notice, _)) = &state.notice {
        // How speculation stands stays on the screen where there is room for both.
        let stands = if state.speculation.is_on() {
            speculate::short(&state.speculation)
        } else {
            speculate::line(&state.speculation)
        };
        let notice = shorten(&format!("! {notice}"), columns);
        let both = width(&notice) + width(&stands) + 3 <= columns;
        let stands = if both { format!(" | {stands}") } else { String::new() };
        let line = Line::from(vec![Span::styled(notice, theme.alert()), Span::raw(stands)]);
        frame.render_widget(line, area);
        return;
    }
    let below = if tell_below { below(state) } else { String::new() };
    let mut text = join(&groups(state, REASON.0, &below));
    if width(&text) > columns {
        text = compose(groups(state, REASON.1, &below), columns);
    }
    let mark = if state.running.is_some() { theme.live() } else { theme.quiet() };
    let (first, rest) = text.split_at(text.chars().next().map_or(0, char::len_utf8));
    frame.render_widget(Line::from(vec![Span::styled(first, mark), Span::raw(rest)]), area);
}

/// The line's groups, most important first within the limits of its order.
fn groups(state: &State, reason: usize, below: &str) -> Vec<Vec<Piece>> {
    let mark = if state.running.is_some() { '●' } else { '○' };
    let counters = &state.counters;
    let stopping = state.running.is_some_and(|running| running.stopping);
    let mut now = Vec::new();
    match (&state.prefill, stats::rate(state)) {
        _ if stopping => now.push((format!("{mark} stopping"), 0)),
        (Some(prefill), _) => now.push((format!("{mark} reading {}/{}", prefill.done, prefill.total), 0)),
        (None, Some(rate)) => now.push((format!("{mark} {rate:.1} t/s"), 0)),
        (None, None) if state.running.is_some() => now.push((format!("{mark} …"), 0)),
        (None, None) => now.push((format!("{mark} ready"), 0)),
    }
    if let Some(summary) = &state.room.writing {
        let plural = if summary.plan.turns == 1 { "" } else { "s" };
        now.push((format!("summarising {} turn{plural}", summary.plan.turns), 1));
    }
    if state.speculation.is_on() {
        // What was asked for stays on the screen longest: the numbers mean nothing without it.
        now.push((speculate::short(&state.speculation), 1));
        if let Some(share) = counters.accepted_share() {
            now.push((format!("acc {:.0}%", share * 100.0), 4));
        }
        if let Some(length) = counters.length_per_round() {
            now.push((format!("len {length:.1}"), 5));
        }
        if let Some(gain) = counters.gain {
            now.push((format!("×{gain:.2}"), 2));
        }
    } else {
        now.push((shorten(&speculate::line(&state.speculation), reason), 1));
    }
    let mut middle = Vec::new();
    if state.ready.is_some() {
        let share = context::share(state);
        // Nearly full is more important than how fast it goes.
        let (mark, rank) = if share >= context::WARN { ("!", 1) } else { ("", 3) };
        middle.push((format!("ctx {:.0}%{mark}", share * 100.0), rank));
    }
    if let Some(ready) = &state.ready
        && state.memory.1 > 0
    {
        // Of what was free when it was opened.
        #[expect(clippy::cast_precision_loss)]
        let share = ready.memory_bytes as f64 / state.memory.1 as f64;
        middle.push((format!("mem {:.0}%", share * 100.0), 9));
    }
    if !below.is_empty() {
        middle.push((below.to_string(), 6));
    }
    let temperature = state.start.sampling.temperature;
    let mut sampling = Vec::new();
    if temperature != state.start.own_sampling.temperature {
        sampling.push((format!("T={temperature}"), 10));
    }
    let mut keys = Vec::new();
    if state.running.is_some() {
        keys.push(("Esc stop".to_string(), 7));
    }
    keys.push(("? help".to_string(), 8));
    vec![now, middle, sampling, keys]
}

/// The line, giving up pieces until the line fits.
fn compose(mut groups: Vec<Vec<Piece>>, columns: usize) -> String {
    loop {
        let text = groups
            .iter()
            .filter(|group| !group.is_empty())
            .map(|group| group.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join("  "))
            .collect::<Vec<_>>()
            .join(" | ");
        let last = groups.iter().flatten().map(|(_, rank)| *rank).max().unwrap_or(0);
        // What is left is needed, if only its beginning.
        if width(&text) <= columns || last <= 1 {
            return shorten(&text, columns);
        }
        for group in &mut groups {
            group.retain(|(_, rank)| *rank != last);
        }
    }
}

fn join(groups: &[Vec<Piece>]) -> String {
    groups
        .iter()
        .filter(|group| !group.is_empty())
        .map(|group| group.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join("  "))
        .collect::<Vec<_>>()
        .join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_given_up_in_order() {
        let groups = || {
            vec![
                vec![("● 31.8 t/s".to_string(), 0), ("acc 71%".to_string(), 2), ("len 2.4".to_string(), 4)],
                vec![("ctx 26%".to_string(), 3)],
                vec![("Esc stop".to_string(), 6), ("? help".to_string(), 7)],
            ]
        };
        assert_eq!(compose(groups(), 80), "● 31.8 t/s  acc 71%  len 2.4 | ctx 26% | Esc stop  ? help");
        assert_eq!(compose(groups(), 40), "● 31.8 t/s  acc 71%  len 2.4 | ctx 26%");
        assert_eq!(compose(groups(), 20), "● 31.8 t/s  acc 71%");
        assert_eq!(compose(groups(), 8), "● 31.8…");
        assert_eq!(compose(groups(), 0), "");
    }
}
