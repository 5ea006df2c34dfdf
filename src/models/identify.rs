//! What a model file is, told by its header.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::architecture::{foreign_program, is_known_architecture, purpose, role};
use crate::gguf::{GgmlType, GgufError, Header, Printable, ReadOptions, Split, Value, file_type_name};

/// A model file: where it is, what it is, and what its header says.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelFile {
    /// Where it is; the first part of a split model.
    pub path: PathBuf,
    /// What it can be used as.
    pub role: Role,
    /// What its header says.
    pub facts: Facts,
}

/// What a file can be used as. Decided by `general.architecture`, never by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A model that writes text.
    Target,
    /// An MTP drafter that shares a Gemma 4 target's cache.
    Drafter,
    /// A drafter in the format of another program.
    ForeignDrafter,
    /// Something else: a projector, an embedding model, an architecture nobody here knows.
    Other,
}

/// One number for all layers, or one for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PerLayer {
    /// The same in every layer.
    Same(u32),
    /// One per layer.
    Each(Vec<u32>),
}

impl PerLayer {
    /// The number of one layer.
    #[must_use]
    pub fn at(&self, layer: u32) -> Option<u32> {
        match self {
            PerLayer::Same(value) => Some(*value),
            PerLayer::Each(values) => values.get(layer as usize).copied(),
        }
    }

    fn from_value(value: &Value) -> Option<PerLayer> {
        match value {
            Value::Array(array) => Some(PerLayer::Each(array.to_u32s()?)),
            scalar => scalar.as_u32().map(PerLayer::Same),
        }
    }
}

/// The tokens a model knows, as far as two models can be compared by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    /// How many.
    pub count: u64,
    /// A hash of their texts; `None` where the file has no tokenizer.
    pub hash: Option<u64>,
}

/// What a header says, as far as pairing, memory and display need it. Absent where the file is silent.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// `general.architecture`.
    pub architecture: String,
    /// `general.name`.
    pub name: Option<String>,
    /// Layers.
    pub block_count: Option<u32>,
    /// Tokens it was trained for.
    pub context_length: Option<u32>,
    /// Width of a hidden row.
    pub embedding_length: Option<u32>,
    /// Width of the rows it exchanges with its target, where it is a drafter.
    pub embedding_length_out: Option<u32>,
    /// Width of the feed-forward part.
    pub feed_forward_length: Option<PerLayer>,
    /// Attention heads.
    pub head_count: Option<PerLayer>,
    /// Heads that keep keys and values.
    pub head_count_kv: Option<PerLayer>,
    /// Width of a key in layers with full attention.
    pub key_length: Option<u32>,
    /// Width of a value there.
    pub value_length: Option<u32>,
    /// Width of a key in sliding-window layers.
    pub key_length_swa: Option<u32>,
    /// Width of a value there.
    pub value_length_swa: Option<u32>,
    /// Tokens a sliding-window layer sees.
    pub sliding_window: Option<u32>,
    /// Which layers are sliding-window layers.
    pub sliding_pattern: Option<Vec<bool>>,
    /// Layers at the end that use the cache of earlier ones.
    pub shared_kv_layers: u32,
    /// Draft layers in the file itself.
    pub nextn_predict_layers: u32,
    /// Experts of each mixture-of-experts layer.
    pub expert_count: u32,
    /// The tokens.
    pub vocabulary: Option<Vocabulary>,
    /// The type of most weights, e.g. `Q4_0`.
    pub quantization: Option<GgmlType>,
    /// What `general.file_type` calls the whole, e.g. `Q4_K_M`.
    pub file_type: Option<&'static str>,
    /// Whether name or metadata say that the weights were trained for quantization (QAT): a guess.
    pub quantization_aware: bool,
    /// Elements of all tensors (of this part, where split).
    pub parameters: u64,
    /// Bytes of weights.
    pub weight_bytes: u64,
    /// Bytes of the file, or of all parts that are there.
    pub file_bytes: u64,
    /// Which part of a split model the file is.
    pub split: Option<Split>,
    /// How its makers recommend to draw tokens (`general.sampling.*`).
    pub sampling: RecommendedSampling,
}

