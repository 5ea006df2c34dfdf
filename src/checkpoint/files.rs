//! The small files of a checkpoint, read whole and never more of them than a limit.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value as Json};

use super::error::CheckpointError;
use super::tokenizer::TokenizerFiles;

/// Bytes of config.json and the like at most; real ones have a few thousand.
const MAX_CONFIG: u64 = 16 << 20;

/// Bytes of tokenizer.json at most; Gemma 4's has 32 MB.
const MAX_TOKENIZER: u64 = 256 << 20;

/// All files that are read beside the weights.
const NAMES: [&str; 9] = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "chat_template.json",
    "README.md",
    "model.safetensors.index.json",
];

/// Those of them that a folder has.
pub(super) fn small_files(folder: &Path) -> Vec<PathBuf> {
    NAMES.iter().map(|name| folder.join(name)).filter(|path| path.is_file()).collect()
}

/// The bytes of a file; `None` where there is none.
pub(super) fn read_file(path: &Path, most: u64) -> Result<Option<Vec<u8>>, CheckpointError> {
    let failed = |source| CheckpointError::Io { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let found = file.metadata().map_err(failed)?.len();
    let too_long = |found| CheckpointError::TooLong { path: path.to_owned(), found, most };
    if found > most {
        return Err(too_long(found));
    }
    // Something that grows meanwhile, or has no length, is cut off too.
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > most { Err(too_long(bytes.len() as u64)) } else { Ok(Some(bytes)) }
}

/// Decodes JSON.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, CheckpointError> {
    serde_json::from_slice(bytes)
        .map_err(|error| CheckpointError::Json { path: path.to_owned(), message: error.to_string() })
}

/// The entries of an object in the order of the file, those of the same name too; `expected` says what it should be.
pub(super) fn pairs<'de, D: Deserializer<'de>, V: Deserialize<'de>>(
    deserializer: D,
    expected: &'static str,
) -> Result<Vec<(String, V)>, D::Error> {
    struct Pairs<V>(&'static str, PhantomData<V>);
    impl<'de, V: Deserialize<'de>> Visitor<'de> for Pairs<V> {
        type Value = Vec<(String, V)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut pairs = Vec::new();
            while let Some(pair) = map.next_entry()? {
                pairs.push(pair);
            }
            Ok(pairs)
        }
    }
    deserializer.deserialize_map(Pairs(expected, PhantomData))
}

/// config.json.
pub(super) fn read_config(folder: &Path) -> Result<Vec<u8>, CheckpointError> {
    let name = "config.json";
    read_file(&folder.join(name), MAX_CONFIG)?
        .ok_or(CheckpointError::Missing { folder: folder.to_owned(), name })
}

/// A JSON object; empty where there is no file.
fn read_object(folder: &Path, name: &str) -> Result<Map<String, Json>, CheckpointError> {
    let path = folder.join(name);
    match read_file(&path, MAX_CONFIG)? {
        Some(bytes) => read_json(&path, &bytes),
        None => Ok(Map::new()),
    }
}

/// generation_config.json. What it recommends is no reason to fail: the reference converter ignores a broken one too.
pub(super) fn read_generation(folder: &Path) -> Map<String, Json> {
    read_object(folder, "generation_config.json").unwrap_or_default()
}

/// A text; `None` where there is no file.
pub(super) fn read_text(folder: &Path, name: &str) -> Result<Option<String>, CheckpointError> {
    let path = folder.join(name);
    let Some(bytes) = read_file(&path, MAX_CONFIG)? else { return Ok(None) };
    let text = String::from_utf8(bytes)
        .map_err(|error| CheckpointError::Json { path, message: error.to_string() })?;
    // As Python reads it.
    Ok(Some(text.replace("\r\n", "\n").replace('\r', "\n")))
}

/// The files of the tokenizer.
pub(super) fn read_tokenizer(folder: &Path) -> Result<TokenizerFiles, CheckpointError> {
    let name = "tokenizer.json";
    let path = folder.join(name);
    let missing = CheckpointError::Missing { folder: folder.to_owned(), name };
    let bytes = read_file(&path, MAX_TOKENIZER)?.ok_or(missing)?;
    let tokenizer = read_json(&path, &bytes)?;
    drop(bytes);
    let template = match read_text(folder, "chat_template.jinja")? {
        Some(text) => Some(text),
        None => {
            let object = read_object(folder, "chat_template.json")?;
            object.get("chat_template").and_then(Json::as_str).map(str::to_owned)
        }
    };
    Ok(TokenizerFiles {
        tokenizer,
        config: read_object(folder, "tokenizer_config.json")?,
        special_map: read_object(folder, "special_tokens_map.json")?,
        template,
    })
}
