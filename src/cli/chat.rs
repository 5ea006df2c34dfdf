//! `slipstream chat`: the terminal UI over an engine.

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use super::args::ChatArgs;
use super::host::ChatHost;
use super::machine::{Machine, data_folder, fresh_seed};
use super::settings::{resolve, speculation};
use super::{last, preferences, printer};
use crate::error::{Kind, Problem};
use crate::request::SamplingSettings;
use crate::sessions::SessionInfo;
use crate::tui;
use crate::tui::host::Wanted;

/// How long the terminal may take for it.
const LAST_WORD: Duration = Duration::from_millis(500);

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
    let (mut host, resumed) = ChatHost::new(&args.shared, machine, args.face.wanted_session())?;
    let its_model = resumed.as_ref().and_then(model_of).filter(|_| !names_model(args));
    let choose = its_model.is_none() && nothing_to_open(args);
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
    if !choose {
        let model = its_model.as_deref().or(args.positional.as_deref());
        let settings = resolve(model, &args.shared, machine)?;
        start.title.clone_from(&settings.engine.model_name);
        start.sampling.clone_from(&settings.sampling);
        start.own_sampling.clone_from(&settings.sampling);
        let wanted = Wanted {
            model: anywhere(&settings.remembered_as),
            drafter: Some(args.shared.model.drafter.clone()),
        };
        host.start(settings, wanted)?;
    }
    printer::hold();
    let outcome = tui::run(&mut host, start, files);
    printer::release();
    let closed = host.close();
    if let Some(error) = &closed.unwritten {
        printer::note(&format!("not saved to the end: {error}; {}", error.help()));
    }
    if let Some(session) = closed.session {
        last_word(format!("to go on: slipstream chat --session {session}"));
    }
    let exit = outcome.map_err(problem)?;
    if let Some(loaded) = closed.loaded {
        last::write(&loaded);
    }
    Ok(exit.code())
}

/// Said on leaving. A terminal that nobody reads is not waited for.
fn last_word(text: String) {
    let (said, hears) = channel();
    let _ = thread::Builder::new().name("last word".to_owned()).spawn(move || {
        printer::note(&text);
        let _ = said.send(());
    });
    let _ = hears.recv_timeout(LAST_WORD);
}

/// Whether no model is named anywhere, and none was used before: then one is chosen on the start screen.
fn nothing_to_open(args: &ChatArgs) -> bool {
    !names_model(args) && last::read().is_none_or(|name| name != last::POCKET && !Path::new(&name).is_file())
}

fn names_model(args: &ChatArgs) -> bool {
    args.positional.is_some() || args.shared.model.model.as_deref().is_some_and(|name| !name.is_empty())
}

/// The name of a model, wherever the program is started.
fn anywhere(model: &Path) -> String {
    let absolute = std::path::absolute(model).ok().filter(|_| model != Path::new(last::POCKET));
    absolute.as_deref().unwrap_or(model).to_string_lossy().into_owned()
}

/// The model that a session was written with, where it can be opened.
fn model_of(session: &SessionInfo) -> Option<String> {
    let model = &session.settings.model.as_ref()?.path;
    (model == last::POCKET || Path::new(model).is_file()).then(|| model.clone())
}

fn problem(error: tui::TuiError) -> Problem {
    match error {
        tui::TuiError::Engine(failure) => failure.into(),
        other => Problem::new(Kind::Fault, other.to_string(), ""),
    }
}
