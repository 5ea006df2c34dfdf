//! One file: from its source and recipe, through the preflight, to the file under its name.

use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};

use super::args::RecipeArgs;
use super::input::Input;
use super::recipe::{self, Resolved};
use super::report;
use crate::cli::{interrupt, printer};
use crate::error::{Kind, Problem};
use crate::gguf::{Layout, Printable, Value};
use crate::models::human_bytes;
use crate::quantize::pipeline::{
    self, JOURNAL_SUFFIX, Job, Outcome, PARTIAL_SUFFIX, PipelineError, Progress, Target, memory_needed,
};
use crate::quantize::{Ggml, Imatrix, Plan, SourceError, converted_metadata, quantized_metadata};

/// A file that can be made.
pub(super) struct Work<'a> {
    /// The source.
    pub input: &'a Input,
    /// What each tensor becomes.
    pub plan: Plan,
    /// What a person should know, a sentence each.
    pub remarks: Vec<String>,
    /// The whole file but its weights.
    pub layout: Layout,
    imatrix: Option<Imatrix>,
    metadata: Vec<(String, Value)>,
}

/// How a file is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// Threads at most.
    pub threads: usize,
    /// Bytes of memory there are.
    pub available: u64,
    /// A file of that name is overwritten.
    pub force: bool,
    /// What was begun is continued.
    pub resume: bool,
    /// What was begun stays when it is interrupted.
    pub keep: bool,
}

impl<'a> Work<'a> {
    /// Plans it.
    pub(super) fn plan(input: &'a Input, args: &RecipeArgs) -> Result<Work<'a>, Problem> {
        let Resolved { plan, imatrix, remarks } = recipe::resolve(args, input)?;
        let source = input.source();
        let metadata = match input.is_converted_by(args) {
            true => converted_metadata(source.metadata(), plan.file_type),
            false => quantized_metadata(source.metadata(), plan.file_type, imatrix.as_ref()),
        };
        let layout =
            pipeline::layout(&plan, &metadata).map_err(|error| problem(PipelineError::Layout(error)))?;
        Ok(Work { input, plan, remarks, layout, imatrix, metadata })
    }

    /// Bytes of memory it takes at most.
    pub(super) fn memory(&self, threads: usize) -> u64 {
        let header = self.layout.header().len() as u64;
        memory_needed(&self.plan, self.input.source().tensors(), header, threads)
    }

    /// Tells a person what they should know.
    pub(super) fn tell(&self) {
        let notes = self.remarks.iter().cloned().chain(report::notes(&self.plan));
        for text in notes.chain(report::fallbacks(&self.plan)) {
            printer::note(&format!("note: {text}"));
        }
    }

    fn job<'b>(&'b self, identity: &'b str, threads: usize) -> Job<'b> {
        Job {
            source: self.input.source(),
            plan: &self.plan,
            imatrix: self.imatrix.as_ref(),
            metadata: &self.metadata,
            quantizer: &Ggml,
            threads,
            identity,
        }
    }

    /// What tells its bytes from any other file's: a hash of the source as it is now, the recipe, and this build.
    pub(super) fn job_hash(&self) -> String {
        pipeline::job_hash(&self.job(&self.input.identity(), 1), &self.layout)
    }

    /// Makes it, with a bar where a person looks.
    pub(super) fn make(&self, output: &Path, manner: Manner) -> Result<Outcome, Problem> {
        self.plan.check().map_err(recipe::problem)?;
        check_output(output, self.input)?;
        // Fewer threads take less memory.
        let fitting =
            (1..=manner.threads.max(1)).rev().find(|&threads| self.memory(threads) <= manner.available);
        let Some(threads) = fitting else {
            let (needed, there) = (human_bytes(self.memory(1)), human_bytes(manner.available));
            let message =
                format!("quantizing takes {needed} of memory with one thread; {there} are available");
            return Err(Problem::new(Kind::Space, message, "close other programs"));
        };
        let identity = self.input.identity();
        let job = self.job(&identity, threads);
        let target = Target {
            path: output,
            force: manner.force,
            resume: manner.resume,
            keep: manner.keep,
            mark_every: Target::MARK_EVERY,
        };
        let cancel = interrupt::flag();
        let bar = bar();
        let mut is_first = true;
        let outcome = pipeline::run(&job, &target, &cancel, &mut |progress| {
            show(&bar, progress, std::mem::take(&mut is_first));
        });
        bar.finish_and_clear();
        outcome.map_err(problem)
    }
}

/// What can be said against OUT before anything is read.
fn check_output(output: &Path, input: &Input) -> Result<(), Problem> {
    let shown = output.display();
    let usage = |message: String, help: &str| Err(Problem::new(Kind::Usage, message, help));
    let beside = |suffix: &str| {
        let mut name = output.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    if [output, &beside(PARTIAL_SUFFIX), &beside(JOURNAL_SUFFIX)].into_iter().any(|path| input.holds(path)) {
        return usage(format!("{shown} is what is to be quantized"), "give OUT another name");
    }
    let ends_in_separator = output.as_os_str().to_string_lossy().ends_with(std::path::is_separator);
    if output.is_dir() || output.file_name().is_none() || ends_in_separator {
        return usage(format!("{shown} is a folder"), "give the name of the new file");
    }
    // The new file would take the place of /dev/null, not go there.
    if output.metadata().is_ok_and(|about| !about.is_file()) {
        return usage(
            format!("{shown} is no ordinary file"),
            "give another name; `--dry-run` writes nothing",
        );
    }
    match output.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => usage(
            format!("the folder {} of the new file does not exist", folder.display()),
            "create it first",
        ),
        _ => Ok(()),
    }
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{bar:24} {percent:>3}%  {binary_bytes}/{binary_total_bytes} read  {binary_bytes_per_sec}  {eta} left  {msg}",
    )
    .unwrap_or_else(|_| ProgressStyle::default_bar());
    // Hidden by itself where standard error is no terminal.
    ProgressBar::new(0).with_style(style)
}

fn show(bar: &ProgressBar, progress: Progress<'_>, is_first: bool) {
    /// Characters of a tensor's name.
    const NAME: usize = 40;
    if is_first {
        bar.set_length(progress.of_read);
        bar.set_position(progress.read);
        // What was there before says nothing of the speed.
        bar.reset_eta();
        if progress.resumed > 0 {
            printer::note(&format!("continuing behind {}", human_bytes(progress.resumed)));
        }
        return;
    }
    bar.set_position(progress.read);
    if !bar.is_hidden() {
        bar.set_message(Printable::short(progress.tensor, NAME).to_string());
    }
}

/// A file that was not made, in words.
fn problem(error: PipelineError) -> Problem {
    let kind = match &error {
        _ if error.is_space() => Kind::Space,
        PipelineError::Cancelled { .. } => Kind::Interrupted,
        PipelineError::Exists { .. } | PipelineError::OtherJob { .. } => Kind::Usage,
        PipelineError::Source { source: SourceError::Io { .. } | SourceError::Rows { .. }, .. }
        | PipelineError::Create { .. }
        | PipelineError::Write { .. }
        | PipelineError::Busy { .. } => Kind::Fault,
        _ => Kind::File,
    };
    Problem::new(kind, error.to_string(), error.help())
}
