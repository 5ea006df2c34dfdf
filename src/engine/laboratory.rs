//! Experiments on the loaded pair: what `bench`, `tune` and the exactness check need to know beside replies.

use std::cell::Cell;
use std::rc::Rc;

use super::adapter::TargetMachine;
use super::cancel::Canceller;
use super::clock::Clock;
use super::exactness::DrawsWish;
use super::session::Session;
use crate::experiment::{Experiment, Finding, Threads, Timing};
use crate::llama::{LlamaError, Vocab};
use crate::request::SamplingSettings;
use crate::sampling::Sampler;
use crate::spec::{DraftRequest, Drafter, Target as _};
use crate::token::{Position, TokenId};

/// The threads of a drafter's steps, which whoever tunes them shares with it.
pub type DraftThreads = Rc<Cell<u32>>;

/// What experiments work on.
pub struct Laboratory<'a, 'm> {
    /// The target.
    pub target: &'a mut TargetMachine<'m>,
    /// The drafter, where there is one.
    pub drafter: &'a mut Option<Box<dyn Drafter + 'm>>,
    /// Threads of its steps.
    pub draft_threads: &'a DraftThreads,
    /// What the cache holds.
    pub session: &'a mut Session,
    /// The target's vocabulary.
    pub vocab: Vocab<'m>,
    /// Whether a person wants the experiment to end.
    pub cancel: &'a Canceller,
}

impl Laboratory<'_, '_> {
    /// Makes an experiment; `prompt` is its prompt's tokens. Where it fails, the cache is not to be trusted.
    ///
    /// # Errors
    /// The machines'.
    pub fn run(&mut self, experiment: &Experiment, prompt: &[TokenId]) -> Result<Finding, LlamaError> {
        let finding = match experiment {
            // The policy is the worker's own.
            Experiment::Forget => return Ok(Finding::Done),
            Experiment::Threads(threads) => {
                self.set_threads(*threads);
                return Ok(Finding::Done);
            }
            Experiment::Time(timing) => return self.time(timing),
            Experiment::Noise { passage, widths } => self.noise(prompt, passage, widths).map(Finding::Noise),
            Experiment::Gap { passage, widths, ours, theirs } => {
                self.gap(prompt, passage, widths, [*ours, *theirs]).map(Finding::Gap)
            }
            Experiment::Draws { passage, draws, limit, length } => {
                let wish = DrawsWish { draws: *draws, limit: *limit, length: *length as usize };
                self.draws(prompt, passage, wish).map(Finding::Draws)
            }
        };
        self.target.context().clear();
        *self.session = Session::default();
        finding
    }

    fn set_threads(&mut self, threads: Threads) {
        self.target.context().set_threads(threads.one, threads.batch);
        self.draft_threads.set(threads.draft);
    }

    /// Empties the cache, then decodes `tokens` into it.
    pub(super) fn read(&mut self, tokens: &[TokenId]) -> Result<(), LlamaError> {
        self.target.context().clear();
        *self.session = Session::default();
        self.read_on(tokens)
    }

    /// Makes the cache hold `tokens`; what it holds of them already is kept. The last is always decoded again: its hidden
    /// row is wanted.
    fn read_on(&mut self, tokens: &[TokenId]) -> Result<(), LlamaError> {
        let context = self.target.context();
        self.session.reuse(context, tokens);
        let last = self.session.read(context, tokens, None, &mut |_| true)?;
        self.target.take_hidden(last.unwrap_or(0));
        Ok(())
    }

    fn time(&mut self, timing: &Timing) -> Result<Finding, LlamaError> {
        let widest = timing.widths.iter().copied().max().unwrap_or(1) as usize;
        let context = (timing.context as usize).max(1);
        let once = self.vocab.tokenize(&timing.text, true)?;
        if once.is_empty() {
            return Err(LlamaError::EmptyPrompt);
        }
        let tokens: Vec<TokenId> = once.iter().copied().cycle().take(context + widest).collect();
        self.read_on(&tokens[..context])?;
        let settings = SamplingSettings::default();
        let mut sampler = Sampler::new(&settings, Vec::new());
        let mut draft_sampler = sampler.clone();
        let (mut batches, mut steps, mut draft) = (Vec::new(), Vec::new(), Vec::new());
        let clock = Clock::start();
        for width in &timing.widths {
            if self.cancel.is_cancelled() {
                break;
            }
            let width = (*width as usize).max(1);
            if let Some(drafter) = self.drafter.as_deref_mut().filter(|_| timing.draft_steps > 0) {
                draft.clear();
                let began = clock.elapsed();
                let request = DraftRequest {
                    text: &tokens[..=context],
                    max_length: timing.draft_steps as usize,
                    floor: &|_| Some(0.0),
                    sampler: &mut draft_sampler,
                };
                let made = drafter.propose(request, &mut draft).map_or(0, |()| draft.len());
                steps.push((clock.elapsed() - began) / u32::try_from(made.max(1)).unwrap_or(1));
            }
            let began = clock.elapsed();
            self.target.verify(tokens[context], &tokens[context + 1..context + width], 0)?;
            for place in 0..width {
                let text = &tokens[..=context + place];
                let _ = sampler.draw(self.target.row(place), text, Position(0).plus(text.len()));
            }
            self.target.keep(width - 1)?;
            batches.push(clock.elapsed() - began);
            // Back to where the next batch begins. That is not part of a round: there the text goes on.
            self.target.context().drop_tail(context as u32);
        }
        Ok(Finding::Times { batches, steps })
    }
}
