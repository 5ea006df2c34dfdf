//! Pairing: by what the header says, whatever the file is called, wherever it lies. (Finding models on a machine,
//! and their need of memory: `pairing/machine.rs`.)

mod machine;

use std::fs;
use std::path::{Path, PathBuf};

use slipstream::gguf::GgmlType;
use slipstream::models::{
    Candidate, Choice, Distance, Field, Misfit, ModelError, ModelFile, Role, candidates_beside, choose, fits,
    fits_as_model_drafter, read_model, target_only,
};
use tempfile::TempDir;

use crate::gguf_builder::{Builder, Shape};

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn put(folder: &Path, name: &str, file: &Builder) -> PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("created");
    fs::write(&path, file.build()).expect("written");
    path
}

fn model(file: &Builder) -> ModelFile {
    let folder = folder();
    read_model(&put(folder.path(), "x.gguf", file)).expect("a good file")
}

fn misfit_of(target: &Builder, drafter: &Builder) -> Misfit {
    fits(&model(target), &model(drafter)).expect_err("must not fit")
}

fn pair_beside(target: &Path) -> Choice {
    choose(&read_model(target).expect("a good target"), &candidates_beside(target).models)
}

#[test]
fn a_file_is_what_its_architecture_says() {
    let shape = Shape::default();
    let target = model(&shape.target());
    assert_eq!(target.role, Role::Target);
    assert_eq!(target.facts.embedding_length, Some(64));
    assert_eq!(target.facts.vocabulary.map(|v| v.count), Some(48));
    assert_eq!(target.facts.quantization, Some(GgmlType::Q8_0));
    assert_eq!(
        (target.facts.is_sliding(2), target.facts.is_sliding(3), target.facts.is_sliding(4)),
        (Some(true), Some(false), None)
    );
    for (architecture, role, said) in [
        ("gemma4-assistant", Role::Drafter, "an MTP drafter for Gemma 4"),
        ("gemma4_assistant", Role::ForeignDrafter, "made for another program (AtomicChat"),
        ("gemma4_mtp", Role::ForeignDrafter, "made for another program (ik_llama.cpp"),
        ("clip", Role::Other, "a vision or audio projector"),
        ("bert", Role::Other, "an embedding model"),
        (
            "no-such\u{1b}thing",
            Role::Other,
            "`no-such\\u{1b}thing`, which this build's llama.cpp does not know",
        ),
    ] {
        let found = model(&shape.drafter_of(architecture));
        assert_eq!(found.role, role, "{architecture}");
        let refused = target_only(&found).expect_err("no target");
        assert!(refused.to_string().contains(said), "{refused}");
        assert!(!refused.help().is_empty());
    }
    assert!(target_only(&target).is_ok());
    assert!(target_only(&model(&Builder::model("llama"))).is_ok());
}

#[test]
fn what_is_no_model_is_refused_in_words() {
    let folder = folder();
    let refused = |path: &Path| read_model(path).expect_err("no model").to_string();
    assert!(refused(&folder.path().join("missing.gguf")).contains("missing.gguf"));
    assert!(refused(folder.path()).ends_with("is not a file"));
    let page = folder.path().join("page.gguf");
    fs::write(&page, "<!DOCTYPE html>").expect("written");
    assert!(refused(&page).contains("begins with `<!DO`, expected `GGUF`"), "{}", refused(&page));
    let nameless = put(folder.path(), "nameless.gguf", &Builder::new());
    assert!(matches!(read_model(&nameless), Err(ModelError::NoArchitecture { .. })));
}

#[test]
fn a_split_model_is_one_model_and_misses_its_parts() {
    let folder = folder();
    let part = Shape::default().target().number("split.count", 2).number("split.no", 0);
    let first = put(folder.path(), "m-00001-of-00002.gguf", &part);
    let error = read_model(&first).expect_err("the second part is missing");
    assert!(error.to_string().contains("m-00002-of-00002.gguf is missing"), "{error}");
    put(
        folder.path(),
        "m-00002-of-00002.gguf",
        &Builder::new().number("split.count", 2).number("split.no", 1),
    );
    let whole = read_model(&first).expect("both parts");
    assert!(whole.facts.file_bytes > fs::metadata(&first).expect("there").len());
    assert!(candidates_beside(&first).models.is_empty(), "a part is no candidate");
}

