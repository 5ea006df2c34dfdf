//! The slash commands of sessions.

use std::path::Path;

use super::{Wish, ask, list, show, versions, wish};
use crate::sessions::{Format, Question, SessionId};
use crate::tui::app::State;
use crate::tui::commands::Outcome;
use crate::tui::text::one_line;

/// Letters of a file's name that a title gives at most.
const LONGEST_NAME: usize = 60;

fn idle(state: &State) -> Result<(), String> {
    if state.running.is_some() { Err(versions::BUSY.to_owned()) } else { Ok(()) }
}

/// The open session, once something was said in it.
fn open(state: &State) -> Result<SessionId, String> {
    state.sessions.chat.id.ok_or_else(|| "nothing was said here yet".to_owned())
}

/// `/sessions`, `/search`.
pub(in crate::tui) fn sessions(state: &mut State, text: &str) -> Outcome {
    Ok(list::open_screen(state, text))
}

/// `/new`.
pub(in crate::tui) fn new(state: &mut State, _: &str) -> Outcome {
    idle(state)?;
    let effects = show::leave(state);
    state.overlay = crate::tui::app::Overlay::None;
    state.note("a new conversation");
    Ok(effects)
}

/// `/resume`: the session used last, or the one of that name.
pub(in crate::tui) fn resume(state: &mut State, name: &str) -> Outcome {
    idle(state)?;
    if name.is_empty() {
        return Ok(list::open_screen(state, ""));
    }
    let infos = state.sessions.list.infos().unwrap_or_default();
    let named = infos.iter().find(|info| info.id.to_string() == name.to_lowercase());
    match named {
        Some(info) => Ok(vec![ask(Question::Open(info.id))]),
        None => Ok(list::open_screen(state, name)),
    }
}

/// `/rename`.
pub(in crate::tui) fn rename(state: &mut State, title: &str) -> Outcome {
    let session = open(state)?;
    let effects = list::rename(state, session, &one_line(title));
    if title.is_empty() {
        state.notify("the title is that of its first words again");
    } else {
        state.notify("renamed");
    }
    Ok(effects)
}

/// `/delete`.
pub(in crate::tui) fn delete(state: &mut State, _: &str) -> Outcome {
    idle(state)?;
    let session = open(state)?;
    let title = state.sessions.chat.title.clone();
    list::delete(state, session, &title)
}

/// `/restore`.
pub(in crate::tui) fn restore(state: &mut State, _: &str) -> Outcome {
    idle(state)?;
    versions::bring_back(state)
}

/// `/export [md|json] [FILE]`, `/save FILE`.
pub(in crate::tui) fn export(state: &mut State, argument: &str) -> Outcome {
    let session = open(state)?;
    let (word, rest) = argument.split_once(char::is_whitespace).unwrap_or((argument, ""));
    let (asked, name) = match word {
        "md" | "markdown" => (Some(Format::Markdown), rest.trim()),
        "json" => (Some(Format::Json), rest.trim()),
        _ => (None, argument),
    };
    let format = asked.unwrap_or_else(|| format_of(name));
    let file = if name.is_empty() { file_name(&state.sessions.chat.title, format) } else { name.to_owned() };
    Ok(vec![wish(Wish::Export { session, format, file: file.into() })])
}

/// `/import FILE`.
pub(in crate::tui) fn import(_: &mut State, file: &str) -> Outcome {
    if file.is_empty() {
        return Err("/import takes a JSON file that /export json has written".to_owned());
    }
    Ok(vec![wish(Wish::Import(file.into()))])
}

/// `/edit`.
pub(in crate::tui) fn edit(state: &mut State, _: &str) -> Outcome {
    idle(state)?;
    versions::edit(state, None)
}

/// `/regen`.
pub(in crate::tui) fn again(state: &mut State, _: &str) -> Outcome {
    idle(state)?;
    Ok(versions::again(state, None))
}

/// `/continue`.
pub(in crate::tui) fn go_on(state: &mut State, _: &str) -> Outcome {
    idle(state)?;
    Ok(versions::go_on(state))
}

/// `/undo`.
pub(in crate::tui) fn undo(state: &mut State, _: &str) -> Outcome {
    idle(state)?;
    versions::take_back(state)
}

/// `/branch`: the next or an earlier version of the last turn that has several, or that of a number.
pub(in crate::tui) fn branch(state: &mut State, argument: &str) -> Outcome {
    idle(state)?;
    let Some(turn) = state.sessions.chat.fork() else {
        return Err("no turn on this branch has another version: /edit and /regen make some".to_owned());
    };
    let (at, count) = state.sessions.chat.tree.version(turn).unwrap_or((1, 1));
    let by = match argument {
        "next" => 1,
        "back" => -1,
        "" => {
            return Err(format!(
                "this is version {at} of {count}; /branch N looks at another, Ctrl+X ] at the next, Ctrl+X [ at the \
                 one before"
            ));
        }
        number => {
            let wanted: usize = number.parse().map_err(|_| {
                format!("/branch takes next, back, or a number up to {count}, not {}", one_line(number))
            })?;
            wanted.clamp(1, count).cast_signed() - at.cast_signed()
        }
    };
    Ok(versions::step(state, Some(turn), by))
}

fn format_of(name: &str) -> Format {
    match Path::new(name).extension().and_then(|extension| extension.to_str()) {
        Some("json") => Format::Json,
        _ => Format::Markdown,
    }
}

/// A file's name for a title.
pub(super) fn file_name(title: &str, format: Format) -> String {
    let mut name = String::new();
    for letter in title.chars().flat_map(char::to_lowercase) {
        match letter {
            letter if letter.is_alphanumeric() => name.push(letter),
            _ if !name.ends_with('-') && !name.is_empty() => name.push('-'),
            _ => {}
        }
        if name.len() >= LONGEST_NAME {
            break;
        }
    }
    let name = name.trim_matches('-');
    let extension = match format {
        Format::Markdown => "md",
        Format::Json => "json",
    };
    format!("{}.{extension}", if name.is_empty() { "chat" } else { name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_become_names_of_files() {
        assert_eq!(file_name("What is a river?", Format::Markdown), "what-is-a-river.md");
        assert_eq!(file_name("../../etc/passwd", Format::Json), "etc-passwd.json");
        assert_eq!(file_name("Größe: 中文", Format::Markdown), "größe-中文.md");
        assert_eq!(file_name("…", Format::Json), "chat.json");
        assert!(file_name(&"long ".repeat(100), Format::Markdown).len() < 70);
    }
}
