//! The files of weights, and what is in them. Only headers are read here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use serde::Deserialize;
use serde::de::Deserializer;

use super::error::CheckpointError;
use super::files::{pairs, read_file, read_json};
use super::safetensors::{StoredTensor, read_header};
use crate::quantize::SourceFile;

const INDEX: &str = "model.safetensors.index.json";

/// Bytes of an index at most; real ones have some hundred thousand.
const MAX_INDEX: u64 = 64 << 20;

/// The files of weights.
pub(super) struct Shards {
    /// The files, sorted by name.
    pub files: Vec<SourceFile>,
    /// All tensors with the number of their file; sorted by file, then by name.
    pub tensors: Vec<(usize, StoredTensor)>,
}

impl Shards {
    /// Opens the files of a folder, as its index names them where it has one.
    pub(super) fn open(folder: &Path) -> Result<Shards, CheckpointError> {
        let index = read_index(folder)?;
        let names = match &index {
            Some(index) => shard_names(folder, index)?,
            None => loose_names(folder)?,
        };
        let (mut files, mut tensors) = (Vec::new(), Vec::new());
        for name in &names {
            let path = folder.join(name);
            let failed = |source| CheckpointError::Io { path: path.clone(), source };
            let file = SourceFile::open(&path).map_err(failed)?;
            let found = read_header(file.reader(), file.length())
                .map_err(|source| CheckpointError::Shard { path: path.clone(), source })?;
            tensors.extend(found.into_iter().map(|tensor| (files.len(), tensor)));
            files.push(file);
        }
        if let Some(index) = index {
            check_index(folder, &index, &names, &tensors)?;
        }
        Ok(Shards { files, tensors })
    }
}

/// Which file holds which tensor.
struct Index(Vec<(String, String)>);

fn read_index(folder: &Path) -> Result<Option<Index>, CheckpointError> {
    #[derive(Deserialize)]
    struct File {
        weight_map: Index,
    }
    let path = folder.join(INDEX);
    match read_file(&path, MAX_INDEX)? {
        Some(bytes) => read_json::<File>(&path, &bytes).map(|file| Some(file.weight_map)),
        None => Ok(None),
    }
}

impl<'de> Deserialize<'de> for Index {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        pairs(deserializer, "a table of tensors and files").map(Index)
    }
}

/// The files that an index names: all there, and all in the folder itself.
fn shard_names(folder: &Path, index: &Index) -> Result<Vec<String>, CheckpointError> {
    let names: BTreeSet<&String> = index.0.iter().map(|entry| &entry.1).collect();
    for name in &names {
        let mut parts = Path::new(name.as_str()).components();
        let is_plain = matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None));
        if !is_plain || name.contains(['/', '\\', ':', '\0']) || !name.ends_with(".safetensors") {
            return Err(CheckpointError::ShardName { path: folder.join(INDEX), name: (*name).clone() });
        }
    }
    if names.is_empty() {
        return Err(CheckpointError::NoWeights { folder: folder.to_owned(), has_pickles: false });
    }
    let missing = names.iter().filter(|name| !folder.join(name).is_file());
    let missing: Vec<String> = missing.map(|name| (*name).clone()).collect();
    if !missing.is_empty() {
        return Err(CheckpointError::MissingShards {
            folder: folder.to_owned(),
            names: missing,
            of: names.len(),
        });
    }
    Ok(names.into_iter().cloned().collect())
}

/// `model*.safetensors`, as the reference converter takes them where there is no index.
fn loose_names(folder: &Path) -> Result<Vec<String>, CheckpointError> {
    let failed = |source| CheckpointError::Io { path: folder.to_owned(), source };
    let (mut names, mut has_pickles) = (Vec::new(), false);
    for entry in folder.read_dir().map_err(failed)? {
        // A name that is not Unicode is none of these.
        let Ok(name) = entry.map_err(failed)?.file_name().into_string() else { continue };
        has_pickles |= name.starts_with("pytorch_model") && name.ends_with(".bin");
        if name.starts_with("model") && name.ends_with(".safetensors") {
            names.push(name);
        }
    }
    if names.is_empty() {
        return Err(CheckpointError::NoWeights { folder: folder.to_owned(), has_pickles });
    }
    names.sort_unstable();
    Ok(names)
}

/// Checks that the index and the files agree on every tensor.
fn check_index(
    folder: &Path,
    index: &Index,
    names: &[String],
    tensors: &[(usize, StoredTensor)],
) -> Result<(), CheckpointError> {
    let path = || folder.join(INDEX);
    let mut said = BTreeMap::new();
    for (tensor, file) in &index.0 {
        if said.insert(tensor.as_str(), file.as_str()).is_some() {
            return Err(CheckpointError::Misplaced { path: path(), names: vec![tensor.clone()] });
        }
    }
    let is_misplaced = |(file, tensor): &&(usize, StoredTensor)| {
        said.get(tensor.name.as_str()) != Some(&names[*file].as_str())
    };
    let there: BTreeSet<&str> = tensors.iter().map(|(_, tensor)| tensor.name.as_str()).collect();
    let absent = said.keys().filter(|name| !there.contains(*name));
    let absent: Vec<String> = absent.map(|&name| name.to_owned()).collect();
    if !absent.is_empty() {
        return Err(CheckpointError::Absent { path: path(), names: absent });
    }
    let misplaced: Vec<String> =
        tensors.iter().filter(is_misplaced).map(|(_, tensor)| tensor.name.clone()).collect();
    if !misplaced.is_empty() {
        return Err(CheckpointError::Misplaced { path: path(), names: misplaced });
    }
    Ok(())
}
