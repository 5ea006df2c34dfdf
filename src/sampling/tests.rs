//! The chain step by step, and as a whole against a reference that sorts everything.

use proptest::prelude::*;

use super::*;

fn settings() -> SamplingSettings {
    SamplingSettings { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, ..SamplingSettings::default() }
}

fn sampler(settings: &SamplingSettings) -> Sampler {
    Sampler::new(settings, Vec::new())
}

fn tokens(distribution: &[(TokenId, f64)]) -> Vec<i32> {
    distribution.iter().map(|&(token, _)| token.0).collect()
}

fn kept(settings: &SamplingSettings, logits: &[f32]) -> Vec<i32> {
    tokens(&sampler(settings).distribution(logits, &[]))
}

/// Scores whose probabilities are these.
fn scores(probabilities: &[f32]) -> Vec<f32> {
    probabilities.iter().map(|probability| probability.ln()).collect()
}

#[test]
fn temperature_sharpens_and_flattens() {
    let logits = scores(&[0.1, 0.6, 0.3]);
    for (temperature, exponent) in [(1.0, 1.0), (0.5, 2.0), (2.0, 0.5)] {
        let distribution =
            sampler(&SamplingSettings { temperature, ..settings() }).distribution(&logits, &[]);
        let weights = [0.6_f64, 0.3, 0.1].map(|probability| probability.powf(exponent));
        let total: f64 = weights.iter().sum();
        assert_eq!(tokens(&distribution), [1, 2, 0]);
        for ((_, probability), weight) in distribution.iter().zip(weights) {
            assert!((probability - weight / total).abs() < 1e-7);
        }
    }
}

#[test]
fn top_k_keeps_the_best_and_breaks_ties_by_the_lower_token() {
    let logits = [1.0, 3.0, 2.0, 3.0, 2.0, 2.0];
    for (top_k, expected) in
        [(1, &[1][..]), (2, &[1, 3]), (3, &[1, 3, 2]), (4, &[1, 3, 2, 4]), (9, &[1, 3, 2, 4, 5, 0])]
    {
        assert_eq!(kept(&SamplingSettings { top_k, ..settings() }, &logits), expected);
    }
    // A tie over many blocks, at the threshold that the block maxima give.
    let flat = vec![0.0; 1000];
    assert_eq!(kept(&SamplingSettings { top_k: 3, ..settings() }, &flat), [0, 1, 2]);
}

#[test]
fn top_p_keeps_the_token_that_completes_the_share() {
    let logits = scores(&[0.05, 0.5, 0.15, 0.3]);
    for top_k in [0, 4] {
        for (top_p, expected) in [
            (0.0, &[1][..]),
            (0.49, &[1]),
            (0.51, &[1, 3]),
            (0.79, &[1, 3]),
            (0.81, &[1, 3, 2]),
            (1.0, &[1, 3, 2, 0]),
        ] {
            assert_eq!(kept(&SamplingSettings { top_k, top_p, ..settings() }, &logits), expected, "{top_p}");
        }
    }
    // After top-k the share is of what top-k left: 0.5 of 0.8 is 0.625.
    assert_eq!(kept(&SamplingSettings { top_k: 2, top_p: 0.6, ..settings() }, &logits), [1]);
    assert_eq!(kept(&SamplingSettings { top_k: 0, top_p: 0.6, ..settings() }, &logits), [1, 3]);
}

#[test]
fn min_p_is_relative_to_the_best() {
    let logits = scores(&[0.05, 0.5, 0.15, 0.3]);
    for top_k in [0, 4] {
        for (min_p, expected) in
            [(0.05, &[1, 3, 2, 0][..]), (0.2, &[1, 3, 2]), (0.5, &[1, 3]), (0.7, &[1]), (2.0, &[1])]
        {
            assert_eq!(kept(&SamplingSettings { top_k, min_p, ..settings() }, &logits), expected, "{min_p}");
        }
    }
}

