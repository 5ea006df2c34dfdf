//! From what was typed to what is done, once: which model, which drafter and why, how much context, how many
//! threads. Nothing below this sees an option that has a default, or reads an environment variable.

use std::path::{Path, PathBuf};

use super::args::{DraftArgs, DrafterKind, KernelsArg, KvTypeArg, ModelArgs, SamplingArgs, Shared};
use super::config::{Origin, Origins};
use super::machine::Machine;
use super::{last, pocket, tuned};
use crate::engine::{CostRecord, DrafterPlan, EngineSettings, LONGEST_DRAFT};
use crate::error::{Kind, Problem};
use crate::gguf::GgmlType;
use crate::llama::{CELL_STEP, KvType};
use crate::models::{
    Candidate, Choice, Distance, MemoryEstimate, MemoryPlan, ModelFile, Role, best_pair, candidates_beside,
    choose, find_models, fits, fits_as_model_drafter, largest_context, read_model, search_roots, target_only,
};
use crate::request::{DraftLength, SamplingSettings, Speculation};
use crate::tuning::Tuned;

/// Context where nothing is asked for: enough for a long chat, small beside the weights of any Gemma 4.
const DEFAULT_CONTEXT: u32 = 16_384;
/// Tokens decoded at once while a prompt is read; llama.cpp's own default.
const MICRO_BATCH: u32 = 512;
/// Bytes of a drafter that one thread drafts with, unless told otherwise: its step is over before threads have met at every
/// operation of it. On the built-in pair's (0.9 MB) two threads are no faster, and stall for milliseconds now and then;
/// the 26B's assistant (250 MB) wants them all.
const TINY_DRAFTER: u64 = 16 << 20;
/// Share of the available memory that a model may plan with: the estimate has an error, and other programs live.
const MEMORY_SHARE: f64 = 0.95;

/// Everything a chat or a run needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// For the engine.
    pub engine: EngineSettings,
    /// How tokens are drawn.
    pub sampling: SamplingSettings,
    /// Most guesses a round.
    pub n_max: u32,
    /// The kind of drafter that was looked for.
    pub drafter_kind: DrafterKind,
    /// Whether `--greedy` set the temperature.
    pub greedy: bool,
    /// What to open next time nothing is named: the file, or the built-in pair's name.
    pub remembered_as: PathBuf,
    /// Where each of the options comes from.
    pub origins: Origins,
}

/// The files of a pair, read and judged.
struct Chosen {
    target: ModelFile,
    drafter: Option<ModelFile>,
    plan: DrafterPlan,
    reason: String,
    name: String,
    built_in: bool,
}

/// Resolves model options. `positional` is the model given as the first argument.
///
/// # Errors
/// Whatever is wrong with the options, the files, or the memory they need.
pub fn resolve(positional: Option<&str>, shared: &Shared, machine: &Machine) -> Result<Settings, Problem> {
    resolve_with(positional, shared, machine, true)
}

/// As `resolve`, without what an earlier `tune` has found.
///
/// # Errors
/// As `resolve`.
pub fn resolve_untuned(
    positional: Option<&str>,
    shared: &Shared,
    machine: &Machine,
) -> Result<Settings, Problem> {
    resolve_with(positional, shared, machine, false)
}

