//! `slipstream tune`: what a pair is best run with on this machine, measured and stored.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::args::TuneArgs;
use super::conversation::Conversation;
use super::kinds;
use super::machine::Machine;
use super::settings::{Settings, resolve_untuned};
use super::{printer, tuned};
use crate::engine::{CostRecord, EngineSettings};
use crate::error::{Kind, Problem};
use crate::experiment::{Experiment, Finding, Threads, Timing};
use crate::llama::KvType;
use crate::tuning::{BLOCK, Tuned, candidates, drop_absurd, fastest, schedule, table};

/// Tokens in the cache while batches are timed: a short chat. Deeper contexts are learned while they are used.
const CONTEXT: u32 = 128;
/// The batch by which threads for several tokens are chosen: three guesses, the cheap step of the staircase.
const VERIFY_WIDTH: u32 = 4;
/// Guesses of the draft by which threads for drafting are chosen.
const DRAFT_STEPS: u32 = 3;
/// Widths of the table: the next guesses one by one, then the steps of the staircase (docs/POLICY.md 5).
const WIDTHS: [u32; 9] = [1, 2, 3, 4, 5, 6, 7, 8, 16];

/// Runs the command.
///
/// # Errors
/// Whatever keeps the pair from being measured, or the result from being stored.
pub fn run(args: &TuneArgs, machine: &Machine) -> Result<u8, Problem> {
    let settings = resolve_untuned(args.positional.as_deref(), &args.shared, machine)?;
    let engine = &settings.engine;
    let key = tuned::key(&engine.model, &engine.drafter, engine.gpu_layers, engine.kernels, machine)
        .map_err(|error| {
            Problem::new(Kind::File, format!("reading {} failed: {error}", engine.model.display()), "")
        })?;
    let types = if args.try_kv_types { vec![KvType::F16, KvType::Q8_0] } else { vec![engine.kv_type] };
    let mut best: Option<Measured> = None;
    for kv_type in types {
        let engine = EngineSettings { kv_type, ..engine.clone() };
        let Some(measured) = measure(args, &settings, engine, machine)? else {
            return Err(Problem::new(Kind::Interrupted, "tuning was interrupted: nothing was stored", ""));
        };
        // The first type stays unless another is faster by more than noise.
        if best.as_ref().is_none_or(|best| measured.round() < best.round() * 0.98) {
            best = Some(measured);
        }
    }
    let Some(best) = best else {
        return Err(Problem::new(Kind::Fault, "tuning measured nothing", "run again with --log FILE"));
    };
    let result = Tuned {
        key,
        threads: best.threads.one,
        threads_batch: best.threads.batch,
        threads_draft: best.threads.draft,
        kv_type: best.kv_type.name().to_owned(),
        kv_type_chosen: args.try_kv_types,
        costs: best.costs.clone(),
    };
    let stored = if args.dry_run { None } else { Some(tuned::store(&result).map_err(not_stored)?) };
    if args.json {
        let mut object = report(&result, &best, &settings);
        object["stored_in"] = json!(stored);
        return super::print(&format!("{object}\n"));
    }
    let code = super::print(&text(&result, &best))?;
    match &stored {
        Some(path) => printer::note(&format!("stored in {}; used from the next start on", path.display())),
        None => printer::note("not stored (--dry-run)"),
    }
    Ok(code)
}

fn not_stored((path, error): (std::path::PathBuf, std::io::Error)) -> Problem {
    let kind = if error.kind() == std::io::ErrorKind::StorageFull { Kind::Space } else { Kind::Fault };
    let message = format!("storing the tune result in {} failed: {error}", path.display());
    let help = match kind {
        Kind::Space => "make room there, or set SLIPSTREAM_DATA to another folder; --dry-run stores nothing",
        _ => "make the folder writable, or set SLIPSTREAM_DATA to another one; --dry-run stores nothing",
    };
    Problem::new(kind, message, help)
}

/// What was found with one type of cache.
struct Measured {
    kv_type: KvType,
    threads: Threads,
    costs: CostRecord,
    drafts: bool,
}

impl Measured {
    fn seconds(&self, width: u32) -> f64 {
        self.costs.verify.iter().find(|cell| cell.width == width).map_or(f64::INFINITY, |cell| cell.seconds)
    }

