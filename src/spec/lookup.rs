//! Prompt look-up: the drafter without a model. What followed the last few tokens earlier in the conversation is
//! guessed to follow them again: quotations, code being edited, names, lists.
//!
//! An index from every run of 2, 3 and 4 tokens to the place after its latest occurrence grows with the text, so a
//! round costs a few hash look-ups. The entry that an occurrence replaces is remembered beside it, so the index can
//! also shrink, token by token, to exactly what it was.

use std::collections::HashMap;

use super::seam::{DraftRequest, Drafter, Guess};
use crate::token::{Position, TokenId};

/// Longest run of tokens looked up; a longer match is rarely a better guess, and rarer.
const LONGEST_RUN: usize = 4;

/// Shortest run looked up: after a single token almost anything may follow.
const SHORTEST_RUN: usize = 2;

/// How many lengths of run there are.
const RUNS: usize = LONGEST_RUN - SHORTEST_RUN + 1;

/// Places of a draft whose hits are counted apart; later ones share the last count.
const PLACES: usize = 8;

/// Hits and tests that a count starts with: half of the guesses right, forgotten after a handful of tests.
const PRIOR: Hits = Hits { right: 1.0, tested: 2.0 };

/// When a count reaches this many tests it is halved, so that it follows the text of the last few rounds.
const MEMORY_TESTS: f32 = 128.0;

/// A run of tokens, shorter ones padded in front.
type Run = [TokenId; LONGEST_RUN];

/// No token has this number.
const PADDING: TokenId = TokenId(i32::MIN);

/// The place of nothing: no text is this long.
const NOWHERE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Hits {
    right: f32,
    tested: f32,
}

impl Hits {
    fn probability(self) -> f32 {
        self.right / self.tested
    }

    fn record(&mut self, right: bool) {
        self.tested += 1.0;
        self.right += if right { 1.0 } else { 0.0 };
        if self.tested >= MEMORY_TESTS {
            self.tested /= 2.0;
            self.right /= 2.0;
        }
    }
}

/// What the drafter would have guessed, were there no limit but the length: also what the floor held back is scored,
/// so that a text which becomes predictable is noticed.
#[derive(Clone, Debug, Default)]
struct Pending {
    /// Length of the text it continues.
    start: usize,
    /// Index of the run length it was found by.
    run: usize,
    tokens: Vec<TokenId>,
}

/// The prompt look-up drafter.
#[derive(Clone, Debug)]
pub struct Lookup {
    text: Vec<TokenId>,
    /// The place after the latest occurrence of a run that some token follows.
    latest: HashMap<Run, u32>,
    /// For each place of the text (from 1), what its runs replaced in `latest`.
    replaced: Vec<[u32; RUNS]>,
    hits: [[Hits; PLACES]; RUNS],
    pending: Pending,
}

impl Default for Lookup {
    fn default() -> Lookup {
        Lookup::new()
    }
}

/// The run of `SHORTEST_RUN + index` tokens that ends before `place`.
fn run_before(text: &[TokenId], place: usize, index: usize) -> Option<Run> {
    let length = SHORTEST_RUN + index;
    let tokens = text.get(place.checked_sub(length)?..place)?;
    let mut run = [PADDING; LONGEST_RUN];
    run[LONGEST_RUN - length..].copy_from_slice(tokens);
    Some(run)
}

impl Lookup {
    /// A drafter that has seen nothing.
    #[must_use]
    pub fn new() -> Lookup {
        Lookup {
            text: Vec::new(),
            latest: HashMap::new(),
            replaced: Vec::new(),
            hits: [[PRIOR; PLACES]; RUNS],
            pending: Pending::default(),
        }
    }

    /// Adds what is new in `text`. What it shares with the text seen before must be the same (else: `rewind`).
    fn extend(&mut self, text: &[TokenId]) {
        self.shrink(text.len());
        assert!(text.starts_with(&self.text), "the text changed without a rewind");
        for &token in &text[self.text.len()..] {
            let place = self.text.len();
            self.text.push(token);
            // The runs before this token are only now followed by something.
            let mut replaced = [NOWHERE; RUNS];
            for (index, slot) in replaced.iter_mut().enumerate() {
                if let Some(run) = run_before(&self.text, place, index) {
                    *slot = self.latest.insert(run, place as u32).unwrap_or(NOWHERE);
                }
            }
            self.replaced.push(replaced);
        }
    }

    /// Forgets all tokens from `length` on.
    fn shrink(&mut self, length: usize) {
        while self.text.len() > length {
            let place = self.text.len() - 1;
            let replaced = self.replaced.pop().unwrap_or([NOWHERE; RUNS]);
            for (index, earlier) in replaced.into_iter().enumerate() {
                let Some(run) = run_before(&self.text, place, index) else {
                    continue;
                };
                if earlier == NOWHERE {
                    self.latest.remove(&run);
                } else {
                    self.latest.insert(run, earlier);
                }
            }
            self.text.pop();
        }
    }

    /// Where the text went on after the longest run it ends with, and the run's index.
    fn find(&self) -> Option<(usize, usize)> {
        (0..RUNS).rev().find_map(|index| {
            let run = run_before(&self.text, self.text.len(), index)?;
            self.latest.get(&run).map(|&place| (place as usize, index))
        })
    }

    /// Compares what was guessed with what came; guesses after the first wrong one say nothing.
    fn score_pending(&mut self, text: &[TokenId]) {
        let Pending { start, run, tokens } = &self.pending;
        let came = text.get(*start..).unwrap_or_default();
        for (place, (guess, token)) in tokens.iter().zip(came).enumerate() {
            let right = guess == token;
            self.hits[*run][place.min(PLACES - 1)].record(right);
            if !right {
                break;
            }
        }
        self.pending.tokens.clear();
    }
}

