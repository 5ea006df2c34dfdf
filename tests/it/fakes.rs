//! Scripted machines: a target that checks the rules of the seam, and drafters from perfect to hostile.

use std::time::Duration;

use slipstream::request::SamplingSettings;
use slipstream::sampling::Sampler;
use slipstream::spec::{
    Cycle, DraftPolicy, DraftRequest, Drafter, Guess, Players, Room, Round, RoundOutcome, Target,
};
use slipstream::token::{Origin, Position, TokenId};

/// Tokens of the scripted vocabulary: more than one block of 64 scores, and not a multiple of it.
pub const VOCABULARY: usize = 150;

/// The most guesses that the scripted machines check in one batch.
pub const LONGEST_DRAFT: usize = 16;

/// The scripted end of turn.
pub const END_OF_TURN: TokenId = TokenId(3);

/// What the scripted target pads batches with.
const PADDING: TokenId = TokenId(149);

/// A well-mixed number from a number (SplitMix64's finaliser).
pub fn hash(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

/// A number from 0 to 1 out of a hash.
pub fn unit(number: u64) -> f32 {
    (hash(number) >> 40) as f32 / (1_u32 << 24) as f32
}

/// A scripted language: the scores of the next token depend on the last three.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    pub seed: u64,
    /// How far apart scores are: 30 is nearly certain text, 3 is flat.
    pub spread: f32,
    /// Added to the end of turn's score; −100 for a text without an end.
    pub end_bias: f32,
}

impl Script {
    pub fn row(&self, text: &[TokenId]) -> Vec<f32> {
        let context = text[text.len().saturating_sub(3)..]
            .iter()
            .fold(self.seed, |mixed, token| hash(mixed ^ token.0 as u64));
        let mut row: Vec<f32> = (0..VOCABULARY as u64)
            .map(|token| {
                let share = unit(context ^ (token << 32));
                // Heavy-tailed: a few tokens stand out.
                self.spread * share * share * share
            })
            .collect();
        row[END_OF_TURN.0 as usize] += self.end_bias;
        row
    }
}

/// The scripted target. It keeps a cache of tokens and insists on the seam's order of calls.
#[derive(Debug)]
pub struct FakeTarget {
    pub script: Script,
    pub cache: Vec<TokenId>,
    rows: Vec<Vec<f32>>,
    /// Tokens of a `verify` which `keep` has not judged yet, without the padding.
    open: usize,
    /// Tokens in the cache before it.
    before: usize,
    /// The guesses of the last `verify`.
    pub guesses: Vec<TokenId>,
    /// Cells of its cache.
    pub cells: usize,
    /// `verify` and `keep` fail at these calls (counted from 0 over both).
    pub fail_at_call: Option<usize>,
    calls: usize,
}

impl FakeTarget {
    /// A target that has read all of `text` but its last token.
    pub fn new(script: Script, text: &[TokenId]) -> FakeTarget {
        let cache = text[..text.len() - 1].to_vec();
        FakeTarget {
            script,
            cache,
            rows: Vec::new(),
            open: 0,
            before: 0,
            guesses: Vec::new(),
            cells: usize::MAX,
            fail_at_call: None,
            calls: 0,
        }
    }

    fn call(&mut self) -> Result<(), String> {
        self.calls += 1;
        if self.fail_at_call == Some(self.calls - 1) { Err("scripted failure".into()) } else { Ok(()) }
    }
}

impl Target for FakeTarget {
    type Error = String;

    fn verify(&mut self, last: TokenId, guesses: &[TokenId], padding: usize) -> Result<(), String> {
        assert_eq!(self.open, 0, "verify before keep");
        let width = 1 + guesses.len() + padding;
        assert!(width <= 1 + LONGEST_DRAFT, "a batch of {width}");
        assert!(self.cache.len() + width <= self.cells, "the batch does not fit into the context");
        self.call()?;
        self.rows.clear();
        self.before = self.cache.len();
        self.guesses = guesses.to_vec();
        for &token in std::iter::once(&last).chain(guesses) {
            assert!((0..VOCABULARY as i32).contains(&token.0), "token outside the vocabulary");
            self.cache.push(token);
            self.rows.push(self.script.row(&self.cache));
        }
        // In the cache, but without rows: the cycle must not look at them, nor leave them there.
        self.cache.extend(std::iter::repeat_n(PADDING, padding));
        self.open = 1 + guesses.len();
        Ok(())
    }

