//! `slipstream list`: the models on this machine, and which drafter belongs to which.

use serde_json::json;

use super::args::OutputArgs;
use super::machine::Machine;
use super::printer::tame;
use crate::error::Problem;
use crate::models::{
    Candidate, Distance, FoundModel, FoundModels, Role, candidates_beside, choose, find_models, human_bytes,
    read_model, search_roots,
};

/// Runs the command.
///
/// # Errors
/// Where the output cannot be written.
pub fn run(args: &OutputArgs, machine: &Machine) -> Result<u8, Problem> {
    let found = find_models(&search_roots(&machine.places()));
    let targets: Vec<&FoundModel> =
        found.models.iter().filter(|each| each.model.role == Role::Target).collect();
    if args.json {
        let models: Vec<_> = targets
            .iter()
            .map(|each| {
                let choice = drafter(each);
                json!({
                    "name": each.name,
                    "path": each.model.path,
                    "architecture": each.model.facts.architecture,
                    "quantization": each.model.facts.quantization_name(),
                    "bytes": each.model.facts.file_bytes,
                    "store": each.store.name(),
                    "drafter": choice.path(),
                    "pairing": choice.reason(),
                })
            })
            .collect();
        let unreadable: Vec<_> = found
            .unreadable
            .iter()
            .map(|each| json!({ "path": each.path, "error": each.error.to_string() }))
            .collect();
        return super::print(&format!("{}\n", json!({ "models": models, "unreadable": unreadable })));
    }
    super::print(&text(&found, &targets))
}

/// The drafter that belongs to a model that was found.
pub(super) fn drafter(found: &FoundModel) -> crate::models::Choice {
    let mut candidates = candidates_beside(&found.model.path).models;
    if let Some(model) = found.drafter.as_deref().and_then(|path| read_model(path).ok()) {
        candidates.push(Candidate { model, distance: Distance::SameFolder });
    }
    choose(&found.model, &candidates)
}

fn text(found: &FoundModels, targets: &[&FoundModel]) -> String {
    let mut text = String::new();
    for each in targets {
        let facts = &each.model.facts;
        text.push_str(&format!(
            "{}  {}  {}  {}\n    {}\n",
            tame(&each.name),
            facts.quantization_name(),
            human_bytes(facts.file_bytes),
            each.store.name(),
            tame(&each.model.path.to_string_lossy()),
        ));
        let choice = drafter(each);
        match choice.path() {
            Some(path) => text.push_str(&format!("    drafter: {}\n", tame(&path.to_string_lossy()))),
            None => text.push_str(&format!("    no drafter: {}\n", tame(choice.reason()))),
        }
    }
    for each in &found.unreadable {
        text.push_str(&format!("! {}\n", tame(&each.error.to_string())));
    }
    if targets.is_empty() {
        text.push_str("no models in the usual folders\n");
    }
    text.push_str("pocket  built in, always there\n");
    text
}
