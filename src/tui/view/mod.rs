//! The screen as a function of the state. Nothing here changes anything: [`fit`] does the one thing that
//! must come before (wrapping for the size at hand), and belongs to the run loop.

pub mod composer;
pub mod context;
pub mod help;
pub mod list;
pub mod loading;
pub mod options;
pub mod pairs;
pub mod palette;
pub mod sessions;
pub mod stats;
pub mod status;
pub mod tokens;
pub mod transcript;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Clear;

use crate::tui::app::{Overlay, Stage, State};
use crate::tui::select;
use crate::tui::sessions::select as letters;
use crate::tui::text::{one_line, shorten, width};
use crate::tui::theme::Theme;

/// From this many columns on there is room for the panel at the side.
const WIDE: u16 = 110;
/// The panel's width, its rule included.
const PANEL: u16 = 34;
/// Below this the screen says only that it is too small.
const LEAST: (u16, u16) = (10, 3);

/// Where everything goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Areas {
    /// Name of the program and the model, where there is height for it.
    pub header: Option<Rect>,
    /// The conversation.
    pub transcript: Rect,
    /// The panel at the side.
    pub side: Option<Rect>,
    /// The line above the input, where there is height for it.
    pub rule: Option<Rect>,
    /// The input.
    pub composer: Rect,
    /// The last line.
    pub status: Rect,
}

/// Whether a screen of this width has the panel at the side.
#[must_use]
pub fn has_side_panel(columns: u16) -> bool {
    columns >= WIDE
}

/// Where everything goes on a screen of this size; `None` where nothing fits.
#[must_use]
pub fn areas(state: &State, screen: Rect) -> Option<Areas> {
    // An inline view does not begin at the top of the screen.
    let Rect { y, width, height, .. } = screen;
    if width < LEAST.0 || height < LEAST.1 {
        return None;
    }
    let inline = state.inline.as_ref();
    let header = u16::from(height >= 10 && inline.is_none());
    let rule = u16::from(height >= 8);
    let most = (height / 3).clamp(1, 8);
    let wanted = composer::rows(state, width).0.len();
    let input = u16::try_from(wanted).unwrap_or(most).clamp(1, most);
    let mut body = height - header - rule - input - 1;
    let side = has_side_panel(width) && state.side_panel && body >= 8 && inline.is_none();
    if let Some(inline) = inline.filter(|_| !state.tokens.shown) {
        // The input follows what still grows, and what may be completed stands above it.
        let rows = inline.filled().max(composer::menu_rows(state));
        body = body.min(u16::try_from(rows).unwrap_or(body));
    }
    let text = if side { width - PANEL } else { width };
    Some(Areas {
        header: (header > 0).then(|| Rect::new(0, y, width, 1)),
        transcript: Rect::new(0, y + header, text, body),
        side: side.then(|| Rect::new(text, y + header, PANEL, body)),
        rule: (rule > 0).then(|| Rect::new(0, y + header + body, width, 1)),
        composer: Rect::new(0, y + header + body + rule, width, input),
        status: Rect::new(0, y + header + body + rule + input, width, 1),
    })
}

/// Wraps what has changed for a screen of this size, before it is drawn.
pub fn fit(state: &mut State, columns: u16, rows: u16) {
    state.columns = columns;
    if let Overlay::Help(top) = &mut state.overlay {
        *top = (*top).min(help::last_top(columns, rows.saturating_sub(1)));
    }
    if let Some(areas) = areas(state, Rect::new(0, 0, columns, rows)) {
        let inner = transcript::inner(areas.transcript);
        state.composer.fit(composer::width(columns));
        let (columns, height) = (usize::from(inner.width), usize::from(inner.height));
        match &mut state.inline {
            Some(inline) => inline.fit(&state.transcript, columns, usize::from(rows)),
            None => state.transcript.fit(columns, height),
        }
        state.marked = state.selection.map(|selection| {
            let rows = select::rows(&mut state.transcript, selection);
            state.transcript.in_view(selection.entry, &rows)
        });
        let rows = tokens::rows(areas.transcript);
        state.tokens.fit(&state.transcript, usize::from(rows.width), usize::from(rows.height));
    }
}

/// Draws the whole screen.
pub fn draw(state: &State, theme: Theme, frame: &mut Frame<'_>) {
    let screen = frame.area();
    let Some(areas) = areas(state, screen) else {
        frame.render_widget(Line::from("terminal too small"), screen);
        return;
    };
    if state.stage() != Stage::Chatting {
        match (state.stage(), &state.overlay) {
            (_, Overlay::Help(top)) => help::draw(*top, theme, frame, screen),
            (_, Overlay::Sessions) => sessions::draw(state, theme, frame, screen),
            (Stage::Choosing, _) => pairs::draw(state, theme, frame, screen),
            _ => loading::draw(state, theme, frame, screen),
        }
        return;
    }
    if let Some(area) = areas.header {
        header(state, theme, frame, area);
    }
    if state.tokens.shown {
        tokens::draw(state, theme, frame, areas.transcript);
    } else {
        let shown = state.inline.as_ref().map_or(&state.transcript, |inline| &inline.live);
        transcript::draw(shown, theme, frame.buffer_mut(), areas.transcript);
        if let Some(rows) = &state.marked {
            transcript::mark(rows, theme, frame.buffer_mut(), areas.transcript);
        }
    }
    if let Some(area) = areas.side {
        stats::draw(state, theme, 0, frame, area);
    }
    if let Some(area) = areas.rule {
        rule(state, theme, frame, area);
    }
    status::draw(state, theme, frame, areas.status, areas.rule.is_none());
    composer::draw(state, theme, frame, areas.composer);
    composer::draw_menu(state, theme, frame, areas.transcript);
    overlay(state, theme, frame, &areas, screen);
}

