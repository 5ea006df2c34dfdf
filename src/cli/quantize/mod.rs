//! `slipstream quantize`: a checkpoint or GGUF becomes a quantized GGUF, in one pass.

mod args;
mod input;
mod recipe;
mod report;

use std::path::Path;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

pub use args::QuantizeArgs;
use input::Input;
use recipe::Resolved;

use super::machine::Machine;
use super::{interrupt, printer};
use crate::error::{Kind, Problem};
use crate::gguf::{Layout, Printable};
use crate::llama::build_info;
use crate::models::human_bytes;
use crate::quantize::pipeline::{self, Job, Outcome, PipelineError, Progress, Target, memory_needed};
use crate::quantize::{Ggml, Plan, SourceError, converted_metadata, quantized_metadata};

/// Runs the command.
///
/// # Errors
/// Whatever keeps the file from being made.
pub fn run(args: &QuantizeArgs, machine: &Machine) -> Result<u8, Problem> {
    let input = Input::open(&args.input)?;
    let Resolved { mut plan, imatrix, remarks } = recipe::resolve(&args.recipe, &input)?;
    let source = input.source();
    // What is not quantized is the reference converter's business, and has its order.
    let is_conversion = input.is_checkpoint() && !plan.file_type.base().is_quantized();
    let metadata = match is_conversion {
        true => {
            plan.rows.sort_by_key(|row| row.source);
            converted_metadata(source.metadata(), plan.file_type)
        }
        false => quantized_metadata(source.metadata(), plan.file_type, imatrix.as_ref()),
    };
    let layout = pipeline::layout(&plan, &metadata).map_err(|error| problem(PipelineError::Layout(error)))?;
    let needs = |threads| memory_needed(&plan, source.tensors(), layout.header().len() as u64, threads);
    let wanted = args.threads.unwrap_or(machine.physical_cores).max(1) as usize;
    if args.dry_run {
        return dry_run(args, &plan, &remarks, &layout, needs(wanted));
    }
    plan.check().map_err(recipe::problem)?;
    let Some(output) = args.output.as_deref() else {
        return Err(Problem::new(Kind::Usage, "no OUT was given", "see `slipstream quantize --help`"));
    };
    check_output(output, &input)?;
    // Fewer threads take less memory.
    let Some(threads) = (1..=wanted).rev().find(|&threads| needs(threads) <= machine.available_bytes) else {
        let (needed, there) = (human_bytes(needs(1)), human_bytes(machine.available_bytes));
        let message = format!("quantizing takes {needed} of memory with one thread; {there} are available");
        return Err(Problem::new(Kind::Space, message, "close other programs"));
    };
    for text in remarks.iter().cloned().chain(report::notes(&plan)).chain(report::fallbacks(&plan)) {
        printer::note(&format!("note: {text}"));
    }
    let job = Job {
        source,
        plan: &plan,
        imatrix: imatrix.as_ref(),
        metadata: &metadata,
        quantizer: &Ggml,
        threads,
        identity: &input.identity(),
    };
    drop(layout);
    let begun = Instant::now();
    let outcome = make(&job, output, args)?;
    finished(args, &job, output, &remarks, &outcome, begun.elapsed().as_secs_f64())
}

/// What can be said against OUT before anything is read.
fn check_output(output: &Path, input: &Input) -> Result<(), Problem> {
    let shown = output.display();
    let usage = |message: String, help: &str| Err(Problem::new(Kind::Usage, message, help));
    if input.holds(output) {
        return usage(format!("{shown} is what is to be quantized"), "give OUT another name");
    }
    if output.is_dir() || output.file_name().is_none() {
        return usage(format!("{shown} is a folder"), "give the name of the new file");
    }
    match output.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => usage(
            format!("the folder {} of the new file does not exist", folder.display()),
            "create it first",
        ),
        _ => Ok(()),
    }
}

/// Makes the file, with a bar where a person looks.
fn make(job: &Job<'_>, output: &Path, args: &QuantizeArgs) -> Result<Outcome, Problem> {
    let target =
        Target { path: output, force: args.force, resume: args.resume, mark_every: Target::MARK_EVERY };
    let cancel = interrupt::flag();
    let bar = bar();
    let mut is_first = true;
    let outcome = pipeline::run(job, &target, &cancel, &mut |progress| {
        show(&bar, progress, std::mem::take(&mut is_first));
    });
    bar.finish_and_clear();
    outcome.map_err(problem)
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

/// Tells what was made.
fn finished(
    args: &QuantizeArgs,
    job: &Job<'_>,
    output: &Path,
    remarks: &[String],
    outcome: &Outcome,
    seconds: f64,
) -> Result<u8, Problem> {
    let plan = job.plan;
    if args.json {
        let mut object = report::object(plan, remarks);
        object["input"] = json!(args.input.to_string_lossy());
        object["output"] = json!(output.to_string_lossy());
        object["bytes"] = json!(outcome.bytes);
        object["sha256"] = json!(outcome.sha256);
        object["lattice"] = report::lattice(plan, outcome);
        object["imatrix"] = json!(args.recipe.imatrix);
        object["resumed_bytes"] = json!(outcome.resumed);
        object["threads"] = json!(job.threads);
        object["seconds"] = json!(seconds);
        object["version"] = json!(env!("CARGO_PKG_VERSION"));
        object["llama_build"] = json!(build_info());
        return super::print(&format!("{object}\n"));
    }
    let mut text = format!(
        "{}\n{}, {}, {:.2} bits per weight, in {seconds:.1} s\nSHA-256 {}\n",
        output.display(),
        plan.file_type,
        human_bytes(outcome.bytes),
        plan.bits_per_weight(),
        outcome.sha256,
    );
    let (weights, exact) = report::exact_weights(outcome);
    if weights > 0 {
        let share = exact as f64 * 100.0 / weights as f64;
        text += &format!("{share:.3} % of {weights} weights on the 4-bit lattice came back exactly\n");
    }
    super::print(&text)
}

/// Shows the plan.
fn dry_run(
    args: &QuantizeArgs,
    plan: &Plan,
    remarks: &[String],
    layout: &Layout,
    memory: u64,
) -> Result<u8, Problem> {
    if args.json {
        let mut object = report::object(plan, remarks);
        object["input"] = json!(args.input.to_string_lossy());
        object["tensors"] = plan.rows.iter().map(report::row).collect();
        object["bytes"] = json!(layout.file_bytes());
        object["memory_bytes"] = json!(memory);
        object["needs_imatrix"] = json!(plan.check().is_err());
        return super::print(&format!("{object}\n"));
    }
    for text in remarks.iter().cloned().chain(report::notes(plan)) {
        printer::note(&format!("note: {text}"));
    }
    let code = super::print(&report::table(plan, layout.file_bytes(), memory))?;
    if let Err(error) = plan.check() {
        printer::note(&format!("note: {error}. {}", error.help()));
    }
    Ok(code)
}

/// A file that was not made, in words.
fn problem(error: PipelineError) -> Problem {
    let kind = match &error {
        _ if error.is_space() => Kind::Space,
        PipelineError::Cancelled { .. } => Kind::Interrupted,
        PipelineError::Exists { .. } | PipelineError::OtherJob { .. } => Kind::Usage,
        PipelineError::Source { source: SourceError::Io { .. } | SourceError::Rows { .. }, .. }
        | PipelineError::Write { .. }
        | PipelineError::Busy { .. } => Kind::Fault,
        _ => Kind::File,
    };
    Problem::new(kind, error.to_string(), error.help())
}
