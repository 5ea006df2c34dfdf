//! `quantize --pair`: a target and its drafter, made to go together.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use super::args::{QuantizeArgs, RecipeArgs};
use super::card::{self, Card};
use super::input::Input;
use super::recipe::model_file;
use super::work::{Manner, Work};
use super::{check, report};
use crate::cli::machine::Machine;
use crate::cli::{printer, whole};
use crate::error::{Kind, Problem};
use crate::models::fits;
use crate::quantize::Method;
use crate::quantize::pipeline::Outcome;

/// The card for a person.
const CARD: &str = "CARD.md";
/// The card for a program.
const CARD_JSON: &str = "card.json";
/// Its beginning, while not everything is made and measured: what `--resume` goes by.
const BEGUN: &str = "card.json.partial";

/// Runs the command.
pub(super) fn run(args: &QuantizeArgs, manner: Manner, machine: &Machine) -> Result<u8, Problem> {
    let (Some(drafter_path), Some(folder)) = (args.output.as_deref(), args.folder.as_deref()) else {
        let message = "--pair needs a target, a drafter and a folder";
        return Err(Problem::new(Kind::Usage, message, "see `slipstream quantize --help`"));
    };
    let drafter_recipe = drafter_recipe(args);
    let target_input = Input::open(&args.input, &args.recipe)?;
    let drafter_input = Input::open(drafter_path, &drafter_recipe)?;
    // Before hours are spent on them.
    let models = (model_file(target_input.source())?, model_file(drafter_input.source())?);
    fits(&models.0, &models.1).map_err(|misfit| {
        let message =
            format!("{} is no drafter for {}: {misfit}", drafter_path.display(), args.input.display());
        let help = match fits(&models.1, &models.0) {
            Ok(()) => "they stand the wrong way round: first the target, then its drafter",
            Err(_) => "give the assistant that was published with this target",
        };
        Problem::new(Kind::File, message, help)
    })?;
    let target = Work::plan(&target_input, &args.recipe)?;
    let drafter = Work::plan(&drafter_input, &drafter_recipe)?;
    for work in [&drafter, &target] {
        work.tell();
    }
    let lineage = lineage(&target, &drafter);
    if let Some(text) = &lineage {
        printer::note(&format!("note: {text}"));
    }
    std::fs::create_dir_all(folder).map_err(|error| {
        let message = format!("creating the folder {} failed: {error}", folder.display());
        Problem::new(Kind::Usage, message, "give another one")
    })?;
    let target_file = folder.join(file_name(&args.input, &target, ""));
    let drafter_file = folder.join(file_name(drafter_path, &drafter, ""));
    let drafter_file = match drafter_file == target_file {
        true => folder.join(file_name(drafter_path, &drafter, "-drafter")),
        false => drafter_file,
    };
    // The small one first: what is wrong with the folder shows at once.
    let mut begun = if manner.resume { card_begun(folder) } else { json!({}) };
    for (key, work, input, file) in [
        ("drafter", &drafter, drafter_path, &drafter_file),
        ("target", &target, args.input.as_path(), &target_file),
    ] {
        let made = make(work, input, file, manner, &begun[key])?;
        if made != begun[key] {
            begun[key] = made;
            write(&folder.join(BEGUN), &format!("{begun:#}\n"))?;
            // An older card does not tell of this file.
            for name in [CARD, CARD_JSON] {
                let _ = std::fs::remove_file(folder.join(name));
            }
        }
    }
    let checked = match args.no_check {
        true => None,
        false => Some(check::run(&target, &target_file, &drafter_file, folder, manner, machine)?),
    };
    let card = Card {
        target: begun["target"].take(),
        drafter: begun["drafter"].take(),
        imatrix: args.recipe.imatrix.clone(),
        lineage,
        checked,
    };
    let object = card::object(&card);
    write(&folder.join(CARD), &card::text(&card))?;
    write(&folder.join(CARD_JSON), &format!("{object:#}\n"))?;
    // What it says stands in the card now.
    let _ = std::fs::remove_file(folder.join(BEGUN));
    if args.json {
        return crate::cli::print(&format!("{object}\n"));
    }
    crate::cli::print(&card::text(&card))
}

/// All weights of the drafter become one type: of drafters the smallest is the fastest, at equal acceptance.
fn drafter_recipe(args: &QuantizeArgs) -> RecipeArgs {
    RecipeArgs {
        file_type: Some(args.drafter_type.clone()),
        pure: true,
        qat: args.recipe.qat,
        ..RecipeArgs::default()
    }
}

/// A drafter guesses best for the target it was trained with.
fn lineage(target: &Work<'_>, drafter: &Work<'_>) -> Option<String> {
    let is_qat = |work: &Work<'_>| work.plan.rows.iter().any(|row| row.method == Method::Lattice);
    match (is_qat(target), is_qat(drafter)) {
        (true, false) => Some(
            "the target was trained for quantization (QAT), the drafter was not: its QAT sibling guesses better"
                .to_owned(),
        ),
        (false, true) => Some(
            "the drafter was trained for quantization (QAT), the target was not (or is not stored as Q4_0): their \
             guesses agree less"
                .to_owned(),
        ),
        _ => None,
    }
}

