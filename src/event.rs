//! What the engine tells its observers, and what they may ask of it. Plain data: a recorded list of
//! events can drive the terminal UI, the JSON printer and the tests alike.

use std::path::PathBuf;
use std::time::Duration;

use crate::experiment::{Experiment, Finding};
use crate::request::{DraftLength, Request, Speculation};
use crate::token::{TokenId, TokenSpan};

/// An order to the engine. (Cancelling is a flag beside the channel, so that it is never queued.)
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Write a reply.
    Generate(Request),
    /// Speculate like this from the next round on, also in a running reply.
    SetSpeculation(Speculation),
    /// Save the cache into a file, where that pays.
    Park(Parking),
    /// Load what was saved of it, where that is faster than to compute it.
    Unpark(Parking),
    /// Measure something; never while a reply is written.
    Experiment(Experiment),
    /// Free everything and end.
    Shutdown,
}

/// A file for the state of the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parking {
    /// The file.
    pub file: PathBuf,
    /// What the state depends on beside its tokens: model, cache type, build.
    pub identity: String,
    /// Bytes it may take.
    pub most_bytes: u64,
    /// What can be computed in less time is not saved.
    pub worth: Duration,
}

/// Something that happened in the engine.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A file is being loaded.
    Loading {
        /// The file.
        what: PathBuf,
        /// From 0 to 1.
        fraction: f32,
    },
    /// Everything is loaded.
    Ready(Ready),
    /// The prompt is being read.
    Prefill(Prefill),
    /// A piece of the reply: whole UTF-8 characters.
    Text(Text),
    /// A round has ended: counters of the reply so far.
    Progress(Counters),
    /// Whether speculation runs, and why not.
    Speculation(SpeculationState),
    /// The reply has ended.
    Done(Reply),
    /// What an experiment found.
    Found(Finding),
    /// The reply, the experiment, or loading, has failed; the engine goes on where `fatal` is false.
    Failed(Failure),
}

/// What was loaded.
#[derive(Clone, Debug, PartialEq)]
pub struct Ready {
    /// The target's file.
    pub model: PathBuf,
    /// The name in its metadata, or its file name.
    pub model_name: String,
    /// The drafter's file, where it has one.
    pub drafter: Option<PathBuf>,
    /// `mtp`, `model`, `lookup`, or `none`.
    pub draft_kind: &'static str,
    /// Why this drafter was chosen, or why there is none: one sentence.
    pub pairing: String,
    /// Tokens the context holds.
    pub context_size: u32,
    /// Tensor type of most weights, e.g. `Q4_0`.
    pub quantization: String,
    /// Bytes held by weights, caches and buffers of both models together.
    pub memory_bytes: u64,
    /// How speculation stands.
    pub speculation: SpeculationState,
    /// Whose kernels multiply on the processor.
    pub kernels: KernelState,
    /// What a person should know before the first question, a sentence each.
    pub notes: Vec<String>,
}

/// Whose kernels multiply on the processor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelState {
    /// The instructions that ours run with; none where llama.cpp's do the work.
    pub instructions: Option<&'static str>,
    /// Why something that was asked for is left to llama.cpp: a sentence.
    pub reason: Option<String>,
}

/// How far the prompt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefill {
    /// Prompt tokens in the cache by now, the re-used ones included.
    pub done: u32,
    /// Prompt tokens in all.
    pub total: u32,
    /// Prompt tokens that were still in the cache from an earlier turn.
    pub reused: u32,
}

/// Which part of a reply a piece belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// The answer.
    Answer,
    /// The reasoning before it.
    Reasoning,
}

/// A piece of a reply.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    /// Answer or reasoning.
    pub channel: Channel,
    /// Whole characters; never part of one.
    pub text: String,
    /// The tokens that gave it, in order: their bytes add up to the text's.
    pub spans: Vec<TokenSpan>,
}

/// Counters of one reply. Definitions: docs/NUMBERS.md.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counters {
    /// Tokens emitted.
    pub predicted: u32,
    /// Rounds (a plain step is a round without guesses).
    pub rounds: u32,
    /// Guesses that were tested against the target; none past a stop.
    pub tested: u32,
    /// Guesses accepted.
    pub accepted: u32,
    /// Tested guesses by their place in the draft (0 is the first).
    pub tested_by_position: Vec<u32>,
    /// Accepted guesses by their place in the draft.
    pub accepted_by_position: Vec<u32>,
    /// Wall time since the first token of the reply.
    pub elapsed: Duration,
    /// Part of it spent drafting.
    pub drafting: Duration,
    /// Part of it spent verifying.
    pub verifying: Duration,
    /// Part of it that llama.cpp itself computed, for target and drafter; the rest is our own.
    pub decoding: Duration,
    /// Tokens in the cache.
    pub context_used: u32,
    /// Median speed of recent plain rounds, `None` until enough were measured.
    pub plain_per_second: Option<f64>,
    /// Speed now ÷ plain, both measured; `None` until both are.
    pub gain: Option<f64>,
}

