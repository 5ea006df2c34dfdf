//! A reply on its way to the disk: while it grows, only what is new is written, a piece at a time; at its end the pieces
//! become one text. Until then whoever reads it puts the pieces together, which is also what is left of it when its
//! program was killed.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::ids::TurnId;
use super::read::words_of;
use super::trace::{Mark, Trace, encode_tokens};
use super::turn::{INTERRUPTED, NewReply, Piece, ReplyEnd, TurnTrace};

/// Written with each trace; another number is another encoding.
pub(super) const TRACE_FORMAT: i64 = 1;

pub(super) fn grow(connection: &Connection, piece: &Piece) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT OR IGNORE INTO pieces(turn, number, text_at, reasoning_at, text, reasoning, text_trace,
           reasoning_trace) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            piece.turn.0,
            piece.number,
            piece.text_at as i64,
            piece.reasoning_at as i64,
            piece.text,
            piece.reasoning,
            piece.text_trace.encode(),
            piece.reasoning_trace.encode()
        ],
    )?;
    Ok(())
}

/// The text of a turn that may have pieces.
pub(super) struct Whole {
    pub(super) text: String,
    pub(super) reasoning: String,
    pub(super) trace: TurnTrace,
}

/// Adds the pieces to what the turn's own row says.
pub(super) fn with_pieces(
    connection: &Connection,
    turn: TurnId,
    text: String,
    reasoning: String,
) -> rusqlite::Result<Whole> {
    let mut whole = Whole { text, reasoning, trace: stored_trace(connection, turn)? };
    let mut statement = connection.prepare(
        "SELECT text_at, reasoning_at, text, reasoning, text_trace, reasoning_trace FROM pieces
         WHERE turn = ?1 ORDER BY number",
    )?;
    let mut rows = statement.query([turn.0])?;
    while let Some(row) = rows.next()? {
        let (text_at, reasoning_at): (i64, i64) = (row.get(0)?, row.get(1)?);
        if extend(&mut whole.text, text_at, &words_of(row, 2)?) {
            whole.trace.text.0.append(&mut Trace::decode(row.get_ref(4)?.as_blob()?).0);
        }
        if extend(&mut whole.reasoning, reasoning_at, &words_of(row, 3)?) {
            whole.trace.reasoning.0.append(&mut Trace::decode(row.get_ref(5)?.as_blob()?).0);
        }
    }
    Ok(whole)
}

/// Adds a piece that begins at byte `at`: of one that is partly there already, the rest. Returns whether any of it is new.
fn extend(text: &mut String, at: i64, piece: &str) -> bool {
    let known = usize::try_from(at).map_or(0, |at| text.len().saturating_sub(at));
    text.push_str(piece.get(known..).unwrap_or_default());
    known == 0 || known < piece.len()
}

/// The trace in the turn's own row of traces.
pub(super) fn stored_trace(connection: &Connection, turn: TurnId) -> rusqlite::Result<TurnTrace> {
    let sql = "SELECT text, reasoning, tokens FROM traces WHERE turn = ?1 AND format = ?2";
    let found = connection
        .query_row(sql, params![turn.0, TRACE_FORMAT], |row| {
            Ok(TurnTrace {
                text: Trace::decode(row.get_ref(0)?.as_blob()?),
                reasoning: Trace::decode(row.get_ref(1)?.as_blob()?),
                tokens: super::trace::decode_tokens(row.get_ref(2)?.as_blob()?),
            })
        })
        .optional()?;
    Ok(found.unwrap_or_default())
}

pub(super) fn store_trace(connection: &Connection, turn: TurnId, trace: &TurnTrace) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT OR REPLACE INTO traces(turn, format, text, reasoning, tokens) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            turn.0,
            TRACE_FORMAT,
            trace.text.encode(),
            trace.reasoning.encode(),
            encode_tokens(&trace.tokens)
        ],
    )?;
    Ok(())
}

/// A reply that continues another one begins with its text, and so with its trace.
pub(super) fn inherit_trace(connection: &Connection, from: TurnId, new: &NewReply) -> rusqlite::Result<()> {
    let mut trace = load(connection, from)?.trace;
    fill(&mut trace.text, &new.text);
    fill(&mut trace.reasoning, &new.reasoning);
    store_trace(connection, new.id, &TurnTrace { tokens: Vec::new(), ..trace })
}

/// Makes a trace reach the end of its text: what follows must not slip into the gap.
fn fill(trace: &mut Trace, text: &str) {
    if trace.over(text).filter_map(|(mark, _)| mark).count() < trace.0.len() {
        // It belongs to another text.
        trace.0.clear();
    }
    let missing = text.len() - trace.bytes();
    if missing > 0 {
        trace.0.push(Mark::Unknown { bytes: u32::try_from(missing).unwrap_or(u32::MAX) });
    }
}

/// Ends a reply: its text is one piece again.
pub(super) fn finish(connection: &Connection, turn: TurnId, end: &ReplyEnd) -> rusqlite::Result<()> {
    let mut whole = load(connection, turn)?;
    if let Some(text) = &end.text {
        whole.text.clone_from(text);
    }
    if let Some(reasoning) = &end.reasoning {
        whole.reasoning.clone_from(reasoning);
    }
    if !end.tokens.is_empty() {
        whole.trace.tokens.clone_from(&end.tokens);
    }
    let numbers = end.numbers.as_ref().map(ToString::to_string);
    put(connection, turn, &whole, &end.reason)?;
    connection.execute("UPDATE turns SET numbers = ?2 WHERE id = ?1", params![turn.0, numbers])?;
    Ok(())
}

/// Takes a reply that nobody finished as it stands. Its program, should it still write, may go on all the same: pieces
/// that come later are added, and its own end is the one that counts.
pub(super) fn settle(connection: &Connection, turn: TurnId) -> rusqlite::Result<()> {
    let whole = load(connection, turn)?;
    put(connection, turn, &whole, INTERRUPTED)
}

/// A turn as it stands.
pub(super) fn load(connection: &Connection, turn: TurnId) -> rusqlite::Result<Whole> {
    let sql = "SELECT text, reasoning FROM turns WHERE id = ?1";
    let own =
        connection.query_row(sql, [turn.0], |row| Ok((words_of(row, 0)?, words_of(row, 1)?))).optional()?;
    let (text, reasoning) = own.unwrap_or_default();
    with_pieces(connection, turn, text, reasoning)
}

fn put(connection: &Connection, turn: TurnId, whole: &Whole, ended: &str) -> rusqlite::Result<()> {
    connection.execute(
        "UPDATE turns SET text = ?2, reasoning = ?3, ended = ?4 WHERE id = ?1",
        params![turn.0, whole.text, whole.reasoning, ended],
    )?;
    if whole.trace != TurnTrace::default() {
        store_trace(connection, turn, &whole.trace)?;
    }
    connection.execute("DELETE FROM pieces WHERE turn = ?1", [turn.0])?;
    Ok(())
}
