//! A whole decode does not depend on the width of the batch while our kernels run: every op gives each token the bits it
//! gives it alone, at any length of context and with any number of threads.

use std::path::Path;

use slipstream::engine::EngineSettings;
use slipstream::kernels::{InstructionSet, Weights};
use slipstream::llama::kernels::{Trial, compute_of_type, switch};
use slipstream::llama::{
    Backend, Context, ContextSettings, KvType, Model, ModelSettings, Seen, Watch, quantize_rows,
};
use slipstream::quantize::FileType;
use slipstream::token::TokenId;

use crate::drive::{Driver, alone, fixed, greedy, mtp, raw, seeded, settings, target_file};
use crate::kernels::requantized;

/// Tokens whose ops are compared, after those that are read as a prompt is.
const COMPARED: usize = 17;

const WIDTHS: [usize; 6] = [2, 3, 4, 8, 16, 17];

/// Sizes around the steps: llama.cpp looks at 256 cells more from 256 tokens on, and cuts attention from 512 cells on. The
/// last is past the end of the sliding window's ring of cells (768), which then begins anew.
const LENGTHS: [usize; 6] = [30, 250, 505, 600, 757, 900];

/// One of them, where attention is cut.
const THREADED: usize = 600;

fn switch_on() {
    Backend::start(None).expect("llama.cpp starts");
    assert!(switch(InstructionSet::fastest()), "our kernels can be switched on");
}

fn model(file: &Path) -> Model {
    let backend = Backend::start(None).expect("llama.cpp starts");
    Model::load(backend, file, &ModelSettings::default(), &mut |_| true).expect("loads")
}

fn context<'m>(model: &'m Model, threads: u32, watch: &Watch) -> Context<'m> {
    let settings = ContextSettings {
        cells: 2048,
        micro_batch: 512,
        max_outputs: COMPARED as u32,
        threads,
        threads_batch: threads,
        kv_type: KvType::F16,
    };
    Context::watched(model, &settings, watch).expect("a context")
}

fn text(length: usize) -> Vec<TokenId> {
    (0..length).map(|at| TokenId(20 + (at * at * 7 + at * 13) as i32 % 5000)).collect()
}

/// The ops of some batches after `length` tokens, and all their scores.
fn watched(model: &Model, length: usize, width: usize, threads: u32) -> (Vec<Vec<Seen>>, Vec<u32>) {
    let watch = Watch::default();
    let mut context = context(model, threads, &watch);
    let all = text(length + COMPARED);
    for chunk in all[..length].chunks(512) {
        context.decode(chunk, 0).expect("decodes");
    }
    let (mut batches, mut scores) = (Vec::new(), Vec::new());
    for chunk in all[length..].chunks(width) {
        watch.begin();
        context.decode(chunk, chunk.len()).expect("decodes");
        batches.push(watch.take());
        for row in 0..chunk.len() {
            scores.extend(context.row(row).expect("a row").iter().map(|score| score.to_bits()));
        }
    }
    (batches, scores)
}

/// Where a batch lies in the result of an op, if it is there; `alone` is the same op of one token.
fn batch_dimension(alone: &Seen, seen: &Seen, width: usize) -> Option<usize> {
    let others = |dimension: usize| (0..4).all(|at| at == dimension || alone.shape[at] == seen.shape[at]);
    (0..4).find(|&at| alone.shape[at] == 1 && seen.shape[at] == width && others(at))
}

/// What each token's ops gave, decoded alone.
type Alone = (Vec<Vec<Seen>>, Vec<u32>);

