//! The cost of one draw from a row of Gemma's width, on one core. The bar is 0.1 ms for the default chain
//! and for greedy.
//!
//! Rows are made to look like a model's: heavy-tailed, a few tokens far above the rest. Four rows are drawn from in
//! turn (4 MB), so that a row is not simply found where the last draw left it. The machine's noise only adds: compare
//! the fastest and the median.

use divan::{Bencher, black_box};
use slipstream::request::SamplingSettings;
use slipstream::sampling::Sampler;
use slipstream::token::{Position, TokenId};

/// Tokens in Gemma 4's vocabulary.
const VOCABULARY: usize = 262_144;

/// Rows drawn from in turn.
const ROWS: usize = 4;

fn main() {
    divan::main();
}

/// A generator good enough for bench data (xorshift64*).
fn uniforms(mut state: u64) -> impl FnMut() -> f32 {
    move || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40) as f32 / (1_u32 << 24) as f32
    }
}

/// Sums of uniforms for the bulk (about −8 ± 2.5), and every 2,000th token raised by up to 20.
fn rows() -> Vec<Vec<f32>> {
    let mut uniform = uniforms(42);
    let mut row = || {
        let mut score = |_| {
            let bulk = (0..4).map(|_| uniform()).sum::<f32>() * 4.3 - 16.6;
            if uniform() < 1.0 / 2000.0 { bulk + 20.0 * uniform() * uniform() } else { bulk }
        };
        (0..VOCABULARY).map(&mut score).collect()
    };
    (0..ROWS).map(|_| row()).collect()
}

/// A text of 128 tokens.
fn text() -> Vec<TokenId> {
    (0..128).map(|i| TokenId(i * 1999)).collect()
}

fn bench(bencher: Bencher<'_, '_>, settings: SamplingSettings, probability: bool) {
    let (rows, text) = (rows(), text());
    let mut sampler = Sampler::new(&settings, vec![TokenId(0), TokenId(5)]);
    let mut place = 0;
    bencher.bench_local(|| {
        place += 1;
        let row = black_box(&rows[place % ROWS][..]);
        if probability {
            sampler.draw_with_probability(row, &text, Position(place as u32)).token
        } else {
            sampler.draw(row, &text, Position(place as u32))
        }
    });
}

fn settings() -> SamplingSettings {
    SamplingSettings::default()
}

fn greedy() -> SamplingSettings {
    SamplingSettings { temperature: 0.0, ..settings() }
}

#[divan::bench]
fn default_chain(bencher: Bencher<'_, '_>) {
    bench(bencher, settings(), false);
}

#[divan::bench]
fn default_chain_with_probability(bencher: Bencher<'_, '_>) {
    bench(bencher, settings(), true);
}

#[divan::bench]
fn default_chain_with_penalty(bencher: Bencher<'_, '_>) {
    bench(bencher, SamplingSettings { repeat_penalty: 1.1, ..settings() }, false);
}

#[divan::bench]
fn greedy_token(bencher: Bencher<'_, '_>) {
    bench(bencher, greedy(), false);
}

#[divan::bench]
fn greedy_with_probability(bencher: Bencher<'_, '_>) {
    bench(bencher, greedy(), true);
}

#[divan::bench]
fn greedy_with_penalty(bencher: Bencher<'_, '_>) {
    bench(bencher, SamplingSettings { repeat_penalty: 1.1, ..greedy() }, false);
}

#[divan::bench]
fn no_top_k(bencher: Bencher<'_, '_>) {
    bench(bencher, SamplingSettings { top_k: 0, ..settings() }, false);
}

#[divan::bench]
fn no_top_k_flat(bencher: Bencher<'_, '_>) {
    bench(bencher, SamplingSettings { top_k: 0, temperature: 3.0, ..settings() }, false);
}

#[divan::bench]
fn min_p_alone(bencher: Bencher<'_, '_>) {
    bench(bencher, SamplingSettings { top_k: 0, top_p: 1.0, min_p: 0.05, ..settings() }, false);
}

#[divan::bench]
fn nothing_cut(bencher: Bencher<'_, '_>) {
    bench(bencher, SamplingSettings { top_k: 0, top_p: 1.0, ..settings() }, false);
}

#[divan::bench]
fn nothing_cut_with_probability(bencher: Bencher<'_, '_>) {
    bench(bencher, SamplingSettings { top_k: 0, top_p: 1.0, ..settings() }, true);
}
