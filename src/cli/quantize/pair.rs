//! `quantize --pair`: a target and its drafter, made to go together.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::args::{QuantizeArgs, RecipeArgs};
use super::card::{self, Card, Part};
use super::input::Input;
use super::recipe::model_file;
use super::work::{Manner, Work};
use super::{check, report};
use crate::cli::machine::Machine;
use crate::cli::printer;
use crate::error::{Kind, Problem};
use crate::models::fits;
use crate::quantize::Method;
use crate::quantize::pipeline::Outcome;

/// The card for a person.
const CARD: &str = "CARD.md";
/// The card for a program.
const CARD_JSON: &str = "card.json";

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
    fits(&model_file(target_input.source())?, &model_file(drafter_input.source())?).map_err(|misfit| {
        let message =
            format!("{} is no drafter for {}: {misfit}", drafter_path.display(), args.input.display());
        Problem::new(Kind::File, message, "give the assistant that was published with this target")
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
        Problem::new(Kind::Usage, format!("creating the folder {} failed: {error}", folder.display()), "")
    })?;
    let target_file = folder.join(file_name(&args.input, &target, ""));
    let drafter_file = folder.join(file_name(drafter_path, &drafter, ""));
    let drafter_file = match drafter_file == target_file {
        true => folder.join(file_name(drafter_path, &drafter, "-drafter")),
        false => drafter_file,
    };
    // The small one first: what is wrong with the folder shows at once.
    let drafter_outcome = make(&drafter, &drafter_file, manner)?;
    let target_outcome = make(&target, &target_file, manner)?;
    let checked = match args.no_check {
        true => None,
        false => Some(check::run(&target, &target_file, &drafter_file, folder, manner, machine)?),
    };
    let card = Card {
        target: Part::of(&target, &args.input, &target_file, &target_outcome)?,
        drafter: Part::of(&drafter, drafter_path, &drafter_file, &drafter_outcome)?,
        imatrix: args.recipe.imatrix.clone(),
        lineage,
        checked,
    };
    let object = card::object(&card);
    write(&folder.join(CARD), &card::text(&card))?;
    write(&folder.join(CARD_JSON), &format!("{object:#}\n"))?;
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
    let mut stem = name.split("-00001-of-").next().unwrap_or_default();
    for suffix in ["-q4_0-unquantized", "-unquantized", "-bf16", "-f16", "-f32"] {
        let at = stem.len().saturating_sub(suffix.len());
        if stem.get(at..).is_some_and(|end| end.eq_ignore_ascii_case(suffix)) {
            stem = &stem[..at];
        }
    }
    format!("{stem}{mark}-{}.gguf", work.plan.file_type)
}

/// Makes a file; where `--resume` finds it whole, takes it as it is.
fn make(work: &Work<'_>, path: &Path, manner: Manner) -> Result<Outcome, Problem> {
    if manner.resume
        && let Some(outcome) = made_before(work, path)
    {
        return Ok(outcome);
    }
    work.make(path, manner)
}

/// The file, where it is there with the length and the header it must have.
fn made_before(work: &Work<'_>, path: &Path) -> Option<Outcome> {
    use std::io::Read as _;
    let mut file = std::fs::File::open(path).ok()?;
    let bytes = file.metadata().ok()?.len();
    if bytes != work.layout.file_bytes() {
        return None;
    }
    let mut buffer = vec![0; work.layout.header().len().max(1 << 20)];
    let header = &mut buffer[..work.layout.header().len()];
    file.read_exact(header).ok().filter(|()| *header == *work.layout.header())?;
    let mut hash = Sha256::new();
    hash.update(header);
    loop {
        match file.read(&mut buffer).ok()? {
            0 => break,
            count => hash.update(&buffer[..count]),
        }
    }
    let sha256 = hex::encode(hash.finalize());
    Some(Outcome { bytes, sha256, exactness: Vec::new(), resumed: bytes })
}

fn write(path: &PathBuf, text: &str) -> Result<(), Problem> {
    std::fs::write(path, text).map_err(|error| {
        let kind = if error.kind() == std::io::ErrorKind::StorageFull { Kind::Space } else { Kind::Fault };
        Problem::new(kind, format!("writing {} failed: {error}", path.display()), "")
    })
}

impl Part {
    fn of(work: &Work<'_>, input: &Path, file: &Path, outcome: &Outcome) -> Result<Part, Problem> {
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
        Ok(Part { object, lattice: report::lattice_words(outcome) })
    }
}
