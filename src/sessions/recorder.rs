//! A thread that waits for the disk, so that nobody else has to. What it is told is never refused and never blocks; what
//! it has to say comes through a function that it calls, on its own thread.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::change::Change;
use super::error::StoreError;
use super::ids::{SessionId, TurnId};
use super::journal::{Grown, Growth, Journal, Outcome};
use super::moment::Moment;
use super::purge::Purged;
use super::salvage::Recovery;
use super::search::Hit;
use super::state::SavedState;
use super::store::Store;
use super::transfer::Format;
use super::transfer::json::Document;
use super::turn::{Session, SessionInfo, Turn, TurnTrace};
use crate::event::Channel;
use crate::token::Origin;

/// Something to be read. It is answered after everything told before it was written.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// All sessions.
    Sessions,
    /// The deleted ones.
    DeletedSessions,
    /// An open session.
    Open(SessionId),
    /// Single turns: another branch.
    Turns(Vec<TurnId>),
    /// A turn's tokens.
    Trace(TurnId),
    /// Words, and how many places at most. Of several that wait only the last is answered.
    Search(String, u32),
    /// A session as text.
    Export(SessionId, Format),
    /// Saved states of a model, or of all.
    SavedStates(Option<String>),
    /// Nothing is to be read, but these sessions are to be added.
    Import(Box<Document>),
    /// Nothing is to be read, but what was deleted before this moment is to be deleted for good.
    Purge(Moment),
}

/// What was read.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Answer {
    Sessions(Vec<SessionInfo>),
    DeletedSessions(Vec<SessionInfo>),
    Open(Box<Session>),
    Turns(Vec<Turn>),
    Trace(TurnId, TurnTrace),
    Search(String, Vec<Hit>),
    Export(SessionId, String),
    SavedStates(Vec<SavedState>),
    Purged(Purged),
    Imported(Vec<SessionId>),
}

/// What the recorder has to say.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// The answer to a question.
    Answer(Answer),
    /// A question could not be answered.
    NoAnswer(Question, StoreError),
    /// So many bytes of a running reply, text and reasoning, are on the disk.
    Saved(TurnId, usize),
    /// Nothing can be written at present: everything is kept in memory and tried again. Told once.
    Trouble(StoreError),
    /// Everything has been written after all.
    TroubleOver,
    /// A change can never be made, and was left out.
    Refused(StoreError),
    /// The file was damaged; this was done about it.
    Recovered(Recovery),
}

enum Message {
    Change(Box<Change>),
    Grow(Growth),
    Ask(Question),
}

/// The thread's other end. Dropping it writes what is left.
pub struct Recorder {
    sender: Option<Sender<Message>>,
    thread: Option<JoinHandle<Result<(), StoreError>>>,
}

impl Recorder {
    /// Starts the thread.
    ///
    /// # Errors
    /// Where the system has no thread for it.
    pub fn start(store: Store, report: impl FnMut(Report) + Send + 'static) -> std::io::Result<Recorder> {
        let (sender, inbox) = mpsc::channel();
        let thread = thread::Builder::new().name("sessions".to_owned()).spawn(move || {
            Work { store, journal: Journal::default(), report, begun: Instant::now() }.run(&inbox)
        })?;
        Ok(Recorder { sender: Some(sender), thread: Some(thread) })
    }

    /// Makes a change, at once.
    pub fn change(&self, change: Change) {
        self.send(Message::Change(Box::new(change)));
    }

    /// A reply, begun by `Change::Begin`, grows; written within a second.
    pub fn text(&self, turn: TurnId, channel: Channel, text: &str, origin: Origin) {
        self.send(Message::Grow(Growth { turn, channel, by: Grown::Text(text.to_owned(), origin) }));
    }

    /// A guess for the next token of a reply was rejected.
    pub fn rejected(&self, turn: TurnId, channel: Channel, guess: &str) {
        self.send(Message::Grow(Growth { turn, channel, by: Grown::Rejected(guess.to_owned()) }));
    }

    /// Asks; the answer is a report.
    pub fn ask(&self, question: Question) {
        self.send(Message::Ask(question));
    }

