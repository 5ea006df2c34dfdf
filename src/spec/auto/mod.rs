//! The measured policy: guesses as many tokens as pay on this machine and this text, and none where none pays.
//!
//! It knows three things, all measured: what a batch costs by its width and what a draft step costs (`costs.rs`), how
//! often guesses are accepted given the drafter's own probability (`calibration.rs`), and how confident the next
//! guess will be (`outlook.rs`). `value.rs` makes one number of them: what a further guess is worth. This file decides
//! what each round is for.
//!
//! # A round is for one of five things
//!
//! 1. **plain**: to measure V(1), once at the start and then at intervals that widen to one round in 64;
//! 2. **test**: one guess is made and tested whatever its probability, to learn what probabilities mean here. The
//!    first few rounds are tests; later only a parked policy tests, at intervals by what a test costs;
//! 3. **explore**: a batch of 4, 8 or 16 is tried once, where it would pay if it cost hardly more than a narrower one;
//! 4. **work**: guesses are made while a further one is worth its step, and kept while they are worth their place;
//! 5. **wait** (plain rounds too): parked. Now and then a round works all the same (a *peek*): where the drafter is confident again, the
//!    guess is kept and the next round peeks too; where not, the peek has cost one draft step.
//!
//! Pure: it sees durations, never a clock, and the same rounds give the same choices. docs/POLICY.md has the
//! derivation, the constants with their units, and the simulations behind them.

mod calibration;
mod change;
mod costs;
mod meter;
mod outlook;
mod padding;
mod places;
mod recent;
mod schedule;
mod value;

use std::fmt;

use super::seam::{DraftPolicy, Guess, RoundOutcome};
use calibration::Calibration;
pub use costs::{CostRecord, VerifyCost};
use costs::{CostTable, PLAIN_ROUNDS, WIDEST};
use meter::{Earnings, Window};
use outlook::Outlook;
use padding::padded_widths;
use schedule::Schedule;
use value::{Prospects, means};

/// Tokens a round that speculation must promise beyond plain before it is taken up again: 2 % of a plain round, so
/// that noise does not switch it on and off.
const UNPARK_MARGIN: f64 = 0.02;

/// Widths that are explored (multiples of four are the cheap steps of the staircase), and the rate over the best known
/// one that an optimist must see in each. The last needs more: its promise hangs on the fifteenth power of a mean.
const ANCHORS: [(usize, f64); 3] = [(4, 1.1), (8, 1.1), (16, 1.25)];

/// What a batch must not cost more than, over the widest narrower one known, for its exploration to have paid.
const OPTIMISM: f64 = 1.05;

/// A first measurement this far above the optimist's is tried once more: it may have been one slow round.
const DOUBTFUL: f64 = 3.0;

/// Rounds that share the price of a change of width where the text seems to have changed: those after it are as wide.
const STRETCH: f64 = 8.0;

/// Weight of one stretch among those before it.
const STRETCH_WEIGHT: f64 = 0.25;

/// Plain rounds by which the price of changes may be off where it hangs on itself …
const SETTLED: f64 = 0.01;

/// … and how often it is worked out at most.
const LOOKS: usize = 3;

/// Rounds between two looks at everything known while parked and nothing is due: costs may have changed.
const LOOK_INTERVAL: usize = 8;

/// Rounds after which the rate of past speculative rounds is trusted.
const RATE_ROUNDS: f64 = 4.0;

/// What the round under way is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Plain,
    Test,
    Explore,
    Work,
}

/// Where the policy stands, as a screen shows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AutoState {
    /// The first few rounds.
    Learning,
    /// Speculation pays; so many guesses in a round lately.
    On {
        /// Mean guesses in a round.
        length: f32,
    },
    /// Speculation does not pay here.
    Parked {
        /// Speed of the best draft length over plain, from the costs and the acceptance measured here; at most 1.
        ratio: f32,
    },
}

