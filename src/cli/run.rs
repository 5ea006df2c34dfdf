//! `slipstream run`: one reply, without a screen. The answer goes to standard output, everything else to
//! standard error.

use std::io::{self, IsTerminal as _, Read as _};
use std::time::Instant;

use super::args::{ReplyArgs, RunArgs};
use super::conversation::{Conversation, Heard};
use super::machine::Machine;
use super::settings::{Settings, resolve};
use super::{output_problem, printer, report};
use crate::error::{Kind, Problem};
use crate::event::{Channel, Event, Ready, Reply, StopReason};
use crate::request::{Message, Prompt, Request, Role, SamplingSettings};

/// Runs the command.
///
/// # Errors
/// Whatever keeps the reply from being written.
pub fn run(args: &RunArgs, machine: &Machine, started: Instant) -> Result<u8, Problem> {
    let text = prompt_text(args)?;
    let settings = resolve(args.positional.as_deref(), &args.shared, machine)?;
    let request = request(&args.shared.reply, args.raw, text, settings.sampling.clone());
    let conversation = Conversation::start(settings.engine.clone())?;
    let ready = conversation.ready();
    let startup = started.elapsed();
    let mut face = Face { args, settings: &settings, ready, wrote: false, reasoned: false, closed: false };
    face.announce(ready)?;
    let asked = started.elapsed();
    let reply = conversation.ask_watching(request, &mut |event| face.hear(event))?;
    let first_token = asked + reply.first_token;
    face.conclude(&reply, report::Times { startup, first_token })?;
    Ok(if reply.stop_reason == StopReason::Cancelled && !face.closed { Kind::Interrupted.code() } else { 0 })
}

/// Bytes of prompt that are read at most: more than any context holds.
const LONGEST_PROMPT: u64 = 64 << 20;

/// The prompt: the option, or standard input where it is `-` or a pipe.
fn prompt_text(args: &RunArgs) -> Result<String, Problem> {
    let text = match args.prompt.as_deref() {
        Some(text) if text != "-" => text.to_owned(),
        given => {
            if given.is_none() && io::stdin().is_terminal() {
                return Err(Problem::new(
                    Kind::Usage,
                    "there is no prompt",
                    "give one with -p TEXT, or pipe it in; `slipstream chat` opens a chat",
                ));
            }
            let mut bytes = Vec::new();
            io::stdin().take(LONGEST_PROMPT + 1).read_to_end(&mut bytes).map_err(|error| {
                Problem::new(
                    Kind::Fault,
                    format!("reading the prompt from standard input failed: {error}"),
                    "",
                )
            })?;
            if bytes.len() as u64 > LONGEST_PROMPT {
                let message = format!("the prompt on standard input is longer than {LONGEST_PROMPT} bytes");
                return Err(Problem::new(
                    Kind::Usage,
                    message,
                    "no context holds that much: give a part of it",
                ));
            }
            let text = String::from_utf8(bytes).map_err(|error| {
                let at = error.utf8_error().valid_up_to();
                let message =
                    format!("the prompt on standard input is not UTF-8: byte {at} is the first bad one");
                Problem::new(Kind::Usage, message, "convert it, for instance with iconv -t utf-8")
            })?;
            if args.raw { text } else { text.trim_end_matches('\n').to_owned() }
        }
    };
    let nothing = if args.raw { text.is_empty() } else { text.trim().is_empty() };
    if nothing {
        return Err(Problem::new(
            Kind::Usage,
            "the prompt is empty",
            "give a text with -p TEXT, or pipe one in",
        ));
    }
    Ok(text)
}

/// The request for a text, as the options of a reply have it.
pub(super) fn request(reply: &ReplyArgs, raw: bool, text: String, sampling: SamplingSettings) -> Request {
    let prompt = if raw {
        Prompt::Raw(text)
    } else {
        let system = reply.system.iter().map(|text| Message { role: Role::System, text: text.clone() });
        let messages = system.chain([Message { role: Role::User, text }]).collect();
        Prompt::Chat { messages, thinking: reply.think }
    };
    Request {
        prompt,
        sampling,
        max_tokens: reply.max_tokens,
        stop: reply.stop.clone(),
        ignore_end_of_turn: reply.ignore_eos,
        tell_rejected: false,
    }
}

/// What the person at the other end of the pipes sees.
struct Face<'a> {
    args: &'a RunArgs,
    settings: &'a Settings,
    ready: &'a Ready,
    wrote: bool,
    reasoned: bool,
    /// The reader of standard output has gone away.
    closed: bool,
}

impl Face<'_> {
    fn announce(&mut self, ready: &Ready) -> Result<(), Problem> {
        if self.args.jsonl {
            return self.line(&report::ready(ready));
        }
        if !self.args.raw {
            for note in &ready.notes {
                self.note(&format!("note: {note}"));
            }
        }
        Ok(())
    }

    /// Passes an event on.
    fn hear(&mut self, event: &Event) -> Result<Heard, Problem> {
        if self.args.jsonl {
            if let Some(object) = report::event(event) {
                self.line(&object)?;
            }
        } else if !self.args.json {
            match event {
                Event::Text(text) => self.text(text.channel, &text.text)?,
                Event::Speculation(state) => {
                    if let Some(reason) = &state.reason {
                        self.note(&format!("draft {}: {reason}", state.activity.name()));
                    }
                }
                _ => {}
            }
        }
        Ok(if self.closed { Heard::Enough } else { Heard::GoOn })
    }

    fn text(&mut self, channel: Channel, text: &str) -> Result<(), Problem> {
        match channel {
            Channel::Reasoning if !self.args.quiet => {
                self.reasoned = true;
                printer::note_part(&printer::tame(text));
                Ok(())
            }
            Channel::Reasoning => Ok(()),
            Channel::Answer => {
                if self.reasoned {
                    self.reasoned = false;
                    printer::note("");
                }
                self.wrote = true;
                // On a terminal, nothing a model writes may act on it; into a pipe, the text goes as it is.
                if printer::stdout_is_terminal() { self.out(&printer::tame(text)) } else { self.out(text) }
            }
        }
    }

    fn conclude(&mut self, reply: &Reply, times: report::Times) -> Result<(), Problem> {
        let object = report::reply(reply, self.ready, self.settings, times);
        if self.args.json {
            return self.line(&object);
        }
        if self.args.jsonl {
            return self.line(&serde_json::json!({ "event": "done", "reply": object }));
        }
        if self.wrote {
            self.out("\n")?;
        }
        self.note(&report::footer(reply));
        Ok(())
    }

    fn note(&self, text: &str) {
        if !self.args.quiet {
            printer::note(text);
        }
    }

    fn line(&mut self, object: &serde_json::Value) -> Result<(), Problem> {
        self.out(&format!("{object}\n"))
    }

    fn out(&mut self, text: &str) -> Result<(), Problem> {
        if self.closed {
            return Ok(());
        }
        match printer::out(text) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            Err(error) => Err(output_problem(&error)),
        }
    }
}
