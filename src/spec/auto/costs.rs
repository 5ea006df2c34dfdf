//! What a round costs on this machine: time by batch width and coarse context depth, and time per draft step.
//! A table and not a slope, because verify times are a staircase: a batch of four may take less time than three.

use std::time::Duration;

use super::change::Change;
use super::recent::Recent;

/// Widest batch that is told apart: 16 guesses and the last token. A wider one counts as this wide.
pub const WIDEST: usize = 17;

/// Tokens in the cache from which on each row of the table holds. Attention grows with the context, and with it the
/// share of a round that does not depend on the batch; a factor of four apart is as fine as medians can follow.
const DEPTHS: [u32; 4] = [0, 2_048, 8_192, 32_768];

/// Rounds that a width's time is the median of.
const ROUNDS: usize = 9;

/// Plain rounds that "plain" on screen is the median of, and the least it is shown from (docs/NUMBERS.md).
pub const PLAIN_ROUNDS: usize = 32;

/// Rounds by whose middle it is judged whether the whole machine has changed its pace.
const PACE_ROUNDS: usize = 5;

/// A pace within this factor of the table's is noise, or left to the medians of each width; beyond it the machine has
/// changed (throttled, another program, on battery), and all widths alike: the whole table is scaled.
const PACE_CHANGE: f64 = 1.2;

/// Single rounds by which it is judged how far times spread of themselves …
const SPREAD_ROUNDS: usize = 17;

/// … and how many times their middle deviation the pace must be off by, if that is more. Scaling by an accident costs
/// more than it helps: widths that are measured often come back, and V(1) stays wrong.
const PACE_SPREADS: f64 = 4.0;

/// Time of one more token in a batch, in plain rounds, before two widths are known. The middle of what was measured (docs/POLICY.md 5).
const FIRST_SLOPE: f64 = 0.3;

/// Time that a change of width is taken to add at least, in plain rounds: what it is on the 26B here (5 of 530 ms). On
/// the built-in pair it is half a plain round (0.37 of 0.68 ms).
const LEAST_CHANGE: f64 = 0.01;

/// Fewer rounds than this may all have been unlucky.
pub const FEW: usize = 3;

/// A plain round this much slower than a wider one is doubted; less is noise.
const DOUBTFUL_PLAIN: f64 = 1.15;

/// A batch that takes less than this many plain rounds hides no dear change of width.
const CHEAP: f64 = 1.15;

/// What is stored of the table, and read again at the next start: plain data.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CostRecord {
    /// Times of verify batches.
    pub verify: Vec<VerifyCost>,
    /// Seconds per draft step, where any was made.
    pub draft_step: Option<f64>,
    /// Seconds that a change of width adds to a batch: llama.cpp builds its graph anew. `None` where none was seen.
    pub change: Option<f64>,
}

/// One cell of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VerifyCost {
    /// Tokens in the cache, to the depth that is told apart.
    pub context: u32,
    /// Tokens in the batch: 1 is a plain round.
    pub width: u32,
    /// Median seconds.
    pub seconds: f64,
    /// Rounds it is the median of.
    pub rounds: u32,
}

/// The table.
#[derive(Clone, Debug)]
pub struct CostTable {
    verify: [[Recent<ROUNDS>; WIDEST + 1]; DEPTHS.len()],
    step: Recent<ROUNDS>,
    plain: Recent<PLAIN_ROUNDS>,
    pace: Recent<PACE_ROUNDS>,
    change: Change<{ WIDEST + 1 }>,
    /// Rounds that stored times are the medians of, a few at most.
    stored: [usize; WIDEST + 1],
    /// Factors, at least 1, by which single rounds were off.
    spread: Recent<SPREAD_ROUNDS>,
    depth: usize,
    relative: Relative,
    /// Rounds were noted that `relative` does not know of.
    is_stale: bool,
}

