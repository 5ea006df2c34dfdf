//! The program around the terminal UI: it owns the engine, opens another pair when asked to, and looks for pairs. What
//! takes time is done on threads of its own; the UI hears of the outcome.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use sha2::{Digest as _, Sha256};

use super::args::Shared;
use super::keeper::Keeper;
use super::machine::Machine;
use super::settings::{Settings, check_log, resolve};
use super::{pairs, preferences};
use crate::engine::Engine;
use crate::error::{Kind, Problem};
use crate::event::Failure;
use crate::llama::build_info;
use crate::models::fingerprint;
use crate::sessions::{SessionId, SessionInfo, StoreError};
use crate::tui::host::{Connection, Host, MemoryLine, News, Opening, Wanted};
use crate::tui::preferences::Preferences;
use crate::tui::sessions::Wish;

/// The engine that runs.
struct Running {
    engine: Engine,
    /// What opens it next time nothing is named.
    remembered_as: PathBuf,
    /// What its cache depends on beside the tokens; `None` where the model's file could not be read for it.
    identity: Option<String>,
}

type Open = Arc<Mutex<Option<Running>>>;

/// The host of a chat.
pub struct ChatHost {
    shared: Shared,
    machine: Machine,
    open: Open,
    /// What was loaded last.
    loaded: Option<PathBuf>,
    /// Opens a pair: at most one at a time is of use, so that the next waits for it.
    opener: Option<JoinHandle<()>>,
    keeper: Keeper,
    sender: Sender<News>,
    news: Receiver<News>,
}

impl ChatHost {
    /// A host without an engine, and the session `wanted`, which will be opened.
    ///
    /// # Errors
    /// Where there is no such session.
    pub fn new(
        shared: &Shared,
        machine: &Machine,
        wanted: Option<&str>,
    ) -> Result<(ChatHost, Option<SessionInfo>), Problem> {
        let (sender, news) = channel();
        let (keeper, info) = Keeper::open(sender.clone(), wanted)?;
        let host = ChatHost {
            shared: shared.clone(),
            machine: machine.clone(),
            open: Open::default(),
            loaded: None,
            opener: None,
            keeper,
            sender,
            news,
        };
        Ok((host, info))
    }

    /// Starts an engine with settings that are resolved already.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn start(&mut self, settings: Settings, wanted: Wanted) -> Result<(), Problem> {
        let news = start(&self.open, settings, wanted, &self.machine)?;
        let _ = self.sender.send(news);
        Ok(())
    }

    /// Ends everything.
    #[must_use]
    pub fn close(mut self) -> Closed {
        if let Some(opener) = self.opener.take() {
            let _ = opener.join();
        }
        end(&self.open);
        let (session, unwritten) = self.keeper.finish();
        Closed { loaded: self.loaded, session, unwritten: unwritten.err() }
    }
}

/// What is left of a chat.
pub struct Closed {
    /// What was loaded last: it opens again next time.
    pub loaded: Option<PathBuf>,
    /// The session that can be gone on with.
    pub session: Option<SessionId>,
    /// Why something of it could not be written.
    pub unwritten: Option<StoreError>,
}

/// Ends the engine that runs. Nobody else waits for it meanwhile.
fn end(open: &Open) {
    let running = open.lock().unwrap_or_else(PoisonError::into_inner).take();
    drop(running);
}

impl Host for ChatHost {
    fn open(&mut self, wanted: &Wanted) {
        let mut shared = self.shared.clone();
        // The model of the command line has had its turn; its drafter need not fit another model.
        shared.model.model = None;
        shared.model.drafter = wanted.drafter.clone().unwrap_or_else(|| "auto".to_owned());
        let (open, sender, before) = (Arc::clone(&self.open), self.sender.clone(), self.opener.take());
        let wanted = wanted.clone();
        let spawned = thread::Builder::new().name("opener".to_owned()).spawn(move || {
            if let Some(before) = before {
                let _ = before.join();
            }
            // First the memory of what was open, then the look at what is free.
            end(&open);
            let machine = Machine::look();
            let opened = resolve(Some(&wanted.model), &shared, &machine)
                .and_then(|settings| start(&open, settings, wanted, &machine));
            let _ = sender.send(opened.unwrap_or_else(|problem| News::Refused(failure(problem))));
        });
        match spawned {
            Ok(opener) => self.opener = Some(opener),
            Err(error) => {
                let problem = Problem::new(Kind::Fault, format!("starting a thread failed: {error}"), "");
                let _ = self.sender.send(News::Refused(failure(problem)));
            }
        }
    }

    fn loaded(&mut self) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        self.loaded = open.as_ref().map(|running| running.remembered_as.clone()).or(self.loaded.take());
    }

    fn find_pairs(&mut self) {
        let (shared, sender) = (self.shared.clone(), self.sender.clone());
        let _ = thread::Builder::new().name("pairs".to_owned()).spawn(move || {
            let _ = sender.send(News::Pairs(pairs::find(&shared, &Machine::look())));
        });
    }

    fn keep(&mut self, preferences: &Preferences) -> Result<(), String> {
        preferences::store(preferences)
    }

    fn store(&mut self, wish: Wish) {
        if !matches!(wish, Wish::Park(..) | Wish::Unpark(_)) {
            return self.keeper.carry_out(wish, None);
        }
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let engine = open.as_ref().and_then(|open| Some((&open.engine, open.identity.as_deref()?)));
        self.keeper.carry_out(wish, engine);
    }

    fn news(&mut self) -> Option<News> {
        self.keeper.work();
        self.news.try_recv().ok()
    }
}

fn failure(problem: Problem) -> Failure {
    let Problem { code, message, help } = problem;
    Failure { message, help, code, fatal: true, too_long: None }
}

/// Starts the engine and keeps it; what the UI is told of it.
fn start(open: &Open, mut settings: Settings, wanted: Wanted, machine: &Machine) -> Result<News, Problem> {
    settings.engine.keeps_ways_back = true;
    if let Some(log) = &settings.engine.log {
        check_log(log)?;
    }
    let opening = Opening {
        wanted,
        title: settings.engine.model_name.clone(),
        sampling: settings.sampling.clone(),
        speculation: settings.engine.speculation,
        memory: memory(&settings),
        available: machine.available_bytes,
    };
    let remembered_as = settings.remembered_as.clone();
    let identity = identity(&settings).ok();
    let mut engine = Engine::start(settings.engine);
    let ended = || Problem::new(Kind::Fault, "the engine could not be started", "");
    let events = engine.take_events().ok_or_else(ended)?;
    let canceller = engine.canceller();
    let connection =
        Connection { commands: engine.commands(), events, cancel: Box::new(move || canceller.cancel()) };
    *open.lock().unwrap_or_else(PoisonError::into_inner) = Some(Running { engine, remembered_as, identity });
    Ok(News::Opened(Box::new(opening), connection))
}

/// What a saved state of the cache depends on: the model's bytes, the cache's type, who computes and how.
fn identity(settings: &Settings) -> std::io::Result<String> {
    let engine = &settings.engine;
    let words = [
        fingerprint(&engine.model)?,
        engine.kv_type.name().to_owned(),
        build_info(),
        env!("CARGO_PKG_VERSION").to_owned(),
        format!("{:?} {}", engine.gpu_layers, engine.kernels),
    ];
    Ok(hex::encode(Sha256::digest(words.join("\n").as_bytes())))
}

fn memory(settings: &Settings) -> Vec<MemoryLine> {
    let line =
        |item: &crate::models::MemoryItem| MemoryLine { what: item.what.to_owned(), bytes: item.bytes };
    settings.memory.items.iter().map(line).collect()
}
