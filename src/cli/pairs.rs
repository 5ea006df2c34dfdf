//! The pairs on this machine as the start screen lists them: what each is, whether it fits, and how fast `tune` found it.

use super::args::{KernelsArg, Shared};
use super::list;
use super::machine::Machine;
use super::settings::{estimate, gpu_layers};
use super::{last, pocket, tuned};
use crate::engine::DrafterPlan;
use crate::llama::KvType;
use crate::models::{ModelFile, Role, find_models, read_model, search_roots};
use crate::tui::host::{Found, Pair, Wanted};

/// Looks for them: what fits first, with a drafter before without, the larger before the smaller; the built-in one last.
#[must_use]
pub fn find(shared: &Shared, machine: &Machine) -> Found {
    let roots = search_roots(&machine.places());
    let found = find_models(&roots);
    let mut pairs = Vec::new();
    for each in found.models.iter().filter(|each| each.model.role == Role::Target) {
        let choice = list::drafter(each);
        let drafter = choice.path().and_then(|path| read_model(path).ok());
        let model = each.model.path.to_string_lossy().into_owned();
        let wanted = Wanted { model, drafter: Some("auto".to_owned()) };
        let pair = pair(shared, machine, &each.model, drafter.as_ref(), wanted);
        pairs.push(Pair {
            name: each.name.clone(),
            pairing: choice.reason().to_owned(),
            found_in: each.store.name().to_owned(),
            ..pair
        });
    }
    pairs.sort_by_key(|pair| {
        (!pair.memory.1, pair.drafter.is_none(), std::cmp::Reverse(pair.bytes), pair.name.clone())
    });
    pairs.extend(built_in(shared, machine));
    let folders = roots.into_iter().map(|root| root.path).filter(|path| path.is_dir()).collect();
    Found { pairs, folders, unreadable: found.unreadable.len() }
}

fn built_in(shared: &Shared, machine: &Machine) -> Option<Pair> {
    let files = pocket::files().ok()?;
    let (target, drafter) = (read_model(&files.target).ok()?, read_model(&files.drafter).ok()?);
    let wanted = Wanted { model: last::POCKET.to_owned(), drafter: Some("auto".to_owned()) };
    let pair = pair(shared, machine, &target, Some(&drafter), wanted);
    Some(Pair {
        name: last::POCKET.to_owned(),
        pairing: "A toy of 12 million parameters: quick, well-formed, and mostly wrong.".to_owned(),
        found_in: "built in".to_owned(),
        ..pair
    })
}

fn pair(
    shared: &Shared,
    machine: &Machine,
    target: &ModelFile,
    drafter: Option<&ModelFile>,
    wanted: Wanted,
) -> Pair {
    let bytes = target.facts.file_bytes.saturating_add(drafter.map_or(0, |drafter| drafter.facts.file_bytes));
    let memory = match estimate(target, drafter, shared.model.ctx, KvType::F16, machine) {
        Ok(estimate) => (estimate.total(), true),
        Err(too_large) => (too_large.estimate.total(), false),
    };
    let file_name =
        |model: &ModelFile| model.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Pair {
        wanted,
        name: String::new(),
        drafter: drafter.map(file_name),
        pairing: String::new(),
        quantization: target.facts.quantization_name().to_owned(),
        bytes,
        found_in: String::new(),
        memory,
        measured: measured(shared, machine, target, drafter),
    }
}

/// Plain tokens a second as `tune` has measured them for this very pair, machine and build.
fn measured(
    shared: &Shared,
    machine: &Machine,
    target: &ModelFile,
    drafter: Option<&ModelFile>,
) -> Option<f64> {
    let plan = drafter.map_or(DrafterPlan::None, |drafter| DrafterPlan::Mtp(drafter.path.clone()));
    let layers = gpu_layers(&shared.model.gpu_layers).ok()?;
    let kernels = shared.model.kernels == KernelsArg::On;
    let tuned = tuned::find(&target.path, &plan, layers, kernels, machine)?;
    let plain = tuned.costs.verify.iter().filter(|cost| cost.width == 1).min_by_key(|cost| cost.context)?;
    (plain.seconds > 0.0).then(|| 1.0 / plain.seconds)
}
