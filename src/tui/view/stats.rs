//! The numbers of speculation: at the side of a wide screen, over the transcript of a narrow one, and as text for
//! `/stats`. Definitions: docs/NUMBERS.md.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::tui::app::State;
use crate::tui::figures::{bar, bytes, count};
use crate::tui::history::{Point, sparkline};
use crate::tui::text::{one_line, shorten, width, wrap};
use crate::tui::theme::Theme;
use crate::tui::{context, speculate};

/// Positions of a draft that are listed; further ones are hardly ever reached.
const POSITIONS: usize = 8;
/// Points of a sparkline at most: two minutes at a few points a second.
const POINTS: usize = 24;
/// The panel never has more lines than this, so that scrolling has an end.
pub const MOST_LINES: usize = 60;

/// What a line of the panel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Its state.
    State,
    /// A figure.
    Figure,
}

/// The panel's lines for `columns`.
#[must_use]
pub fn lines(state: &State, columns: usize) -> Vec<(Kind, String)> {
    let mut out = Vec::new();
    let mut wrapped = Vec::new();
    wrap(&speculate::line(&state.speculation), columns, &mut wrapped);
    // A long reason is told in full by /why.
    out.extend(wrapped.into_iter().take(3).map(|line| (Kind::State, line)));
    let mut figure = |text: String| out.push((Kind::Figure, shorten(&text, columns)));
    if let Some(ready) = &state.ready {
        figure(format!("drafter    {}", drafter(state).unwrap_or_else(|| "none".to_string())));
        figure(format!("kind       {}", ready.draft_kind));
    }
    figure(String::new());
    acceptance(state, columns, &mut figure);
    figure(String::new());
    speed(state, columns, &mut figure);
    figure(String::new());
    memory(state, &mut figure);
    out
}

/// What is accepted: in all, by place of the draft, and how long rounds are by it.
fn acceptance(state: &State, columns: usize, figure: &mut impl FnMut(String)) {
    let counters = &state.counters;
    let spark = |value: fn(&Point) -> Option<f64>, room: usize| trend(state, room, Some(1.0), value);
    match counters.accepted_share() {
        Some(share) => {
            let text = format!("accepted   {:.0} % of {}", share * 100.0, counters.tested);
            let room = columns.saturating_sub(width(&text) + 2);
            figure(format!("{text}  {}", spark(Point::accepted, room)).trim_end().to_owned());
        }
        None => figure("accepted   …".to_string()),
    }
    let positions = counters.tested_by_position.iter().zip(&counters.accepted_by_position);
    // Half of what is left for the bar, half for how it went.
    let room = columns.saturating_sub(12);
    let (gauge, line) = (room.div_ceil(2).min(16), (room / 2).min(POINTS));
    for (place, (tested, accepted)) in positions.enumerate().take(POSITIONS) {
        if *tested > 0 {
            let share = f64::from(*accepted) / f64::from(*tested);
            let bar = bar(share, gauge);
            let pad = " ".repeat(gauge.saturating_sub(width(&bar)) + 1);
            let went = trend(state, line, Some(1.0), |point| point.accepted_at(place));
            figure(format!("pos {}  {share:.2} {bar}{pad}{went}", place + 1).trim_end().to_owned());
        }
    }
    match counters.length_per_round() {
        Some(length) => figure(format!("per round  {length:.2} tokens")),
        None => figure("per round  …".to_string()),
    }
    if let Some(guesses) = state.history.lately().guesses() {
        figure(format!("guesses    {guesses:.1} a round lately"));
    }
}

