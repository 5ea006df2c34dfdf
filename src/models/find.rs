//! Finds the models that are already on this machine, in the folders of this and other programs.
//! Read-only: other programs' files are never moved, renamed or completed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::beside::{Candidate, Distance, Unreadable, candidates_beside};
use super::choose::{Choice, choose};
use super::identify::{ModelFile, Role, read_model};
use super::walk::Walk;

/// What the search needs to know of the surroundings; given, not asked for, so that a test can give its own.
pub struct Places<'a> {
    /// The value of an environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// The person's home folder.
    pub home: Option<PathBuf>,
    /// The folder the program was started in.
    pub current_dir: PathBuf,
}

/// Whose folder it is: how it is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// `models--ORG--NAME/snapshots/COMMIT/…`, links into `blobs`; also llama.cpp's since 2026.
    HuggingFace,
    /// llama.cpp's older, flat cache.
    LlamaCpp,
    /// `PUBLISHER/REPO/file.gguf`.
    LmStudio,
    /// Manifests that name blobs.
    Ollama,
    /// A person's own folder, searched some levels deep.
    Folder {
        /// Levels below it.
        depth: usize,
    },
}

impl Store {
    /// Its name for a person.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Store::HuggingFace => "Hugging Face",
            Store::LlamaCpp => "llama.cpp",
            Store::LmStudio => "LM Studio",
            Store::Ollama => "Ollama",
            Store::Folder { .. } => "folder",
        }
    }
}

/// A folder to search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchRoot {
    /// How it is laid out.
    pub store: Store,
    /// Where it is; it need not exist.
    pub path: PathBuf,
}

/// A model on this machine.
#[derive(Clone, Debug)]
pub struct FoundModel {
    /// The file.
    pub model: ModelFile,
    /// Whose it is.
    pub store: Store,
    /// What to call it: `org/repo/file`, `model:tag`, or the file's name.
    pub name: String,
    /// The drafter that Ollama's manifest names for it.
    pub drafter: Option<PathBuf>,
}

/// What a search found.
#[derive(Debug, Default)]
pub struct FoundModels {
    /// Every readable GGUF of any role, once.
    pub models: Vec<FoundModel>,
    /// What could not be read.
    pub unreadable: Vec<Unreadable>,
    /// Files left out because there were too many.
    pub skipped: usize,
}

