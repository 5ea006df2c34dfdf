//! The command line: what was typed becomes settings (`settings.rs`), a command does its work, a problem becomes
//! words and an exit code. One command, one file.

pub mod args;
mod bench;
mod chat;
mod config;
mod conversation;
mod doctor;
mod exact;
mod host;
pub mod inspect;
mod interrupt;
mod kinds;
mod last;
mod licenses;
mod list;
pub mod machine;
mod pairs;
mod pocket;
mod preferences;
mod printer;
mod quantize;
mod report;
mod run;
mod sessions;
mod settings;
mod tune;
mod tuned;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use clap::CommandFactory as _;

use crate::error::{Kind, Problem};
use args::{ChatArgs, Cli, Command, ConfigCommand};
use machine::Machine;

/// Runs the program; `started` is when the process began. Returns the exit code.
#[must_use]
pub fn main(started: Instant) -> u8 {
    let config::Typed { cli, problem } = match config::parse() {
        Ok(typed) => typed,
        Err(error) => return usage(&error),
    };
    let as_json = match &cli.command {
        Some(Command::Run(run)) => run.json || run.jsonl,
        Some(Command::Bench(bench)) => bench.json,
        Some(Command::Tune(tune)) => tune.json,
        Some(Command::Quantize(quantize)) => quantize.json,
        Some(Command::Inspect(inspect)) => inspect.json,
        Some(Command::List(output) | Command::Doctor(output)) => output.json,
        Some(Command::Sessions { what }) => what.json(),
        Some(Command::Config { what: ConfigCommand::Path(output) }) => output.json,
        Some(Command::Config { what: ConfigCommand::Show(show) }) => show.json,
        _ => false,
    };
    LAST_WORDS_AS_JSON.store(as_json, Ordering::Relaxed);
    if let Some(problem) = &problem
        && !matches!(cli.command, Some(Command::Config { .. }))
    {
        printer::problem(problem, as_json);
        return problem.code;
    }
    crate::llama::set_last_words(last_words);
    let machine = Machine::look();
    let outcome = match cli.command {
        None => chat::run(&ChatArgs { positional: None, face: cli.face, shared: cli.chat }, &machine),
        Some(Command::Chat(chat)) => chat::run(&chat, &machine),
        Some(Command::Run(run)) => run::run(&run, &machine, started),
        Some(Command::Bench(bench)) if bench.exact => exact::run(&bench, &machine),
        Some(Command::Bench(bench)) => bench::run(&bench, &machine),
        Some(Command::Tune(tune)) => tune::run(&tune, &machine),
        Some(Command::Quantize(quantize)) => quantize::run(&quantize, &machine),
        Some(Command::Inspect(inspect)) => inspect::run(&inspect),
        Some(Command::List(output)) => list::run(&output, &machine),
        Some(Command::Sessions { what }) => sessions::run(&what),
        Some(Command::Doctor(output)) => doctor::run(&output, &machine),
        Some(Command::Config { what }) => config::run(&what, problem.as_ref(), &machine),
        Some(Command::Completions { shell }) => completions(shell),
        Some(Command::Man) => manual(),
        Some(Command::Licenses) => licenses::run(),
    };
    match outcome {
        Ok(code) => code,
        Err(problem) => {
            printer::problem(&problem, as_json);
            problem.code
        }
    }
}

/// Whether a problem is told as an object.
static LAST_WORDS_AS_JSON: AtomicBool = AtomicBool::new(false);

/// llama.cpp has found something impossible and would abort: the terminal is put back, the problem told, and the
/// process ends here, without running the destructors of code whose state nobody knows.
fn last_words(message: &str) -> ! {
    crate::tui::terminal::restore();
    printer::release();
    let problem = Problem::new(
        Kind::File,
        format!("llama.cpp gave up: {}", printer::tame(message.lines().next().unwrap_or_default())),
        "the model file is damaged, or its values contradict each other: look at it with `slipstream inspect`, and \
         fetch it again",
    );
    printer::problem(&problem, LAST_WORDS_AS_JSON.load(Ordering::Relaxed));
    end_now(problem.code)
}

/// Ends the process at once. Destructors of C++ statics must not run while its threads still compute.
fn end_now(code: u8) -> ! {
    #[cfg(unix)]
    signal_hook::low_level::exit(i32::from(code));
    #[cfg(not(unix))]
    std::process::exit(i32::from(code))
}

/// clap's own messages; with `--json` among the arguments, an object as for any other problem.
fn usage(error: &clap::Error) -> u8 {
    if !error.use_stderr() {
        // `--help` and `--version`.
        return match error.print() {
            Ok(()) => 0,
            // `--help | head`: the reader has seen enough.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => 0,
            Err(_) => Kind::Fault.code(),
        };
    }
    if std::env::args_os().any(|argument| argument == "--json" || argument == "--jsonl") {
        let text = error.render().to_string();
        // What is missing stands below the first line.
        let lines = text.lines().map(str::trim).take_while(|line| !line.is_empty());
        let message = lines.collect::<Vec<_>>().join(" ");
        let message = message.trim_start_matches("error: ");
        printer::problem(&Problem::new(Kind::Usage, message, "see `slipstream --help`"), true);
    } else {
        let _ = error.print();
        if let Some(variable) = variable_behind(error) {
            printer::note(&format!("note: the value comes from the environment: {variable}"));
        }
    }
    Kind::Usage.code()
}

/// The variable that gave an option a value it cannot have, where it was one and not the command line.
fn variable_behind(error: &clap::Error) -> Option<String> {
    use clap::error::{ContextKind, ContextValue};
    let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) else { return None };
    let Some(ContextValue::String(value)) = error.get(ContextKind::InvalidValue) else { return None };
    let name = option.split_whitespace().find_map(|word| word.strip_prefix("--"))?;
    let typed = format!("--{name}");
    if std::env::args().any(|argument| argument.split('=').next() == Some(&typed)) {
        return None;
    }
    let variable = format!("SLIPSTREAM_{}", name.replace('-', "_").to_uppercase());
    (std::env::var(&variable).as_ref() == Ok(value)).then_some(variable)
}

fn completions(shell: clap_complete::Shell) -> Result<u8, Problem> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "slipstream", &mut script);
    print(&String::from_utf8_lossy(&script))
}

fn manual() -> Result<u8, Problem> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page).map_err(|error| output_problem(&error))?;
    print(&String::from_utf8_lossy(&page))
}

/// Prints a command's whole result. A reader that has seen enough is no problem.
fn print(text: &str) -> Result<u8, Problem> {
    match printer::out(text) {
        Ok(()) => Ok(0),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(0),
        Err(error) => Err(output_problem(&error)),
    }
}

fn output_problem(error: &std::io::Error) -> Problem {
    let kind = if error.kind() == std::io::ErrorKind::StorageFull { Kind::Space } else { Kind::Fault };
    Problem::new(kind, format!("writing to standard output failed: {error}"), "")
}
