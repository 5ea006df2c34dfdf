//! The terminal UI. It sees channels only: commands go out, events come in, so that a recorded list of
//! events can drive it.
//!
//! ```text
//! keys ──keys.rs──► Msg ┐
//! events ───────────Msg ┴─► app::update(State) ─► effects (commands, cancel, quit)
//!                              State ─► view::draw ─► one frame, at most every 33 ms, only on change
//! ```

pub mod app;
pub mod commands;
pub mod complete;
pub mod composer;
pub mod engine;
pub mod entry;
pub mod keys;
pub mod markdown;
pub mod meter;
pub mod outside;
pub mod settings;
pub mod terminal;
pub mod text;
pub mod theme;
pub mod transcript;
pub mod update;
pub mod view;

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::{Duration, Instant};

use crate::event::{Command, Event, Failure};
use crate::request::{SamplingSettings, Speculation};
use crate::tui::app::{Effect, Msg, State, update};
use crate::tui::outside::{Answer, Outside, editor, history};
use crate::tui::terminal::Guard;
use crate::tui::theme::Theme;

/// Least time between two frames: 30 a second are enough to read by.
const FRAME: Duration = Duration::from_millis(33);
/// How long the loop waits for a key before it looks for events, while a reply or a load runs.
const BUSY: Duration = Duration::from_millis(10);
/// The same while nothing is under way.
const IDLE: Duration = Duration::from_millis(50);
/// Keys and events taken in before a frame is drawn, at most: a flood of one must not starve the other.
const BATCH: usize = 4096;

/// What the UI starts with.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// What is being loaded, for the load screen: the model as the person named it.
    pub title: String,
    /// How tokens are drawn; `/set` changes it.
    pub sampling: SamplingSettings,
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
/// is restored on every way out.
///
/// What it expects of the engine: [`Event::Loading`] and [`Event::Ready`] first; every
/// [`Command::Generate`] is answered by [`Event::Done`] or [`Event::Failed`], every
/// [`Command::SetSpeculation`] by [`Event::Speculation`], also while nothing is generated. `cancel` raises
/// the flag beside the channel; taking up a new `Generate` clears it.
///
/// # Errors
/// Where the terminal cannot be used or is lost, or the engine has ended.
pub fn run(
    commands: &Sender<Command>,
    events: &Receiver<Event>,
    cancel: &Arc<dyn Fn() + Send + Sync>,
    start: Start,
    files: Files,
) -> Result<Exit, TuiError> {
    let mut terminal = Guard::enter()?;
    let theme = Theme::from_environment();
    let mut state = State::new(start);
    let outside = Outside::start();
    let inputs_kept = files.inputs.map(|file| {
        state.composer.load_history(history::read(&file));
        history::Keeper::start(file)
    });
    let begun = Instant::now();
    let mut drawn: Option<Instant> = None;
    let mut inputs = VecDeque::new();
    let mut painted = 0;
    loop {
        // Colours of code come from a thread of their own.
        let version = markdown::paint::version();
        state.dirty |= version != painted;
        painted = version;
        update(&mut state, Msg::Tick(begun.elapsed()));
        let wait = match drawn {
            _ if !state.dirty => {
                if state.running.is_some() || state.ready.is_none() {
                    BUSY
                } else {
                    IDLE
                }
            }
            Some(at) => FRAME.saturating_sub(at.elapsed()),
            None => Duration::ZERO,
        };
        let mut effects = Vec::new();
        read_keys(wait, &mut inputs)?;
        while let Some(message) = keys::next_message(&mut inputs, state.composer.is_empty()) {
            effects.extend(update(&mut state, message));
        }
        let engine = take_events(events, &mut state, &mut effects);
        while let Some(answer) = outside.answer() {
            effects.extend(update(&mut state, Msg::Outside(answer)));
        }
        if let Some(keeper) = &inputs_kept {
            keeper.add(state.composer.take_fresh());
        }
        if let Some(signal) = terminal.signal() {
            effects.extend(state.quit(Exit::Signal(signal)));
        }
        for effect in effects {
            match effect {
                // A closed channel shows itself at the other one, with the reason.
                Effect::Send(command) => drop(commands.send(command)),
                Effect::Cancel => cancel(),
                Effect::Suspend => {
                    terminal.suspend()?;
                    state.dirty = true;
                }
                Effect::Redraw => terminal.forget()?,
                Effect::Outside(job) => outside.give(job),
                Effect::Edit(text) => {
                    let editor = editor::command(|name| std::env::var(name).ok());
                    let edited = terminal.lend(|| editor::edit(&text, &editor))?;
                    // Nothing comes of an answer but a change of the input.
                    let _ = update(&mut state, Msg::Outside(Answer::Edited(edited)));
                }
                Effect::Exit(exit) => return Ok(exit),
                Effect::Fail(failure) => return Err(TuiError::Engine(failure)),
            }
        }
        engine?;
        if state.dirty && drawn.is_none_or(|at| at.elapsed() >= FRAME) {
            let (columns, rows) = terminal.size()?;
            view::fit(&mut state, columns, rows);
            terminal.draw(|frame| view::draw(&state, theme, frame))?;
            state.dirty = false;
            drawn = Some(Instant::now());
        }
    }
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

/// Takes the events that are there.
fn take_events(
    events: &Receiver<Event>,
    state: &mut State,
    effects: &mut Vec<Effect>,
) -> Result<(), TuiError> {
    for _ in 0..BATCH {
        match events.try_recv() {
            Ok(event) => effects.extend(update(state, Msg::Engine(event))),
            Err(TryRecvError::Empty) => break,
            Err(TryRecvError::Disconnected) => {
                return Err(TuiError::EngineGone { panic: terminal::panic_elsewhere() });
            }
        }
    }
    Ok(())
}