#[test]
fn a_pair_of_one_shape_fits() {
    for shape in [
        Shape::default(),
        Shape { width: 2816, heads: (8, 2), keys: (256, 512), ..Shape::default() },
        Shape { heads: (1, 1), tokens: 64, ..Shape::default() },
    ] {
        assert_eq!(fits(&model(&shape.target()), &model(&shape.drafter())), Ok(()));
    }
}

#[test]
fn a_misfit_names_the_field_and_both_values() {
    let shape = Shape::default();
    let target = shape.target();
    for (drafter, field, target_value, drafter_value) in [
        (Shape { width: 96, ..shape.clone() }, Field::HiddenWidth, "64", "96"),
        (Shape { tokens: 64, ..shape.clone() }, Field::VocabularySize, "48", "64"),
        (Shape { heads: (4, 1), ..shape.clone() }, Field::SlidingHeads, "2", "4"),
        (Shape { heads: (2, 2), ..shape.clone() }, Field::FullHeads, "1", "2"),
        (Shape { keys: (8, 32), ..shape.clone() }, Field::SlidingKeyLength, "16", "8"),
        (Shape { keys: (16, 64), ..shape.clone() }, Field::FullKeyLength, "32", "64"),
    ] {
        let misfit = misfit_of(&target, &drafter.drafter());
        assert_eq!(
            (misfit.field, &*misfit.target_value, &*misfit.drafter_value),
            (field, target_value, drafter_value)
        );
        let words = misfit.to_string();
        assert!(
            words.contains(field.name()) && words.contains(target_value) && words.contains(drafter_value),
            "{words}"
        );
        assert!(!misfit.help().is_empty());
    }
    let other_words = misfit_of(&target, &Shape { token_prefix: "u", ..shape.clone() }.drafter());
    assert_eq!(other_words.field, Field::VocabularyContent);
    assert_ne!(other_words.target_value, other_words.drafter_value);
}

#[test]
fn the_target_must_end_in_a_sliding_and_a_full_layer() {
    let shape = Shape::default();
    for (layers, found) in [
        (&[true, true, false, false][..], "full, full"),
        (&[true, false, true, true], "sliding, sliding"),
        (&[true, true, false, true], "full, sliding"),
        (&[false], "not given, full"),
    ] {
        let misfit = misfit_of(&shape.target_with(layers), &shape.drafter());
        assert_eq!((misfit.field, &*misfit.target_value), (Field::LayerKinds, found));
        assert_eq!(misfit.drafter_value, "sliding, full");
    }
    // A target without layers does not even get this far.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.gguf");
    std::fs::write(&path, shape.target_with(&[]).build()).unwrap();
    let error = read_model(&path).unwrap_err().to_string();
    assert!(error.contains("gemma4.block_count is 0"), "{error}");
}

#[test]
fn drafters_of_other_programs_and_other_targets_are_refused_by_name() {
    let shape = Shape::default();
    for (architecture, program) in [("gemma4_assistant", "AtomicChat"), ("gemma4_mtp", "ik_llama.cpp")] {
        let misfit = misfit_of(&shape.target(), &shape.drafter_of(architecture));
        let words = misfit.to_string();
        assert_eq!(misfit.field, Field::ForeignFormat);
        assert!(
            words.contains("another program") && words.contains(program) && words.contains(architecture),
            "{words}"
        );
    }
    assert_eq!(misfit_of(&shape.target(), &shape.target()).field, Field::DrafterArchitecture);
    let misfit = misfit_of(&Builder::model("llama"), &shape.drafter());
    assert_eq!((misfit.field, &*misfit.target_value), (Field::TargetArchitecture, "llama"));
}

