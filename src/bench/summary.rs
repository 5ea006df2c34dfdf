//! What single runs say together.

use super::{Run, Setting};

/// Median, smallest and largest of some measurements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The middle; of two, their mean.
    pub median: f64,
    /// Smallest.
    pub least: f64,
    /// Largest.
    pub most: f64,
}

impl Spread {
    /// `None` of nothing.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Spread> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let half = sorted.len() / 2;
        let median =
            if sorted.len() % 2 == 1 { sorted[half] } else { (sorted[half - 1] + sorted[half]) / 2.0 };
        Some(Spread { median, least, most })
    }
}

/// A setting on a kind of text.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Which of the kinds of text.
    pub kind: usize,
    /// How it was written.
    pub setting: Setting,
    /// Runs behind it.
    pub repeats: usize,
    /// Tokens of all of them.
    pub tokens: u32,
    /// Tokens per second.
    pub per_second: Spread,
    /// The same ÷ plain of the same repeat; `None` for plain itself.
    pub ratio: Option<Spread>,
    /// The same ÷ the fixed length that is fastest on this kind of text, of the same repeat; for `auto` only.
    pub of_best_fixed: Option<Spread>,
    /// Guesses tested, by place.
    pub tested: Vec<u32>,
    /// Guesses accepted, by place.
    pub accepted: Vec<u32>,
    /// Tokens ÷ rounds.
    pub length: f64,
    /// Milliseconds a round that llama.cpp did not compute.
    pub own_milliseconds: f64,
    /// The same ÷ the time of a plain token; `None` where plain was not measured.
    pub own_share: Option<f64>,
    /// Runs whose tokens are those of plain in the same repeat, of how many.
    pub same_text: (usize, usize),
    /// How speculation stood at the end of the last run, and why, of `auto`.
    pub state: Option<(&'static str, Option<String>)>,
}

impl Row {
    /// Accepted ÷ tested, `None` before the first test.
    #[must_use]
    pub fn accepted_share(&self) -> Option<f64> {
        let sum = |counts: &[u32]| f64::from(counts.iter().sum::<u32>());
        (sum(&self.tested) > 0.0).then(|| sum(&self.accepted) / sum(&self.tested))
    }
}

fn add(sums: &mut Vec<u32>, counts: &[u32]) {
    sums.resize(sums.len().max(counts.len()), 0);
    for (sum, count) in sums.iter_mut().zip(counts) {
        *sum += count;
    }
}

/// Ratios to another setting's run of the same repeat.
fn ratios(runs: &[&Run], to: &[&Run]) -> Vec<f64> {
    let pair = |run: &&Run| {
        let other = to.iter().find(|other| other.repeat == run.repeat)?;
        (other.per_second > 0.0).then(|| run.per_second / other.per_second)
    };
    runs.iter().filter_map(pair).collect()
}

/// A row for each kind and setting that has runs, in the order they were first run.
#[must_use]
pub fn rows(runs: &[Run]) -> Vec<Row> {
    let mut order: Vec<(usize, Setting)> = Vec::new();
    for run in runs {
        if !order.contains(&(run.kind, run.setting)) {
            order.push((run.kind, run.setting));
        }
    }
    let of = |kind: usize, setting: Setting| -> Vec<&Run> {
        runs.iter().filter(|run| run.kind == kind && run.setting == setting).collect()
    };
    order
        .iter()
        .filter_map(|&(kind, setting)| {
            let fixed =
                order.iter().filter(|(other, _)| *other == kind).map(|(_, setting)| of(kind, *setting));
            let fixed = fixed.filter(|runs| matches!(runs[0].setting, Setting::Fixed(_) | Setting::Plain));
            row(&of(kind, setting), &of(kind, Setting::Plain), &fixed.collect::<Vec<_>>())
        })
        .collect()
}

fn row(runs: &[&Run], plain: &[&Run], fixed: &[Vec<&Run>]) -> Option<Row> {
    let first = runs.first()?;
    let speeds = |runs: &[&Run]| Spread::of(&runs.iter().map(|run| run.per_second).collect::<Vec<_>>());
    let median = |runs: &[&Run]| speeds(runs).map_or(0.0, |spread| spread.median);
    let (mut tested, mut accepted) = (Vec::new(), Vec::new());
    for run in runs {
        add(&mut tested, &run.tested);
        add(&mut accepted, &run.accepted);
    }
    let tokens: u32 = runs.iter().map(|run| run.tokens).sum();
    let rounds = f64::from(runs.iter().map(|run| run.rounds).sum::<u32>()).max(1.0);
    let own = runs.iter().map(|run| run.own_seconds).sum::<f64>() / rounds;
    // The best by the medians of its speeds. Plain is a fixed length too: 0.
    let best = fixed.iter().max_by(|a, b| median(a).total_cmp(&median(b)));
    let compared: Vec<bool> = runs.iter().filter_map(|run| run.same_text).collect();
    Some(Row {
        kind: first.kind,
        setting: first.setting,
        repeats: runs.len(),
        tokens,
        per_second: speeds(runs)?,
        ratio: (first.setting != Setting::Plain).then(|| Spread::of(&ratios(runs, plain))).flatten(),
        of_best_fixed: best
            .filter(|_| first.setting == Setting::Auto)
            .and_then(|best| Spread::of(&ratios(runs, best))),
        tested,
        accepted,
        length: f64::from(tokens) / rounds,
        own_milliseconds: own * 1000.0,
        own_share: speeds(plain).map(|plain| own * plain.median),
        same_text: (compared.iter().filter(|same| **same).count(), compared.len()),
        state: runs.last().and_then(|run| run.state.clone()),
    })
}

