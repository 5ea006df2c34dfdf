//! Whether a drafter works with a target. A pair that does not fit fails inside llama.cpp with an abort, with
//! garbage, or (a foreign vocabulary) with guesses that are never accepted; so it is refused before loading, with
//! the field that differs and both values.

use std::fmt;

use super::architecture::{MTP_DRAFTER, MTP_TARGET, foreign_program};
use super::identify::{Facts, ModelFile, Role};
use crate::gguf::Printable;

/// What was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The drafter's architecture is that of another program's format.
    ForeignFormat,
    /// The drafter's architecture is no drafter's.
    DrafterArchitecture,
    /// An ordinary drafter must be a model that writes text.
    ModelArchitecture,
    /// The target's architecture is not the one such drafters are made for.
    TargetArchitecture,
    /// The target's row width against the one the drafter exchanges.
    HiddenWidth,
    /// The number of tokens.
    VocabularySize,
    /// The tokens themselves.
    VocabularyContent,
    /// The kind (sliding or full) of the layers whose cache the drafter reads.
    LayerKinds,
    /// The drafter's own layers must be of both kinds.
    DrafterLayers,
    /// Key and value heads of the sliding-window layer it reads.
    SlidingHeads,
    /// Key and value heads of the full-attention layer it reads.
    FullHeads,
    /// Width of a key in that sliding-window layer.
    SlidingKeyLength,
    /// Width of a key in that full-attention layer.
    FullKeyLength,
    /// Bytes: a drafter that is no smaller than its target cannot help.
    Size,
}

impl Field {
    /// The metadata key, or what else was compared.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Field::ForeignFormat
            | Field::DrafterArchitecture
            | Field::ModelArchitecture
            | Field::TargetArchitecture => "general.architecture",
            Field::HiddenWidth => "embedding_length (target) / embedding_length_out (drafter)",
            Field::VocabularySize => "number of tokens",
            Field::VocabularyContent => "tokens (hash)",
            Field::LayerKinds => "kinds of the last two layers",
            Field::DrafterLayers => "attention.sliding_window_pattern",
            Field::SlidingHeads => "attention.head_count_kv of the sliding-window layer",
            Field::FullHeads => "attention.head_count_kv of the full-attention layer",
            Field::SlidingKeyLength => "attention.key_length_swa",
            Field::FullKeyLength => "attention.key_length",
            Field::Size => "bytes of weights",
        }
    }

    /// How close a misfit is to a pair that works: the later in the list of checks, the nearer.
    pub(super) fn nearness(self) -> u8 {
        match self {
            Field::DrafterArchitecture | Field::ModelArchitecture => 0,
            Field::TargetArchitecture => 1,
            Field::ForeignFormat => 2,
            Field::HiddenWidth => 3,
            Field::VocabularySize => 4,
            Field::VocabularyContent => 5,
            Field::LayerKinds | Field::DrafterLayers => 6,
            _ => 7,
        }
    }
}

/// Why a drafter does not work with a target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Misfit {
    /// What differs.
    pub field: Field,
    /// The target's value, or what is needed.
    pub target_value: String,
    /// The drafter's value.
    pub drafter_value: String,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (target, drafter) = (&self.target_value, &self.drafter_value);
        match self.field {
            Field::ForeignFormat => {
                let program = foreign_program(drafter).unwrap_or("another program");
                write!(
                    f,
                    "the drafter was made for another program ({program}): its general.architecture is `{drafter}`, llama.cpp needs `{target}`"
                )
            }
            Field::DrafterArchitecture => {
                write!(
                    f,
                    "the file is no MTP drafter: its general.architecture is `{drafter}`, expected `{target}`"
                )
            }
            Field::ModelArchitecture => write!(
                f,
                "the file cannot draft as an ordinary model: its general.architecture is `{drafter}`, expected {target}"
            ),
            Field::TargetArchitecture => write!(
                f,
                "the drafter is made for `{MTP_TARGET}` targets, the target's general.architecture is `{target}` (the drafter's: `{drafter}`)"
            ),
            Field::DrafterLayers => {
                write!(
                    f,
                    "the drafter needs {target} layers, its attention.sliding_window_pattern has {drafter}"
                )
            }
            Field::LayerKinds => write!(
                f,
                "the drafter reads the cache of the target's last two layers, which must be [{drafter}]; the target's are [{target}]"
            ),
            Field::Size => write!(
                f,
                "the drafter's weights ({drafter} bytes) are not smaller than the target's ({target} bytes)"
            ),
            field => write!(f, "{} differs: {target} in the target, {drafter} in the drafter", field.name()),
        }
    }
}

impl Misfit {
    /// What a person can do about it.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self.field {
            Field::ForeignFormat => {
                "Fetch a drafter whose architecture is `gemma4-assistant`, or convert the original with `slipstream quantize`."
            }
            Field::DrafterArchitecture => {
                "Use it as an ordinary smaller model with `--drafter-kind model`, or leave `--drafter auto`."
            }
            Field::ModelArchitecture => {
                "An MTP drafter runs with `--drafter-kind mtp`; else choose a smaller model of the same vocabulary."
            }
            Field::Size => "Choose a smaller model as the drafter, or `--drafter none`.",
            _ => {
                "Take the assistant published with exactly this target, or leave `--drafter auto`; `--drafter none` runs without one."
            }
        }
    }
}

