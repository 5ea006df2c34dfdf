//! Has what was drawn the target's own distribution? Pearson's chi-square test over the tokens of one place.

use super::{LEAST_EXPECTED, chance_of_more};
use crate::experiment::Cell;

/// The test of one place.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// Draws that count: of tokens that are certainly left by top-k, top-p and min-p.
    pub draws: u32,
    /// Draws of tokens so near an edge that noise decides whether they are left. They tell nothing, and the others'
    /// distribution among themselves does not depend on them.
    pub at_an_edge: u32,
    /// Draws of tokens that cannot be drawn. A single one is an error.
    pub impossible: u32,
    /// Cells compared, those with small expectations put together.
    pub cells: usize,
    /// Pearson's statistic.
    pub statistic: f64,
    /// The chance of a statistic at least as large where the distribution is right; `None` where there is nothing to
    /// compare, because nearly all draws are expected to be of one token, or there were too few.
    pub p: Option<f64>,
}

/// Tests a place. Edges nearer than `noise` are left to it.
#[must_use]
pub fn test(cells: &[Cell], noise: f64) -> Test {
    let count = |chosen: &dyn Fn(&Cell) -> bool| {
        cells.iter().filter(|cell| chosen(cell)).map(|cell| cell.drawn).sum()
    };
    let certain: Vec<&Cell> = cells.iter().filter(|cell| cell.edge > noise).collect();
    let draws: u32 = certain.iter().map(|cell| cell.drawn).sum();
    let mass: f64 = certain.iter().map(|cell| cell.probability).sum();
    let (mut compared, mut rest) = (Vec::new(), (0.0, 0.0));
    for cell in certain {
        let (drawn, expected) = (f64::from(cell.drawn), f64::from(draws) * cell.probability / mass);
        if expected >= LEAST_EXPECTED {
            compared.push((drawn, expected));
        } else {
            rest = (rest.0 + drawn, rest.1 + expected);
        }
    }
    if rest.1 >= LEAST_EXPECTED {
        compared.push(rest);
    } else if let Some(smallest) = compared.iter_mut().min_by(|a, b| a.1.total_cmp(&b.1)) {
        *smallest = (smallest.0 + rest.0, smallest.1 + rest.1);
    }
    let statistic = compared.iter().map(|(drawn, expected)| (drawn - expected).powi(2) / expected).sum();
    let p = (compared.len() > 1).then(|| chance_of_more(statistic, compared.len() - 1));
    Test {
        draws,
        at_an_edge: count(&|cell| cell.edge.abs() <= noise),
        impossible: count(&|cell| cell.edge < -noise),
        cells: compared.len(),
        statistic,
        p,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::TokenId;

    /// The target's probabilities and a drafter's, which a wrong acceptance rule lets through.
    const TARGET: [f64; 5] = [0.5, 0.25, 0.15, 0.07, 0.03];
    const DRAFTER: [f64; 5] = [0.58, 0.22, 0.12, 0.06, 0.02];

    fn cells(drawn: [u32; 5]) -> Vec<Cell> {
        let tokens = (0..).map(TokenId);
        let numbers = tokens.zip(TARGET).zip(drawn);
        numbers
            .map(|((token, probability), drawn)| Cell { token, probability, edge: f64::INFINITY, drawn })
            .collect()
    }

    /// Draws from a distribution, with a counter as the source of luck.
    fn draws(distribution: [f64; 5], count: u32) -> [u32; 5] {
        let mut drawn = [0; 5];
        for index in 0..count {
            let luck = f64::from(index.wrapping_mul(2_654_435_761).rotate_left(13).wrapping_mul(0x9E37_79B1))
                / f64::from(u32::MAX);
            let mut mass = 0.0;
            let place = distribution.iter().position(|chance| {
                mass += chance;
                luck < mass
            });
            drawn[place.unwrap_or(4)] += 1;
        }
        drawn
    }

    #[test]
    fn the_targets_own_distribution_passes_and_the_drafters_fails() {
        let right = test(&cells(draws(TARGET, 2000)), 0.01);
        assert!(right.p.is_some_and(|p| p > 0.001), "{right:?}");
        assert_eq!((right.draws, right.cells), (2000, 5));
        let wrong = test(&cells(draws(DRAFTER, 2000)), 0.01);
        assert!(wrong.p.is_some_and(|p| p < 1e-6), "{wrong:?}");
    }

    #[test]
    fn a_token_that_cannot_be_drawn_is_an_error_and_one_at_an_edge_tells_nothing() {
        let mut some = cells([500, 250, 150, 70, 30]);
        some.push(Cell { token: TokenId(8), probability: 0.0, edge: -0.004, drawn: 300 });
        some.push(Cell { token: TokenId(9), probability: 0.0, edge: -0.4, drawn: 1 });
        let found = test(&some, 0.01);
        assert_eq!((found.draws, found.at_an_edge, found.impossible), (1000, 300, 1));
        assert!(found.p.is_some_and(|p| p > 0.99), "{found:?}");
    }

    #[test]
    fn nothing_to_compare_gives_no_p() {
        assert_eq!(test(&cells([3, 1, 0, 0, 0]), 0.0).p, None);
        assert_eq!(test(&[], 0.0).p, None);
        let one = Cell { token: TokenId(1), probability: 1.0, edge: f64::INFINITY, drawn: 900 };
        assert_eq!(test(&[one], 0.0).p, None);
    }
}
