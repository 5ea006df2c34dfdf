//! What is told of a plan and of a finished file: a table and words for a person, an object for a program.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use crate::gguf::{GgmlType, printable};
use crate::models::human_bytes;
use crate::quantize::pipeline::Outcome;
use crate::quantize::{Note, Plan, Row, without_layer};

/// Names of tensors in the table are cut here.
const NAME_WIDTH: usize = 44;

/// A sum over tensors of one type.
struct Share {
    tensor_type: GgmlType,
    tensors: u64,
    weights: u64,
    bytes: u64,
}

/// By the type given, the most bytes first.
fn shares(plan: &Plan) -> Vec<Share> {
    let mut all: Vec<Share> = Vec::new();
    for row in &plan.rows {
        let at = all.iter().position(|each| each.tensor_type == row.given).unwrap_or_else(|| {
            all.push(Share { tensor_type: row.given, tensors: 0, weights: 0, bytes: 0 });
            all.len() - 1
        });
        all[at].tensors += 1;
        all[at].weights += row.elements();
        all[at].bytes += row.bytes;
    }
    all.sort_by_key(|each| std::cmp::Reverse(each.bytes));
    all
}

/// Types that were asked for and replaced: how often, and one of the tensors.
pub(super) fn fallbacks(plan: &Plan) -> Vec<String> {
    let mut groups: Vec<(GgmlType, GgmlType, u64, usize, &Row)> = Vec::new();
    for row in plan.fallbacks() {
        let columns = row.shape[0];
        let same = |group: &&mut (GgmlType, GgmlType, u64, usize, &Row)| {
            (group.0, group.1, group.2) == (row.asked, row.given, columns)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.3 += 1,
            None => groups.push((row.asked, row.given, columns, 1, row)),
        }
    }
    let words = |(asked, given, columns, count, row): &(GgmlType, GgmlType, u64, usize, &Row)| {
        let name = printable(&row.name);
        let others = if *count > 1 { format!(" and {} more", count - 1) } else { String::new() };
        format!("{name}{others}: {given} in place of {asked}, whose blocks do not fit rows of {columns}")
    };
    groups.iter().map(words).collect()
}

/// What the planner remarks.
pub(super) fn notes(plan: &Plan) -> Vec<String> {
    let words = |note: &Note| match note {
        Note::UnusedOverride { pattern, why } => {
            format!("`--tensor-type {}=…` decides nothing: {why}", printable(pattern))
        }
    };
    plan.notes.iter().map(words).collect()
}

/// The table of a dry run.
pub(super) fn table(plan: &Plan, file_bytes: u64, memory: u64) -> String {
    let mut out = String::new();
    // Writing into a String cannot fail.
    let _ = write_table(&mut out, plan, file_bytes, memory);
    out
}

fn write_table(out: &mut String, plan: &Plan, file_bytes: u64, memory: u64) -> std::fmt::Result {
    writeln!(
        out,
        "{:NAME_WIDTH$} {:>20}  {:8} {:8} {:8} {:>14}  why",
        "tensor", "shape", "from", "asked", "given", "bytes"
    )?;
    for row in &plan.rows {
        let shape = row.shape.iter().map(u64::to_string).collect::<Vec<_>>().join(" x ");
        writeln!(
            out,
            "{:NAME_WIDTH$} {shape:>20}  {:8} {:8} {:8} {:>14}  {}",
            printable(&row.name).to_string(),
            row.from.name(),
            row.asked.name(),
            row.given.name(),
            row.bytes,
            row.why(),
        )?;
    }
    writeln!(out)?;
    for share in shares(plan) {
        writeln!(
            out,
            "{:8} {:>5} tensors {:>15} weights {:>10}",
            share.tensor_type.name(),
            share.tensors,
            share.weights,
            human_bytes(share.bytes)
        )?;
    }
    for line in fallbacks(plan) {
        writeln!(out, "{line}")?;
    }
    writeln!(
        out,
        "\n{}: {:.2} bits per weight, {} of weights; needs {} of disk and at most {} of memory",
        plan.file_type,
        plan.bits_per_weight(),
        human_bytes(plan.bytes()),
        human_bytes(file_bytes),
        human_bytes(memory),
    )
}

/// What a plan is, for a program.
pub(super) fn object(plan: &Plan, remarks: &[String]) -> Json {
    let types = shares(plan).iter().map(|share| {
        json!({
            "type": share.tensor_type.name(), "tensors": share.tensors, "weights": share.weights, "bytes": share.bytes,
        })
    }).collect::<Vec<_>>();
    let fallbacks = plan.fallbacks().map(row).collect::<Vec<_>>();
    json!({
        "file_type": plan.file_type.name(),
        "weight_bytes": plan.bytes(),
        "parameters": plan.elements(),
        "bits_per_weight": plan.bits_per_weight(),
        "tensor_count": plan.rows.len(),
        "types": types,
        "fallbacks": fallbacks,
        "notes": remarks.iter().cloned().chain(notes(plan)).collect::<Vec<_>>(),
    })
}

/// A tensor of the plan, for a program.
pub(super) fn row(row: &Row) -> Json {
    json!({
        "name": row.name, "shape": row.shape, "from": row.from.name(), "asked": row.asked.name(),
        "given": row.given.name(), "bytes": row.bytes, "why": row.why(),
    })
}

/// How the weights on a lattice came back, for a program; `null` where there are none.
pub(super) fn lattice(plan: &Plan, outcome: &Outcome) -> Json {
    if outcome.exactness.is_empty() {
        return Json::Null;
    }
    let tensors = outcome.exactness.iter().map(|(number, found)| {
        json!({
            "name": plan.rows[*number].name, "weights": found.weights, "exact": found.exact,
            "share": found.share(), "relative_error": found.relative_error(),
        })
    });
    let found = outcome.exactness.iter();
    let (weights, exact) = found.fold((0, 0), |sum, (_, found)| (sum.0 + found.weights, sum.1 + found.exact));
    json!({ "weights": weights, "exact": exact, "tensors": tensors.collect::<Vec<_>>() })
}

/// The same in words: of what [`lattice`] gives.
pub(super) fn lattice_words(lattice: &Json) -> Option<String> {
    let (weights, exact) = (lattice["weights"].as_u64()?, lattice["exact"].as_u64()?);
    let share = exact as f64 * 100.0 / weights as f64;
    (weights > 0).then(|| format!("{share:.3} % of {weights} weights on the 4-bit lattice came back exactly"))
}

/// Types by class of tensors (the names without their layers), in the order of the file.
pub(super) fn classes(plan: &Plan) -> Json {
    let mut classes: Vec<(&str, Vec<(GgmlType, usize)>)> = Vec::new();
    for row in &plan.rows {
        let class = without_layer(&row.name);
        let at = classes.iter().position(|each| each.0 == class).unwrap_or_else(|| {
            classes.push((class, Vec::new()));
            classes.len() - 1
        });
        match classes[at].1.iter_mut().find(|each| each.0 == row.given) {
            Some(found) => found.1 += 1,
            None => classes[at].1.push((row.given, 1)),
        }
    }
    let words = |types: &[(GgmlType, usize)]| {
        let each = types.iter().map(|(tensor_type, count)| match count {
            1 => tensor_type.name().to_owned(),
            _ => format!("{} x {tensor_type}", count),
        });
        each.collect::<Vec<_>>().join(", ")
    };
    let count = |types: &[(GgmlType, usize)]| types.iter().map(|each| each.1).sum::<usize>();
    let all = classes
        .iter()
        .map(|(class, types)| json!({ "class": class, "types": words(types), "tensors": count(types) }));
    all.collect()
}