/// Every op with a token whose bits are not those of the token alone.
fn differing(alone: &Alone, model: &Model, length: usize, width: usize, threads: u32) -> Vec<String> {
    let (batches, scores) = watched(model, length, width, threads);
    let mut found = Vec::new();
    let (mut token, mut compared) = (0, 0);
    for batch in &batches {
        let wide = width.min(COMPARED - token);
        for (at, seen) in batch.iter().enumerate() {
            let parts: Vec<_> = (0..wide).map(|inside| (&alone.0[token + inside][at], inside)).collect();
            assert!(parts.iter().all(|(one, _)| one.name == seen.name), "other ops: {}", seen.name);
            // The mask is as wide as the cells that are looked at: more in a batch than alone where a step lies in it.
            let Some(dimension) = batch_dimension(parts[0].0, seen, wide) else { continue };
            compared += 1;
            let differs = parts.iter().find(|(one, inside)| seen.token(dimension, *inside) != one.bytes);
            if let Some((_, inside)) = differs {
                found.push(format!("{} ({}), token {}", seen.name, seen.operation, token + inside));
            }
        }
        token += wide;
    }
    assert!(compared > 600 * batches.len(), "only {compared} ops compared");
    if scores != alone.1 {
        found.push("scores".to_owned());
    }
    found
}

/// At every length, in batches of every width, and with other threads than alone.
fn nothing_differs(file: &Path, lengths: &[usize]) {
    let model = model(file);
    for &length in lengths {
        let alone = watched(&model, length, 1, 1);
        let alike = WIDTHS.map(|width| (width, 1));
        // Threads without a core of their own are slow: one length is enough.
        let otherwise = [(1, 2), (4, 3)].into_iter().filter(|_| length == THREADED);
        for (width, threads) in alike.into_iter().chain(otherwise) {
            let found = differing(&alone, &model, length, width, threads);
            assert!(
                found.is_empty(),
                "{}, after {length} tokens, {width} in a batch, {threads} threads: {} ops, first {}",
                file.display(),
                found.len(),
                found[0]
            );
        }
    }
}

#[test]
fn no_op_depends_on_the_width_of_the_batch() {
    let _alone = alone();
    switch_on();
    nothing_differs(&target_file(), &LENGTHS);
}

/// Whatever the type of the weights, with a kernel of ours or without.
#[test]
fn nor_with_other_types_of_weights() {
    let _alone = alone();
    switch_on();
    let folder = tempfile::tempdir().expect("a folder");
    for (name, file_type) in [
        ("Q4_0", FileType::Q4_0),
        ("Q5_1", FileType::Q5_1),
        ("IQ4_NL", FileType::IQ4_NL),
        ("BF16", FileType::BF16),
        ("F16", FileType::F16),
        ("F32", FileType::F32),
    ] {
        nothing_differs(&requantized(folder.path(), name, file_type), &[30]);
    }
}

/// Products alone, of types that no pocket model has: rows of 256 columns and more.
#[test]
fn products_of_every_type_give_a_row_the_bits_of_the_row_alone() {
    let _alone = alone();
    Backend::start(None).expect("llama.cpp starts");
    let (columns, rows) = (768, 24);
    let number = |at: usize, step: usize| (at * step % 1013) as f32 / 500.0 - 1.0;
    let values: Vec<f32> = (0..columns * rows).map(|at| number(at, 7919) * 0.1).collect();
    // ggml's numbers: of those that are quickly quantized without an importance matrix, all; those that llama.cpp repacks on x86 (Q4_0, Q2_K, Q4_K, IQ4_NL).
    let plain = [0, 1, 2, 3, 6, 7, 8, 10, 11, 12, 13, 14, 20, 23, 30, 34, 35].map(|it| (it, false));
    let kinds = plain.into_iter().chain([2, 10, 12, 20].map(|it| (it, true)));
    for kind in kinds {
        let weights = quantize_rows(kind.0, &values, columns).expect("llama.cpp quantizes");
        for batch in [2, 3, 4, 7, 8, 16, 17] {
            let activations: Vec<f32> = (0..columns * batch).map(|at| number(at, 104_729) * 2.0).collect();
            let trial = Trial {
                kind: Weights::ALL[0],
                weights: &weights,
                activations: &activations,
                choice: &[],
                columns,
                rows,
                experts: 1,
                slots: batch,
                tokens: 1,
                threads: 2,
            };
            let bits = |trial: &Trial, set| -> Vec<u32> {
                let results = compute_of_type(trial, kind, set).expect("ggml computes");
                results.into_iter().map(f32::to_bits).collect()
            };
            let alone = activations
                .chunks(columns)
                .flat_map(|activations| bits(&Trial { activations, slots: 1, ..trial.clone() }, None));
            let together = bits(&trial, InstructionSet::fastest());
            assert!(alone.eq(together), "type {}, repacked {}, {batch} rows", kind.0, kind.1);
        }
    }
}

