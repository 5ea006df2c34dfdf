//! Bytes a model and its drafter need, item by item, from their headers alone. An estimate made before anything
//! is loaded; after loading, llama.cpp's own breakdown tells the truth.

use std::fmt::Write as _;

use super::identify::{Facts, ModelFile, Role};
use crate::gguf::GgmlType;

/// What will be loaded, as far as it costs memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryPlan {
    /// Tokens of context.
    pub context: u32,
    /// Tokens computed at once while reading a prompt (llama.cpp's micro-batch).
    pub micro_batch: u32,
    /// Rows whose scores are kept at once: the draft length and one.
    pub outputs: u32,
    /// The type of keys and values: F16 or Q8_0.
    pub kv_type: GgmlType,
}

impl Default for MemoryPlan {
    fn default() -> Self {
        MemoryPlan { context: 8192, micro_batch: 512, outputs: 5, kv_type: GgmlType::F16 }
    }
}

/// One part of an estimate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryItem {
    /// What it is for.
    pub what: &'static str,
    /// Bytes.
    pub bytes: u64,
}

const WEIGHTS: &str = "weights";
const DRAFTER_WEIGHTS: &str = "drafter's weights";

/// Bytes needed, item by item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryEstimate {
    /// The parts, in the order they are loaded.
    pub items: Vec<MemoryItem>,
    /// The context it was made for.
    pub context: u32,
}

/// More is needed than there is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not enough memory: {} needed for a context of {} tokens ({}), {} available",
    human_bytes(.estimate.total()), .estimate.context, .estimate.itemised(), human_bytes(*.available))]
pub struct NotEnoughMemory {
    /// What is needed.
    pub estimate: MemoryEstimate,
    /// Bytes there are.
    pub available: u64,
    /// A context that would fit, if any does.
    pub fitting_context: Option<u32>,
}

impl NotEnoughMemory {
    /// What a person can do about it.
    #[must_use]
    pub fn help(&self) -> String {
        match self.fitting_context {
            Some(context) => format!("`--ctx {context}` would fit."),
            None => "Close other programs, or choose a smaller quantization or a smaller model.".to_owned(),
        }
    }
}

impl MemoryEstimate {
    /// Estimates a target, with its drafter where it has one.
    #[must_use]
    pub fn new(target: &ModelFile, drafter: Option<&ModelFile>, plan: MemoryPlan) -> MemoryEstimate {
        let facts = &target.facts;
        let (sliding, full) = kv_bytes(facts, plan);
        let mut items = vec![
            MemoryItem { what: WEIGHTS, bytes: facts.weight_bytes },
            MemoryItem { what: "cache of full-attention layers", bytes: full },
            MemoryItem { what: "cache of sliding-window layers", bytes: sliding },
            MemoryItem { what: "computing", bytes: compute_bytes(facts, plan) },
        ];
        if let Some(drafter) = drafter {
            let facts = &drafter.facts;
            // An MTP drafter reads the target's cache, and computes few rows at a time (docs/ARCHITECTURE.md, "The drafter").
            let shares_cache = drafter.role == Role::Drafter;
            let plan = if shares_cache { MemoryPlan { micro_batch: 64, outputs: 1, ..plan } } else { plan };
            let (sliding, full) = if shares_cache { (0, 0) } else { kv_bytes(facts, plan) };
            items.push(MemoryItem { what: DRAFTER_WEIGHTS, bytes: facts.weight_bytes });
            items.push(MemoryItem { what: "drafter's cache", bytes: sliding.saturating_add(full) });
            items.push(MemoryItem { what: "drafter's computing", bytes: compute_bytes(facts, plan) });
        }
        items.retain(|item| item.bytes > 0);
        MemoryEstimate { items, context: plan.context }
    }

    /// All items together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.items.iter().fold(0, |sum, item| sum.saturating_add(item.bytes))
    }

    /// All that is not weights: caches and buffers, which a smaller quantization does not make smaller.
    #[must_use]
    pub fn beside_weights(&self) -> u64 {
        let is_weights = |item: &&MemoryItem| matches!(item.what, WEIGHTS | DRAFTER_WEIGHTS);
        let others = self.items.iter().filter(|item| !is_weights(item));
        others.fold(0, |sum, item| sum.saturating_add(item.bytes))
    }

    /// The items in words: `weights 13.3 GiB, computing 210 MiB`.
    #[must_use]
    pub fn itemised(&self) -> String {
        let mut text = String::new();
        for item in &self.items {
            let separator = if text.is_empty() { "" } else { ", " };
            let _ = write!(text, "{separator}{} {}", item.what, human_bytes(item.bytes));
        }
        text
    }

    /// Compares the estimate with what is available.
    ///
    /// # Errors
    /// [`NotEnoughMemory`] with all items and, where there is one, a context that fits.
    pub fn check(
        target: &ModelFile,
        drafter: Option<&ModelFile>,
        plan: MemoryPlan,
        available: u64,
    ) -> Result<MemoryEstimate, NotEnoughMemory> {
        let estimate = MemoryEstimate::new(target, drafter, plan);
        if estimate.total() <= available {
            return Ok(estimate);
        }
        let fitting_context = largest_context(target, drafter, plan, available);
        Err(NotEnoughMemory { estimate, available, fitting_context })
    }
}

