//! The keys: one table, from which both the lookup and the help are made.

use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseEventKind};

use crate::tui::app::Msg;

/// What a key asks for. (What it does may depend on the state: `update` decides.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send the input.
    Send,
    /// A new line in the input.
    NewLine,
    /// Close what is open, or stop the reply.
    Escape,
    /// Stop; again: quit.
    Interrupt,
    /// Quit on an empty input, else delete a character.
    EndOfInput,
    /// Back to the shell for a while.
    Suspend,
    /// Draw everything anew.
    Redraw,
    /// Show or fold reasoning.
    Thoughts,
    /// Show or hide the panel.
    Panel,
    /// Show or hide the help.
    Help,
    /// The line above, or the input before.
    Up,
    /// The line below, or the input after.
    Down,
    /// Scroll a page up.
    PageUp,
    /// Scroll a page down.
    PageDown,
    /// Scroll a line up.
    LineUp,
    /// Scroll a line down.
    LineDown,
    /// Scroll to the first line.
    Start,
    /// Scroll to the end, and follow it.
    End,
    /// Complete a command's name, a model or a path.
    Complete,
    /// Look for an earlier input.
    Search,
    /// Edit the input in the person's own editor.
    Editor,
    /// The next key has another meaning.
    Prefix,
    /// After the prefix: a key that means nothing there.
    NoPrefixed,
    /// Show or hide the palette.
    Palette,
    /// Show or hide the models.
    Models,
    /// Show or hide the settings.
    Settings,
    /// Show or hide who chose each token.
    Tokens,
    /// Show or hide rejected guesses among the tokens.
    Rejected,
    /// One guess a round more.
    MoreGuesses,
    /// One guess a round less.
    FewerGuesses,
    /// Speculate automatically, then always, then not at all.
    CycleDraft,
    /// Copy the last reply; again: its last code block.
    Copy,
    /// What fills the context, and what can be done about it.
    Context,
    /// Show or hide the sessions.
    Sessions,
    /// A new conversation.
    NewChat,
    /// Another title for the session.
    RenameSession,
    /// Delete the session.
    DeleteSession,
    /// Write the session into a file.
    ExportSession,
    /// Take the last deletion back.
    BringBack,
    /// The next version of the last turn that has several.
    NextVersion,
    /// The one before.
    PreviousVersion,
}

/// What decides the meaning of a key beside the key itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Focus {
    /// The input is empty, and nothing else takes letters.
    pub empty: bool,
    /// The key before was the prefix.
    pub prefix: bool,
    /// Something in the transcript is marked.
    pub selecting: bool,
}

/// One line of the table.
pub struct Binding {
    code: KeyCode,
    modifiers: KeyModifiers,
    /// What it asks for.
    pub action: Action,
    /// Only on an empty input; else the key is text.
    only_empty: bool,
    /// The key's name, empty where another line of the table already tells.
    pub shown: &'static str,
    /// What it does, for the help.
    pub does: &'static str,
}

const NONE: KeyModifiers = KeyModifiers::NONE;
const CONTROL: KeyModifiers = KeyModifiers::CONTROL;
const ALT: KeyModifiers = KeyModifiers::ALT;
const SHIFT: KeyModifiers = KeyModifiers::SHIFT;

const fn key(
    code: KeyCode,
    modifiers: KeyModifiers,
    action: Action,
    shown: &'static str,
    does: &'static str,
) -> Binding {
    Binding { code, modifiers, action, only_empty: false, shown, does }
}

impl Binding {
    /// Keys that must work whatever came before.
    fn ends_prefix(&self) -> bool {
        matches!(self.action, Action::Interrupt | Action::Suspend | Action::Redraw)
    }
}

const fn on_empty(mut binding: Binding) -> Binding {
    binding.only_empty = true;
    binding
}

