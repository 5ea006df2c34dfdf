//! The last line: `● 31.8 t/s  acc 71%  len 2.4 | ctx 26% | Esc stop  ? help`.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::tui::app::State;
use crate::tui::engine::speculation_line;
use crate::tui::text::{shorten, width};
use crate::tui::theme::Theme;
use crate::tui::view::{below, stats};

/// A piece of the line, and how soon it is given up where columns are scarce: the highest goes first.
type Piece = (String, u8);

/// Columns of a reason for not speculating: all it may take, and what it is cut to before other pieces go.
const REASON: (usize, usize) = (70, 34);

/// Draws the line. A notice takes the place of the numbers while it lasts. `tell_below`: nothing above tells
/// what is below the view.
pub fn draw(state: &State, theme: Theme, frame: &mut Frame<'_>, area: Rect, tell_below: bool) {
    let columns = usize::from(area.width);
    if let Some((notice, _)) = &state.notice {
        let line = Line::from(Span::styled(shorten(&format!("! {notice}"), columns), theme.alert()));
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
    if state.speculation.is_on() {
        if counters.rounds == 0 {
            now.push((format!("draft {}", state.speculation.length), 2));
        }
        if let Some(share) = counters.accepted_share() {
            now.push((format!("acc {:.0}%", share * 100.0), 2));
        }
        if let Some(length) = counters.length_per_round() {
            now.push((format!("len {length:.1}"), 4));
        }
        if let Some(gain) = counters.gain {
            now.push((format!("×{gain:.2}"), 3));
        }
    } else {
        now.push((shorten(&speculation_line(&state.speculation), reason), 2));
    }
    let mut middle = Vec::new();
    if let Some(ready) = &state.ready {
        let share = f64::from(counters.context_used) / f64::from(ready.context_size.max(1));
        middle.push((format!("ctx {:.0}%", share * 100.0), 3));
    }
    if !below.is_empty() {
        middle.push((below.to_string(), 5));
    }
    let mut keys = Vec::new();
    if state.running.is_some() {
        keys.push(("Esc stop".to_string(), 6));
    }
    keys.push(("? help".to_string(), 7));
    vec![now, middle, keys]
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
        if width(&text) <= columns || last == 0 {
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
