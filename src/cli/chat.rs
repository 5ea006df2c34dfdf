//! `slipstream chat`: the terminal UI over an engine.

use std::io::{self, IsTerminal as _};
use std::sync::Arc;

use super::args::ChatArgs;
use super::machine::{Machine, data_folder};
use super::settings::{check_log, resolve};
use super::{last, printer};
use crate::engine::Engine;
use crate::error::{Kind, Problem};
use crate::tui;

/// Runs the command.
///
/// # Errors
/// Whatever keeps the chat from opening, or ends it.
pub fn run(args: &ChatArgs, machine: &Machine) -> Result<u8, Problem> {
    if !(io::stdin().is_terminal() && printer::stdout_is_terminal()) {
        return Err(Problem::new(
            Kind::Usage,
            "the chat needs a terminal on standard input and output",
            "use `slipstream run -p TEXT` in scripts and pipes",
        ));
    }
    let mut settings = resolve(args.positional.as_deref(), &args.shared, machine)?;
    settings.engine.keeps_ways_back = true;
    let reply = &args.shared.reply;
    let start = tui::Start {
        title: settings.engine.model_name.clone(),
        sampling: settings.sampling.clone(),
        speculation: settings.engine.speculation,
        n_max: settings.n_max,
        system: reply.system.clone(),
        thinking: reply.think,
        max_tokens: reply.max_tokens,
        stop: reply.stop.clone(),
        ignore_end_of_turn: reply.ignore_eos,
    };
    let files = tui::Files { inputs: data_folder().map(|folder| folder.join("inputs")) };
    let remembered_as = settings.remembered_as.clone();
    if let Some(log) = &settings.engine.log {
        check_log(log)?;
    }
    let mut engine = Engine::start(settings.engine);
    let Some(events) = engine.take_events() else {
        return Err(Problem::new(Kind::Fault, "the engine could not be started", ""));
    };
    let canceller = engine.canceller();
    let cancel: Arc<dyn Fn() + Send + Sync> = Arc::new(move || canceller.cancel());
    let outcome = tui::run(&engine.commands(), &events, &cancel, start, files);
    drop(engine);
    let exit = outcome.map_err(problem)?;
    last::write(&remembered_as);
    Ok(exit.code())
}

fn problem(error: tui::TuiError) -> Problem {
    match error {
        tui::TuiError::Engine(failure) => failure.into(),
        other => Problem::new(Kind::Fault, other.to_string(), ""),
    }
}