impl fmt::Display for AutoState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AutoState::Learning => write!(formatter, "measuring"),
            AutoState::On { length } => write!(formatter, "on: {length:.1} guesses a round"),
            AutoState::Parked { ratio } => write!(formatter, "parked: {ratio:.2}x here"),
        }
    }
}

/// The measured policy.
#[derive(Clone, Debug)]
pub struct AutoLength {
    /// A guess below this probability is never tested, whatever its worth; 0 leaves it to the policy.
    pub p_min: f32,
    costs: CostTable,
    calibration: Calibration,
    first: Outlook,
    later: Outlook,
    prospects: Prospects,
    purpose: Purpose,
    on: bool,
    /// The last look found that speculation does not pay: until a peek or a test is due, rounds are plain.
    parked: bool,
    /// Rounds in a row that kept guesses after a peek lately, and those of the present stretch.
    stretch: f64,
    in_stretch: f64,
    /// Rounds since everything known was brought together.
    since_look: usize,
    /// Not even the drafter's surest guess would be kept: there is nothing to peek at, only to test.
    hopeless: bool,
    schedule: Schedule,
    last_width: usize,
    /// The width that each batch would be decoded at now.
    widths: [usize; WIDEST + 1],
    working: Earnings,
    window: Window,
}

impl Default for AutoLength {
    fn default() -> AutoLength {
        AutoLength::new()
    }
}

impl AutoLength {
    /// A policy that knows nothing yet.
    #[must_use]
    pub fn new() -> AutoLength {
        let (costs, calibration) = (CostTable::new(), Calibration::new());
        let (first, later) = (Outlook::new(), Outlook::new());
        let prospects = Prospects {
            verify: costs.relative().verify,
            step: 0.0,
            rate: 1.0,
            acceptance: *calibration.bins(),
            first: *first.shares(),
            later: *later.shares(),
            means: means(calibration.bins(), first.shares(), later.shares()),
            longest: 0,
        };
        AutoLength {
            p_min: 0.0,
            costs,
            calibration,
            first,
            later,
            prospects,
            purpose: Purpose::Plain,
            on: false,
            parked: false,
            stretch: STRETCH,
            in_stretch: 0.0,
            since_look: 0,
            hopeless: false,
            schedule: Schedule::new(),
            last_width: 1,
            widths: std::array::from_fn(|width| width),
            working: Earnings::default(),
            window: Window::new(),
        }
    }

    /// Median speed of recent plain rounds, in tokens per second; `None` before 32 of them.
    #[must_use]
    pub fn plain_per_second(&self) -> Option<f64> {
        let (seconds, rounds) = self.costs.plain();
        seconds.filter(|_| rounds >= PLAIN_ROUNDS).map(|seconds| 1.0 / seconds)
    }

    /// Speed of the last 32 rounds over plain, both measured; `None` before there are 32 of each.
    #[must_use]
    pub fn gain(&self) -> Option<f64> {
        Some(self.window.rate()? / self.plain_per_second()?)
    }

    /// Whether speculation is on, and if not, how it measured.
    #[must_use]
    pub fn state(&self) -> AutoState {
        if self.on || !self.schedule.is_learning() && self.schedule.peeks_always() {
            AutoState::On { length: self.working.length() as f32 }
        } else if !self.schedule.is_learning() {
            AutoState::Parked { ratio: self.prospects.best_rate().min(1.0) as f32 }
        } else {
            AutoState::Learning
        }
    }

    /// The cost table, to be stored.
    #[must_use]
    pub fn costs(&self) -> CostRecord {
        self.costs.export()
    }

    /// Starts from stored costs: what is in them need not be explored. Values that make no sense are left out.
    pub fn import_costs(&mut self, record: &CostRecord) {
        self.costs.import(record);
    }

