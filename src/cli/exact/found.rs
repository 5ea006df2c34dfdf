//! What the exactness check has found so far, and what that is as evidence.

use crate::exact::{Difference, Evidence, Floor, NOISE_FACTOR, Rows, explained, test};
use crate::experiment::{Gap, Noise, Place, Tally};

/// A reply with the drafter, beside the plain one.
pub struct Compared {
    /// The kind of text.
    pub kind: String,
    /// How tokens were drawn: greedy, or the seed.
    pub sampling: String,
    /// The draft length's name.
    pub setting: String,
    /// Tokens of the reply.
    pub tokens: usize,
    /// Rounds.
    pub rounds: u32,
    /// Guesses tested.
    pub tested: u32,
    /// Guesses accepted.
    pub accepted: u32,
    /// Its rows of scores beside the plain ones.
    pub rows: Rows,
    /// As much of the prompt was in the cache as for the plain reply.
    pub read_alike: bool,
    /// Where it first differs, if it does, and how near the two tokens are, once that is measured.
    pub difference: Option<(Difference, Option<Gap>)>,
}

/// What was drawn at one place.
pub struct Drawn {
    /// The kind of text.
    pub kind: String,
    /// Tokens of the reply before it.
    pub place: usize,
    /// What was drawn.
    pub tally: Tally,
}

/// All that was found so far.
#[derive(Default)]
pub struct Found {
    /// Replies with the drafter.
    pub compared: Vec<Compared>,
    /// The noise along the greedy reply of each kind of text.
    pub noise: Vec<(String, Noise)>,
    /// Draws.
    pub drawn: Vec<Drawn>,
    /// Why the drafter failed, where it did.
    pub drafter_failed: Option<String>,
    /// Nothing in a decode depends on the width of the batch: no row may differ, and there are no near ties.
    pub rows_promised: bool,
    /// Ended by Ctrl+C.
    pub incomplete: bool,
}

impl Found {
    /// The noise over all places, `None` before any was measured.
    #[must_use]
    pub fn floor(&self) -> Option<Floor> {
        let places: Vec<Place> = self.noise.iter().flat_map(|(_, noise)| &noise.places).copied().collect();
        Floor::over(&places)
    }

    /// What reading a prompt in another way does to scores, at most.
    #[must_use]
    pub fn prompt_noise(&self) -> f64 {
        self.noise.iter().map(|(_, noise)| noise.prompt).fold(0.0, f64::max)
    }

    /// Whether noise explains a difference.
    #[must_use]
    pub fn is_near_tie(&self, compared: &Compared, gap: &Gap) -> bool {
        let floor = self.floor().map_or(0.0, |floor| floor.floor);
        !self.rows_promised
            && explained(gap, if compared.read_alike { floor } else { floor.max(self.prompt_noise()) })
    }

    /// Of the first differences that were measured: how many are near ties, and how many are not.
    #[must_use]
    pub fn measured(&self) -> (usize, usize) {
        let gaps = self.compared.iter().filter_map(|compared| match &compared.difference {
            Some((_, Some(gap))) => Some(self.is_near_tie(compared, gap)),
            _ => None,
        });
        let near_ties = gaps.clone().filter(|is_near_tie| *is_near_tie).count();
        (near_ties, gaps.count() - near_ties)
    }

    /// Rows of scores, over all replies whose prompt was read alike.
    #[must_use]
    pub fn rows(&self) -> Rows {
        let alike = self.compared.iter().filter(|compared| compared.read_alike);
        alike.fold(Rows::default(), |all, compared| Rows {
            compared: all.compared + compared.rows.compared,
            differing: all.differing + compared.rows.differing,
            first: None,
        })
    }

    /// All of it, as it is judged.
    #[must_use]
    pub fn evidence(&self) -> Evidence {
        let floor = self.floor();
        let noise = floor.map_or(0.0, |floor| floor.floor);
        let (near_ties, _) = self.measured();
        let differing = self.compared.iter().filter(|compared| compared.difference.is_some()).count();
        // Where no guess was made (look-up knows nothing there), draws tell nothing of the drafter.
        let tests = self.drawn.iter().filter(|drawn| drawn.tally.tested > 0).flat_map(|drawn| {
            let second = drawn.tally.second.as_ref().map(|(_, cells)| cells);
            [Some(&drawn.tally.first), second].into_iter().flatten()
        });
        Evidence {
            texts: self.compared.len(),
            near_ties,
            different: differing - near_ties,
            rows: self.rows(),
            rows_promised: self.rows_promised,
            tested: self.compared.iter().map(|compared| compared.tested).sum(),
            floor,
            tests: tests.map(|cells| test(cells, NOISE_FACTOR * noise)).collect(),
            drafter_failed: self.drafter_failed.clone(),
        }
    }
}
