//! Experiments of the exactness check: what batching does to scores, how near two tokens are, and what the real cycle
//! draws when it draws from the same place again and again.

use std::collections::BTreeMap;
use std::time::Duration;

use super::clock::Clock;
use super::laboratory::Laboratory;
use super::reply::longest_draft;
use crate::experiment::{Cell, Gap, Noise, Passage, Place, Standing, Tally};
use crate::llama::LlamaError;
use crate::request::SamplingSettings;
use crate::sampling::{Ranking, Sampler};
use crate::spec::{Cycle, Drafter, FixedLength, Players, Room, Target as _};
use crate::token::{Origin, Position, TokenId};

/// Scores of a row whose gaps are looked at: top-k's default, and as many as are ever likely.
const CANDIDATES: usize = 64;

/// What draws were asked for.
pub struct DrawsWish {
    /// Rounds at most.
    pub draws: u32,
    /// No new round after so long.
    pub limit: Duration,
    /// Guesses a round.
    pub length: usize,
}

/// The highest scores of a row.
fn highest(row: &[f32]) -> Vec<(usize, f32)> {
    let mut ranked: Vec<(usize, f32)> =
        row.iter().copied().enumerate().filter(|(_, score)| score.is_finite()).collect();
    if ranked.len() > CANDIDATES {
        ranked.select_nth_unstable_by(CANDIDATES - 1, |a, b| b.1.total_cmp(&a.1));
        ranked.truncate(CANDIDATES);
    }
    ranked
}

/// The most that a gap between two of the candidates differs from the same gap in `row`.
fn spread(candidates: &[(usize, f32)], row: &[f32]) -> f64 {
    let changes = candidates
        .iter()
        .map(|&(token, score)| row.get(token).map_or(f64::NAN, |other| f64::from(*other) - f64::from(score)));
    let (lowest, highest) = changes.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), change| {
        // A row that is no number anywhere is as far off as can be.
        if change.is_nan() { (f64::NEG_INFINITY, f64::INFINITY) } else { (low.min(change), high.max(change)) }
    });
    (highest - lowest).max(0.0)
}

impl Laboratory<'_, '_> {
    fn suppressed(&self, passage: &Passage) -> Vec<TokenId> {
        let mut suppressed = self.vocab.suppressed();
        if passage.ignore_end_of_turn {
            suppressed.extend(self.vocab.end_tokens());
        }
        suppressed
    }