/// Sampling settings that a file recommends; only values in their proper ranges are taken over.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RecommendedSampling {
    /// Temperature, 0 or more.
    pub temperature: Option<f32>,
    /// Tokens kept.
    pub top_k: Option<u32>,
    /// Share kept, from 0 to 1.
    pub top_p: Option<f32>,
    /// Share of the likeliest token, from 0 to 1.
    pub min_p: Option<f32>,
    /// Repeat penalty, above 0.
    pub repeat_penalty: Option<f32>,
}

impl RecommendedSampling {
    fn of(header: &Header) -> RecommendedSampling {
        let number =
            |name: &str| header.get_f32(&format!("general.sampling.{name}")).filter(|v| v.is_finite());
        let share = |name| number(name).filter(|value| (0.0..=1.0).contains(value));
        RecommendedSampling {
            temperature: number("temp").filter(|value| *value >= 0.0),
            top_k: header.get_u32("general.sampling.top_k"),
            top_p: share("top_p"),
            min_p: share("min_p"),
            repeat_penalty: number("penalty_repeat").filter(|value| *value > 0.0),
        }
    }
}

impl Facts {
    /// Whether a layer is a sliding-window layer; `None` where the file does not say.
    #[must_use]
    pub fn is_sliding(&self, layer: u32) -> Option<bool> {
        self.sliding_pattern.as_ref()?.get(layer as usize).copied()
    }

    /// The name for a person: what `general.file_type` says, else the type of most weights.
    #[must_use]
    pub fn quantization_name(&self) -> &'static str {
        self.file_type.or(self.quantization.map(GgmlType::name)).unwrap_or("no weights")
    }
}

/// Why a file cannot be used as a model.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// It cannot be opened.
    #[error("cannot open {}: {source}", shown(.path))]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is a folder, a device or a socket.
    #[error("{} is not a file", shown(.path))]
    NotAFile {
        /// What was given.
        path: PathBuf,
    },
    /// It is not a well-formed GGUF.
    #[error("{}: {source}", shown(.path))]
    Gguf {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: GgufError,
    },
    /// A value in it cannot be right.
    #[error("{}: {source}", shown(.path))]
    BadValue {
        /// The file.
        path: PathBuf,
        /// Which value.
        source: super::sane::BadValue,
    },
    /// It does not say what it is.
    #[error("{} has no `general.architecture`", shown(.path))]
    NoArchitecture {
        /// The file.
        path: PathBuf,
    },
    /// Another part of a split model is not beside it.
    #[error("{} is part of a model of {count} files; {} is missing", shown(.path), shown(.missing))]
    MissingPart {
        /// The file.
        path: PathBuf,
        /// How many parts there are.
        count: u32,
        /// The part that is not there.
        missing: PathBuf,
    },
    /// It is something else than a model that writes text.
    #[error("{} is {}, not a model to chat with", shown(.path), found_role(.architecture))]
    NotATarget {
        /// The file.
        path: PathBuf,
        /// Its architecture.
        architecture: String,
    },
}

fn found_role(architecture: &str) -> String {
    let shown = Printable::short(architecture, 60);
    if let Some(program) = foreign_program(architecture) {
        return format!("a Gemma 4 drafter made for another program ({program}; architecture `{shown}`)");
    }
    match purpose(architecture) {
        Some(purpose) => format!("{purpose} (architecture `{shown}`)"),
        None if is_known_architecture(architecture) => format!("a model of the architecture `{shown}`"),
        None => format!("of the architecture `{shown}`, which this build's llama.cpp does not know"),
    }
}

/// A path, safe for a terminal.
pub(super) fn shown(path: &Path) -> String {
    Printable::short(&path.to_string_lossy(), 300).to_string()
}

