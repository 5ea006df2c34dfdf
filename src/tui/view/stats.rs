//! The numbers: as lines, for the panel and for `/stats`, and in words, for `/why`. Definitions: docs/NUMBERS.md.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::event::Activity;
use crate::tui::app::State;
use crate::tui::engine::speculation_line;
use crate::tui::text::{one_line, shorten, wrap};
use crate::tui::theme::Theme;
use crate::tui::view::bar;

/// Positions of a draft that are listed; further ones are hardly ever reached.
const POSITIONS: usize = 8;

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
    wrap(&speculation_line(&state.speculation), columns, &mut wrapped);
    // A long reason is told in full by /why.
    out.extend(wrapped.into_iter().take(3).map(|line| (Kind::State, line)));
    let mut figure = |text: String| out.push((Kind::Figure, shorten(&text, columns)));
    if let Some(ready) = &state.ready {
        figure(format!("drafter    {}", drafter(state).unwrap_or_else(|| "none".to_string())));
        figure(format!("kind       {}", ready.draft_kind));
    }
    let counters = &state.counters;
    figure(String::new());
    match counters.accepted_share() {
        Some(share) => figure(format!("accepted   {:.0} % of {}", share * 100.0, counters.tested)),
        None => figure("accepted   …".to_string()),
    }
    let positions = counters.tested_by_position.iter().zip(&counters.accepted_by_position);
    for (place, (tested, accepted)) in positions.enumerate().take(POSITIONS) {
        if *tested > 0 {
            let share = f64::from(*accepted) / f64::from(*tested);
            let gauge = bar(share, columns.saturating_sub(11).min(16));
            figure(format!("pos {}  {share:.2} {gauge}", place + 1));
        }
    }
    match counters.length_per_round() {
        Some(length) => figure(format!("per round  {length:.2} tokens")),
        None => figure("per round  …".to_string()),
    }
    match rate(state) {
        Some(rate) => figure(format!("now        {rate:.1} t/s")),
        None => figure("now        …".to_string()),
    }
    if let Some(plain) = counters.plain_per_second {
        figure(format!("plain      {plain:.1} t/s"));
    }
    if let Some(gain) = counters.gain {
        figure(format!("gain       ×{gain:.2}"));
    }
    if let Some((draft, verify, other)) = time_shares(state) {
        figure(format!("draft {draft:.0}% verify {verify:.0}% other {other:.0}%"));
    }
    figure(String::new());
    if let Some(ready) = &state.ready {
        let share = f64::from(counters.context_used) / f64::from(ready.context_size.max(1));
        let gauge = bar(share, 6);
        figure(format!(
            "context    {} / {} {gauge}",
            short(counters.context_used),
            short(ready.context_size)
        ));
        figure(format!("memory     {}", bytes(ready.memory_bytes)));
    }
    out
}

/// Why it speculates or does not, in two sentences.
#[must_use]
pub fn why(state: &State) -> String {
    let pairing = state.ready.as_ref().map(|ready| one_line(&ready.pairing)).unwrap_or_default();
    let pairing = if pairing.ends_with(['.', '!', '?']) || pairing.is_empty() {
        pairing
    } else {
        format!("{pairing}.")
    };
    let speculation = &state.speculation;
    if speculation.is_on() {
        let drafter = drafter(state).unwrap_or_else(|| "the drafter".to_string());
        let so_far = match state.counters.length_per_round() {
            Some(length) => format!(", {length:.2} tokens a round in the last reply"),
            None => String::new(),
        };
        let reason = speculation.reason.as_deref().map(|r| format!(" ({})", one_line(r))).unwrap_or_default();
        return format!(
            "Speculation is on{reason}: {drafter} guesses up to {} tokens and the target checks them in one pass{so_far}. {pairing}",
            speculation.length
        );
    }
    let reason = speculation.reason.as_deref().map_or_else(|| "it was turned off".to_string(), one_line);
    let reason = reason.trim_end_matches('.').to_string();
    let has_drafter = state.ready.as_ref().is_some_and(|ready| ready.draft_kind != "none");
    if speculation.activity == Activity::Parked {
        return format!(
            "Speculation is parked: it was measured to be no faster here ({reason}). It is tried again now and then; /draft on forces it."
        );
    }
    let next = if has_drafter { "/draft auto turns it on.".to_string() } else { pairing };
    format!("Speculation is off: {reason}. {next}")
}

/// The drafter's name, where there is one.
fn drafter(state: &State) -> Option<String> {
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

/// A count of tokens, short: `412`, `4.1k`, `128k`.
fn short(count: u32) -> String {
    match count {
        0..1000 => count.to_string(),
        1000..10_000 => format!("{:.1}k", f64::from(count) / 1000.0),
        _ => format!("{:.0}k", f64::from(count) / 1000.0),
    }
}

/// Bytes, decimal as drives and download pages count them.
fn bytes(count: u64) -> String {
    // A display figure of three digits: the lost bits are far below it.
    #[expect(clippy::cast_precision_loss)]
    let count = count as f64;
    if count >= 1e9 { format!("{:.1} GB", count / 1e9) } else { format!("{:.0} MB", count / 1e6) }
}

/// Draws the panel: a rule at its left, a title, the lines.
pub fn draw(state: &State, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let columns = usize::from(area.width).saturating_sub(3);
    let mut content = vec![Line::from(Span::styled("speculation", theme.title()))];
    content.extend(lines(state, columns).into_iter().map(|(kind, text)| match kind {
        Kind::State => Line::from(Span::styled(
            text,
            if state.speculation.is_on() { theme.live() } else { theme.title() },
        )),
        Kind::Figure => Line::from(text),
    }));
    let mut content = content.into_iter();
    for y in area.top()..area.bottom() {
        let mut line = Line::from(Span::styled("│ ", theme.quiet()));
        line.spans.extend(content.next().unwrap_or_default().spans);
        frame.render_widget(line, Rect { y, height: 1, ..area });
    }
}
