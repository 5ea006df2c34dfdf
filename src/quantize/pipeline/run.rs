//! The threads: several that make pieces, one that writes them, one that waits for the disk.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use super::board::{Board, Closing};
use super::error::PipelineError;
use super::journal::{Mark, hexadecimal};
use super::partial::{Hashed, Partial, Start, Target};
use super::piece::{PIECE_WEIGHTS, Piece, importance, pieces, window};
use crate::gguf::{Layout, LayoutError, NewTensor, Value, Writer};
use crate::quantize::lattice::{self, Exactness};
use crate::quantize::widen::is_number;
use crate::quantize::{Imatrix, Method, Plan, Quantizer, QuantizerError, Source};

/// Between two points from which a slow file can be continued, however little was written.
const MARK_AFTER: Duration = Duration::from_secs(20);

/// What is to be made.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// Where weights come from.
    pub source: &'a dyn Source,
    /// What each tensor becomes.
    pub plan: &'a Plan,
    /// What weighs the columns; the one the plan was made with.
    pub imatrix: Option<&'a Imatrix>,
    /// The new file's metadata.
    pub metadata: &'a [(String, Value)],
    /// Who quantizes.
    pub quantizer: &'a dyn Quantizer,
    /// Threads that quantize.
    pub threads: usize,
    /// What else the bytes depend on, in words: which source, which build. A file is continued only where this is equal.
    pub identity: &'a str,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The tensor written last.
    pub tensor: &'a str,
    /// Tensors that are whole.
    pub tensors: usize,
    /// Tensors of the file.
    pub of_tensors: usize,
    /// Bytes of the source that are done with.
    pub read: u64,
    /// Bytes of the source.
    pub of_read: u64,
    /// Bytes of the file that are written.
    pub written: u64,
    /// Bytes of the file.
    pub of_written: u64,
    /// Bytes of the file that were there at the start.
    pub resumed: u64,
}

/// What was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Bytes of the file.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal digits.
    pub sha256: String,
    /// How well each tensor on the 4-bit lattice came back: its number in the plan, and its weights.
    pub exactness: Vec<(usize, Exactness)>,
    /// Bytes of the file that were there at the start.
    pub resumed: u64,
}

/// A piece's bytes.
struct Made {
    bytes: Vec<u8>,
    exactness: Option<Exactness>,
}

/// The file that a plan makes with these metadata.
///
/// # Errors
/// [`LayoutError`] where no reader would accept it.
pub fn layout(plan: &Plan, metadata: &[(String, Value)]) -> Result<Layout, LayoutError> {
    let rows = plan.rows.iter();
    let tensors: Vec<NewTensor<'_>> =
        rows.map(|row| NewTensor { name: &row.name, shape: &row.shape, tensor_type: row.given }).collect();
    Layout::new(metadata, &tensors)
}

/// Makes a file. `observe` is told how far it is, after each piece.
///
/// # Errors
/// [`PipelineError`]; there is no file of the final name then, unless there was one before.
pub fn run(
    job: &Job<'_>,
    target: &Target<'_>,
    cancel: &AtomicBool,
    observe: &mut dyn FnMut(Progress<'_>),
) -> Result<Outcome, PipelineError> {
    let layout = layout(job.plan, job.metadata)?;
    let (partial, start) = Partial::open(target, &job_hash(job, &layout), layout.file_bytes())?;
    let pieces = pieces(job.plan);
    let outcome = Writing::begin(job, &pieces, &layout, &partial, start).and_then(|mut writing| {
        let outcome = writing.go_through(target.mark_every, cancel, observe);
        let outcome = outcome.and_then(|()| writing.outcome());
        if outcome.as_ref().is_err_and(PipelineError::can_resume) {
            // The disk may be full; where no line fits either, the mark before counts.
            let _ = partial.mark(&writing.mark());
        }
        outcome
    });
    match outcome {
        Ok(outcome) => partial.finish().map(|()| outcome),
        Err(error) => {
            if !(error.can_resume() && target.keep) {
                partial.remove();
            }
            Err(error)
        }
    }
}

/// The writer's side.
struct Writing<'a> {
    job: &'a Job<'a>,
    pieces: &'a [Piece],
    partial: &'a Partial,
    writer: Writer<'a, Hashed<'a>>,
    /// Pieces written.
    done: usize,
    /// Bytes of these, and their hash.
    bytes: u64,
    hash: Sha256,
    /// What was found about lattices since the last mark, and altogether.
    since: Vec<(usize, Exactness)>,
    exactness: Vec<(usize, Exactness)>,
    progress: Progress<'a>,
}

