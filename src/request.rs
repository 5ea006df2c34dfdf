//! What a person asks for: messages, sampling settings, limits. Plain data, shared by every layer.

use std::time::Duration;

/// Who speaks in a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Standing instructions.
    System,
    /// The person.
    User,
    /// The model.
    Model,
}

/// One turn of a chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What was said, without reasoning.
    pub text: String,
}

/// What the model continues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// A chat, rendered through the model's own template.
    Chat {
        /// All turns. The last one is the person's, or the model's own, which it goes on with.
        messages: Vec<Message>,
        /// Ask the model to reason before it answers, where its template knows how.
        thinking: bool,
    },
    /// Text continued as it stands.
    Raw(String),
}

/// The sampler chain's settings. `temperature` 0 means greedy.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplingSettings {
    /// 0 is greedy; 1 leaves the model's distribution as it is.
    pub temperature: f32,
    /// Keep this many most likely tokens; 0 keeps all.
    pub top_k: u32,
    /// Keep the most likely tokens until their probabilities add up to this; 1 keeps all.
    pub top_p: f32,
    /// Drop tokens less likely than this share of the most likely one; 0 keeps all.
    pub min_p: f32,
    /// Divide the score of tokens seen in the last `repeat_window` by this; 1 is off.
    pub repeat_penalty: f32,
    /// How many tokens back the penalty looks.
    pub repeat_window: u32,
    /// With `temperature` > 0 it fixes the text, whatever the drafter.
    pub seed: u64,
}

impl Default for SamplingSettings {
    /// The values Google recommends for Gemma 4.
    fn default() -> Self {
        SamplingSettings {
            temperature: 1.0,
            top_k: 64,
            top_p: 0.95,
            min_p: 0.0,
            repeat_penalty: 1.0,
            repeat_window: 64,
            seed: 0,
        }
    }
}

/// How many tokens may be guessed in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DraftLength {
    /// No guesses: plain decoding.
    Off,
    /// Always this many (fewer where a limit or `p_min` ends a draft early).
    Fixed(u32),
    /// As many as pay by measurement, none where none pays; this many at most.
    Auto(u32),
}

/// How to speculate: may be changed between two rounds of a running reply.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speculation {
    /// The draft length.
    pub length: DraftLength,
    /// A draft ends before a guess whose probability, in the drafter's own eyes, is below this.
    pub p_min: f32,
}

/// One reply to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What to continue.
    pub prompt: Prompt,
    /// How tokens are drawn.
    pub sampling: SamplingSettings,
    /// Stop after this many tokens; `None` until the context is full.
    pub max_tokens: Option<u32>,
    /// The reply ends before any of these texts.
    pub stop: Vec<String>,
    /// Never end the turn: the tokens that do are not drawn.
    pub ignore_end_of_turn: bool,
    /// Tell with each token of the target's own which guesses it took the place of.
    pub tell_rejected: bool,
}

/// Seconds as the JSON and the screen show them: milliseconds with a fraction.
#[must_use]
pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
