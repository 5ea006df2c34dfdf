//! Keeps the chat's sessions: carries the UI's wishes to the recorder's thread and its words back, writes and reads files
//! of exported sessions, and sees to saved states of the engine's cache (`states.rs`). Nothing here makes the UI wait.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::sessions::{file, named, notes, problem, read_import, write_export};
use super::states::States;
use crate::engine::Engine;
use crate::error::Problem;
use crate::sessions::{
    Answer, Change, Document, Moment, Question, Recorder, Report, SessionId, SessionInfo, Store, StoreError,
};
use crate::tui::host::News;
use crate::tui::sessions::{Told, Wish};

/// After so many days what was deleted goes for good.
const DAYS: u32 = 30;

/// Files that exports are to be written into, in the order in which they were asked for.
type Exports = Arc<Mutex<VecDeque<PathBuf>>>;

/// The keeper.
pub struct Keeper {
    recorder: Option<Recorder>,
    sender: Sender<News>,
    exports: Exports,
    imports: (Sender<Document>, Receiver<Document>),
    states: Option<States>,
    /// The session in which something was said last.
    current: Option<SessionId>,
    /// There is a file.
    kept: bool,
}

impl Keeper {
    /// Opens the store and starts the recorder. Where the file cannot be opened, the chats of this run are kept in memory,
    /// which is told. The session `wanted` is looked up, and will be opened.
    ///
    /// # Errors
    /// Where there is no such session.
    pub fn open(
        sender: Sender<News>,
        wanted: Option<&str>,
    ) -> Result<(Keeper, Option<SessionInfo>), Problem> {
        let tell = |told| {
            let _ = sender.send(News::Sessions(told));
        };
        let opened = file().and_then(|path| {
            let opened = Store::open(&path).map_err(|error| problem(&error))?;
            Ok((opened, path))
        });
        let mut folder = None;
        let store = match (opened, wanted) {
            (Ok((opened, path)), _) => {
                notes(&opened).into_iter().for_each(|note| tell(Told::Said(note)));
                folder = path.parent().map(Path::to_owned);
                Some(opened.store)
            }
            (Err(problem), Some(_)) => return Err(problem),
            (Err(problem), None) => {
                tell(Told::Unkept(format!("chats are not kept: {}", sentence(&problem))));
                Store::in_memory().ok()
            }
        };
        let kept = folder.is_some();
        let info = match (&store, wanted) {
            (Some(store), Some(name)) => Some(named(store, name)?),
            _ => None,
        };
        let mut states = None;
        let exports = Exports::default();
        let recorder = store.and_then(|mut store| {
            states = folder.map(|folder| States::of(&folder, &mut store));
            let (sender, exports) = (sender.clone(), Arc::clone(&exports));
            let files = states.as_ref().map(States::folder);
            let report = move |report| hear(report, &sender, &exports, files.as_deref());
            Recorder::start(store, report).ok()
        });
        match &recorder {
            Some(recorder) => {
                recorder.ask(Question::Purge(Moment::now().days_before(DAYS)));
                recorder.ask(Question::Sessions);
                info.iter().for_each(|info| recorder.ask(Question::Open(info.id)));
            }
            None => tell(Told::Unkept("chats are not kept: there is no memory for them".to_owned())),
        }
        let current = info.as_ref().map(|info| info.id);
        let keeper = Keeper { recorder, sender, exports, imports: channel(), states, current, kept };
        Ok((keeper, info))
    }

