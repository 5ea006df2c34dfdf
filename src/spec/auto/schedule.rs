//! When to look again: the waiting times of plain rounds, peeks and tests, counted in rounds.

/// Tests before the policy trusts what it knows. Three rejected in a row leave a confident liar below 0.5, less than
/// any guess needs on the 26B, where the three cost 2.3 plain rounds.
const FIRST_TESTS: usize = 3;

/// Rounds between plain rounds while speculating: at first, and at most (docs/POLICY.md 4).
const PLAIN_INTERVALS: (usize, usize) = (16, 64);

/// Tokens per plain round from which on no decision hangs on an early second look at V(1).
const CLEAR_RATE: f64 = 1.5;

/// A plain round this far from the table's value is measured again soon …
const SURPRISE: f64 = 1.15;

/// … after so many rounds.
const SURPRISE_INTERVAL: usize = 4;

/// Share of the time that peeks may cost.
const PEEK_BUDGET: f64 = 0.004;

/// Rounds between two peeks: at first, where they cost anything, and at most (a reaction within 30 rounds).
const PEEK_INTERVALS: (f64, f64) = (4.0, 24.0);

/// Share of the time that changes of width may cost while parked …
const CHANGE_BUDGET: f64 = 0.006;

/// … and what peeks may miss at most while they wait for it, in tokens, if every guess has become right.
const MISSED_TOKENS: f64 = 16.0;

/// Share of the time that tests may cost while parked.
const TEST_BUDGET: f64 = 0.005;

/// Rounds between two tests while parked: at least, and at most.
const TEST_INTERVALS: (f64, f64) = (32.0, 320.0);

/// Rounds between two tests after one that went well although no guess was thought worth keeping.
const HOPE_INTERVAL: f64 = 4.0;

/// The waiting times, and the rounds waited.
#[derive(Clone, Debug)]
pub struct Schedule {
    first_tests_left: usize,
    since_plain: usize,
    plain_interval: usize,
    /// The last plain round surprised, which the change of width before it may explain: the next one will show.
    again: bool,
    since_peek: usize,
    peek_interval: f64,
    /// Rounds that peeks wait because of what the last wide batches cost in changes of width.
    rest: f64,
    since_test: usize,
    test_interval: f64,
}

impl Schedule {
    pub fn new() -> Schedule {
        Schedule {
            first_tests_left: FIRST_TESTS,
            since_plain: 0,
            plain_interval: PLAIN_INTERVALS.0,
            again: false,
            since_peek: 0,
            peek_interval: PEEK_INTERVALS.0,
            rest: 0.0,
            since_test: 0,
            test_interval: TEST_INTERVALS.0,
        }
    }

    /// The first tests are made again: another text.
    pub fn start_over(&mut self) {
        *self = Schedule {
            since_plain: self.since_plain,
            plain_interval: self.plain_interval,
            ..Schedule::new()
        };
    }

    /// Whether the first tests are still to be made.
    pub fn is_learning(&self) -> bool {
        self.first_tests_left > 0
    }

    /// Whether peeks follow each other without a pause: the drafter is right, or costs nothing.
    pub fn peeks_always(&self) -> bool {
        self.peek_interval < 1.0
    }

    /// Whether V(1) is to be measured, given what speculation earns where it is on, and what a change of width costs.
    pub fn plain_is_due(&self, rate: Option<f64>, change: f64) -> bool {
        let clear = rate.is_some_and(|rate| rate > CLEAR_RATE);
        let (early, late) = PLAIN_INTERVALS;
        // A look changes the width twice: where that costs a plain round, it waits for the latest interval at once.
        let affordable = ((2.0 * change * late as f64) as usize).clamp(early, late);
        let surprised = self.plain_interval < early;
        let interval = if surprised { self.plain_interval } else { self.plain_interval.max(affordable) };
        self.again || self.since_plain >= if clear { late } else { interval }
    }

    pub fn peek_is_due(&self) -> bool {
        self.since_peek as f64 >= self.peek_interval.max(self.rest)
    }

    pub fn test_is_due(&self) -> bool {
        self.since_test as f64 >= self.test_interval
    }

    /// A batch of more than one was decoded.
    pub fn after_wide(&mut self) {
        self.since_plain += 1;
    }

