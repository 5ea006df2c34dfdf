//! Our kernels inside llama.cpp: a row of a small batch has the bits of llama.cpp's own product of that row alone.

use std::path::{Path, PathBuf};

use slipstream::kernels::{InstructionSet, Weights};
use slipstream::llama::kernels::{Trial, compute, known, switch, taken};
use slipstream::llama::{
    Backend, Context, ContextSettings, FileRequest, KvType, Model, ModelSettings, agreeing_kernels,
    quantize_file, quantize_rows,
};
use slipstream::quantize::FileType;
use slipstream::token::TokenId;

use crate::drive::alone;

struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    fn real(&mut self) -> f32 {
        self.next() as f32 / (1_u32 << 30) as f32 - 1.0
    }
}

/// Rows of weights of a type, as llama.cpp quantizes them, of very different sizes.
fn weights(numbers: &mut Numbers, kind: Weights, count: usize, columns: usize) -> Vec<u8> {
    let mut size = 1.0;
    let values: Vec<f32> = (0..count)
        .map(|at| {
            if at % 32 == 0 {
                size = 2.0_f32.powi(numbers.next() as i32 % 8 - 10);
            }
            numbers.real() * size
        })
        .collect();
    quantize_rows(kind.in_ggml().0, &values, columns).expect("llama.cpp quantizes")
}

/// Columns of so many of a type's blocks.
fn blocks(kind: Weights, count: usize) -> usize {
    count * kind.kernel(InstructionSet::Reference).columns
}

fn sets() -> impl Iterator<Item = InstructionSet> {
    InstructionSet::ALL.into_iter().filter(|set| set.is_supported())
}

/// The types of weights that have kernels on this processor: the reference has them all.
fn kinds() -> Vec<Weights> {
    let kinds = known(InstructionSet::Reference);
    let on_x86 = Weights::ALL.into_iter().filter(|kind| kind.has_kernel(InstructionSet::Avx2)).count();
    // On ARM llama.cpp makes one layout or the other.
    let wanted = if cfg!(target_arch = "aarch64") { 1 } else { on_x86 };
    assert_eq!(kinds.len(), wanted, "llama.cpp was built for another processor: {kinds:?}");
    kinds
}

/// llama.cpp's own result of every row alone, our kernels off.
fn one_by_one(trial: &Trial) -> Vec<f32> {
    let rows = trial.slots * trial.tokens;
    let chosen = trial.choice.len() / trial.tokens;
    let mut all = Vec::new();
    let alone = if trial.choice.is_empty() { rows } else { trial.tokens };
    let step = trial.activations.len() / alone;
    for number in 0..alone {
        let row = Trial {
            activations: &trial.activations[number * step..][..step],
            choice: if trial.choice.is_empty() { &[] } else { &trial.choice[number * chosen..][..chosen] },
            slots: if trial.choice.is_empty() { 1 } else { trial.slots },
            tokens: 1,
            ..trial.clone()
        };
        all.extend(compute(&row, None).expect("ggml computes"));
    }
    all
}

fn same(expected: &[f32], found: &[f32], what: &str) {
    assert_eq!(expected.len(), found.len(), "{what}");
    for (at, (expected, found)) in expected.iter().zip(found).enumerate() {
        let equal = expected.to_bits() == found.to_bits() || (expected.is_nan() && found.is_nan());
        assert!(equal, "{what}: result {at} is {found}, alone {expected}");
    }
}

/// Compares for every set and some numbers of threads, and checks that the product was ours.
fn check(trial: &Trial, what: &str) {
    let expected = one_by_one(trial);
    for set in sets() {
        for threads in [1, 2, 3] {
            let before = taken();
            let found = compute(&Trial { threads, ..trial.clone() }, Some(set)).expect("ggml computes");
            assert!(taken() > before, "{what}, {set:?}: left to llama.cpp");
            same(&expected, &found, &format!("{what}, {set:?}, {threads} threads"));
        }
    }
}

/// One matrix for as many rows of activations as there are.
fn dense<'a>(
    kind: Weights,
    weights: &'a [u8],
    activations: &'a [f32],
    columns: usize,
    rows: usize,
) -> Trial<'a> {
    let slots = activations.len() / columns;
    Trial { kind, weights, activations, choice: &[], columns, rows, experts: 1, slots, tokens: 1, threads: 1 }
}

#[test]
fn a_row_of_a_batch_has_the_bits_of_the_row_alone() {
    Backend::start(None).expect("llama.cpp starts");
    let mut numbers = Numbers(3);
    for kind in kinds() {
        for (columns, rows) in [(1, 8), (3, 24), (8, 136), (20, 264)] {
            let columns = blocks(kind, columns);
            let weights = weights(&mut numbers, kind, columns * rows, columns);
            for batch in [1, 2, 3, 4, 7, 8, 9, 16, 33] {
                let activations: Vec<f32> = (0..columns * batch).map(|_| numbers.real() * 4.0).collect();
                let trial = dense(kind, &weights, &activations, columns, rows);
                check(&trial, &format!("{kind:?}, {columns} columns, {rows} rows, batch {batch}"));
            }
        }
    }
}

#[test]
fn the_test_at_the_start_passes() {
    Backend::start(None).expect("llama.cpp starts");
    for set in sets() {
        assert_eq!(agreeing_kernels(set), kinds(), "{set:?}");
    }
}