#[test]
fn the_penalty_looks_at_the_window_and_counts_a_token_once() {
    let settings = SamplingSettings { repeat_penalty: 2.0, repeat_window: 2, temperature: 0.0, ..settings() };
    let mut sampler = sampler(&settings);
    let logits = [4.0, 3.0, 1.5, -1.0];
    let draw = |sampler: &mut Sampler, text: &[i32]| {
        let text: Vec<TokenId> = text.iter().copied().map(TokenId).collect();
        sampler.draw(&logits, &text, Position(9)).0
    };
    assert_eq!(sampler.window(), 2);
    assert_eq!(draw(&mut sampler, &[]), 0);
    // 4 ÷ 2 = 2 < 3; twice is not 1.
    assert_eq!(draw(&mut sampler, &[0]), 1);
    assert_eq!(draw(&mut sampler, &[0, 0]), 1);
    // 0 → 2, 1 → 1.5: 0 wins; 0 outside the window: unpunished.
    assert_eq!(draw(&mut sampler, &[0, 1]), 0);
    assert_eq!(draw(&mut sampler, &[0, 1, 1]), 0);
    // A negative score is made more negative, and tokens outside the vocabulary are passed over.
    assert_eq!(draw(&mut sampler, &[-5, 1_000_000]), 0);
    let negative = [-1.0, -1.5];
    assert_eq!(sampler.draw(&negative, &[TokenId(0)], Position(0)), TokenId(1));
}

#[test]
fn suppressed_tokens_are_never_drawn() {
    for settings in
        [settings(), SamplingSettings { temperature: 0.0, ..settings() }, SamplingSettings::default()]
    {
        let mut sampler = Sampler::new(&settings, vec![TokenId(1), TokenId(70), TokenId(-1), TokenId(500)]);
        let mut logits = vec![0.0; 100];
        (logits[1], logits[70], logits[71]) = (50.0, 60.0, 40.0);
        for place in 0..50 {
            assert_eq!(sampler.draw(&logits, &[], Position(place)), TokenId(71));
        }
        // Also where nothing else is left, and in a row where the patched block is whole again.
        assert_eq!(sampler.draw(&[f32::NEG_INFINITY; 3], &[], Position(0)), TokenId(0));
        assert_eq!(
            Sampler::new(&settings, vec![TokenId(0)]).draw(&[f32::NAN; 3], &[], Position(0)),
            TokenId(1)
        );
    }
}

#[test]
fn greedy_takes_the_lowest_of_the_best_and_knows_its_probability() {
    let mut sampler = sampler(&SamplingSettings { temperature: 0.0, top_k: 1, ..settings() });
    let mut logits = vec![0.0; 200];
    (logits[90], logits[190]) = (2.0, 2.0);
    let drawn = sampler.draw_with_probability(&logits, &[], Position(0));
    let expected = 2.0_f64.exp() / (198.0 + 2.0 * 2.0_f64.exp());
    assert_eq!(drawn.token, TokenId(90));
    assert!((f64::from(drawn.probability) - expected).abs() < 1e-7);
}

#[test]
fn strange_rows_give_a_defined_token() {
    let every = [
        settings(),
        SamplingSettings::default(),
        SamplingSettings { top_p: 0.9, ..settings() },
        SamplingSettings { min_p: 0.1, ..settings() },
        SamplingSettings { temperature: 0.0, ..settings() },
        SamplingSettings { temperature: 1e-40, ..settings() },
        SamplingSettings { temperature: f32::NAN, ..settings() },
        SamplingSettings { repeat_penalty: 1.3, ..settings() },
    ];
    for settings in every {
        let mut sampler = sampler(&settings);
        for width in [1, 3, 64, 65, 300] {
            for filling in [f32::NAN, f32::NEG_INFINITY] {
                let mut row = vec![filling; width];
                let drawn = sampler.draw_with_probability(&row, &[TokenId(0)], Position(3));
                assert_eq!(drawn, Drawn { token: TokenId(0), probability: 0.0 });
                // One finite score among them wins, plus infinity as well, with certainty.
                for winner in [-1e38, 0.0, f32::INFINITY] {
                    row[width - 1] = winner;
                    let drawn = sampler.draw_with_probability(&row, &[TokenId(0)], Position(3));
                    let token = TokenId(width as i32 - 1);
                    assert_eq!(drawn, Drawn { token, probability: 1.0 }, "{settings:?} {width} {winner}");
                }
            }
        }
        assert_eq!(sampler.draw(&[], &[], Position(0)), TokenId(0));
        // All the largest: a tie.
        let drawn = sampler.draw_with_probability(&[f32::INFINITY; 70], &[], Position(3));
        assert!((0..70).contains(&drawn.token.0) && drawn.probability > 0.0);
    }
}

