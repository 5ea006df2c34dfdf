//! `slipstream chat`: the terminal UI over an engine.

use std::io::{self, IsTerminal as _};
use std::path::Path;

use super::args::ChatArgs;
use super::host::ChatHost;
use super::machine::{Machine, data_folder, fresh_seed};
use super::settings::{resolve, speculation};
use super::{last, preferences, printer};
use crate::error::{Kind, Problem};
use crate::request::SamplingSettings;
use crate::tui;
use crate::tui::host::Wanted;

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
    let reply = &args.shared.reply;
    let choose = nothing_to_open(args);
    let seed = args.shared.sampling.seed.unwrap_or_else(fresh_seed);
    let mut start = tui::Start {
        title: String::new(),
        opened: None,
        choose,
        inline: args.face.inline,
        mouse: args.face.mouse,
        preferences: preferences::load(),
        sampling: SamplingSettings { seed, ..SamplingSettings::default() },
        own_sampling: SamplingSettings::default(),
        speculation: speculation(&args.shared.draft)?,
        n_max: args.shared.draft.n_max,
        system: reply.system.clone(),
        thinking: reply.think,
        max_tokens: reply.max_tokens,
        stop: reply.stop.clone(),
        ignore_end_of_turn: reply.ignore_eos,
        log: args.shared.model.log.clone(),
    };
    let files = tui::Files { inputs: data_folder().map(|folder| folder.join("inputs")) };
    let mut host = ChatHost::new(&args.shared, machine);
    if !choose {
        let settings = resolve(args.positional.as_deref(), &args.shared, machine)?;
        start.title.clone_from(&settings.engine.model_name);
        start.sampling.clone_from(&settings.sampling);
        start.own_sampling.clone_from(&settings.sampling);
        let wanted = Wanted {
            model: settings.remembered_as.to_string_lossy().into_owned(),
            drafter: Some(args.shared.model.drafter.clone()),
        };
        host.start(settings, wanted)?;
    }
    printer::hold();
    let outcome = tui::run(&mut host, start, files);
    printer::release();
    let open = host.close();
    let exit = outcome.map_err(problem)?;
    if let Some(open) = open {
        last::write(&open);
    }
    Ok(exit.code())
}

/// Whether no model is named anywhere, and none was used before: then one is chosen on the start screen.
fn nothing_to_open(args: &ChatArgs) -> bool {
    let named =
        args.positional.is_some() || args.shared.model.model.as_deref().is_some_and(|name| !name.is_empty());
    !named && last::read().is_none_or(|name| name != last::POCKET && !Path::new(&name).is_file())
}

fn problem(error: tui::TuiError) -> Problem {
    match error {
        tui::TuiError::Engine(failure) => failure.into(),
        other => Problem::new(Kind::Fault, other.to_string(), ""),
    }
}
