//! What was typed becomes a plan: the type of each tensor, and what a person should know before it is done.

use std::collections::BTreeSet;

use super::args::{QatArg, RecipeArgs};
use super::input::Input;
use crate::error::{Kind, Problem};
use crate::gguf::{GgmlType, Header, Layout, NewTensor, ReadOptions};
use crate::models::{MemoryEstimate, MemoryPlan, ModelFile, human_bytes, identify};
use crate::quantize::lattice::{Detection, detect};
use crate::quantize::widen::is_number;
use crate::quantize::{
    FileType, Imatrix, Model, ModelFacts, Options, Override, Plan, PlanError, Row, Source, bytes_at, no_type,
    parse_size, quantizable, recipe, reserve, suggest,
};

/// Tokens of context that `--for-ram` leaves room for.
const CONTEXT: u32 = 16_384;

/// A plan, what it was made with, and remarks.
pub(super) struct Resolved {
    /// The plan.
    pub plan: Plan,
    /// The importance matrix.
    pub imatrix: Option<Imatrix>,
    /// What a person should know, a sentence each.
    pub remarks: Vec<String>,
}

/// Makes the plan.
pub(super) fn resolve(args: &RecipeArgs, input: &Input) -> Result<Resolved, Problem> {
    let source = input.source();
    let facts = ModelFacts::read(source.metadata()).map_err(problem)?;
    let imatrix = args.imatrix.as_deref().map(|path| {
        Imatrix::open(path).map_err(|error| {
            let message = format!("reading the imatrix {} failed: {error}", path.display());
            Problem::new(Kind::File, message, error.help())
        })
    });
    let imatrix = imatrix.transpose()?;
    let mut remarks = Vec::new();
    let model = Model { facts: &facts, tensors: source.tensors(), imatrix: imatrix.as_ref() };
    let (file_type, overrides) = goal(args, source, model, &mut remarks)?;
    if input.is_converted_by(args) {
        let plan = Plan::conversion(&facts, source.tensors(), file_type).map_err(problem)?;
        return Ok(Resolved { plan, imatrix, remarks });
    }
    let mut options = Options {
        pure: args.pure,
        output_type: type_named("--output-type", args.output_type.as_deref())?,
        embedding_type: type_named("--embedding-type", args.embedding_type.as_deref())?,
        overrides,
        imatrix: imatrix.as_ref(),
        ..Options::new(file_type)
    };
    options.on_lattice = on_lattice(args, source, &facts, file_type, &mut remarks)?;
    let plan = Plan::new(&facts, source.tensors(), &options).map_err(problem)?;
    Ok(Resolved { plan, imatrix, remarks })
}

/// The file type and the overrides that `--type`, `--target-size`, `--bpw` or `--for-ram` stand for.
fn goal(
    args: &RecipeArgs,
    source: &dyn Source,
    model: Model<'_>,
    remarks: &mut Vec<String>,
) -> Result<(FileType, Vec<Override>), Problem> {
    if let Some(name) = &args.file_type {
        let file_type = FileType::named(name).ok_or_else(|| {
            let names: Vec<&str> = FileType::all().map(FileType::name).collect();
            let message = format!("`--type {name}` is no file type; there are {}", names.join(", "));
            Problem::new(Kind::Usage, message, "see `slipstream quantize --help`")
        })?;
        let overrides = args.tensor_type.iter().map(|text| Override::parse(text)).collect::<Result<_, _>>();
        return Ok((file_type, overrides.map_err(problem)?));
    }
    if let Some(ram) = &args.for_ram {
        return for_ram(args, parse_size(ram).map_err(problem)?, source, model, remarks)
            .map(|file_type| (file_type, Vec::new()));
    }
    let bytes = match (&args.target_size, args.bpw) {
        (Some(size), _) => parse_size(size).map_err(problem)?,
        (None, Some(bits)) if bits.is_finite() && bits > 0.0 => bytes_at(source.tensors(), bits),
        (None, bits) => {
            let message = format!("`--bpw {}` is no number of bits", bits.unwrap_or(0.0));
            return Err(Problem::new(Kind::Usage, message, "give one like 4.5"));
        }
    };
    let recipe = recipe(model, bytes).map_err(problem)?;
    let is_at_the_top = |row: &Row| !row.given.is_quantized() || row.given == GgmlType::Q8_0;
    if recipe.plan.rows.iter().all(is_at_the_top) && recipe.plan.bytes() < bytes {
        remarks.push("a recipe has nothing above Q8_0; a file of 16 bits: `--type BF16`".to_owned());
    }
    let types = recipe.overrides.iter();
    let types: Vec<String> =
        types.map(|each| format!("--tensor-type '{}={}'", each.pattern(), each.tensor_type)).collect();
    remarks.push(format!(
        "the recipe for {}: --type {} {}",
        human_bytes(bytes),
        recipe.file_type,
        types.join(" ")
    ));
    Ok((recipe.file_type, recipe.overrides))
}

