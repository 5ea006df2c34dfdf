//! Recipes for a size and types for a machine, on the shapes of the real models.

use std::path::Path;

use slipstream::gguf::{GgmlType, Header, ReadOptions};
use slipstream::models::{MemoryEstimate, MemoryPlan, ModelFile, identify};
use slipstream::quantize::{
    FileType, Imatrix, Model, ModelFacts, Options, Plan, PlanError, Recipe, bytes_at, file_type_within, harm,
    recipe, suggest,
};

use crate::gguf_builder::Builder;
use crate::quantize_types::{Shapes, shapes};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

fn model<'a>(shapes: &'a Shapes, imatrix: Option<&'a Imatrix>) -> Model<'a> {
    Model { facts: &shapes.facts, tensors: &shapes.tensors, imatrix }
}

fn named(name: &str) -> Shapes {
    shapes().into_iter().find(|shapes| shapes.name == name).expect("a model of the shapes file")
}

/// An imatrix for every matrix of a model, as the older format writes it; experts' entries are left out where they
/// would be large, so that a test stays quick.
fn imatrix(shapes: &Shapes) -> Imatrix {
    let matrices: Vec<_> = shapes
        .tensors
        .iter()
        .filter(|tensor| tensor.shape.len() == 2 && tensor.name.starts_with("blk."))
        .collect();
    let mut bytes = (matrices.len() as i32).to_le_bytes().to_vec();
    for tensor in matrices {
        let columns = tensor.shape[0] as usize;
        bytes.extend((tensor.name.len() as i32).to_le_bytes());
        bytes.extend(tensor.name.as_bytes());
        bytes.extend(1_i32.to_le_bytes());
        bytes.extend((columns as i32).to_le_bytes());
        bytes.extend(std::iter::repeat_n(1_f32.to_le_bytes(), columns).flatten());
    }
    Imatrix::from_bytes(&bytes, "i.dat").expect("an imatrix")
}

fn plan(shapes: &Shapes, file_type: FileType) -> Plan {
    Plan::new(&shapes.facts, &shapes.tensors, &Options::new(file_type)).expect("a plan")
}

/// The recipe as options, planned anew: what a person gets who types them.
fn typed_again(shapes: &Shapes, recipe: &Recipe, imatrix: Option<&Imatrix>) -> u64 {
    let mut options = Options::new(recipe.file_type);
    options.overrides.clone_from(&recipe.overrides);
    options.imatrix = imatrix;
    Plan::new(&shapes.facts, &shapes.tensors, &options).expect("a plan").bytes()
}

#[test]
fn a_recipe_fits_uses_the_room_and_falls_back_nowhere() {
    for shapes in shapes().iter().filter(|shapes| shapes.name != "odd-rows") {
        let imatrix = imatrix(shapes);
        let most = plan(shapes, FileType::Q8_0).bytes();
        for (part, imatrix) in
            [(40, None), (55, None), (70, None), (85, None), (40, Some(&imatrix)), (60, Some(&imatrix))]
        {
            let bytes = most / 100 * part;
            let found = match recipe(model(shapes, imatrix), bytes) {
                Ok(found) => found,
                // The 26B's experts of 704 columns have no type below 4.5 bits.
                Err(PlanError::TooSmall { smallest, .. }) if part == 40 => {
                    assert!(smallest > bytes, "{}", shapes.name);
                    continue;
                }
                Err(error) => panic!("{}: {error}", shapes.name),
            };
            let name = format!("{} at {part} %: {} of {bytes}", shapes.name, found.plan.bytes());
            assert!(found.plan.bytes() <= bytes, "{name}");
            // A drafter is one large matrix and little else: there the next type may not fit.
            assert!(found.plan.bytes() > bytes / 100 * 97 || shapes.name.contains("assistant"), "{name}");
            assert_eq!(found.plan.fallbacks().count(), 0, "{name}");
            assert!(found.plan.check().is_ok(), "{name}");
            assert!(found.plan.notes.is_empty(), "{name}: every override decides something");
            assert_eq!(typed_again(shapes, &found, imatrix), found.plan.bytes(), "{name}");
        }
    }
}

#[test]
fn a_recipe_does_no_more_harm_than_the_file_type_of_its_size() {
    for shapes in shapes().iter().filter(|shapes| shapes.name != "odd-rows") {
        for file_type in [
            FileType::Q3_K_M,
            FileType::IQ4_XS,
            FileType::Q4_0,
            FileType::Q4_K_M,
            FileType::Q5_K_M,
            FileType::Q6_K,
        ] {
            let plan = plan(shapes, file_type);
            let found = recipe(model(shapes, None), plan.bytes()).expect("a recipe");
            let (ours, theirs) = (harm(&found.plan), harm(&plan));
            // Step by step is not the best to the last bit.
            assert!(ours <= theirs * 1.01, "{} {file_type}: {ours} against {theirs}", shapes.name);
        }
    }
}