    /// Another text begins (a new conversation): what is known of the machine stays.
    pub fn forget_text(&mut self) {
        let fresh = AutoLength::new();
        self.calibration = fresh.calibration;
        self.first = fresh.first;
        self.later = fresh.later;
        self.schedule.start_over();
        self.working = fresh.working;
        (self.on, self.parked, self.hopeless) = (false, false, false);
        (self.stretch, self.in_stretch) = (fresh.stretch, fresh.in_stretch);
    }

    /// Brings everything known into one place for this round.
    fn look_ahead(&mut self, room: usize) {
        self.costs.refresh();
        let relative = *self.costs.relative();
        self.widths = padded_widths(&self.costs, room + 1, self.last_width);
        self.charge_alike(2.0 * relative.change / STRETCH);
        self.prospects.step = relative.step;
        self.prospects.acceptance = *self.calibration.bins();
        self.prospects.first = *self.first.shares();
        self.prospects.later = *self.later.shares();
        self.prospects.means = means(self.calibration.bins(), self.first.shares(), self.later.shares());
        self.prospects.longest = room.min(relative.widest.max(2) - 1);
        let earned = self.working.rate().filter(|_| self.on && self.working.rounds() >= RATE_ROUNDS);
        self.prospects.rate = earned.unwrap_or(1.0).max(1.0);
    }

    /// Sets what batches take at the width they would be decoded at, each with guesses paying this much for changes.
    fn charge_alike(&mut self, change: f64) {
        let verify = &self.costs.relative().verify;
        for (time, &width) in self.prospects.verify.iter_mut().zip(&self.widths) {
            *time = verify[width] + if width > 1 { change } else { 0.0 };
        }
    }

    /// The same after the last batch, where guesses are kept this often. What the next round will have to pay to get
    /// back is counted, too: a lone guess changes the width twice, and one among others saves two changes.
    fn charge_here(&mut self, kept: f64) {
        let relative = self.costs.relative();
        for (time, &width) in self.prospects.verify.iter_mut().zip(&self.widths) {
            let changes = match (self.last_width, width) {
                (last, width) if width == last => 0.0,
                (1, _) => 2.0 * (1.0 - kept),
                (_, 1) => 2.0 * kept,
                _ => 1.0,
            };
            *time = relative.verify[width] + changes * relative.change;
        }
    }

    /// What a round of speculation is worth in the long run, and how often its guess is kept. Where a share q is kept,
    /// the width changes 2 q (1 − q) times a round: each guess kept pays for 2 (1 − q) changes.
    fn worth_of_working(&mut self) -> (f64, f64) {
        let change = self.costs.relative().change;
        let (mut worth, mut kept) = (0.0, 1.0);
        // What it keeps depends on what changes cost, and this on what it keeps.
        for look in 0..LOOKS {
            self.charge_alike(2.0 * (1.0 - kept) * change);
            let now = self.prospects.worth_of_a_guess(0, 1.0);
            let settled = 2.0 * (now.1 - kept).abs() * change < SETTLED;
            (worth, kept) = now;
            if settled && look == 0 {
                return now;
            }
            if settled {
                break;
            }
        }
        // Where changes are dear: a draft that is never cut changes nothing.
        self.charge_alike(0.0);
        let uncut = self.prospects.worth_of_the_best_length();
        if uncut > worth { (uncut, 1.0) } else { (worth, kept) }
    }

    /// The guesses of a batch worth exploring.
    fn worth_exploring(&self, room: usize) -> Option<usize> {
        let known = |width: usize| self.costs.measured(width).is_some();
        if !self.costs.is_settled(2) {
            return None;
        }
        let mut narrower = 2;
        for (width, gain) in ANCHORS {
            let guesses = width - 1;
            let optimistic = self.costs.relative().verify[narrower] * OPTIMISM;
            let measured = self.costs.relative().verify[width];
            let doubtful = self.costs.rounds(width) == 1 && measured > DOUBTFUL * optimistic;
            if !known(width) || doubtful {
                let rate = self.prospects.rate_of(guesses, optimistic);
                let best = self.prospects.best_rate().max(self.prospects.rate);
                return (guesses <= room && rate > best * gain).then_some(guesses);
            }
            narrower = width;
        }
        None
    }