    /// A round of three guesses, or a plain one where nothing drafts: what cache types are compared by.
    fn round(&self) -> f64 {
        if !self.drafts {
            return self.seconds(1);
        }
        self.seconds(VERIFY_WIDTH) + f64::from(DRAFT_STEPS) * self.costs.draft_step.unwrap_or(0.0)
    }
}

/// Measures on an engine of its own; `None` where a person has interrupted it.
fn measure(
    args: &TuneArgs,
    settings: &Settings,
    engine: EngineSettings,
    machine: &Machine,
) -> Result<Option<Measured>, Problem> {
    let kv_type = engine.kv_type;
    let conversation = Conversation::start(engine)?;
    let drafts = conversation.ready().draft_kind != "none";
    let model = &args.shared.model;
    let counts = candidates(machine.physical_cores, machine.logical_cores);
    let given = |count: Option<u32>| count.map_or_else(|| counts.clone(), |count| vec![count]);
    let bar = ProgressBar::new_spinner().with_style(
        ProgressStyle::with_template("{spinner} {msg} · {elapsed}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    bar.enable_steady_tick(Duration::from_millis(120));
    let bench =
        Bench { conversation: &conversation, text: text_to_read()?, repeats: args.repeats as usize, bar };
    let start = settings.engine.threads;
    let mut threads = Threads { one: start, batch: start, draft: start };

    bench.bar.set_message("threads for one token");
    let one = bench.try_threads(&given(model.threads), 1, 0, |one| Threads { one, ..threads })?;
    threads.one = one.unwrap_or(start);
    bench.bar.set_message("threads for checking drafts");
    let batch =
        bench.try_threads(&given(model.threads_batch.or(model.threads)), VERIFY_WIDTH, 0, |batch| {
            Threads { batch, ..threads }
        })?;
    threads.batch = batch.unwrap_or(threads.one);
    threads.draft = threads.one;
    if drafts {
        bench.bar.set_message("threads for drafting");
        let draft = bench.try_threads(
            &given(model.threads_draft.or(model.threads)),
            VERIFY_WIDTH,
            DRAFT_STEPS,
            |draft| Threads { draft, ..threads },
        )?;
        threads.draft = draft.unwrap_or(threads.one);
    }
    bench.bar.set_message("batches of every width");
    // Without a drafter nothing checks more than one token.
    let order = schedule(if drafts { &WIDTHS } else { &WIDTHS[..1] }, bench.repeats);
    bench.set(threads)?;
    let Some((batches, steps)) = bench.time(order.clone(), if drafts { DRAFT_STEPS } else { 0 })? else {
        return Ok(None);
    };
    bench.bar.finish_and_clear();
    let mut costs = table(&order, &batches, &steps, 0);
    let absurd = drop_absurd(&mut costs);
    if absurd > 0 {
        printer::note(&format!(
            "note: {absurd} of {} batch widths were impossibly slow and are left out: the machine is busy with something \
             else; tune again when it is not",
            absurd + costs.verify.len()
        ));
    }
    Ok(Some(Measured { kv_type, threads, costs, drafts }))
}

/// Real text, because neighbouring tokens of real text share experts.
fn text_to_read() -> Result<String, Problem> {
    let prompts = kinds::chosen(&[], &[])?;
    Ok(prompts.into_iter().map(|prompt| prompt.text).collect::<Vec<_>>().join("\n\n"))
}

/// Times of batches, and of the draft steps before each.
type Times = (Vec<Duration>, Vec<Duration>);

/// An engine that is timed.
struct Bench<'a> {
    conversation: &'a Conversation,
    text: String,
    repeats: usize,
    bar: ProgressBar,
}

impl Bench<'_> {
    fn set(&self, threads: Threads) -> Result<(), Problem> {
        self.conversation.experiment(Experiment::Threads(threads)).map(|_| ())
    }

    /// Times of batches and steps; `None` after Ctrl+C.
    fn time(&self, widths: Vec<u32>, draft_steps: u32) -> Result<Option<Times>, Problem> {
        if self.conversation.interrupted() {
            return Ok(None);
        }
        let timing = Timing { text: self.text.clone(), context: CONTEXT, widths, draft_steps };
        match self.conversation.experiment(Experiment::Time(timing))? {
            Finding::Times { batches, steps } if !self.conversation.interrupted() => {
                Ok(Some((batches, steps)))
            }
            _ => Ok(None),
        }
    }

    /// The best of some thread counts for a round of this width and so many draft steps; all take turns.
    fn try_threads(
        &self,
        counts: &[u32],
        width: u32,
        draft_steps: u32,
        with: impl Fn(u32) -> Threads,
    ) -> Result<Option<u32>, Problem> {
        if let [only] = counts {
            return Ok(Some(*only));
        }
        let mut times: Vec<(u32, Vec<Duration>)> = counts.iter().map(|count| (*count, Vec::new())).collect();
        for _ in 0..self.repeats {
            for (count, times) in &mut times {
                self.set(with(*count))?;
                let Some((batches, steps)) = self.time(vec![width; BLOCK], draft_steps)? else {
                    return Ok(None);
                };
                let steps = steps.into_iter().chain(std::iter::repeat(Duration::ZERO));
                // The first finds other threads awake.
                times.extend(
                    batches.into_iter().zip(steps).skip(1).map(|(batch, step)| batch + step * draft_steps),
                );
            }
        }
        Ok(fastest(&times))
    }
}

