//! How much a type costs in quality, by measurement: the errors of types, and how strongly each class of tensors
//! answers to them.
//!
//! The model: a type adds noise of a relative squared error to every product with the matrix; the harm done is that
//! error times the class's sensitivity, and harms add up. It ranks recipes of one model; it predicts no perplexity.
//! What it leaves out on purpose: how many weights a class has. A small matrix's noise is as loud as a large one's,
//! and cheaper to quieten; that is why attention, 6 % of a 26B's weights, ends up with more bits than the experts.
//!
//! Errors: `scripts/quantize/type_error.py`. Sensitivities: `scripts/quantize/sensitivity.sh` puts one class of the
//! built-in model (the 26B's architecture, small) to Q4_0, all else at Q8_0, and measures the mean KL divergence to all
//! Q8_0 on chat text; experts' gate and up, 0.0082, is the unit. With Q5_0 the order is the same. First, middle and
//! last layers do not differ by more than a factor of two, the middle ones being the most sensitive, so layers are not
//! told apart. The last three classes are not in that model and are estimated: others report that coarse projections of
//! the per-layer path double the divergence.

use std::collections::BTreeMap;

use super::category::Category;
use super::plan::Plan;
use super::row::{Importance, Row};
use crate::gguf::GgmlType;

/// A class of tensors that get one type in a recipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// The embedding, which is the output matrix too where that is missing, and the output matrix.
    Embedding,
    /// `attn_q`.
    Query,
    /// `attn_k`.
    Key,
    /// `attn_v`, and what is fused with it.
    Value,
    /// `attn_output`.
    AttentionOutput,
    /// `ffn_gate` and `ffn_up` of the dense part.
    GateUp,
    /// `ffn_down` of the dense part.
    Down,
    /// `ffn_gate_up_exps`, or `ffn_gate_exps` and `ffn_up_exps`.
    ExpertGateUp,
    /// `ffn_down_exps`.
    ExpertDown,
    /// `per_layer_token_embd`.
    PerLayerEmbedding,
    /// `inp_gate` and `proj`, which bring the per-layer embedding in.
    PerLayerGate,
    /// Anything else: a drafter's projections, mostly.
    Other,
}

impl Class {
    /// The class of a tensor.
    #[must_use]
    pub fn of(name: &str) -> Class {
        let is_expert = name.contains("_exps");
        match Category::of(name) {
            Category::Embedding if name == super::category::PER_LAYER_EMBEDDING => Class::PerLayerEmbedding,
            Category::Embedding | Category::Output => Class::Embedding,
            Category::AttentionQuery => Class::Query,
            Category::AttentionKey => Class::Key,
            Category::AttentionValue | Category::AttentionFused | Category::AttentionCompressed => {
                Class::Value
            }
            Category::AttentionOutput => Class::AttentionOutput,
            Category::FeedForwardUp | Category::FeedForwardGate if is_expert => Class::ExpertGateUp,
            Category::FeedForwardUp | Category::FeedForwardGate => Class::GateUp,
            Category::FeedForwardDown if is_expert => Class::ExpertDown,
            Category::FeedForwardDown => Class::Down,
            Category::Other if name.ends_with(".inp_gate.weight") || name.ends_with(".proj.weight") => {
                Class::PerLayerGate
            }
            Category::Other => Class::Other,
        }
    }

    /// What its noise does to the model's choice of words, all its tensors together, in units of the experts'
    /// gate and up. A dense model's feed-forward part does the work of both.
    #[must_use]
    pub fn sensitivity(self, has_experts: bool) -> f64 {
        match self {
            Class::GateUp if !has_experts => {
                Class::GateUp.sensitivity(true) + Class::ExpertGateUp.sensitivity(true)
            }
            Class::Down if !has_experts => {
                Class::Down.sensitivity(true) + Class::ExpertDown.sensitivity(true)
            }
            Class::Embedding => 4.0,
            Class::AttentionOutput => 2.3,
            Class::Value => 2.1,
            Class::Key => 1.2,
            Class::GateUp => 1.1,
            Class::Query | Class::ExpertGateUp => 1.0,
            Class::Down | Class::ExpertDown => 0.8,
            Class::PerLayerEmbedding | Class::PerLayerGate | Class::Other => 2.0,
        }
    }
}

/// Type, relative squared error without an imatrix, with one (weighed by it). Values from Student's t with 5 degrees of
/// freedom, 256 rows of 2048; the types without a figure do not exist without an imatrix.
#[rustfmt::skip]
const ERRORS: [(GgmlType, f64, f64); 20] = [
    (GgmlType::IQ1_S,   f64::INFINITY, 2.48e-1), (GgmlType::IQ1_M,   f64::INFINITY, 1.79e-1),
    (GgmlType::IQ2_XXS, f64::INFINITY, 1.13e-1), (GgmlType::IQ2_XS,  f64::INFINITY, 8.32e-2),
    (GgmlType::IQ2_S,   f64::INFINITY, 6.85e-2), (GgmlType::Q2_K,    1.11e-1, 6.75e-2),
    (GgmlType::IQ3_XXS, f64::INFINITY, 2.83e-2), (GgmlType::IQ3_S,   3.55e-2, 1.91e-2),
    (GgmlType::Q3_K,    3.10e-2, 2.49e-2),       (GgmlType::IQ4_XS,  7.98e-3, 6.88e-3),
    (GgmlType::IQ4_NL,  7.83e-3, 6.68e-3),       (GgmlType::Q4_0,    1.16e-2, 9.81e-3),
    (GgmlType::Q4_1,    8.08e-3, 5.36e-3),       (GgmlType::Q4_K,    6.86e-3, 5.61e-3),
    (GgmlType::MXFP4,   1.59e-2, 1.60e-2),       (GgmlType::Q5_0,    2.88e-3, 2.46e-3),
    (GgmlType::Q5_1,    1.89e-3, 1.26e-3),       (GgmlType::Q5_K,    1.76e-3, 1.48e-3),
    (GgmlType::Q6_K,    4.59e-4, 3.92e-4),       (GgmlType::Q8_0,    4.55e-5, 4.51e-5),
];

/// The relative squared error of a type: 0 for floating point, infinite where it was not measured or needs an imatrix.
#[must_use]
pub fn type_error(tensor_type: GgmlType, is_weighted: bool) -> f64 {
    if !tensor_type.is_quantized() {
        return 0.0;
    }
    let found = ERRORS.iter().find(|entry| entry.0 == tensor_type);
    found.map_or(f64::INFINITY, |entry| if is_weighted { entry.2 } else { entry.1 })
}

/// The harm a plan does, in units that mean something only beside another plan of the same model.
#[must_use]
pub fn harm(plan: &Plan) -> f64 {
    let class = |row: &Row| Class::of(&row.name);
    let has_experts = plan.rows.iter().any(|row| class(row) == Class::ExpertDown);
    let mut members: BTreeMap<Class, f64> = BTreeMap::new();
    for row in plan.rows.iter().filter(|row| is_matrix(row)) {
        *members.entry(class(row)).or_default() += 1.0;
    }
    let mut harm = 0.0;
    for row in plan.rows.iter().filter(|row| is_matrix(row)) {
        let error = type_error(row.given, row.importance == Importance::Weighted);
        harm += class(row).sensitivity(has_experts) * error / members[&class(row)];
    }
    harm
}

/// Whether types are chosen for it.
pub(super) fn is_matrix(row: &Row) -> bool {
    !matches!(row.reason, super::row::Reason::Kept(_))
}
