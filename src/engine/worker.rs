//! The worker thread's stack frame is the ownership diagram: backend, models, contexts, in this order; they
//! are dropped in reverse.

use std::fs::OpenOptions;
use std::sync::mpsc::{Receiver, Sender};

use super::cancel::Canceller;
use super::clock::Clock;
use super::forced::Forcing;
use super::laboratory::Laboratory;
use super::loading::{Machines, create, load_drafter, load_model};
use super::parked;
use super::reply::{Desk, state};
use super::session::Session;
use super::{DrafterPlan, EngineSettings};
use crate::event::{Command, Event, Failure, KernelState, Ready, Reply, TooLong};
use crate::experiment::Experiment;
use crate::kernels::InstructionSet;
use crate::llama::{Backend, LlamaError, Model, Rendered, Templates, agreeing_kernels, kernels};
use crate::request::{Prompt, Role};
use crate::spec::AutoLength;
use crate::token::TokenId;

/// Runs the engine until it is told to end, or cannot go on.
pub fn run(
    settings: &EngineSettings,
    commands: &Receiver<Command>,
    events: &Sender<Event>,
    cancel: &Canceller,
) {
    if let Err(error) = serve(settings, commands, events, cancel) {
        let _ = events.send(Event::Failed(failure(&error, true)));
    }
}

/// For the whole process. What does not give llama.cpp's bits on small products is left to llama.cpp.
fn switch_kernels_on() -> KernelState {
    let none = |reason: &str| KernelState { instructions: None, reason: Some(reason.to_owned()) };
    let Some(set) = InstructionSet::fastest().filter(|set| kernels::switch(Some(*set))) else {
        return none(
            "llama.cpp's own kernels run: ours need an x86-64 processor with AVX2 or an ARM one with dot products, and a \
             build whose CPU code is part of the program",
        );
    };
    let known = kernels::known(set);
    if known.is_empty() {
        kernels::switch(None);
        return none("llama.cpp's own kernels run: it lays out no weights as ours need them in this build");
    }
    let agreeing = agreeing_kernels(set);
    let odd: Vec<String> =
        known.iter().filter(|kind| !agreeing.contains(kind)).map(|kind| format!("{kind:?}")).collect();
    if agreeing.is_empty() {
        kernels::switch(None);
        return none(
            "llama.cpp's own kernels run: ours gave other results on small products; please report it",
        );
    }
    kernels::keep(&agreeing);
    let reason = (!odd.is_empty()).then(|| {
        let odd = odd.join(", ");
        format!("llama.cpp's own kernels run for {odd}: ours gave other results on small products; please report it")
    });
    KernelState { instructions: Some(set.name()), reason }
}

