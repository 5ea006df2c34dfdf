//! The built-in pair: compiled into the program, written once to a cache file named by its hash, loaded by path.
//! (llama.cpp can load from memory too, but then it neither maps the file nor repacks the weights.)

use std::fs;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;

use super::whole;
use crate::error::{Kind, Problem};

const TARGET: &[u8] = include_bytes!("../../assets/pocket/pocket-target-Q8_0.gguf");
const DRAFTER: &[u8] = include_bytes!("../../assets/pocket/pocket-drafter-Q4_0.gguf");

/// First 16 hexadecimal digits of each content's SHA-256 (build.rs): the names change when the contents do.
const TARGET_HASH: &str = env!("SLIPSTREAM_POCKET_TARGET_HASH");
const DRAFTER_HASH: &str = env!("SLIPSTREAM_POCKET_DRAFTER_HASH");

/// The files of the pair on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pocket {
    /// The target.
    pub target: PathBuf,
    /// Its MTP drafter.
    pub drafter: PathBuf,
}

/// Makes sure both files are on disk, whole.
///
/// # Errors
/// Where the cache folder cannot be written.
pub fn files() -> Result<Pocket, Problem> {
    let folder = folder()?;
    Ok(Pocket {
        target: ensure(&folder, "pocket-target", TARGET_HASH, TARGET)?,
        drafter: ensure(&folder, "pocket-drafter", DRAFTER_HASH, DRAFTER)?,
    })
}

fn folder() -> Result<PathBuf, Problem> {
    if let Some(folder) = std::env::var_os("SLIPSTREAM_CACHE").filter(|folder| !folder.is_empty()) {
        return Ok(PathBuf::from(folder));
    }
    let strategy = etcetera::choose_base_strategy().map_err(|error| {
        let help = "set SLIPSTREAM_CACHE to a folder that can be written";
        Problem::new(Kind::Fault, format!("finding the cache folder failed: {error}"), help)
    })?;
    Ok(strategy.cache_dir().join("slipstream"))
}

/// The file of that content, written atomically where it is missing or cut off.
fn ensure(folder: &Path, name: &str, hash: &str, content: &[u8]) -> Result<PathBuf, Problem> {
    let path = folder.join(format!("{name}-{hash}.gguf"));
    // A whole file has the right length: it is only ever renamed into place.
    if fs::metadata(&path).is_ok_and(|file| file.is_file() && file.len() == content.len() as u64) {
        return Ok(path);
    }
    let failed = |error: std::io::Error| {
        let kind = if error.kind() == std::io::ErrorKind::StorageFull { Kind::Space } else { Kind::Fault };
        let help = match kind {
            Kind::Space => {
                let megabytes = content.len() / 1_000_000 + 1;
                format!("free {megabytes} MB there, or set SLIPSTREAM_CACHE to another folder")
            }
            _ => "make the folder writable, or set SLIPSTREAM_CACHE to another one".to_owned(),
        };
        Problem::new(
            kind,
            format!("writing the built-in model to {} failed: {error}", folder.display()),
            help,
        )
    };
    whole::write(&path, content).map_err(failed)?;
    Ok(path)
}
