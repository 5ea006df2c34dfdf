//! Plays a reply: a policy in a world, over a text, under noise.

use std::time::Duration;

use slipstream::spec::{AutoLength, DraftPolicy, Guess, RoundOutcome};
use slipstream::token::TokenId;

use crate::fakes::hash;

use super::texts::{Honesty, Text};
use super::worlds::{Noise, World};

/// The longest draft that the machines allow.
pub const ROOM: usize = 16;

/// A reply to be played.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    pub world: World,
    pub text: Text,
    pub honesty: Honesty,
    pub noise: Noise,
    pub tokens: usize,
    /// The longest draft that the person allows.
    pub longest: usize,
    pub seed: u64,
}

/// A round as it was played.
#[derive(Clone, Copy, Debug)]
pub struct Played {
    pub token: usize,
    pub allowed: usize,
    pub guesses: usize,
    pub width: usize,
}

impl Scene {
    /// Plays it, shows every round to `watch`, and returns its real time in plain rounds: what noise adds to a single
    /// time is seen by the policy but not counted, so that policies are compared and not dice.
    pub fn play(&self, policy: &mut dyn DraftPolicy, watch: &mut dyn FnMut(Played)) -> f64 {
        let (mut token, mut time, mut last_width, mut round) = (0, 0.0, 1, 0_u64);
        let mut guesses = Vec::new();
        while token < self.tokens {
            guesses.clear();
            let room = self.longest.min(self.tokens - token - 1);
            let allowed = policy.next_length(room).min(room);
            let mut steps = 0;
            while guesses.len() < allowed {
                let Some(floor) = policy.floor(&guesses) else { break };
                steps += 1;
                let place = guesses.len();
                let probability = self.text.probability(self.seed, token + place, place, self.honesty);
                if probability < floor {
                    break;
                }
                guesses.push(Guess { token: TokenId(0), probability });
            }
            let right = |place: &usize| self.text.right(self.seed, token + place, *place);
            let accepted = (0..guesses.len()).take_while(right).count();
            let tested = (accepted + 1).min(guesses.len());
            let width = policy.batch_width(guesses.len(), self.longest + 1);
            assert!((guesses.len() + 1..=self.longest + 1).contains(&width));
            let change = if width == last_width { 0.0 } else { self.world.change };
            let verify = self.world.verify(width) + change + self.noise.context(token);
            let draft = steps as f64 * self.world.step;
            let key = hash(self.seed) ^ hash(round + 0x7173);
            let (real, seen) = self.noise.factors(token, key);
            let (_, seen_draft) = self.noise.factors(token, hash(key));
            time += (verify + draft) * real;
            let duration = |rounds: f64| Duration::from_secs_f64(rounds * self.world.plain);
            policy.observe(&RoundOutcome {
                allowed,
                guesses: &guesses,
                tested,
                accepted,
                width,
                draft_time: duration(draft * real * seen_draft),
                verify_time: duration(verify * real * seen),
                context: 100 + token as u32,
            });
            watch(Played { token, allowed, guesses: guesses.len(), width });
            token += accepted + 1;
            last_width = width;
            round += 1;
        }
        time
    }

    /// The scene with each of these seeds.
    pub fn seeds(self, count: u64) -> impl Iterator<Item = Scene> {
        (0..count).map(move |seed| Scene { seed: hash(self.seed + seed), ..self })
    }

    /// Time of a fixed length, summed over seeds: what `play` gives for it, without asking the drafter's opinion.
    pub fn fixed(self, length: usize, seeds: u64) -> f64 {
        self.seeds(seeds).map(|scene| scene.play_fixed(length)).sum()
    }

    fn play_fixed(&self, length: usize) -> f64 {
        let (mut token, mut time, mut last_width) = (0, 0.0, 1);
        while token < self.tokens {
            let guesses = length.min(self.tokens - token - 1);
            let right = |place: &usize| self.text.right(self.seed, token + place, *place);
            let change = if guesses + 1 == last_width { 0.0 } else { self.world.change };
            let verify = self.world.verify(guesses + 1) + change + self.noise.context(token);
            time += (verify + guesses as f64 * self.world.step) * self.noise.factors(token, 0).0;
            token += (0..guesses).take_while(right).count() + 1;
            last_width = guesses + 1;
        }
        time
    }

    /// Times of the automatic policy from a cold start, one for each seed.
    pub fn cold_each(self, seeds: u64) -> Vec<f64> {
        self.seeds(seeds).map(|scene| scene.play(&mut AutoLength::new(), &mut |_| {})).collect()
    }

    /// Their sum.
    pub fn cold(self, seeds: u64) -> f64 {
        self.cold_each(seeds).iter().sum()
    }

    /// The sum of times of the second reply of a conversation, after one on the same text.
    pub fn warm(self, seeds: u64) -> f64 {
        let play = |scene: Scene| {
            let mut policy = AutoLength::new();
            let before = Scene { seed: !scene.seed, ..scene };
            before.play(&mut policy, &mut |_| {});
            scene.play(&mut policy, &mut |_| {})
        };
        self.seeds(seeds).map(play).sum()
    }

    /// (best fixed length in hindsight, its time) summed over seeds.
    pub fn best_fixed(self, seeds: u64) -> (usize, f64) {
        let all = [0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 15].map(|length| (length, self.fixed(length, seeds)));
        all.into_iter().min_by(|left, right| left.1.total_cmp(&right.1)).expect("some length")
    }
}
