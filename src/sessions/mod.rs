//! Chats that outlive the program: every turn, on every branch, in one SQLite file in the data folder.
//!
//! * `tree.rs`: how turns follow each other. Nothing that was said is changed: an edited question, a reply made anew or
//!   continued is one more turn in the same place. So two processes that have the same session open cannot take anything
//!   from each other: what both add are branches.
//! * `change.rs`: everything that can be done, as values that may be done twice; `reply.rs`: a reply that grows.
//! * `store.rs`, `read.rs`, `search.rs`, `state.rs`, `purge.rs`: the open file; each call waits for the disk.
//! * `recorder.rs`: a thread that waits instead; once a second it writes what a running reply has grown by.
//! * `file.rs`: the file and what lies beside it; `schema.rs`: the tables and their format's number; `salvage.rs`,
//!   `carve.rs`: what is done about a damaged file.
//! * `transfer/`: Markdown, and JSON that can be read back.
//!
//! What is promised: a turn that ended is on the disk; of a running reply at most the last second is not, however the
//! program ends; a file that this program does not understand is left as it is.

mod carve;
mod change;
mod error;
mod file;
mod ids;
mod journal;
mod moment;
mod purge;
mod read;
mod recorder;
mod reply;
mod salvage;
mod schema;
mod search;
mod settings;
mod state;
mod store;
mod trace;
mod transfer;
mod tree;
mod turn;

use std::time::Duration;

pub use change::Change;
pub use error::StoreError;
pub use ids::{DeletionId, SessionId, TurnId};
pub use moment::Moment;
pub use purge::Purged;
pub use recorder::{Answer, Question, Recorder, Report};
pub use salvage::Recovery;
pub use schema::Migration;
pub use search::Hit;
pub use settings::{Identity, Sampling, SessionSettings};
pub use state::SavedState;
pub use store::{Opened, Store};
pub use trace::{Mark, Trace, decode_tokens, encode_tokens};
pub use transfer::json::{Document, SessionDocument, TurnDocument, parse as parse_export};
pub use transfer::{Format, ImportError, markdown};
pub use tree::{Node, Tree, Undone};
pub use turn::{
    Deletion, INTERRUPTED, NewReply, NewTurn, Piece, ReplyEnd, Session, SessionInfo, Speaker, Turn,
    TurnTrace, WRITTEN, title_of,
};

/// The file's name in the data folder.
pub const FILE_NAME: &str = "sessions.db";

/// How long another process may hold the file before that is a problem. Its longest work takes well under a second.
const PATIENCE: Duration = Duration::from_secs(10);
