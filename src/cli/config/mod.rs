//! The config file, and `slipstream config`.
//!
//! A value in the file becomes the default of its option before the command line is parsed. So clap decides what wins
//! (flag, then environment, then file), and checks the file's values as it checks typed ones.

mod file;
mod origin;
mod show;

use clap::{Args as _, Command, CommandFactory as _, FromArgMatches as _};

use super::args::{Cli, ConfigCommand, OutputArgs, Shared};
use super::machine::Machine;
use crate::error::{Kind, Problem};
pub use file::ConfigFile;
pub use origin::{Origin, Origins};

/// What was typed, completed by the environment and the config file.
pub struct Typed {
    /// The command and its options.
    pub cli: Cli,
    /// What is wrong with the config file, where the command would use it; its values are left out then.
    pub problem: Option<Problem>,
}

/// Parses the command line. The file is read only by commands that it can change: `--help`, `completions` or
/// `config path` work whatever it says.
///
/// # Errors
/// clap's, among them the wish for help.
pub fn parse() -> Result<Typed, clap::Error> {
    let matches = Cli::command().try_get_matches()?;
    let mut cli = Cli::from_arg_matches(&matches)?;
    if cli.shared_mut().is_none() {
        return Ok(Typed { cli, problem: None });
    }
    let (file, problem) = match ConfigFile::load() {
        Ok(file) => (file, None),
        Err(problem) => (ConfigFile::default(), Some(problem)),
    };
    let matches =
        if file.is_empty() { matches } else { with_defaults(Cli::command(), &file).try_get_matches()? };
    let mut cli = Cli::from_arg_matches(&matches)?;
    if let Some(shared) = cli.shared_mut() {
        shared.origins = Origins::of(&matches, &file);
    }
    Ok(Typed { cli, problem })
}

/// The command and everything below it, with the file's values in place of the options' own defaults.
fn with_defaults(command: Command, file: &ConfigFile) -> Command {
    command
        .mut_args(|option| match option.get_long().and_then(|name| file.values(name)) {
            Some(values) => {
                let values = values.to_owned();
                option.default_values(values)
            }
            None => option,
        })
        .mut_subcommands(|below| with_defaults(below, file))
}

/// The options that the file may set, as a command.
fn options() -> Command {
    Shared::augment_args(Command::new("config"))
}

/// Runs `slipstream config`; `problem` is what is wrong with the file.
///
/// # Errors
/// Where a setting cannot be resolved, or the output cannot be written.
pub fn run(what: &ConfigCommand, problem: Option<&Problem>, machine: &Machine) -> Result<u8, Problem> {
    match what {
        ConfigCommand::Path(output) => print_path(output),
        ConfigCommand::Show(show) => show::run(show, problem, machine),
    }
}

fn print_path(output: &OutputArgs) -> Result<u8, Problem> {
    let Some(path) = file::path() else {
        return Err(Problem::new(
            Kind::Fault,
            "there is no home folder that a config file could lie in",
            "name a file with SLIPSTREAM_CONFIG",
        ));
    };
    if output.json {
        let object = serde_json::json!({ "path": path, "exists": path.exists() });
        return super::print(&format!("{object}\n"));
    }
    super::print(&format!("{}\n", super::printer::tame(&path.to_string_lossy())))
}