    fn send(&self, message: Message) {
        // The thread ends after its last sender only.
        if let Some(sender) = &self.sender {
            let _ = sender.send(message);
        }
    }

    /// Writes what is left and ends the thread.
    ///
    /// # Errors
    /// Why something could not be written to the end.
    pub fn finish(mut self) -> Result<(), StoreError> {
        self.join()
    }

    fn join(&mut self) -> Result<(), StoreError> {
        drop(self.sender.take());
        // It does not panic; if it did, there is nobody left to ask.
        self.thread.take().map_or(Ok(()), |thread| thread.join().unwrap_or(Ok(())))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.join();
    }
}

struct Work<R> {
    store: Store,
    journal: Journal,
    report: R,
    begun: Instant,
}

impl<R: FnMut(Report)> Work<R> {
    fn run(mut self, inbox: &Receiver<Message>) -> Result<(), StoreError> {
        loop {
            let message = match self.journal.due() {
                None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(due) => inbox.recv_timeout(due.saturating_sub(self.now())),
            };
            let first = match message {
                Ok(message) => Some(message),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let mut questions = Vec::new();
            for message in first.into_iter().chain(inbox.try_iter()) {
                self.take(message, &mut questions);
            }
            if !questions.is_empty() || self.journal.due().is_some_and(|due| due <= self.now()) {
                self.write();
            }
            for question in questions {
                let outcome = self.answer(&question);
                (self.report)(match outcome {
                    Ok(answer) => Report::Answer(answer),
                    Err(error) => Report::NoAnswer(question, error),
                });
            }
        }
        self.write();
        self.journal.trouble().cloned().map_or(Ok(()), Err)
    }

    fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    fn take(&mut self, message: Message, questions: &mut Vec<Question>) {
        let now = self.now();
        match message {
            Message::Change(change) => self.journal.change(*change, now),
            Message::Grow(growth) => self.journal.grow(growth, now),
            Message::Ask(question) => {
                // Each letter that is typed into a search asks anew.
                if matches!(question, Question::Search(..)) {
                    questions.retain(|each| !matches!(each, Question::Search(..)));
                }
                questions.push(question);
            }
        }
    }

    fn write(&mut self) {
        let now = self.now();
        let (store, report) = (&mut self.store, &mut self.report);
        let outcomes = self.journal.write(now, &mut |changes| match store.write(changes) {
            Err(StoreError::Damaged { .. }) => {
                if let Some(recovery) = store.recover()? {
                    report(Report::Recovered(recovery));
                }
                store.write(changes)
            }
            other => other,
        });
        for outcome in outcomes {
            (self.report)(match outcome {
                Outcome::Saved(turn, bytes) => Report::Saved(turn, bytes),
                Outcome::Trouble(error) => Report::Trouble(error),
                Outcome::TroubleOver => Report::TroubleOver,
                Outcome::Refused(error) => Report::Refused(error),
            });
        }
    }

    fn answer(&mut self, question: &Question) -> Result<Answer, StoreError> {
        match self.read(question) {
            Err(StoreError::Damaged { .. }) => {
                if let Some(recovery) = self.store.recover()? {
                    (self.report)(Report::Recovered(recovery));
                }
                self.read(question)
            }
            other => other,
        }
    }

    fn read(&mut self, question: &Question) -> Result<Answer, StoreError> {
        let store = &mut self.store;
        Ok(match question {
            Question::Sessions => Answer::Sessions(store.sessions()?),
            Question::DeletedSessions => Answer::DeletedSessions(store.deleted_sessions()?),
            Question::Open(session) => Answer::Open(Box::new(store.session(*session)?)),
            Question::Turns(turns) => Answer::Turns(store.turns(turns)?),
            Question::Trace(turn) => Answer::Trace(*turn, store.trace(*turn)?),
            Question::Search(text, most) => Answer::Search(text.clone(), store.search(text, *most)?),
            Question::Export(session, format) => Answer::Export(*session, store.export(*session, *format)?),
            Question::SavedStates(model) => Answer::SavedStates(store.saved_states(model.as_deref())?),
            Question::Import(document) => Answer::Imported(store.import(document)?),
            Question::Purge(before) => Answer::Purged(store.purge(*before)?),
        })
    }
}
