//! `--target-size` and `--bpw`: the recipe that does the least harm within a size.
//!
//! Every class of tensors begins at its smallest type. Then, again and again, the class and type are raised that
//! take away the most harm for each byte (`sensitivity.rs` says what harm is), until nothing fits any more. Where a raise
//! does not fit all layers of a class, those are raised for which it does, in llama.cpp's order: the first eighth, the
//! last eighth, every third between them, then the rest. Only types whose blocks fit a class's rows are considered, so
//! that nothing falls back. The result is a file type and overrides, which llama-quantize understands too.

use std::collections::BTreeMap;

use super::error::PlanError;
use super::file_type::FileType;
use super::imatrix::Imatrix;
use super::mixture::{gets_more_bits, layer_of, without_layer};
use super::model::ModelFacts;
use super::overrides::Override;
use super::plan::{Options, Plan};
use super::row::Row;
use super::sensitivity::{Class, harm, is_matrix, type_error};
use super::source::SourceTensor;
use crate::gguf::GgmlType;

/// The types a recipe is made of; of no other is there less error in as many bits.
const LADDER: [GgmlType; 15] = [
    GgmlType::IQ2_XXS,
    GgmlType::IQ2_XS,
    GgmlType::IQ2_S,
    GgmlType::Q2_K,
    GgmlType::IQ3_XXS,
    GgmlType::IQ3_S,
    GgmlType::Q3_K,
    GgmlType::IQ4_XS,
    GgmlType::IQ4_NL,
    GgmlType::Q4_K,
    GgmlType::Q5_0,
    GgmlType::Q5_1,
    GgmlType::Q5_K,
    GgmlType::Q6_K,
    GgmlType::Q8_0,
];

/// What to quantize.
#[derive(Clone, Copy, Debug)]
pub struct Model<'a> {
    /// What decides types.
    pub facts: &'a ModelFacts,
    /// Its tensors.
    pub tensors: &'a [SourceTensor],
    /// The importance matrix, where there is one.
    pub imatrix: Option<&'a Imatrix>,
}

/// A file type, the overrides that make it the wanted size, and what comes of them.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// The file type: that of the most weights.
    pub file_type: FileType,
    /// Which tensors get which type.
    pub overrides: Vec<Override>,
    /// The plan of the two.
    pub plan: Plan,
}

/// The recipe of the least harm whose weights take `bytes` at most.
///
/// # Errors
/// [`PlanError::TooSmall`] where even the smallest types take more.
pub fn recipe(model: Model<'_>, bytes: u64) -> Result<Recipe, PlanError> {
    // What is kept, what an imatrix says, and whether it fits the model: all as for any other plan.
    let mut options = Options::new(FileType::Q8_0);
    options.imatrix = model.imatrix;
    let plan = Plan::new(model.facts, model.tensors, &options)?;
    let kept: u64 = plan.rows.iter().filter(|row| !is_matrix(row)).map(|row| row.bytes).sum();
    let groups = groups(&plan, model.facts.layers);
    let smallest = groups.iter().fold(kept, |sum, group| sum + group.bytes());
    if smallest > bytes {
        return Err(PlanError::TooSmall { wanted: bytes, smallest });
    }
    let filled = starts(groups).into_iter().filter_map(|groups| fill(groups, kept, bytes));
    let least = filled.min_by(|left, right| harm_of(left).total_cmp(&harm_of(right)));
    let groups = least.ok_or(PlanError::TooSmall { wanted: bytes, smallest })?;
    let overrides = groups.iter().map(Group::overrides).collect::<Result<Vec<_>, _>>()?.concat();
    options.file_type = file_type(&groups);
    options.overrides.clone_from(&overrides);
    let plan = Plan::new(model.facts, model.tensors, &options)?;
    Ok(Recipe { file_type: options.file_type, overrides, plan })
}