fn serve(
    settings: &EngineSettings,
    commands: &Receiver<Command>,
    events: &Sender<Event>,
    cancel: &Canceller,
) -> Result<(), LlamaError> {
    let log =
        settings.log.as_ref().and_then(|path| OpenOptions::new().create(true).append(true).open(path).ok());
    let backend = Backend::start(log)?;
    let kernel_state = if settings.kernels { switch_kernels_on() } else { KernelState::default() };
    let target = load_model(backend, &settings.model, settings, events, cancel)?;
    if target.is_assistant() || !target.can_generate() {
        let reason = if target.is_assistant() {
            "it is a drafter (MTP assistant), not a model to chat with: give its target, and this file with -d"
        } else {
            "it cannot write text (an encoder or embedding model)"
        };
        return Err(LlamaError::Load { path: settings.model.clone(), reason: reason.to_owned() });
    }
    let draft = load_drafter(backend, settings, &target, events, cancel);
    let draft_model = match &draft {
        Ok(model) => Ok(model.as_ref()),
        Err(reason) => Err(reason.clone()),
    };
    let Machines { mut target_machine, mut drafter, draft_threads, mut reason, memory_bytes } =
        create(settings, &target, draft_model)?;
    if cancel.is_cancelled() {
        return Err(LlamaError::Cancelled(settings.model.clone()));
    }
    if settings.fingerprints {
        target_machine.take_fingerprints();
    }
    let cells = target_machine.context().settings().cells;
    // Compiled when the first chat needs them: raw text does not.
    let mut templates = None;
    let mut session = Session::default();
    let mut speculation = settings.speculation;
    let mut auto = untaught(settings);
    let mut forcing = settings.forced_acceptance.clone().map(Forcing::new);

    let with_drafter = drafter.is_some();
    let _ = events.send(Event::Ready(Ready {
        model: settings.model.clone(),
        model_name: settings.model_name.clone(),
        drafter: match &settings.drafter {
            DrafterPlan::Mtp(path) | DrafterPlan::Model(path) if with_drafter => Some(path.clone()),
            _ => None,
        },
        draft_kind: kind(&settings.drafter, with_drafter),
        pairing: settings.pairing.clone(),
        context_size: cells,
        quantization: settings.quantization.clone(),
        memory_bytes,
        speculation: state(&speculation, reason.as_ref(), with_drafter, &auto),
        notes: notes(settings, &target, &kernel_state),
        kernels: kernel_state,
    }));

    let mut postponed = Vec::new();
    // How fast a prompt was read, at best.
    let mut prompt_speed: Option<f64> = None;
    loop {
        let command = if postponed.is_empty() {
            match commands.recv() {
                Ok(command) => command,
                Err(_) => return Ok(()),
            }
        } else {
            postponed.remove(0)
        };
        let request = match command {
            Command::Shutdown => return Ok(()),
            Command::SetSpeculation(wish) => {
                speculation = wish;
                let now = state(&speculation, reason.as_ref(), drafter.is_some(), &auto);
                let _ = events.send(Event::Speculation(now));
                continue;
            }
            Command::Park(parking) => {
                parked::park(&session, target_machine.context(), &parking, prompt_speed);
                continue;
            }
            Command::Unpark(parking) => {
                parked::unpark(&mut session, target_machine.context(), &parking, prompt_speed);
                continue;
            }
            Command::Experiment(experiment) => {
                cancel.begin();
                if experiment == Experiment::Forget {
                    auto = untaught(settings);
                }
                let prompt = match experiment.prompt() {
                    None => Ok(Vec::new()),
                    Some(prompt) => {
                        prepare(&target, &mut templates, settings, prompt, cells).map(|it| it.tokens)
                    }
                };
                let mut laboratory = Laboratory {
                    target: &mut target_machine,
                    drafter: &mut drafter,
                    draft_threads: &draft_threads,
                    session: &mut session,
                    vocab: target.vocab(),
                    cancel,
                };
                let event = match prompt.and_then(|prompt| laboratory.run(&experiment, &prompt)) {
                    Ok(finding) => Event::Found(finding),
                    Err(error) => {
                        target_machine.context().clear();
                        session = Session::default();
                        Event::Failed(failure(&error, false))
                    }
                };
                let _ = events.send(event);
                continue;
            }
            Command::Generate(request) => request,
        };
        cancel.begin();
        let clock = Clock::start();
        let prompt = prepare(&target, &mut templates, settings, &request.prompt, cells);
        let outcome = prompt.and_then(|prepared| {
            let desk = Desk {
                target: &mut target_machine,
                drafter: &mut drafter,
                session: &mut session,
                backend,
                vocab: target.vocab(),
                speculation: &mut speculation,
                auto: &mut auto,
                forcing: &mut forcing,
                reason: &mut reason,
                commands,
                cancel,
                events,
                postponed: &mut postponed,
            };
            desk.write(&request, &prepared, clock)
        });
        let event = match outcome {
            Ok(reply) => {
                prompt_speed = faster(prompt_speed, &reply);
                Event::Done(reply)
            }
            Err(error) => {
                // Whatever half a reply left in the cache is not trusted.
                target_machine.context().clear();
                session = Session::default();
                Event::Failed(failure(&error, false))
            }
        };
        if events.send(event).is_err() {
            return Ok(());
        }
    }
}

/// Tokens of a prompt by which its speed is judged, at least: fewer are read at the speed of writing.
const JUDGED: u32 = 16;

/// The better of what was known and what this reply's prompt tells.
fn faster(known: Option<f64>, reply: &Reply) -> Option<f64> {
    let seconds = reply.prompt_time.as_secs_f64();
    let now =
        (reply.prompt_decoded >= JUDGED && seconds > 0.0).then(|| f64::from(reply.prompt_decoded) / seconds);
    match (known, now) {
        (Some(known), Some(now)) => Some(known.max(now)),
        (known, now) => known.or(now),
    }
}

/// A policy that knows no more than was measured before this start.
fn untaught(settings: &EngineSettings) -> AutoLength {
    let mut auto = AutoLength::new();
    if let Some(costs) = &settings.costs {
        auto.import_costs(costs);
    }
    auto
}

/// Bytes of prompt that are tokenized at most, for each token the context holds: no vocabulary has longer pieces, so a
/// longer text cannot fit, and tokenizing it would only take time that nobody can cancel.
const BYTES_PER_TOKEN: usize = 256;

/// What a request's prompt became.
pub struct Prepared {
    /// Its tokens.
    pub tokens: Vec<TokenId>,
    /// The rendered chat, where it is one.
    pub rendered: Option<Rendered>,
    /// Tokens before the model's own turn begins, where a way back to it is wanted: what the next turn's prompt will
    /// share with this one, whatever the template does with the reply.
    pub boundary: Option<usize>,
}

