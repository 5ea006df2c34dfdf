//! What a new pair is worth: it is loaded, writes replies with and without guesses, and its scores along those replies
//! are compared with the source's.

use std::path::{Path, PathBuf};

use clap::Parser as _;

use super::args::{QatArg, RecipeArgs};
use super::recipe::model_file;
use super::work::{Manner, Work};
use crate::bench::{Divergence, log_probabilities};
use crate::cli::args::Cli;
use crate::cli::conversation::Conversation;
use crate::cli::machine::Machine;
use crate::cli::settings::{Settings, resolve_untuned};
use crate::cli::{interrupt, kinds, printer};
use crate::engine::{DrafterPlan, EngineSettings, Scored, score};
use crate::error::{Kind, Problem};
use crate::event::{Counters, Reply, StopReason};
use crate::llama::LlamaError;
use crate::models::{MemoryEstimate, MemoryPlan, human_bytes, read_model};
use crate::request::{DraftLength, Message, Prompt, Request, Role, SamplingSettings, Speculation};

/// The built-in texts that are replied to.
const KINDS: [&str; 4] = ["chat", "code", "prose", "maths"];
/// Tokens of a reply: together as many places as scores are compared at.
const TOKENS: u32 = 64;
/// Tokens of the reply that pages the weights in.
const WARM_UP_TOKENS: u32 = 8;
/// Guesses a round: what is best, or near it, on most machines (docs/POLICY.md).
pub(super) const GUESSES: u32 = 3;
/// Tokens of context.
const CONTEXT: u32 = 2048;
/// Types that stand for a source that does not fit into memory, the best first.
const STAND_INS: [&str; 2] = ["Q8_0", "Q6_K"];
/// Share of the available memory that may be planned with.
const MEMORY_SHARE: f64 = 0.95;

/// What was found.
#[derive(Debug)]
pub(super) struct Checked {
    /// Tokens a second without guesses, over all replies.
    pub plain_per_second: f64,
    /// Tokens a second with guesses.
    pub draft_per_second: f64,
    /// Guesses tested and accepted, by place.
    pub tested: Vec<u32>,
    /// See there.
    pub accepted: Vec<u32>,
    /// Tokens a round.
    pub length: f64,
    /// Replies that are the same with guesses and without, of how many.
    pub same_text: (usize, usize),
    /// Bytes of weights, caches and buffers of the pair.
    pub memory_bytes: u64,
    /// Threads.
    pub threads: u32,
    /// The processor.
    pub processor: String,
    /// Scores against the source's.
    pub quality: Result<Quality, String>,
}

/// Scores against the source's.
#[derive(Debug)]
pub(super) struct Quality {
    /// What they are compared with.
    pub reference: String,
    /// How far they are.
    pub divergence: Divergence,
}

/// Loads and measures a pair.
pub(super) fn run(
    work: &Work<'_>,
    target: &Path,
    drafter: &Path,
    folder: &Path,
    manner: Manner,
    machine: &Machine,
) -> Result<Checked, Problem> {
    printer::note("checking: the pair is loaded and writes a few replies");
    let settings = settings(target, drafter, manner, machine)?;
    let (mut checked, texts) = replies(&settings)?;
    checked.processor =
        crate::cli::machine::processor().unwrap_or_else(|| format!("{} cores", machine.physical_cores));
    checked.quality = compare(work, &settings.engine, &texts, folder, manner)?;
    Ok(checked)
}

/// The pair's settings, as a command without options would choose them.
fn settings(target: &Path, drafter: &Path, manner: Manner, machine: &Machine) -> Result<Settings, Problem> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let threads = u32::try_from(manner.threads).unwrap_or(1).to_string();
    let words =
        ["slipstream", "-m", &text(target), "-d", &text(drafter), "-t", &threads, "-c", &CONTEXT.to_string()]
            .map(str::to_owned);
    let cli = Cli::try_parse_from(words).map_err(|error| Problem::new(Kind::Fault, error.to_string(), ""))?;
    resolve_untuned(None, &cli.chat, machine)
}

