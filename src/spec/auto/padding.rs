//! Which width a batch is decoded at (docs/POLICY.md 2): its own, or a wider one that was measured to take less time.
//!
//! Verify times are a staircase whose steps go down as well as up (on the 26B here four tokens take less time than
//! two), so that padding tokens whose rows nobody reads can make a round faster.

use super::costs::{CostTable, FEW, WIDEST};

/// Share of its time that a batch must save by its padding. Less is noise, or the rows that are decoded for nothing.
const SAVING: f64 = 0.03;

/// The width that each batch (index: its tokens) is decoded at, none wider than `widest`, after a batch of `last`: another
/// width pays for its change. A plain round is never padded: its time is the measure of all others.
pub fn padded_widths(costs: &CostTable, widest: usize, last: usize) -> [usize; WIDEST + 1] {
    let mut decoded = std::array::from_fn(|width| width);
    let relative = costs.relative();
    let time = |width: usize| relative.verify[width] + if width == last { 0.0 } else { relative.change };
    // The cheapest of the wider batches that were measured often enough to be believed.
    let mut cheapest: Option<usize> = None;
    for width in (2..=widest.min(WIDEST)).rev() {
        let rounds = costs.rounds_with_stored(width);
        // A width that was measured once or twice is not given up: it may have been unlucky.
        let judged = rounds == 0 || rounds >= FEW;
        if let Some(wider) = cheapest.filter(|&wider| judged && time(wider) <= (1.0 - SAVING) * time(width)) {
            decoded[width] = wider;
        }
        if rounds >= FEW && cheapest.is_none_or(|wider| time(width) < time(wider)) {
            cheapest = Some(width);
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::costs::CostRecord;
    use super::*;

    fn table(cells: &[(usize, f64, usize)]) -> CostTable {
        let mut table = CostTable::new();
        for &(width, time, rounds) in cells {
            for _ in 0..rounds {
                table.observe(width, Duration::from_secs_f64(time), 0, Duration::ZERO, 0);
            }
        }
        table
    }

    #[test]
    fn a_batch_is_decoded_at_the_cheapest_width_that_holds_it() {
        let costs =
            table(&[(1, 1.0, 5), (2, 1.33, 5), (3, 1.64, 5), (4, 1.18, 5), (5, 1.55, 5), (8, 1.54, 5)]);
        assert_eq!(padded_widths(&costs, 8, 1)[..9], [0, 1, 4, 4, 4, 5, 6, 7, 8]);
        assert_eq!(padded_widths(&costs, 3, 1)[..5], [0, 1, 2, 3, 4], "four do not fit");
        assert_eq!(padded_widths(&costs, 99, 1), padded_widths(&costs, WIDEST, 1));
    }

    #[test]
    fn what_is_not_well_measured_is_neither_chosen_nor_given_up() {
        let costs = table(&[(1, 1.0, 5), (2, 1.33, FEW), (3, 9.0, 1), (4, 1.18, FEW), (8, 0.9, FEW - 1)]);
        let widths = padded_widths(&costs, WIDEST, 1);
        assert_eq!(widths[2..5], [4, 3, 4]);
        let unmeasured = table(&[(1, 1.0, 5), (2, 1.4, FEW), (4, 1.0, FEW)]);
        assert_eq!(
            padded_widths(&unmeasured, WIDEST, 1)[2..5],
            [4, 4, 4],
            "on the line between two measured ones"
        );
    }

    #[test]
    fn stored_times_are_believed_and_a_change_of_width_must_be_earned() {
        let record = table(&[(1, 1.0, 5), (2, 1.33, 5), (4, 1.18, 5)]).export();
        let mut costs = CostTable::new();
        costs.import(&record);
        assert_eq!(padded_widths(&costs, WIDEST, 1)[2..4], [4, 4]);
        costs = CostTable::new();
        costs.import(&CostRecord { change: Some(0.3), ..record });
        assert_eq!(padded_widths(&costs, WIDEST, 2)[2..4], [2, 4], "two follow two");
        assert_eq!(padded_widths(&costs, WIDEST, 4)[2..4], [4, 4]);
    }

    #[test]
    fn plain_rounds_and_near_ties_are_not_padded() {
        let costs = table(&[(1, 1.0, 5), (2, 0.9, 5), (3, 0.89, 5), (4, 0.88, 5)]);
        assert_eq!(padded_widths(&costs, WIDEST, 1)[..5], [0, 1, 2, 3, 4]);
    }
}