/// A setting over all kinds of text.
#[derive(Clone, Debug, PartialEq)]
pub struct Overall {
    /// The setting.
    pub setting: Setting,
    /// Geometric mean of the ratios to plain.
    pub ratio: f64,
    /// The least of them, and on which kind of text.
    pub least: (f64, usize),
    /// The least ratio to the best fixed length of a kind, and on which; for `auto` only.
    pub of_best_fixed: Option<(f64, usize)>,
}

/// One for each setting but plain.
#[must_use]
pub fn overall(rows: &[Row]) -> Vec<Overall> {
    let mut settings: Vec<Setting> = Vec::new();
    for row in rows {
        if row.setting != Setting::Plain && !settings.contains(&row.setting) {
            settings.push(row.setting);
        }
    }
    let least = |values: &[(f64, usize)]| values.iter().copied().min_by(|a, b| a.0.total_cmp(&b.0));
    settings
        .into_iter()
        .filter_map(|setting| {
            let of = || rows.iter().filter(move |row| row.setting == setting);
            let ratios: Vec<(f64, usize)> =
                of().filter_map(|row| Some((row.ratio?.median, row.kind))).collect();
            let best: Vec<(f64, usize)> =
                of().filter_map(|row| Some((row.of_best_fixed?.median, row.kind))).collect();
            let mean = ratios.iter().map(|(ratio, _)| ratio.ln()).sum::<f64>() / ratios.len() as f64;
            Some(Overall { setting, ratio: mean.exp(), least: least(&ratios)?, of_best_fixed: least(&best) })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(kind: usize, setting: Setting, repeat: usize, per_second: f64) -> Run {
        let (tested, accepted) = match setting {
            Setting::Plain => (vec![], vec![]),
            _ => (vec![10, 8], vec![8, 4]),
        };
        Run {
            kind,
            setting,
            repeat,
            tokens: 30,
            per_second,
            rounds: 10,
            tested,
            accepted,
            own_seconds: 0.01,
            same_text: (setting != Setting::Plain).then_some(repeat != 1),
            state: None,
        }
    }

    #[test]
    fn ratios_are_taken_within_a_repeat() {
        // The machine halves its pace in the second repeat: the ratio must not notice.
        let runs = [
            run(0, Setting::Plain, 0, 100.0),
            run(0, Setting::Fixed(2), 0, 150.0),
            run(0, Setting::Auto, 0, 144.0),
            run(0, Setting::Auto, 1, 72.0),
            run(0, Setting::Fixed(2), 1, 75.0),
            run(0, Setting::Plain, 1, 50.0),
        ];
        let rows = rows(&runs);
        assert_eq!(rows.len(), 3);
        assert_eq!(rows[1].ratio, Some(Spread { median: 1.5, least: 1.5, most: 1.5 }));
        assert!((rows[2].of_best_fixed.unwrap().median - 0.96).abs() < 1e-12);
        assert_eq!((rows[1].tested.as_slice(), rows[1].accepted.as_slice()), (&[20, 16][..], &[16, 8][..]));
        assert_eq!(rows[1].same_text, (1, 2));
        assert_eq!((rows[1].length, rows[1].own_milliseconds), (3.0, 1.0));
        // 1 ms of 75 tokens a second (the median of 100 and 50).
        assert!((rows[1].own_share.unwrap() - 0.075).abs() < 1e-12);
        assert_eq!((rows[0].ratio, rows[0].of_best_fixed), (None, None));
        let all = overall(&rows);
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].least, all[0].of_best_fixed), ((1.5, 0), None));
        assert!((all[0].ratio - 1.5).abs() < 1e-12 && all[1].of_best_fixed.is_some());
    }

    #[test]
    fn plain_is_the_best_fixed_length_where_none_pays() {
        let runs = [
            run(0, Setting::Plain, 0, 100.0),
            run(0, Setting::Fixed(3), 0, 80.0),
            run(0, Setting::Auto, 0, 99.0),
        ];
        assert_eq!(rows(&runs)[2].of_best_fixed.unwrap().median, 0.99);
    }

    #[test]
    fn the_middle_of_an_even_number_is_between_two() {
        assert_eq!(Spread::of(&[4.0, 1.0, 2.0, 3.0]), Some(Spread { median: 2.5, least: 1.0, most: 4.0 }));
        assert_eq!(Spread::of(&[]), None);
    }
}