    /// Decodes a text in batches of `width` from the prompt's last token on and shows the row after each of them, the
    /// prompt's first. Ends early where the experiment is cancelled.
    fn walk(
        &mut self,
        prompt: &[TokenId],
        reply: &[TokenId],
        width: usize,
        see: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<(), LlamaError> {
        let (last, before) = prompt.split_last().ok_or(LlamaError::EmptyPrompt)?;
        self.read(before)?;
        let tokens: Vec<TokenId> = std::iter::once(last).chain(reply).copied().collect();
        let mut place = 0;
        for batch in tokens.chunks(width.max(1)) {
            if self.cancel.is_cancelled() {
                return Ok(());
            }
            let context = self.target.context();
            context.decode(batch, batch.len())?;
            for index in 0..batch.len() {
                see(place, context.row(index).unwrap_or(&[]));
                place += 1;
            }
        }
        Ok(())
    }

    pub(super) fn noise(
        &mut self,
        prompt: &[TokenId],
        passage: &Passage,
        widths: &[u32],
    ) -> Result<Noise, LlamaError> {
        let mut sampler = Sampler::new(&passage.sampling, self.suppressed(passage));
        let mut text = prompt.to_vec();
        let (mut single, mut places) = (Vec::new(), Vec::new());
        self.walk(prompt, &passage.reply, 1, &mut |place, row| {
            let peak = sampler.distribution(row, &text).first().map_or(1.0, |(_, chance)| *chance);
            text.extend(passage.reply.get(place));
            single.push(highest(row));
            places.push(Place { spread: 0.0, peak });
        })?;
        for &width in widths {
            self.walk(prompt, &passage.reply, width as usize, &mut |place, row| {
                if let (Some(place), Some(candidates)) = (places.get_mut(place), single.get(place)) {
                    place.spread = place.spread.max(spread(candidates, row));
                }
            })?;
        }
        let mut prompt_spread = 0.0;
        if let Some(candidates) = single.first().filter(|_| !self.cancel.is_cancelled()) {
            self.read(prompt)?;
            let context = self.target.context();
            let last = (prompt.len() - 1) % context.settings().micro_batch as usize;
            prompt_spread = spread(candidates, context.row(last).unwrap_or(&[]));
        }
        Ok(Noise { places, prompt: prompt_spread })
    }

    pub(super) fn gap(
        &mut self,
        prompt: &[TokenId],
        passage: &Passage,
        widths: &[u32],
        tokens: [Option<TokenId>; 2],
    ) -> Result<Gap, LlamaError> {
        let mut sampler = Sampler::new(&passage.sampling, self.suppressed(passage));
        let text: Vec<TokenId> = prompt.iter().chain(&passage.reply).copied().collect();
        let here = passage.reply.len();
        let (mut ranking, mut candidates) = (None, Vec::new());
        self.walk(prompt, &passage.reply, 1, &mut |place, row| {
            if place == here {
                ranking = Some(sampler.ranking(row, &text));
                candidates = highest(row);
            }
        })?;
        let mut most = 0.0_f64;
        for &width in widths {
            self.walk(prompt, &passage.reply, width as usize, &mut |place, row| {
                if place == here {
                    most = most.max(spread(&candidates, row));
                }
            })?;
        }
        let [ours, theirs] = tokens.map(|token| self.standing(ranking.as_ref(), token, text.len()));
        Ok(Gap { ours, theirs, spread: most })
    }

    /// Where a token stands; of the tokens that end a turn, the nearest to being drawn.
    fn standing(&self, ranking: Option<&Ranking>, token: Option<TokenId>, place: usize) -> Standing {
        let tokens = token.map_or_else(|| self.vocab.end_tokens(), |token| vec![token]);
        let standings = tokens.into_iter().map(|token| {
            let far =
                crate::sampling::Standing { score: f64::NEG_INFINITY, kept: false, distance: f64::INFINITY };
            let at = ranking.map_or(far, |ranking| ranking.standing(token, Position(0).plus(place)));
            let mut bytes = Vec::new();
            self.vocab.piece(token, &mut bytes);
            let text = match String::from_utf8_lossy(&bytes).into_owned() {
                nothing if nothing.is_empty() => self.vocab.text(token),
                text => text,
            };
            Standing { token, text, score: at.score, kept: at.kept, distance: at.distance }
        });
        let nowhere = || Standing {
            token: TokenId(-1),
            text: String::new(),
            score: f64::NEG_INFINITY,
            kept: false,
            distance: f64::INFINITY,
        };
        standings.min_by(|a, b| a.distance.total_cmp(&b.distance)).unwrap_or_else(nowhere)
    }

    pub(super) fn draws(
        &mut self,
        prompt: &[TokenId],
        passage: &Passage,
        wish: DrawsWish,
    ) -> Result<Tally, LlamaError> {
        let text: Vec<TokenId> = prompt.iter().chain(&passage.reply).copied().collect();
        let Some((last, held)) = text.split_last().filter(|(_, held)| !held.is_empty()) else {
            return Err(LlamaError::EmptyPrompt);
        };
        self.read(held)?;
        let suppressed = self.suppressed(passage);
        let (mut tally, mut counts) = (Tally::default(), Counts::new());
        let clock = Clock::start();
        // An MTP drafter goes on from the hidden row of the last token held, which every round replaces.
        let hidden = self.target.hidden();
        let mut written = Vec::new();
        for seed in 0..u64::from(wish.draws) {
            if self.cancel.is_cancelled() || clock.elapsed() > wish.limit {
                break;
            }
            self.target.put_hidden(&hidden);
            if let Some(drafter) = self.drafter.as_deref_mut() {
                // What was written before is another text, from its beginning.
                let same = if seed == 0 { 0 } else { text.len() };
                // A drafter that cannot go back is found out by its next draft.
                let _ = drafter.rewind(Position(0).plus(same));
            }
            let settings = SamplingSettings { seed, ..passage.sampling.clone() };
            let mut cycle = Cycle::new(Sampler::new(&settings, suppressed.clone()), self.vocab.size());
            written.clone_from(&text);
            let context = self.target.context();
            let cells = (context.settings().cells - context.length()) as usize;
            if cells == 0 {
                return Err(LlamaError::Full { cells: context.settings().cells });
            }
            let room = Room { cells, tokens: usize::MAX, guesses: wish.length.min(longest_draft(context)) };
            let players = Players {
                target: &mut *self.target,
                drafter: self.drafter.as_deref_mut().map(|drafter| drafter as &mut dyn Drafter),
                policy: &mut FixedLength { length: wish.length, p_min: 0.0 },
                is_stop: &|token| self.vocab.ends_turn(token),
                clock: &mut || Duration::ZERO,
            };
            let round = cycle.round(players, &mut written, room)?;
            self.target.context().drop_tail(held.len() as u32);
            if let Some(failure) = round.drafter_failed {
                tally.failed = Some(failure);
                break;
            }
            tally.draws += 1;
            tally.tested += round.tested as u32;
            tally.accepted += round.accepted as u32;
            let first = round.emitted[0];
            let after = counts.entry(first.token).or_default();
            after.drawn += 1;
            // The noise of the next place is independent of this one's: what follows has the target's own distribution there.
            if let Some(second) = round.emitted.get(1).filter(|_| first.origin == Origin::Accepted) {
                *after.next.entry(second.token).or_default() += 1;
            }
        }
        self.expect(&text, held, *last, &counts, Sampler::new(&passage.sampling, suppressed), &mut tally)?;
        Ok(tally)
    }

    /// Puts the target's own distributions, by single steps, beside what was drawn.
    fn expect(
        &mut self,
        text: &[TokenId],
        held: &[TokenId],
        last: TokenId,
        counts: &Counts,
        mut sampler: Sampler,
        tally: &mut Tally,
    ) -> Result<(), LlamaError> {
        self.read(held)?;
        self.target.verify(last, &[], 0)?;
        let drawn = counts.iter().map(|(token, count)| (*token, count.drawn)).collect();
        tally.first = cells(&sampler.ranking(self.target.row(0), text), &drawn);
        self.target.keep(0)?;
        let followed = |after: &After| after.next.values().sum::<u32>();
        let most = counts.iter().max_by_key(|(_, after)| followed(after));
        if let Some((&token, after)) = most.filter(|(_, after)| followed(after) > 0)
            && self.target.context().length() < self.target.context().settings().cells
        {
            self.target.verify(token, &[], 0)?;
            let text: Vec<TokenId> = text.iter().copied().chain([token]).collect();
            tally.second = Some((token, cells(&sampler.ranking(self.target.row(0), &text), &after.next)));
            self.target.keep(0)?;
        }
        Ok(())
    }
}

/// How often a token was drawn, and what was drawn after it where it was an accepted guess.
#[derive(Default)]
struct After {
    drawn: u32,
    next: BTreeMap<TokenId, u32>,
}

type Counts = BTreeMap<TokenId, After>;

/// The tokens that can be drawn, and those that were.
fn cells(ranking: &Ranking, drawn: &BTreeMap<TokenId, u32>) -> Vec<Cell> {
    let kept = ranking.kept();
    let count = |token: &TokenId| drawn.get(token).copied().unwrap_or(0);
    let inside = kept.iter().enumerate().map(|(rank, (token, probability))| Cell {
        token: *token,
        probability: *probability,
        edge: ranking.edge(rank),
        drawn: count(token),
    });
    let outside =
        drawn.keys().filter(|token| kept.iter().all(|(other, _)| other != *token)).map(|token| Cell {
            token: *token,
            probability: 0.0,
            edge: ranking.rank(*token).map_or(f64::NEG_INFINITY, |rank| ranking.edge(rank)),
            drawn: count(token),
        });
    inside.chain(outside).collect()
}