    fn row(&self, index: usize) -> &[f32] {
        &self.rows[index]
    }

    fn keep(&mut self, kept: usize) -> Result<(), String> {
        assert!(kept < self.open, "keep({kept}) after a batch of {}", self.open);
        self.call()?;
        self.cache.truncate(self.before + 1 + kept);
        self.open = 0;
        Ok(())
    }
}

/// Habits that a drafter has from its first draft to its last.
pub const LASTING_HABITS: [Habit; 8] = [
    Habit::Perfect,
    Habit::Noisy(2.0),
    Habit::Inverted,
    Habit::Constant(17),
    Habit::Uniform,
    Habit::EndOfTurn,
    Habit::NotANumber,
    Habit::Silent,
];

/// How a scripted drafter makes its guesses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Habit {
    /// The target's own script, sampler and noise: always right.
    Perfect,
    /// The target's script with the scores blurred by this much.
    Noisy(f32),
    /// The target's script upside down.
    Inverted,
    /// Always the same token.
    Constant(i32),
    /// Any token, equally likely.
    Uniform,
    /// The end of turn, always.
    EndOfTurn,
    /// Right, but its probabilities are not numbers.
    NotANumber,
    /// Never a guess.
    Silent,
    /// Right, until it fails at this proposal, in the midst of its draft.
    FailsAt(usize),
    /// Right, until its `observe` fails at this round.
    ForgetsAt(usize),
    /// More guesses than asked for.
    TooMany,
    /// A token outside the vocabulary, below or above.
    Outside(i32),
    /// Replaces the sampler it is lent by a greedy one.
    Saboteur,
}

/// A drafter of one habit.
#[derive(Debug)]
pub struct FakeDrafter {
    pub habit: Habit,
    pub script: Script,
    pub calls: usize,
    pub observed: usize,
    pub failed: bool,
}

impl FakeDrafter {
    pub fn new(habit: Habit, script: Script) -> FakeDrafter {
        FakeDrafter { habit, script, calls: 0, observed: 0, failed: false }
    }
}

impl Drafter for FakeDrafter {
    fn propose(&mut self, request: DraftRequest<'_>, draft: &mut Vec<Guess>) -> Result<(), String> {
        assert!(!self.failed, "a drafter that failed was asked again");
        assert!(draft.is_empty(), "a draft outlived its round");
        assert!(request.max_length > 0);
        let DraftRequest { text, max_length, floor, sampler } = request;
        self.calls += 1;
        let mut text = text.to_vec();
        let length = if self.habit == Habit::TooMany { max_length + 1 } else { max_length };
        for place in 0..length {
            if self.habit == Habit::FailsAt(self.calls - 1) && place == length / 2 {
                self.failed = true;
                return Err("scripted drafter failure".into());
            }
            let key = hash(text.len() as u64) ^ place as u64;
            let mut row = self.script.row(&text);
            let position = Position(text.len() as u32);
            let (token, probability) = match self.habit {
                Habit::Silent => break,
                Habit::Constant(token) | Habit::Outside(token) => (TokenId(token), 0.9),
                Habit::EndOfTurn => (END_OF_TURN, 1.0),
                Habit::Uniform => (TokenId((hash(key) % VOCABULARY as u64) as i32), 1.0 / VOCABULARY as f32),
                Habit::Noisy(_) | Habit::Inverted => {
                    for (token, score) in row.iter_mut().enumerate() {
                        *score = match self.habit {
                            Habit::Noisy(blur) => *score + blur * (unit(key ^ (token as u64) << 20) - 0.5),
                            _ => -*score,
                        };
                    }
                    let drawn = sampler.draw_with_probability(&row, &text, position);
                    (drawn.token, drawn.probability)
                }
                Habit::NotANumber => (sampler.draw(&row, &text, position), f32::NAN),
                Habit::Saboteur => {
                    let greedy =
                        SamplingSettings { temperature: 0.0, seed: 99, ..SamplingSettings::default() };
                    *sampler = Sampler::new(&greedy, Vec::new());
                    (sampler.draw(&row, &text, position), 1.0)
                }
                _ => {
                    let drawn = sampler.draw_with_probability(&row, &text, position);
                    (drawn.token, drawn.probability)
                }
            };
            if floor(draft).is_none_or(|floor| probability < floor) {
                break;
            }
            text.push(token);
            draft.push(Guess { token, probability });
        }
        // It can also end before its mistake, where the floor is high.
        self.failed = draft.len() > max_length
            || draft
                .iter()
                .any(|guess| matches!(self.habit, Habit::Outside(token) if guess.token.0 == token));
        Ok(())
    }