fn resolve_with(
    positional: Option<&str>,
    shared: &Shared,
    machine: &Machine,
    use_tuned: bool,
) -> Result<Settings, Problem> {
    let model = &shared.model;
    let mut origins = shared.origins.clone();
    // An empty variable names nothing.
    let option = model.model.as_deref().filter(|name| is_flag(&origins, "model") || !name.is_empty());
    if let (Some(first), Some(second)) = (positional, option)
        && is_flag(&origins, "model")
        && first != second
    {
        let message = format!("two models were given: {first} and --model {second}");
        return Err(Problem::new(Kind::Usage, message, "give one of them"));
    }
    if positional.is_some() {
        origins.note("model", Origin::Flag);
    }
    let name = positional.or(option);
    if name.is_some_and(|name| name.trim().is_empty()) {
        return Err(Problem::new(
            Kind::Usage,
            "the model's name is empty",
            "give a file, a name, or `pocket`",
        ));
    }
    let drafter_kind = drafter_kind(model, &mut origins);
    let chosen = choose_files(name, model, drafter_kind, machine)?;
    let gpu_layers = gpu_layers(&model.gpu_layers).map_err(|reason| {
        let message = format!("--gpu-layers {}: {reason}", model.gpu_layers);
        Problem::new(Kind::Usage, message, "leave it out for `auto`")
    })?;
    let stored = match use_tuned {
        true => tuned::find(
            &chosen.target.path,
            &chosen.plan,
            gpu_layers,
            model.kernels == KernelsArg::On,
            machine,
        ),
        false => None,
    };
    let computing = computing(model, chosen.drafter.as_ref(), stored, &mut origins, machine);
    let context = context(&chosen, model, computing.kv_type, machine)?;
    let speculation = speculation(&shared.draft)?;
    let remembered_as =
        if chosen.built_in { PathBuf::from(last::POCKET) } else { chosen.target.path.clone() };
    let engine = EngineSettings {
        model: chosen.target.path.clone(),
        model_name: chosen.name,
        quantization: chosen.target.facts.quantization_name().to_owned(),
        drafter: chosen.plan,
        pairing: chosen.reason,
        context,
        threads: computing.threads,
        threads_batch: computing.threads_batch,
        threads_draft: computing.threads_draft,
        micro_batch: MICRO_BATCH,
        kv_type: computing.kv_type,
        gpu_layers,
        mmap: !model.no_mmap,
        kernels: model.kernels == KernelsArg::On,
        keeps_ways_back: false,
        template: shared.reply.chat_template.as_deref().map(template).transpose()?,
        speculation,
        costs: computing.costs,
        forced_acceptance: None,
        fingerprints: false,
        log: model.log.clone(),
    };
    let greedy = greedy(&shared.sampling, &mut origins);
    let sampling = sampling(&shared.sampling, greedy, &chosen.target, &mut origins);
    let n_max = shared.draft.n_max;
    Ok(Settings { engine, sampling, n_max, drafter_kind, greedy, remembered_as, origins })
}

/// What the machine computes with.
struct Computing {
    threads: u32,
    threads_batch: u32,
    threads_draft: u32,
    kv_type: KvType,
    costs: Option<CostRecord>,
}

/// As asked for, else as `tune` has found, else one thread a core.
fn computing(
    model: &ModelArgs,
    drafter: Option<&ModelFile>,
    stored: Option<Tuned>,
    origins: &mut Origins,
    machine: &Machine,
) -> Computing {
    // A person who chooses the threads has chosen them for batches and drafts as well.
    let found = stored.as_ref().filter(|_| model.threads.is_none());
    let mut choose = |option, given: Option<u32>, found: Option<u32>, otherwise| {
        if given.is_none() && found.is_some() {
            origins.note(option, Origin::Tune);
        }
        given.or(found).unwrap_or(otherwise)
    };
    let threads =
        choose("threads", model.threads, found.map(|stored| stored.threads), machine.physical_cores);
    let threads_batch =
        choose("threads-batch", model.threads_batch, found.map(|stored| stored.threads_batch), threads);
    let is_tiny = drafter.is_some_and(|drafter| drafter.facts.file_bytes <= TINY_DRAFTER);
    let otherwise = if is_tiny { 1 } else { threads };
    let threads_draft =
        choose("threads-draft", model.threads_draft, found.map(|stored| stored.threads_draft), otherwise);
    let mut kv_type = match model.kv_type {
        KvTypeArg::F16 => KvType::F16,
        KvTypeArg::Q8_0 => KvType::Q8_0,
    };
    let chosen = stored.as_ref().filter(|stored| stored.kv_type_chosen);
    if let Some(stored) = chosen.filter(|_| origins.get("kv-type") == Origin::Default) {
        let types = [KvType::F16, KvType::Q8_0];
        kv_type = types.into_iter().find(|each| each.name() == stored.kv_type).unwrap_or(kv_type);
        origins.note("kv-type", Origin::Tune);
    }
    // Costs hold for what they were measured with.
    let threads_now = (threads, threads_batch, threads_draft);
    let holds = |stored: &Tuned| {
        (stored.threads, stored.threads_batch, stored.threads_draft) == threads_now
            && stored.kv_type == kv_type.name()
    };
    let costs = stored.filter(holds).map(|stored| stored.costs);
    Computing { threads, threads_batch, threads_draft, kv_type, costs }
}

fn is_flag(origins: &Origins, option: &str) -> bool {
    origins.get(option) == Origin::Flag
}

