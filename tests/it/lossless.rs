//! The promise: the drafter, the draft length and the policy cannot change the text. Scripted machines; the same
//! with real models is in the real-pair tests.

use slipstream::request::SamplingSettings;
use slipstream::spec::{DraftPolicy, Drafter, FixedLength, Guess, Lookup, RoundOutcome, Target};
use slipstream::token::TokenId;

use crate::fakes::{End, FakeDrafter, FakeTarget, Habit, LONGEST_DRAFT, RandomPolicy, Script, Task};

const HABITS: [Habit; 15] = [
    Habit::Perfect,
    Habit::Noisy(2.0),
    Habit::Inverted,
    Habit::Constant(17),
    Habit::Uniform,
    Habit::EndOfTurn,
    Habit::NotANumber,
    Habit::Silent,
    Habit::FailsAt(0),
    Habit::FailsAt(4),
    Habit::ForgetsAt(2),
    Habit::TooMany,
    Habit::Outside(-1),
    Habit::Outside(crate::fakes::VOCABULARY as i32),
    Habit::Saboteur,
];

fn settings() -> Vec<SamplingSettings> {
    let mut all = Vec::new();
    for temperature in [0.0, 0.7, 1.0, 1.5] {
        for (top_k, top_p, min_p) in
            [(64, 0.95, 0.0), (0, 1.0, 0.0), (0, 0.9, 0.0), (5, 1.0, 0.1), (0, 1.0, 0.05)]
        {
            for repeat_penalty in [1.0, 1.3] {
                for seed in [0, 0xDEAD_BEEF] {
                    all.push(SamplingSettings {
                        temperature,
                        top_k,
                        top_p,
                        min_p,
                        repeat_penalty,
                        seed,
                        repeat_window: 8,
                    });
                }
            }
        }
        if temperature == 0.0 {
            // Nothing but the penalty matters to a greedy draw.
            all.retain(|settings| settings.top_k == 64);
        }
    }
    all
}

/// Nearly certain text, flat text, and text with frequent ends.
const SCRIPTS: [Script; 3] = [
    Script { seed: 1, spread: 30.0, end_bias: -100.0 },
    Script { seed: 2, spread: 6.0, end_bias: -100.0 },
    Script { seed: 3, spread: 12.0, end_bias: 6.0 },
];

/// The reply with every drafter, under a fixed length or (`None`) the random policy, against the plain one.
fn compare(task: &Task, length: Option<usize>) {
    let (plain, end) = task.plain();
    let mut lookup = Lookup::new();
    let mut fakes: Vec<FakeDrafter> =
        HABITS.iter().map(|&habit| FakeDrafter::new(habit, task.script)).collect();
    let names = HABITS.iter().map(|habit| format!("{habit:?}")).chain(["lookup".into(), "none".into()]);
    let drafters = fakes
        .iter_mut()
        .map(|fake| Some(fake as &mut dyn Drafter))
        .chain([Some(&mut lookup as &mut dyn Drafter), None]);
    for (drafter, name) in drafters.zip(names) {
        let written = match length {
            Some(length) => task.speculative(drafter, &mut FixedLength { length, p_min: 0.0 }),
            None => task.speculative(drafter, &mut RandomPolicy { state: task.settings.seed ^ 5 }),
        };
        assert_eq!(written.text, plain, "{name}, length {length:?}, {task:?}");
        assert_eq!(written.end, end, "{name}, length {length:?}, {task:?}");
    }
}

#[test]
fn any_drafter_any_length_any_settings_same_text() {
    for script in SCRIPTS {
        for settings in settings() {
            let task = Task::new(script, settings);
            for length in (0..=8).map(Some).chain([None]) {
                compare(&task, length);
            }
        }
    }
}

#[test]
fn many_seeds_and_the_random_policy() {
    for seed in 0..150 {
        let settings = SamplingSettings { seed, ..SamplingSettings::default() };
        compare(&Task::new(SCRIPTS[seed as usize % 3], settings), None);
    }
}

#[test]
fn limits_end_the_reply_at_the_same_token() {
    for length in (0..=8).map(Some).chain([None]) {
        for seed in 0..4 {
            let settings = SamplingSettings { seed, ..SamplingSettings::default() };
            for max_tokens in [0, 1, 2, 5, 9] {
                let task = Task { max_tokens, ..Task::new(SCRIPTS[0], settings.clone()) };
                assert_eq!(task.plain().1, End::Length);
                compare(&task, length);
            }
            // The prompt has 5 tokens, 4 of them in the cache.
            for cells in [4, 5, 6, 9, 20] {
                let task = Task { cells, ..Task::new(SCRIPTS[1], settings.clone()) };
                let (text, end) = task.plain();
                assert_eq!((text.len(), end), (cells + 1, End::ContextFull));
                compare(&task, length);
            }
        }
    }
}

