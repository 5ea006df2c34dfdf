//! The engine: one worker thread that owns the backend, the models and the contexts. Orders go in through a
//! channel, events come out of another; cancelling is a flag, so that it never waits in a queue.

mod adapter;
mod cancel;
mod clock;
mod exactness;
mod forced;
mod laboratory;
mod loading;
mod parked;
mod reply;
mod scoring;
mod session;
mod spans;
mod text;
mod worker;

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

pub use cancel::Canceller;
pub use clock::Clock;
pub use parked::{Parked, Unparked, parked};
pub use reply::LONGEST_DRAFT;
pub use scoring::{Scored, score};
pub use text::{Reasoning, TextStream};

use crate::event::{Command, Event};
use crate::llama::KvType;
use crate::request::Speculation;
pub use crate::spec::{CostRecord, VerifyCost};

/// Stack of the worker: llama.cpp's template engine recurses as deep as a template nests.
const STACK_BYTES: usize = 64 << 20;

/// The drafter to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DrafterPlan {
    /// None.
    None,
    /// Gemma 4's MTP assistant, in this file.
    Mtp(PathBuf),
    /// An ordinary smaller model of the same vocabulary, in this file.
    Model(PathBuf),
    /// Prompt look-up over the conversation.
    Lookup,
}

/// Everything the worker needs to know, resolved: no option has a default left to choose.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineSettings {
    /// The target's file.
    pub model: PathBuf,
    /// Its name on screen.
    pub model_name: String,
    /// Type of most of its weights, for the screen.
    pub quantization: String,
    /// The drafter.
    pub drafter: DrafterPlan,
    /// Why this drafter, or none: one sentence.
    pub pairing: String,
    /// Context length in tokens.
    pub context: u32,
    /// Threads for one token.
    pub threads: u32,
    /// Threads for several.
    pub threads_batch: u32,
    /// Threads for a step of the drafter.
    pub threads_draft: u32,
    /// Tokens decoded at once while a prompt is read.
    pub micro_batch: u32,
    /// Element type of the cache.
    pub kv_type: KvType,
    /// Layers on the GPU; `None` is all that fit.
    pub gpu_layers: Option<u32>,
    /// Map the files instead of reading them.
    pub mmap: bool,
    /// Our own kernels for small batches on the CPU, in place of llama.cpp's.
    pub kernels: bool,
    /// Save at each turn's beginning what a later turn needs to go back to it, where the model has a sliding window
    /// (200 MiB and 50 ms on the 26B). Useless where only one reply is written.
    pub keeps_ways_back: bool,
    /// A chat template (Jinja) in place of the model's own.
    pub template: Option<String>,
    /// How to speculate at first.
    pub speculation: Speculation,
    /// What rounds cost on this machine, as far as it was measured before.
    pub costs: Option<CostRecord>,
    /// For benchmarks only: guesses are accepted at these rates by place, and the text is worth nothing.
    pub forced_acceptance: Option<Vec<f32>>,
    /// For the exactness check only: replies carry fingerprints of the scores that gave their tokens.
    pub fingerprints: bool,
    /// llama.cpp's log goes to this file; nowhere where `None`.
    pub log: Option<PathBuf>,
}

/// A running engine.
pub struct Engine {
    commands: Sender<Command>,
    events: Option<Receiver<Event>>,
    cancel: Canceller,
    worker: Option<JoinHandle<()>>,
}

impl Engine {
    /// Starts the worker, which loads first. Watch for `Event::Ready` or a fatal `Event::Failed`.
    #[must_use]
    pub fn start(settings: EngineSettings) -> Engine {
        let (commands, orders) = channel();
        let (sender, events) = channel();
        let cancel = Canceller::new();
        let flag = cancel.clone();
        let worker = std::thread::Builder::new()
            .name("engine".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || worker::run(&settings, &orders, &sender, &flag))
            .ok();
        Engine { commands, events: Some(events), cancel, worker }
    }

    /// Gives an order. Lost where the worker has ended, which its last event has told.
    pub fn send(&self, command: Command) {
        let _ = self.commands.send(command);
    }

    /// Where orders go, for an observer that gives them itself.
    #[must_use]
    pub fn commands(&self) -> Sender<Command> {
        self.commands.clone()
    }

    /// What ends the running reply.
    #[must_use]
    pub fn canceller(&self) -> Canceller {
        self.cancel.clone()
    }

    /// The events, once: for an observer that keeps the receiver. Afterwards `next` has none.
    #[must_use]
    pub fn take_events(&mut self) -> Option<Receiver<Event>> {
        self.events.take()
    }

    /// Waits for the next event; `None` when the worker has ended.
    #[must_use]
    pub fn next(&self) -> Option<Event> {
        self.events.as_ref()?.recv().ok()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.cancel.cancel_all();
        let _ = self.commands.send(Command::Shutdown);
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}
