//! What lies over the transcript, and the keys while it does.

use crossterm::event::{KeyCode, KeyEvent};

use crate::tui::app::{Effect, State};
use crate::tui::context::{self, Choice};
use crate::tui::keys::Action;
use crate::tui::options::{self, Options};
use crate::tui::palette::{self, Palette};
use crate::tui::sessions::list;
use crate::tui::{pairs, view};

/// What lies over the transcript.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Overlay {
    /// Nothing.
    #[default]
    None,
    /// The help, scrolled by this many lines.
    Help(usize),
    /// The numbers, where the screen is too narrow to have them at the side; scrolled by this many lines.
    Panel(usize),
    /// Any command, by a few of its letters.
    Palette(Palette),
    /// The settings.
    Options(Options),
    /// The pairs on this machine; the list itself is in the state.
    Models,
    /// What to do about a full context.
    Context(context::Screen),
    /// The stored sessions; the list itself is in the state.
    Sessions,
}

impl Overlay {
    /// Whether letters go to it and not to the input.
    #[must_use]
    pub fn takes_letters(&self) -> bool {
        !matches!(self, Overlay::None | Overlay::Panel(_))
    }

    /// Whether any letter is text there.
    #[must_use]
    pub fn is_typed_into(&self) -> bool {
        match self {
            Overlay::Palette(_) | Overlay::Sessions => true,
            Overlay::Options(options) => options.typing.is_some(),
            _ => false,
        }
    }
}

/// Opens `overlay`, or closes it where it is open.
pub(super) fn toggle(state: &mut State, overlay: Overlay) {
    let same = std::mem::discriminant(&state.overlay) == std::mem::discriminant(&overlay);
    state.overlay = if same { Overlay::None } else { overlay };
}

/// How far a key moves through lines; a page is as many as is safe on any screen.
fn lines(action: Action) -> Option<isize> {
    match action {
        Action::Up | Action::LineUp => Some(-1),
        Action::Down | Action::LineDown => Some(1),
        Action::PageUp => Some(-10),
        Action::PageDown => Some(10),
        Action::Start => Some(isize::MIN),
        Action::End => Some(isize::MAX),
        _ => None,
    }
}

/// The line of a list of `count` that is marked after a key which moves through it. Tab goes down.
pub(super) fn marked(selected: usize, count: usize, action: Action) -> Option<usize> {
    let by = lines(if action == Action::Complete { Action::Down } else { action })?;
    let to = selected.saturating_add_signed(by);
    Some(if by > 0 { to.min(count.saturating_sub(1)) } else { to })
}

/// A key with a meaning. `None`: it means here what it means elsewhere.
pub(super) fn act(state: &mut State, action: Action) -> Option<Vec<Effect>> {
    match &mut state.overlay {
        Overlay::None => None,
        Overlay::Help(top) => {
            match (lines(action), action) {
                // Where it ends, the next drawing knows.
                (Some(by), _) => *top = top.saturating_add_signed(by).min(usize::from(u16::MAX)),
                (None, Action::Send) => state.overlay = Overlay::None,
                _ => return None,
            }
            Some(Vec::new())
        }
        Overlay::Panel(top) => {
            // The arrows stay the input's: it can be written into while the numbers are shown.
            let by = lines(action).filter(|_| !matches!(action, Action::Up | Action::Down))?;
            *top = top.saturating_add_signed(by).min(view::stats::MOST_LINES);
            Some(Vec::new())
        }
        Overlay::Palette(_) => palette::act(state, action),
        Overlay::Options(_) => options::act(state, action),
        Overlay::Models => pairs::act(state, action),
        Overlay::Sessions => list::act(state, action),
        Overlay::Context(screen) => {
            let last = Choice::ALL.len() - 1;
            match (lines(action), action) {
                (Some(by), _) => screen.selected = screen.selected.saturating_add_signed(by).min(last),
                (None, Action::Send) => {
                    let (choice, too_long) = (Choice::ALL[screen.selected.min(last)], screen.too_long);
                    return Some(context::choose(state, choice, too_long));
                }
                _ => return None,
            }
            Some(Vec::new())
        }
    }
}

/// A key that edits. `None`: it is the input's.
pub(super) fn edit(state: &mut State, key: KeyEvent) -> Option<Vec<Effect>> {
    match &mut state.overlay {
        Overlay::None | Overlay::Panel(_) => return None,
        Overlay::Help(_) => {
            if key.code == KeyCode::Char('q') {
                state.overlay = Overlay::None;
            }
        }
        Overlay::Palette(palette) => palette.edit(key),
        Overlay::Options(_) => return Some(options::edit(state, key)),
        Overlay::Models => return Some(pairs::edit(state, key)),
        Overlay::Sessions => return Some(list::edit(state, key)),
        Overlay::Context(screen) => {
            let too_long = screen.too_long;
            if let KeyCode::Char(digit @ '1'..='3') = key.code {
                let choice = Choice::ALL[usize::from(digit as u8 - b'1')];
                return Some(context::choose(state, choice, too_long));
            }
        }
    }
    Some(Vec::new())
}

/// A paste. `false`: it is the input's.
pub(super) fn paste(state: &mut State, text: &str) -> bool {
    match &mut state.overlay {
        Overlay::Palette(palette) => palette.paste(text),
        Overlay::Options(options) => options.paste(text),
        Overlay::None | Overlay::Panel(_) => return false,
        Overlay::Help(_) | Overlay::Models | Overlay::Sessions | Overlay::Context(_) => {}
    }
    true
}