/// The largest context up to the plan's, in steps of 1024 tokens, that fits into `available` bytes.
#[must_use]
pub fn largest_context(
    target: &ModelFile,
    drafter: Option<&ModelFile>,
    plan: MemoryPlan,
    available: u64,
) -> Option<u32> {
    const STEP: u32 = 1024;
    let needs = |steps: u32| {
        MemoryEstimate::new(target, drafter, MemoryPlan { context: steps * STEP, ..plan }).total()
    };
    // The need grows with the context, so the answer can be bisected: `fits` holds, `too_many` does not.
    let (mut fits, mut too_many) = (0, plan.context / STEP + 1);
    while too_many - fits > 1 {
        let middle = fits + (too_many - fits) / 2;
        if needs(middle) <= available { fits = middle } else { too_many = middle }
    }
    (fits > 0).then_some(fits * STEP)
}

/// Layers believed, however many a header claims.
const MAX_LAYERS: u32 = 4096;

/// Bytes of keys and values: (sliding-window layers, layers with full attention).
fn kv_bytes(facts: &Facts, plan: MemoryPlan) -> (u64, u64) {
    let with_cache = facts.block_count.unwrap_or(0).saturating_sub(facts.shared_kv_layers).min(MAX_LAYERS);
    let full_cells = u64::from(plan.context);
    // llama-kv-cache-iswa.cpp: window + micro-batch, rounded up to 256 cells.
    let window = u64::from(facts.sliding_window.unwrap_or(0)) + u64::from(plan.micro_batch);
    let sliding_cells = full_cells.min(window).next_multiple_of(256);
    let (mut sliding, mut full) = (0_u64, 0_u64);
    for layer in 0..with_cache {
        let heads = facts.head_count_kv.as_ref().and_then(|heads| heads.at(layer)).unwrap_or(0);
        let is_sliding = facts.is_sliding(layer).unwrap_or(false);
        let (key, value) = match is_sliding {
            true => (facts.key_length_swa, facts.value_length_swa),
            false => (facts.key_length, facts.value_length),
        };
        let width = u64::from(key.unwrap_or(0)) + u64::from(value.unwrap_or(0));
        let elements = u64::from(heads).saturating_mul(width);
        let row = elements.saturating_mul(plan.kv_type.block_bytes()) / plan.kv_type.block_size();
        let (cells, sum) = if is_sliding { (sliding_cells, &mut sliding) } else { (full_cells, &mut full) };
        *sum = sum.saturating_add(row.saturating_mul(cells));
    }
    (sliding, full)
}

/// Bytes of buffers while computing: rows of a micro-batch at their widest, the attention mask, and the scores.
/// Eight rows of the model's width and three of its feed-forward width live at once in the graphs of gemma4.cpp
/// and llama.cpp's allocator; the real figure is known after loading.
fn compute_bytes(facts: &Facts, plan: MemoryPlan) -> u64 {
    let feed_forward = match facts.feed_forward_length.as_ref() {
        Some(super::identify::PerLayer::Each(all)) => all.iter().max().copied().unwrap_or(0),
        Some(super::identify::PerLayer::Same(one)) => *one,
        None => 0,
    };
    let width = 8 * u64::from(facts.embedding_length.unwrap_or(0)) + 3 * u64::from(feed_forward);
    let rows = u64::from(plan.micro_batch).saturating_mul(width).saturating_mul(4);
    let mask = u64::from(plan.micro_batch).saturating_mul(u64::from(plan.context)).saturating_mul(4);
    let vocabulary = facts.vocabulary.map_or(0, |vocabulary| vocabulary.count);
    let scores = vocabulary.saturating_mul(u64::from(plan.outputs)).saturating_mul(4);
    rows.saturating_add(mask).saturating_add(scores)
}

/// Bytes for a person: `13.3 GiB`.
#[must_use]
pub fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    // 1023.95 would be shown as 1024.0.
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}
