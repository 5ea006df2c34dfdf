//! The terminal UI. It sees channels only: commands go out, events come in, so that a recorded list of
//! events can drive it.
//!
//! ```text
//! keys ──keys.rs──► Msg ┐
//! events ───────────Msg ┴─► app::update(State) ─► effects (commands, cancel, quit)
//!                              State ─► view::draw ─► one frame, on change, when pace.rs says
//!                                         └─► writer.rs: a thread that may wait for the terminal; nobody else does
//! ```
//!
//! What lies beyond channels and the terminal (files, models, the disk) is asked of a [`host::Host`].

pub mod app;
pub mod background;
pub mod clipboard;
pub mod commands;
pub mod complete;
pub mod composer;
pub mod context;
mod edge;
pub mod engine;
pub mod entry;
pub mod field;
pub mod figures;
pub mod history;
pub mod host;
pub mod inline;
pub mod keys;
pub mod markdown;
pub mod meter;
pub mod options;
pub mod outside;
pub mod overlay;
pub mod pace;
pub mod pairs;
pub mod palette;
pub mod preferences;
pub mod presets;
mod screen;
pub mod settings;
#[cfg(unix)]
mod signals;
pub mod speculate;
mod tell;
pub mod terminal;
pub mod text;
pub mod theme;
pub mod tokens;
pub mod transcript;
pub mod update;
pub mod view;
pub mod why;
pub mod writer;

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ratatui::layout::Rect;

use crate::event::Failure;
use crate::request::{SamplingSettings, Speculation};
use crate::tui::app::{Effect, Msg, Stage, State, update};
use crate::tui::edge::Edge;
use crate::tui::host::{Host, Wanted};
use crate::tui::outside::{Answer, editor, inputs as earlier};
use crate::tui::pace::Pace;
use crate::tui::preferences::{Colours, Preferences};
use crate::tui::terminal::Guard;
use crate::tui::theme::Theme;

/// How long the loop waits for a key before it looks for events, while a reply or a load runs.
const BUSY: Duration = Duration::from_millis(10);
/// The same while nothing is under way.
const IDLE: Duration = Duration::from_millis(50);
/// The same while the terminal has not taken the last frame and another waits for that.
const WRITING: Duration = Duration::from_millis(5);
/// Keys and events taken in before a frame is drawn, at most: a flood of one must not starve the other.
const BATCH: usize = 4096;

/// What the UI starts with.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// What is being loaded, for the load screen: the model as the person named it.
    pub title: String,
    /// The pair that is open, or being opened.
    pub opened: Option<Wanted>,
    /// No pair was named: one is chosen first.
    pub choose: bool,
    /// The transcript goes into the terminal's scrollback.
    pub inline: bool,
    /// The wheel is asked of the terminal, which costs its own selecting.
    pub mouse: bool,
    /// What is kept from one session to the next.
    pub preferences: Preferences,
    /// How tokens are drawn; `/set` changes it.
    pub sampling: SamplingSettings,
    /// As the options and the model have it: the preset `model`.
    pub own_sampling: SamplingSettings,
    /// How the engine was told to speculate; `/draft` and `/pmin` change it.
    pub speculation: Speculation,
    /// The guesses a round that `/draft on` asks for (`--n-max`).
    pub n_max: u32,
    /// Standing instructions; `/system` changes them.
    pub system: Option<String>,
    /// Ask the model to reason; `/think` changes it.
    pub thinking: bool,
    /// Limit of a reply.
    pub max_tokens: Option<u32>,
    /// A reply ends before any of these.
    pub stop: Vec<String>,
    /// Go on over an end of turn.
    pub ignore_end_of_turn: bool,
    /// Where llama.cpp's warnings and errors are written.
    pub log: Option<PathBuf>,
}

/// Files that the UI keeps between runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Inputs of earlier runs; none are kept without it.
    pub inputs: Option<PathBuf>,
}

/// How the person left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By Ctrl+D, `/exit`, or Esc while loading.
    Quit,
    /// By Ctrl+C.
    Interrupted,
    /// By a signal, which is given.
    Signal(i32),
}

impl Exit {
    /// The process's exit code: 130 for Ctrl+C, 128 and the signal's number for a signal.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Exit::Quit => 0,
            Exit::Interrupted => 130,
            Exit::Signal(signal) => 128u8.wrapping_add(u8::try_from(signal).unwrap_or(0)),
        }
    }
}

/// Why the UI ended where nobody asked it to.
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    /// The terminal could not be used.
    #[error(
        "using the terminal: {0} (the chat needs an interactive terminal; `slipstream run` works without)"
    )]
    Terminal(#[from] io::Error),
    /// The engine has ended, and said why.
    #[error("{}", .0.message)]
    Engine(Failure),
    /// The engine has ended without a word. `panic` is what its thread said, where it panicked.
    #[error("the engine ended without a word{}", .panic.as_ref().map(|p| format!(": {p}")).unwrap_or_default())]
    EngineGone {
        /// The panic's message.
        panic: Option<String>,
    },
}

