//! What the UI asks of the program around it: open a pair, look for pairs, keep preferences. It asks through a trait and
//! hears of the outcome as [`News`], so that it knows neither files nor engines, and nothing it asks for makes it wait.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender};

use crate::event::{Command, Event, Failure};
use crate::request::{SamplingSettings, Speculation};
use crate::tui::preferences::Preferences;
use crate::tui::sessions::{Told, Wish};

/// A pair to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The model: a file, a name that `slipstream list` knows, or `pocket`.
    pub model: String,
    /// The drafter: a file, `auto` or `none`; as the program was told where `None`.
    pub drafter: Option<String>,
}

/// A running engine, as the UI sees it.
pub struct Connection {
    /// Orders go here.
    pub commands: Sender<Command>,
    /// Events come from here: first `Loading` and `Ready`; every `Generate` is answered by `Done` or `Failed`, every
    /// `SetSpeculation` by `Speculation`.
    pub events: Receiver<Event>,
    /// Ends what runs: the loading, or the reply. Beside the channel, so that it never waits in a queue.
    pub cancel: Box<dyn Fn() + Send>,
}

/// Part of the memory that a pair needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryLine {
    /// What for.
    pub what: String,
    /// Bytes.
    pub bytes: u64,
}

/// What is known of a pair before it is loaded.
#[derive(Clone, Debug, PartialEq)]
pub struct Opening {
    /// What can be opened again with these words.
    pub wanted: Wanted,
    /// The model as the person named it.
    pub title: String,
    /// How tokens are drawn, as the options and the model have it.
    pub sampling: SamplingSettings,
    /// How the engine was told to speculate.
    pub speculation: Speculation,
    /// The memory it will need, part by part.
    pub memory: Vec<MemoryLine>,
    /// The memory there is.
    pub available: u64,
}

/// A pair on this machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// What opens it.
    pub wanted: Wanted,
    /// The target's name.
    pub name: String,
    /// The drafter's, where one fits.
    pub drafter: Option<String>,
    /// Why this drafter, or why none: a sentence.
    pub pairing: String,
    /// Type of most weights.
    pub quantization: String,
    /// Bytes of both files.
    pub bytes: u64,
    /// Whose folder it lies in.
    pub found_in: String,
    /// Bytes it needs with the context it would get, and whether they are there.
    pub memory: (u64, bool),
    /// Plain speed as `tune` measured it last: tokens a second.
    pub measured: Option<f64>,
}

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// The pairs, the best first.
    pub pairs: Vec<Pair>,
    /// Folders that were looked into.
    pub folders: Vec<PathBuf>,
    /// Files that look like models and cannot be read.
    pub unreadable: usize,
}

/// What came of a wish.
pub enum News {
    /// An engine was started; it loads.
    Opened(Box<Opening>, Connection),
    /// The pair cannot be opened.
    Refused(Failure),
    /// The search has ended.
    Pairs(Found),
    /// The keeper of the sessions speaks.
    Sessions(Told),
}

/// The program around the UI. Every call returns at once.
pub trait Host {
    /// Frees what is open and opens this. [`News::Opened`] or [`News::Refused`] follows.
    fn open(&mut self, wanted: &Wanted);
    /// What was opened last is loaded: it is what opens the next time nothing is named.
    fn loaded(&mut self);
    /// Looks for pairs. [`News::Pairs`] follows.
    fn find_pairs(&mut self);
    /// Keeps the preferences for the next sessions.
    ///
    /// # Errors
    /// A sentence for a person.
    fn keep(&mut self, preferences: &Preferences) -> Result<(), String>;
    /// Does what is asked of the sessions. [`News::Sessions`] may follow.
    fn store(&mut self, wish: Wish);
    /// What came of earlier wishes, one by one.
    fn news(&mut self) -> Option<News>;
}
