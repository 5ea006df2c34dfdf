//! Completion of commands, their words, models and paths: a pure function of what stands before the caret and
//! of a listing of what there is. Where it needs a folder's names, it says so, and is asked again with them.

use crate::tui::app::{Effect, State};
use crate::tui::commands::{COMMANDS, Slash};
use crate::tui::outside::Job;

/// Names offered at most.
const MOST: usize = 200;

/// What there is.
#[derive(Clone, Copy, Debug)]
pub struct Listing<'a> {
    /// The models of this machine, once they were looked for.
    pub models: Option<&'a [String]>,
    /// A folder that was asked for.
    pub folder: Option<&'a Folder>,
}

/// A folder's names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folder {
    /// The folder, as it was asked for: empty for the current one, else with its last slash.
    pub path: String,
    /// The names in it; those of folders end with a slash.
    pub names: Vec<String>,
}

/// One thing that may stand there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// What would be written.
    pub text: String,
    /// What is written behind it, where it is the only one.
    pub end: &'static str,
    /// What it is, for the eye.
    pub note: String,
}

/// What may stand in place of the last words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// Where they begin, in bytes.
    pub from: usize,
    /// What may stand there.
    pub candidates: Vec<Candidate>,
}

/// An answer, or what is needed for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// These may stand there.
    Choices(Completion),
    /// Ask again with this folder's names.
    Needs(String),
    /// Ask again with the models of this machine.
    NeedsModels,
}

/// What completes `before`, the caret's line up to the caret. Commands stand on the `first` line only.
#[must_use]
pub fn complete(before: &str, first: bool, listing: Listing<'_>) -> Answer {
    let choices = |from, candidates| Answer::Choices(Completion { from, candidates });
    if let Some(line) = before.strip_prefix('/').filter(|line| first && !line.starts_with('/')) {
        let Some((name, argument)) = line.split_once(char::is_whitespace) else {
            return choices(1, commands(line));
        };
        let from = before.len() - argument.trim_start().len();
        let argument = argument.trim_start();
        let command = COMMANDS.iter().find(|command| command.name == name.to_lowercase());
        return match command.map_or(Takes::Nothing, takes) {
            Takes::Path => paths(from, argument, listing),
            Takes::Model => match listing.models {
                Some(models) => choices(from, self::models(argument, models)),
                None => Answer::NeedsModels,
            },
            Takes::Words(words) if !argument.contains(char::is_whitespace) => {
                choices(from, begin(argument, words.into_iter(), " "))
            }
            Takes::Words(_) | Takes::Nothing => choices(from, Vec::new()),
        };
    }
    // In a text, what looks like a path is one.
    let from = before
        .rfind(char::is_whitespace)
        .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
    match &before[from..] {
        word if word.contains('/') => paths(from, word, listing),
        _ => choices(from, Vec::new()),
    }
}

/// What a command takes, by the words that its help has for it.
enum Takes {
    Nothing,
    Path,
    Model,
    Words(Vec<&'static str>),
}

fn takes(command: &Slash) -> Takes {
    let words = |c: char| !c.is_alphanumeric() && c != '-' && c != '_';
    let parts: Vec<&str> = command.takes.split(words).filter(|part| !part.is_empty()).collect();
    if parts.iter().any(|part| matches!(*part, "FILE" | "PATTERN" | "FOLDER")) {
        return Takes::Path;
    }
    if parts.contains(&"COMMAND") {
        let listed = COMMANDS.iter().filter(|command| !command.does.is_empty());
        return Takes::Words(listed.map(|command| command.name).collect());
    }
    if parts.contains(&"MODEL") {
        return Takes::Model;
    }
    let fixed = |part: &&str| part.chars().all(|c| c.is_lowercase() || c == '-' || c == '_');
    Takes::Words(parts.into_iter().filter(fixed).collect())
}

fn commands(typed: &str) -> Vec<Candidate> {
    let fitting = COMMANDS.iter().filter(|command| command.name.starts_with(&typed.to_lowercase()));
    // Other names of the same thing only where they are meant.
    let fitting = fitting.filter(|command| !command.does.is_empty() || command.name == typed);
    fitting
        .map(|command| Candidate {
            text: command.name.to_string(),
            end: " ",
            note: match command.takes {
                "" => command.does.to_string(),
                takes => format!("{takes}: {}", command.does),
            },
        })
        .collect()
}

fn begin<'a>(typed: &str, names: impl Iterator<Item = &'a str>, end: &'static str) -> Vec<Candidate> {
    let fitting = names.filter(|name| name.starts_with(typed)).take(MOST);
    fitting.map(|name| Candidate { text: name.to_string(), end, note: String::new() }).collect()
}

/// Models are files in deep folders: any part of their names will do.
fn models(typed: &str, models: &[String]) -> Vec<Candidate> {
    let lower = typed.to_lowercase();
    let fitting = models.iter().filter(|model| {
        let name = model.rsplit('/').next().unwrap_or(model);
        model.starts_with(typed) || name.to_lowercase().contains(&lower)
    });
    fitting.take(MOST).map(|model| Candidate { text: model.clone(), end: "", note: String::new() }).collect()
}

