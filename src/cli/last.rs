//! The model used last, so that `slipstream` alone opens it again.

use std::fs;
use std::path::{Path, PathBuf};

use super::whole;

fn file() -> Option<PathBuf> {
    Some(super::machine::data_folder()?.join("last-model"))
}

/// Stands for the built-in pair, whose files change their names with every version of it.
pub const POCKET: &str = "pocket";

/// The model's file, or `POCKET`, if one was noted.
#[must_use]
pub fn read() -> Option<String> {
    let text = fs::read_to_string(file()?).ok()?;
    let name = text.trim_end_matches('\n');
    (!name.is_empty()).then(|| name.to_owned())
}

/// Notes it. A convenience: where it cannot be written, nothing is lost but that.
pub fn write(path: &Path) {
    let Some(file) = file() else { return };
    let absolute = if path == Path::new(POCKET) { Ok(path.to_owned()) } else { std::path::absolute(path) };
    let Some(text) = absolute.ok().and_then(|path| path.to_str().map(str::to_owned)) else { return };
    let _ = whole::write(&file, format!("{text}\n").as_bytes());
}