/// What lies over the transcript, or over everything but the status line.
fn overlay(state: &State, theme: Theme, frame: &mut Frame<'_>, areas: &Areas, screen: Rect) {
    let whole = Rect { height: screen.height - 1, ..screen };
    match &state.overlay {
        Overlay::None => {}
        Overlay::Panel(_) if areas.side.is_some() => {}
        Overlay::Panel(top) => {
            let area = areas.transcript;
            // A few columns of the conversation beside it would say nothing.
            let columns = if area.width < PANEL + 10 { area.width } else { PANEL };
            let area = Rect { x: area.width - columns, width: columns, ..area };
            uncover(frame, area);
            stats::draw(state, theme, *top, frame, area);
        }
        Overlay::Help(top) => {
            uncover(frame, whole);
            help::draw(*top, theme, frame, whole);
        }
        Overlay::Palette(open) => {
            uncover(frame, whole);
            palette::draw(open, theme, frame, whole);
        }
        Overlay::Options(open) => {
            uncover(frame, whole);
            options::draw(state, open, theme, frame, whole);
        }
        Overlay::Models => {
            uncover(frame, whole);
            pairs::draw(state, theme, frame, whole);
        }
        Overlay::Sessions => {
            uncover(frame, whole);
            sessions::draw(state, theme, frame, whole);
        }
        Overlay::Context(open) => {
            // The lower part is enough: what was said stays in view.
            let height = whole.height.min(10);
            let area = Rect { y: whole.bottom() - height, height, ..whole };
            uncover(frame, area);
            context::draw(state, *open, theme, frame, area);
        }
    }
}

/// Empties `area`, also of the right halves of wide characters that begin left of it.
fn uncover(frame: &mut Frame<'_>, area: Rect) {
    frame.render_widget(Clear, area);
    let Some(left) = area.x.checked_sub(1) else { return };
    for y in area.top()..area.bottom() {
        if let Some(cell) = frame.buffer_mut().cell_mut((left, y))
            && width(cell.symbol()) > 1
        {
            cell.set_symbol(" ");
        }
    }
}

fn header(state: &State, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let (model, quantization) = match &state.ready {
        Some(ready) => (one_line(&ready.model_name), one_line(&ready.quantization)),
        None => (one_line(&state.start.title), String::new()),
    };
    let columns = usize::from(area.width);
    let model = shorten(&model, columns.saturating_sub(16 + quantization.len()));
    // The chat's title stands at the right, where there is room for a few words of it.
    let used = 15 + width(&model) + width(&quantization);
    let room = columns.saturating_sub(used + 4);
    let title = one_line(state.sessions.chat.title());
    let title = if room < 12 || title.is_empty() { String::new() } else { shorten(&title, room.min(60)) };
    let gap = columns.saturating_sub(used + width(&title) + 1);
    let line = Line::from(vec![
        Span::styled(" slipstream", theme.title()),
        Span::raw("  "),
        Span::raw(model),
        Span::raw("  "),
        Span::styled(quantization, theme.quiet()),
        Span::raw(" ".repeat(gap)),
        Span::styled(title, theme.quiet()),
    ]);
    frame.render_widget(line, area);
}

/// The line above the input tells, at its right, what is below the view.
fn rule(state: &State, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let hint = below(state);
    let columns = usize::from(area.width);
    let tail = if hint.is_empty() {
        String::new()
    } else {
        format!(" {} ", shorten(&hint, columns.saturating_sub(4)))
    };
    let room = columns.saturating_sub(width(&tail) + 4);
    let head = standing(state).filter(|_| room > 8);
    let head = head.map_or_else(String::new, |text| format!("─ {} ", shorten(&one_line(&text), room - 3)));
    let line = Line::from(vec![
        Span::styled(head.clone(), theme.quiet()),
        Span::styled("─".repeat(columns.saturating_sub(width(&head) + width(&tail) + 1)), theme.quiet()),
        Span::styled(tail, theme.title()),
        Span::styled("─", theme.quiet()),
    ]);
    frame.render_widget(line, area);
}

/// What stands at the left of that line for as long as it is so: the keys of a choice, what is being edited, what is wrong
/// with the disk.
fn standing(state: &State) -> Option<String> {
    if state.selection.is_some() {
        return Some(letters::KEYS.to_owned());
    }
    if state.sessions.chat.is_editing() {
        return Some("Enter sends another version, Esc leaves it as it was".to_owned());
    }
    state.sessions.trouble.clone()
}

/// What is below the view, in words; empty at the end.
#[must_use]
pub fn below(state: &State) -> String {
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    match state.transcript.below() {
        (0, _) => String::new(),
        (below, 0) => format!("↓ {below} line{}", plural(below)),
        (_, new) => format!("↓ {new} new line{}", plural(new)),
    }
}
