//! Commands that tell something and change nothing.

use crate::tui::app::{Overlay, State};
use crate::tui::commands::{COMMANDS, Outcome, unknown};
use crate::tui::figures::bytes;
use crate::tui::text::one_line;
use crate::tui::view::stats;
use crate::tui::{palette, why};

/// `/help`, and `/help COMMAND`.
pub(super) fn help(state: &mut State, argument: &str) -> Outcome {
    let name = argument.trim_start_matches('/').to_lowercase();
    if name.is_empty() {
        state.overlay = Overlay::Help(0);
        return Ok(Vec::new());
    }
    let command = COMMANDS.iter().find(|command| command.name == name).ok_or_else(|| unknown(&name))?;
    if command.does.is_empty() {
        return Err(format!("/{} is another name of a command that /help lists", command.name));
    }
    let usage = format!("/{} {}", command.name, command.takes);
    let mut text = format!("{}: {}", usage.trim_end(), command.does);
    let key = palette::key_of(command.name);
    if !key.is_empty() {
        text.push_str(&format!(" (by key: {key})"));
    }
    state.note(text);
    Ok(Vec::new())
}

/// `/why`.
pub(super) fn explain(state: &mut State, _: &str) -> Outcome {
    let text = why::sentences(state);
    state.note(text);
    Ok(Vec::new())
}

/// `/stats`.
pub(super) fn numbers(state: &mut State, _: &str) -> Outcome {
    let lines: Vec<String> = stats::lines(state, 40).into_iter().map(|(_, line)| line).collect();
    state.note(lines.join("\n"));
    Ok(Vec::new())
}

/// `/memory`.
pub(super) fn memory(state: &mut State, _: &str) -> Outcome {
    let mut lines: Vec<String> = state
        .memory
        .0
        .iter()
        .map(|line| format!("{} {} (estimated)", one_line(&line.what), bytes(line.bytes)))
        .collect();
    if let Some(ready) = &state.ready {
        lines.push(format!("in use {}", bytes(ready.memory_bytes)));
    }
    state.note(lines.join("\n"));
    Ok(Vec::new())
}

/// `/log`.
pub(super) fn log(state: &mut State, _: &str) -> Outcome {
    let text = match &state.start.log {
        Some(file) => format!("llama.cpp's warnings and errors are in {}", one_line(&file.to_string_lossy())),
        None => {
            "no log is written: --log FILE at the start writes llama.cpp's warnings and errors".to_owned()
        }
    };
    state.note(text);
    Ok(Vec::new())
}

/// `/bench`: a measurement wants the machine to itself, which a chat's engine would share.
pub(super) fn bench(state: &mut State, _: &str) -> Outcome {
    let model = state.start.opened.as_ref().map_or("MODEL", |wanted| wanted.model.as_str());
    let model = one_line(model);
    state.note(format!(
        "measuring wants the machine to itself: leave, then\n  slipstream bench {model}\nand to find and keep the \
         best settings\n  slipstream tune {model}\nWhat this chat has measured: /stats"
    ));
    Ok(Vec::new())
}
