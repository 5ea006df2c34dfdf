//! What fills the context, and the choice when it is full.

use ratatui::Frame;
use ratatui::layout::Rect;

use crate::tui::app::State;
use crate::tui::context::{Choice, Screen, plan, share};
use crate::tui::figures::{bar, count};
use crate::tui::text::wrap;
use crate::tui::theme::Theme;
use crate::tui::view::list;

/// Draws it.
pub fn draw(state: &State, screen: Screen, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let columns = usize::from(area.width);
    let mut rows = list::rows(area);
    let mut put = |text: &str, style| {
        if let Some(row) = rows.next() {
            list::line(frame, row, text, style);
        }
    };
    let size = state.ready.as_ref().map_or(0, |ready| ready.context_size);
    let share = share(state);
    put(&format!(" context: {:.0} % full", share * 100.0), theme.title());
    if area.height >= 8 {
        let used = count(state.counters.context_used);
        let gauge = bar(share, columns.saturating_sub(24).min(30));
        put(&format!(" {used} of {} tokens {gauge}", count(size)), ratatui::style::Style::new());
    }
    let mut lines = Vec::new();
    for text in story(state, screen) {
        wrap(&text, columns.saturating_sub(1), &mut lines);
    }
    let room = usize::from(area.height).saturating_sub(2 + Choice::ALL.len());
    for line in lines.into_iter().take(room) {
        put(&format!(" {line}"), theme.quiet());
    }
    for (at, choice) in Choice::ALL.into_iter().enumerate() {
        let selected = at == screen.selected;
        let text = format!("{}{} {}", list::mark(selected), at + 1, words(state, choice, screen));
        put(&text, list::style(selected, theme));
    }
}

/// What has happened, in sentences.
fn story(state: &State, screen: Screen) -> Vec<String> {
    let mut story = Vec::new();
    if let Some(too_long) = screen.too_long {
        story.push(format!(
            "The conversation with this question has {} tokens, and the context holds {}. Nothing was sent.",
            too_long.tokens, too_long.limit
        ));
    }
    let left_out = state.room.left_out;
    if left_out > 0 {
        let how = if state.room.summary.is_some() { ", a summary is" } else { "" };
        let turns = if left_out == 1 { "turn is".to_owned() } else { format!("{left_out} turns are") };
        story.push(format!("The oldest {turns} not sent any more{how}."));
    }
    story
}

fn words(state: &State, choice: Choice, screen: Screen) -> String {
    let plan = plan(state, screen.too_long);
    let turns = match plan.turns {
        1 => "the oldest turn".to_owned(),
        turns => format!("the oldest {turns} of {} turns", plan.of),
    };
    match choice {
        Choice::Stop if screen.too_long.is_some() => "take the question back".to_owned(),
        Choice::Stop => "leave it as it is".to_owned(),
        _ if plan.turns == 0 => "(there are no earlier turns)".to_owned(),
        Choice::Drop => format!("leave out {turns} (about {} tokens)", count(plan.tokens)),
        Choice::Summarise => format!("summarise {turns}"),
    }
}