/// One chunk of cells is what llama.cpp computes with one thread; two are put together to the same values, but for rounding.
#[test]
fn attention_is_llama_cpp_s_own() {
    let _alone = alone();
    let model = model(&target_file());
    let both = |length| {
        switch_on();
        let ours = watched(&model, length, 1, 1);
        switch(None);
        (ours, watched(&model, length, 1, 1))
    };
    // 512 cells are looked at.
    let (ours, theirs) = both(300);
    assert!(ours == theirs);
    let (ours, theirs) = both(600);
    let values = |seen: &Alone| -> Vec<f32> {
        let first = seen.0[0].iter().find(|op| op.operation == "FLASH_ATTN_EXT").expect("attention");
        first.bytes.chunks_exact(4).map(|it| f32::from_le_bytes([it[0], it[1], it[2], it[3]])).collect()
    };
    let (ours, theirs) = (values(&ours), values(&theirs));
    let largest = theirs.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let off = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0_f32, f32::max);
    assert!(largest > 0.01 && off < 0.01 * largest, "off by {off} of {largest}");
    assert!(off > 0.0, "it was cut");
}

/// Of a reply: past the steps at 256 and 512 cells, and past the end of the ring.
const TOKENS: u32 = 560;

/// Every row of scores that gave a token is bit for bit the one that plain decoding had there, whatever was guessed and
/// rejected on the way.
#[test]
fn speculative_replies_come_from_the_rows_of_plain_ones() {
    for sampling in [greedy(), seeded(1), seeded(2)] {
        let write = |length: u32| {
            let settings = EngineSettings {
                kernels: true,
                fingerprints: true,
                speculation: fixed(length),
                // A ring of 512 cells, which ends within the reply.
                micro_batch: 64,
                ..settings(mtp(), 0)
            };
            let driver = Driver::start(settings);
            let reply = driver.ask(raw("The lantern", sampling.clone(), Some(TOKENS))).reply().clone();
            assert_eq!(reply.rows.len(), reply.tokens.len());
            assert!(length == 0 || reply.counters.accepted < reply.counters.tested, "nothing was rejected");
            (reply.tokens, reply.rows)
        };
        let plain = write(0);
        assert_eq!(plain.1.len(), TOKENS as usize);
        for length in [3, 16] {
            let (written, rows) = write(length);
            let at = plain.1.iter().zip(&rows).position(|(a, b)| a != b);
            assert_eq!(at, None, "{length} guesses, {sampling:?}: another row");
            assert_eq!(plain.0, written);
        }
    }
}

/// What the tests above would say of llama.cpp's own kernels, so that they cannot pass by looking at nothing.
#[test]
fn without_our_kernels_ops_do_depend_on_it() {
    let _alone = alone();
    let model = model(&target_file());
    let names = |length, threads| {
        let alone = watched(&model, length, 1, threads);
        differing(&alone, &model, length, 4, threads)
    };
    let (short, long) = (names(30, 1), names(600, 2));
    assert!(short[0].contains("ffn_moe_logits-0 (MUL_MAT)"), "{}", short.join("\n"));
    assert!(long.iter().any(|op| op.contains("FLASH_ATTN_EXT")), "{}", long.join("\n"));
}