    /// What the next round is for, and its guesses at most.
    fn choose(&mut self, room: usize) -> (Purpose, usize) {
        let rate = self.working.rate().filter(|_| self.on);
        let due =
            self.schedule.plain_is_due(rate, self.costs.relative().change) || self.costs.plain_is_doubtful();
        if room == 0 || self.costs.measured(1).is_none() || due {
            return (Purpose::Plain, 0);
        }
        // After a batch, all that the policy knows has to be fetched from memory again: 30 µs, 3 % of a plain round of the
        // built-in pair. So it does not think where nothing can come of it.
        let nothing_due = (self.hopeless || !self.schedule.peek_is_due()) && !self.schedule.test_is_due();
        self.since_look += 1;
        if self.parked && nothing_due && self.since_look < LOOK_INTERVAL {
            return (Purpose::Plain, 0);
        }
        self.since_look = 0;
        self.look_ahead(room);
        let longest = self.prospects.longest;
        if self.schedule.is_learning() {
            return match self.worth_exploring(room) {
                Some(guesses) => (Purpose::Explore, guesses),
                None => (Purpose::Test, 1),
            };
        }
        let rate = std::mem::replace(&mut self.prospects.rate, 1.0);
        let change = self.costs.relative().change;
        let (worth, kept) = self.worth_of_working();
        self.on = worth > if self.on { 0.0 } else { UNPARK_MARGIN };
        self.parked = !self.on;
        if self.on {
            self.prospects.rate = rate;
            self.charge_here(kept);
            return match self.worth_exploring(room) {
                Some(guesses) => (Purpose::Explore, guesses),
                None => (Purpose::Work, longest),
            };
        }
        // A peek supposes that its guess is the first of as many as those before it were.
        self.charge_alike(2.0 * change / self.stretch);
        self.hopeless =
            self.prospects.least_acceptance(0, 1.0) > self.prospects.acceptance[0][calibration::BINS - 1];
        if !self.hopeless && self.schedule.peek_is_due() {
            (Purpose::Work, longest)
        } else if self.schedule.test_is_due() {
            (Purpose::Test, 1)
        } else {
            (Purpose::Plain, 0)
        }
    }

    /// The chance that all guesses of a draft are right.
    fn chance(&self, draft: &[Guess]) -> f64 {
        let guesses = draft.iter().enumerate();
        guesses.map(|(place, guess)| self.calibration.acceptance(place, guess.probability)).product()
    }

    fn learn_from_guesses(&mut self, outcome: &RoundOutcome<'_>, cut: Option<f32>) {
        let guesses = outcome.guesses;
        let accepted = outcome.accepted.min(guesses.len());
        let tested = outcome.tested.min(guesses.len());
        for (place, guess) in guesses[..tested].iter().enumerate() {
            self.calibration.observe(place, guess.probability, place < accepted);
        }
        self.calibration.fit();
        // What the drafter says after a wrong guess is no sign of what it says after a right one.
        for (place, guess) in guesses.iter().enumerate().take(accepted + 1) {
            if place == 0 {
                self.first.observe(guess.probability)
            } else {
                self.later.observe(guess.probability)
            }
        }
        match cut {
            Some(floor) if guesses.is_empty() => self.first.observe_cut(floor),
            Some(floor) if accepted == guesses.len() => self.later.observe_cut(floor),
            _ => {}
        }
    }

    /// Learns how many rounds keep a guess once a peek has kept one.
    fn follow_stretch(&mut self, kept: bool) {
        if kept && self.purpose == Purpose::Work {
            self.in_stretch = (self.in_stretch + 1.0).min(STRETCH);
        } else if self.in_stretch > 0.0 {
            self.stretch += (self.in_stretch - self.stretch) * STRETCH_WEIGHT;
            self.in_stretch = 0.0;
        }
    }