impl ModelError {
    /// What a person can do about it.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            ModelError::Open { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "Check the path; `slipstream list` shows the models on this machine.".to_owned()
            }
            ModelError::Open { .. } => "Check that you may read the file.".to_owned(),
            ModelError::NotAFile { .. } => "Give the .gguf file inside the folder.".to_owned(),
            ModelError::Gguf { source, .. } => source.help().to_owned(),
            ModelError::BadValue { .. } => {
                "The file is damaged or was made by a faulty converter: fetch it again, or another one."
                    .to_owned()
            }
            ModelError::NoArchitecture { .. } => {
                "Choose a model file; this one may hold a tokenizer or adapter only.".to_owned()
            }
            ModelError::MissingPart { .. } => "Fetch the missing part into the same folder.".to_owned(),
            ModelError::NotATarget { architecture, .. }
                if purpose(architecture).is_some_and(|p| p.contains("drafter")) =>
            {
                "Give the target as the model and this file with `--drafter`.".to_owned()
            }
            ModelError::NotATarget { architecture, .. } if is_known_architecture(architecture) => {
                "Give a model that writes text, such as Gemma 4.".to_owned()
            }
            ModelError::NotATarget { .. } => {
                "Update slipstream, or choose a model llama.cpp supports.".to_owned()
            }
        }
    }
}

/// Reads the header of a file and says what it is.
///
/// # Errors
/// [`ModelError`] where it cannot be read, is not a well-formed GGUF, or a part of it is missing.
pub fn read_model(path: &Path) -> Result<ModelFile, ModelError> {
    identify(path, &read_header(path)?)
}

/// Reads the header of a file, whatever it is.
///
/// # Errors
/// [`ModelError`] where it cannot be read or is not a well-formed GGUF.
pub fn read_header(path: &Path) -> Result<Header, ModelError> {
    let open_error = |source| ModelError::Open { path: path.to_owned(), source };
    let metadata = std::fs::metadata(path).map_err(open_error)?;
    if !metadata.is_file() {
        return Err(ModelError::NotAFile { path: path.to_owned() });
    }
    let file = File::open(path).map_err(open_error)?;
    Header::read(file, metadata.len(), ReadOptions::default())
        .map_err(|source| ModelError::Gguf { path: path.to_owned(), source })
}

/// Says what a file is, given its header; looks at the other parts where the model is split.
///
/// # Errors
/// [`ModelError`] where the header names no architecture or a part is missing.
pub fn identify(path: &Path, header: &Header) -> Result<ModelFile, ModelError> {
    let Some(architecture) = header.architecture() else {
        return Err(ModelError::NoArchitecture { path: path.to_owned() });
    };
    super::sane::check(header).map_err(|source| ModelError::BadValue { path: path.to_owned(), source })?;
    let mut facts = facts(architecture, header, path);
    if let Some(split) = facts.split {
        for part in split_parts(path, split) {
            match std::fs::metadata(&part) {
                Ok(metadata) if part != path => {
                    facts.file_bytes += metadata.len();
                    // The headers of the other parts are small beside their weights.
                    facts.weight_bytes += metadata.len();
                }
                Ok(_) => {}
                Err(_) => {
                    let (path, count) = (path.to_owned(), split.count);
                    return Err(ModelError::MissingPart { path, count, missing: part });
                }
            }
        }
    }
    Ok(ModelFile { path: path.to_owned(), role: role(architecture), facts })
}

/// Refuses a file that cannot be the target: a drafter, a projector, an architecture llama.cpp does not know.
///
/// # Errors
/// [`ModelError::NotATarget`].
pub fn target_only(model: &ModelFile) -> Result<(), ModelError> {
    if model.role == Role::Target {
        return Ok(());
    }
    let architecture = model.facts.architecture.clone();
    Err(ModelError::NotATarget { path: model.path.clone(), architecture })
}

/// More parts than any model has: a claim of a million would be a million questions to the file system.
const MAX_PARTS: u32 = 1000;

