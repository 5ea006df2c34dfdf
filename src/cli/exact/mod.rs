//! `slipstream bench --exact`: on a person's own pair, do replies with the drafter say what plain replies say, and is what
//! is drawn distributed as the target has it? docs/EXACTNESS.md tells what is promised and what the numbers mean.
//!
//! 1. Replies: every kind of text, greedy and with seeds, plainly and then with each draft length. The prompt is read before
//!    each, so that all find it in the cache: how a prompt was read changes scores as well. Texts are compared, and the rows
//!    of scores behind them.
//! 2. Noise: what batches do to the scores along each kind's greedy reply.
//! 3. First differences are measured: how much noise would turn one token into the other.
//! 4. Distribution: the next tokens are drawn again and again at a few places.
//!
//! `crate::exact` judges.

mod found;
mod plan;
mod report;

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::args::BenchArgs;
use super::conversation::Conversation;
use super::machine::Machine;
use super::settings::{Settings, resolve};
use super::{print, run};
use crate::engine::{DrafterPlan, EngineSettings};
use crate::error::{Kind, Problem};
use crate::event::{Activity, Reply, StopReason};
use crate::exact::{Difference, compare_rows, first_difference, judge};
use crate::experiment::{Experiment, Finding, Gap, Passage, Place};
use crate::request::{DraftLength, Request, SamplingSettings, Speculation};
use crate::token::TokenId;
use found::{Compared, Drawn, Found};
use plan::{Plan, sampling_name};

/// Places whose distribution is checked: one each in so many kinds of text.
const PLACES: usize = 3;

/// Time for the draws of one place. On a slow machine fewer are made, which the report tells.
const DRAWING_TIME: Duration = Duration::from_secs(20);

/// A probability of the likeliest token at which draws tell most: enough other tokens, and enough accepted guesses.
const BEST_PEAK: f64 = 0.5;

/// After so many differences that are no near ties the verdict is clear: others are told, but not measured.
const ENOUGH_DIFFERENT: usize = 8;

/// A reply that differs, before that is measured.
struct Differing<'a> {
    /// Which one.
    compared: usize,
    sampling: &'a SamplingSettings,
    /// What both replies say.
    before: Vec<TokenId>,
    difference: Difference,
}

/// Runs the check.
///
/// # Errors
/// Whatever keeps it from being made. What it finds is no error, but has its exit code.
pub fn run(args: &BenchArgs, machine: &Machine) -> Result<u8, Problem> {
    super::bench::long_enough(args)?;
    let settings = resolve(args.positional.as_deref(), &args.shared, machine)?;
    let plan = Plan::new(args, &settings.sampling)?;
    if settings.engine.drafter == DrafterPlan::None {
        let message = format!(
            "checking {}: there is no drafter ({}), so there is nothing to compare",
            settings.engine.model.display(),
            settings.engine.pairing
        );
        return Err(Problem::new(
            Kind::Usage,
            message,
            "give one with -d FILE, or use --drafter-kind lookup",
        ));
    }
    let conversation = Conversation::start(EngineSettings { fingerprints: true, ..settings.engine.clone() })?;
    if conversation.ready().draft_kind == "none" {
        let reason = conversation.ready().speculation.reason.clone().unwrap_or_default();
        let message =
            format!("checking {}: the drafter cannot be used: {reason}", settings.engine.model.display());
        return Err(Problem::new(Kind::File, message, "look at its file with `slipstream inspect FILE`"));
    }
    let steps = plan.prompts.len() * (plan.samplings.len() * (1 + plan.settings.len()) + 1) + PLACES;
    let style = ProgressStyle::with_template("checking {msg} {wide_bar} {percent}% · {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(steps as u64).with_style(style);
    let found = Found { rows_promised: rows_are_promised(&settings.engine), ..Found::default() };
    let mut check = Check { args, plan: &plan, settings: &settings, conversation, bar, found };
    let outcome = check.everything();
    check.bar.finish_and_clear();
    check.found.incomplete = check.conversation.interrupted();
    if !check.found.incomplete {
        // Whatever Ctrl+C did to the engine is no problem of its own.
        outcome?;
    }
    let judgement = judge(&check.found.evidence());
    let text = if args.json {
        format!("{}\n", report::object(&check, &judgement))
    } else {
        report::list(&check, &judgement)
    };
    print(&text)?;
    Ok(match () {
        () if check.found.incomplete => Kind::Interrupted.code(),
        () if judgement.verdict.is_kept() => 0,
        () => Kind::Fault.code(),
    })
}

/// Whether a decode gives each token the same bits in any batch: all of it must run through our kernels, and what has none
/// through `vendor/ggml-sys/exact.cpp`, which was tried on x86 alone.
fn rows_are_promised(engine: &EngineSettings) -> bool {
    let no_gpu = !cfg!(any(feature = "cuda", feature = "metal", feature = "vulkan", feature = "rocm"));
    cfg!(target_arch = "x86_64") && engine.kernels && (no_gpu || engine.gpu_layers == Some(0))
}

/// The check while it is made.
struct Check<'a> {
    args: &'a BenchArgs,
    plan: &'a Plan,
    settings: &'a Settings,
    conversation: Conversation,
    bar: ProgressBar,
    found: Found,
}

