//! The slash commands: one table, from which lookup, completion and help are made.

use crate::tui::Exit;
use crate::tui::app::{Effect, Overlay, State};
use crate::tui::options::Options;
use crate::tui::outside::Job;
use crate::tui::settings::{set, system, theme, think};
use crate::tui::speculate::{draft, p_min};
use crate::tui::text::one_line;
use crate::tui::{clipboard, context, pairs, presets, tell, update};

/// One command: its name, what follows it, and what it does.
pub struct Slash {
    /// The name, without the slash.
    pub name: &'static str,
    /// What follows.
    pub takes: &'static str,
    /// What it does, empty where another name of the same thing tells.
    pub does: &'static str,
    run: fn(&mut State, &str) -> Result<Vec<Effect>, String>,
}

/// The table.
pub const COMMANDS: &[Slash] = &[
    Slash { name: "help", takes: "[COMMAND]", does: "keys and commands", run: tell::help },
    Slash { name: "stop", takes: "", does: "stop the reply", run: stop },
    Slash { name: "new", takes: "", does: "forget the conversation (also /clear)", run: new },
    Slash { name: "clear", takes: "", does: "", run: new },
    Slash { name: "regen", takes: "", does: "write the last reply again", run: again },
    Slash { name: "undo", takes: "", does: "take back the last question", run: undo },
    Slash {
        name: "copy",
        takes: "[code N]",
        does: "copy the last reply, or its code",
        run: clipboard::command,
    },
    Slash { name: "draft", takes: "auto|on|off|N", does: "guesses a round", run: draft },
    Slash { name: "pmin", takes: "X", does: "least confidence of a guess, 0 to 1", run: p_min },
    Slash { name: "why", takes: "", does: "why it speculates or not", run: tell::explain },
    Slash { name: "stats", takes: "", does: "numbers of the last reply", run: tell::numbers },
    Slash { name: "panel", takes: "", does: "the numbers, live", run: panel },
    Slash { name: "tokens", takes: "[rejected]", does: "who chose each token", run: tokens },
    Slash { name: "think", takes: "on|off|show|hide", does: "reason before answering", run: think },
    Slash { name: "system", takes: "TEXT|none", does: "standing instructions", run: system },
    Slash {
        name: "set",
        takes: "NAME VALUE",
        does: "temp, top_k, top_p, min_p, repeat_penalty, seed",
        run: set,
    },
    Slash { name: "read", takes: "FILE", does: "a text file into the input", run: read },
    Slash { name: "glob", takes: "PATTERN", does: "files that fit, into the input", run: glob },
    Slash { name: "paste", takes: "", does: "the clipboard into the input", run: paste },
    Slash { name: "editor", takes: "", does: "write in $VISUAL or $EDITOR", run: editor },
    Slash {
        name: "preset",
        takes: "NAME",
        does: "settings under a name (save NAME keeps them)",
        run: presets::command,
    },
    Slash { name: "settings", takes: "", does: "everything that can be set", run: settings },
    Slash { name: "theme", takes: "auto|dark|light|none", does: "colours", run: theme },
    Slash { name: "context", takes: "", does: "what fills the context, and what to do", run: room },
    Slash { name: "compact", takes: "", does: "put a summary in place of the oldest turns", run: compact },
    Slash { name: "memory", takes: "", does: "the memory in use", run: tell::memory },
    Slash { name: "model", takes: "MODEL", does: "load another model", run: pairs::model },
    Slash { name: "models", takes: "", does: "the pairs on this machine", run: pairs::model },
    Slash { name: "pair", takes: "FILE|auto|none", does: "another drafter for this model", run: pairs::pair },
    Slash { name: "bench", takes: "", does: "how to measure this pair", run: tell::bench },
    Slash { name: "log", takes: "", does: "where llama.cpp's warnings go", run: tell::log },
    Slash { name: "suspend", takes: "", does: "to the shell for a while", run: suspend },
    Slash { name: "redraw", takes: "", does: "draw anew", run: redraw },
    Slash { name: "exit", takes: "", does: "quit (also /quit, /bye)", run: quit },
    Slash { name: "quit", takes: "", does: "", run: quit },
    Slash { name: "bye", takes: "", does: "", run: quit },
];

