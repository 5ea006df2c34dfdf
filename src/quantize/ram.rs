//! `--for-ram`: what fits beside everything else on a machine.

use super::error::PlanError;
use super::file_type::FileType;
use super::model::ModelFacts;
use super::plan::{Options, Plan};
use super::source::SourceTensor;
use super::target::{Model, file_type_within};

const GIB: u64 = 1 << 30;

/// What is suggested for a machine.
#[derive(Clone, Debug)]
pub struct Suggestion {
    /// The target.
    pub target: Plan,
    /// Its drafter.
    pub drafter: Option<Plan>,
    /// Bytes left to the system and other programs.
    pub reserve: u64,
    /// Bytes of caches and buffers.
    pub beside: u64,
    /// Bytes there were for the weights of both.
    pub weights: u64,
}

/// Bytes left to the system and other programs: a quarter, but neither less than 2 GiB, below which the system takes
/// pages of the model away while it is read, nor more than 8.
#[must_use]
pub fn reserve(ram: u64) -> u64 {
    (ram / 4).clamp(2 * GIB, 8 * GIB)
}

/// Suggests a file type for a target beside its drafter, whose weights are all Q4_0: of drafters the smallest is the
/// fastest, at equal acceptance. `beside` is what else both take: caches, buffers (`models::MemoryEstimate`).
///
/// # Errors
/// [`PlanError::TooSmall`] where nothing fits, and what is wrong with the models.
pub fn suggest(
    ram: u64,
    beside: u64,
    target: Model<'_>,
    drafter: Option<(&ModelFacts, &[SourceTensor])>,
) -> Result<Suggestion, PlanError> {
    let mut options = Options::new(FileType::Q4_0);
    options.pure = true;
    let drafter = drafter.map(|(facts, tensors)| Plan::new(facts, tensors, &options)).transpose()?;
    let reserve = reserve(ram);
    let weights = ram.saturating_sub(reserve).saturating_sub(beside);
    let budget = weights.saturating_sub(drafter.as_ref().map_or(0, Plan::bytes));
    let target = file_type_within(target, budget)?;
    Ok(Suggestion { target, drafter, reserve, beside, weights })
}