/// The kind of drafter. A drafter named in a stronger place than the kind (a flag over the config file) is its own kind.
fn drafter_kind(args: &ModelArgs, origins: &mut Origins) -> DrafterKind {
    if origins.get("drafter-kind") <= origins.get("drafter") {
        return args.drafter_kind;
    }
    origins.follow("drafter-kind", "drafter");
    DrafterKind::Auto
}

/// `--gpu-layers`: a number, or `None` for all that fit.
///
/// # Errors
/// What was expected, where it is neither a number nor `auto`.
pub fn gpu_layers(text: &str) -> Result<Option<u32>, String> {
    if text == "auto" {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| "expected a number or `auto`".to_owned())
}

/// `--draft` and its companions.
///
/// # Errors
/// Where it is neither a word it knows nor a number within reach.
pub fn speculation(draft: &DraftArgs) -> Result<Speculation, Problem> {
    let length = draft_length(&draft.draft, draft.n_max).map_err(|reason| {
        Problem::new(Kind::Usage, format!("--draft {}: {reason}", draft.draft), "see `slipstream run --help`")
    })?;
    Ok(Speculation { length, p_min: draft.p_min })
}

/// `--draft`, where `auto` and `on` go up to `n_max`.
///
/// # Errors
/// What was expected, where it is neither a word it knows nor a number within reach.
pub fn draft_length(text: &str, n_max: u32) -> Result<DraftLength, String> {
    match text {
        "off" | "0" => Ok(DraftLength::Off),
        "on" => Ok(DraftLength::Fixed(n_max)),
        "auto" => Ok(DraftLength::Auto(n_max)),
        number => match number.parse::<u32>() {
            Ok(length) if length as usize <= LONGEST_DRAFT => Ok(DraftLength::Fixed(length)),
            _ => Err(format!(
                "expected auto, on, off, or a number from 0 to {LONGEST_DRAFT} (the best are small: try 2 or 3)"
            )),
        },
    }
}

/// Which files: the named model, else the last used pair, else the best pair here, else the built-in one; and
/// the drafter that goes with it.
fn choose_files(
    name: Option<&str>,
    args: &ModelArgs,
    kind: DrafterKind,
    machine: &Machine,
) -> Result<Chosen, Problem> {
    let mut known_drafter = Known::Nothing;
    let path = match name {
        Some("pocket") => built_in(&mut known_drafter)?,
        Some(name) if Path::new(name).exists() => PathBuf::from(name),
        Some(name) => named(name, machine, &mut known_drafter)?,
        None => match last::read() {
            Some(name) if name == last::POCKET => built_in(&mut known_drafter)?,
            Some(name) if Path::new(&name).is_file() => PathBuf::from(name),
            _ => match best_here(machine, &mut known_drafter) {
                Some(path) => path,
                None => built_in(&mut known_drafter)?,
            },
        },
    };
    let target = read_model(&path).map_err(file_problem)?;
    target_only(&target).map_err(file_problem)?;
    let built_in = matches!(known_drafter, Known::BuiltIn(_));
    let (drafter, plan, reason) = choose_drafter(&target, &args.drafter, kind, known_drafter)?;
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let name = target.facts.name.clone().filter(|name| !name.is_empty()).unwrap_or(stem);
    Ok(Chosen { target, drafter, plan, reason, name, built_in })
}

/// A drafter that is known before looking beside the target.
enum Known {
    Nothing,
    /// One among others: it has to fit, and there may be a better one.
    Candidate(PathBuf),
    /// The built-in pair's own: other versions of it lie in the same folder.
    BuiltIn(PathBuf),
}

fn built_in(known: &mut Known) -> Result<PathBuf, Problem> {
    let files = pocket::files()?;
    *known = Known::BuiltIn(files.drafter);
    Ok(files.target)
}

fn best_here(machine: &Machine, known: &mut Known) -> Option<PathBuf> {
    let found = find_models(&search_roots(&machine.places()));
    let (model, choice) = best_pair(&found, machine.available_bytes)?;
    if let Some(path) = choice.path() {
        *known = Known::Candidate(path.to_owned());
    }
    Some(model.model.path.clone())
}

