//! Copying: what is copied (pure), and the ways to a clipboard. OSC 52 asks the terminal, which works over ssh and, in
//! its wrapper, through tmux; a program of the system's is asked too where one is found, since not every terminal listens.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::tui::app::{Effect, State};
use crate::tui::commands::Outcome;
use crate::tui::entry::Entry;

/// Bytes of an OSC 52 sequence that terminals take; xterm refuses more than about this.
const MOST: usize = 74_000;

/// Programs that put their standard input on the clipboard, and the variable without which they cannot.
const PROGRAMS: &[(&str, &[&str], Option<&str>)] = &[
    ("wl-copy", &[], Some("WAYLAND_DISPLAY")),
    ("xclip", &["-selection", "clipboard"], Some("DISPLAY")),
    ("xsel", &["--clipboard", "--input"], Some("DISPLAY")),
    ("pbcopy", &[], None),
    ("clip.exe", &[], None),
    ("termux-clipboard-set", &[], None),
];

/// Programs that write what is on the clipboard.
const READERS: &[(&str, &[&str], Option<&str>)] = &[
    ("wl-paste", &["--no-newline"], Some("WAYLAND_DISPLAY")),
    ("xclip", &["-selection", "clipboard", "-out"], Some("DISPLAY")),
    ("xsel", &["--clipboard", "--output"], Some("DISPLAY")),
    ("pbpaste", &[], None),
    ("powershell.exe", &["-NoProfile", "-Command", "Get-Clipboard -Raw"], None),
    ("termux-clipboard-get", &[], None),
];

/// The code between fences, block by block, without the fences. A fence that is not closed ends with the text.
#[must_use]
pub fn code_blocks(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<(char, usize, Vec<&str>)> = None;
    for line in text.lines() {
        let trimmed = line.trim_start();
        let mark = trimmed.chars().next().filter(|c| matches!(c, '`' | '~'));
        let length = mark.map_or(0, |mark| trimmed.chars().take_while(|c| *c == mark).count());
        let closes = |(wanted, least, _): &(char, usize, Vec<&str>)| {
            mark == Some(*wanted) && length >= *least && trimmed[length..].trim().is_empty()
        };
        match &mut open {
            Some(block) if closes(block) => {
                if let Some((.., lines)) = open.take() {
                    blocks.push(lines.join("\n"));
                }
            }
            Some((.., lines)) => lines.push(line),
            // Backticks behind backticks are code within a line.
            None if length >= 3 && !(mark == Some('`') && trimmed[length..].contains('`')) => {
                open = mark.map(|mark| (mark, length, Vec::new()))
            }
            None => {}
        }
    }
    blocks.extend(open.map(|(.., lines)| lines.join("\n")));
    blocks
}

/// The last reply that says something.
fn last_answer(state: &State) -> Option<String> {
    state.transcript.entries().rev().find_map(|entry| match entry {
        Entry::Reply(reply) if !reply.answer.trim().is_empty() => Some(reply.answer.clone()),
        _ => None,
    })
}

/// Ctrl+Y: the last reply; pressed again, its last code block, then the one before.
pub(super) fn copy_next(state: &mut State) -> Vec<Effect> {
    let Some(answer) = last_answer(state) else {
        state.notify("there is no reply to copy");
        return Vec::new();
    };
    let blocks = code_blocks(&answer);
    let turn = state.copied % (blocks.len() + 1);
    state.copied += 1;
    if turn == 0 {
        return copy(state, answer, "the reply");
    }
    let at = blocks.len() - turn;
    let what = format!("code block {} of {}", at + 1, blocks.len());
    copy(state, blocks[at].clone(), &what)
}

/// `/copy`, `/copy code`, `/copy code N`.
pub(super) fn command(state: &mut State, argument: &str) -> Outcome {
    let answer = last_answer(state).ok_or("there is no reply to copy")?;
    let mut words = argument.split_whitespace();
    match (words.next(), words.next()) {
        (None, _) => Ok(copy(state, answer, "the reply")),
        (Some("code"), number) => {
            let blocks = code_blocks(&answer);
            let count = blocks.len();
            if count == 0 {
                return Err("the last reply has no code block".to_owned());
            }
            let at = match number {
                None => count,
                Some(number) => number
                    .parse()
                    .ok()
                    .filter(|at| (1..=count).contains(at))
                    .ok_or_else(|| format!("the last reply has the code blocks 1 to {count}"))?,
            };
            Ok(copy(state, blocks[at - 1].clone(), &format!("code block {at} of {count}")))
        }
        _ => Err("/copy takes nothing, or code and perhaps a number".to_owned()),
    }
}

