//! The best of several drafters. Whether one works is decided by `pair.rs`; here names and types only rank those
//! that do.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::architecture::{MTP_DRAFTER, MTP_TARGET};
use super::beside::{Candidate, Distance};
use super::identify::{ModelFile, Role, shown};
use super::memory::human_bytes;
use super::pair::{Misfit, fits};
use crate::gguf::{GgmlType, Printable};

/// Which drafter, and why; or why none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// One fits.
    Chosen {
        /// Its file.
        path: PathBuf,
        /// Why this one: a sentence.
        reason: String,
    },
    /// None fits.
    None {
        /// Why not: a sentence.
        reason: String,
        /// The nearest miss, where there was any drafter.
        nearest: Option<(PathBuf, Misfit)>,
    },
}

impl Choice {
    /// The drafter's file.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Choice::Chosen { path, .. } => Some(path),
            Choice::None { .. } => None,
        }
    }

    /// Why this one, or why none.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Choice::Chosen { reason, .. } | Choice::None { reason, .. } => reason,
        }
    }
}

/// Chooses the MTP drafter for a target.
///
/// Of those that fit: the one trained like the target (QAT with QAT: acceptance is far higher), then the one
/// whose name says the same model, then Q4_0 and Q8_0 before F16 (acceptance hardly differs, a step takes a third
/// of the time), then the smaller, then the nearest.
#[must_use]
pub fn choose(target: &ModelFile, candidates: &[Candidate]) -> Choice {
    let mut fitting = Vec::new();
    let mut nearest: Option<(&Candidate, Misfit)> = None;
    for candidate in
        candidates.iter().filter(|each| matches!(each.model.role, Role::Drafter | Role::ForeignDrafter))
    {
        match fits(target, &candidate.model) {
            Ok(()) => fitting.push(candidate),
            Err(misfit) => {
                if nearest.as_ref().is_none_or(|(_, other)| misfit.field.nearness() > other.field.nearness())
                {
                    nearest = Some((candidate, misfit));
                }
            }
        }
    }
    let best = fitting.iter().min_by_key(|candidate| rank(target, candidate));
    if let Some(best) = best {
        return Choice::Chosen { path: best.model.path.clone(), reason: reason(target, best, &fitting) };
    }
    let reason = match &nearest {
        _ if target.facts.architecture != MTP_TARGET => format!(
            "no drafter: MTP drafters are made for `{MTP_TARGET}` models, and this one is `{}`",
            Printable::short(&target.facts.architecture, 60)
        ),
        Some((candidate, misfit)) => {
            format!("no drafter fits: `{}` is the nearest, but {misfit}", file_name(&candidate.model.path))
        }
        None => format!(
            "no drafter: none of the {} other model files beside the target is a `{MTP_DRAFTER}`",
            candidates.len()
        ),
    };
    Choice::None {
        reason,
        nearest: nearest.map(|(candidate, misfit)| (candidate.model.path.clone(), misfit)),
    }
}

type Rank<'a> = (bool, usize, u8, u64, Distance, Reverse<usize>, &'a Path);

/// Smaller is better.
fn rank<'a>(target: &ModelFile, candidate: &'a Candidate) -> Rank<'a> {
    let drafter = &candidate.model.facts;
    (
        target.facts.quantization_aware != drafter.quantization_aware,
        words(target).difference(&words(&candidate.model)).count(),
        type_rank(drafter.quantization),
        drafter.weight_bytes,
        candidate.distance,
        Reverse(words(target).intersection(&words(&candidate.model)).count()),
        &candidate.model.path,
    )
}

/// Q4_0 before Q8_0 before the other quantized types before 16 and 32 bits.
fn type_rank(tensor_type: Option<GgmlType>) -> u8 {
    match tensor_type {
        Some(GgmlType::Q4_0) => 0,
        Some(GgmlType::Q8_0) => 1,
        Some(GgmlType::F16 | GgmlType::BF16 | GgmlType::F32) | None => 3,
        Some(_) => 2,
    }
}

/// The words of a model's name that say which model it is: not the ones that say how it was packed.
fn words(model: &ModelFile) -> BTreeSet<String> {
    const PACKING: [&str; 14] =
        ["mtp", "assistant", "draft", "drafter", "gguf", "ud", "k", "m", "s", "l", "xl", "0", "1", "of"];
    let stem =
        model.path.file_stem().map(|stem| stem.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    // A Hugging Face repository's name is what the same file is called elsewhere; the stem alone would differ.
    let name = model.facts.name.clone().unwrap_or_default().to_ascii_lowercase();
    let text = if stem.chars().any(|c| c.is_ascii_digit()) { stem } else { name };
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty() && !PACKING.contains(word) && !is_type_word(word))
        .map(str::to_owned)
        .collect()
}

/// `q4`, `iq3`, `f16`, `bf16`, `xxs`, `00001`.
fn is_type_word(word: &str) -> bool {
    let digits = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    ["iq", "tq", "bf", "q", "f"].iter().any(|prefix| word.strip_prefix(prefix).is_some_and(digits))
        || matches!(word, "xs" | "xxs" | "nl")
        || (word.len() == 5 && digits(word))
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| shown(Path::new(name))).unwrap_or_default()
}

fn reason(target: &ModelFile, best: &Candidate, fitting: &[&Candidate]) -> String {
    let facts = &best.model.facts;
    let head = format!(
        "`{}` ({}, {}, {}) fits in row width, vocabulary and cache shapes",
        file_name(&best.model.path),
        facts.quantization.map_or("no weights", GgmlType::name),
        human_bytes(facts.weight_bytes),
        best.distance.words(),
    );
    let warning = match (target.facts.quantization_aware, facts.quantization_aware) {
        (true, false) => ", though the target is QAT and it is not: expect fewer accepted guesses",
        (false, true) => {
            ", though it is made for the QAT version of the target: expect fewer accepted guesses"
        }
        _ => "",
    };
    let others = fitting.iter().filter(|each| each.model.path != best.model.path);
    let Some(runner_up) = others.min_by_key(|candidate| rank(target, candidate)) else {
        return format!("{head}{warning}");
    };
    let (mine, theirs) = (rank(target, best), rank(target, runner_up));
    let because = if mine.0 != theirs.0 {
        if target.facts.quantization_aware {
            "it is QAT like the target"
        } else {
            "like the target it is not QAT"
        }
    } else if mine.1 != theirs.1 {
        "its name matches the target's best"
    } else if mine.2 != theirs.2 {
        "its type drafts fastest"
    } else if mine.3 != theirs.3 {
        "it is the smallest"
    } else if mine.4 != theirs.4 {
        "it lies nearest"
    } else {
        "it comes first by name"
    };
    format!("{head}{warning}; of {} that fit it was taken because {because}", fitting.len())
}