impl Check<'_> {
    fn everything(&mut self) -> Result<(), Problem> {
        let mut greedy = Vec::new();
        for index in 0..self.plan.prompts.len() {
            let Some(reply) = self.kind(index)? else { return Ok(()) };
            greedy.push(reply);
        }
        self.distribution(&greedy)
    }

    fn request(&self, index: usize, sampling: &SamplingSettings) -> Request {
        let reply = &self.args.shared.reply;
        let text = self.plan.prompts[index].text.clone();
        let request = run::request(reply, self.args.raw, text, sampling.clone());
        // A stop text cuts tokens off: what stands at a difference would not be known.
        Request { max_tokens: Some(self.plan.max_tokens), stop: Vec::new(), ..request }
    }

    /// The text of a prompt and some tokens of its reply.
    fn passage(&self, index: usize, sampling: &SamplingSettings, reply: &[TokenId]) -> Passage {
        let request = self.request(index, sampling);
        Passage {
            prompt: request.prompt,
            reply: reply.to_vec(),
            sampling: request.sampling,
            ignore_end_of_turn: request.ignore_end_of_turn,
        }
    }

    /// Writes a reply; `None` where Ctrl+C ended it.
    fn reply(
        &mut self,
        index: usize,
        sampling: &SamplingSettings,
        length: DraftLength,
    ) -> Result<Option<Reply>, Problem> {
        // A long reply moves a sliding window past the prompt, which must then be read again: never by the reply itself.
        let first_token = Request { max_tokens: Some(1), ..self.request(index, sampling) };
        let _ = self.conversation.ask(first_token)?;
        self.conversation.speculate(Speculation { length, p_min: self.args.shared.draft.p_min });
        let reply = self.conversation.ask(self.request(index, sampling))?;
        self.bar.inc(1);
        Ok((reply.stop_reason != StopReason::Cancelled).then_some(reply))
    }

    /// Compares all replies to a prompt and measures the noise along the greedy plain one, whose tokens are returned;
    /// `None` where Ctrl+C ended it.
    fn kind(&mut self, index: usize) -> Result<Option<Vec<TokenId>>, Problem> {
        let plan = self.plan;
        let kind = plan.prompts[index].kind.clone();
        self.bar.set_message(kind.clone());
        let mut first = None;
        let mut differences = Vec::new();
        for sampling in &plan.samplings {
            let Some(plain) = self.reply(index, sampling, DraftLength::Off)? else { return Ok(None) };
            for (setting, length) in &plan.settings {
                let Some(reply) = self.reply(index, sampling, *length)? else { return Ok(None) };
                if reply.speculation.activity == Activity::Off && self.found.drafter_failed.is_none() {
                    self.found.drafter_failed = Some(reply.speculation.reason.clone().unwrap_or_default());
                }
                let difference = first_difference(&plain, &reply);
                if let Some(difference) = difference {
                    let (compared, before) =
                        (self.found.compared.len(), plain.tokens[..difference.at].to_vec());
                    differences.push(Differing { compared, sampling, before, difference });
                }
                self.found.compared.push(Compared {
                    kind: kind.clone(),
                    sampling: sampling_name(sampling),
                    setting: setting.clone(),
                    tokens: reply.tokens.len(),
                    rounds: reply.counters.rounds,
                    rows: compare_rows(&plain, &reply),
                    tested: reply.counters.tested,
                    accepted: reply.counters.accepted,
                    read_alike: reply.prompt_decoded == plain.prompt_decoded,
                    difference: difference.map(|difference| (difference, None)),
                });
            }
            first.get_or_insert(plain.tokens);
        }
        let greedy = first.unwrap_or_default();
        let sampling = plan.sampled().unwrap_or(&plan.samplings[0]);
        let passage = self.passage(index, sampling, &greedy);
        let noise = Experiment::Noise { passage, widths: plan.widths() };
        if let Finding::Noise(found) = self.conversation.experiment(noise)?
            && !self.conversation.interrupted()
        {
            self.found.noise.push((kind, found));
        }
        self.bar.inc(1);
        self.measure(index, &differences)?;
        Ok((!self.conversation.interrupted()).then_some(greedy))
    }

    /// Measures first differences. Those of several draft lengths are mostly the same one.
    fn measure(&mut self, index: usize, differences: &[Differing<'_>]) -> Result<(), Problem> {
        let mut known: Vec<(&Differing<'_>, Gap)> = Vec::new();
        for differing in differences {
            if self.found.measured().1 >= ENOUGH_DIFFERENT || self.conversation.interrupted() {
                break;
            }
            let same = known.iter().find(|(other, _)| {
                other.sampling == differing.sampling && other.difference == differing.difference
            });
            let gap = match same {
                Some((_, gap)) => gap.clone(),
                None => {
                    // Most are explained by the floor; what batches do at this very place costs a few more passes.
                    let alone = self.gap(index, differing, Vec::new())?;
                    let compared = &self.found.compared[differing.compared];
                    let clear = self.found.is_near_tie(compared, &alone);
                    if clear { alone } else { self.gap(index, differing, self.plan.widths())? }
                }
            };
            if !self.conversation.interrupted() {
                let difference = (differing.difference, Some(gap.clone()));
                self.found.compared[differing.compared].difference = Some(difference);
                known.push((differing, gap));
            }
        }
        Ok(())
    }

    fn gap(&self, index: usize, differing: &Differing<'_>, widths: Vec<u32>) -> Result<Gap, Problem> {
        let passage = self.passage(index, differing.sampling, &differing.before);
        let Difference { ours, theirs, .. } = differing.difference;
        match self.conversation.experiment(Experiment::Gap { passage, widths, ours, theirs })? {
            Finding::Gap(gap) => Ok(gap),
            other => Err(Problem::new(Kind::Fault, format!("a gap was asked for, {other:?} was found"), "")),
        }
    }

    /// Draws again and again, at the most telling place of each of a few kinds of text.
    fn distribution(&mut self, greedy: &[Vec<TokenId>]) -> Result<(), Problem> {
        let Some(sampling) = self.plan.sampled().filter(|_| self.args.draws > 0) else { return Ok(()) };
        let mut candidates: Vec<(usize, usize, f64)> = Vec::new();
        for (index, (_, noise)) in self.found.noise.iter().enumerate() {
            let distance = |place: &Place| (place.peak - BEST_PEAK).abs();
            // After the first token: before it no round is made.
            let best = noise
                .places
                .iter()
                .enumerate()
                .skip(1)
                .min_by(|a, b| distance(a.1).total_cmp(&distance(b.1)));
            candidates.extend(best.map(|(at, place)| (index, at, distance(place))));
        }
        candidates.sort_by(|a, b| a.2.total_cmp(&b.2));
        for (index, place, _) in candidates.into_iter().take(PLACES) {
            let kind = self.plan.prompts[index].kind.clone();
            self.bar.set_message(format!("the distribution of {kind}"));
            let draws = Experiment::Draws {
                passage: self.passage(index, sampling, &greedy[index][..place]),
                draws: self.args.draws,
                limit: DRAWING_TIME,
                length: self.plan.longest(),
            };
            let Finding::Draws(tally) = self.conversation.experiment(draws)? else { continue };
            self.bar.inc(1);
            if let (None, Some(failure)) = (&self.found.drafter_failed, &tally.failed) {
                self.found.drafter_failed = Some(failure.clone());
            }
            if self.conversation.interrupted() {
                return Ok(());
            }
            self.found.drawn.push(Drawn { kind, place, tally });
        }
        Ok(())
    }
}