/// Runs the UI on this process's terminal until the person leaves or the engine ends for good; the terminal
/// is restored on every way out. What it expects of an engine is told at [`host::Connection`].
///
/// # Errors
/// Where the terminal cannot be used or is lost, or the engine has ended.
pub fn run(host: &mut dyn Host, start: Start, files: Files) -> Result<Exit, TuiError> {
    let mut terminal = Guard::enter(start.inline.then_some(inline::ROWS), start.mouse)?;
    let mut state = State::new(start);
    let mut edge = Edge::new(host);
    if state.stage() == Stage::Choosing {
        edge.find_pairs();
    }
    let inputs_kept = files.inputs.map(|file| {
        state.composer.load_history(earlier::read(&file));
        earlier::Keeper::start(file)
    });
    let begun = Instant::now();
    let mut pace = Pace::default();
    // A person has done something since the last frame.
    let mut touched = false;
    let mut inputs = VecDeque::new();
    let mut listener = background::Listener::default();
    let mut asked = false;
    let mut painted = 0;
    loop {
        // Colours of code come from a thread of their own.
        let version = markdown::paint::version();
        state.dirty |= version != painted;
        painted = version;
        if !asked && state.start.preferences.colours == Colours::Auto {
            asked = true;
            if background::can_be_asked(|name| std::env::var(name).ok()) {
                terminal.send(background::ASK);
            }
        }
        update(&mut state, Msg::Tick(begun.elapsed()));
        let wait = match (state.dirty, terminal.idle()?) {
            (true, true) => pace.due(touched).saturating_sub(begun.elapsed()),
            (true, false) => WRITING,
            _ if state.running.is_some() || state.stage() != Stage::Chatting => BUSY,
            _ => IDLE,
        };
        let mut effects = Vec::new();
        read_keys(wait, &mut inputs)?;
        touched |= !inputs.is_empty();
        if let Some(light) = listener.hear(&mut inputs, begun.elapsed()) {
            update(&mut state, Msg::Background(light));
        }
        while let Some(message) = keys::next_message(&mut inputs, state.focus()) {
            effects.extend(update(&mut state, message));
        }
        edge.take_news(&mut state, &mut effects);
        let engine = edge.take_events(&mut state, &mut effects);
        if let Some(keeper) = &inputs_kept {
            keeper.add(state.composer.take_fresh());
        }
        if let Some(signal) = terminal.signal() {
            effects.extend(state.quit(Exit::Signal(signal)));
        }
        if terminal.told_to_stop() {
            effects.push(Effect::Suspend);
        }
        for effect in effects {
            match effect {
                Effect::Suspend => {
                    terminal.suspend()?;
                    (state.dirty, asked) = (true, false);
                }
                Effect::Redraw => terminal.forget()?,
                Effect::Edit(text) => {
                    let editor = editor::command(|name| std::env::var(name).ok());
                    let edited = terminal.lend(|| editor::edit(&text, &editor))?;
                    // Nothing comes of an answer but a change of the input.
                    let _ = update(&mut state, Msg::Outside(Answer::Edited(edited)));
                }
                Effect::Exit(exit) => {
                    // What was said stays in the scrollback.
                    if state.inline.is_some() && terminal.caught_up() {
                        let _ = draw(&mut terminal, &mut state, true);
                    }
                    return Ok(exit);
                }
                Effect::Fail(failure) => return Err(TuiError::Engine(failure)),
                Effect::Copy(text) => copy(&mut terminal, text),
                other => edge.carry_out(other, &mut state),
            }
        }
        engine?;
        if terminal.resume()? {
            state.dirty = true;
        }
        if state.dirty && terminal.idle()? && begun.elapsed() >= pace.due(touched) {
            draw(&mut terminal, &mut state, false)?;
            pace.drew(begun.elapsed());
            touched = false;
        }
    }
}

/// Draws the state, and in the inline mode prints what is finished; at the `end` what is not, too.
fn draw(terminal: &mut Guard, state: &mut State, end: bool) -> io::Result<()> {
    let theme = Theme::of(state.start.preferences.colours, state.light);
    let (columns, rows) = terminal.size()?;
    if let Some(inline) = &mut state.inline {
        let inner = view::transcript::inner(Rect::new(0, 0, columns, 1));
        inline.live.thoughts_open = state.transcript.thoughts_open;
        let finished = inline.finished(&state.transcript, usize::from(inner.width), usize::from(rows), end);
        // What is printed never changes again, so its code waits for its colours.
        let count = if end || !markdown::paint::busy() { finished } else { 0 };
        for index in 0..count {
            let lines = inline.live.whole(index);
            let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
            terminal.print(height, |buffer| {
                view::transcript::lines(lines, theme, buffer, buffer.area);
            })?;
        }
        inline.printed(count);
    }
    view::fit(state, columns, rows);
    terminal.draw(|frame| view::draw(state, theme, frame))?;
    state.dirty = false;
    Ok(())
}

/// Puts text on the clipboard, by the ways there are.
fn copy(terminal: &mut Guard, text: String) {
    let in_tmux = std::env::var_os("TMUX").is_some();
    if let Some(sequence) = clipboard::osc52(&text, in_tmux) {
        terminal.send(&sequence);
    }
    clipboard::give_to_system(text);
}

/// Waits for a key, then takes all that are there.
fn read_keys(wait: Duration, inputs: &mut VecDeque<crossterm::event::Event>) -> io::Result<()> {
    let mut wait = wait;
    while inputs.len() < BATCH && crossterm::event::poll(wait)? {
        inputs.push_back(crossterm::event::read()?);
        wait = Duration::ZERO;
    }
    Ok(())
}