/// Weights in hundredths of a model's that one tensor has at least to be tried at each type.
const LARGE: u64 = 5;

/// The groups to begin with: as they are, or, where one tensor is a large part of the model (a drafter's embedding, a
/// table by layer), once for each type of it. Raising step by step fills the room with small things first, and then a
/// large one does not fit any more.
fn starts(groups: Vec<Group>) -> Vec<Vec<Group>> {
    let all: u64 = groups.iter().map(Group::elements).sum();
    let mut starts = vec![groups];
    for at in 0..starts[0].len() {
        let group = &starts[0][at];
        if group.members.len() > 1 || group.elements() < all / 100 * LARGE {
            continue;
        }
        let types = group.types.clone();
        let with = |(start, to): (&Vec<Group>, &GgmlType)| {
            let mut start = start.clone();
            start[at].members[0].tensor_type = *to;
            start[at].is_done = true;
            start
        };
        starts = starts.iter().flat_map(|start| types.iter().map(move |to| (start, to))).map(with).collect();
    }
    starts
}

/// Raises types until nothing fits any more; `None` where not even the beginning does.
fn fill(mut groups: Vec<Group>, kept: u64, bytes: u64) -> Option<Vec<Group>> {
    let mut total = groups.iter().fold(kept, |sum, group| sum + group.bytes());
    if total > bytes {
        return None;
    }
    loop {
        let raises = groups.iter().enumerate().filter_map(|(at, group)| Some((at, group.raise()?)));
        let best = raises.max_by(|(_, left), (_, right)| left.harm_per_byte.total_cmp(&right.harm_per_byte));
        let Some((at, raise)) = best else { return Some(groups) };
        total = groups[at].apply(raise.to, total, bytes);
    }
}

fn harm_of(groups: &[Group]) -> f64 {
    groups.iter().map(|group| group.error(|member| member.tensor_type) * group.weight()).sum()
}

/// The file type of the least harm whose weights take `bytes` at most: for those who want a name others know.
/// Files of 16 bits are left out; they cost time and gain nothing that can be measured.
///
/// # Errors
/// [`PlanError::TooSmall`] where all take more.
pub fn file_type_within(model: Model<'_>, bytes: u64) -> Result<Plan, PlanError> {
    let (mut best, mut smallest): (Option<(f64, Plan)>, u64) = (None, u64::MAX);
    for file_type in FileType::all().filter(|file_type| file_type.base().is_quantized()) {
        let mut options = Options::new(file_type);
        options.imatrix = model.imatrix;
        let plan = match Plan::new(model.facts, model.tensors, &options) {
            Ok(plan) if plan.check().is_ok() => plan,
            // This type has nothing for these shapes; another may.
            Ok(_) | Err(PlanError::NoFallback { .. }) => continue,
            Err(error) => return Err(error),
        };
        let harm = harm(&plan);
        if harm.is_finite() {
            smallest = smallest.min(plan.bytes());
        }
        if plan.bytes() <= bytes && best.as_ref().is_none_or(|(least, _)| harm < *least) && harm.is_finite() {
            best = Some((harm, plan));
        }
    }
    best.map(|(_, plan)| plan).ok_or(PlanError::TooSmall { wanted: bytes, smallest })
}

/// Bytes of all weights at so many bits a weight.
#[must_use]
pub fn bytes_at(tensors: &[SourceTensor], bits_per_weight: f64) -> u64 {
    let weights = |tensor: &SourceTensor| tensor.shape.iter().map(|&size| size as f64).product::<f64>();
    // Saturates where the number is absurd.
    (tensors.iter().map(weights).sum::<f64>() * bits_per_weight / 8.0) as u64
}

/// The tensors of one class.
#[derive(Clone)]
struct Group {
    /// The class's sensitivity.
    sensitivity: f64,
    members: Vec<Member>,
    /// Types whose blocks fit all members' rows.
    types: Vec<GgmlType>,
    /// No further raise fits.
    is_done: bool,
}

