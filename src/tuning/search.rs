//! What is tried, and what is made of the times.

use std::time::Duration;

use crate::spec::{CostRecord, VerifyCost};

/// Batches of one width in a row. The first of them finds llama.cpp's graph built for another width, and is not counted.
pub const BLOCK: usize = 3;

/// Plain steps behind a plain speed that is shown (docs/NUMBERS.md).
const PLAIN_ROUNDS: usize = 32;

/// A larger number of threads must be this much faster than a smaller one: cores have other work, and batteries end.
const WORTH_MORE_THREADS: f64 = 0.98;

/// Thread counts worth trying: powers of two below the physical cores, those, and what the system calls processors.
#[must_use]
pub fn candidates(physical: u32, logical: u32) -> Vec<u32> {
    let physical = physical.max(1);
    let mut counts: Vec<u32> = std::iter::successors(Some(1_u32), |count| count.checked_mul(2))
        .take_while(|count| *count < physical)
        .collect();
    counts.push(physical);
    if logical > physical {
        counts.push(logical);
    }
    counts
}

/// The candidate with the least median time, the smaller one where two are nearly equal; `None` of nothing.
#[must_use]
pub fn fastest(times: &[(u32, Vec<Duration>)]) -> Option<u32> {
    let mut medians: Vec<(u32, f64)> =
        times.iter().filter_map(|(count, times)| Some((*count, middle(times)?))).collect();
    medians.sort_by_key(|(count, _)| *count);
    let mut best: Option<(u32, f64)> = None;
    for (count, time) in medians {
        if best.is_none_or(|(_, least)| time < least * WORTH_MORE_THREADS) {
            best = Some((count, time));
        }
    }
    best.map(|(count, _)| count)
}

/// A batch must not take longer than this many times its tokens one by one: no kernel is that bad, a machine busy with
/// something else is.
const ABSURD: f64 = 1.5;

/// Takes the costs of batches out that cannot be true (`ABSURD`), and returns how many there were. Without a plain time
/// there is nothing to compare with.
pub fn drop_absurd(costs: &mut CostRecord) -> usize {
    let Some(plain) = costs.verify.iter().find(|cell| cell.width == 1).map(|cell| cell.seconds) else {
        return 0;
    };
    let before = costs.verify.len();
    costs.verify.retain(|cell| cell.seconds <= ABSURD * plain * f64::from(cell.width));
    before - costs.verify.len()
}

/// The order in which widths are timed: blocks of one width, all widths in turn, and that `repeats` times, every other
/// time backwards, so that what drifts falls on all alike; and at last plain steps, so many that their median may be
/// shown as "plain" from the next start on.
#[must_use]
pub fn schedule(widths: &[u32], repeats: usize) -> Vec<u32> {
    let mut order = Vec::new();
    for repeat in 0..repeats {
        let mut widths = widths.to_vec();
        if repeat % 2 == 1 {
            widths.reverse();
        }
        order.extend(widths.iter().flat_map(|width| [*width; BLOCK]));
    }
    order.extend([1; PLAIN_ROUNDS + 1]);
    order
}

/// The cost table of a schedule's times; what a change of width adds is the median over blocks.
#[must_use]
pub fn table(order: &[u32], batches: &[Duration], steps: &[Duration], context: u32) -> CostRecord {
    let mut widths: Vec<u32> = order.to_vec();
    widths.sort_unstable();
    widths.dedup();
    let mut rest = batches;
    let blocks: Vec<(u32, &[Duration])> = order
        .chunk_by(|a, b| a == b)
        .map(|block| {
            let times;
            (times, rest) = rest.split_at(block.len().min(rest.len()));
            (block[0], times)
        })
        .collect();
    let verify: Vec<VerifyCost> = widths
        .iter()
        .filter_map(|&width| {
            let steady =
                blocks.iter().filter(|block| block.0 == width).flat_map(|block| block.1.iter().skip(1));
            let times: Vec<Duration> = steady.copied().collect();
            let rounds = u32::try_from(times.len()).unwrap_or(u32::MAX);
            Some(VerifyCost { context, width, seconds: middle(&times)?, rounds })
        })
        .collect();
    let mut changes: Vec<f64> = blocks
        .iter()
        .filter_map(|(width, times)| {
            let steady = verify.iter().find(|cell| cell.width == *width)?.seconds;
            Some(times.first()?.as_secs_f64() - steady)
        })
        .collect();
    changes.sort_by(f64::total_cmp);
    let change = changes.get(changes.len() / 2).copied();
    CostRecord { verify, draft_step: middle(steps), change }
}

/// The lower median in seconds, `None` of nothing: a machine is never too fast by accident.
fn middle(times: &[Duration]) -> Option<f64> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let time = sorted.get(sorted.len().saturating_sub(1) / 2)?.as_secs_f64();
    (time > 0.0).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milliseconds(times: &[u64]) -> Vec<Duration> {
        times.iter().map(|time| Duration::from_millis(*time)).collect()
    }

    #[test]
    fn threads_to_try_end_with_what_the_machine_has() {
        assert_eq!(candidates(1, 1), [1]);
        assert_eq!(candidates(2, 2), [1, 2]);
        assert_eq!(candidates(6, 12), [1, 2, 4, 6, 12]);
        assert_eq!(candidates(0, 0), [1]);
    }

    #[test]
    fn a_busy_machine_is_noticed() {
        let cell = |width, seconds| VerifyCost { context: 0, width, seconds, rounds: 6 };
        let mut costs = CostRecord {
            verify: vec![cell(1, 0.1), cell(2, 0.25), cell(4, 0.7)],
            draft_step: None,
            change: None,
        };
        assert_eq!(drop_absurd(&mut costs), 1);
        assert_eq!(costs.verify.iter().map(|cell| cell.width).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn more_threads_must_be_worth_it() {
        let times = |one: u64, two: u64| {
            fastest(&[(2, milliseconds(&[two, two, 900])), (1, milliseconds(&[one, one, one]))])
        };
        assert_eq!(times(100, 60), Some(2));
        assert_eq!(times(100, 99), Some(1));
        assert_eq!(times(100, 140), Some(1));
        assert_eq!(fastest(&[]), None);
    }

    #[test]
    fn a_table_leaves_the_first_of_each_block_out() {
        let order = schedule(&[1, 4], 2);
        assert_eq!(order[..12], [1, 1, 1, 4, 4, 4, 4, 4, 4, 1, 1, 1]);
        assert!(order.len() == 12 + PLAIN_ROUNDS + 1 && order[12..].iter().all(|width| *width == 1));
        // Two blocks of four tokens stand next to each other: one first batch.
        let order = &order[..12];
        let batches = milliseconds(&[75, 70, 71, 250, 217, 218, 217, 216, 219, 73, 70, 900]);
        let costs = table(order, &batches, &milliseconds(&[7, 8, 7]), 0);
        let cells: Vec<(u32, f64, u32)> =
            costs.verify.iter().map(|cell| (cell.width, cell.seconds, cell.rounds)).collect();
        assert_eq!(cells, [(1, 0.070, 4), (4, 0.217, 5)]);
        assert_eq!(costs.draft_step, Some(0.007));
        // 5, 33 and 3 ms.
        assert!((costs.change.unwrap() - 0.005).abs() < 1e-9, "{costs:?}");
        assert_eq!(table(&[], &[], &[], 0), CostRecord::default());
    }
}
