//! The worker thread's stack frame is the ownership diagram: backend, models, contexts, in this order; they
//! are dropped in reverse.

use std::fs::OpenOptions;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};

use super::loading::{Machines, create, load_drafter, load_model};
use super::reply::{Desk, state};
use super::session::Session;
use super::{DrafterPlan, EngineSettings};
use crate::event::{Command, Event, Failure, Ready};
use crate::llama::{Backend, LlamaError, Model, Rendered, Templates};
use crate::request::{Prompt, Request};
use crate::spec::AutoLength;
use crate::token::TokenId;

/// Runs the engine until it is told to end, or cannot go on.
pub fn run(
    settings: &EngineSettings,
    commands: &Receiver<Command>,
    events: &Sender<Event>,
    cancel: &AtomicBool,
) {
    if let Err(error) = serve(settings, commands, events, cancel) {
        let _ = events.send(Event::Failed(failure(&error, true)));
    }
}

fn serve(
    settings: &EngineSettings,
    commands: &Receiver<Command>,
    events: &Sender<Event>,
    cancel: &AtomicBool,
) -> Result<(), LlamaError> {
    let log =
        settings.log.as_ref().and_then(|path| OpenOptions::new().create(true).append(true).open(path).ok());
    let backend = Backend::start(log)?;
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
    let Machines { mut target_machine, mut drafter, mut reason, memory_bytes } =
        create(settings, &target, draft_model)?;
    let templates = Templates::of(&target, settings.template.as_deref());
    let mut session = Session::default();
    let mut speculation = settings.speculation;
    let mut auto = AutoLength::new();

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
        context_size: target_machine.context().settings().cells,
        quantization: settings.quantization.clone(),
        memory_bytes,
        speculation: state(&speculation, reason.as_ref(), with_drafter, &auto),
    }));

    let mut postponed = Vec::new();
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
            Command::Generate(request) => request,
        };
        // A cancel that came after the last reply's end is stale.
        cancel.store(false, Ordering::Relaxed);
        let prompt = prepare(&target, &templates, &request);
        let cells = target_machine.context().settings().cells;
        let outcome = prompt.and_then(|(prompt, rendered)| {
            check_prompt(&prompt, cells)?;
            let desk = Desk {
                target: &mut target_machine,
                drafter: &mut drafter,
                session: &mut session,
                vocab: target.vocab(),
                speculation: &mut speculation,
                auto: &mut auto,
                reason: &mut reason,
                commands,
                cancel,
                events,
                keeps_ways_back: settings.keeps_ways_back,
                postponed: &mut postponed,
            };
            desk.write(&request, &prompt, rendered.as_ref())
        });
        let event = match outcome {
            Ok(reply) => Event::Done(reply),
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

/// The tokens of a request's prompt, and the rendered chat where it is one.
fn prepare(
    model: &Model,
    templates: &Result<Templates<'_>, LlamaError>,
    request: &Request,
) -> Result<(Vec<TokenId>, Option<Rendered>), LlamaError> {
    match &request.prompt {
        Prompt::Raw(text) => Ok((model.vocab().tokenize(text, true)?, None)),
        Prompt::Chat { messages, thinking } => {
            let templates = templates.as_ref().map_err(|error| match error {
                LlamaError::Template(reason) => LlamaError::Template(reason.clone()),
                other => LlamaError::Template(other.to_string()),
            })?;
            let rendered = templates.render(messages, *thinking)?;
            let tokens = model.vocab().tokenize(&rendered.prompt(), true)?;
            Ok((tokens, Some(rendered)))
        }
    }
}

/// A prompt needs at least one token, and one free cell after it.
fn check_prompt(prompt: &[TokenId], cells: u32) -> Result<(), LlamaError> {
    let limit = cells as usize - 1;
    if prompt.is_empty() {
        return Err(LlamaError::Template("the prompt is empty".to_owned()));
    }
    if prompt.len() > limit {
        return Err(LlamaError::Limit { what: "tokens of the prompt", got: prompt.len(), limit });
    }
    Ok(())
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

/// How a person reads a failure, with the exit code of its kind (CLI.md).
fn failure(error: &LlamaError, fatal: bool) -> Failure {
    let (code, help) = match error {
        LlamaError::Load { .. } => {
            (3, Some("look at the file with `slipstream inspect FILE`; download it again if it is damaged"))
        }
        LlamaError::Cancelled(_) => (130, None),
        LlamaError::Context { .. } => (4, Some("use a smaller context (-c 4096), or --kv-type q8_0")),
        LlamaError::Full { .. } => (1, Some("start a new chat, or use a larger context (-c)")),
        LlamaError::Limit { what: "tokens of the prompt", .. } => {
            (2, Some("shorten the prompt, or use a larger context (-c)"))
        }
        LlamaError::Template(_) => {
            (3, Some("use --raw to continue the text without the model's chat template"))
        }
        LlamaError::Tokenize { .. } => (2, Some("shorten the prompt")),
        LlamaError::Backend(_) | LlamaError::Decode { .. } | LlamaError::Limit { .. } => (1, None),
    };
    Failure { message: error.to_string(), help: help.map(str::to_owned), code, fatal }
}
