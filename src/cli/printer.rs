//! The only writer to standard output and standard error.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::error::Problem;

/// Whether a person looks at standard output.
#[must_use]
pub fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Writes to standard output at once.
///
/// # Errors
/// The system's; a closed pipe among them, which callers take as "enough".
pub fn out(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Lines that wait while the terminal UI has the screen.
static HELD: Mutex<Option<Vec<String>>> = Mutex::new(None);

/// From now on lines for standard error wait: the terminal UI has the screen.
pub fn hold() {
    HELD.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default();
}

/// Writes the lines that have waited.
pub fn release() {
    let held = HELD.lock().unwrap_or_else(PoisonError::into_inner).take();
    held.into_iter().flatten().for_each(|line| note(&line));
}

/// Writes a line to standard error. Nobody can be told where that fails.
pub fn note(text: &str) {
    if let Some(held) = HELD.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        held.push(text.to_owned());
        return;
    }
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Writes without a line break to standard error.
pub fn note_part(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes());
    let _ = stderr.flush();
}

/// Tells of a problem: in words on standard error, or as an object on standard output.
pub fn problem(problem: &Problem, as_json: bool) {
    // Where nobody can read it there: in words.
    if as_json && out(&format!("{}\n", json!({ "error": object(problem) }))).is_ok() {
        return;
    }
    note(&format!("error: {}", problem.message));
    if let Some(help) = &problem.help {
        note(&format!("  help: {help}"));
    }
}

/// A problem as an object.
#[must_use]
pub fn object(problem: &Problem) -> Value {
    json!({ "code": problem.code, "message": problem.message, "help": problem.help })
}

/// Takes control characters out of text that a model or a file wrote, before it reaches a terminal. Line breaks and
/// tabs stay.
#[must_use]
pub fn tame(text: &str) -> std::borrow::Cow<'_, str> {
    let harmless = |c: char| !c.is_control() || c == '\n' || c == '\t';
    if text.chars().all(harmless) {
        return text.into();
    }
    text.chars().map(|c| if harmless(c) { c } else { '\u{FFFD}' }).collect::<String>().into()
}