/// An end of turn must be met inside a draft, at its end, as bonus token and in a plain step, or the tests above
/// prove less than they claim.
#[test]
fn the_scripts_meet_every_kind_of_stop() {
    let (mut inside, mut at_the_end, mut as_bonus, mut plain, mut rejected) = (0, 0, 0, 0, 0);
    for seed in 0..200 {
        let task = Task::new(SCRIPTS[2], SamplingSettings { seed, ..SamplingSettings::default() });
        for habit in [Habit::Perfect, Habit::Noisy(2.0)] {
            let mut drafter = FakeDrafter::new(habit, task.script);
            let written = task.speculative(Some(&mut drafter), &mut FixedLength { length: 3, p_min: 0.0 });
            for round in written.rounds.iter().filter(|round| round.stopped) {
                match (round.tested, round.accepted, round.guessed) {
                    (0, 0, 0) => plain += 1,
                    (tested, accepted, _) if tested > accepted => rejected += 1,
                    (tested, accepted, guessed) if accepted == tested && tested < guessed => inside += 1,
                    (_, accepted, guessed) if accepted == guessed && round.emitted.len() == accepted => {
                        at_the_end += 1
                    }
                    _ => as_bonus += 1,
                }
            }
        }
        plain +=
            u32::from(task.speculative(None, &mut FixedLength { length: 3, p_min: 0.0 }).end == End::Stopped);
    }
    for (count, kind) in [
        (inside, "inside"),
        (at_the_end, "at the end"),
        (as_bonus, "bonus"),
        (plain, "plain"),
        (rejected, "rejected"),
    ] {
        assert!(count >= 5, "{count} stops of the kind: {kind}");
    }
}

/// Pads every batch as wide as it can be.
struct Widest(FixedLength);

impl DraftPolicy for Widest {
    fn next_length(&mut self, room: usize) -> usize {
        self.0.next_length(room)
    }

    fn floor(&self, draft: &[Guess]) -> Option<f32> {
        self.0.floor(draft)
    }

    fn batch_width(&self, _guesses: usize, _widest: usize) -> usize {
        usize::MAX
    }

    fn observe(&mut self, outcome: &RoundOutcome<'_>) {
        self.0.observe(outcome);
    }
}

#[test]
fn padding_changes_nothing_and_never_fills_the_context() {
    for (length, cells) in [(0, 12), (1, 20), (3, 21), (3, 60), (8, 200)] {
        for habit in [Habit::Perfect, Habit::Noisy(2.0), Habit::Inverted, Habit::EndOfTurn] {
            for script in SCRIPTS {
                let task = Task { cells, ..Task::new(script, SamplingSettings::default()) };
                let (text, end) = task.plain();
                let mut drafter = FakeDrafter::new(habit, script);
                let mut policy = Widest(FixedLength { length, p_min: 0.0 });
                let written = task.speculative(Some(&mut drafter), &mut policy);
                assert_eq!((written.text, written.end), (text, end), "{habit:?} {length} {cells}");
                // As wide as the machine's rows and the free cells allow, to the very last round.
                let mut held = task.prompt.len() - 1;
                for round in &written.rounds {
                    assert_eq!(round.width, (cells - held).min(1 + LONGEST_DRAFT));
                    held += round.emitted.len();
                }
            }
        }
    }
}

#[test]
fn a_fixed_length_is_never_padded() {
    let task = Task::new(SCRIPTS[1], SamplingSettings::default());
    for length in 0..=8 {
        let mut drafter = FakeDrafter::new(Habit::Noisy(2.0), task.script);
        let written = task.speculative(Some(&mut drafter), &mut FixedLength { length, p_min: 0.0 });
        assert!(written.rounds.iter().all(|round| round.width == 1 + round.guessed));
    }
}

#[test]
fn a_perfect_drafter_is_always_accepted_and_saves_rounds() {
    for settings in settings() {
        let task = Task::new(SCRIPTS[1], settings);
        let mut drafter = FakeDrafter::new(Habit::Perfect, task.script);
        let written = task.speculative(Some(&mut drafter), &mut FixedLength { length: 4, p_min: 0.0 });
        assert!(written.rounds.iter().all(|round| round.accepted == round.guessed), "{:?}", task.settings);
        assert_eq!(written.rounds.len(), task.max_tokens / 5);
    }
}

#[test]
fn look_up_learns_a_text_that_repeats() {
    // Greedy text over a context of three tokens runs into a loop sooner or later.
    let settings = SamplingSettings { temperature: 0.0, ..SamplingSettings::default() };
    let mut task = Task::new(SCRIPTS[0], settings);
    let unit = [40, 41, 42, 43, 44, 45].map(TokenId);
    task.prompt = unit.iter().cycle().take(30).copied().collect();
    task.max_tokens = 4000;
    let mut lookup = Lookup::new();
    let written = task.speculative(Some(&mut lookup), &mut FixedLength { length: 4, p_min: 0.0 });
    assert_eq!(written.text, task.plain().0);
    let late = &written.rounds[written.rounds.len() / 2..];
    let (tested, accepted) =
        late.iter().fold((0, 0), |sum, round| (sum.0 + round.tested, sum.1 + round.accepted));
    assert!(accepted * 10 >= tested * 9, "{accepted} of {tested} accepted in a loop");
}

