//! The model files around a target: where a drafter is looked for.

use std::path::{Component, Path, PathBuf};

use super::identify::{ModelError, ModelFile, read_model};
use super::walk::Walk;

/// How far from the target a file lies, nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Distance {
    /// In the same folder.
    SameFolder,
    /// One level down, e.g. in `MTP/`.
    Subfolder,
    /// In the folder above.
    Parent,
    /// Elsewhere in the same Hugging Face snapshot.
    Snapshot,
    /// In another place on this machine.
    Elsewhere,
}

impl Distance {
    /// Where that is, in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Distance::SameFolder => "in the same folder",
            Distance::Subfolder => "in a subfolder",
            Distance::Parent => "in the folder above",
            Distance::Snapshot => "in the same repository",
            Distance::Elsewhere => "elsewhere on this machine",
        }
    }
}

/// A file that might be the drafter.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// What it is.
    pub model: ModelFile,
    /// How far away it lies.
    pub distance: Distance,
}

/// A file that could not be read; no reason to stop.
#[derive(Debug)]
pub struct Unreadable {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub error: ModelError,
}

/// What lies around a target.
#[derive(Debug, Default)]
pub struct Candidates {
    /// Every readable GGUF but the target, nearest first.
    pub models: Vec<Candidate>,
    /// What could not be read.
    pub unreadable: Vec<Unreadable>,
    /// Files left out because there were too many.
    pub skipped: usize,
}

/// Levels below a snapshot's root that are searched.
const SNAPSHOT_DEPTH: usize = 4;

/// Reads the headers of the GGUF files beside a target: in its folder, one level below, in the folder above, and
/// in the whole Hugging Face snapshot it belongs to. Each file once, whatever links lead to it.
#[must_use]
pub fn candidates_beside(target: &Path) -> Candidates {
    // Absolute, but links are left alone: a snapshot's files link to blobs in a folder that holds no names and
    // other revisions, so a resolved path would search in the wrong place.
    let target = std::path::absolute(target).unwrap_or_else(|_| target.to_owned());
    let mut walk = Walk::default();
    walk.exclude(&target);

    let mut paths = Vec::new();
    let mut add =
        |distance, found: Vec<PathBuf>| paths.extend(found.into_iter().map(|path| (distance, path)));
    if let Some(folder) = target.parent() {
        add(Distance::SameFolder, walk.gguf_files(folder, 0));
        add(Distance::Subfolder, walk.gguf_files(folder, 1));
        let snapshot = snapshot_root(&target);
        let above =
            folder.parent().filter(|above| snapshot.as_deref().is_none_or(|root| above.starts_with(root)));
        if let Some(above) = above {
            add(Distance::Parent, walk.gguf_files(above, 0));
            for sibling in walk.entries(above) {
                if is_drafter_folder(&sibling) && sibling.is_dir() {
                    add(Distance::Parent, walk.gguf_files(&sibling, 0));
                }
            }
        }
        if let Some(root) = snapshot {
            add(Distance::Snapshot, walk.gguf_files(&root, SNAPSHOT_DEPTH));
        }
    }

    let mut candidates = Candidates { skipped: walk.skipped, ..Candidates::default() };
    for (distance, path) in paths {
        match read_model(&path) {
            Ok(model) => candidates.models.push(Candidate { model, distance }),
            Err(error) => candidates.unreadable.push(Unreadable { path, error }),
        }
    }
    candidates
}

/// `…/models--ORG--NAME/snapshots/COMMIT`, where the path lies in such a folder.
fn snapshot_root(path: &Path) -> Option<PathBuf> {
    let parts: Vec<Component> = path.components().collect();
    let starts = |part: &Component, prefix: &str| part.as_os_str().to_string_lossy().starts_with(prefix);
    let repository = parts
        .windows(2)
        .position(|pair| starts(&pair[0], "models--") && pair[1].as_os_str() == "snapshots")?;
    // The commit's folder, with something in it.
    (parts.len() > repository + 3).then(|| parts[..=repository + 2].iter().collect())
}

/// Folders that publishers keep drafters in, beside a folder per quantization.
fn is_drafter_folder(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    ["mtp", "draft", "assistant"].iter().any(|word| name.contains(word))
}