impl Counters {
    /// Accepted ÷ tested, `None` before the first test.
    #[must_use]
    pub fn accepted_share(&self) -> Option<f64> {
        (self.tested > 0).then(|| f64::from(self.accepted) / f64::from(self.tested))
    }

    /// Tokens emitted ÷ rounds, `None` before the first round.
    #[must_use]
    pub fn length_per_round(&self) -> Option<f64> {
        (self.rounds > 0).then(|| f64::from(self.predicted) / f64::from(self.rounds))
    }

    /// Tokens after the first ÷ wall time since the first, `None` before the second token.
    #[must_use]
    pub fn tokens_per_second(&self) -> Option<f64> {
        let seconds = self.elapsed.as_secs_f64();
        (self.predicted > 1 && seconds > 0.0).then(|| f64::from(self.predicted - 1) / seconds)
    }
}

/// Whether speculation runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// It runs.
    On,
    /// It was measured not to pay here, and is tried again now and then.
    Parked,
    /// It does not run.
    Off,
}

impl Activity {
    /// The word in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Activity::On => "on",
            Activity::Parked => "parked",
            Activity::Off => "off",
        }
    }
}

/// How speculation stands.
#[derive(Clone, Debug, PartialEq)]
pub struct SpeculationState {
    /// Whether it runs.
    pub activity: Activity,
    /// Guesses a round at most, where on.
    pub length: u32,
    /// One sentence where it is off, parked, or not what was asked for.
    pub reason: Option<String>,
    /// What was asked for last, as the engine took it up.
    pub asked: Speculation,
}

impl Default for SpeculationState {
    /// Nothing runs, and nothing was asked for.
    fn default() -> SpeculationState {
        let asked = Speculation { length: DraftLength::Off, p_min: 0.0 };
        SpeculationState { activity: Activity::Off, length: 0, reason: None, asked }
    }
}

impl SpeculationState {
    /// Whether it runs.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.activity == Activity::On
    }
}

/// Why a reply ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The model ended its turn.
    EndOfTurn,
    /// `max_tokens` reached.
    Length,
    /// A stop text was met.
    StopText,
    /// The context is full.
    ContextFull,
    /// Cancelled.
    Cancelled,
}

impl StopReason {
    /// The word in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            StopReason::EndOfTurn => "eot",
            StopReason::Length => "length",
            StopReason::StopText => "stop",
            StopReason::ContextFull => "context",
            StopReason::Cancelled => "cancelled",
        }
    }
}

/// A whole reply.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The answer.
    pub text: String,
    /// The reasoning before it, empty where there was none.
    pub reasoning: String,
    /// The tokens emitted, the end of turn not among them.
    pub tokens: Vec<TokenId>,
    /// Why it ended.
    pub stop_reason: StopReason,
    /// Prompt tokens in all.
    pub prompt_tokens: u32,
    /// Of these, decoded now (the others were in the cache).
    pub prompt_decoded: u32,
    /// Time to decode them.
    pub prompt_time: Duration,
    /// From the request's arrival to the first token.
    pub first_token: Duration,
    /// Counters of the whole reply.
    pub counters: Counters,
    /// How speculation stood at the end.
    pub speculation: SpeculationState,
    /// Fingerprints of the rows of scores that gave the tokens drawn, a closing end of turn among them. Empty unless the
    /// engine was asked to take them.
    pub rows: Vec<u64>,
}

/// What went wrong, as a person reads it, with the exit code of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What was being done, to what, what was found, what was expected.
    pub message: String,
    /// What to do next.
    pub help: Option<String>,
    /// The exit code (docs/NUMBERS.md).
    pub code: u8,
    /// The engine has ended.
    pub fatal: bool,
    /// The prompt is too long for the context: what would have to be shortened.
    pub too_long: Option<TooLong>,
}

/// A prompt that does not fit into the context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// Its tokens.
    pub tokens: u32,
    /// The most there may be.
    pub limit: u32,
}