impl<'a> Writing<'a> {
    /// Writes the header, unless the file is continued.
    fn begin(
        job: &'a Job<'a>,
        pieces: &'a [Piece],
        layout: &'a Layout,
        partial: &'a Partial,
        start: Start,
    ) -> Result<Writing<'a>, PipelineError> {
        let failed =
            |source| PipelineError::Write { path: partial.path.clone(), position: start.bytes, source };
        let out = Hashed { file: &partial.file, hash: start.hash.clone() };
        let is_row = |found: &(usize, Exactness)| found.0 < job.plan.rows.len();
        let is_journal = start.marks.iter().flat_map(|mark| &mark.exactness).all(is_row);
        let writer = match (start.bytes, start.pieces) {
            (0, 0) => Writer::begin(out, layout).map_err(failed)?,
            _ => Writer::resume(out, layout, start.bytes)
                .filter(|_| is_journal && end_of(pieces, start.pieces, layout) == Some(start.bytes))
                .ok_or_else(|| PipelineError::Journal { path: partial.path.clone() })?,
        };
        let mut exactness = Vec::new();
        for (row, found) in start.marks.iter().flat_map(|mark| &mark.exactness) {
            add(&mut exactness, *row, *found);
        }
        let read = |pieces: &[Piece]| pieces.iter().map(|piece| source_bytes(job, piece)).sum();
        let progress = Progress {
            tensor: "",
            tensors: 0,
            of_tensors: job.plan.rows.len(),
            read: read(&pieces[..start.pieces]),
            of_read: read(pieces),
            written: start.bytes,
            of_written: layout.file_bytes(),
            resumed: start.bytes,
        };
        let mut writing = Writing {
            job,
            pieces,
            partial,
            writer,
            done: start.pieces,
            bytes: 0,
            hash: Sha256::new(),
            since: Vec::new(),
            exactness,
            progress,
        };
        writing.settle();
        Ok(writing)
    }

    /// Works off all pieces that are not done.
    fn go_through(
        &mut self,
        mark_every: u64,
        cancel: &AtomicBool,
        observe: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), PipelineError> {
        let (job, pieces, partial) = (self.job, self.pieces, self.partial);
        let threads = job.threads.max(1);
        let board = Board::new(self.done, pieces.len(), window(threads));
        std::thread::scope(|scope| {
            let (marks, to_note) = sync_channel(0);
            let noting = scope.spawn(move || note(partial, &to_note));
            let _closing = Closing(&board);
            for _ in 0..threads {
                scope.spawn(|| work(job, pieces, &board, cancel));
            }
            let outcome = self.take_all(&board, &marks, mark_every, cancel, observe);
            drop(marks);
            let noted = noting.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            outcome.and(noted.map_err(|source| self.failed(source)))
        })
    }

    fn take_all(
        &mut self,
        board: &Board<Result<Made, PipelineError>>,
        marks: &SyncSender<Mark>,
        mark_every: u64,
        cancel: &AtomicBool,
        observe: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), PipelineError> {
        let (mut marked, mut when) = (self.bytes, Instant::now());
        observe(self.progress);
        while self.done < self.pieces.len() {
            if cancel.load(Ordering::Relaxed) {
                return Err(self.cancelled());
            }
            // The board closes early only where a thread panicked; then the scope ends in that panic.
            let Some(made) = board.take() else { return Err(self.cancelled()) };
            self.put(made.map_err(|error| self.placed(error))?)?;
            observe(self.progress);
            let is_due = self.bytes - marked >= mark_every || when.elapsed() >= MARK_AFTER;
            // Not while the disk is still busy with the mark before.
            if is_due && marks.try_send(self.mark()).is_ok() {
                self.since.clear();
                (marked, when) = (self.bytes, Instant::now());
            }
        }
        Ok(())
    }

    fn put(&mut self, made: Made) -> Result<(), PipelineError> {
        let piece = &self.pieces[self.done];
        self.writer.write(&made.bytes).map_err(|source| self.failed(source))?;
        if let Some(found) = made.exactness {
            add(&mut self.since, piece.row, found);
            add(&mut self.exactness, piece.row, found);
        }
        self.done += 1;
        self.progress.read += source_bytes(self.job, piece);
        self.settle();
        Ok(())
    }

    /// What is written up to here is whole.
    fn settle(&mut self) {
        self.bytes = self.writer.position();
        self.hash = self.writer.get_mut().hash.clone();
        let last = self.pieces[..self.done].last().map(|piece| piece.row);
        let is_whole = self.pieces.get(self.done).is_none_or(|next| Some(next.row) != last);
        self.progress.tensor = last.map_or("", |row| &self.job.plan.rows[row].name);
        self.progress.tensors = last.map_or(0, |row| row + usize::from(is_whole));
        self.progress.written = self.bytes;
    }

    fn mark(&self) -> Mark {
        Mark {
            pieces: self.done,
            bytes: self.bytes,
            sha256: hexadecimal(&self.hash),
            exactness: self.since.clone(),
        }
    }

    fn outcome(&mut self) -> Result<Outcome, PipelineError> {
        self.job.source.check_unchanged().map_err(|source| PipelineError::Changed { source })?;
        Ok(Outcome {
            bytes: self.bytes,
            sha256: hexadecimal(&self.hash),
            exactness: std::mem::take(&mut self.exactness),
            resumed: self.progress.resumed,
        })
    }

    fn failed(&self, source: io::Error) -> PipelineError {
        PipelineError::Write { path: self.partial.path.clone(), position: self.bytes, source }
    }

    fn cancelled(&self) -> PipelineError {
        let whole = self.progress.of_written;
        PipelineError::Cancelled { path: self.partial.path.clone(), position: self.bytes, whole }
    }

    /// A thread that works on pieces does not know how far the file is.
    fn placed(&self, error: PipelineError) -> PipelineError {
        match error {
            PipelineError::Cancelled { .. } => self.cancelled(),
            other => other,
        }
    }
}