/// Copies `text`, and says so.
pub(super) fn copy(state: &mut State, text: String, what: &str) -> Vec<Effect> {
    state.notify(format!("copied {what}, {} characters", text.chars().count()));
    vec![Effect::Copy(text)]
}

/// The sequence that asks the terminal to keep `text`; `None` where it is longer than terminals take. Inside tmux it is
/// wrapped, so that tmux passes it on.
#[must_use]
pub fn osc52(text: &str, in_tmux: bool) -> Option<String> {
    let encoded = base64(text.as_bytes());
    if encoded.len() > MOST {
        return None;
    }
    let sequence = format!("\x1b]52;c;{encoded}\x07");
    Some(if in_tmux { format!("\x1bPtmux;{}\x1b\\", sequence.replace('\x1b', "\x1b\x1b")) } else { sequence })
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |place: usize| u32::from(chunk.get(place).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            out.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

/// Gives `text` to a program of the system's, where there is one. On a thread of its own: such programs may stay.
pub(super) fn give_to_system(text: String) {
    // Over ssh the far end's clipboard is nobody's.
    if std::env::var_os("SSH_CONNECTION").is_some() {
        return;
    }
    let usable = |needs: &Option<&str>| needs.is_none_or(|name| std::env::var_os(name).is_some());
    let _ = std::thread::Builder::new().name("clipboard".to_owned()).spawn(move || {
        for (program, arguments, needs) in PROGRAMS {
            if !usable(needs) {
                continue;
            }
            let mut command = Command::new(program);
            command.args(*arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
            let Ok(mut child) = command.spawn() else { continue };
            if let Some(mut input) = child.stdin.take() {
                let _ = input.write_all(text.as_bytes());
            }
            if child.wait().is_ok_and(|status| status.success()) {
                return;
            }
        }
        own_the_selection(text);
    });
}

/// What a program of the system's says is on the clipboard. It may take as long as that program does.
///
/// # Errors
/// Where there is none, or it is not this machine's: a sentence.
pub(super) fn take_from_system() -> Result<String, String> {
    if std::env::var_os("SSH_CONNECTION").is_some() {
        return Err("over ssh the clipboard is another machine's: paste as your terminal does".to_owned());
    }
    for (program, arguments, needs) in READERS {
        if needs.is_some_and(|name| std::env::var_os(name).is_none()) {
            continue;
        }
        let mut command = Command::new(program);
        command.args(*arguments).stdin(Stdio::null()).stderr(Stdio::null());
        if let Ok(output) = command.output()
            && output.status.success()
        {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
    }
    Err("no program that reads the clipboard was found, or it is empty: paste as your terminal does"
        .to_owned())
}

/// Where no program is found: X11's selection is ours from now on, for as long as we run.
#[cfg(all(unix, not(any(target_os = "macos", target_os = "android"))))]
fn own_the_selection(text: String) {
    static OURS: std::sync::Mutex<Option<arboard::Clipboard>> = std::sync::Mutex::new(None);
    if std::env::var_os("DISPLAY").is_none() {
        return;
    }
    let Ok(mut ours) = OURS.lock() else { return };
    if ours.is_none() {
        *ours = arboard::Clipboard::new().ok();
    }
    if let Some(clipboard) = ours.as_mut() {
        let _ = clipboard.set_text(text);
    }
}

/// The other systems have their programs always.
#[cfg(not(all(unix, not(any(target_os = "macos", target_os = "android")))))]
fn own_the_selection(_text: String) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_everywhere() {
        for (plain, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
        assert_eq!(base64(&[0xFB, 0xFF, 0xBF]), "+/+/");
    }

    #[test]
    fn the_sequence_is_wrapped_for_tmux_and_not_too_long() {
        assert_eq!(osc52("foo", false).as_deref(), Some("\x1b]52;c;Zm9v\x07"));
        assert_eq!(osc52("foo", true).as_deref(), Some("\x1bPtmux;\x1b\x1b]52;c;Zm9v\x07\x1b\\"));
        assert_eq!(osc52(&"x".repeat(MOST), false), None);
    }

    #[test]
    fn code_blocks_are_found_by_their_fences() {
        let text = "a\n```rust\nfn a() {}\n  x\n```\nb\n~~~~\n```\n~~~\n~~~~\n  ```\nlast";
        assert_eq!(code_blocks(text), ["fn a() {}\n  x", "```\n~~~", "last"]);
        assert_eq!(code_blocks("none `inline` ``"), [""; 0]);
        assert_eq!(code_blocks("```inline``` text"), [""; 0]);
    }
}