#[test]
fn draws_do_not_depend_on_what_was_drawn_before() {
    let settings = SamplingSettings { repeat_penalty: 1.2, ..SamplingSettings::default() };
    let row = |shift: usize, width: usize| -> Vec<f32> {
        (0..width).map(|i| ((i * 7 + shift) % 31) as f32 / 5.0).collect()
    };
    let text: Vec<TokenId> = (0..40).map(TokenId).collect();
    let mut used = sampler(&settings);
    for (shift, width) in [(0, 500), (1, 70), (2, 900), (3, 500)] {
        let row = row(shift, width);
        let fresh = sampler(&settings).draw_with_probability(&row, &text[..shift * 9], Position(7));
        assert_eq!(used.draw_with_probability(&row, &text[..shift * 9], Position(7)), fresh);
        assert_eq!(used.draw(&row, &text[..shift * 9], Position(7)), fresh.token);
    }
}

/// What the documentation says, in the most obvious way: the kept distribution by sorting everything, the draw by
/// computing every candidate's noise.
fn reference(
    settings: &SamplingSettings,
    suppressed: &[TokenId],
    logits: &[f32],
    text: &[TokenId],
) -> Vec<(TokenId, f64)> {
    let window = &text[text.len().saturating_sub(settings.repeat_window as usize)..];
    let mut all: Vec<(i32, f64)> = (0..)
        .zip(logits)
        .map(|(token, &logit)| {
            let logit = if logit.is_nan() { f32::NEG_INFINITY } else { logit.min(f32::MAX) };
            let penalty = settings.repeat_penalty;
            let seen = penalty != 1.0 && window.contains(&TokenId(token));
            let logit = if !seen {
                logit
            } else if logit > 0.0 {
                logit / penalty
            } else {
                logit * penalty
            };
            let score = if suppressed.contains(&TokenId(token)) { f32::NEG_INFINITY } else { logit };
            // + 0.0: no difference between 0 and -0.
            (token, f64::from(score) / f64::from(settings.temperature) + 0.0)
        })
        .filter(|&(_, score)| score > f64::NEG_INFINITY)
        .collect();
    all.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0)));
    if settings.top_k > 0 {
        all.truncate(settings.top_k as usize);
    }
    let Some(&(_, best)) = all.first() else {
        return Vec::new();
    };
    let total: f64 = all.iter().map(|&(_, score)| (score - best).exp()).sum();
    if settings.top_p < 1.0 {
        let mut mass = 0.0;
        let last = all.iter().position(|&(_, score)| {
            mass += (score - best).exp() / total;
            mass >= f64::from(settings.top_p)
        });
        all.truncate(last.map_or(all.len(), |last| last + 1));
    }
    let lowest = best + f64::from(settings.min_p).ln();
    let best_token = all[0];
    all.retain(|&(token, score)| token == best_token.0 || score >= lowest);
    let total: f64 = all.iter().map(|&(_, score)| (score - best).exp()).sum();
    all.iter().map(|&(token, score)| (TokenId(token), (score - best).exp() / total)).collect()
}

fn score_strategy() -> impl Strategy<Value = f32> {
    prop_oneof![
        20 => -12.0_f32..12.0,
        // Few different values: many ties.
        10 => (-4_i8..4).prop_map(f32::from),
        1 => Just(f32::NAN),
        1 => Just(f32::NEG_INFINITY),
        1 => Just(-0.0_f32),
    ]
}