/// The input's own name, without what it says of its type, and the new type.
fn file_name(input: &Path, work: &Work<'_>, mark: &str) -> String {
    let path = input.canonicalize().unwrap_or_else(|_| input.to_owned());
    let name = match path.is_dir() {
        true => path.file_name(),
        false => path.file_stem(),
    };
    let name = name.unwrap_or_default().to_string_lossy().into_owned();
    let name = name_in_cache(&path).unwrap_or(name);
    let mut stem = name.split("-00001-of-").next().unwrap_or_default();
    for suffix in ["-q4_0-unquantized", "-unquantized", "-bf16", "-f16", "-f32"] {
        let at = stem.len().saturating_sub(suffix.len());
        if stem.get(at..).is_some_and(|end| end.eq_ignore_ascii_case(suffix)) {
            stem = &stem[..at];
        }
    }
    format!("{stem}{mark}-{}.gguf", work.plan.file_type)
}

/// What the card says of the files that are made already; nothing where there is no card that can be read.
fn card_begun(folder: &Path) -> Json {
    let read = |name: &str| serde_json::from_slice(&std::fs::read(folder.join(name)).ok()?).ok();
    let found = [BEGUN, CARD_JSON].into_iter().find_map(read);
    found.filter(Json::is_object).unwrap_or_else(|| json!({}))
}

/// The name of a model in Hugging Face's cache, `models--ORG--NAME/snapshots/HASH`, whose folder is called by a hash.
fn name_in_cache(path: &Path) -> Option<String> {
    let parent = path.parent().filter(|parent| parent.ends_with("snapshots"))?;
    let model = parent.parent()?.file_name()?.to_str()?.strip_prefix("models--")?;
    Some(model.rsplit("--").next()?.to_owned())
}

/// Makes a file and says what the card says of it. Where `--resume` finds it made, by the same command from the same source,
/// and whole, it stays as it is.
fn make(work: &Work<'_>, input: &Path, file: &Path, manner: Manner, before: &Json) -> Result<Json, Problem> {
    let job = work.job_hash();
    if manner.resume && file.exists() {
        let is_whole = || sha256(file).is_ok_and(|found| before["sha256"].as_str() == Some(found.as_str()));
        if before["job"].as_str() == Some(job.as_str()) && is_whole() {
            return Ok(before.clone());
        }
        if !manner.force {
            let message = format!(
                "{} exists already, and was made from another source, with other settings or by another version, or \
                 changed since",
                file.display()
            );
            let help =
                "repeat the command it was made with, give another folder, or overwrite it with `--force`";
            return Err(Problem::new(Kind::Usage, message, help));
        }
    }
    let outcome = work.make(file, manner)?;
    let mut object = described(work, input, file, &outcome)?;
    object["job"] = job.into();
    Ok(object)
}

/// SHA-256 of a whole file, in hexadecimal digits.
fn sha256(path: &Path) -> io::Result<String> {
    let (mut file, mut hash) = (File::open(path)?, Sha256::new());
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex::encode(hash.finalize())),
            count => hash.update(&buffer[..count]),
        }
    }
}

fn write(path: &Path, text: &str) -> Result<(), Problem> {
    whole::write(path, text.as_bytes()).map_err(|error| {
        let kind = if error.kind() == io::ErrorKind::StorageFull { Kind::Space } else { Kind::Fault };
        Problem::new(kind, format!("writing {} failed: {error}", path.display()), "")
    })
}

/// What the card says of a new file.
fn described(work: &Work<'_>, input: &Path, file: &Path, outcome: &Outcome) -> Result<Json, Problem> {
    let mut object = report::object(&work.plan, &work.remarks);
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let path = input.canonicalize().unwrap_or_else(|_| input.to_owned());
    object["file"] = name(file).into();
    object["bytes"] = outcome.bytes.into();
    object["sha256"] = outcome.sha256.clone().into();
    object["lattice"] = report::lattice(&work.plan, outcome);
    object["source"] = name(&path).into();
    object["source_fingerprint"] = work.input.fingerprint()?.into();
    object["classes"] = report::classes(&work.plan);
    Ok(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_in_the_cache_is_called_by_its_name() {
        let name = |path: &str| name_in_cache(Path::new(path));
        let folder = "/c/hub/models--google--gemma-4-26B-A4B-it/snapshots/0123abcd";
        assert_eq!(name(folder).as_deref(), Some("gemma-4-26B-A4B-it"));
        assert_eq!(name("/models/gemma-4-26B-A4B-it"), None);
        assert_eq!(name("snapshots/x"), None);
    }
}
