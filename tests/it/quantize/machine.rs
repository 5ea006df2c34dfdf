//! The pipeline's manners, over a source and a quantizer that exist in memory only: interruption, continuation, and
//! what is left behind when something fails.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use sha2::{Digest as _, Sha256};
use slipstream::gguf::{GgmlType, Value};
use slipstream::quantize::pipeline::{
    JOURNAL_SUFFIX, Job, Outcome, PARTIAL_SUFFIX, PipelineError, Target, pieces, run,
};
use slipstream::quantize::{
    FileType, Ggml, ModelFacts, Options, Plan, Source, SourceError, SourceTensor, quantized_metadata,
};

use super::tiny;

/// Weights made up from their place; what may go wrong on the way.
struct Made {
    tensors: Vec<SourceTensor>,
    metadata: Vec<(String, Value)>,
    /// (tensor's name, row) whose first weight is no number.
    bad: Option<(&'static str, u64)>,
    /// The tensor that cannot be read.
    unreadable: Option<&'static str>,
    /// Whether it changes while it is read.
    changes: bool,
    /// Weights on a 4-bit lattice.
    on_lattice: bool,
    reads: AtomicUsize,
}

impl Made {
    fn new() -> Made {
        Made {
            tensors: tiny::tensors(GgmlType::BF16),
            metadata: tiny::metadata(),
            bad: None,
            unreadable: None,
            changes: false,
            on_lattice: false,
            reads: AtomicUsize::new(0),
        }
    }
}

impl Source for Made {
    fn metadata(&self) -> &[(String, Value)] {
        &self.metadata
    }

    fn tensors(&self) -> &[SourceTensor] {
        &self.tensors
    }

    fn read_rows(&self, tensor: usize, rows: Range<u64>, into: &mut [f32]) -> Result<(), SourceError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let described = &self.tensors[tensor];
        if self.unreadable == Some(&described.name) {
            let source = std::io::Error::from_raw_os_error(5);
            return Err(SourceError::Io { path: "made".into(), offset: 7, source });
        }
        let columns = described.columns() as usize;
        for (row, values) in rows.clone().zip(into.chunks_mut(columns)) {
            let mut numbers = tiny::Numbers((tensor as u64) << 32 | row);
            for value in values.iter_mut() {
                *value = match self.on_lattice {
                    // Never -8, and 2^-6 times it is a BF16 number.
                    true => ((numbers.unit() * 15.0).floor() - 7.0) / 64.0,
                    false => f32::from_bits(numbers.weight().to_bits() & 0xffff_0000),
                };
            }
            if self.bad == Some((&described.name, row)) {
                values[0] = f32::NAN;
            }
        }
        Ok(())
    }

    fn check_unchanged(&self) -> Result<(), SourceError> {
        let changed =
            SourceError::Changed { path: "made".into(), found: "2".to_owned(), expected: "1".to_owned() };
        if self.changes { Err(changed) } else { Ok(()) }
    }
}

/// A file being made.
struct Trial {
    folder: tempfile::TempDir,
    source: Made,
    threads: usize,
    file_type: FileType,
    resume: bool,
    force: bool,
    identity: &'static str,
    /// Cancelled when so many bytes are written.
    cancel_at: Option<u64>,
    keep: bool,
    mark_every: u64,
}