/// The file type for a machine.
fn for_ram(
    args: &RecipeArgs,
    ram: u64,
    source: &dyn Source,
    model: Model<'_>,
    remarks: &mut Vec<String>,
) -> Result<FileType, Problem> {
    let drafter =
        args.drafter.as_deref().map(|path| Input::open(path, &RecipeArgs::default())).transpose()?;
    let drafter = drafter.as_ref().map(Input::source);
    let drafter_facts = drafter.map(|drafter| ModelFacts::read(drafter.metadata())).transpose();
    let drafter_facts = drafter_facts.map_err(problem)?;
    let drafter_file = drafter.map(model_file).transpose()?;
    let plan = MemoryPlan { context: CONTEXT, ..MemoryPlan::default() };
    let estimate = MemoryEstimate::new(&model_file(source)?, drafter_file.as_ref(), plan);
    let with_drafter = drafter_facts.as_ref().zip(drafter.map(Source::tensors));
    let beside = estimate.beside_weights();
    let suggestion = suggest(ram, beside, model, with_drafter).map_err(|error| match error {
        PlanError::TooSmall { wanted, smallest } => {
            let message = format!(
                "of {}, {} are left to the system and {} are for a context of {CONTEXT} tokens; the weights have {}, and the \
                 smallest file type needs {}",
                human_bytes(ram),
                human_bytes(reserve(ram)),
                human_bytes(beside),
                human_bytes(wanted),
                human_bytes(smallest),
            );
            Problem::new(Kind::Space, message, error.help())
        }
        other => problem(other),
    })?;
    let drafter = match &suggestion.drafter {
        Some(drafter) => format!("; the drafter takes {} of them as Q4_0", human_bytes(drafter.bytes())),
        None => String::new(),
    };
    remarks.push(format!(
        "of {}, {} are left to the system, {} are for a context of {CONTEXT} tokens, and {} for weights{drafter}: {}",
        human_bytes(ram),
        human_bytes(suggestion.reserve),
        human_bytes(suggestion.beside),
        human_bytes(suggestion.weights),
        suggestion.target.file_type,
    ));
    Ok(suggestion.target.file_type)
}

/// What the models module makes of a source: it reads headers.
pub(super) fn model_file(source: &dyn Source) -> Result<ModelFile, Problem> {
    let failed = |error: String| {
        Problem::new(Kind::File, format!("looking at the model failed: {error}"), "fetch it again")
    };
    let tensors = source.tensors().iter();
    let tensors: Vec<NewTensor<'_>> = tensors
        .map(|each| NewTensor { name: &each.name, shape: &each.shape, tensor_type: each.dtype })
        .collect();
    let layout = Layout::new(source.metadata(), &tensors).map_err(|error| failed(error.to_string()))?;
    let header = Header::read(layout.header(), layout.file_bytes(), ReadOptions::default());
    let header = header.map_err(|error| failed(error.to_string()))?;
    identify(std::path::Path::new("model"), &header).map_err(|error| failed(error.to_string()))
}

/// The tensors whose weights lie on a lattice and are to be stored so.
fn on_lattice(
    args: &RecipeArgs,
    source: &dyn Source,
    facts: &ModelFacts,
    file_type: FileType,
    remarks: &mut Vec<String>,
) -> Result<BTreeSet<String>, Problem> {
    let readable = source.tensors().iter().all(|tensor| tensor.shape.len() < 2 || is_number(tensor.dtype));
    if args.qat == QatArg::Off || !readable {
        return Ok(BTreeSet::new());
    }
    let detection = detect(source, facts).map_err(|error| {
        Problem::new(Kind::File, format!("looking for a lattice failed: {error}"), error.help())
    })?;
    match (args.qat, detection.is_qat()) {
        (QatArg::Auto, false) => Ok(BTreeSet::new()),
        (QatArg::Auto, true) if file_type != FileType::Q4_0 => {
            remarks.push(format!(
                "the weights lie on a 4-bit lattice (QAT): `--type Q4_0` stores them without loss; {file_type} treats \
                 them as ordinary ones"
            ));
            Ok(BTreeSet::new())
        }
        (_, is_qat) => {
            remarks.push(lattice_remark(&detection, is_qat));
            Ok(detection.on_lattice())
        }
    }
}

fn lattice_remark(detection: &Detection, is_qat: bool) -> String {
    let (all, off) = (detection.tensors.len(), detection.off_lattice().count());
    if is_qat {
        let others = match off {
            0 => String::new(),
            _ => format!("; the other {off} do not, and are treated as ordinary ones"),
        };
        return format!(
            "the weights of {} of {all} matrices lie on a 4-bit lattice (QAT): they are stored as Q4_0 without loss{others}",
            all - off,
        );
    }
    let best = detection.tensors.iter().map(|each| each.exactness.share()).fold(0.0, f64::max);
    format!(
        "--qat: the weights of {off} of {all} matrices do not lie on a 4-bit lattice (of the best, {:.1} % would come \
         back exactly); they are treated as ordinary ones. Is it a checkpoint trained for quantization?",
        best * 100.0
    )
}

fn type_named(option: &str, name: Option<&str>) -> Result<Option<GgmlType>, Problem> {
    let Some(name) = name else { return Ok(None) };
    quantizable(name).map(Some).ok_or_else(|| {
        let message = no_type(&format!("{option} {name}"));
        Problem::new(Kind::Usage, message, "see `slipstream quantize --help`")
    })
}

/// A plan that cannot be made, in words.
pub(super) fn problem(error: PlanError) -> Problem {
    let kind = match &error {
        PlanError::MissingKey { .. }
        | PlanError::NoLayer { .. }
        | PlanError::BadShape { .. }
        | PlanError::Requantize { .. }
        | PlanError::ImatrixShape { .. }
        | PlanError::ImatrixForeign { .. } => Kind::File,
        PlanError::TooSmall { .. } => Kind::Space,
        _ => Kind::Usage,
    };
    Problem::new(kind, error.to_string(), error.help())
}