/// The guesses of the best fixed length, and its tokens a plain round, were so many of the guesses accepted.
fn best_at(acceptance: f64, result: &Tuned, best: &Measured) -> (u32, f64) {
    let step = result.costs.draft_step.unwrap_or(0.0);
    let rate = |guesses: u32| {
        let tokens: f64 = (0..=guesses).map(|place| acceptance.powi(place as i32)).sum();
        tokens * best.seconds(1) / (best.seconds(guesses + 1) + f64::from(guesses) * step)
    };
    let lengths = result.costs.verify.iter().map(|cell| cell.width - 1).filter(|guesses| *guesses <= 7);
    let rates = lengths.map(|guesses| (guesses, rate(guesses)));
    rates.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, 1.0))
}

fn text(result: &Tuned, best: &Measured) -> String {
    let mut text = format!(
        "threads: {} for one token, {} for checking drafts, {} for drafting\n",
        result.threads, result.threads_batch, result.threads_draft
    );
    if result.kv_type_chosen {
        text.push_str(&format!("cache: {}\n", result.kv_type));
    }
    text.push_str("tokens in a batch   ms      × one\n");
    for cell in &result.costs.verify {
        let (milliseconds, ratio) = (cell.seconds * 1000.0, cell.seconds / best.seconds(1));
        text.push_str(&format!("{:<19} {milliseconds:<7.2} {ratio:.2}\n", cell.width));
    }
    if let Some(step) = result.costs.draft_step {
        text.push_str(&format!("a draft step        {:<7.2} {:.2}\n", step * 1000.0, step / best.seconds(1)));
        if let Some(change) = result.costs.change {
            text.push_str(&format!(
                "a change of width   {:<7.2} {:.2}\n",
                change * 1000.0,
                change / best.seconds(1)
            ));
        }
        for acceptance in [0.5, 0.7, 0.9] {
            let (guesses, rate) = best_at(acceptance, result, best);
            let percent = acceptance * 100.0;
            text.push_str(&match guesses {
                0 => format!("with {percent:.0} % accepted no draft pays\n"),
                _ => format!(
                    "with {percent:.0} % accepted the best fixed length is {guesses}: ×{rate:.2} of plain\n"
                ),
            });
        }
    }
    text
}

fn report(result: &Tuned, best: &Measured, settings: &Settings) -> Value {
    let cells = result.costs.verify.iter().map(|cell| {
        json!({ "width": cell.width, "context": cell.context, "ms": cell.seconds * 1000.0, "rounds": cell.rounds })
    });
    json!({
        "model": settings.engine.model,
        "threads": result.threads,
        "threads_batch": result.threads_batch,
        "threads_draft": result.threads_draft,
        "kv_type": result.kv_type,
        "kv_type_chosen": result.kv_type_chosen,
        "plain_per_second": 1.0 / best.seconds(1),
        "verify": cells.collect::<Vec<_>>(),
        "draft_step_ms": result.costs.draft_step.map(|seconds| seconds * 1000.0),
        "change_of_width_ms": best.costs.change.map(|seconds| seconds * 1000.0),
        "key": { "target": result.key.target, "drafter": result.key.drafter, "device": result.key.device, "build": result.key.build },
    })
}