    fn observe(&mut self, _text: &[TokenId], _kept: usize) -> Result<(), String> {
        self.observed += 1;
        if self.habit == Habit::ForgetsAt(self.observed - 1) {
            self.failed = true;
            return Err("scripted drafter failure".into());
        }
        Ok(())
    }

    fn rewind(&mut self, _position: Position) -> Result<(), String> {
        Ok(())
    }
}

/// A policy without reason: any length and any width, sometimes more than there is room for, and any floor.
#[derive(Debug)]
pub struct RandomPolicy {
    pub state: u64,
}

impl DraftPolicy for RandomPolicy {
    fn next_length(&mut self, room: usize) -> usize {
        self.state = hash(self.state);
        (self.state % 9) as usize + if self.state & 0x100 == 0 { room } else { 0 }
    }

    fn floor(&self, draft: &[Guess]) -> Option<f32> {
        let state = hash(self.state ^ draft.len() as u64);
        let floor = if state & 0x600 == 0 { unit(state) } else { 0.0 };
        (state & 0xF800 != 0).then_some(floor)
    }

    fn batch_width(&self, guesses: usize, _widest: usize) -> usize {
        match hash(self.state ^ 0xBA7C) % 8 {
            0 => 0,
            1 => usize::MAX,
            more if more < 5 => guesses + more as usize,
            _ => guesses + 1,
        }
    }

    fn observe(&mut self, outcome: &RoundOutcome<'_>) {
        assert!(outcome.width > outcome.guesses.len());
        assert!(outcome.accepted <= outcome.tested && outcome.tested <= outcome.guesses.len());
        assert!(outcome.guesses.len() <= outcome.allowed);
        assert!(outcome.guesses.iter().all(|guess| (0.0..=1.0).contains(&guess.probability)));
    }
}

/// Why a scripted reply ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Stopped,
    Length,
    ContextFull,
}

/// A reply through the cycle.
#[derive(Debug)]
pub struct Written {
    pub text: Vec<TokenId>,
    pub end: End,
    pub rounds: Vec<Round>,
    /// The guesses that each round threw away.
    pub rejected: Vec<Vec<TokenId>>,
    pub failures: Vec<String>,
}

/// Scripted clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FakeClock {
    /// 7 microseconds from one look to the next.
    Steady,
    /// Always the same instant.
    Stopped,
    /// Every few looks it has been set back, by more than has gone by.
    SetBack,
    /// Every few looks the machine has been asleep for days.
    Suspended,
    /// Near the end of what it can count.
    Endless,
}

impl FakeClock {
    /// What the clock says at this look.
    fn at(self, look: u64) -> Duration {
        let steady = Duration::from_micros(7 * look);
        match self {
            FakeClock::Steady => steady,
            FakeClock::Stopped => Duration::ZERO,
            FakeClock::SetBack => Duration::from_micros(7 * look % 91 + 500 * (look % 5)),
            FakeClock::Suspended => steady + Duration::from_secs(300_000 * (look / 11)),
            FakeClock::Endless => {
                if look.is_multiple_of(3) {
                    steady
                } else {
                    Duration::MAX
                }
            }
        }
    }
}

/// What a scripted reply is asked for.
#[derive(Clone, Debug)]
pub struct Task {
    pub script: Script,
    pub settings: SamplingSettings,
    pub suppressed: Vec<TokenId>,
    pub prompt: Vec<TokenId>,
    pub max_tokens: usize,
    /// Cells of the target's cache.
    pub cells: usize,
    pub clock: FakeClock,
}

impl Task {
    pub fn new(script: Script, settings: SamplingSettings) -> Task {
        let prompt = [5, 17, 80, 5, 17].map(TokenId).to_vec();
        let (suppressed, clock) = (vec![TokenId(9)], FakeClock::Steady);
        Task { script, settings, suppressed, prompt, max_tokens: 40, cells: usize::MAX, clock }
    }