/// Runs `line` (without its slash). What is wrong with it is said in the transcript.
pub fn execute(state: &mut State, line: &str) -> Vec<Effect> {
    let line = line.trim();
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let name = name.to_lowercase();
    let result = match COMMANDS.iter().find(|command| command.name == name) {
        Some(command) => (command.run)(state, rest.trim()),
        None => Err(unknown(&name)),
    };
    result.unwrap_or_else(|wrong| {
        state.note(wrong);
        Vec::new()
    })
}

/// What to say of a command that there is not.
pub(super) fn unknown(name: &str) -> String {
    let nearest = COMMANDS.iter().map(|command| command.name).min_by_key(|known| distance(name, known));
    let name = one_line(name);
    match nearest {
        Some(known) => format!(
            "there is no command /{name}; the nearest is /{known} (/help lists all, // sends a slash)"
        ),
        None => format!("there is no command /{name}"),
    }
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(40).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let cost = (diagonal + usize::from(x != *y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], cost);
        }
    }
    row[b.len()]
}

/// Effects, or what was wrong, in words.
pub(super) type Outcome = Result<Vec<Effect>, String>;

/// What changes the conversation waits until the reply has ended.
fn idle(state: &State) -> Result<(), String> {
    if state.running.is_some() {
        Err("a reply is being written: Esc stops it, then try again".to_string())
    } else {
        Ok(())
    }
}

fn stop(state: &mut State, _: &str) -> Outcome {
    if state.running.is_none() {
        return Err("no reply is being written".to_owned());
    }
    Ok(state.stop())
}

fn new(state: &mut State, _: &str) -> Outcome {
    idle(state)?;
    state.transcript.clear();
    state.entries_removed();
    context::forget(state);
    state.counters = crate::event::Counters::default();
    state.note("a new conversation");
    Ok(Vec::new())
}

fn again(state: &mut State, _: &str) -> Outcome {
    idle(state)?;
    Ok(state.ask_again())
}

fn undo(state: &mut State, _: &str) -> Outcome {
    idle(state)?;
    let text = state.transcript.undo().ok_or("nothing to take back")?;
    state.entries_removed();
    state.composer.set(&text);
    state.notify("taken back: edit it and send it again");
    Ok(Vec::new())
}

fn panel(state: &mut State, _: &str) -> Outcome {
    update::panel(state);
    Ok(Vec::new())
}

fn tokens(state: &mut State, argument: &str) -> Outcome {
    match argument {
        "" => update::tokens(state),
        "rejected" => update::rejected(state),
        _ => return Err(format!("/tokens takes nothing, or rejected, not {}", one_line(argument))),
    }
    Ok(Vec::new())
}

fn settings(state: &mut State, _: &str) -> Outcome {
    state.overlay = Overlay::Options(Options::default());
    Ok(Vec::new())
}

fn room(state: &mut State, _: &str) -> Outcome {
    state.overlay = Overlay::Context(context::Screen::default());
    Ok(Vec::new())
}

fn compact(state: &mut State, _: &str) -> Outcome {
    idle(state)?;
    Ok(context::choose(state, context::Choice::Summarise, None))
}

fn suspend(_: &mut State, _: &str) -> Outcome {
    Ok(vec![Effect::Suspend])
}

fn redraw(_: &mut State, _: &str) -> Outcome {
    Ok(vec![Effect::Redraw])
}

fn read(_: &mut State, argument: &str) -> Outcome {
    if argument.is_empty() {
        return Err("/read takes a file, for example /read src/main.rs (Tab completes)".to_string());
    }
    Ok(vec![Effect::Outside(Job::Read(argument.to_string()))])
}

fn glob(_: &mut State, argument: &str) -> Outcome {
    if argument.is_empty() {
        return Err("/glob takes a pattern, for example /glob src/**/*.rs".to_string());
    }
    Ok(vec![Effect::Outside(Job::Glob(argument.to_string()))])
}

fn paste(_: &mut State, _: &str) -> Outcome {
    Ok(vec![Effect::Outside(Job::Paste)])
}

fn editor(_: &mut State, _: &str) -> Outcome {
    Ok(vec![Effect::Edit(String::new())])
}

fn quit(state: &mut State, _: &str) -> Outcome {
    Ok(state.quit(Exit::Quit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_named() {
        assert!(unknown("drat").contains("/draft"));
        assert!(unknown("hlep").contains("/help"));
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
