//! Why no file was made.

use std::io;
use std::path::PathBuf;

use crate::gguf::{LayoutError, Printable};
use crate::quantize::SourceError;

/// A name from a file, in a message.
fn named(text: &str) -> Printable<'_> {
    Printable::short(text, 80)
}

/// Why no file was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// The source could not be read.
    #[error("quantizing `{}` failed: {source}", named(.tensor))]
    Source {
        /// The tensor.
        tensor: String,
        /// Why.
        source: SourceError,
    },
    /// The source is not the one it was.
    #[error("{source}")]
    Changed {
        /// What changed.
        source: SourceError,
    },
    /// The metadata or tensors make no file.
    #[error("laying out the new file failed: {0}")]
    Layout(#[from] LayoutError),
    /// A weight that is no number.
    #[error(
        "the weight of `{}` at row {row}, column {column} is {value}, expected a finite number below 8.4 million",
        named(.tensor)
    )]
    Weight {
        /// The tensor.
        tensor: String,
        /// Its row, over all experts, from 0.
        row: u64,
        /// Its column, from 0.
        column: usize,
        /// It.
        value: f32,
    },
    /// What else the quantizer refuses.
    #[error("quantizing rows {first} to {last} of `{}` failed: {reason}", named(.tensor))]
    Refused {
        /// The tensor.
        tensor: String,
        /// The first row.
        first: u64,
        /// The last one.
        last: u64,
        /// Why.
        reason: String,
    },
    /// There is such a file already.
    #[error("{path} exists already")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// No file can be created there.
    #[error("creating {path} failed: {source}")]
    Create {
        /// The partial file, or its journal.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another process writes it.
    #[error("{path} is being written by another process")]
    Busy {
        /// The partial file.
        path: PathBuf,
    },
    /// What was begun is something else.
    #[error("{path} was begun from another source, with other settings, or by another version")]
    OtherJob {
        /// The partial file.
        path: PathBuf,
    },
    /// What the journal says cannot be: it was damaged. What was begun is removed, for nobody can go on with it.
    #[error("{path} cannot be continued: its journal names no end of a piece")]
    Journal {
        /// The partial file.
        path: PathBuf,
    },
    /// Not enough room on the disk, seen before the start.
    #[error("{path} will take {needed} bytes more; the disk has {available} left")]
    Disk {
        /// The new file.
        path: PathBuf,
        /// Bytes still to be written.
        needed: u64,
        /// Bytes free.
        available: u64,
    },
    /// Writing failed: the disk is full, or worse.
    #[error("writing {path} failed after {position} bytes: {source}")]
    Write {
        /// The partial file.
        path: PathBuf,
        /// Bytes that are there.
        position: u64,
        /// What the system says.
        source: io::Error,
    },
    /// It was cancelled.
    #[error("quantizing was cancelled; {position} of {whole} bytes are in {path}")]
    Cancelled {
        /// The partial file.
        path: PathBuf,
        /// Bytes that are there.
        position: u64,
        /// Bytes of the whole file.
        whole: u64,
    },
}

impl PipelineError {
    /// Whether `--resume` can go on from what is there.
    #[must_use]
    pub fn can_resume(&self) -> bool {
        match self {
            PipelineError::Write { .. } | PipelineError::Cancelled { .. } => true,
            PipelineError::Source { source, .. } => matches!(source, SourceError::Io { .. }),
            _ => false,
        }
    }

    /// Whether room is what is missing.
    #[must_use]
    pub fn is_space(&self) -> bool {
        match self {
            PipelineError::Disk { .. } => true,
            PipelineError::Create { source, .. } | PipelineError::Write { source, .. } => is_full(source),
            _ => false,
        }
    }

    /// What a person can do about it.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            PipelineError::Source { source, .. } | PipelineError::Changed { source } => source.help(),
            PipelineError::Layout(_) => "The source is damaged or incomplete: fetch it again.",
            PipelineError::Weight { .. } => "The source is damaged, or its training failed: fetch it again.",
            PipelineError::Refused { .. } => {
                "Choose another type; where that fails too, the source is damaged."
            }
            PipelineError::Exists { .. } => "Choose another name, or overwrite it with `--force`.",
            PipelineError::Create { source, .. } if is_full(source) => {
                "Free some room, or write to another disk."
            }
            PipelineError::Create { .. } => "Check that you may write to that folder, or give another one.",
            PipelineError::Busy { .. } => "Wait until that one has ended.",
            PipelineError::OtherJob { .. } => {
                "Repeat the command it was begun with, or leave `--resume` away to begin anew."
            }
            PipelineError::Journal { .. } => "Repeat the command: it begins anew.",
            PipelineError::Disk { .. } => "Free that much, or write to another disk.",
            PipelineError::Write { source, .. } if is_full(source) => {
                "Free some room and repeat the command with `--resume`, or delete the partial file."
            }
            PipelineError::Write { .. } | PipelineError::Cancelled { .. } => {
                "Repeat the command with `--resume` to go on from there, or delete the partial file."
            }
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