    fn sampler(&self) -> Sampler {
        Sampler::new(&self.settings, self.suppressed.clone())
    }

    /// The reply without any of `spec`: draw, append, repeat.
    pub fn plain(&self) -> (Vec<TokenId>, End) {
        let mut sampler = self.sampler();
        let mut text = self.prompt.clone();
        loop {
            if text.len() - self.prompt.len() == self.max_tokens {
                return (text, End::Length);
            }
            // The last token needs a cell before the next can be drawn.
            if text.len() > self.cells {
                return (text, End::ContextFull);
            }
            let token = sampler.draw(&self.script.row(&text), &text, Position(text.len() as u32));
            text.push(token);
            if token == END_OF_TURN {
                return (text, End::Stopped);
            }
        }
    }

    /// The reply through the cycle, checked after each round. A failed drafter is dropped, as the engine does.
    pub fn speculative(&self, drafter: Option<&mut dyn Drafter>, policy: &mut dyn DraftPolicy) -> Written {
        let mut cycle = Cycle::new(self.sampler(), VOCABULARY);
        let mut target = FakeTarget::new(self.script, &self.prompt);
        target.cells = self.cells;
        let mut drafter = drafter;
        let mut written = Written {
            text: self.prompt.clone(),
            end: End::Length,
            rounds: vec![],
            rejected: vec![],
            failures: vec![],
        };
        let mut looks = 0;
        let mut clock = || {
            looks += 1;
            self.clock.at(looks)
        };
        loop {
            let before = written.text.len();
            let room = Room {
                cells: self.cells - target.cache.len(),
                tokens: self.prompt.len() + self.max_tokens - before,
                guesses: LONGEST_DRAFT,
            };
            if !room.allows_a_round() {
                written.end = if room.tokens == 0 { End::Length } else { End::ContextFull };
                return written;
            }
            let players = Players {
                target: &mut target,
                drafter: drafter.as_mut().map(|drafter| &mut **drafter as &mut dyn Drafter),
                policy,
                is_stop: &|token| token == END_OF_TURN,
                clock: &mut clock,
            };
            let round =
                cycle.round(players, &mut written.text, room).expect("the scripted target does not fail");
            self.check(&round, &written.text[before..], room);
            let thrown_away = if round.tested > round.accepted { round.accepted } else { round.guessed };
            assert_eq!(cycle.rejected(), &target.guesses[thrown_away..]);
            written.rejected.push(cycle.rejected().to_vec());
            assert_eq!(target.cache, written.text[..written.text.len() - 1], "cache and text disagree");
            if let Some(reason) = &round.drafter_failed {
                written.failures.push(reason.clone());
                drafter = None;
            }
            let stopped = round.stopped;
            written.rounds.push(round);
            if stopped {
                written.end = End::Stopped;
                return written;
            }
        }
    }

    fn check(&self, round: &Round, added: &[TokenId], room: Room) {
        let emitted: Vec<TokenId> = round.emitted.iter().map(|emitted| emitted.token).collect();
        assert_eq!(emitted, added);
        assert!(!emitted.is_empty() && emitted.len() <= room.tokens);
        assert!(round.guessed <= round.allowed && round.allowed <= room.longest_draft());
        assert!(round.accepted <= round.tested && round.tested <= round.guessed);
        let origins: Vec<bool> = round.emitted.iter().map(|it| it.origin == Origin::Accepted).collect();
        assert!(origins.iter().enumerate().all(|(at, accepted)| *accepted == (at < round.accepted)));
        assert!(round.guessed < round.width && round.width <= room.cells.min(1 + room.guesses));
        let stop_was_guessed = round.stopped && round.accepted == emitted.len();
        assert!(stop_was_guessed || emitted.len() == round.accepted + 1);
        let stop = emitted.iter().position(|&token| token == END_OF_TURN);
        assert_eq!(
            stop.map(|place| place + 1),
            round.stopped.then_some(emitted.len()),
            "a token past a stop"
        );
        if self.clock == FakeClock::Steady {
            assert_eq!(round.verify_time, Duration::from_micros(7));
            assert_eq!(round.draft_time, Duration::from_micros(14));
        }
    }
}