#[test]
fn more_room_never_does_more_harm() {
    let shapes = named("26B-A4B");
    let mut last = f64::INFINITY;
    for gigabytes in 11..26 {
        let found = recipe(model(&shapes, None), gigabytes * GIB).expect("a recipe");
        let harm = harm(&found.plan);
        assert!(harm <= last, "{gigabytes} GiB: {harm} after {last}");
        last = harm;
    }
}

#[test]
fn small_matrices_are_raised_before_the_experts() {
    let shapes = named("26B-A4B");
    let found = recipe(model(&shapes, None), 14 * GIB).expect("a recipe");
    let given = |name: &str| found.plan.rows.iter().find(|row| row.name == name).expect("a row").given;
    let bits = |name: &str| given(name).bits_per_weight();
    for name in
        ["blk.0.attn_v.weight", "blk.0.attn_output.weight", "blk.0.ffn_down.weight", "token_embd.weight"]
    {
        assert!(bits(name) > bits("blk.0.ffn_gate_up_exps.weight"), "{name}: {}", given(name));
    }
}

#[test]
fn a_size_that_nothing_fits_says_what_the_smallest_is() {
    let shapes = named("26B-A4B");
    let error = recipe(model(&shapes, None), 4 * GIB).expect_err("too small");
    let PlanError::TooSmall { smallest, .. } = error else { panic!("{error}") };
    assert!(recipe(model(&shapes, None), smallest).is_ok());
    assert!(recipe(model(&shapes, None), smallest - 1).is_err());
}

#[test]
fn bits_a_weight_become_bytes() {
    let shapes = named("26B-A4B");
    let bytes = bytes_at(&shapes.tensors, 4.57);
    assert!(bytes.abs_diff(13_755 * MIB) < 15 * MIB, "{}", bytes / MIB);
}

/// The model as a file on a disk says it: for the estimate of memory.
fn file(shapes: &Shapes, entries: &[(&str, u32)], heads: &[i32], pattern: &[bool]) -> ModelFile {
    let architecture = shapes.facts.architecture.as_str();
    let key = |name: &str| format!("{architecture}.{name}");
    let mut builder = Builder::model(architecture)
        .number(&key("block_count"), shapes.facts.layers)
        .numbers(&key("attention.head_count_kv"), heads)
        .bools(&key("attention.sliding_window_pattern"), pattern);
    for (name, value) in entries {
        builder = builder.number(&key(name), *value);
    }
    let bytes = builder.tensor("token_embd.weight", &[32, 8], GgmlType::Q8_0).build();
    let header = Header::from_bytes(&bytes, ReadOptions::default()).expect("a header");
    identify(Path::new("model.gguf"), &header).expect("a model")
}

#[test]
fn machines_of_usual_sizes_get_a_type_that_fits_with_its_drafter_and_16k_of_context() {
    let (shapes, drafter) = (named("26B-A4B"), named("26B-A4B-assistant"));
    let is_full = |layer: usize| layer % 6 == 5;
    let heads: Vec<i32> = (0..30).map(|layer| if is_full(layer) { 2 } else { 8 }).collect();
    let pattern: Vec<bool> = (0..30).map(|layer| !is_full(layer)).collect();
    let widths = [
        ("embedding_length", 2816),
        ("feed_forward_length", 2112),
        ("attention.key_length", 512),
        ("attention.value_length", 512),
        ("attention.key_length_swa", 256),
        ("attention.value_length_swa", 256),
        ("attention.sliding_window", 1024),
        ("attention.head_count", 16),
    ];
    let target = file(&shapes, &widths, &heads, &pattern);
    let estimate =
        MemoryEstimate::new(&target, None, MemoryPlan { context: 16_384, ..MemoryPlan::default() });
    // 25 windows of 1536 cells, 5 caches of 16384.
    let caches = 2 * 2 * (25 * 1536 * 8 * 256 + 5 * 16_384 * 2 * 512);
    let beside = estimate.beside_weights();
    assert!(beside >= caches && beside < caches + 200 * MIB, "{beside} for {caches}");

    let drafter: (&ModelFacts, &[_]) = (&drafter.facts, &drafter.tensors);
    let mut before = 0;
    for (gigabytes, expected) in [(16, "Q2_K"), (24, "Q5_K_S"), (32, "Q6_K"), (48, "Q8_0"), (128, "Q8_0")] {
        let ram = gigabytes * GIB;
        let found = suggest(ram, beside, model(&shapes, None), Some(drafter)).expect("a suggestion");
        let drafter = found.drafter.expect("a plan for the drafter");
        assert_eq!((drafter.bytes() + MIB / 2) / MIB, 225, "all Q4_0");
        assert!(found.target.bytes() + drafter.bytes() + beside + found.reserve <= ram);
        assert_eq!(found.target.file_type.name(), expected, "{gigabytes} GiB");
        assert!(found.target.bytes() >= before);
        before = found.target.bytes();
    }
    assert!(suggest(8 * GIB, beside, model(&shapes, None), Some(drafter)).is_err());
    assert!(file_type_within(model(&shapes, None), GIB).is_err());
}