/// How fast it is, what it would be without guesses, and where the time goes.
fn speed(state: &State, columns: usize, figure: &mut impl FnMut(String)) {
    let counters = &state.counters;
    match rate(state) {
        Some(rate) => {
            let text = format!("now        {rate:.1} t/s");
            let room = columns.saturating_sub(width(&text) + 2);
            figure(format!("{text}  {}", trend(state, room, None, Point::speed)).trim_end().to_owned());
        }
        None => figure("now        …".to_string()),
    }
    match counters.plain_per_second {
        Some(plain) => figure(format!("plain      {plain:.1} t/s (measured)")),
        None => figure("plain      …".to_string()),
    }
    match counters.gain {
        Some(gain) => figure(format!("gain       ×{gain:.2}")),
        None => figure("gain       …".to_string()),
    }
    if let Some((draft, verify, other)) = time_shares(state) {
        figure(format!("draft {draft:.0}% verify {verify:.0}% other {other:.0}%"));
    }
}

/// How full the context is, and the memory it all takes.
fn memory(state: &State, figure: &mut impl FnMut(String)) {
    let Some(ready) = &state.ready else { return };
    let gauge = bar(context::share(state), 6);
    let used = count(state.counters.context_used);
    figure(format!("context    {used} / {} {gauge}", count(ready.context_size)));
    if state.room.left_out > 0 {
        figure(format!("left out   {} oldest turns", state.room.left_out));
    }
    let free = match state.memory.1 {
        0 => String::new(),
        free => format!(" / {}", bytes(free)),
    };
    figure(format!("memory     {}{free}", bytes(ready.memory_bytes)));
}

/// How a value went over the last rounds; its highest is a full bar where none is given.
fn trend(state: &State, room: usize, full: Option<f64>, value: impl Fn(&Point) -> Option<f64>) -> String {
    let room = room.min(POINTS);
    let values: Vec<Option<f64>> = state.history.last(room).map(value).collect();
    // One point is no history.
    if values.len() < 2 || room < 3 {
        return String::new();
    }
    let full = full.unwrap_or_else(|| values.iter().flatten().copied().fold(0.0, f64::max));
    sparkline(values.into_iter(), full)
}

/// The drafter's name, where there is one.
#[must_use]
pub fn drafter(state: &State) -> Option<String> {
    let ready = state.ready.as_ref()?;
    match &ready.drafter {
        Some(file) => Some(one_line(&file.file_name().unwrap_or(file.as_os_str()).to_string_lossy())),
        None if ready.draft_kind == "lookup" => Some("the text itself".to_string()),
        None => None,
    }
}

/// Tokens per second: live while a reply is written, of the whole reply after it.
#[must_use]
pub fn rate(state: &State) -> Option<f64> {
    if state.running.is_some() { state.meter.rate() } else { state.counters.tokens_per_second() }
}

/// Shares of the time in percent: drafting, verifying, the rest.
fn time_shares(state: &State) -> Option<(f64, f64, f64)> {
    let counters = &state.counters;
    let whole = counters.elapsed.as_secs_f64();
    if whole <= 0.0 {
        return None;
    }
    let draft = (counters.drafting.as_secs_f64() / whole).min(1.0);
    let verify = (counters.verifying.as_secs_f64() / whole).min(1.0 - draft);
    Some((draft * 100.0, verify * 100.0, ((1.0 - draft - verify) * 100.0).max(0.0)))
}

/// Draws the panel from line `top` on: a rule at its left, a title, the lines.
pub fn draw(state: &State, theme: Theme, top: usize, frame: &mut Frame<'_>, area: Rect) {
    let columns = usize::from(area.width).saturating_sub(3);
    let mut content = vec![Line::from(Span::styled("speculation", theme.title()))];
    content.extend(lines(state, columns).into_iter().map(|(kind, text)| match kind {
        Kind::State => Line::from(Span::styled(
            text,
            if state.speculation.is_on() { theme.live() } else { theme.title() },
        )),
        Kind::Figure => Line::from(text),
    }));
    let last = content.len().saturating_sub(usize::from(area.height));
    let mut content = content.into_iter().skip(top.min(last));
    for y in area.top()..area.bottom() {
        let mut line = Line::from(Span::styled("│ ", theme.quiet()));
        line.spans.extend(content.next().unwrap_or_default().spans);
        frame.render_widget(line, Rect { y, height: 1, ..area });
    }
}