/// Sums over replies.
#[derive(Default)]
struct Sums {
    tokens: f64,
    seconds: f64,
    rounds: u32,
    predicted: u32,
    tested: Vec<u32>,
    accepted: Vec<u32>,
}

impl Sums {
    fn add(&mut self, counters: &Counters) {
        fn all(sums: &mut Vec<u32>, counts: &[u32]) {
            sums.resize(sums.len().max(counts.len()), 0);
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        self.tokens += f64::from(counters.predicted.saturating_sub(1));
        self.seconds += counters.elapsed.as_secs_f64();
        self.rounds += counters.rounds;
        self.predicted += counters.predicted;
        all(&mut self.tested, &counters.tested_by_position);
        all(&mut self.accepted, &counters.accepted_by_position);
    }

    fn per_second(&self) -> f64 {
        if self.seconds > 0.0 { self.tokens / self.seconds } else { 0.0 }
    }
}

/// Writes the replies, each without guesses and with.
fn replies(settings: &Settings) -> Result<(Checked, Vec<Scored>), Problem> {
    let conversation = Conversation::start(settings.engine.clone())?;
    let ready = conversation.ready();
    if ready.drafter.is_none() {
        let reason = ready.speculation.reason.clone().unwrap_or_else(|| ready.pairing.clone());
        let message = format!("the new drafter does not run beside the new target: {reason}");
        return Err(Problem::new(Kind::File, message, "the checkpoints do not belong together"));
    }
    let kinds: Vec<String> = KINDS.iter().map(|&kind| kind.to_owned()).collect();
    let prompts = kinds::chosen(&kinds, &[])?;
    let ask = |question: &str, length, tokens| -> Result<Reply, Problem> {
        conversation.speculate(Speculation { length, p_min: 0.0 });
        let message = Message { role: Role::User, text: question.to_owned() };
        let reply = conversation.ask(Request {
            prompt: Prompt::Chat { messages: vec![message], thinking: false },
            sampling: SamplingSettings { temperature: 0.0, ..SamplingSettings::default() },
            max_tokens: Some(tokens),
            stop: Vec::new(),
            ignore_end_of_turn: true,
            tell_rejected: false,
        })?;
        if reply.stop_reason == StopReason::Cancelled || conversation.interrupted() {
            return Err(interrupted());
        }
        Ok(reply)
    };
    let (mut plain, mut drafted, mut texts, mut same) = (Sums::default(), Sums::default(), Vec::new(), 0);
    ask(&prompts[0].text, DraftLength::Fixed(GUESSES), WARM_UP_TOKENS)?;
    for prompt in &prompts {
        let without = ask(&prompt.text, DraftLength::Off, TOKENS)?;
        let with = ask(&prompt.text, DraftLength::Fixed(GUESSES), TOKENS)?;
        plain.add(&without.counters);
        drafted.add(&with.counters);
        same += usize::from(without.tokens == with.tokens);
        texts.push(Scored { question: prompt.text.clone(), reply: without.tokens });
    }
    let checked = Checked {
        plain_per_second: plain.per_second(),
        draft_per_second: drafted.per_second(),
        length: f64::from(drafted.predicted) / f64::from(drafted.rounds.max(1)),
        tested: drafted.tested,
        accepted: drafted.accepted,
        same_text: (same, prompts.len()),
        memory_bytes: ready.memory_bytes,
        threads: settings.engine.threads,
        processor: String::new(),
        quality: Err(String::new()),
    };
    Ok((checked, texts))
}

fn interrupted() -> Problem {
    let help = "both files are whole; repeat the command with `--resume` to check them";
    Problem::new(Kind::Interrupted, "the check was interrupted", help)
}

/// A file to compare with; removed when it was made for that.
struct Reference {
    path: PathBuf,
    name: String,
    is_made: bool,
}

impl Drop for Reference {
    fn drop(&mut self) {
        if self.is_made {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Compares the target's scores with the source's; or says why not.
fn compare(
    work: &Work<'_>,
    engine: &EngineSettings,
    texts: &[Scored],
    folder: &Path,
    manner: Manner,
) -> Result<Result<Quality, String>, Problem> {
    let places = texts.iter().map(|text| text.reply.len()).sum::<usize>() as u64;
    let reference = match reference(work, folder, manner, places)? {
        Ok(reference) => reference,
        Err(reason) => return Ok(Err(reason)),
    };
    printer::note(&format!("checking: scores are compared with {}", reference.name));
    let cancel = interrupt::flag();
    let failed = |error: LlamaError| match error {
        LlamaError::Cancelled(_) => interrupted(),
        other => Problem::new(Kind::Fault, format!("comparing scores failed: {other}"), ""),
    };
    let alone = EngineSettings { drafter: DrafterPlan::None, ..engine.clone() };
    let of_reference = EngineSettings { model: reference.path.clone(), ..alone.clone() };
    let mut rows = Vec::new();
    score(&of_reference, texts, &cancel, &mut |row| rows.push(log_probabilities(row))).map_err(failed)?;
    let mut divergence = Divergence::default();
    let mut rows = rows.iter();
    score(&alone, texts, &cancel, &mut |row| {
        if let Some(reference) = rows.next() {
            divergence.add(reference, row);
        }
    })
    .map_err(failed)?;
    Ok(Ok(Quality { reference: reference.name.clone(), divergence }))
}

/// The source where it can be loaded and fits into memory, else the best type that does.
fn reference(
    work: &Work<'_>,
    folder: &Path,
    manner: Manner,
    places: u64,
) -> Result<Result<Reference, String>, Problem> {
    let source = model_file(work.input.source())?;
    let plan = MemoryPlan { context: CONTEXT, ..MemoryPlan::default() };
    let beside = MemoryEstimate::new(&source, None, plan).beside_weights();
    let vocabulary = source.facts.vocabulary.as_ref().map_or(0, |vocabulary| vocabulary.count);
    let rows = places.saturating_mul(vocabulary).saturating_mul(4);
    let budget = (manner.available as f64 * MEMORY_SHARE) as u64;
    let fits = |weights: u64| weights.saturating_add(beside).saturating_add(rows) <= budget;
    let whole = source.facts.weight_bytes;
    let loadable = work.input.loadable().filter(|path| fits(whole) && read_model(path).is_ok());
    if let Some(path) = loadable {
        return Ok(Ok(Reference { path: path.to_owned(), name: "the source".to_owned(), is_made: false }));
    }
    let stand_ins = [if work.input.is_checkpoint() { &["BF16"][..] } else { &[] }, &STAND_INS[..]].concat();
    for file_type in stand_ins {
        let recipe =
            RecipeArgs { file_type: Some(file_type.to_owned()), qat: QatArg::Off, ..RecipeArgs::default() };
        let stand_in = Work::plan(work.input, &recipe)?;
        if !fits(stand_in.plan.bytes()) || stand_in.plan.bytes() <= work.plan.bytes() {
            continue;
        }
        let path = folder.join(format!("reference-{file_type}.gguf.temporary"));
        // Of no use to anybody, so nothing of it stays where it is interrupted or does not fit.
        let manner = Manner { force: true, resume: false, keep: false, ..manner };
        match stand_in.make(&path, manner) {
            Ok(_) => {
                let name = match file_type {
                    "BF16" => "the source".to_owned(),
                    other => format!("{other} of the source, for which there is no room"),
                };
                return Ok(Ok(Reference { path, name, is_made: true }));
            }
            // Not enough room on the disk: a smaller one may fit.
            Err(problem) if problem.code == Kind::Space.code() => {}
            Err(problem) if problem.code == Kind::Interrupted.code() => return Err(interrupted()),
            Err(problem) => return Err(problem),
        }
    }
    Ok(Err(format!(
        "there is no room, in {} of memory or on the disk, for the source ({}) or a better type than the target's",
        human_bytes(manner.available),
        human_bytes(whole)
    )))
}