    /// Carries out a wish. `engine` is the one that runs, if any, with the identity of what its cache depends on.
    pub fn carry_out(&mut self, wish: Wish, engine: Option<(&Engine, &str)>) {
        let Some(recorder) = &self.recorder else { return };
        match wish {
            Wish::Change(change) => {
                match &change {
                    Change::Append(turn) => self.current = Some(turn.session),
                    Change::DeleteSession(session, ..) if self.current == Some(*session) => {
                        self.current = None
                    }
                    _ => {}
                }
                recorder.change(change);
            }
            Wish::Grow(turn, text) => {
                let mut at = 0;
                for span in text.spans {
                    let end = at + span.bytes as usize;
                    if let Some(guess) = span.rejected {
                        recorder.rejected(turn, text.channel, &guess);
                    }
                    // The spans' bytes are whole characters and add up to the text's.
                    recorder.text(
                        turn,
                        text.channel,
                        text.text.get(at..end).unwrap_or_default(),
                        span.origin,
                    );
                    at = end;
                }
            }
            Wish::Ask(question) => {
                if let Question::Open(session) = &question {
                    self.current = Some(*session);
                }
                recorder.ask(question);
            }
            Wish::Export { session, format, file } => {
                self.exports.lock().unwrap_or_else(PoisonError::into_inner).push_back(file);
                recorder.ask(Question::Export(session, format));
            }
            Wish::Import(file) => {
                let (parsed, sender) = (self.imports.0.clone(), self.sender.clone());
                let _ = thread::Builder::new().name("import".to_owned()).spawn(move || {
                    match read_import(&file) {
                        Ok(document) => drop(parsed.send(document)),
                        Err(problem) => {
                            let told = sentence(&problem);
                            let _ = sender.send(News::Sessions(Told::Wrong(told)));
                        }
                    }
                });
            }
            Wish::Park(session, turn) => {
                if let (Some(states), Some((engine, identity))) = (&mut self.states, engine) {
                    states.park(session, turn, engine, identity);
                }
            }
            Wish::Unpark(session) => {
                if let (Some(states), Some((engine, identity))) = (&mut self.states, engine)
                    && let Some(change) = states.unpark(session, engine, identity)
                {
                    recorder.change(change);
                }
            }
        }
    }

    /// What must be done now and then: imports whose files were read are added.
    pub fn work(&mut self) {
        while let (Ok(document), Some(recorder)) = (self.imports.1.try_recv(), &self.recorder) {
            recorder.ask(Question::Import(Box::new(document)));
        }
    }

    /// Writes what is left, the engine having ended. The session that can be gone on with, and why something could not be
    /// written.
    pub fn finish(mut self) -> (Option<SessionId>, Result<(), StoreError>) {
        let Some(recorder) = self.recorder.take() else { return (None, Ok(())) };
        if let Some(states) = self.states.take() {
            states.changes().into_iter().for_each(|change| recorder.change(change));
        }
        (self.current.filter(|_| self.kept), recorder.finish())
    }
}

/// A problem in one line.
fn sentence(problem: &Problem) -> String {
    match &problem.help {
        Some(help) => format!("{} ({help})", problem.message),
        None => problem.message.clone(),
    }
}

/// On the recorder's thread.
fn hear(report: Report, sender: &Sender<News>, exports: &Exports, states: Option<&Path>) {
    let told = match report {
        Report::Answer(Answer::Export(_, text)) => {
            let Some(file) = exports.lock().unwrap_or_else(PoisonError::into_inner).pop_front() else {
                return;
            };
            let sender = sender.clone();
            let write = move || {
                let told = match write_export(&file, &text) {
                    Ok(()) => Told::Said(format!("written to {}", file.display())),
                    Err(problem) => Told::Wrong(sentence(&problem)),
                };
                let _ = sender.send(News::Sessions(told));
            };
            let _ = thread::Builder::new().name("export".to_owned()).spawn(write);
            return;
        }
        Report::NoAnswer(Question::Export(..), ref error) => {
            exports.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            Told::Wrong(format!("{error} ({})", error.help()))
        }
        Report::Answer(Answer::Purged(purged)) => {
            if let Some(folder) = states {
                super::states::remove(folder, &purged.state_files);
            }
            return;
        }
        // Nobody asked for it here.
        Report::NoAnswer(Question::Purge(_), _) => return,
        // Told a hundred times a reply, and nothing is made of it.
        Report::Saved(..) => return,
        other => Told::Report(other),
    };
    let _ = sender.send(News::Sessions(told));
}