/// The table in plain rounds of now, every width filled in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Relative {
    /// Time by batch width (index 0 is unused).
    pub verify: [f64; WIDEST + 1],
    /// Time per draft step.
    pub step: f64,
    /// Time that a change of width adds.
    pub change: f64,
    /// The widest batch ever measured; wider ones are extrapolated.
    pub widest: usize,
}

/// Seconds that can be reckoned with: a clock that stood still or jumped gives none.
fn usable(seconds: f64) -> bool {
    seconds.is_finite() && seconds > 0.0
}

impl CostTable {
    pub fn new() -> CostTable {
        let mut table = CostTable {
            verify: [[Recent::default(); WIDEST + 1]; DEPTHS.len()],
            step: Recent::default(),
            plain: Recent::default(),
            pace: Recent::default(),
            change: Change::default(),
            stored: [0; WIDEST + 1],
            spread: Recent::default(),
            depth: 0,
            relative: Relative { verify: [1.0; WIDEST + 1], step: 0.0, change: LEAST_CHANGE, widest: 0 },
            is_stale: false,
        };
        table.fill();
        table
    }

    /// Adds a round of `width` tokens and `steps` draft steps.
    pub fn observe(&mut self, width: usize, verify: Duration, steps: usize, draft: Duration, context: u32) {
        self.note(width, verify, steps, draft, context);
        self.refresh();
    }

    /// As `observe`, but what follows from the round waits for `refresh`: a plain round changes little, and where it takes
    /// a millisecond, working it out each time is felt.
    pub fn note(&mut self, width: usize, verify: Duration, steps: usize, draft: Duration, context: u32) {
        let depth = DEPTHS.iter().rposition(|&from| context >= from).unwrap_or(0);
        let width = width.clamp(1, WIDEST);
        let (verify, draft) = (verify.as_secs_f64(), draft.as_secs_f64());
        self.depth = depth;
        // The pace is not judged by a round whose change nobody knows.
        let judged = !self.change.is_change(width) || self.change.believed().is_some();
        if let Some(verify) = self.change.observe(width, Some(verify).filter(|&time| usable(time))) {
            if let Some(expected) = self.measured(width).filter(|_| judged) {
                let ratio = verify / expected;
                self.pace.push(ratio);
                self.spread.push(ratio.max(1.0 / ratio));
                self.follow_pace();
            }
            self.verify[depth][width].push(verify);
            if width == 1 {
                self.plain.push(verify);
            }
        }
        if steps > 0 && usable(draft) {
            self.step.push(draft / steps as f64);
        }
        self.is_stale = true;
    }

    /// Works out what follows from the rounds noted.
    pub fn refresh(&mut self) {
        if std::mem::take(&mut self.is_stale) {
            self.fill();
        }
    }

    fn follow_pace(&mut self) {
        let Some(pace) = self.pace.middle() else { return };
        let spread = self.spread.middle().unwrap_or(1.0) - 1.0;
        let usual = PACE_CHANGE.max(1.0 + PACE_SPREADS * spread);
        if self.pace.count() < PACE_ROUNDS || (1.0 / usual..=usual).contains(&pace) {
            return;
        }
        self.verify.iter_mut().flatten().for_each(|recent| recent.scale(pace));
        self.change.scale(pace);
        self.step.scale(pace);
        self.plain.scale(pace);
        self.pace.clear();
    }

    /// Seconds of a width: at this depth, or else at the nearest that has any.
    pub fn measured(&self, width: usize) -> Option<f64> {
        let own = self.verify[self.depth][width].middle();
        own.or_else(|| {
            (1..DEPTHS.len()).find_map(|distance| {
                let below = self.depth.checked_sub(distance);
                let above = Some(self.depth + distance);
                let at = |depth: usize| self.verify.get(depth).and_then(|row| row[width].middle());
                below.and_then(at).or_else(|| above.and_then(at))
            })
        })
    }

    /// Whether a width's time is known apart from what a change to it adds, or hardly more than plain in any case.
    pub fn is_settled(&self, width: usize) -> bool {
        let Some(measured) = self.measured(width) else { return false };
        let cheap = self.measured(1).is_some_and(|plain| measured < CHEAP * plain);
        cheap || self.change.is_settled(width) || self.change.believed().is_some()
    }

