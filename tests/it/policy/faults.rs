//! Faults of clocks, machines and drafters under the automatic policy: no hang, no wrong text, at worst plain speed.

use std::time::Duration;

use slipstream::request::SamplingSettings;
use slipstream::spec::{AutoLength, DraftPolicy, Guess, RoundOutcome};
use slipstream::token::TokenId;

use crate::fakes::{End, FakeClock, FakeDrafter, Habit, LASTING_HABITS, Script, Task};

use super::texts::STATIONARY;
use super::worlds::{WORLDS, World};
use super::{bounds, scene};

const CLOCKS: [FakeClock; 5] =
    [FakeClock::Steady, FakeClock::Stopped, FakeClock::SetBack, FakeClock::Suspended, FakeClock::Endless];

/// Text without an end, and text with many.
const SCRIPTS: [Script; 2] =
    [Script { seed: 5, spread: 20.0, end_bias: -100.0 }, Script { seed: 6, spread: 12.0, end_bias: 4.0 }];

#[test]
fn no_clock_and_no_drafter_changes_the_text_or_hangs() {
    for script in SCRIPTS {
        for clock in CLOCKS {
            for habit in LASTING_HABITS.into_iter().chain([Habit::FailsAt(3)]) {
                // One policy over several replies, as in a chat.
                let mut policy = AutoLength::new();
                for seed in 0..4 {
                    let settings = SamplingSettings { seed, ..SamplingSettings::default() };
                    let task = Task { max_tokens: 150, clock, ..Task::new(script, settings) };
                    let mut drafter = FakeDrafter::new(habit, script);
                    let written = task.speculative(Some(&mut drafter), &mut policy);
                    let (plain, end) = task.plain();
                    assert_eq!((written.text, written.end), (plain, end), "{clock:?} {habit:?} {seed}");
                    // Every round adds a token: it cannot hang.
                    assert!(written.rounds.len() <= 150);
                }
            }
        }
    }
}

#[test]
fn replies_without_length_teach_nothing_wrong() {
    let settings = SamplingSettings::default();
    let mut policy = AutoLength::new();
    for round in 0..300 {
        let mut drafter = FakeDrafter::new(Habit::Perfect, SCRIPTS[0]);
        // No token, one token, no room for a second, an end at once.
        let task = match round % 4 {
            0 => Task { max_tokens: 0, ..Task::new(SCRIPTS[0], settings.clone()) },
            1 => Task { max_tokens: 1, ..Task::new(SCRIPTS[0], settings.clone()) },
            2 => Task { cells: 5, ..Task::new(SCRIPTS[0], settings.clone()) },
            _ => Task::new(Script { end_bias: 1000.0, ..SCRIPTS[0] }, settings.clone()),
        };
        let written = task.speculative(Some(&mut drafter), &mut policy);
        assert_eq!((written.text, written.end), task.plain());
        assert!(round % 4 != 3 || written.end == End::Stopped);
    }
    // The policy still works, with nothing wrong learned about the machine.
    let scene = scene(WORLDS[2], STATIONARY[0]);
    let (after, plain) = (scene.play(&mut policy, &mut |_| {}), scene.fixed(0, 1));
    assert!(plain / after > 1.3, "{}", plain / after);
}

/// Time of a reply of one token a round (nothing is ever accepted), in plain rounds, where the drafter says this.
fn time_of_a_useless_drafter(world: World, probability: f32) -> f64 {
    let mut policy = AutoLength::new();
    let mut time = 0.0;
    let mut last_width = 1;
    for round in 0..400 {
        let allowed = policy.next_length(16);
        let mut guesses = Vec::new();
        let mut steps = 0;
        while guesses.len() < allowed {
            let Some(floor) = policy.floor(&guesses) else { break };
            steps += 1;
            if probability < floor {
                break;
            }
            guesses.push(Guess { token: TokenId(3), probability });
        }
        let width = policy.batch_width(guesses.len(), 17);
        let change = if width == last_width { 0.0 } else { world.change };
        let (verify, draft) = (world.verify(width) + change, f64::from(steps) * world.step);
        time += verify + draft;
        let duration = |rounds: f64| Duration::from_secs_f64(rounds * world.plain);
        policy.observe(&RoundOutcome {
            allowed,
            guesses: &guesses,
            tested: guesses.len().min(1),
            accepted: 0,
            width,
            draft_time: duration(draft),
            verify_time: duration(verify),
            context: round,
        });
        last_width = width;
    }
    time
}

/// The end of turn with certainty in every place, not a number (the cycle makes a zero of it), and all between. Each is
/// one reply and no mean; 0.976 was measured at worst.
#[test]
fn useless_drafters_leave_plain_speed() {
    for world in WORLDS {
        for probability in [0.0, 0.02, 0.3, 0.7, 0.97, 1.0] {
            let time = time_of_a_useless_drafter(world, probability);
            // A single reply is 0.005 worse than the mean of many.
            assert!(
                400.0 / time >= bounds(&world).plain - 0.005,
                "{}, {probability}: {:.4} of plain",
                world.name,
                400.0 / time
            );
        }
    }
}

/// A machine that sleeps in the midst of a round: at most a few rounds are misjudged.
#[test]
fn a_suspended_machine_is_forgotten() {
    for world in WORLDS {
        for asleep in [0, 1, 2, 5, 40, 90] {
            let scene = scene(world, STATIONARY[0]);
            let mut sleeper = Sleeper { policy: AutoLength::new(), rounds: 0, asleep };
            let times =
                (scene.play(&mut sleeper, &mut |_| {}), scene.play(&mut AutoLength::new(), &mut |_| {}));
            let ratio = times.1 / times.0;
            assert!(
                ratio > bounds(&world).plain - 0.05,
                "{}, asleep in round {asleep}: {ratio:.3}",
                world.name
            );
        }
    }
}

/// The policy on a machine that was suspended for an hour in one round.
struct Sleeper {
    policy: AutoLength,
    rounds: usize,
    asleep: usize,
}

impl DraftPolicy for Sleeper {
    fn next_length(&mut self, room: usize) -> usize {
        self.policy.next_length(room)
    }

    fn floor(&self, draft: &[Guess]) -> Option<f32> {
        self.policy.floor(draft)
    }

    fn batch_width(&self, guesses: usize, widest: usize) -> usize {
        self.policy.batch_width(guesses, widest)
    }

    fn observe(&mut self, outcome: &RoundOutcome<'_>) {
        let hour = if self.rounds == self.asleep { Duration::from_secs(3600) } else { Duration::ZERO };
        self.rounds += 1;
        self.policy.observe(&RoundOutcome { verify_time: outcome.verify_time + hour, ..*outcome });
    }
}
