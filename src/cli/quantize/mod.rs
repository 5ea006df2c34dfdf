//! `slipstream quantize`: a checkpoint or GGUF becomes a quantized GGUF, in one pass; or a target and its drafter do.
//!
//! | file | holds |
//! |---|---|
//! | `args.rs` | the options |
//! | `input.rs` | the source: a checkpoint or a GGUF file |
//! | `recipe.rs` | what was typed becomes a plan |
//! | `work.rs` | one file, from its plan to its name |
//! | `report.rs` | tables, words and objects about a plan and a file |
//! | `pair.rs`, `check.rs`, `card.rs` | `--pair`: both files, what they are worth, and the card that says so |

mod args;
mod card;
mod check;
mod input;
mod pair;
mod recipe;
mod report;
mod work;

use std::path::Path;
use std::time::Instant;

use serde_json::json;

pub use args::QuantizeArgs;
use input::Input;
use work::{Manner, Work};

use super::machine::Machine;
use super::printer;
use crate::error::{Kind, Problem};
use crate::llama::build_info;
use crate::models::human_bytes;
use crate::quantize::pipeline::Outcome;

/// Runs the command.
///
/// # Errors
/// Whatever keeps the file from being made.
pub fn run(args: &QuantizeArgs, machine: &Machine) -> Result<u8, Problem> {
    let manner = Manner {
        threads: args.threads.unwrap_or(machine.physical_cores).max(1) as usize,
        available: machine.available_bytes,
        force: args.force,
        resume: args.resume,
        keep: true,
    };
    if args.pair {
        return pair::run(args, manner, machine);
    }
    let input = Input::open(&args.input, &args.recipe)?;
    let work = Work::plan(&input, &args.recipe)?;
    if args.dry_run {
        return dry_run(args, &work, work.memory(manner.threads));
    }
    let Some(output) = args.output.as_deref() else {
        return Err(Problem::new(Kind::Usage, "no OUT was given", "see `slipstream quantize --help`"));
    };
    work.tell();
    let begun = Instant::now();
    let outcome = work.make(output, manner)?;
    finished(args, &work, output, &outcome, begun.elapsed().as_secs_f64())
}

/// Tells what was made.
fn finished(
    args: &QuantizeArgs,
    work: &Work<'_>,
    output: &Path,
    outcome: &Outcome,
    seconds: f64,
) -> Result<u8, Problem> {
    let plan = &work.plan;
    if args.json {
        let mut object = report::object(plan, &work.remarks);
        object["input"] = json!(args.input.to_string_lossy());
        object["output"] = json!(output.to_string_lossy());
        object["bytes"] = json!(outcome.bytes);
        object["sha256"] = json!(outcome.sha256);
        object["lattice"] = report::lattice(plan, outcome);
        object["imatrix"] = json!(args.recipe.imatrix);
        object["resumed_bytes"] = json!(outcome.resumed);
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
    if let Some(words) = report::lattice_words(&report::lattice(plan, outcome)) {
        text += &format!("{words}\n");
    }
    super::print(&text)
}

/// Shows the plan.
fn dry_run(args: &QuantizeArgs, work: &Work<'_>, memory: u64) -> Result<u8, Problem> {
    let plan = &work.plan;
    if args.json {
        let mut object = report::object(plan, &work.remarks);
        object["input"] = json!(args.input.to_string_lossy());
        object["tensors"] = plan.rows.iter().map(report::row).collect();
        object["bytes"] = json!(work.layout.file_bytes());
        object["memory_bytes"] = json!(memory);
        object["needs_imatrix"] = json!(plan.check().is_err());
        return super::print(&format!("{object}\n"));
    }
    for text in work.remarks.iter().cloned().chain(report::notes(plan)) {
        printer::note(&format!("note: {text}"));
    }
    let code = super::print(&report::table(plan, work.layout.file_bytes(), memory))?;
    if let Err(error) = plan.check() {
        printer::note(&format!("note: {error}. {}", error.help()));
    }
    Ok(code)
}