#[test]
fn odd_numbers_come_out_as_llama_cpp_leaves_them() {
    Backend::start(None).expect("llama.cpp starts");
    let mut numbers = Numbers(5);
    for kind in kinds() {
        let (columns, rows, batch) = (blocks(kind, 4), 40, 8);
        let weights = weights(&mut numbers, kind, columns * rows, columns);
        let mut activations: Vec<f32> = (0..columns * batch).map(|_| numbers.real()).collect();
        for (row, odd) in
            [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN_POSITIVE / 8.0, -0.0, 1e-38]
                .iter()
                .enumerate()
        {
            activations[row * columns + row * 17] = *odd;
        }
        // A row so small that its scale is zero in half precision, and a NaN alone among zeros.
        activations[7 * columns..].fill(1e-12);
        activations[5 * columns..6 * columns].fill(0.0);
        activations[5 * columns + 40] = f32::NAN;
        let trial = dense(kind, &weights, &activations, columns, rows);
        check(&trial, &format!("{kind:?}, odd numbers"));
    }
}

#[test]
fn experts_give_the_bits_of_a_token_alone() {
    Backend::start(None).expect("llama.cpp starts");
    let mut numbers = Numbers(11);
    for kind in kinds() {
        let (columns, rows, experts, chosen) = (blocks(kind, 3), 72, 6, 3);
        let weights = weights(&mut numbers, kind, experts * columns * rows, columns);
        for (what, pattern) in [
            ("none shared", [[0, 1, 2], [3, 4, 5], [0, 2, 4], [1, 3, 5]]),
            ("all on the same", [[4, 0, 2]; 4]),
            ("one expert thrice", [[5, 5, 5]; 4]),
            ("some empty", [[0, 1, 5], [1, 0, 5], [5, 1, 0], [0, 5, 1]]),
        ] {
            for tokens in [1, 2, 4, 12] {
                let choice: Vec<i32> = (0..tokens).flat_map(|token| pattern[token % 4]).collect();
                for slots in [1, chosen] {
                    let activations: Vec<f32> =
                        (0..columns * slots * tokens).map(|_| numbers.real()).collect();
                    let trial = Trial {
                        kind,
                        weights: &weights,
                        activations: &activations,
                        choice: &choice,
                        columns,
                        rows,
                        experts,
                        slots,
                        tokens,
                        threads: 1,
                    };
                    check(&trial, &format!("{kind:?}, {what}, {tokens} tokens, {slots} slots"));
                }
            }
        }
    }
}

/// The pocket target with weights of another type , as llama.cpp makes it.
pub fn requantized(folder: &Path, name: &str, file_type: FileType) -> PathBuf {
    let source = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/pocket/pocket-target-Q8_0.gguf"));
    let made = folder.join(format!("pocket-target-{name}.gguf"));
    let backend = Backend::start(None).expect("llama.cpp starts");
    let request = FileRequest {
        file_type: file_type.id(),
        allow_requantize: true,
        pure: true,
        threads: 1,
        ..FileRequest::default()
    };
    quantize_file(backend, source, &made, &request).expect("llama.cpp quantizes");
    made
}

/// All scores of a short text, decoded some tokens at a time.
fn scores(model: &Model, text: &[TokenId], width: usize) -> Vec<Vec<f32>> {
    let settings = ContextSettings {
        cells: 512,
        micro_batch: 512,
        max_outputs: 17,
        threads: 1,
        threads_batch: 1,
        kv_type: KvType::F16,
    };
    let mut context = Context::new(model, &settings).expect("a context");
    let mut rows = Vec::new();
    for chunk in text.chunks(width) {
        context.decode(chunk, chunk.len()).expect("decodes");
        rows.extend((0..chunk.len()).map(|row| context.row(row).expect("a row").to_vec()));
    }
    rows
}

#[test]
fn scores_do_not_depend_on_the_width_of_the_batch() {
    let _alone = alone();
    let backend = Backend::start(None).expect("llama.cpp starts");
    let folder = tempfile::tempdir().expect("a folder");
    let mut files = vec![requantized(folder.path(), "Q4_0", FileType::Q4_0)];
    if kinds().contains(&Weights::Q8_0) {
        files.push(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/pocket/pocket-target-Q8_0.gguf").into());
    }
    // Weights mapped or read, laid out anew for the processor or as they are in the file.
    let ways = [(true, true), (true, false), (false, true), (false, false)]
        .map(|(mmap, repack)| ModelSettings { mmap, repack, ..ModelSettings::default() });
    for (file, way) in files.iter().flat_map(|file| ways.iter().map(move |way| (file, way))) {
        let model = Model::load(backend, file, way, &mut |_| true).expect("loads");
        let text = model.vocab().tokenize("What is a lantern? It gives light in the dark.", true);
        let text = text.expect("tokenizes");
        let alone = scores(&model, &text, 1);
        let before = taken();
        assert!(switch(InstructionSet::fastest()), "our kernels can be switched on");
        let widths = [1, 2, 3, 4, 7, 16].map(|width| (width, scores(&model, &text, width)));
        assert!(switch(None));
        let what = format!("{}, {way:?}", file.display());
        assert!(taken() > before, "{what}: no product was taken over");
        for (width, found) in widths {
            same(&alone.concat(), &found.concat(), &format!("{what}, width {width}"));
        }
    }
}
