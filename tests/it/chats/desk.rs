//! A session of the UI over a store in memory: every wish is carried out at once, and every answer comes back.

use std::ops::{Deref, DerefMut};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use slipstream::event::Event;
use slipstream::sessions::{Moment, Question, Recorder, Report, Session as Stored, SessionId, Store, TurnId};
use slipstream::tui::app::Msg;
use slipstream::tui::sessions::{Told, Wish};

use crate::screen::{Session, loaded};

/// How long the recorder's thread may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The UI and its store.
pub struct Desk {
    pub session: Session,
    recorder: Recorder,
    reports: Receiver<Report>,
    /// Wishes that no store can carry out: exports, imports, states.
    pub other: Vec<Wish>,
}

impl Deref for Desk {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl DerefMut for Desk {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}

impl Desk {
    /// A chat on a screen of this size, with a new store.
    pub fn new(columns: u16, rows: u16) -> Desk {
        Desk::over(Session::ready(columns, rows), Store::in_memory().unwrap())
    }

    /// Any session over any store.
    pub fn over(mut session: Session, store: Store) -> Desk {
        let (sender, reports) = channel();
        let recorder = Recorder::start(store, move |report| drop(sender.send(report))).unwrap();
        session.tell(Msg::Date(Moment(1_795_601_472_000)));
        Desk { session, recorder, reports, other: Vec::new() }
    }

    /// The same store with a new UI: as after a restart.
    pub fn restarted(self, columns: u16, rows: u16) -> Desk {
        let Desk { recorder, reports, .. } = self;
        let mut session = Session::ready(columns, rows);
        session.tell(Msg::Date(Moment(1_795_601_472_000 + 3_600_000)));
        Desk { session, recorder, reports, other: Vec::new() }
    }

    /// The same with a UI that was started in another way.
    pub fn restarted_as(self, session: Session) -> Desk {
        let mut desk = self.restarted(80, 24);
        desk.session = session;
        desk
    }

    /// Carries out what was wished, and what follows from it, until nothing more comes.
    pub fn settle(&mut self) {
        loop {
            let wishes = self.session.wishes();
            if wishes.is_empty() {
                return;
            }
            for wish in wishes {
                match wish {
                    Wish::Change(change) => self.recorder.change(change),
                    Wish::Grow(turn, text) => {
                        let mut at = 0;
                        for span in text.spans {
                            let end = at + span.bytes as usize;
                            if let Some(guess) = &span.rejected {
                                self.recorder.rejected(turn, text.channel, guess);
                            }
                            self.recorder.text(turn, text.channel, &text.text[at..end], span.origin);
                            at = end;
                        }
                    }
                    Wish::Ask(question) => {
                        let answer = self.ask(question);
                        self.session.tell(Msg::Sessions(Told::Report(answer)));
                    }
                    other => self.other.push(other),
                }
            }
        }
    }

    /// The answer to a question.
    pub fn ask(&self, question: Question) -> Report {
        self.recorder.ask(question);
        loop {
            match self.reports.recv_timeout(PATIENCE).expect("the store answers") {
                report @ (Report::Answer(_) | Report::NoAnswer(..)) => return report,
                Report::Refused(error) | Report::Trouble(error) => panic!("{error}"),
                _ => {}
            }
        }
    }

    /// The open session as the store has it.
    pub fn stored(&mut self) -> Stored {
        self.settle();
        let id = self.state.sessions.chat.id().expect("something was said");
        self.stored_as(id)
    }

    pub fn stored_as(&mut self, id: SessionId) -> Stored {
        match self.ask(Question::Open(id)) {
            Report::Answer(slipstream::sessions::Answer::Open(stored)) => *stored,
            other => panic!("{other:?}"),
        }
    }

    /// Opens a session by its name.
    pub fn open(&mut self, id: SessionId) {
        let answer = self.ask(Question::Open(id));
        self.session.tell(Msg::Sessions(Told::Report(answer)));
        self.settle();
    }

    /// Types and sends, and what follows.
    pub fn say(&mut self, text: &str) {
        self.session.keys(text);
        self.session.keys("\n");
        self.settle();
    }

    /// A question and its answer.
    pub fn turn(&mut self, question: &str, answer: &str) {
        self.say(question);
        self.session.reply(answer);
        self.settle();
    }

    /// A model is loaded.
    pub fn ready(&mut self) {
        self.session.event(Event::Ready(loaded()));
        self.settle();
    }

    /// What is on the screen's branch, in the order in which it is.
    pub fn path(&self) -> Vec<TurnId> {
        let chat = &self.session.state.sessions.chat;
        chat.tree().path(chat.head())
    }

    /// The texts of the stored branch, first to last.
    pub fn texts(&mut self) -> Vec<String> {
        self.stored().turns.into_iter().map(|turn| turn.text).collect()
    }
}