impl Drafter for Lookup {
    fn propose(&mut self, request: DraftRequest<'_>, draft: &mut Vec<Guess>) -> Result<(), String> {
        self.extend(request.text);
        self.pending.tokens.clear();
        let Some((place, run)) = self.find() else {
            return Ok(());
        };
        self.pending.start = self.text.len();
        self.pending.run = run;
        for offset in 0..request.max_length {
            // Past the end of the text the guesses themselves go on: a loop repeats.
            let token = match self.text.get(place + offset) {
                Some(&token) => token,
                None => self.pending.tokens[place + offset - self.text.len()],
            };
            self.pending.tokens.push(token);
        }
        let places = self.hits[run].iter().chain(std::iter::repeat(&self.hits[run][PLACES - 1]));
        for (&token, hits) in self.pending.tokens.iter().zip(places) {
            let probability = hits.probability();
            if (request.floor)(draft).is_none_or(|floor| probability < floor) {
                break;
            }
            draft.push(Guess { token, probability });
        }
        Ok(())
    }

    fn observe(&mut self, text: &[TokenId], _kept: usize) -> Result<(), String> {
        self.score_pending(text);
        self.extend(text);
        Ok(())
    }

    fn rewind(&mut self, position: Position) -> Result<(), String> {
        self.pending.tokens.clear();
        self.shrink(position.0 as usize);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::SamplingSettings;
    use crate::sampling::Sampler;

    fn text(tokens: &[i32]) -> Vec<TokenId> {
        tokens.iter().copied().map(TokenId).collect()
    }

    fn propose(lookup: &mut Lookup, tokens: &[i32], max_length: usize, p_min: f32) -> Vec<i32> {
        let mut sampler = Sampler::new(&SamplingSettings::default(), Vec::new());
        let mut draft = Vec::new();
        let text = text(tokens);
        let request =
            DraftRequest { text: &text, max_length, floor: &|_| Some(p_min), sampler: &mut sampler };
        lookup.propose(request, &mut draft).unwrap();
        assert!(
            draft.iter().all(|guess| (0.0..=1.0).contains(&guess.probability) && guess.probability >= p_min)
        );
        draft.iter().map(|guess| guess.token.0).collect()
    }

    #[test]
    fn guesses_what_followed_the_longest_latest_run() {
        let new = Lookup::new;
        assert!(propose(&mut new(), &[], 4, 0.0).is_empty());
        assert!(propose(&mut new(), &[1, 2, 3], 4, 0.0).is_empty());
        // One token in common is not enough, two are.
        assert!(propose(&mut new(), &[9, 2, 3, 8, 2], 4, 0.0).is_empty());
        assert_eq!(propose(&mut new(), &[1, 2, 3, 4, 1, 2], 2, 0.0), [3, 4]);
        // The latest of two equal runs.
        assert_eq!(propose(&mut new(), &[1, 2, 3, 9, 1, 2, 4, 8, 1, 2], 2, 0.0), [4, 8]);
        // The longer run, though it is earlier.
        assert_eq!(propose(&mut new(), &[7, 1, 2, 3, 9, 1, 2, 4, 7, 1, 2], 2, 0.0), [3, 9]);
        // Into its own guesses: a loop goes on.
        assert_eq!(propose(&mut new(), &[1, 2, 1, 2], 5, 0.0), [1, 2, 1, 2, 1]);
        assert_eq!(propose(&mut new(), &[5, 5, 5], 3, 0.0), [5, 5, 5]);
    }

    #[test]
    fn a_rewind_leaves_exactly_the_index_of_the_shorter_text() {
        let tokens: Vec<i32> = (0..200).map(|place| (place * place + place / 7) % 5).collect();
        let mut long = Lookup::new();
        long.extend(&text(&tokens));
        for length in (0..200).rev() {
            long.rewind(Position(length)).unwrap();
            let mut short = Lookup::new();
            short.extend(&text(&tokens[..length as usize]));
            assert_eq!((&long.text, &long.latest), (&short.text, &short.latest), "length {length}");
            assert_eq!(long.replaced, short.replaced);
        }
        // Another continuation after a rewind.
        long.extend(&text(&[1, 2, 3]));
        long.rewind(Position(1)).unwrap();
        assert_eq!(propose(&mut long, &[1, 7, 8, 1, 7], 1, 0.0), [8]);
    }

    #[test]
    fn probabilities_follow_the_hits() {
        let mut lookup = Lookup::new();
        let mut tokens = vec![1, 2, 1, 2];
        assert_eq!(propose(&mut lookup, &tokens, 2, 0.5), [1, 2]);
        // Always wrong: the drafter falls silent at a floor of 0.4 …
        let mut silent_after = None;
        for round in 0..20 {
            tokens.extend([100 + round, 1, 2]);
            lookup.observe(&text(&tokens), 0).unwrap();
            if propose(&mut lookup, &tokens, 2, 0.4).is_empty() {
                silent_after = silent_after.or(Some(round));
            }
        }
        assert!(silent_after.is_some_and(|round| round < 3), "{silent_after:?}");
        // … and speaks again when the text has become predictable, though nothing was tested meanwhile.
        for _ in 0..40 {
            tokens.extend([50, 1, 2]);
            lookup.observe(&text(&tokens), 0).unwrap();
            let _ = propose(&mut lookup, &tokens, 2, 0.4);
        }
        assert_eq!(propose(&mut lookup, &tokens, 2, 0.4), [50, 1]);
    }
}
