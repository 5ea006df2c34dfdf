//! `slipstream bench`: a pair measured on this machine, every setting taking its turn on every kind of text.

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::args::BenchArgs;
use super::conversation::Conversation;
use super::kinds::{self, Prompt};
use super::machine::{self, Machine};
use super::settings::{Settings, resolve};
use super::{printer, run};
use crate::bench::{self, Row, Run, Setting, Spread, Turn};
use crate::engine::{DrafterPlan, LONGEST_DRAFT};
use crate::error::{Kind, Problem};
use crate::event::{Reply, StopReason};
use crate::experiment::Experiment;
use crate::llama::build_info;
use crate::request::{DraftLength, Request, Speculation};
use crate::token::TokenId;

/// Tokens of a reply where nothing is asked for: several times what the policy needs to learn, and a minute of a large
/// model on a laptop.
const TOKENS: u32 = 256;
/// Tokens of the reply that warms the machine up, once plainly and once with guesses.
const WARM_UP_TOKENS: u32 = 16;
/// The first seed where none is given: each repeat takes the next, the same for every setting.
const FIRST_SEED: u64 = 1;

/// Runs the benchmark.
///
/// # Errors
/// Whatever keeps it from being made.
pub fn run(args: &BenchArgs, machine: &Machine) -> Result<u8, Problem> {
    let prompts = kinds::chosen(&args.kinds, &args.prompt_file)?;
    let wanted = settings_to_measure(&args.fixed)?;
    long_enough(args)?;
    let mut settings = resolve(args.positional.as_deref(), &args.shared, machine)?;
    if args.shared.sampling.seed.is_none() {
        settings.sampling.seed = FIRST_SEED;
    }
    if !args.force_acceptance.is_empty() {
        settings.engine.forced_acceptance = Some(args.force_acceptance.clone());
    }
    let turns = bench::turns(prompts.len(), &wanted, args.repeats as usize);
    let conversation = Conversation::start(settings.engine.clone())?;
    let ready = conversation.ready();
    if ready.draft_kind == "none" && wanted.iter().any(|setting| *setting != Setting::Plain) {
        let reason = ready.speculation.reason.clone().unwrap_or_else(|| ready.pairing.clone());
        let message = format!("measuring drafts with {}: there is no drafter ({reason})", ready.model_name);
        return Err(Problem::new(
            Kind::Usage,
            message,
            "give one with -d FILE or --drafter-kind lookup, or measure plain decoding alone with --fixed 0",
        ));
    }
    let mut session = Session {
        args,
        settings: &settings,
        prompts: &prompts,
        conversation: &conversation,
        texts: Vec::new(),
    };
    let runs = session.measure(&turns, &wanted)?;
    let complete = runs.len() == turns.len();
    let rows = bench::rows(&runs);
    let names: Vec<String> = prompts.iter().map(|prompt| prompt.kind.clone()).collect();
    let code = super::print(&if args.json {
        format!("{}\n", session.report(&rows, machine, complete))
    } else if args.csv {
        bench::csv(&runs, &names)
    } else if args.markdown {
        bench::markdown(&rows, &names)
    } else {
        bench::text(&rows, &names)
    })?;
    if !args.json {
        session.explain(&rows, machine);
    }
    if complete {
        return Ok(code);
    }
    printer::note(&format!("interrupted after {} of {} replies", runs.len(), turns.len()));
    Ok(Kind::Interrupted.code())
}

/// A speed needs two tokens, and so does a draft.
///
/// # Errors
/// Where fewer are asked for.
pub fn long_enough(args: &BenchArgs) -> Result<(), Problem> {
    match args.shared.reply.max_tokens {
        Some(tokens) if tokens < 2 => {
            let message = format!("measuring replies of {tokens} token: two are the least");
            Err(Problem::new(Kind::Usage, message, "use a larger -n"))
        }
        _ => Ok(()),
    }
}

fn settings_to_measure(words: &[String]) -> Result<Vec<Setting>, Problem> {
    let parse = |word: &String| {
        Setting::parse(word, LONGEST_DRAFT as u32).ok_or_else(|| {
            let message = format!("--fixed {word}: expected `auto` or numbers from 0 to {LONGEST_DRAFT}");
            Problem::new(Kind::Usage, message, "for instance --fixed 0,1,2,3,auto")
        })
    };
    words.iter().map(parse).collect()
}

/// How a setting is asked of the engine.
fn speculation(setting: Setting, settings: &Settings) -> Speculation {
    let length = match setting {
        Setting::Plain => DraftLength::Off,
        Setting::Fixed(length) => DraftLength::Fixed(length),
        Setting::Auto => DraftLength::Auto(settings.n_max),
    };
    Speculation { length, p_min: settings.engine.speculation.p_min }
}

