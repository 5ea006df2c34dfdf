//! The session store from outside: trees against a simple model, several processes, killed processes, damaged files, the
//! command.

mod command;
mod damage;
mod kill;
mod model;
mod recorder;
mod store;

use std::path::Path;

use slipstream::sessions::{
    Change, Moment, NewReply, NewTurn, Piece, ReplyEnd, SessionId, Speaker, Store, Trace, TurnId,
};
use slipstream::token::Origin;

fn open(path: &Path) -> Store {
    let opened = Store::open(path).unwrap();
    assert_eq!(opened.recovery, None);
    opened.store
}

/// A question.
fn asks(session: SessionId, parent: Option<TurnId>, text: &str) -> NewTurn {
    let id = TurnId::fresh(parent);
    NewTurn { id, session, parent, speaker: Speaker::User, text: text.to_owned(), created: Moment::now() }
}

/// A reply that begins.
fn answers(session: SessionId, parent: Option<TurnId>) -> NewReply {
    NewReply {
        id: TurnId::fresh(parent),
        session,
        parent,
        created: Moment::now(),
        continues: None,
        text: String::new(),
        reasoning: String::new(),
    }
}

/// Its growth: the pieces of an answer, all drafted.
fn pieces(reply: &NewReply, texts: &[&str]) -> Vec<Change> {
    let mut at = reply.text.len();
    let piece = |(number, text): (usize, &&str)| {
        let mut text_trace = Trace::default();
        text_trace.token(text, Origin::Accepted);
        let piece = Piece {
            turn: reply.id,
            number: number as u32,
            text_at: at,
            reasoning_at: 0,
            text: (*text).to_owned(),
            reasoning: String::new(),
            text_trace,
            reasoning_trace: Trace::default(),
        };
        at += text.len();
        Change::Grow(piece)
    };
    texts.iter().enumerate().map(piece).collect()
}

fn ends(reply: &NewReply, reason: &str) -> Change {
    Change::Finish(reply.clone(), ReplyEnd { reason: reason.to_owned(), ..ReplyEnd::default() })
}

/// A chat of so many questions and answers, each answer of `words` words that tell their place.
fn chat(store: &mut Store, rounds: usize, words: usize) -> SessionId {
    let session = SessionId::fresh();
    let mut parent = None;
    for round in 0..rounds {
        let question = asks(session, parent, &format!("question {round} about lanterns"));
        let reply = answers(session, Some(question.id));
        let answer: String = (0..words).map(|word| format!("answer{round}word{word} ")).collect();
        let mut changes = vec![Change::Append(question), Change::Begin(reply.clone())];
        changes.extend(pieces(&reply, &[&answer]));
        changes.push(ends(&reply, "eot"));
        store.write(&changes).unwrap();
        parent = Some(reply.id);
    }
    session
}
