//! The plan: which type each tensor gets, and why. Pure; what it says is what will be written.
//!
//! The answer is llama-quantize's for every file type, with and without an imatrix (`llama_tensor_get_type` and its
//! callers in llama-quant.cpp, b11434). What llama-quantize does silently or says in a log line is a field here:
//! a type that does not fit the rows and is replaced, an override that hits nothing, a tensor the imatrix forgot.

use std::collections::BTreeSet;

use super::category::{Category, Kept, PER_LAYER_EMBEDDING, kept};
use super::error::PlanError;
use super::file_type::FileType;
use super::imatrix::Imatrix;
use super::mixture::{Mixture, layer_of};
use super::model::ModelFacts;
use super::overrides::Override;
use super::row::{Importance, Reason, Row};
use super::source::SourceTensor;
use crate::gguf::GgmlType;

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    /// The file type.
    pub file_type: FileType,
    /// Every tensor gets the file type's first type: no mixture.
    pub pure: bool,
    /// The type of `output.weight`, or of the embedding that stands for it.
    pub output_type: Option<GgmlType>,
    /// The type of the embeddings.
    pub embedding_type: Option<GgmlType>,
    /// Types by name, the first match wins.
    pub overrides: Vec<Override>,
    /// `output.weight` stays what it is.
    pub leave_output: bool,
    /// Sources that are quantized already are accepted.
    pub allow_requantize: bool,
    /// The importance matrix.
    pub imatrix: Option<&'a Imatrix>,
    /// Tensors whose weights lie on a 4-bit lattice (QAT): they become Q4_0 without loss, unless named otherwise.
    pub on_lattice: BTreeSet<String>,
}

impl Options<'_> {
    /// A file type and nothing else.
    #[must_use]
    pub fn new(file_type: FileType) -> Self {
        Options {
            file_type,
            pure: false,
            output_type: None,
            embedding_type: None,
            overrides: Vec::new(),
            leave_output: false,
            allow_requantize: false,
            imatrix: None,
            on_lattice: BTreeSet::new(),
        }
    }
}

/// Something a person should know before it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// An override that decides no tensor.
    UnusedOverride {
        /// Its pattern.
        pattern: String,
        /// Why.
        why: &'static str,
    },
}

/// What each tensor becomes.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The file type, written as `general.file_type`.
    pub file_type: FileType,
    /// One for each tensor, in the order they are written: by layer, then by name.
    pub rows: Vec<Row>,
    /// What a person should know.
    pub notes: Vec<Note>,
    has_imatrix: bool,
}

impl Plan {
    /// Makes a plan.
    ///
    /// # Errors
    /// Where the request cannot be carried out; nothing has been read or written then.
    pub fn new(
        model: &ModelFacts,
        tensors: &[SourceTensor],
        options: &Options<'_>,
    ) -> Result<Plan, PlanError> {
        if options.imatrix.is_some() && !options.on_lattice.is_empty() {
            return Err(PlanError::LatticeWithImatrix);
        }
        let names = tensors.iter().map(|tensor| tensor.name.as_str());
        let mut planner = Planner {
            model,
            options,
            mixture: Mixture::new(
                model,
                options.file_type,
                options.imatrix.is_some(),
                options.output_type,
                options.embedding_type,
                names,
            ),
            used: vec![false; options.overrides.len()],
        };
        let mut order: Vec<usize> = (0..tensors.len()).collect();
        order.sort_by_key(|&index| {
            (layer_of(&tensors[index].name).unwrap_or(-1), tensors[index].name.as_str())
        });
        let rows = order.into_iter().map(|index| planner.row(index, &tensors[index]));
        let rows = rows.collect::<Result<Vec<Row>, PlanError>>()?;
        let plan = Plan {
            file_type: options.file_type,
            rows,
            notes: planner.notes(),
            has_imatrix: options.imatrix.is_some(),
        };
        plan.check_imatrix(options.imatrix)?;
        Ok(plan)
    }

    /// A plan for the file of 16 or 32 bits that the reference converter makes of a checkpoint: every matrix of one
    /// type, in the source's order.
    ///
    /// # Errors
    /// [`PlanError::BadShape`].
    pub fn conversion(
        model: &ModelFacts,
        tensors: &[SourceTensor],
        file_type: FileType,
    ) -> Result<Plan, PlanError> {
        let row = |(source, tensor): (usize, &SourceTensor)| {
            check_shape(tensor)?;
            let from = type_before(tensor);
            let (given, reason) = match tensor.always_f32 {
                true => {
                    let kept = kept(&model.architecture, &tensor.name, &tensor.shape, false);
                    (from, Reason::Kept(kept.unwrap_or(Kept::Vector)))
                }
                false => (file_type.base(), Reason::FileType),
            };
            Row::new(source, tensor, from, given, given, reason, Importance::NotNeeded, false)
        };
        let rows = tensors.iter().enumerate().map(row).collect::<Result<Vec<Row>, PlanError>>()?;
        Ok(Plan { file_type, rows, notes: Vec::new(), has_imatrix: false })
    }

