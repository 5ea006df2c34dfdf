//! What the run loop does with the world beyond the terminal: events of the engine, news of the host and answers from the
//! disk in, orders and wishes out.

use std::sync::mpsc::TryRecvError;

use crate::event::Event;
use crate::tui::app::{Effect, Msg, Stage, State, update};
use crate::tui::host::{Connection, Host, News};
use crate::tui::outside::Outside;
use crate::tui::{BATCH, TuiError, terminal};

/// The program around the UI, and the engine that it has started.
pub(super) struct Edge<'a> {
    host: &'a mut dyn Host,
    /// Reads files and folders.
    outside: Outside,
    connection: Option<Connection>,
    /// What is being opened is to be cancelled as soon as it can be.
    cancel: bool,
}

impl<'a> Edge<'a> {
    pub(super) fn new(host: &'a mut dyn Host) -> Edge<'a> {
        Edge { host, outside: Outside::start(), connection: None, cancel: false }
    }

    pub(super) fn find_pairs(&mut self) {
        self.host.find_pairs();
    }

    pub(super) fn take_news(&mut self, state: &mut State, effects: &mut Vec<Effect>) {
        while let Some(news) = self.host.news() {
            let message = match news {
                News::Opened(opening, connection) => {
                    if std::mem::take(&mut self.cancel) {
                        (connection.cancel)();
                    }
                    self.connection = Some(connection);
                    Msg::Opened(opening)
                }
                News::Refused(failure) => Msg::Refused(failure),
                News::Pairs(found) => Msg::Pairs(found),
            };
            effects.extend(update(state, message));
        }
        while let Some(answer) = self.outside.answer() {
            effects.extend(update(state, Msg::Outside(answer)));
        }
    }

    /// Takes the events that are there.
    pub(super) fn take_events(
        &mut self,
        state: &mut State,
        effects: &mut Vec<Effect>,
    ) -> Result<(), TuiError> {
        for _ in 0..BATCH {
            let Some(connection) = &self.connection else { return Ok(()) };
            match connection.events.try_recv() {
                Ok(event) => {
                    if matches!(event, Event::Ready(_)) {
                        self.host.loaded();
                    }
                    effects.extend(update(state, Msg::Engine(event)));
                }
                Err(TryRecvError::Empty) => break,
                // It could not be loaded, and has said so: another is chosen.
                Err(TryRecvError::Disconnected) if state.stage() == Stage::Choosing => self.connection = None,
                Err(TryRecvError::Disconnected) => {
                    return Err(TuiError::EngineGone { panic: terminal::panic_elsewhere() });
                }
            }
        }
        Ok(())
    }

    pub(super) fn carry_out(&mut self, effect: Effect, state: &mut State) {
        match effect {
            // A closed channel shows itself at the other one, with the reason.
            Effect::Send(command) => {
                if let Some(connection) = &self.connection {
                    let _ = connection.commands.send(command);
                }
            }
            Effect::Cancel => match &self.connection {
                Some(connection) => (connection.cancel)(),
                None => self.cancel = true,
            },
            Effect::Open(wanted) => {
                (self.connection, self.cancel) = (None, false);
                self.host.open(&wanted);
            }
            Effect::Outside(job) => self.outside.give(job),
            Effect::FindPairs => self.host.find_pairs(),
            Effect::Keep => {
                if let Err(wrong) = self.host.keep(&state.start.preferences) {
                    update(state, Msg::Wrong(wrong));
                }
            }
            _ => {}
        }
    }
}