#[test]
fn an_ordinary_smaller_model_of_the_same_tokens_can_draft() {
    let shape = Shape::default();
    let large = model(&shape.target().tensor("more.weight", &[64, 64], GgmlType::F32));
    let small = model(&shape.target());
    assert_eq!(fits_as_model_drafter(&large, &small), Ok(()));
    let fields = |drafter: &ModelFile| fits_as_model_drafter(&large, drafter).map_err(|misfit| misfit.field);
    assert_eq!(fields(&large), Err(Field::Size));
    assert_eq!(fields(&model(&shape.drafter())), Err(Field::ModelArchitecture));
    let other =
        fits_as_model_drafter(&large, &model(&Shape { tokens: 64, ..shape }.target())).expect_err("others");
    assert_eq!(
        (other.field, &*other.target_value, &*other.drafter_value),
        (Field::VocabularySize, "48", "64")
    );
}

#[test]
fn a_drafter_is_found_by_architecture_whatever_its_name() {
    for name in [
        "mtp-gemma-4-12B-it.gguf",
        "MTP/gemma-4-E2B-it-Q8_0-MTP.gguf",
        "gemma-4-12B-it-MTP-Q8_0.gguf",
        "nothing like it.GGUF",
        "../beside the target's folder.gguf",
        "../MTP/in the drafters' folder.gguf",
    ] {
        let folder = folder();
        let shape = Shape::default();
        let target = put(folder.path(), "repo/q4/model.gguf", &shape.target());
        // A name that only looks right, a projector, and rubbish.
        put(folder.path(), "repo/q4/mtp-model-assistant.gguf", &Builder::model("llama"));
        put(folder.path(), "repo/q4/mmproj.gguf", &Builder::model("clip"));
        fs::write(folder.path().join("repo/q4/broken.gguf"), b"GGUF").expect("written");
        let drafter = put(&folder.path().join("repo/q4"), name, &shape.drafter());

        let found = candidates_beside(&target);
        assert_eq!(found.unreadable.len(), 1, "{name}");
        let choice = choose(&read_model(&target).expect("good"), &found.models);
        let chosen = choice.path().unwrap_or_else(|| panic!("{name}: {}", choice.reason()));
        assert_eq!(
            fs::canonicalize(chosen).expect("there"),
            fs::canonicalize(&drafter).expect("there"),
            "{name}"
        );
        assert!(choice.reason().contains("fits in row width"), "{}", choice.reason());
    }
}

#[test]
fn files_two_levels_away_are_not_searched() {
    let folder = folder();
    let shape = Shape::default();
    let target = put(folder.path(), "a/b/model.gguf", &shape.target());
    put(folder.path(), "a/b/c/d/mtp.gguf", &shape.drafter());
    put(folder.path(), "mtp.gguf", &shape.drafter());
    assert!(candidates_beside(&target).models.is_empty());
}

#[test]
fn the_number_of_headers_read_is_limited() {
    let folder = folder();
    let target = put(folder.path(), "model.gguf", &Shape::default().target());
    for index in 0..230 {
        put(folder.path(), &format!("other-{index}.gguf"), &Builder::model("llama"));
    }
    let found = candidates_beside(&target);
    assert_eq!((found.models.len(), found.skipped), (200, 30));
}

#[test]
fn where_nothing_fits_the_nearest_miss_is_named() {
    let folder = folder();
    let shape = Shape::default();
    let target = put(folder.path(), "model.gguf", &shape.target());
    let choice = pair_beside(&target);
    assert!(
        choice.path().is_none() && choice.reason().contains("none of the 0 other"),
        "{}",
        choice.reason()
    );

    put(folder.path(), "a-foreign.gguf", &shape.drafter_of("gemma4_mtp"));
    put(folder.path(), "b-wide.gguf", &Shape { width: 96, ..shape.clone() }.drafter());
    put(folder.path(), "c-heads.gguf", &Shape { heads: (4, 1), ..shape.clone() }.drafter());
    put(folder.path(), "d-tokens.gguf", &Shape { tokens: 64, ..shape }.drafter());
    let choice = pair_beside(&target);
    let Choice::None { reason, nearest: Some((path, misfit)) } = &choice else { panic!("{choice:?}") };
    assert!(path.ends_with("c-heads.gguf") && misfit.field == Field::SlidingHeads);
    assert!(
        reason.contains("c-heads.gguf") && reason.contains("2 in the target, 4 in the drafter"),
        "{reason}"
    );

    let other = put(folder.path(), "llama.gguf", &Builder::model("llama"));
    let reason = pair_beside(&other).reason().to_owned();
    assert!(reason.contains("made for `gemma4` models, and this one is `llama`"), "{reason}");
}