/// Where models may be: the current folder, then the caches of other programs, then the person's usual folders.
#[must_use]
pub fn search_roots(places: &Places<'_>) -> Vec<SearchRoot> {
    let variable = |name| (places.variable)(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = |below: &str| places.home.as_ref().map(|home| home.join(below));
    let cache = variable("XDG_CACHE_HOME").or_else(|| home(".cache"));
    let mut roots = Vec::new();
    let mut add = |store, path: Option<PathBuf>| {
        roots.extend(path.map(|path| SearchRoot { store, path }));
    };

    // First, for it is where the person is: a full cache elsewhere must not use up the limit.
    add(Store::Folder { depth: 1 }, Some(places.current_dir.clone()));

    // llama.cpp's alone, in whichever of its two layouts: searched besides the others', not instead.
    add(Store::HuggingFace, variable("LLAMA_CACHE"));
    let hub = variable("HF_HUB_CACHE")
        .or_else(|| variable("HUGGINGFACE_HUB_CACHE"))
        .or_else(|| variable("HF_HOME").map(|home| home.join("hub")))
        .or_else(|| cache.as_ref().map(|cache| cache.join("huggingface/hub")));
    add(Store::HuggingFace, hub);

    add(Store::LlamaCpp, variable("LLAMA_CACHE"));
    let legacy = if cfg!(target_os = "macos") {
        home("Library/Caches/llama.cpp")
    } else if cfg!(windows) {
        variable("LOCALAPPDATA").map(|data| data.join("llama.cpp"))
    } else {
        cache.map(|cache| cache.join("llama.cpp"))
    };
    add(Store::LlamaCpp, legacy);

    add(Store::LmStudio, places.home.as_deref().map(|home| lm_studio_home(home).join("models")));

    add(Store::Ollama, variable("OLLAMA_MODELS").or_else(|| home(".ollama/models")));
    if cfg!(target_os = "linux") {
        add(Store::Ollama, Some(PathBuf::from("/usr/share/ollama/.ollama/models")));
    }

    add(Store::Folder { depth: 3 }, home("models"));
    add(Store::Folder { depth: 1 }, home("Downloads"));
    roots
}

/// The folder a pointer file names, else the older place where it exists, else the newer.
fn lm_studio_home(home: &Path) -> PathBuf {
    /// Longer than any path.
    const MOST: u64 = 4096;
    let pointer = home.join(".lmstudio-home-pointer");
    if let Some(text) = read_small(&pointer, MOST).filter(|text| !text.trim().is_empty()) {
        return PathBuf::from(text.trim());
    }
    let older = home.join(".cache/lm-studio");
    if older.is_dir() { older } else { home.join(".lmstudio") }
}

/// A small text file; `None` where it is missing, larger, or not text.
fn read_small(path: &Path, most: u64) -> Option<String> {
    let metadata = std::fs::metadata(path).ok()?;
    if !metadata.is_file() || metadata.len() > most {
        return None;
    }
    std::fs::read_to_string(path).ok()
}

/// Reads the headers of all models in these folders.
#[must_use]
pub fn find_models(roots: &[SearchRoot]) -> FoundModels {
    let mut found = FoundModels::default();
    let mut walk = Walk::default();
    for root in roots {
        match root.store {
            Store::HuggingFace => hugging_face(&mut found, &mut walk, &root.path),
            Store::Ollama => ollama(&mut found, &mut walk, &root.path),
            Store::LlamaCpp => folder(&mut found, &mut walk, root, 0),
            Store::LmStudio => folder(&mut found, &mut walk, root, 3),
            Store::Folder { depth } => folder(&mut found, &mut walk, root, depth),
        }
    }
    found.skipped = walk.skipped;
    found
}

fn add(found: &mut FoundModels, store: Store, path: PathBuf, name: String, drafter: Option<PathBuf>) {
    match read_model(&path) {
        Ok(model) => found.models.push(FoundModel { model, store, name, drafter }),
        Err(error) => found.unreadable.push(Unreadable { path, error }),
    }
}

fn last_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn relative_name(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

fn folder(found: &mut FoundModels, walk: &mut Walk, root: &SearchRoot, depth: usize) {
    for path in walk.gguf_files(&root.path, depth) {
        let name = relative_name(&path, &root.path);
        add(found, root.store, path, name, None);
    }
}

fn hugging_face(found: &mut FoundModels, walk: &mut Walk, hub: &Path) {
    /// Levels below a snapshot: `MTP/`, `Q4_K_M/`.
    const DEPTH: usize = 3;
    for repository in walk.entries(hub) {
        let folder_name = last_name(&repository);
        // The first `--` divides the two names; later ones belong to the second.
        let Some((owner, name)) = folder_name.strip_prefix("models--").and_then(|rest| rest.split_once("--"))
        else {
            continue;
        };
        for snapshot in walk.entries(&repository.join("snapshots")) {
            for path in walk.gguf_files(&snapshot, DEPTH) {
                let name = format!("{owner}/{name}/{}", relative_name(&path, &snapshot));
                add(found, Store::HuggingFace, path, name, None);
            }
        }
    }
}

fn ollama(found: &mut FoundModels, walk: &mut Walk, root: &Path) {
    /// HOST / NAMESPACE / MODEL / TAG.
    const LEVELS: usize = 4;
    let mut level = vec![root.join("manifests")];
    for _ in 0..LEVELS {
        level = level.iter().flat_map(|folder| walk.entries(folder)).collect();
    }
    for manifest in level {
        let Some(layers) = ollama_layers(&manifest) else {
            continue;
        };
        let blob = |kind: &str| {
            let (_, digest) = layers.iter().find(|(media_type, _)| media_type == kind)?;
            Some(root.join("blobs").join(digest))
        };
        let Some(path) = blob("application/vnd.ollama.image.model") else {
            continue;
        };
        if !walk.take(&path) {
            continue;
        }
        let tag = last_name(&manifest);
        let model = manifest.parent().map(last_name).unwrap_or_default();
        add(found, Store::Ollama, path, format!("{model}:{tag}"), blob("application/vnd.ollama.image.draft"));
    }
}

/// The layers of a manifest: media type, and the blob's file name.
fn ollama_layers(manifest: &Path) -> Option<Vec<(String, String)>> {
    /// Manifests have a few KiB.
    const MOST: u64 = 1 << 20;
    let json: serde_json::Value = serde_json::from_str(&read_small(manifest, MOST)?).ok()?;
    let layers = json.get("layers")?.as_array()?.iter().filter_map(|layer| {
        let hex = layer.get("digest")?.as_str()?.strip_prefix("sha256:")?;
        // It becomes a path: nothing but a hash may pass.
        let is_hash = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hash.then(|| Some((layer.get("mediaType")?.as_str()?.to_owned(), format!("sha256-{hex}"))))?
    });
    Some(layers.collect())
}

/// The best pair on this machine: the largest target that has a fitting drafter and whose weights, with the
/// drafter's, are within `available` bytes. `None` where no target has a drafter.
#[must_use]
pub fn best_pair(found: &FoundModels, available: u64) -> Option<(&FoundModel, Choice)> {
    let drafters: Vec<Candidate> = found
        .models
        .iter()
        .filter(|each| each.model.role == Role::Drafter)
        .map(|each| Candidate { model: each.model.clone(), distance: Distance::Elsewhere })
        .collect();
    let mut targets: Vec<&FoundModel> =
        found.models.iter().filter(|each| each.model.role == Role::Target).collect();
    targets.sort_by_key(|each| std::cmp::Reverse(each.model.facts.file_bytes));
    targets.into_iter().find_map(|target| {
        let mut candidates = drafters.clone();
        if let Some(model) = target.drafter.as_deref().and_then(|path| read_model(path).ok()) {
            candidates.push(Candidate { model, distance: Distance::SameFolder });
        }
        // Headers beside the target are read again only where one of the drafters fits at all.
        if candidates.iter().all(|candidate| super::fits(&target.model, &candidate.model).is_err()) {
            return None;
        }
        let beside = candidates_beside(&target.model.path).models;
        candidates.retain(|each| !beside.iter().any(|near| near.model.path == each.model.path));
        candidates.extend(beside);
        let choice = choose(&target.model, &candidates);
        let drafter = candidates.iter().find(|each| Some(each.model.path.as_path()) == choice.path())?;
        let needed = target.model.facts.file_bytes.saturating_add(drafter.model.facts.file_bytes);
        (needed <= available).then_some((target, choice))
    })
}