    /// Rounds measured at a width, here or before its time was stored.
    pub fn rounds_with_stored(&self, width: usize) -> usize {
        self.rounds(width).max(self.stored[width])
    }

    /// Rounds measured at a width, at any depth (the latest few only).
    pub fn rounds(&self, width: usize) -> usize {
        self.verify.iter().map(|row| row[width].count()).max().unwrap_or(0)
    }

    /// A plain round was measured once or twice, slower than a wider one: it will have been an accident.
    pub fn plain_is_doubtful(&self) -> bool {
        let Some(plain) = self.measured(1).filter(|_| self.rounds(1) < FEW) else { return false };
        (2..=WIDEST).filter_map(|width| self.measured(width)).any(|wider| plain > DOUBTFUL_PLAIN * wider)
    }

    /// Fills gaps: between two measured widths a straight line, beyond the last one the slope of the last two.
    fn fill(&mut self) {
        let mut seconds = [0.0; WIDEST + 1];
        let (mut last, mut slope) = (0, 0.0);
        let mut least = f64::INFINITY;
        let few_plain = self.rounds(1) < FEW;
        for width in 1..=WIDEST {
            let Some(measured) = self.measured(width) else { continue };
            // A batch of one is never slower than a wider one: an unlucky measurement of it is corrected by others, by
            // any of them while there is little else, and later by those that are not flukes themselves.
            if few_plain || self.rounds(width) >= FEW {
                least = least.min(measured);
            }
            seconds[width] = measured;
            if last > 0 {
                slope = (measured - seconds[last]) / (width - last) as f64;
                for between in last + 1..width {
                    seconds[between] = seconds[last] + slope * (between - last) as f64;
                }
            }
            last = width;
        }
        if last == 0 {
            return;
        }
        if self.measured(1).is_none() {
            // Never so far without a plain round: it is the first thing the policy asks for.
            seconds[1] = least;
        }
        let plain = seconds[1].min(least);
        let slope = if last == 1 { FIRST_SLOPE * plain } else { slope.max(0.0) };
        for width in last + 1..=WIDEST {
            seconds[width] = seconds[last] + slope * (width - last) as f64;
        }
        for (relative, seconds) in self.relative.verify.iter_mut().zip(seconds) {
            *relative = seconds / plain;
        }
        self.relative.verify[1] = 1.0;
        self.relative.step = self.step.middle().map_or(0.0, |step| step / plain);
        self.relative.change = self.change.believed().map_or(0.0, |change| change / plain).max(LEAST_CHANGE);
        self.relative.widest = last;
    }

    pub fn relative(&self) -> &Relative {
        &self.relative
    }

    /// Seconds of a plain round for the screen, and how many it is the median of.
    pub fn plain(&self) -> (Option<f64>, usize) {
        (self.plain.middle(), self.plain.count())
    }

    pub fn export(&self) -> CostRecord {
        let cells = self.verify.iter().zip(DEPTHS).flat_map(|(row, context)| {
            row.iter().enumerate().filter_map(move |(width, recent)| {
                let seconds = recent.middle()?;
                let rounds = if width == 1 { self.plain.count().max(recent.count()) } else { recent.count() };
                Some(VerifyCost { context, width: width as u32, seconds, rounds: rounds as u32 })
            })
        });
        CostRecord { verify: cells.collect(), draft_step: self.step.middle(), change: self.change.believed() }
    }