fn prepare<'m>(
    model: &'m Model,
    templates: &mut Option<Templates<'m>>,
    settings: &EngineSettings,
    prompt: &Prompt,
    cells: u32,
) -> Result<Prepared, LlamaError> {
    let vocab = model.vocab();
    let tokenize = |text: &str| {
        let limit = BYTES_PER_TOKEN * cells as usize;
        if text.len() > limit {
            return Err(LlamaError::Limit { what: "bytes of the prompt", got: text.len(), limit });
        }
        vocab.tokenize(text, true)
    };
    let prepared = match prompt {
        Prompt::Raw(text) => {
            let tokens = tokenize(text)?;
            let boundary = settings.keeps_ways_back.then(|| tokens.len().saturating_sub(1));
            Prepared { boundary, tokens, rendered: None }
        }
        Prompt::Chat { messages, thinking } => {
            let templates = match templates {
                Some(templates) => templates,
                None => templates.insert(Templates::of(model, settings.template.as_deref())?),
            };
            // A last turn of the model's own is gone on with.
            let (messages, begun) = match messages.split_last() {
                Some((last, before)) if last.role == Role::Model => (before, last.text.as_str()),
                _ => (messages.as_slice(), ""),
            };
            let rendered = templates.render(messages, *thinking)?;
            let prompt = rendered.prompt();
            let tokens = tokenize(&format!("{prompt}{begun}"))?;
            let boundary = if settings.keeps_ways_back {
                let history = prompt.strip_suffix(&rendered.generation_prompt()).unwrap_or(&prompt);
                let before = tokenize(history)?;
                let common = before.iter().zip(&tokens).take_while(|(a, b)| a == b).count();
                Some(common.min(tokens.len().saturating_sub(1)))
            } else {
                None
            };
            Prepared { boundary, tokens, rendered: Some(rendered) }
        }
    };
    // A prompt needs at least one token, and one free cell after it.
    let (got, limit) = (prepared.tokens.len(), cells as usize - 1);
    match got {
        0 => Err(LlamaError::EmptyPrompt),
        _ if got > limit => Err(LlamaError::Limit { what: "tokens of the prompt", got, limit }),
        _ => Ok(prepared),
    }
}

fn notes(settings: &EngineSettings, target: &Model, kernels: &KernelState) -> Vec<String> {
    let has_template = settings.template.is_some() || target.metadata("tokenizer.chat_template").is_some();
    let no_template = "this file has no chat template: a general one is used, which the model may not know";
    let no_template = (!has_template).then(|| no_template.to_owned());
    no_template.into_iter().chain(kernels.reason.clone()).collect()
}

fn kind(plan: &DrafterPlan, works: bool) -> &'static str {
    match plan {
        _ if !works => "none",
        DrafterPlan::None => "none",
        DrafterPlan::Mtp(_) => "mtp",
        DrafterPlan::Model(_) => "model",
        DrafterPlan::Lookup => "lookup",
    }
}

/// How a person reads a failure, with the exit code of its kind (docs/NUMBERS.md).
fn failure(error: &LlamaError, fatal: bool) -> Failure {
    let (code, help) = match error {
        LlamaError::Load { .. } => {
            (3, Some("look at the file with `slipstream inspect FILE`; download it again if it is damaged"))
        }
        LlamaError::Cancelled(_) => (130, None),
        LlamaError::Context { .. } => (4, Some("use a smaller context (-c 4096), or --kv-type q8_0")),
        LlamaError::Full { .. } => (1, Some("start a new chat, or use a larger context (-c)")),
        LlamaError::EmptyPrompt => (2, Some("give a text to continue")),
        LlamaError::Limit { what: "tokens of the prompt" | "bytes of the prompt", .. } => {
            (2, Some("shorten the prompt, or use a larger context (-c)"))
        }
        LlamaError::Template(_) => {
            (3, Some("use --raw to continue the text without the model's chat template"))
        }
        LlamaError::Tokenize { .. } => (2, Some("shorten the prompt")),
        LlamaError::Backend(_)
        | LlamaError::Decode { .. }
        | LlamaError::Limit { .. }
        | LlamaError::Quantize { .. } => (1, None),
    };
    let too_long = match error {
        LlamaError::Limit { what: "tokens of the prompt", got, limit } => {
            Some(TooLong { tokens: *got as u32, limit: *limit as u32 })
        }
        _ => None,
    };
    Failure { message: error.to_string(), help: help.map(str::to_owned), code, fatal, too_long }
}