/// `NAME-00002-of-00004.gguf`: all four, in order. Only the part itself where its name does not follow that.
fn split_parts(path: &Path, split: Split) -> Vec<PathBuf> {
    let suffix = format!("-{:05}-of-{:05}.gguf", split.index.saturating_add(1), split.count);
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match name.strip_suffix(&suffix) {
        Some(stem) if split.count <= MAX_PARTS => (1..=split.count)
            .map(|number| path.with_file_name(format!("{stem}-{number:05}-of-{:05}.gguf", split.count)))
            .collect(),
        _ => vec![path.to_owned()],
    }
}

fn facts(architecture: &str, header: &Header, path: &Path) -> Facts {
    let number = |suffix| header.arch_u32(suffix);
    let per_layer = |suffix| header.arch(suffix).and_then(PerLayer::from_value);
    let embedding_length = number("embedding_length");
    let head_count = per_layer("attention.head_count");
    // Where a file is silent a head has its share of the row, as in llama.cpp.
    let share = || match (embedding_length, head_count.as_ref().and_then(|heads| heads.at(0))) {
        (Some(width), Some(heads)) if heads > 0 => Some(width / heads),
        _ => None,
    };
    let key_length = number("attention.key_length").or_else(share);
    let value_length = number("attention.value_length").or_else(share);
    let name = header.get_str("general.name").map(str::to_owned);
    Facts {
        architecture: architecture.to_owned(),
        block_count: number("block_count"),
        context_length: number("context_length"),
        embedding_length,
        embedding_length_out: number("embedding_length_out"),
        feed_forward_length: per_layer("feed_forward_length"),
        head_count_kv: per_layer("attention.head_count_kv").or_else(|| head_count.clone()),
        head_count,
        key_length,
        value_length,
        key_length_swa: number("attention.key_length_swa").or(key_length),
        value_length_swa: number("attention.value_length_swa").or(value_length),
        sliding_window: number("attention.sliding_window"),
        sliding_pattern: header
            .arch("attention.sliding_window_pattern")
            .and_then(Value::as_array)
            .and_then(|pattern| pattern.to_bools()),
        shared_kv_layers: number("attention.shared_kv_layers").unwrap_or(0),
        nextn_predict_layers: number("nextn_predict_layers").unwrap_or(0),
        expert_count: number("expert_count").unwrap_or(0),
        vocabulary: vocabulary(header),
        quantization: most_common_type(header),
        file_type: header.get_u32("general.file_type").and_then(file_type_name),
        quantization_aware: is_quantization_aware(header, path),
        parameters: header.parameters(),
        weight_bytes: header.tensor_bytes(),
        file_bytes: header.file_len,
        split: header.split(),
        sampling: RecommendedSampling::of(header),
        name,
    }
}

fn vocabulary(header: &Header) -> Option<Vocabulary> {
    if let Some(tokens) = header.get_array("tokenizer.ggml.tokens") {
        return Some(Vocabulary { count: tokens.length, hash: Some(tokens.hash) });
    }
    // One row of the embedding per token.
    let count = header.tensor("token_embd.weight").map(|tensor| tensor.dim(1))?;
    Some(Vocabulary { count, hash: None })
}

/// The type that most weights have, counted by elements.
fn most_common_type(header: &Header) -> Option<GgmlType> {
    let mut elements: Vec<(GgmlType, u64)> = Vec::new();
    for tensor in &header.tensors {
        match elements.iter_mut().find(|(each, _)| *each == tensor.tensor_type) {
            Some((_, sum)) => *sum = sum.saturating_add(tensor.elements),
            None => elements.push((tensor.tensor_type, tensor.elements)),
        }
    }
    elements.into_iter().max_by_key(|&(_, sum)| sum).map(|(each, _)| each)
}

/// Files say it in their name, in their own metadata, or in that of the checkpoint they were made from.
fn is_quantization_aware(header: &Header, path: &Path) -> bool {
    let file_name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let keys = ["general.name", "general.basename", "general.finetune", "general.base_model.0.name"];
    let says_so = |text: &str| {
        text.to_ascii_lowercase().split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == "qat")
    };
    file_name.as_deref().is_some_and(says_so)
        || keys.iter().filter_map(|key| header.get_str(key)).any(says_so)
}