    /// Takes in what was stored; cells that make no sense are left out. A cell counts as one round, which
    /// two of this machine's own outvote, but batches are padded by its word.
    pub fn import(&mut self, record: &CostRecord) {
        for cell in &record.verify {
            let width = cell.width as usize;
            if !usable(cell.seconds) || !(1..=WIDEST).contains(&width) {
                continue;
            }
            let depth = DEPTHS.iter().rposition(|&from| cell.context >= from).unwrap_or(0);
            self.verify[depth][width].push(cell.seconds);
            self.stored[width] = self.stored[width].max((cell.rounds as usize).min(FEW));
            if width == 1 {
                (0..(cell.rounds as usize).min(PLAIN_ROUNDS)).for_each(|_| self.plain.push(cell.seconds));
            }
        }
        if let Some(change) = record.change.filter(|&change| usable(change)) {
            self.change.import(change);
        }
        if let Some(step) = record.draft_step.filter(|&step| usable(step)) {
            (0..ROUNDS / 2).for_each(|_| self.step.push(step));
        }
        self.fill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(time: f64) -> Duration {
        Duration::from_secs_f64(time)
    }

    /// A table of the 26B (docs/POLICY.md 5) without its width 3.
    fn table() -> CostTable {
        let mut table = CostTable::new();
        for (width, time) in [(1, 0.07), (2, 0.1155), (4, 0.217)] {
            for _ in 0..ROUNDS {
                table.observe(width, seconds(time), width - 1, seconds(0.007 * (width - 1) as f64), 100);
            }
        }
        table
    }

    #[test]
    fn fills_gaps_and_goes_on_beyond_the_last() {
        let relative = *table().relative();
        assert_eq!(relative.widest, 4);
        let expected = [1.0, 1.65, 2.375, 3.1, 3.825];
        for (width, time) in (1..).zip(expected) {
            assert!((relative.verify[width] - time).abs() < 1e-6, "{width}: {}", relative.verify[width]);
        }
        assert!((relative.step - 0.1).abs() < 1e-6);
        let one = {
            let mut table = CostTable::new();
            table.observe(1, seconds(0.07), 0, Duration::ZERO, 0);
            *table.relative()
        };
        assert!((one.verify[2] - 1.0 - FIRST_SLOPE).abs() < 1e-9);
    }

    #[test]
    fn one_slow_round_moves_nothing_and_a_slow_machine_moves_all() {
        let mut slow = table();
        slow.observe(4, seconds(60.0), 3, seconds(60.0), 100);
        assert_eq!(slow.relative(), table().relative());
        let (before, _) = slow.plain();
        for _ in 0..6 {
            slow.observe(4, seconds(0.434), 3, seconds(0.042), 100);
        }
        let ratio = slow.plain().0.unwrap() / before.unwrap();
        assert!((ratio - 2.0).abs() < 0.01, "plain follows a machine at half its pace: {ratio}");
        assert!((slow.relative().verify[4] - 3.1).abs() < 0.01);
    }

    #[test]
    fn each_depth_has_its_row_and_borrows_from_the_nearest() {
        let mut table = table();
        for _ in 0..ROUNDS {
            table.observe(1, seconds(0.08), 0, Duration::ZERO, 10_000);
        }
        assert!((table.measured(1).unwrap() - 0.08).abs() < 1e-9);
        assert!((table.measured(2).unwrap() - 0.1155).abs() < 1e-9, "borrowed");
        table.observe(1, seconds(0.07), 0, Duration::ZERO, 100);
        assert!((table.measured(1).unwrap() - 0.07).abs() < 1e-9);
        let mut copy = CostTable::new();
        copy.import(&table.export());
        assert_eq!(copy.export().verify.len(), table.export().verify.len());
        assert_eq!(copy.measured(4), table.measured(4));
    }

    #[test]
    fn an_unlucky_first_plain_round_is_doubted() {
        let mut table = CostTable::new();
        table.observe(1, seconds(0.7), 0, Duration::ZERO, 0);
        assert!(!table.plain_is_doubtful());
        table.observe(2, seconds(0.11), 1, seconds(0.007), 0);
        assert!(table.plain_is_doubtful());
        table.observe(1, seconds(0.07), 0, Duration::ZERO, 0);
        assert!(!table.plain_is_doubtful() && table.relative().verify[2] > 1.5);
    }
}
