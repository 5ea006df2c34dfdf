//! The state, and the one way it changes: [`update`]`(State, Msg) -> effects`. Nothing here draws, reads a
//! clock or touches a channel, so a test can play any history.

use std::path::PathBuf;
use std::time::Duration;

use crossterm::event::KeyEvent;

use crate::event::{Command, Counters, Event, Failure, Prefill, Ready, SpeculationState};
use crate::request::{Message, Prompt, Request, Role};
use crate::tui::composer::Composer;
use crate::tui::context::Room;
use crate::tui::entry::{Entry, ReplyEntry};
use crate::tui::history::History;
use crate::tui::host::{Found, MemoryLine, Opening, Wanted};
use crate::tui::inline::Inline;
use crate::tui::keys::{Action, Focus};
use crate::tui::meter::Meter;
use crate::tui::outside::{Answer, Job};
pub use crate::tui::overlay::Overlay;
use crate::tui::pairs::PairList;
use crate::tui::speculate::Echo;
use crate::tui::tokens::TokenView;
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
    /// An engine was started, and loads.
    Opened(Box<Opening>),
    /// A pair cannot be opened.
    Refused(Failure),
    /// The pairs on this machine.
    Pairs(Found),
    /// The terminal has told whether its background is light.
    Background(bool),
    /// Something could not be done outside: a sentence.
    Wrong(String),
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
    /// Open this pair in place of what is open.
    Open(Wanted),
    /// Look for pairs.
    FindPairs,
    /// Keep the preferences.
    Keep,
    /// Put this on the clipboard.
    Copy(String),
    /// Do this outside; an answer comes back.
    Outside(Job),
    /// Let the person edit this text in their editor; the answer comes back.
    Edit(String),
    /// End.
    Exit(Exit),
    /// End: the engine has ended.
    Fail(Failure),
}

/// A reply being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its entry in the transcript.
    pub entry: usize,
    /// It was told to stop.
    pub stopping: bool,
}

/// How far the session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A pair is to be chosen.
    Choosing,
    /// One is being loaded.
    Opening,
    /// One is loaded.
    Chatting,
}

/// Everything the screen is a function of.
pub struct State {
    /// What we were started with; sampling, speculation, system prompt and thinking change in it.
    pub start: Start,
    /// A pair is being opened.
    pub opening: bool,
    /// Where it cannot be opened, another is chosen; a model named on the command line ends the program instead.
    pub choosable: bool,
    /// Files being loaded, and how far they are.
    pub loading: Vec<(PathBuf, f32)>,
    /// The memory that what is loaded will need, part by part, and the memory there is.
    pub memory: (Vec<MemoryLine>, u64),
    /// What was loaded; `None` before.
    pub ready: Option<Ready>,
    /// The pairs on this machine.
    pub pairs: PairList,
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
    /// Acceptance, speed and length over the last rounds.
    pub history: History,
    /// Whether speculation runs.
    pub speculation: SpeculationState,
    /// Who chose each token.
    pub tokens: TokenView,
    /// What is done about a full context.
    pub room: Room,
    /// What is printed of the conversation, in the inline mode.
    pub inline: Option<Inline>,
    /// What lies over the transcript.
    pub overlay: Overlay,
    /// The panel is wanted at the side where there is room.
    pub side_panel: bool,
    /// Whether the terminal's background is light, once it has told.
    pub light: Option<bool>,
    /// The width of the last drawing.
    pub columns: u16,
    /// A passing message in the status line, and when it goes.
    pub notice: Option<(String, Duration)>,
    /// The screen is out of date.
    pub dirty: bool,
    /// How the engine's answer to a change of speculation is told.
    pub echo: Echo,
    /// The key before was the prefix.
    pub prefix: bool,
    /// How often the same reply was copied: the whole first, then its code blocks from the last on.
    pub copied: usize,
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
            opening: !start.choose,
            choosable: start.choose,
            loading: Vec::new(),
            memory: (Vec::new(), 0),
            ready: None,
            pairs: PairList::default(),
            transcript: Transcript::default(),
            composer: Composer::default(),
            running: None,
            prefill: None,
            counters: Counters::default(),
            meter: Meter::default(),
            history: History::default(),
            tokens: TokenView::default(),
            room: Room::default(),
            inline: start.inline.then(Inline::default),
            start,
            speculation: SpeculationState::default(),
            overlay: Overlay::None,
            side_panel: true,
            light: None,
            columns: 0,
            notice: None,
            dirty: true,
            echo: Echo::None,
            prefix: false,
            copied: 0,
            attempt: 0,
            interrupted: None,
            now: Duration::ZERO,
        }
    }

    /// How far the session is.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match (&self.ready, self.opening) {
            (Some(_), _) => Stage::Chatting,
            (None, true) => Stage::Opening,
            (None, false) => Stage::Choosing,
        }
    }

    /// What a key means depends on this.
    #[must_use]
    pub fn focus(&self) -> Focus {
        let empty = match &self.overlay {
            overlay if overlay.is_typed_into() => false,
            overlay if overlay.takes_letters() => true,
            _ => self.composer.is_empty() || self.stage() == Stage::Choosing,
        };
        Focus { empty, prefix: self.prefix }
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
        self.entries_removed();
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
        self.entries_removed();
        self.transcript.push(Entry::User(text));
        if self.start.sampling.temperature <= 0.0 {
            self.notify("temperature is 0: the reply will be the same (/set temp 1)");
        }
        self.generate()
    }

    /// What the next request tells the model: standing instructions, then the turns that are not left out.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        let mut messages: Vec<Message> = Vec::new();
        if let Some(system) = self.room.instructions(self.start.system.as_deref()) {
            messages.push(Message { role: Role::System, text: system });
        }
        messages.extend(self.room.kept(self.transcript.messages()));
        messages
    }

    /// Asks for a reply to the last question.
    pub fn generate(&mut self) -> Vec<Effect> {
        self.room.limit(self.transcript.messages().len() / 2);
        let messages = self.messages();
        let mut sampling = self.start.sampling.clone();
        sampling.seed = sampling.seed.wrapping_add(self.attempt);
        let entry = self.transcript.push(Entry::Reply(ReplyEntry { running: true, ..ReplyEntry::default() }));
        self.transcript.follow();
        self.running = Some(Running { entry, stopping: false });
        self.begin_counting();
        self.tokens.forget();
        self.copied = 0;
        vec![Effect::Send(Command::Generate(Request {
            prompt: Prompt::Chat { messages, thinking: self.start.thinking },
            sampling,
            max_tokens: self.start.max_tokens,
            stop: self.start.stop.clone(),
            ignore_end_of_turn: self.start.ignore_end_of_turn,
            tell_rejected: true,
        }))]
    }

    /// Entries may have been removed, and others take their place.
    pub(super) fn entries_removed(&mut self) {
        self.tokens.forget();
        if let Some(inline) = &mut self.inline {
            inline.limit(self.transcript.entries().count());
        }
    }

    /// What was counted belongs to the reply before; how full the context is stays known.
    pub(super) fn begin_counting(&mut self) {
        self.prefill = None;
        self.meter.reset();
        self.history.begin();
        self.counters = Counters { context_used: self.counters.context_used, ..Counters::default() };
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