#[test]
fn a_failed_drafter_is_reported_once_with_its_reason() {
    let cases = [
        (Habit::FailsAt(4), "scripted drafter failure"),
        (Habit::ForgetsAt(2), "scripted drafter failure"),
        (Habit::TooMany, "4 guesses where 3 were asked for"),
        (Habit::Outside(-1), "token -1"),
        (Habit::Outside(150), "vocabulary has 150 tokens"),
    ];
    for (habit, reason) in cases {
        let task = Task::new(SCRIPTS[0], SamplingSettings::default());
        let mut drafter = FakeDrafter::new(habit, task.script);
        let written = task.speculative(Some(&mut drafter), &mut FixedLength { length: 3, p_min: 0.0 });
        assert_eq!(written.failures.len(), 1, "{habit:?}");
        assert!(written.failures[0].contains(reason), "{}", written.failures[0]);
        let failed = written.rounds.iter().position(|round| round.drafter_failed.is_some()).unwrap();
        let is_malformed = !matches!(habit, Habit::ForgetsAt(_));
        assert!(!is_malformed || written.rounds[failed].guessed == 0, "part of a malformed draft was used");
        assert!(
            written.rounds[failed + 1..].iter().all(|round| round.guessed == 0 && round.emitted.len() == 1)
        );
    }
}

#[test]
fn guesses_below_p_min_are_not_tested() {
    let task = Task::new(SCRIPTS[1], SamplingSettings::default());
    for (habit, p_min) in [(Habit::NotANumber, 0.1), (Habit::Uniform, 0.1), (Habit::Constant(17), 0.95)] {
        let mut drafter = FakeDrafter::new(habit, task.script);
        let written = task.speculative(Some(&mut drafter), &mut FixedLength { length: 3, p_min });
        assert!(written.rounds.iter().all(|round| round.guessed == 0), "{habit:?}");
        assert!(written.failures.is_empty());
    }
}

#[test]
fn a_failed_round_leaves_the_text_as_it_was() {
    use slipstream::sampling::Sampler;
    use slipstream::spec::{Cycle, Players, Room};
    let task = Task::new(SCRIPTS[0], SamplingSettings::default());
    // Calls alternate: verify 0, keep 1, verify 2, keep 3.
    for (fail_at_call, rounds) in [(0, 0), (1, 0), (2, 1), (3, 1)] {
        let mut target = FakeTarget::new(task.script, &task.prompt);
        target.fail_at_call = Some(fail_at_call);
        let mut drafter = FakeDrafter::new(Habit::Perfect, task.script);
        let mut cycle =
            Cycle::new(Sampler::new(&task.settings, task.suppressed.clone()), crate::fakes::VOCABULARY);
        let mut text = task.prompt.clone();
        let mut lengths = vec![text.len()];
        let error = loop {
            let players = Players {
                target: &mut target,
                drafter: Some(&mut drafter),
                policy: &mut FixedLength { length: 3, p_min: 0.0 },
                is_stop: &|_| false,
                clock: &mut || std::time::Duration::ZERO,
            };
            match cycle.round(players, &mut text, Room { cells: 99, tokens: 99, guesses: 3 }) {
                Ok(_) => lengths.push(text.len()),
                Err(error) => break error,
            }
        };
        assert_eq!(error, "scripted failure");
        assert_eq!((lengths.len() - 1, text.len()), (rounds, *lengths.last().unwrap()));
        assert!(task.plain().0.starts_with(&text));
    }
}

#[test]
fn the_token_after_a_prefill_is_the_token_of_a_round() {
    use slipstream::sampling::Sampler;
    use slipstream::spec::Cycle;
    for settings in settings() {
        let task = Task::new(SCRIPTS[1], settings);
        let mut cycle =
            Cycle::new(Sampler::new(&task.settings, task.suppressed.clone()), crate::fakes::VOCABULARY);
        let mut text = task.prompt.clone();
        let token = cycle.draw(&task.script.row(&text), &mut text);
        assert_eq!(token, *text.last().unwrap());
        assert!(task.plain().0.starts_with(&text));
    }
}

#[test]
fn the_fake_target_notices_a_broken_cycle() {
    let task = Task::new(SCRIPTS[0], SamplingSettings::default());
    let mut target = FakeTarget::new(task.script, &task.prompt);
    target.verify(TokenId(1), &[TokenId(2)], 3).unwrap();
    let padding = std::panic::catch_unwind(|| target.row(2).to_vec());
    let too_much = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| target.keep(2)));
    let again = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| target.verify(TokenId(1), &[], 0)));
    assert!(padding.is_err() && too_much.is_err() && again.is_err());
}