/// One benchmark under way.
struct Session<'a> {
    args: &'a BenchArgs,
    settings: &'a Settings,
    prompts: &'a [Prompt],
    conversation: &'a Conversation,
    /// The replies of the present repeat.
    texts: Vec<(Turn, Vec<TokenId>)>,
}

impl Session<'_> {
    /// Takes all turns, or as many as a person waits for.
    fn measure(&mut self, turns: &[Turn], wanted: &[Setting]) -> Result<Vec<Run>, Problem> {
        let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} · {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        // Hidden by itself where standard error is no terminal.
        let bar = ProgressBar::new(turns.len() as u64).with_style(style);
        bar.set_message("warming up");
        self.warm_up(wanted)?;
        bar.reset_eta();
        let mut runs: Vec<Run> = Vec::new();
        for turn in turns {
            let kind = &self.prompts[turn.kind].kind;
            bar.set_message(format!("{kind} · {} · {}", turn.setting.name(), turn.repeat + 1));
            if turn.setting == Setting::Auto && !self.args.warm {
                // As at a start of the program: it must learn within the reply that is measured.
                self.conversation.experiment(Experiment::Forget)?;
            }
            let reply = self.write(*turn, self.args.shared.reply.max_tokens.unwrap_or(TOKENS))?;
            if reply.stop_reason == StopReason::Cancelled || self.conversation.interrupted() {
                break;
            }
            runs.push(run_of(*turn, &reply)?);
            self.compare(&mut runs, *turn, reply.tokens);
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(runs)
    }

    /// Pages the weights in, and has every kind of batch computed once.
    fn warm_up(&self, wanted: &[Setting]) -> Result<(), Problem> {
        let longest = wanted.iter().filter_map(|setting| match setting {
            Setting::Fixed(length) => Some(*length),
            _ => None,
        });
        let settings = [Setting::Plain, Setting::Fixed(longest.max().unwrap_or(self.settings.n_max))];
        let drafts = wanted.iter().any(|setting| *setting != Setting::Plain);
        for setting in settings.into_iter().take(if drafts { 2 } else { 1 }) {
            self.write(Turn { kind: 0, setting, repeat: 0 }, WARM_UP_TOKENS)?;
        }
        Ok(())
    }

    fn write(&self, turn: Turn, tokens: u32) -> Result<Reply, Problem> {
        self.conversation.speculate(speculation(turn.setting, self.settings));
        let reply = &self.args.shared.reply;
        let text = self.prompts[turn.kind].text.clone();
        let mut sampling = self.settings.sampling.clone();
        sampling.seed = sampling.seed.wrapping_add(turn.repeat as u64);
        // Every reply has the same length, so that speeds can be compared: the model may not end its turn.
        let request = run::request(reply, self.args.raw, text, sampling);
        let request = Request { max_tokens: Some(tokens), ignore_end_of_turn: true, ..request };
        self.conversation.ask(request).map_err(|problem| Problem {
            message: format!("{}: {}", self.prompts[turn.kind].kind, problem.message),
            ..problem
        })
    }

    /// Notes whether the replies of a repeat are the same, once plain's is among them.
    fn compare(&mut self, runs: &mut [Run], turn: Turn, tokens: Vec<TokenId>) {
        if self.settings.engine.forced_acceptance.is_some() {
            return;
        }
        self.texts.retain(|(other, _)| (other.kind, other.repeat) == (turn.kind, turn.repeat));
        self.texts.push((turn, tokens));
        let Some((_, plain)) = self.texts.iter().find(|(turn, _)| turn.setting == Setting::Plain) else {
            return;
        };
        for run in runs.iter_mut().filter(|run| (run.kind, run.repeat) == (turn.kind, turn.repeat)) {
            let text = self.texts.iter().find(|(turn, _)| turn.setting == run.setting);
            run.same_text = text.filter(|_| run.setting != Setting::Plain).map(|(_, tokens)| tokens == plain);
        }
    }

    /// What a table does not say by itself, on standard error.
    fn explain(&self, rows: &[Row], machine: &Machine) {
        let ready = self.conversation.ready();
        let engine = &self.settings.engine;
        let drafter = match &ready.drafter {
            Some(path) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            None => ready.draft_kind.to_owned(),
        };
        printer::note(&format!(
            "{} ({}) with {drafter} · {} · {} and {} threads, {} for drafts · {} tokens, {} repeats, temperature {}, \
             seeds from {}",
            ready.model_name,
            ready.quantization,
            machine::processor().unwrap_or_else(|| format!("{} cores", machine.physical_cores)),
            engine.threads,
            engine.threads_batch,
            engine.threads_draft,
            self.args.shared.reply.max_tokens.unwrap_or(TOKENS),
            self.args.repeats,
            self.settings.sampling.temperature,
            self.settings.sampling.seed,
        ));
        if let Some(rates) = &engine.forced_acceptance {
            printer::note(&format!(
                "acceptance was FORCED to {rates:?} by place: costs are real, the text is worth nothing"
            ));
        }
        let different: usize = rows.iter().map(|row| row.same_text.1 - row.same_text.0).sum();
        let compared: usize = rows.iter().map(|row| row.same_text.1).sum();
        if different > 0 {
            printer::note(&format!(
                "{different} of {compared} replies differ from the plain one: `slipstream bench --exact` tells by how much"
            ));
        }
    }

    fn report(&self, rows: &[Row], machine: &Machine, complete: bool) -> Value {
        let ready = self.conversation.ready();
        let engine = &self.settings.engine;
        let sampling = &self.settings.sampling;
        let runs: Vec<Value> = rows.iter().map(|row| row_object(row, self.prompts)).collect();
        let overall: Vec<Value> = bench::overall(rows)
            .iter()
            .map(|each| {
                json!({
                    "setting": each.setting.name(),
                    "ratio": each.ratio,
                    "ratio_min": each.least.0,
                    "ratio_min_kind": self.prompts[each.least.1].kind,
                    "of_best_fixed_min": each.of_best_fixed.map(|(least, _)| least),
                    "of_best_fixed_min_kind": each.of_best_fixed.map(|(_, kind)| &self.prompts[kind].kind),
                })
            })
            .collect();
        json!({
            "machine": {
                "processor": machine::processor(),
                "physical_cores": machine.physical_cores,
                "memory_bytes": machine.total_bytes,
                "threads": engine.threads,
                "threads_batch": engine.threads_batch,
                "threads_draft": engine.threads_draft,
            },
            "model": ready.model,
            "drafter": ready.drafter,
            "draft_kind": ready.draft_kind,
            "quantization": ready.quantization,
            "context_n": ready.context_size,
            "max_tokens": self.args.shared.reply.max_tokens.unwrap_or(TOKENS),
            "repeats": self.args.repeats,
            "temperature": sampling.temperature,
            "seed": sampling.seed,
            "n_max": self.settings.n_max,
            "drafter_in_memory_for_plain": engine.drafter != DrafterPlan::None,
            "auto_starts_cold": !self.args.warm && engine.costs.is_none(),
            "forced_acceptance": engine.forced_acceptance,
            "complete": complete,
            "runs": runs,
            "overall": overall,
            "version": env!("CARGO_PKG_VERSION"),
            "llama_build": build_info(),
        })
    }
}