impl Trial {
    fn new() -> Trial {
        Trial {
            folder: tempfile::tempdir().expect("a folder"),
            source: Made::new(),
            threads: 2,
            file_type: FileType::Q8_0,
            resume: false,
            force: false,
            identity: "made",
            cancel_at: None,
            keep: true,
            mark_every: u64::MAX,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("out.gguf")
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        self.folder.path().join(format!("out.gguf{suffix}"))
    }

    fn run(&self) -> Result<Outcome, PipelineError> {
        let facts = ModelFacts::read(self.source.metadata()).expect("facts");
        let mut options = Options::new(self.file_type);
        if self.source.on_lattice {
            let weights = self.source.tensors.iter().filter(|each| each.dtype == GgmlType::BF16);
            options.on_lattice = weights.map(|each| each.name.clone()).collect();
        }
        let plan = Plan::new(&facts, self.source.tensors(), &options).expect("a plan");
        let metadata = quantized_metadata(self.source.metadata(), self.file_type, None);
        let job = Job {
            source: &self.source,
            plan: &plan,
            imatrix: None,
            metadata: &metadata,
            quantizer: &Ggml,
            threads: self.threads,
            identity: self.identity,
        };
        let path = self.path();
        let target = Target {
            path: &path,
            force: self.force,
            resume: self.resume,
            keep: self.keep,
            mark_every: self.mark_every,
        };
        let cancel = AtomicBool::new(false);
        let mut last = 0;
        run(&job, &target, &cancel, &mut |progress| {
            assert!(progress.written >= last, "progress goes forward");
            last = progress.written;
            if self.cancel_at.is_some_and(|at| progress.written >= at) {
                cancel.store(true, Ordering::Relaxed);
            }
        })
    }

    /// Nothing but the file itself is there.
    fn is_clean(&self) -> bool {
        !self.beside(PARTIAL_SUFFIX).exists() && !self.beside(JOURNAL_SUFFIX).exists()
    }
}

/// The file made without interruption.
fn whole() -> Vec<u8> {
    let trial = Trial::new();
    let outcome = trial.run().expect("a file");
    let bytes = fs::read(trial.path()).expect("the file");
    let sum: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((outcome.bytes, outcome.sha256, outcome.resumed), (bytes.len() as u64, sum, 0));
    assert!(trial.is_clean());
    bytes
}

#[test]
fn threads_do_not_change_the_bytes() {
    let whole = whole();
    for threads in [1, 5] {
        let trial = Trial { threads, ..Trial::new() };
        trial.run().expect("a file");
        assert!(fs::read(trial.path()).expect("the file") == whole, "{threads} threads");
    }
}

#[test]
fn a_cancelled_file_is_continued_and_ends_with_the_same_bytes() {
    let whole = whole();
    let length = whole.len() as u64;
    // In the header's shadow, in the first tensor of two pieces, later.
    for at in [0, length / 8, length / 2, length - 100_000] {
        let mut trial = Trial { cancel_at: Some(at), ..Trial::new() };
        let error = trial.run().expect_err("it is cancelled");
        let PipelineError::Cancelled { position, whole: of, .. } = &error else { panic!("{error}") };
        assert!(*position >= at && *of == length, "{error}");
        assert!(error.can_resume() && !trial.path().exists());
        let position = *position;
        (trial.cancel_at, trial.resume) = (None, true);
        let outcome = trial.run().expect("a file");
        assert_eq!(outcome.resumed, position, "cancelled at {at}");
        assert!(fs::read(trial.path()).expect("the file") == whole, "cancelled at {at}");
        assert!(trial.is_clean());
    }
}

#[test]
fn what_a_killed_process_leaves_is_continued_from_what_is_whole() {
    let whole = whole();
    let mut trial = Trial { cancel_at: Some(whole.len() as u64 / 2), mark_every: 1, ..Trial::new() };
    trial.run().expect_err("it is cancelled");
    (trial.cancel_at, trial.resume) = (None, true);
    let (partial, journal) = (trial.beside(PARTIAL_SUFFIX), trial.beside(JOURNAL_SUFFIX));
    let (begun, notes) = (fs::read(&partial).expect("partial"), fs::read(&journal).expect("journal"));
    let marks = notes.iter().filter(|&&byte| byte == b'\n').count() - 1;
    assert!(marks >= 1, "{marks}");

    // (what happened, the partial file, the journal, whether anything can be used)
    let junk = [&begun[..], &[7; 5000]].concat();
    let mut early = begun.clone();
    early[100] ^= 1;
    let cut_notes = &notes[..notes.len() - 3];
    let text = String::from_utf8_lossy(&notes).into_owned();
    let lying = text.replace("\"pieces\":", "\"pieces\":9").into_bytes();
    fs::write(&journal, &lying).expect("write");
    let error = trial.run().expect_err("a journal that lies");
    assert!(matches!(error, PipelineError::Journal { .. }), "{error}");
    // It said to repeat the command with `--resume`, which failed in the same way each time.
    assert!(trial.run().expect("a file").resumed == 0 && trial.is_clean(), "it begins anew");
    fs::remove_file(trial.path()).expect("remove");

    // Marks of a journal that was damaged, where each would be an index out of range.
    let first = text.lines().next().expect("the job").to_owned();
    let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    for mark in [
        format!("{{\"pieces\":999999,\"bytes\":0,\"sha256\":\"{nothing}\",\"exactness\":[]}}"),
        text.lines()
            .nth(1)
            .expect("a mark")
            .replace("\"exactness\":[", "\"exactness\":[[999999,32,32,0.0,1.0]"),
    ] {
        fs::write(&partial, &begun).expect("write");
        fs::write(&journal, format!("{first}\n{mark}\n")).expect("write");
        let error = trial.run().expect_err("a journal that lies");
        assert!(matches!(error, PipelineError::Journal { .. }), "{mark}: {error}");
    }

    let cases: [(&str, &[u8], &[u8], bool); 6] = [
        ("written behind the last mark", &junk, &notes, true),
        ("the journal's last line cut off", &begun, cut_notes, marks > 1),
        ("a byte of the beginning changed", &early, &notes, false),
        ("the file lost", &[], &notes, false),
        ("the journal lost", &begun, b"", false),
        ("the journal something else", &begun, b"hello\n", false),
    ];
    for (what, partial_bytes, journal_bytes, is_used) in cases {
        fs::write(&partial, partial_bytes).expect("write");
        fs::write(&journal, journal_bytes).expect("write");
        let outcome = trial.run().unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(outcome.resumed > 0, is_used, "{what}");
        assert!(fs::read(trial.path()).expect("the file") == whole, "{what}");
        fs::remove_file(trial.path()).expect("remove");
    }
}

#[test]
fn what_nobody_would_continue_does_not_stay() {
    // What a pair is compared with is many times its size, and was left on the disk when that was interrupted.
    let mut trial = Trial { cancel_at: Some(200_000), keep: false, ..Trial::new() };
    let error = trial.run().expect_err("it is cancelled");
    assert!(matches!(error, PipelineError::Cancelled { .. }), "{error}");
    assert!(!trial.path().exists() && trial.is_clean());
    trial.cancel_at = None;
    trial.run().expect("a file");
    assert!(trial.path().exists() && trial.is_clean());
}

#[test]
fn another_job_is_not_continued() {
    let mut trial = Trial { cancel_at: Some(200_000), ..Trial::new() };
    trial.run().expect_err("it is cancelled");
    (trial.cancel_at, trial.resume) = (None, true);
    for change in [(|trial: &mut Trial| trial.identity = "other") as fn(&mut Trial), |trial| {
        trial.file_type = FileType::Q4_0
    }] {
        let mut other = Trial { resume: true, ..Trial::new() };
        fs::copy(trial.beside(PARTIAL_SUFFIX), other.beside(PARTIAL_SUFFIX)).expect("copy");
        fs::copy(trial.beside(JOURNAL_SUFFIX), other.beside(JOURNAL_SUFFIX)).expect("copy");
        change(&mut other);
        let error = other.run().expect_err("another job");
        assert!(matches!(error, PipelineError::OtherJob { .. }), "{error}");
        assert!(other.beside(PARTIAL_SUFFIX).exists(), "what somebody else needs stays");
        other.resume = false;
        other.run().expect("begun anew");
    }
}

#[test]
fn a_weight_that_is_no_number_is_named_and_leaves_nothing() {
    for (name, row) in [("blk.3.ffn_down_exps.weight", 700), ("blk.2.attn_norm.weight", 0)] {
        let mut trial = Trial::new();
        trial.source.bad = Some((name, row));
        let error = trial.run().expect_err("refused");
        let PipelineError::Weight { tensor, row: found, column: 0, .. } = &error else { panic!("{error}") };
        assert_eq!((tensor.as_str(), *found), (name, row));
        assert!(!trial.path().exists() && trial.is_clean() && !error.can_resume());
    }
}

#[test]
fn a_source_that_fails_or_changes_gives_no_file() {
    let mut trial = Trial::new();
    trial.source.unreadable = Some("blk.4.attn_k.weight");
    let error = trial.run().expect_err("refused");
    assert!(error.to_string().contains("blk.4.attn_k.weight"), "{error}");
    assert!(error.can_resume() && !trial.path().exists());
    // The disk was plugged in again.
    trial.source.unreadable = None;
    trial.resume = true;
    assert!(trial.run().expect("a file").resumed > 0);

    let mut trial = Trial::new();
    trial.source.changes = true;
    let error = trial.run().expect_err("refused");
    assert!(matches!(error, PipelineError::Changed { .. }), "{error}");
    assert!(!trial.path().exists() && trial.is_clean());
}

#[test]
fn nothing_is_overwritten_unasked() {
    let mut trial = Trial::new();
    fs::write(trial.path(), b"mine").expect("write");
    let error = trial.run().expect_err("refused");
    assert!(matches!(error, PipelineError::Exists { .. }), "{error}");
    assert_eq!(fs::read(trial.path()).expect("the file"), b"mine");
    assert_eq!(trial.source.reads.load(Ordering::Relaxed), 0);
    // Even with `force`, not before the new one is whole.
    (trial.force, trial.cancel_at) = (true, Some(0));
    trial.run().expect_err("it is cancelled");
    assert_eq!(fs::read(trial.path()).expect("the file"), b"mine");
    trial.cancel_at = None;
    trial.run().expect("a file");
    assert!(fs::metadata(trial.path()).expect("the file").len() > 1000);
}

#[test]
fn two_processes_do_not_write_one_file() {
    let trial = Trial::new();
    let held = fs::File::create(trial.beside(PARTIAL_SUFFIX)).expect("create");
    held.lock().expect("lock");
    let error = trial.run().expect_err("refused");
    assert!(matches!(error, PipelineError::Busy { .. }), "{error}");
    drop(held);
    trial.run().expect("a file");
}

#[test]
fn a_folder_that_is_not_there_is_no_panic() {
    let trial = Trial::new();
    let source = &trial.source;
    let facts = ModelFacts::read(source.metadata()).expect("facts");
    let plan = Plan::new(&facts, source.tensors(), &Options::new(FileType::Q8_0)).expect("a plan");
    let job = Job {
        source,
        plan: &plan,
        imatrix: None,
        metadata: source.metadata(),
        quantizer: &Ggml,
        threads: 1,
        identity: "",
    };
    let path = Path::new("/no/such/folder/out.gguf");
    let target = Target { path, force: false, resume: false, keep: true, mark_every: 1 };
    let error = run(&job, &target, &AtomicBool::new(false), &mut |_| {}).expect_err("refused");
    assert!(matches!(error, PipelineError::Create { .. }), "{error}");
}

#[test]
fn a_lattice_comes_back_whole_over_an_interruption_too() {
    let trial = Trial { file_type: FileType::Q4_0, ..Trial::new() };
    let mut trial = Trial { source: Made { on_lattice: true, ..Made::new() }, ..trial };
    let at_once = trial.run().expect("a file");
    assert!(at_once.exactness.len() > 20);
    for (row, found) in &at_once.exactness {
        assert_eq!((found.weights, found.share()), (found.exact, 1.0), "tensor {row}");
    }
    (trial.force, trial.cancel_at) = (true, Some(at_once.bytes / 2));
    trial.run().expect_err("it is cancelled");
    (trial.resume, trial.cancel_at) = (true, None);
    let resumed = trial.run().expect("a file");
    assert_eq!((resumed.exactness, resumed.sha256), (at_once.exactness, at_once.sha256));
}

#[test]
fn pieces_cover_every_row_once_and_stay_within_an_expert() {
    let source = Made::new();
    let facts = ModelFacts::read(source.metadata()).expect("facts");
    let plan = Plan::new(&facts, source.tensors(), &Options::new(FileType::Q4_K_M)).expect("a plan");
    let pieces = pieces(&plan);
    assert!(pieces.iter().filter(|piece| plan.rows[piece.row].name == "token_embd.weight").count() > 1);
    let mut next = (0, 0);
    for piece in &pieces {
        let tensor = &source.tensors[plan.rows[piece.row].source];
        assert_eq!((piece.row, piece.rows.start), next, "{}", tensor.name);
        let expert = |row: u64| row / tensor.rows_of_matrix();
        assert_eq!(expert(piece.rows.start), expert(piece.rows.end - 1), "{}", tensor.name);
        next = if piece.rows.end == tensor.rows() { (piece.row + 1, 0) } else { (piece.row, piece.rows.end) };
    }
    assert_eq!(next, (plan.rows.len(), 0));
    assert_eq!(pieces.iter().map(|piece| piece.bytes).sum::<u64>(), plan.bytes());
}
