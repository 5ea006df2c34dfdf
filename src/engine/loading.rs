//! From files to machines: the drafter is optional, and whatever is wrong with it leaves plain decoding.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;
use std::sync::mpsc::Sender;

use super::adapter::{HiddenRow, ModelDrafter, MtpDrafter, TargetMachine};
use super::cancel::Canceller;
use super::laboratory::DraftThreads;
use super::reply::LONGEST_DRAFT;
use super::{DrafterPlan, EngineSettings};
use crate::event::Event;
use crate::llama::{
    Backend, Context, ContextSettings, DraftContext, LlamaError, MemoryUse, Model, ModelSettings,
};
use crate::spec::{Drafter, Lookup};

/// The machines of a pair, with the bytes they hold.
pub struct Machines<'m> {
    /// The target.
    pub target_machine: TargetMachine<'m>,
    /// The drafter, where there is one that works.
    pub drafter: Option<Box<dyn Drafter + 'm>>,
    /// Threads of its steps.
    pub draft_threads: DraftThreads,
    /// Why there is none.
    pub reason: Option<String>,
    /// Weights, caches and scratch buffers of both.
    pub memory_bytes: u64,
}

/// How a file is loaded.
pub fn model_settings(settings: &EngineSettings) -> ModelSettings {
    ModelSettings { gpu_layers: settings.gpu_layers, mmap: settings.mmap, ..ModelSettings::default() }
}

/// Loads one file, telling how far it is.
pub fn load_model(
    backend: &'static Backend,
    path: &Path,
    settings: &EngineSettings,
    events: &Sender<Event>,
    cancel: &Canceller,
) -> Result<Model, LlamaError> {
    let mut told = -1.0_f32;
    Model::load(backend, path, &model_settings(settings), &mut |fraction| {
        // A hundred events a file are enough for any bar.
        if fraction - told >= 0.01 {
            told = fraction;
            let _ = events.send(Event::Loading { what: path.to_owned(), fraction });
        }
        !cancel.is_cancelled()
    })
}

/// Loads the drafter's file, where it has one. A failure is a reason, not an error.
pub fn load_drafter(
    backend: &'static Backend,
    settings: &EngineSettings,
    target: &Model,
    events: &Sender<Event>,
    cancel: &Canceller,
) -> Result<Option<Model>, String> {
    let (path, mtp) = match &settings.drafter {
        DrafterPlan::None | DrafterPlan::Lookup => return Ok(None),
        DrafterPlan::Mtp(path) => (path, true),
        DrafterPlan::Model(path) => (path, false),
    };
    let model = load_model(backend, path, settings, events, cancel).map_err(|error| error.to_string())?;
    if model.is_assistant() != mtp {
        let kind =
            if mtp { "is no MTP assistant" } else { "is an MTP assistant, not an ordinary draft model" };
        return Err(format!("{} {kind}", path.display()));
    }
    let (target_size, drafter_size) = (target.vocab().size(), model.vocab().size());
    if target_size != drafter_size {
        return Err(format!(
            "the drafter's vocabulary has {drafter_size} tokens, the target's {target_size}"
        ));
    }
    Ok(Some(model))
}

/// Creates the contexts: the target's first, then the drafter's, before anything is in the cache.
///
/// # Errors
/// Where the target's context cannot be created.
pub fn create<'m>(
    settings: &EngineSettings,
    target: &'m Model,
    draft: Result<Option<&'m Model>, String>,
) -> Result<Machines<'m>, LlamaError> {
    let context_settings = ContextSettings {
        cells: settings.context,
        micro_batch: settings.micro_batch,
        // Without a drafter no batch asks for more than one row.
        max_outputs: if settings.drafter == DrafterPlan::None { 1 } else { LONGEST_DRAFT as u32 + 1 },
        threads: settings.threads,
        threads_batch: settings.threads_batch,
        kv_type: settings.kv_type,
    };
    let mut context = Context::new(target, &context_settings)?;
    let mut drafter = None;
    let mut hidden = None;
    let draft_threads: DraftThreads = Rc::new(Cell::new(settings.threads_draft));
    let mut drafter_bytes = 0;
    let mut reason = None;
    match draft {
        Err(why) => reason = Some(why),
        Ok(None) if settings.drafter == DrafterPlan::Lookup => {
            drafter = Some(Box::new(Lookup::new()) as Box<dyn Drafter + 'm>);
        }
        Ok(None) => reason = Some(settings.pairing.clone()),
        Ok(Some(model)) => match create_drafter(&draft_threads, &mut context, model) {
            Ok(made) => (drafter, hidden, drafter_bytes) = (Some(made.drafter), made.hidden, made.bytes),
            Err(error) => reason = Some(error.to_string()),
        },
    }
    let memory_bytes = target.tensor_bytes() + total(context.memory_use()) + drafter_bytes;
    let target_machine = TargetMachine::new(context, hidden);
    Ok(Machines { target_machine, drafter, draft_threads, reason, memory_bytes })
}

/// A drafter and what it shares with the target.
struct Made<'m> {
    drafter: Box<dyn Drafter + 'm>,
    hidden: Option<HiddenRow>,
    bytes: u64,
}

fn create_drafter<'m>(
    threads: &DraftThreads,
    target: &mut Context<'m>,
    model: &'m Model,
) -> Result<Made<'m>, LlamaError> {
    if model.is_assistant() {
        let context = DraftContext::beside(target, model, threads.get())?;
        let bytes = model.tensor_bytes() + total(context.memory_use());
        let hidden: HiddenRow = Rc::new(RefCell::new(Vec::new()));
        let drafter = Box::new(MtpDrafter::new(context, Rc::clone(&hidden), Rc::clone(threads)));
        return Ok(Made { drafter, hidden: Some(hidden), bytes });
    }
    let draft_settings =
        ContextSettings { max_outputs: 1, threads: threads.get(), ..target.settings().clone() };
    let context = Context::new(model, &draft_settings)?;
    let bytes = model.tensor_bytes() + total(context.memory_use());
    Ok(Made { drafter: Box::new(ModelDrafter::new(context, Rc::clone(threads))), hidden: None, bytes })
}

fn total(memory: MemoryUse) -> u64 {
    memory.cache_bytes + memory.compute_bytes
}