prop_compose! {
    fn settings_strategy()(
        temperature in prop_oneof![0.2_f32..2.0, Just(1.0)],
        top_k in prop_oneof![Just(0_u32), 1_u32..100],
        top_p in prop_oneof![Just(1.0_f32), 0.0_f32..1.0],
        min_p in prop_oneof![Just(0.0_f32), 0.0_f32..0.5],
        repeat_penalty in prop_oneof![Just(1.0_f32), 0.5_f32..2.0],
        repeat_window in 0_u32..20,
        seed in any::<u64>(),
    ) -> SamplingSettings {
        SamplingSettings { temperature, top_k, top_p, min_p, repeat_penalty, repeat_window, seed }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_sorting_everything(
        settings in settings_strategy(),
        logits in proptest::collection::vec(score_strategy(), 1..700),
        text in proptest::collection::vec(0_i32..700, 0..30),
        suppressed in proptest::collection::vec(0_i32..700, 0..10),
        position in 0_u32..10_000,
    ) {
        let text: Vec<TokenId> = text.into_iter().map(TokenId).collect();
        let suppressed: Vec<TokenId> = suppressed.into_iter().map(TokenId).collect();
        let expected = reference(&settings, &suppressed, &logits, &text);
        prop_assume!(!expected.is_empty());
        let mut sampler = Sampler::new(&settings, suppressed);
        let found = sampler.distribution(&logits, &text);
        // Where a cumulated share falls on top-p to within rounding, one token more or less is as right.
        prop_assume!(found.len().abs_diff(expected.len()) != 1 || settings.top_p == 1.0);
        prop_assert_eq!(tokens(&found), tokens(&expected));
        for (found, expected) in found.iter().zip(&expected) {
            prop_assert!((found.1 - expected.1).abs() < 1e-9);
        }

        let noise = Noise::new(settings.seed, Position(position));
        let winner = expected.iter().map(|&(token, probability)| (probability.ln() + noise.gumbel(token.0 as u32), token, probability))
            .max_by(|one, other| one.0.total_cmp(&other.0)).unwrap();
        let drawn = sampler.draw_with_probability(&logits, &text, Position(position));
        prop_assert_eq!(drawn.token, winner.1);
        prop_assert!((f64::from(drawn.probability) - winner.2).abs() < 3e-6);
        prop_assert_eq!(sampler.draw(&logits, &text, Position(position)), winner.1);

        let greedy = SamplingSettings { temperature: 0.0, ..settings };
        let best = Sampler::new(&greedy, sampler.suppressed.clone()).draw(&logits, &text, Position(position));
        prop_assert_eq!(best, expected[0].0);
    }
}

/// Rows wide enough for the block maxima to give a threshold, and for the nucleus to need more than one look.
#[test]
fn agrees_with_sorting_everything_on_wide_rows() {
    let noise = Noise::new(5, Position(5));
    for (width, scale) in [(30_000, 1.0), (40_001, 4.0)] {
        let logits: Vec<f32> = (0..width).map(|token| (scale * noise.gumbel(token)) as f32).collect();
        for (top_k, top_p, min_p) in
            [(64, 0.95, 0.0), (0, 0.95, 0.0), (0, 0.3, 0.0), (0, 1.0, 0.01), (0, 1.0, 0.0), (1000, 1.0, 0.1)]
        {
            let settings = SamplingSettings { top_k, top_p, min_p, ..settings() };
            let expected = reference(&settings, &[], &logits, &[]);
            let mut sampler = sampler(&settings);
            let found = sampler.distribution(&logits, &[]);
            // The share of the whole row is known to about 1e-6: in a flat row that is a token or two.
            assert!(found.len().abs_diff(expected.len()) <= 2, "{} {}", found.len(), expected.len());
            let common = found.len().min(expected.len());
            assert_eq!(tokens(&found)[..common], tokens(&expected)[..common]);
            for place in 0..50 {
                let noise = Noise::new(settings.seed, Position(place));
                let winner = found
                    .iter()
                    .map(|&(token, probability)| (probability.ln() + noise.gumbel(token.0 as u32), token))
                    .max_by(|one, other| one.0.total_cmp(&other.0))
                    .unwrap();
                assert_eq!(sampler.draw(&logits, &[], Position(place)), winner.1);
            }
        }
    }
}