fn candidate(name: &str, shape: &Shape, distance: Distance) -> Candidate {
    let mut model = model(&shape.drafter());
    model.path = PathBuf::from(name);
    Candidate { model, distance }
}

#[test]
fn of_several_that_fit_the_best_is_taken_and_the_reason_told() {
    let plain = Shape { tensor_type: GgmlType::Q8_0, ..Shape::default() };
    let typed = |tensor_type| Shape { tensor_type, ..plain.clone() };
    let qat = Shape { name: "Gemma 4 Tiny It Qat", ..plain.clone() };
    let target_of = |shape: &Shape, name: &str| {
        let mut target = model(&shape.target());
        target.path = PathBuf::from(name);
        target
    };
    let near = Distance::SameFolder;
    let chosen = |target: &ModelFile, candidates: &[Candidate]| {
        let choice = choose(target, candidates);
        let name = choice.path().expect("one fits").to_string_lossy().into_owned();
        (name, choice.reason().to_owned())
    };

    let target = target_of(&qat, "gemma-4-tiny-it-qat-q4_0.gguf");
    let both = [
        candidate("gemma-4-tiny-it-mtp-Q4_0.gguf", &typed(GgmlType::Q4_0), near),
        candidate("gemma-4-tiny-it-qat-mtp-Q8_0.gguf", &qat, Distance::Parent),
    ];
    let (name, reason) = chosen(&target, &both);
    assert!(name.contains("qat") && reason.contains("QAT like the target"), "{reason}");
    let (_, reason) = chosen(&target, &both[..1]);
    assert!(reason.contains("expect fewer accepted"), "{reason}");
    let (name, _) = chosen(&target_of(&plain, "gemma-4-tiny-it-Q8_0.gguf"), &both);
    assert!(!name.contains("qat"));

    let target = target_of(&plain, "gemma-4-tiny-coder-it-Q4_K_M.gguf");
    let (name, reason) = chosen(
        &target,
        &[
            candidate("mtp-gemma-4-tiny-it-Q4_0.gguf", &typed(GgmlType::Q4_0), near),
            candidate("mtp-gemma-4-tiny-coder-it-F16.gguf", &typed(GgmlType::F16), near),
        ],
    );
    assert!(name.contains("coder") && reason.contains("name matches"), "{reason}");

    let (name, reason) = chosen(
        &target,
        &[
            candidate("mtp-F16.gguf", &typed(GgmlType::F16), near),
            candidate("mtp-Q8_0.gguf", &typed(GgmlType::Q8_0), near),
            candidate("mtp-Q4_0.gguf", &typed(GgmlType::Q4_0), Distance::Parent),
            candidate(
                "mtp-Q5_0.gguf",
                &typed(GgmlType::all().find(|t| t.name() == "Q5_0").expect("there")),
                near,
            ),
        ],
    );
    assert!(
        name == "mtp-Q4_0.gguf" && reason.contains("of 4 that fit") && reason.contains("fastest"),
        "{reason}"
    );

    let (name, reason) = chosen(
        &target,
        &[candidate("mtp-b.gguf", &plain, Distance::Parent), candidate("mtp-c.gguf", &plain, near)],
    );
    assert!(name == "mtp-c.gguf" && reason.contains("nearest"), "{reason}");
}