#[derive(Clone)]
struct Member {
    name: String,
    elements: u64,
    /// Its place in the order of raising.
    rank: u32,
    is_weighted: bool,
    tensor_type: GgmlType,
}

struct Raise {
    to: GgmlType,
    harm_per_byte: f64,
}

impl Member {
    fn bytes(&self, tensor_type: GgmlType) -> u64 {
        tensor_type.bytes_of(self.elements)
    }

    fn error(&self, tensor_type: GgmlType) -> f64 {
        type_error(tensor_type, self.is_weighted)
    }
}

impl Group {
    fn bytes(&self) -> u64 {
        self.members.iter().map(|member| member.bytes(member.tensor_type)).sum()
    }

    fn elements(&self) -> u64 {
        self.members.iter().map(|member| member.elements).sum()
    }

    /// The sensitivity of one member: what `sensitivity::harm` gives it.
    fn weight(&self) -> f64 {
        self.sensitivity / self.members.len() as f64
    }

    fn error(&self, tensor_type: impl Fn(&Member) -> GgmlType) -> f64 {
        self.members.iter().map(|member| member.error(tensor_type(member))).sum()
    }

    /// The type that takes away the most harm for each byte.
    fn raise(&self) -> Option<Raise> {
        if self.is_done {
            return None;
        }
        let now = (self.bytes(), self.error(|member| member.tensor_type));
        let raises = self.types.iter().filter_map(|&to| {
            let bytes: u64 = self.members.iter().map(|member| member.bytes(to)).sum();
            let gain = (now.1 - self.error(|_| to)) * self.weight();
            // A type of as many bytes and less error is worth any price; `max(1)` only avoids the division by 0.
            let more = bytes.checked_sub(now.0)?.max(1);
            (gain > 0.0).then_some(Raise { to, harm_per_byte: gain / more as f64 })
        });
        raises.max_by(|left, right| left.harm_per_byte.total_cmp(&right.harm_per_byte))
    }

    /// Raises the layers that fit; returns the new total.
    fn apply(&mut self, to: GgmlType, mut total: u64, most: u64) -> u64 {
        self.members.sort_by_key(|member| member.rank);
        let (mut raised, mut left) = (false, false);
        // A layer's tensors of a class have one type, so that one pattern can name them.
        for layer in self.members.chunk_by_mut(|left, right| left.rank == right.rank) {
            let more = |member: &Member| member.bytes(to).saturating_sub(member.bytes(member.tensor_type));
            let more: u64 = layer.iter().map(more).sum();
            if total + more > most {
                left = true;
                continue;
            }
            layer.iter_mut().for_each(|member| member.tensor_type = to);
            (raised, total) = (true, total + more);
        }
        if left && raised {
            // The next step up from here would be a mixture of three types.
            self.is_done = true;
        } else if left {
            self.types.retain(|each| each.bits_per_weight() < to.bits_per_weight());
        }
        total
    }

    /// One override for each type, the rarer ones by the layers they are for.
    fn overrides(&self) -> Result<Vec<Override>, PlanError> {
        let mut by_type: BTreeMap<GgmlType, Vec<&Member>> = BTreeMap::new();
        for member in &self.members {
            by_type.entry(member.tensor_type).or_default().push(member);
        }
        let mut kinds: Vec<(GgmlType, Vec<&Member>)> = by_type.into_iter().collect();
        kinds.sort_by_key(|(_, members)| members.len());
        let last = kinds.len().saturating_sub(1);
        let patterns = kinds
            .iter()
            .enumerate()
            .map(|(at, (tensor_type, members))| Override::new(&pattern(members, at == last), *tensor_type));
        patterns.collect()
    }
}