/// Bytes of the file when so many pieces are written; `None` where there are not as many.
fn end_of(pieces: &[Piece], count: usize, layout: &Layout) -> Option<u64> {
    let Some(next) = pieces.get(count) else { return (count == pieces.len()).then(|| layout.file_bytes()) };
    let within: u64 =
        pieces[..count].iter().rev().take_while(|piece| piece.row == next.row).map(|piece| piece.bytes).sum();
    Some(layout.header().len() as u64 + layout.tensors()[next.row].offset + within)
}

/// Notes marks, each after the disk has everything before it.
fn note(partial: &Partial, marks: &Receiver<Mark>) -> io::Result<()> {
    marks.iter().try_for_each(|mark| partial.mark(&mark))
}

/// Makes pieces until there are none. Every piece claimed is answered.
fn work(job: &Job<'_>, pieces: &[Piece], board: &Board<Result<Made, PipelineError>>, cancel: &AtomicBool) {
    /// Closes the board where this thread panics: the writer would wait for its piece.
    struct OnPanic<'a>(&'a Board<Result<Made, PipelineError>>);
    impl Drop for OnPanic<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                self.0.close();
            }
        }
    }
    let _on_panic = OnPanic(board);
    let mut values = Vec::new();
    while let Some(number) = board.claim() {
        if cancel.load(Ordering::Relaxed) {
            let nowhere = PipelineError::Cancelled { path: Default::default(), position: 0, whole: 0 };
            board.put(number, Err(nowhere));
            return;
        }
        board.put(number, make(job, &pieces[number], &mut values));
    }
}

/// Reads and quantizes one piece.
fn make(job: &Job<'_>, piece: &Piece, values: &mut Vec<f32>) -> Result<Made, PipelineError> {
    let row = &job.plan.rows[piece.row];
    let tensor = &job.source.tensors()[row.source];
    let unreadable = |source| PipelineError::Source { tensor: row.name.clone(), source };
    let mut bytes = vec![0; piece.bytes as usize];
    if row.method == Method::Copy && !is_number(tensor.dtype) {
        job.source.read_bytes(row.source, piece.rows.clone(), &mut bytes).map_err(unreadable)?;
        return Ok(Made { bytes, exactness: None });
    }
    let columns = row.shape[0] as usize;
    values.resize((piece.rows.end - piece.rows.start) as usize * columns, 0.0);
    job.source.read_rows(row.source, piece.rows.clone(), values).map_err(unreadable)?;
    let at = |row_in_piece: usize, column, value| PipelineError::Weight {
        tensor: row.name.clone(),
        row: piece.rows.start + row_in_piece as u64,
        column,
        value,
    };
    if row.method == Method::Lattice {
        if let Some(bad) = values.iter().position(|value| !value.is_finite()) {
            return Err(at(bad / columns, bad % columns, values[bad]));
        }
        let exactness = Some(lattice::quantize(values, &mut bytes));
        return Ok(Made { bytes, exactness });
    }
    let weights = importance(row, piece, job.imatrix);
    job.quantizer.quantize(row.given, values, columns, weights, &mut bytes).map_err(|error| match error {
        QuantizerError::Weight { row, column, value } => at(row, column, value),
        QuantizerError::Refused(reason) => PipelineError::Refused {
            tensor: row.name.clone(),
            first: piece.rows.start,
            last: piece.rows.end - 1,
            reason,
        },
    })?;
    Ok(Made { bytes, exactness: None })
}

fn add(all: &mut Vec<(usize, Exactness)>, row: usize, found: Exactness) {
    // Pieces come in order.
    match all.last_mut() {
        Some((last, sum)) if *last == row => sum.add(found),
        _ => all.push((row, found)),
    }
}

/// Bytes that a piece takes in the source.
fn source_bytes(job: &Job<'_>, piece: &Piece) -> u64 {
    let tensor = &job.source.tensors()[job.plan.rows[piece.row].source];
    let weights = (piece.rows.end - piece.rows.start) * tensor.columns();
    tensor.dtype.bytes_of(weights)
}

/// A hash of everything that decides the file's bytes, except the source's weights, which `identity` stands for.
#[must_use]
pub fn job_hash(job: &Job<'_>, layout: &Layout) -> String {
    let mut hash = Sha256::new();
    hash.update(PIECE_WEIGHTS.to_le_bytes());
    hash.update((job.identity.len() as u64).to_le_bytes());
    hash.update(job.identity);
    hash.update(layout.header());
    for row in &job.plan.rows {
        hash.update([row.method as u8, row.importance as u8]);
    }
    for (name, entry) in job.imatrix.iter().flat_map(|imatrix| imatrix.entries()) {
        hash.update(name);
        for value in &entry.values {
            hash.update(value.to_le_bytes());
        }
    }
    hexadecimal(&hash)
}