/// A model by its name in `slipstream list`, or `org/repo[:quant]` as far as it is on this machine.
fn named(name: &str, machine: &Machine, known: &mut Known) -> Result<PathBuf, Problem> {
    let found = find_models(&search_roots(&machine.places()));
    let wanted = name.to_lowercase();
    let (repository, quant) = wanted.split_once(':').map_or((wanted.as_str(), None), |(a, b)| (a, Some(b)));
    let matches = |model: &str, path: &Path| {
        let (model, path) = (model.to_lowercase(), path.to_string_lossy().to_lowercase());
        model == wanted
            || (model.contains(repository)
                && quant.is_none_or(|quant| path.contains(quant) || model.contains(quant)))
    };
    let mut hits: Vec<_> = found
        .models
        .iter()
        .filter(|each| each.model.role == Role::Target && matches(&each.name, &each.model.path))
        .collect();
    hits.sort_by_key(|each| (each.name.to_lowercase() != wanted, each.model.facts.file_bytes));
    match hits.as_slice() {
        [] => Err(Problem::new(
            Kind::File,
            format!("there is no file {name}, and no model of that name on this machine"),
            "check the path; `slipstream list` shows the models found here, `pocket` is always there",
        )),
        [first, rest @ ..] if first.name.to_lowercase() == wanted || rest.is_empty() => {
            if let Some(path) = &first.drafter {
                *known = Known::Candidate(path.clone());
            }
            Ok(first.model.path.clone())
        }
        several => {
            let names: Vec<&str> = several.iter().take(6).map(|each| each.name.as_str()).collect();
            Err(Problem::new(
                Kind::Usage,
                format!("{name} could be any of {}: {}", several.len(), names.join(", ")),
                "give the whole name, or the path of the file",
            ))
        }
    }
}

fn choose_drafter(
    target: &ModelFile,
    drafter: &str,
    kind: DrafterKind,
    known: Known,
) -> Result<(Option<ModelFile>, DrafterPlan, String), Problem> {
    if kind == DrafterKind::Lookup && drafter != "none" {
        if drafter != "auto" {
            let message =
                format!("--drafter-kind lookup and --drafter {drafter} were given: look-up needs no file");
            return Err(Problem::new(Kind::Usage, message, "leave one of them out"));
        }
        return Ok((None, DrafterPlan::Lookup, "Look-up was asked for".to_owned()));
    }
    match drafter {
        "" => Err(Problem::new(Kind::Usage, "the drafter's name is empty", "give a file, `auto`, or `none`")),
        "none" => Ok((None, DrafterPlan::None, "no drafter was asked for".to_owned())),
        "auto" => auto_drafter(target, known),
        path => given_drafter(target, Path::new(path), kind),
    }
}

fn auto_drafter(
    target: &ModelFile,
    known: Known,
) -> Result<(Option<ModelFile>, DrafterPlan, String), Problem> {
    if let Known::BuiltIn(path) = known {
        let drafter = read_model(&path).map_err(file_problem)?;
        return Ok((Some(drafter), DrafterPlan::Mtp(path), "The two were made for each other".to_owned()));
    }
    let mut candidates = candidates_beside(&target.path).models;
    if let Known::Candidate(path) = known
        && let Ok(model) = read_model(&path)
        && !candidates.iter().any(|candidate| candidate.model.path == path)
    {
        candidates.push(Candidate { model, distance: Distance::SameFolder });
    }
    match choose(target, &candidates) {
        Choice::None { reason, .. } => Ok((None, DrafterPlan::None, reason)),
        Choice::Chosen { path, reason } => {
            let drafter =
                candidates.into_iter().map(|candidate| candidate.model).find(|model| model.path == path);
            Ok((drafter, DrafterPlan::Mtp(path), reason))
        }
    }
}

/// A drafter that was named must fit, or nothing is loaded.
fn given_drafter(
    target: &ModelFile,
    path: &Path,
    kind: DrafterKind,
) -> Result<(Option<ModelFile>, DrafterPlan, String), Problem> {
    let drafter = read_model(path).map_err(file_problem)?;
    let as_model = kind == DrafterKind::Model || (kind == DrafterKind::Auto && drafter.role == Role::Target);
    let misfit = if as_model { fits_as_model_drafter(target, &drafter) } else { fits(target, &drafter) };
    misfit.map_err(|misfit| {
        let message = format!("{} does not fit {}: {misfit}", path.display(), target.path.display());
        Problem::new(Kind::File, message, misfit.help())
    })?;
    let reason = "It was asked for, and fits".to_owned();
    let path = path.to_owned();
    let plan = if as_model { DrafterPlan::Model(path) } else { DrafterPlan::Mtp(path) };
    Ok((Some(drafter), plan, reason))
}