/// The table. Keys that are not in it edit the input.
pub const BINDINGS: &[Binding] = &[
    key(KeyCode::Enter, NONE, Action::Send, "Enter", "send"),
    key(KeyCode::Char('j'), CONTROL, Action::NewLine, "Ctrl+J, Shift+Enter", "new line"),
    key(KeyCode::Enter, SHIFT, Action::NewLine, "", ""),
    key(KeyCode::Enter, ALT, Action::NewLine, "", ""),
    key(KeyCode::Enter, CONTROL, Action::NewLine, "", ""),
    key(KeyCode::Esc, NONE, Action::Escape, "Esc", "stop the reply; close what is open"),
    key(KeyCode::Char('c'), CONTROL, Action::Interrupt, "Ctrl+C", "stop; twice: quit"),
    key(KeyCode::Char('d'), CONTROL, Action::EndOfInput, "Ctrl+D", "quit, on an empty input"),
    key(KeyCode::Char('z'), CONTROL, Action::Suspend, "Ctrl+Z", "to the shell (fg comes back)"),
    key(KeyCode::Char('l'), CONTROL, Action::Redraw, "Ctrl+L", "draw anew"),
    key(KeyCode::Char('t'), CONTROL, Action::Thoughts, "Ctrl+T", "show or fold reasoning"),
    key(KeyCode::Char('p'), CONTROL, Action::Palette, "Ctrl+P", "find any command or key"),
    key(KeyCode::Char('o'), CONTROL, Action::Models, "Ctrl+O", "models: load another pair"),
    key(KeyCode::Char('n'), CONTROL, Action::NewChat, "Ctrl+N", "a new conversation"),
    key(KeyCode::Char('s'), CONTROL, Action::Sessions, "Ctrl+S", "sessions: open, search, delete"),
    key(KeyCode::Char('y'), CONTROL, Action::Copy, "Ctrl+Y", "copy the reply; again: its last code"),
    key(KeyCode::Char('x'), CONTROL, Action::Prefix, "Ctrl+X", "then one of:"),
    on_empty(key(KeyCode::Char('?'), NONE, Action::Help, "?, F1", "this help (? on an empty input)")),
    on_empty(key(KeyCode::Char('?'), SHIFT, Action::Help, "", "")),
    key(KeyCode::F(1), NONE, Action::Help, "", ""),
    key(KeyCode::Up, NONE, Action::Up, "Up, Down", "line; at the edge: earlier inputs"),
    key(KeyCode::Down, NONE, Action::Down, "", ""),
    key(KeyCode::PageUp, NONE, Action::PageUp, "PgUp, PgDn, wheel", "scroll"),
    key(KeyCode::PageDown, NONE, Action::PageDown, "", ""),
    key(KeyCode::Up, SHIFT, Action::LineUp, "Shift+Up, Down", "scroll a line"),
    key(KeyCode::Down, SHIFT, Action::LineDown, "", ""),
    on_empty(key(KeyCode::Home, NONE, Action::Start, "Home, End", "first, last line (empty input)")),
    on_empty(key(KeyCode::End, NONE, Action::End, "", "")),
    key(KeyCode::Tab, NONE, Action::Complete, "Tab", "complete; on an empty input: select"),
    key(KeyCode::Char('r'), CONTROL, Action::Search, "Ctrl+R", "look for an earlier input"),
    key(KeyCode::Char('g'), CONTROL, Action::Editor, "Ctrl+G", "edit the input in $EDITOR"),
];

/// What follows the prefix. `shown` is written with it.
pub const PREFIXED: &[Binding] = &[
    key(KeyCode::Char('p'), NONE, Action::Panel, "Ctrl+X p", "the numbers of speculation"),
    key(KeyCode::Char('t'), NONE, Action::Tokens, "Ctrl+X t", "who chose each token"),
    key(KeyCode::Char('r'), NONE, Action::Rejected, "Ctrl+X r", "rejected guesses among the tokens"),
    key(KeyCode::Char('s'), NONE, Action::CycleDraft, "Ctrl+X s", "speculate auto, on, off"),
    key(KeyCode::Char('+'), NONE, Action::MoreGuesses, "Ctrl+X +", "one guess a round more"),
    key(KeyCode::Char('='), NONE, Action::MoreGuesses, "", ""),
    key(KeyCode::Char('-'), NONE, Action::FewerGuesses, "Ctrl+X -", "one guess a round less"),
    key(KeyCode::Char(','), NONE, Action::Settings, "Ctrl+X ,", "settings"),
    key(KeyCode::Char('c'), NONE, Action::Context, "Ctrl+X c", "what fills the context"),
    key(KeyCode::Char('m'), NONE, Action::Models, "", ""),
    key(KeyCode::Char(']'), NONE, Action::NextVersion, "Ctrl+X ], [", "next, previous version of a turn"),
    key(KeyCode::Char('['), NONE, Action::PreviousVersion, "", ""),
    key(KeyCode::Char('n'), NONE, Action::RenameSession, "Ctrl+X n", "rename the session"),
    key(KeyCode::Char('d'), NONE, Action::DeleteSession, "Ctrl+X d", "delete the session"),
    key(KeyCode::Char('z'), NONE, Action::BringBack, "Ctrl+X z", "bring back what was deleted"),
    key(KeyCode::Char('e'), NONE, Action::ExportSession, "Ctrl+X e", "write the session into a file"),
];

