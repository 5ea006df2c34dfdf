//! What the UI does outside of itself: reading files and folders, on a thread of its own, so that a slow disk
//! never stops the screen; running the editor; keeping the history of inputs.

pub mod editor;
pub mod files;
pub mod glob;
pub mod inputs;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use crate::tui::app::{Effect, State};
use crate::tui::clipboard;
use crate::tui::complete::{self, Folder};
use crate::tui::composer::Fold;
use crate::tui::text::clean;

/// Enough to warn by: text has three to five bytes a token.
const BYTES_PER_TOKEN: usize = 4;

/// Something to be done outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// Read this file.
    Read(String),
    /// Read the files that this pattern fits.
    Glob(String),
    /// Look what is on the clipboard.
    Paste,
    /// List this folder, for completion.
    List(String),
}

/// What came of it. What went wrong is said in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Text for the input, and what was left out of it.
    Text(Result<(Fold, Option<String>), String>),
    /// What is on the clipboard.
    Pasted(Result<String, String>),
    /// A folder's names.
    Listed(Folder),
    /// The input, as it came back from the editor.
    Edited(Result<String, String>),
}

/// The thread, while the UI runs.
pub struct Outside {
    jobs: Sender<Job>,
    answers: Receiver<Answer>,
}

impl Outside {
    /// Starts the thread. It ends by itself when this is dropped and its last job is done.
    #[must_use]
    pub fn start() -> Outside {
        let (jobs, incoming) = channel::<Job>();
        let (outgoing, answers) = channel();
        let _ = thread::Builder::new().name("files".to_string()).spawn(move || {
            for job in incoming {
                if outgoing.send(answer(job)).is_err() {
                    break;
                }
            }
        });
        Outside { jobs, answers }
    }

    /// Gives the thread something to do.
    pub fn give(&self, job: Job) {
        let _ = self.jobs.send(job);
    }

    /// An answer that has come.
    pub fn answer(&self) -> Option<Answer> {
        self.answers.try_recv().ok()
    }
}

/// Takes an answer in.
pub fn receive(state: &mut State, answer: Answer) -> Vec<Effect> {
    match answer {
        Answer::Text(Ok((fold, note))) => {
            if let Some(note) = note {
                state.note(note);
            }
            let tokens = fold.text.len() / BYTES_PER_TOKEN;
            let room = state.ready.as_ref().map_or(usize::MAX, |ready| ready.context_size as usize);
            if tokens > room {
                state.notify(format!("about {tokens} tokens, and the context holds {room}"));
            }
            state.composer.attach(fold);
        }
        Answer::Text(Err(wrong)) => state.note(wrong),
        Answer::Pasted(Ok(text)) => state.composer.insert(&text),
        Answer::Pasted(Err(wrong)) => state.note(wrong),
        Answer::Listed(folder) => return complete::tab(state, Some(&folder)),
        Answer::Edited(Ok(text)) => state.composer.set(&clean(&text)),
        Answer::Edited(Err(wrong)) => state.note(wrong),
    }
    Vec::new()
}

fn answer(job: Job) -> Answer {
    match job {
        Job::Read(path) => Answer::Text(files::read(&path).map(|fold| (fold, None))),
        Job::Glob(pattern) => Answer::Text(files::read_all(&pattern)),
        Job::Paste => Answer::Pasted(clipboard::take_from_system()),
        Job::List(path) => Answer::Listed(Folder { names: files::names(&path), path }),
    }
}