fn shown<T: fmt::Display>(value: Option<T>) -> String {
    value.map_or_else(|| "not given".to_owned(), |value| value.to_string())
}

fn same<T: PartialEq + fmt::Display>(
    field: Field,
    target: Option<T>,
    drafter: Option<T>,
) -> Result<(), Misfit> {
    if target.is_some() && target == drafter {
        return Ok(());
    }
    Err(Misfit { field, target_value: shown(target), drafter_value: shown(drafter) })
}

fn misfit(field: Field, target: impl fmt::Display, drafter: impl fmt::Display) -> Misfit {
    Misfit { field, target_value: target.to_string(), drafter_value: drafter.to_string() }
}

/// Whether an MTP drafter works with a target (docs/ARCHITECTURE.md, "The drafter").
///
/// # Errors
/// The first field that does not agree.
pub fn fits(target: &ModelFile, drafter: &ModelFile) -> Result<(), Misfit> {
    let (t, d) = (&target.facts, &drafter.facts);
    match drafter.role {
        Role::Drafter => {}
        Role::ForeignDrafter => {
            return Err(misfit(Field::ForeignFormat, MTP_DRAFTER, Printable::short(&d.architecture, 60)));
        }
        Role::Target | Role::Other => {
            return Err(misfit(
                Field::DrafterArchitecture,
                MTP_DRAFTER,
                Printable::short(&d.architecture, 60),
            ));
        }
    }
    if t.architecture != MTP_TARGET {
        return Err(misfit(
            Field::TargetArchitecture,
            Printable::short(&t.architecture, 60),
            &d.architecture,
        ));
    }
    same(Field::HiddenWidth, t.embedding_length, d.embedding_length_out)?;
    same_vocabulary(t, d)?;

    // The drafter's sliding layers read the target's last layer but one, its full ones the last.
    let last = t.block_count.and_then(|count| count.checked_sub(1));
    let (sliding, full) = (last.and_then(|last| last.checked_sub(1)), last);
    let kinds = (sliding.and_then(|layer| t.is_sliding(layer)), full.and_then(|layer| t.is_sliding(layer)));
    if kinds != (Some(true), Some(false)) {
        let kind = |kind| shown(kind_name(kind));
        return Err(misfit(
            Field::LayerKinds,
            format!("{}, {}", kind(kinds.0), kind(kinds.1)),
            "sliding, full",
        ));
    }
    let pattern = d.sliding_pattern.as_deref().unwrap_or_default();
    let own = |wanted: bool| pattern.iter().position(|&is_sliding| is_sliding == wanted);
    let (Some(own_sliding), Some(own_full)) = (own(true), own(false)) else {
        let found = format!("{} sliding and {} full", count(pattern, true), count(pattern, false));
        return Err(misfit(Field::DrafterLayers, "at least one sliding and one full", found));
    };
    let heads = |facts: &Facts, layer: Option<u32>| facts.head_count_kv.as_ref()?.at(layer?);
    let index = |position: usize| u32::try_from(position).ok();
    same(Field::SlidingHeads, heads(t, sliding), heads(d, index(own_sliding)))?;
    same(Field::FullHeads, heads(t, full), heads(d, index(own_full)))?;
    same(Field::SlidingKeyLength, t.key_length_swa, d.key_length_swa)?;
    same(Field::FullKeyLength, t.key_length, d.key_length)
}

/// Whether an ordinary model can draft for a target with a cache of its own: same tokens, fewer bytes.
///
/// # Errors
/// The first field that does not agree.
pub fn fits_as_model_drafter(target: &ModelFile, drafter: &ModelFile) -> Result<(), Misfit> {
    let (t, d) = (&target.facts, &drafter.facts);
    match drafter.role {
        Role::Target => {}
        Role::ForeignDrafter => {
            return Err(misfit(Field::ForeignFormat, MTP_DRAFTER, Printable::short(&d.architecture, 60)));
        }
        Role::Drafter | Role::Other => {
            let found = Printable::short(&d.architecture, 60);
            return Err(misfit(Field::ModelArchitecture, "one that writes text", found));
        }
    }
    same_vocabulary(t, d)?;
    if d.weight_bytes >= t.weight_bytes {
        return Err(misfit(Field::Size, t.weight_bytes, d.weight_bytes));
    }
    Ok(())
}

fn same_vocabulary(target: &Facts, drafter: &Facts) -> Result<(), Misfit> {
    let (t, d) = (target.vocabulary, drafter.vocabulary);
    same(Field::VocabularySize, t.map(|v| v.count), d.map(|v| v.count))?;
    // A drafter without a tokenizer of its own uses the target's.
    match (t.and_then(|v| v.hash), d.and_then(|v| v.hash)) {
        (Some(t), Some(d)) if t != d => {
            Err(misfit(Field::VocabularyContent, format!("{t:016x}"), format!("{d:016x}")))
        }
        _ => Ok(()),
    }
}

fn kind_name(is_sliding: Option<bool>) -> Option<&'static str> {
    is_sliding.map(|is_sliding| if is_sliding { "sliding" } else { "full" })
}

fn count(pattern: &[bool], wanted: bool) -> usize {
    pattern.iter().filter(|&&each| each == wanted).count()
}