/// What keys mean while something is marked.
pub const SELECTING: &[Binding] = &[
    key(KeyCode::Char('j'), NONE, Action::Down, "j, k", "select: the next, the one before"),
    key(KeyCode::Char('k'), NONE, Action::Up, "", ""),
    key(KeyCode::Char('y'), NONE, Action::Copy, "y, Enter", "select: copy it"),
    key(KeyCode::Char('g'), NONE, Action::Start, "g, G", "select: the first, the last"),
    key(KeyCode::Char('G'), NONE, Action::End, "", ""),
    key(KeyCode::Char('G'), SHIFT, Action::End, "", ""),
    key(KeyCode::Char('q'), NONE, Action::Escape, "q, Esc", "select: leave"),
];

/// Editing keys that the input handles itself, for the help.
pub const EDITING: &[(&str, &str)] = &[
    ("Ctrl+A, Ctrl+E", "start, end of the line"),
    ("Ctrl+K, Ctrl+U", "delete to the end, to the start"),
    ("Ctrl+W", "delete a word"),
    ("Ctrl+Left, Ctrl+Right", "a word back, on (also Alt+B, Alt+F)"),
    ("Backspace at [pasted …]", "opens it; Ctrl+W deletes it"),
    ("e r c, b h l, d", "select: edit, again, go on; versions; delete"),
    ("Esc Esc", "edit the last question"),
];

/// What `key` means by what is focused.
#[must_use]
pub fn message(key: KeyEvent, focus: Focus) -> Msg {
    let modifiers = key.modifiers & (CONTROL | ALT | SHIFT);
    // With Ctrl, letters may come in upper case (Caps Lock, or Shift held too).
    let (code, modifiers) = match key.code {
        KeyCode::Char(c) if modifiers.contains(CONTROL) => {
            (KeyCode::Char(c.to_ascii_lowercase()), modifiers - SHIFT)
        }
        code => (code, modifiers),
    };
    let found = |table: &'static [Binding], modifiers| {
        table.iter().find(|b| b.code == code && b.modifiers == modifiers && (focus.empty || !b.only_empty))
    };
    if focus.prefix {
        // Ctrl may still be held from the prefix, and + takes Shift on most keyboards.
        let always = found(BINDINGS, modifiers).filter(|binding| binding.ends_prefix());
        let bound = always.or_else(|| found(PREFIXED, NONE));
        return Msg::Act(bound.map_or(Action::NoPrefixed, |binding| binding.action));
    }
    let selecting = found(SELECTING, modifiers).filter(|_| focus.selecting);
    selecting
        .or_else(|| found(BINDINGS, modifiers))
        .map_or(Msg::Edit(KeyEvent::new(code, modifiers)), |b| Msg::Act(b.action))
}

/// Arrow keys that come in one read from one notch of the wheel: terminals send three or more of them for
/// the wheel on the alternate screen (CSI ?1007h), and no finger is that fast.
const WHEEL: usize = 3;
/// Lines of one notch of a wheel that comes as what it is.
const NOTCH: isize = 3;