fn paths(from: usize, typed: &str, listing: Listing<'_>) -> Answer {
    let (path, start) = typed.rfind('/').map_or(("", typed), |slash| typed.split_at(slash + 1));
    let Some(folder) = listing.folder.filter(|folder| folder.path == path) else {
        return Answer::Needs(path.to_string());
    };
    let fitting = folder.names.iter().filter(|name| {
        // What is hidden is offered to those who ask for it.
        name.starts_with(start) && (start.starts_with('.') || !name.starts_with('.'))
    });
    let candidates = fitting
        .take(MOST)
        .map(|name| Candidate { text: format!("{path}{name}"), end: "", note: String::new() })
        .collect();
    Answer::Choices(Completion { from, candidates })
}

/// Tab: completes what is before the caret; `folder` is one that was asked for.
pub fn tab(state: &mut State, folder: Option<&Folder>) -> Vec<Effect> {
    let (before, first) = state.composer.before_caret();
    let models = state.composer.models.as_deref();
    match complete(&before, first, Listing { models, folder }) {
        Answer::Choices(completion) => {
            if !state.composer.complete(completion) && !before.is_empty() {
                state.notify("nothing to complete here");
            }
            Vec::new()
        }
        // With a folder at hand it was another text that asked for it.
        Answer::Needs(_) if folder.is_some() => Vec::new(),
        Answer::Needs(path) => vec![Effect::Outside(Job::List(path))],
        Answer::NeedsModels => {
            state.notify("looking for models");
            state.composer.awaits_models = Some(before);
            vec![Effect::FindPairs]
        }
    }
}

/// The models of this machine are known: what waited for them is completed, unless something else was typed since.
pub fn models_came(state: &mut State) -> Vec<Effect> {
    let found = state.pairs.found.iter().flatten().map(|pair| pair.wanted.model.clone());
    let mut models: Vec<String> = found.collect();
    models.dedup();
    state.composer.models = Some(models);
    match state.composer.awaits_models.take() {
        Some(text) if text == state.composer.before_caret().0 => {
            state.notice = None;
            tab(state, None)
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(path: &str, names: &[&str]) -> Folder {
        Folder { path: path.into(), names: names.iter().map(|name| (*name).to_string()).collect() }
    }

    fn texts(answer: Answer) -> Vec<String> {
        match answer {
            Answer::Choices(completion) => completion.candidates.into_iter().map(|c| c.text).collect(),
            other => panic!("{other:?}"),
        }
    }

    const NOTHING: Listing<'static> = Listing { models: None, folder: None };

    #[test]
    fn commands_and_their_words() {
        assert_eq!(texts(complete("/dr", true, NOTHING)), ["draft"]);
        assert!(texts(complete("/", true, NOTHING)).len() > 10);
        assert_eq!(texts(complete("/exi", true, NOTHING)), ["exit"]);
        assert!(texts(complete("/by", true, NOTHING)).is_empty(), "/bye is another name of /exit");
        assert_eq!(texts(complete("/think o", true, NOTHING)), ["on", "off"]);
        assert!(texts(complete("/think on o", true, NOTHING)).is_empty());
        assert_eq!(texts(complete("/help thi", true, NOTHING)), ["think"]);
        assert!(texts(complete("/nosuch a", true, NOTHING)).is_empty());
    }

    #[test]
    fn models_are_found_by_any_part_of_their_name() {
        assert_eq!(complete("/model ge", true, NOTHING), Answer::NeedsModels);
        let models =
            ["/m/gemma-4-26B-Q4_0.gguf".to_string(), "/gem/other-Q4_0.gguf".to_string(), "pocket".into()];
        let listing = Listing { models: Some(&models), ..NOTHING };
        assert_eq!(texts(complete("/model gemma-4-26b", true, listing)), ["/m/gemma-4-26B-Q4_0.gguf"]);
        assert_eq!(texts(complete("/model /gem", true, listing)), ["/gem/other-Q4_0.gguf"]);
        assert_eq!(texts(complete("/model pock", true, listing)), ["pocket"]);
        assert_eq!(texts(complete("/model q4_0", true, listing)).len(), 2);
    }

    #[test]
    fn paths_ask_for_their_folder_first() {
        assert_eq!(complete("/read src/ma", true, NOTHING), Answer::Needs("src/".into()));
        let src = folder("src/", &["main.rs", "main/", "lib.rs", ".hidden"]);
        let listing = Listing { folder: Some(&src), ..NOTHING };
        assert_eq!(texts(complete("/read src/ma", true, listing)), ["src/main.rs", "src/main/"]);
        assert_eq!(texts(complete("/read src/", true, listing)).len(), 3);
        assert_eq!(texts(complete("/read src/.", true, listing)), ["src/.hidden"]);
        let here = folder("", &["a file.txt"]);
        let listing = Listing { folder: Some(&here), ..NOTHING };
        assert_eq!(texts(complete("/read a f", true, listing)), ["a file.txt"]);
        let Answer::Choices(completion) =
            complete("see src/l", false, Listing { folder: Some(&src), ..NOTHING })
        else {
            panic!("needs")
        };
        assert_eq!((completion.from, completion.candidates[0].text.as_str()), (4, "src/lib.rs"));
        assert!(texts(complete("no path", false, NOTHING)).is_empty());
    }
}