    /// A batch of one was decoded, in this many times the expected time. `on_purpose`: to measure it; `change`: plain
    /// rounds that a change of width takes; `promise`: tokens that a round with a right guess gains over plain.
    pub fn after_narrow(&mut self, ratio: f64, on_purpose: bool, change: f64, promise: f64) {
        let wide = std::mem::take(&mut self.since_plain);
        let changed = wide > 0;
        // The changes there and back are shared by the rounds between them.
        let each = 2.0 * change / wide.max(1) as f64;
        if changed {
            self.rest = (each / CHANGE_BUDGET).min(MISSED_TOKENS / promise.max(0.1));
        }
        if on_purpose {
            let surprising = !(1.0 / SURPRISE..=SURPRISE).contains(&ratio);
            self.again = surprising && changed;
            let wider = (self.plain_interval * 2).min(PLAIN_INTERVALS.1);
            self.plain_interval = match (surprising, changed) {
                (true, true) => self.plain_interval,
                (true, false) => SURPRISE_INTERVAL,
                (false, _) => wider,
            };
        }
    }

    /// A round without a draft has gone by.
    pub fn after_plain(&mut self) {
        self.since_peek += 1;
        self.since_test += 1;
    }

    /// After a test or an exploration of `tested` guesses; a test costs `cost` plain rounds if it fails. `hope`: it
    /// went well although no guess was thought worth keeping. `change`: the part of the cost that changes of width are.
    pub fn after_test(&mut self, tested: usize, cost: f64, change: f64, hope: bool) {
        self.first_tests_left = self.first_tests_left.saturating_sub(tested.max(1));
        self.since_test = 0;
        let steady = (cost / TEST_BUDGET).clamp(TEST_INTERVALS.0, TEST_INTERVALS.1);
        // Tests wait at once for what their changes of width cost, and by and by for what else they do.
        let next = if hope { HOPE_INTERVAL } else { self.test_interval * 2.0 };
        self.test_interval = next.max(change / TEST_BUDGET).min(steady);
    }

    /// After a round that worked; a draft step costs `step` plain rounds.
    pub fn after_work(&mut self, accepted: bool, step: f64) {
        self.since_peek = 0;
        self.rest = if accepted { 0.0 } else { self.rest };
        // A drafter that costs nothing (look-up) may be asked every round.
        let steady = (step / PEEK_BUDGET).min(PEEK_INTERVALS.1);
        let least = PEEK_INTERVALS.0.min(steady);
        self.peek_interval = if accepted { 0.0 } else { (self.peek_interval * 2.0).clamp(least, steady) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peeks_widen_while_they_fail_and_follow_each_other_while_they_succeed() {
        let mut schedule = Schedule::new();
        let mut waited = Vec::new();
        for _ in 0..5 {
            schedule.after_work(false, 0.1);
            let mut rounds = 0;
            while !schedule.peek_is_due() {
                schedule.after_plain();
                rounds += 1;
            }
            waited.push(rounds);
        }
        assert_eq!(waited, [8, 16, 24, 24, 24]);
        schedule.after_work(true, 0.1);
        assert!(schedule.peek_is_due() && schedule.peeks_always());
        schedule.after_work(false, 0.0);
        assert!(schedule.peek_is_due(), "a drafter that costs nothing");
    }

    #[test]
    fn plain_rounds_widen_to_one_in_64_and_a_surprise_is_looked_at_again() {
        let mut schedule = Schedule::new();
        let mut due = |ratio: f64, rate: Option<f64>| {
            let mut rounds = 0;
            while !schedule.plain_is_due(rate, 0.01) {
                schedule.after_wide();
                rounds += 1;
            }
            schedule.after_narrow(ratio, true, 0.01, 0.5);
            rounds
        };
        assert_eq!([due(1.0, None), due(1.05, None), due(1.0, None), due(2.0, None)], [16, 32, 64, 64]);
        // The change of width may have been it: the next round, as wide, shows whether it was.
        assert_eq!([due(2.0, None), due(1.0, None), due(1.0, None)], [0, 4, 8]);
        assert_eq!(due(1.0, Some(2.0)), 64);
        schedule.after_wide();
        schedule.after_narrow(1.5, true, 0.01, 0.5);
        assert!(schedule.plain_is_due(None, 0.01), "the change may have been dear, or the round slow");
        schedule.after_narrow(1.0, true, 0.01, 0.5);
        assert!(!schedule.plain_is_due(None, 0.01));
    }

    #[test]
    fn tests_are_rarer_where_they_are_dear() {
        let mut schedule = Schedule::new();
        (0..9).for_each(|_| schedule.after_test(1, 0.75, 0.02, false));
        assert_eq!(schedule.test_interval, 0.75 / TEST_BUDGET);
        schedule.after_test(0, 0.02, 0.02, false);
        assert_eq!(schedule.test_interval, TEST_INTERVALS.0);
        schedule.after_test(1, 0.75, 0.02, true);
        assert_eq!(schedule.test_interval, HOPE_INTERVAL);
        assert!(!schedule.is_learning());
        schedule.start_over();
        assert!(schedule.is_learning());
    }
}
