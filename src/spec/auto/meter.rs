//! What came of the latest rounds, in tokens and time.

/// Rounds that "now" is measured over, and the least it is shown from (docs/NUMBERS.md).
const WINDOW: usize = 32;

/// Rounds the speculative rate remembers.
const MEMORY_ROUNDS: f64 = 32.0;

/// Tokens and seconds of the latest rounds, as they were measured.
#[derive(Clone, Debug)]
pub struct Window {
    rounds: [(f64, f64); WINDOW],
    count: usize,
}

impl Window {
    pub fn new() -> Window {
        Window { rounds: [(0.0, 0.0); WINDOW], count: 0 }
    }

    pub fn push(&mut self, tokens: f64, seconds: f64) {
        self.rounds[self.count % WINDOW] = (tokens, seconds);
        self.count += 1;
    }

    /// Tokens per second, once the window is full.
    pub fn rate(&self) -> Option<f64> {
        let (tokens, seconds) =
            self.rounds.iter().fold((0.0, 0.0), |sum, round| (sum.0 + round.0, sum.1 + round.1));
        (self.count >= WINDOW && seconds > 0.0).then(|| tokens / seconds)
    }
}

/// Tokens and time (in plain rounds, by the cost table, so that a slow round moves nothing) of speculative rounds,
/// older ones counting less.
#[derive(Clone, Copy, Debug, Default)]
pub struct Earnings {
    tokens: f64,
    time: f64,
    guesses: f64,
    rounds: f64,
}

impl Earnings {
    pub fn add(&mut self, tokens: f64, time: f64, guesses: f64) {
        let keep = 1.0 - 1.0 / MEMORY_ROUNDS;
        self.tokens = self.tokens * keep + tokens;
        self.time = self.time * keep + time;
        self.guesses = self.guesses * keep + guesses;
        self.rounds = self.rounds * keep + 1.0;
    }

    /// Tokens per plain round; `None` before the first round.
    pub fn rate(&self) -> Option<f64> {
        (self.time > 0.0).then(|| self.tokens / self.time)
    }

    /// Guesses in a round.
    pub fn length(&self) -> f64 {
        if self.rounds > 0.0 { self.guesses / self.rounds } else { 0.0 }
    }

    pub fn rounds(&self) -> f64 {
        self.rounds
    }
}