    /// Sets the waiting times after a round; `plain` is what a batch of one was expected to take.
    fn reschedule(&mut self, outcome: &RoundOutcome<'_>, plain: Option<f64>, changed: bool) {
        if outcome.width == 1 {
            let ratio = plain.map_or(1.0, |plain| outcome.verify_time.as_secs_f64() / plain);
            let relative = self.costs.relative();
            let ratio = if changed { ratio - relative.change } else { ratio };
            let promise = 2.0 - relative.verify[2] - relative.step;
            let on_purpose = outcome.allowed == 0 && self.on;
            self.schedule.after_narrow(ratio, on_purpose, relative.change, promise);
        } else {
            self.schedule.after_wide();
        }
        if outcome.allowed == 0 {
            self.schedule.after_plain();
            return;
        }
        let (accepted, relative) = (outcome.accepted > 0, self.costs.relative());
        match self.purpose {
            Purpose::Test | Purpose::Explore => {
                let change = 2.0 * relative.change;
                let cost = relative.verify[2] - 1.0 + relative.step + change;
                self.schedule.after_test(outcome.tested, cost, change, accepted && self.hopeless);
            }
            Purpose::Work => self.schedule.after_work(accepted, relative.step),
            Purpose::Plain => {}
        }
    }
}

impl DraftPolicy for AutoLength {
    fn next_length(&mut self, room: usize) -> usize {
        let (purpose, length) = self.choose(room.min(WIDEST - 1));
        self.purpose = purpose;
        length
    }

    fn floor(&self, draft: &[Guess]) -> Option<f32> {
        let chance = self.chance(draft);
        let floor = match self.purpose {
            Purpose::Plain => return None,
            Purpose::Test | Purpose::Explore => 0.0,
            // The first guess of a working round was decided on when the round was.
            Purpose::Work
                if !draft.is_empty() && self.prospects.worth_of_a_guess(draft.len(), chance).0 <= 0.0 =>
            {
                return None;
            }
            Purpose::Work => {
                self.calibration.floor(draft.len(), self.prospects.least_acceptance(draft.len(), chance))
            }
        };
        Some(floor.max(self.p_min))
    }

    fn batch_width(&self, guesses: usize, widest: usize) -> usize {
        let bare = guesses + 1;
        self.widths.get(bare).copied().filter(|&width| width <= widest).unwrap_or(bare)
    }

    fn observe(&mut self, outcome: &RoundOutcome<'_>) {
        let guesses = outcome.guesses.len();
        // A draft that ended early although one more guess was wanted: that one was made, and cut.
        let cut = if guesses < outcome.allowed { self.floor(outcome.guesses) } else { None };
        let steps = guesses + usize::from(cut.is_some());
        let plain = self.costs.measured(1);
        let (width, verify, draft) = (outcome.width, outcome.verify_time, outcome.draft_time);
        if outcome.allowed == 0 {
            self.costs.note(width, verify, steps, draft, outcome.context);
        } else {
            self.costs.observe(width, verify, steps, draft, outcome.context);
            self.learn_from_guesses(outcome, cut);
        }
        let changed = std::mem::replace(&mut self.last_width, outcome.width) != outcome.width;
        self.reschedule(outcome, plain, changed);
        self.follow_stretch(guesses > 0);
        let tokens = outcome.accepted as f64 + 1.0;
        self.window.push(tokens, outcome.draft_time.as_secs_f64() + outcome.verify_time.as_secs_f64());
        if self.purpose == Purpose::Work && outcome.allowed > 0 {
            let relative = self.costs.relative();
            let time = relative.verify[outcome.width.min(WIDEST)]
                + steps as f64 * relative.step
                + if changed { relative.change } else { 0.0 };
            self.working.add(tokens, time, guesses as f64);
        }
    }
}
