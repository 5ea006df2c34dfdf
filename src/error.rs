//! The one error a person sees: what happened, what to do next, and the exit code of its kind (docs/NUMBERS.md).

use std::fmt;

use crate::event::Failure;

/// The kinds of failure, each with its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A fault of the program or the machine.
    Fault,
    /// Wrong use: flags, commands, input.
    Usage,
    /// A file that is bad or does not fit.
    File,
    /// Not enough memory or disk.
    Space,
    /// Interrupted.
    Interrupted,
}

impl Kind {
    /// The exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Kind::Fault => 1,
            Kind::Usage => 2,
            Kind::File => 3,
            Kind::Space => 4,
            Kind::Interrupted => 130,
        }
    }
}

/// A failure, in words for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The exit code.
    pub code: u8,
    /// What was being done, to what, what was found, what was expected.
    pub message: String,
    /// What to do next.
    pub help: Option<String>,
}

impl Problem {
    /// A problem of a kind.
    #[must_use]
    pub fn new(kind: Kind, message: impl Into<String>, help: impl Into<String>) -> Problem {
        let help = help.into();
        Problem { code: kind.code(), message: message.into(), help: (!help.is_empty()).then_some(help) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)
    }
}

impl std::error::Error for Problem {}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Problem { code: failure.code, message: failure.message, help: failure.help }
    }
}
