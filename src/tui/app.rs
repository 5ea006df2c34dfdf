//! The state, and the one way it changes: [`update`]`(State, Msg) -> effects`. Nothing here draws, reads a
//! clock or touches a channel, so a test can play any history.

use std::path::PathBuf;
use std::time::Duration;

use crossterm::event::KeyEvent;

use crate::event::{Activity, Command, Counters, Event, Failure, Prefill, Ready, SpeculationState};
use crate::request::{Message, Prompt, Request, Role};
use crate::tui::composer::Composer;
use crate::tui::entry::{Entry, ReplyEntry};
use crate::tui::keys::Action;
use crate::tui::meter::Meter;
use crate::tui::outside::{Answer, Job};
use crate::tui::transcript::Transcript;
pub use crate::tui::update::update;
use crate::tui::{Exit, Start};

/// How long a notice stays in the status line.
const NOTICE: Duration = Duration::from_secs(4);

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a message lives for one call and is never stored")]
pub enum Msg {
    /// The time, since the UI started.
    Tick(Duration),
    /// A key with a meaning.
    Act(Action),
    /// A key that edits the input.
    Edit(KeyEvent),
    /// A paste, whole.
    Paste(String),
    /// The wheel: lines down, negative up.
    Scroll(isize),
    /// The terminal has another size.
    Resized,
    /// The engine speaks.
    Engine(Event),
    /// Something outside was done.
    Outside(Answer),
    /// Nothing of interest.
    Nothing,
}

/// What the run loop has to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Give this to the engine.
    Send(Command),
    /// Cancel the reply.
    Cancel,
    /// Stop this process as Ctrl+Z does, and come back later.
    Suspend,
    /// Draw every cell again.
    Redraw,
    /// Do this outside; an answer comes back.
    Outside(Job),
    /// Let the person edit this text in their editor; the answer comes back.
    Edit(String),
    /// End.
    Exit(Exit),
    /// End: the engine has ended.
    Fail(Failure),
}

/// What lies over the transcript.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overlay {
    /// Nothing.
    #[default]
    None,
    /// The help, scrolled by this many lines.
    Help(usize),
    /// The panel, where the screen is too narrow to have it at the side.
    Panel,
}

/// A reply being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its entry in the transcript.
    pub entry: usize,
    /// It was told to stop.
    pub stopping: bool,
}

/// Everything the screen is a function of.
pub struct State {
    /// What we were started with; sampling, speculation, system prompt and thinking change in it.
    pub start: Start,
    /// Files being loaded, and how far they are.
    pub loading: Vec<(PathBuf, f32)>,
    /// What was loaded; `None` while loading.
    pub ready: Option<Ready>,
    /// The conversation.
    pub transcript: Transcript,
    /// The input.
    pub composer: Composer,
    /// The reply being written.
    pub running: Option<Running>,
    /// How far the prompt is, until the first token.
    pub prefill: Option<Prefill>,
    /// Counters of the reply, or of the last one.
    pub counters: Counters,
    /// The live speed.
    pub meter: Meter,
    /// Whether speculation runs.
    pub speculation: SpeculationState,
    /// What lies over the transcript.
    pub overlay: Overlay,
    /// The panel is wanted at the side where there is room.
    pub side_panel: bool,
    /// The width of the last drawing.
    pub columns: u16,
    /// A passing message in the status line, and when it goes.
    pub notice: Option<(String, Duration)>,
    /// The screen is out of date.
    pub dirty: bool,
    /// A `/draft` or `/pmin` waits for the engine's answer, to be echoed.
    pub awaiting_echo: bool,
    /// How often the last question was asked again: each time with another seed.
    attempt: u64,
    /// When Ctrl+C was pressed last.
    pub(super) interrupted: Option<Duration>,
    /// The time of the last tick.
    pub(super) now: Duration,
}

impl State {
    /// The state at the start.
    #[must_use]
    pub fn new(start: Start) -> State {
        State {
            start,
            loading: Vec::new(),
            ready: None,
            transcript: Transcript::default(),
            composer: Composer::default(),
            running: None,
            prefill: None,
            counters: Counters::default(),
            meter: Meter::default(),
            speculation: SpeculationState { activity: Activity::Off, length: 0, reason: None },
            overlay: Overlay::None,
            side_panel: true,
            columns: 0,
            notice: None,
            dirty: true,
            awaiting_echo: false,
            attempt: 0,
            interrupted: None,
            now: Duration::ZERO,
        }
    }

    /// A passing message in the status line.
    pub fn notify(&mut self, text: impl Into<String>) {
        self.notice = Some((text.into(), self.now + NOTICE));
    }

    /// A lasting one in the transcript.
    pub fn note(&mut self, text: impl Into<String>) {
        self.transcript.push(Entry::Note(text.into()));
        self.transcript.follow();
    }

    /// Sends what is in `text` as the person's turn.
    pub fn ask(&mut self, text: String) -> Vec<Effect> {
        self.attempt = 0;
        self.transcript.push(Entry::User(text));
        self.generate()
    }

    /// Asks the last question again, with another seed: the same one would give the same text.
    pub fn ask_again(&mut self) -> Vec<Effect> {
        let Some(text) = self.transcript.undo() else {
            self.notify("nothing to ask again");
            return Vec::new();
        };
        self.attempt += 1;
        self.transcript.push(Entry::User(text));
        if self.start.sampling.temperature <= 0.0 {
            self.notify("temperature is 0: the reply will be the same (/set temp 1)");
        }
        self.generate()
    }

    fn generate(&mut self) -> Vec<Effect> {
        let mut messages: Vec<Message> = Vec::new();
        if let Some(system) = &self.start.system {
            messages.push(Message { role: Role::System, text: system.clone() });
        }
        messages.extend(self.transcript.messages());
        let mut sampling = self.start.sampling.clone();
        sampling.seed = sampling.seed.wrapping_add(self.attempt);
        let entry = self.transcript.push(Entry::Reply(ReplyEntry { running: true, ..ReplyEntry::default() }));
        self.transcript.follow();
        self.running = Some(Running { entry, stopping: false });
        self.prefill = None;
        self.meter.reset();
        // The context's size is still known; the rest belongs to the reply before.
        self.counters = Counters { context_used: self.counters.context_used, ..Counters::default() };
        vec![Effect::Send(Command::Generate(Request {
            prompt: Prompt::Chat { messages, thinking: self.start.thinking },
            sampling,
            max_tokens: self.start.max_tokens,
            stop: self.start.stop.clone(),
            ignore_end_of_turn: self.start.ignore_end_of_turn,
        }))]
    }

    /// Ends the session: the reply first, then the engine, then the screen.
    pub fn quit(&mut self, exit: Exit) -> Vec<Effect> {
        vec![Effect::Cancel, Effect::Send(Command::Shutdown), Effect::Exit(exit)]
    }

    /// Tells the reply to stop.
    pub fn stop(&mut self) -> Vec<Effect> {
        if let Some(running) = &mut self.running {
            running.stopping = true;
        }
        vec![Effect::Cancel]
    }
}
