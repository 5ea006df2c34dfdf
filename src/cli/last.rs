//! The model used last, so that `slipstream` alone opens it again.

use std::fs;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;

fn file() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("SLIPSTREAM_DATA") {
        return Some(PathBuf::from(folder).join("last-model"));
    }
    Some(etcetera::choose_base_strategy().ok()?.data_dir().join("slipstream/last-model"))
}

/// The model's file, if one was noted.
#[must_use]
pub fn read() -> Option<PathBuf> {
    let text = fs::read_to_string(file()?).ok()?;
    let path = text.trim_end_matches('\n');
    (!path.is_empty()).then(|| PathBuf::from(path))
}

/// Notes it. A convenience: where it cannot be written, nothing is lost but that.
pub fn write(path: &Path) {
    let (Some(file), Ok(path)) = (file(), std::path::absolute(path)) else { return };
    let Some(text) = path.to_str() else { return };
    if let Some(folder) = file.parent() {
        let _ = fs::create_dir_all(folder);
    }
    let partial = file.with_extension(format!("{}.partial", std::process::id()));
    if fs::write(&partial, format!("{text}\n")).is_ok() && fs::rename(&partial, &file).is_err() {
        let _ = fs::remove_file(&partial);
    }
}