    /// Bytes of all weights, without padding.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.rows.iter().fold(0, |sum, row| sum.saturating_add(row.bytes))
    }

    /// Weights.
    #[must_use]
    pub fn elements(&self) -> u64 {
        self.rows.iter().fold(0, |sum, row| sum.saturating_add(row.elements()))
    }

    /// Bits a weight takes on average, as llama-quantize counts them.
    #[must_use]
    pub fn bits_per_weight(&self) -> f64 {
        self.bytes() as f64 * 8.0 / self.elements().max(1) as f64
    }

    /// Whether it can be carried out: no tensor needs an importance matrix that is not there.
    ///
    /// # Errors
    /// [`PlanError::NeedsImatrix`] with the first such tensor.
    pub fn check(&self) -> Result<(), PlanError> {
        match self.rows.iter().find(|row| row.importance == Importance::Needed) {
            None => Ok(()),
            Some(row) => Err(PlanError::NeedsImatrix {
                name: row.name.clone(),
                given: row.given,
                has_imatrix: self.has_imatrix,
            }),
        }
    }

    /// Tensors whose type was replaced because it does not fit their rows.
    pub fn fallbacks(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.is_fallback())
    }

    /// An imatrix that says nothing about any tensor to be quantized is one of another model.
    fn check_imatrix(&self, imatrix: Option<&Imatrix>) -> Result<(), PlanError> {
        let Some(imatrix) = imatrix else { return Ok(()) };
        let quantized = |row: &Row| row.given.is_quantized() && row.is_changed();
        let known = self.rows.iter().any(|row| row.importance == Importance::Weighted);
        if known || !self.rows.iter().any(quantized) {
            return Ok(());
        }
        let example = imatrix.entries().next().map_or("none", |entry| entry.0).to_owned();
        Err(PlanError::ImatrixForeign {
            file: imatrix.file.clone(),
            entries: imatrix.entries().len(),
            example,
        })
    }
}

/// Goes through the tensors in the order they are written.
struct Planner<'a> {
    model: &'a ModelFacts,
    options: &'a Options<'a>,
    mixture: Mixture<'a>,
    /// Which overrides decided a tensor.
    used: Vec<bool>,
}

impl Planner<'_> {
    fn row(&mut self, source: usize, tensor: &SourceTensor) -> Result<Row, PlanError> {
        let from = type_before(tensor);
        let (asked, reason) = self.asked(tensor, from)?;
        let given = match reason {
            // llama-quantize takes these at their word.
            Reason::Kept(_) | Reason::OutputType | Reason::EmbeddingType => asked,
            _ if !self.options.file_type.base().is_quantized() => asked,
            _ => fallback(&tensor.name, tensor.shape[0], asked)?,
        };
        let columns = tensor.shape[0];
        if !columns.is_multiple_of(given.block_size()) {
            return Err(PlanError::RaggedRow { name: tensor.name.clone(), asked: given, columns });
        }
        if from != given && from.is_quantized() && !self.options.allow_requantize {
            return Err(PlanError::Requantize { name: tensor.name.clone(), from, given });
        }
        let importance = self.importance(tensor, from, given)?;
        let on_lattice = given == GgmlType::Q4_0 && self.options.on_lattice.contains(&tensor.name);
        Row::new(source, tensor, from, asked, given, reason, importance, on_lattice)
    }

    /// The type the rules, or the person, ask for.
    fn asked(&mut self, tensor: &SourceTensor, from: GgmlType) -> Result<(GgmlType, Reason), PlanError> {
        let (name, options) = (tensor.name.as_str(), self.options);
        check_shape(tensor)?;
        if let Some(kept) = kept(&self.model.architecture, name, &tensor.shape, options.leave_output) {
            return Ok((from, Reason::Kept(kept)));
        }
        let category = Category::of(name);
        let named = options.overrides.iter().position(|each| each.matches(name));
        if let Some(asked) = options.embedding_type.filter(|_| category == Category::Embedding) {
            // The per-layer table is large and may be named apart from the other one.
            if name != PER_LAYER_EMBEDDING || named.is_none() {
                return Ok((asked, Reason::EmbeddingType));
            }
        }
        if let Some(asked) = options.output_type.filter(|_| category == Category::Output) {
            return Ok((asked, Reason::OutputType));
        }
        let base = options.file_type.base();
        if !base.is_quantized() {
            return Ok((base, Reason::FileType));
        }
        if let Some(index) = named {
            self.used[index] = true;
            let pattern = options.overrides[index].pattern().to_owned();
            return Ok((options.overrides[index].tensor_type, Reason::Override { pattern }));
        }
        if options.on_lattice.contains(name) {
            return Ok((GgmlType::Q4_0, Reason::Lattice));
        }
        if options.pure {
            return Ok((base, Reason::Pure));
        }
        let asked = self.mixture.next(name, &tensor.shape)?;
        Ok((asked, if asked == base { Reason::FileType } else { Reason::Mixture }))
    }

    /// Whether columns are weighed, and whether they must be.
    fn importance(
        &self,
        tensor: &SourceTensor,
        from: GgmlType,
        given: GgmlType,
    ) -> Result<Importance, PlanError> {
        if from == given || !given.is_quantized() {
            return Ok(Importance::NotNeeded);
        }
        let name = &tensor.name;
        let entry = self.options.imatrix.and_then(|imatrix| Some((imatrix, imatrix.entry(name)?)));
        let is_embedding = Category::of(name) == Category::Embedding;
        let found = match (self.options.imatrix, entry) {
            (None, _) => Importance::NotNeeded,
            (Some(_), None) => Importance::Missing,
            (Some(_), Some((imatrix, entry))) => {
                let found = entry.values.len() as u64;
                // Experts each have their own columns; llama-quantize counts the third dimension only.
                let expected = tensor.shape[0].saturating_mul(tensor.shape.get(2).copied().unwrap_or(1));
                match found == expected {
                    true => Importance::Weighted,
                    // As in llama-quantize: what was collected for an embedding is that of the output matrix.
                    false if is_embedding => Importance::Missing,
                    false => {
                        let (file, name) = (imatrix.file.clone(), name.clone());
                        return Err(PlanError::ImatrixShape { file, name, found, expected });
                    }
                }
            }
        };
        let is_needed = found != Importance::Weighted && needs_imatrix(name, given, self.options.file_type);
        let found = if is_needed { Importance::Needed } else { found };
        Ok(found)
    }

    fn notes(&self) -> Vec<Note> {
        let why = match self.options.file_type.base().is_quantized() {
            true => "no tensor that may be quantized has such a name, or an earlier one took them all",
            false => "a file of 16 or 32 bits is not a mixture",
        };
        let unused = self.options.overrides.iter().zip(&self.used).filter(|(_, used)| !**used);
        unused.map(|(each, _)| Note::UnusedOverride { pattern: each.pattern().to_owned(), why }).collect()
    }
}