/// What the terminal sent, in order, as messages. `focus` is asked before each key, since the key
/// before it may have changed the answer; so this yields one message at a time.
pub fn next_message(inputs: &mut std::collections::VecDeque<Input>, focus: Focus) -> Option<Msg> {
    match inputs.pop_front()? {
        Input::Key(key) if key.kind == KeyEventKind::Release => Some(Msg::Nothing),
        Input::Key(key) => {
            if let Some(direction) = arrow(&key) {
                let more = inputs.iter().take_while(|next| same_key(next, &key)).count();
                if more + 1 >= WHEEL {
                    inputs.drain(..more);
                    return Some(Msg::Scroll(direction * isize::try_from(more + 1).unwrap_or(1)));
                }
            }
            Some(message(key, focus))
        }
        Input::Paste(text) => Some(Msg::Paste(text)),
        // Only where the mouse was asked for.
        Input::Mouse(mouse) => Some(match mouse.kind {
            MouseEventKind::ScrollUp => Msg::Scroll(-NOTCH),
            MouseEventKind::ScrollDown => Msg::Scroll(NOTCH),
            _ => Msg::Nothing,
        }),
        // The size is read at every drawing; this only asks for one.
        Input::Resize(..) => Some(Msg::Resized),
        _ => Some(Msg::Nothing),
    }
}

fn arrow(key: &KeyEvent) -> Option<isize> {
    match (key.code, key.modifiers) {
        (KeyCode::Up, NONE) => Some(-1),
        (KeyCode::Down, NONE) => Some(1),
        _ => None,
    }
}

fn same_key(next: &Input, key: &KeyEvent) -> bool {
    matches!(next, Input::Key(other) if other.code == key.code && other.modifiers == key.modifiers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    const EMPTY: Focus = Focus { empty: true, prefix: false, selecting: false };

    #[test]
    fn no_two_lines_of_the_table_share_a_key() {
        for table in [BINDINGS, PREFIXED, SELECTING] {
            for (at, a) in table.iter().enumerate() {
                for b in &table[at + 1..] {
                    assert!(a.code != b.code || a.modifiers != b.modifiers, "{:?} twice", a.code);
                }
                assert_eq!(a.shown.is_empty(), a.does.is_empty(), "a shown key says what it does");
            }
        }
    }

    #[test]
    fn every_line_of_the_table_is_found() {
        for binding in BINDINGS {
            let event = KeyEvent::new(binding.code, binding.modifiers);
            assert_eq!(message(event, EMPTY), Msg::Act(binding.action));
            let filled = message(event, Focus::default());
            assert_eq!(matches!(filled, Msg::Edit(_)), binding.only_empty);
        }
    }

    #[test]
    fn after_the_prefix_other_keys_mean_other_things() {
        let after = Focus { prefix: true, ..EMPTY };
        for binding in PREFIXED {
            for modifiers in [NONE, SHIFT, CONTROL] {
                let event = KeyEvent::new(binding.code, modifiers);
                let expected = match (binding.code, modifiers) {
                    // Stopping and leaving come before everything.
                    (KeyCode::Char('c'), CONTROL) => Action::Interrupt,
                    (KeyCode::Char('z'), CONTROL) => Action::Suspend,
                    _ => binding.action,
                };
                assert_eq!(message(event, after), Msg::Act(expected), "{event:?}");
            }
        }
        let unknown = KeyEvent::new(KeyCode::Char('?'), NONE);
        assert_eq!(message(unknown, after), Msg::Act(Action::NoPrefixed));
        assert_eq!(message(KeyEvent::new(KeyCode::Esc, NONE), after), Msg::Act(Action::NoPrefixed));
    }

    #[test]
    fn three_arrows_in_one_read_are_the_wheel_and_one_is_a_key() {
        let up = Input::Key(KeyEvent::new(KeyCode::Up, NONE));
        let mut inputs: VecDeque<Input> = vec![up.clone(); 4].into();
        assert_eq!(next_message(&mut inputs, EMPTY), Some(Msg::Scroll(-4)));
        assert_eq!(next_message(&mut inputs, EMPTY), None);
        let mut inputs: VecDeque<Input> = vec![up].into();
        assert_eq!(next_message(&mut inputs, EMPTY), Some(Msg::Act(Action::Up)));
    }
}