/// The context length: as asked and as far as memory goes.
fn context(chosen: &Chosen, args: &ModelArgs, kv_type: KvType, machine: &Machine) -> Result<u32, Problem> {
    let available = (machine.available_bytes as f64 * MEMORY_SHARE) as u64;
    let trained = chosen.target.facts.context_length.unwrap_or(DEFAULT_CONTEXT);
    let wanted = args.ctx.unwrap_or_else(|| DEFAULT_CONTEXT.min(trained.max(1)));
    let wanted = wanted.checked_next_multiple_of(CELL_STEP).unwrap_or(wanted);
    let plan = MemoryPlan {
        context: wanted,
        micro_batch: MICRO_BATCH,
        outputs: LONGEST_DRAFT as u32 + 1,
        kv_type: match kv_type {
            KvType::F16 => GgmlType::F16,
            KvType::Q8_0 => GgmlType::Q8_0,
        },
    };
    let drafter = chosen.drafter.as_ref();
    let too_large = match MemoryEstimate::check(&chosen.target, drafter, plan, available) {
        Ok(_) => return Ok(wanted),
        Err(error) => error,
    };
    // A wish is refused when it cannot be met; the default only bends.
    match largest_context(&chosen.target, drafter, plan, available) {
        Some(context) if args.ctx.is_none() => Ok(context),
        _ => Err(Problem::new(Kind::Space, too_large.to_string(), too_large.help())),
    }
}

/// A template is a few kilobytes; llama.cpp's engine recurses as deep as it nests.
const LONGEST_TEMPLATE: u64 = 1 << 20;

fn template(path: &Path) -> Result<String, Problem> {
    let failed = |reason: String| {
        let message = format!("reading the chat template {} failed: {reason}", path.display());
        Problem::new(Kind::File, message, "leave --chat-template out to use the model's own")
    };
    let file = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?;
    if !file.is_file() || file.len() > LONGEST_TEMPLATE {
        return Err(failed(format!("expected a file of at most {LONGEST_TEMPLATE} bytes")));
    }
    std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))
}

/// Whether llama.cpp's log can be written there. A pipe would block, so it must be a file, or nothing yet.
///
/// # Errors
/// Where it is no file, or cannot be written.
pub fn check_log(path: &Path) -> Result<(), Problem> {
    let failed = |reason: String| {
        let message = format!("--log {}: {reason}", path.display());
        Problem::new(Kind::Usage, message, "give the path of a file that can be written")
    };
    if path.exists() && !path.is_file() {
        return Err(failed("it is not a file".to_owned()));
    }
    let opened = std::fs::OpenOptions::new().create(true).append(true).open(path);
    opened.map(|_| ()).map_err(|error| failed(error.to_string()))
}

/// Whether `--greedy` sets the temperature: unless a `--temp` from a stronger place was given. Notes the origin of both.
fn greedy(args: &SamplingArgs, origins: &mut Origins) -> bool {
    let (wish, temperature) = (origins.get("greedy"), origins.get("temp"));
    let wins = args.greedy && (args.temp.is_none() || wish <= temperature);
    if wins {
        origins.follow("temp", "greedy");
    } else if args.greedy {
        origins.follow("greedy", "temp");
    }
    wins
}

/// What was given, then the model's own recommendation, then the defaults.
fn sampling(
    args: &SamplingArgs,
    greedy: bool,
    target: &ModelFile,
    origins: &mut Origins,
) -> SamplingSettings {
    let own = &target.facts.sampling;
    let base = SamplingSettings::default();
    let temperature = if greedy { Some(0.0) } else { args.temp };
    SamplingSettings {
        temperature: origins.settle("temp", temperature, own.temperature, base.temperature),
        top_k: origins.settle("top-k", args.top_k, own.top_k, base.top_k),
        top_p: origins.settle("top-p", args.top_p, own.top_p, base.top_p),
        min_p: origins.settle("min-p", args.min_p, own.min_p, base.min_p),
        repeat_penalty: origins.settle(
            "repeat-penalty",
            args.repeat_penalty,
            own.repeat_penalty,
            base.repeat_penalty,
        ),
        repeat_window: base.repeat_window,
        seed: args.seed.unwrap_or_else(super::machine::fresh_seed),
    }
}

fn file_problem(error: crate::models::ModelError) -> Problem {
    Problem::new(Kind::File, error.to_string(), error.help())
}