/// The type a tensor has before anything is quantized.
fn type_before(tensor: &SourceTensor) -> GgmlType {
    if tensor.always_f32 { GgmlType::F32 } else { tensor.dtype }
}

fn check_shape(tensor: &SourceTensor) -> Result<(), PlanError> {
    match tensor.shape.is_empty() || tensor.shape.contains(&0) {
        true => Err(PlanError::BadShape { name: tensor.name.clone(), shape: tensor.shape.clone() }),
        false => Ok(()),
    }
}

/// The type instead, where rows are no whole number of blocks (`tensor_type_fallback`).
fn fallback(name: &str, columns: u64, asked: GgmlType) -> Result<GgmlType, PlanError> {
    if columns.is_multiple_of(asked.block_size()) {
        return Ok(asked);
    }
    let next = match asked {
        GgmlType::IQ1_S
        | GgmlType::IQ1_M
        | GgmlType::IQ2_XXS
        | GgmlType::IQ2_XS
        | GgmlType::IQ2_S
        | GgmlType::IQ3_XXS
        | GgmlType::IQ3_S
        | GgmlType::IQ4_XS => GgmlType::IQ4_NL,
        GgmlType::Q2_0 | GgmlType::Q2_K | GgmlType::Q3_K | GgmlType::TQ1_0 | GgmlType::TQ2_0 => {
            GgmlType::Q4_0
        }
        GgmlType::Q4_K => GgmlType::Q5_0,
        GgmlType::Q5_K => GgmlType::Q5_1,
        GgmlType::Q6_K => GgmlType::Q8_0,
        // Nothing smaller: F16 below.
        other if other.block_size() <= 32 => other,
        _ => return Err(PlanError::NoFallback { name: name.to_owned(), asked, columns }),
    };
    Ok(if columns.is_multiple_of(next.block_size()) { next } else { GgmlType::F16 })
}

/// Whether a tensor of this type is garbage without an importance matrix: `tensor_requires_imatrix`, and the types
/// for which ggml itself insists on one, whatever the tensor (`ggml_quantize_requires_imatrix`).
fn needs_imatrix(name: &str, given: GgmlType, file_type: FileType) -> bool {
    let insists = matches!(given, GgmlType::IQ2_XXS | GgmlType::IQ2_XS | GgmlType::IQ1_S);
    let is_exempt = matches!(Category::of(name), Category::Embedding | Category::Output);
    let is_garbage = matches!(given, GgmlType::IQ3_XXS | GgmlType::IQ2_S | GgmlType::IQ1_M)
        || (given == GgmlType::Q2_K && file_type == FileType::Q2_K_S);
    insists || (is_garbage && !is_exempt)
}

#[cfg(test)]
mod tests;