/// A pattern for exactly these tensors; or, where all others of their kinds were named before, for all of them.
fn pattern(members: &[&Member], is_rest: bool) -> String {
    let mut layers: Vec<i32> = members.iter().filter_map(|member| layer_of(&member.name)).collect();
    layers.sort_unstable();
    layers.dedup();
    let mut kinds: Vec<&str> = members.iter().map(|member| without_layer(&member.name)).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let kinds: Vec<String> = kinds.iter().map(|kind| kind.replace('.', r"\.")).collect();
    let kinds = if kinds.len() == 1 { kinds[0].clone() } else { format!("({})", kinds.join("|")) };
    let layers: Vec<String> = layers.iter().map(i32::to_string).collect();
    match (layers.is_empty(), is_rest) {
        (true, _) => format!("^{kinds}$"),
        (false, true) => format!(r"^blk\.[0-9]+\.{kinds}$"),
        (false, false) => format!(r"^blk\.({})\.{kinds}$", layers.join("|")),
    }
}

/// The classes of a model, each at its smallest type.
fn groups(plan: &Plan, layers: u32) -> Vec<Group> {
    let mut by_class: BTreeMap<(Class, bool), Vec<&Row>> = BTreeMap::new();
    for row in plan.rows.iter().filter(|row| is_matrix(row)) {
        // Tensors outside the layers are not mixed with those inside: one pattern could not name both.
        by_class.entry((Class::of(&row.name), layer_of(&row.name).is_some())).or_default().push(row);
    }
    let has_experts = by_class.keys().any(|(class, _)| *class == Class::ExpertDown);
    let groups =
        by_class.iter().map(|((class, _), rows)| group(class.sensitivity(has_experts), rows, layers));
    groups.collect()
}

fn group(sensitivity: f64, rows: &[&Row], layers: u32) -> Group {
    use super::row::Importance;
    let is_weighted = |row: &Row| row.importance == Importance::Weighted;
    let all_weighted = rows.iter().all(|row| is_weighted(row));
    let fits = |each: &GgmlType| rows.iter().all(|row| row.shape[0].is_multiple_of(each.block_size()));
    let mut types: Vec<GgmlType> =
        LADDER.into_iter().filter(fits).filter(|&each| type_error(each, all_weighted).is_finite()).collect();
    if types.is_empty() {
        types.push(GgmlType::F16);
    }
    let bits = |each: &GgmlType| each.bits_per_weight();
    types.sort_by(|left, right| bits(left).total_cmp(&bits(right)));
    let members = rows.iter().map(|row| {
        let layer = layer_of(&row.name).and_then(|layer| u32::try_from(layer).ok()).unwrap_or(0);
        let after = if gets_more_bits(layer.min(layers), layers) { 0 } else { layers };
        Member {
            name: row.name.clone(),
            elements: row.elements(),
            rank: after + layer,
            is_weighted: is_weighted(row),
            tensor_type: types[0],
        }
    });
    Group { sensitivity, members: members.collect(), types, is_done: false }
}

/// The file type that begins with the type of the most weights.
fn file_type(groups: &[Group]) -> FileType {
    let mut weights: BTreeMap<GgmlType, u64> = BTreeMap::new();
    for member in groups.iter().flat_map(|group| &group.members) {
        *weights.entry(member.tensor_type).or_default() += member.elements;
    }
    let most = weights.into_iter().max_by_key(|entry| entry.1).map_or(GgmlType::Q8_0, |entry| entry.0);
    match most {
        GgmlType::Q2_K => FileType::Q2_K,
        GgmlType::Q3_K => FileType::Q3_K_M,
        GgmlType::Q4_K => FileType::Q4_K_M,
        GgmlType::Q5_K => FileType::Q5_K_M,
        GgmlType::IQ3_S => FileType::IQ3_S,
        GgmlType::IQ2_XS => FileType::IQ2_XS,
        GgmlType::IQ2_S => FileType::IQ2_M,
        other => FileType::all().find(|each| each.base() == other).unwrap_or(FileType::Q8_0),
    }
}