/// A reply as a measurement.
fn run_of(turn: Turn, reply: &Reply) -> Result<Run, Problem> {
    let counters = &reply.counters;
    let Some(per_second) = counters.tokens_per_second() else {
        let message = format!("measuring a reply of {} tokens: two are the least", counters.predicted);
        return Err(Problem::new(Kind::Usage, message, "use a larger -n, or a larger context (-c)"));
    };
    Ok(Run {
        kind: turn.kind,
        setting: turn.setting,
        repeat: turn.repeat,
        tokens: counters.predicted,
        per_second,
        rounds: counters.rounds,
        tested: counters.tested_by_position.clone(),
        accepted: counters.accepted_by_position.clone(),
        own_seconds: counters.elapsed.saturating_sub(counters.decoding).as_secs_f64(),
        same_text: None,
        state: (turn.setting == Setting::Auto).then(|| {
            let state = &reply.speculation;
            (state.activity.name(), state.reason.clone())
        }),
    })
}

fn row_object(row: &Row, prompts: &[Prompt]) -> Value {
    let part = |spread: Option<Spread>, which: fn(Spread) -> f64| spread.map(which);
    json!({
        "kind": prompts[row.kind].kind,
        "setting": row.setting.name(),
        "repeats": row.repeats,
        "predicted_n": row.tokens,
        "predicted_per_second": row.per_second.median,
        "predicted_per_second_min": row.per_second.least,
        "predicted_per_second_max": row.per_second.most,
        "ratio": part(row.ratio, |spread| spread.median),
        "ratio_min": part(row.ratio, |spread| spread.least),
        "ratio_max": part(row.ratio, |spread| spread.most),
        "of_best_fixed": part(row.of_best_fixed, |spread| spread.median),
        "of_best_fixed_min": part(row.of_best_fixed, |spread| spread.least),
        "of_best_fixed_max": part(row.of_best_fixed, |spread| spread.most),
        "draft_n": row.tested.iter().sum::<u32>(),
        "draft_n_accepted": row.accepted.iter().sum::<u32>(),
        "tested_by_position": row.tested,
        "accepted_by_position": row.accepted,
        "accept_len": row.length,
        "own_ms_per_round": row.own_milliseconds,
        "own_share_of_plain": row.own_share,
        "same_text_n": row.same_text.0,
        "same_text_of": row.same_text.1,
        "spec_state": row.state.as_ref().map(|state| state.0),
        "spec_reason": row.state.as_ref().and_then(|state| state.1.clone()),
    })
}
