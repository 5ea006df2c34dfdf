//! Stored tune results: one file for each key in the data folder, written whole or not at all, and believed only when
//! it is sound and for this very pair, machine and build.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::machine::{self, Machine};
use super::{printer, whole};
use crate::engine::DrafterPlan;
use crate::llama::build_info;
use crate::models::fingerprint;
use crate::tuning::{Key, Misfit, Tuned, parse, render};

/// Bytes of a result that are read at most; a real one has about two thousand.
const LONGEST_FILE: u64 = 1 << 20;

fn folder() -> Option<PathBuf> {
    Some(machine::data_folder()?.join("tune"))
}

/// The file of a key: its name is a hash of it, so that looking one up reads one file.
fn file(key: &Key) -> Option<PathBuf> {
    let words = [&key.target, &key.drafter, &key.device, &key.build].map(String::as_str).join("\n");
    let name = hex::encode(&Sha256::digest(words.as_bytes())[..8]);
    Some(folder()?.join(format!("{name}.json")))
}

/// What a result for these files on this machine holds for.
///
/// # Errors
/// Where a file cannot be read.
pub fn key(
    target: &Path,
    drafter: &DrafterPlan,
    gpu_layers: Option<u32>,
    kernels: bool,
    machine: &Machine,
) -> io::Result<Key> {
    let drafter = match drafter {
        DrafterPlan::None => "none".to_owned(),
        DrafterPlan::Lookup => "lookup".to_owned(),
        DrafterPlan::Mtp(path) | DrafterPlan::Model(path) => fingerprint(path)?,
    };
    let processor = machine::processor().unwrap_or_default();
    let layers = gpu_layers.map_or_else(|| "auto".to_owned(), |layers| layers.to_string());
    Ok(Key {
        target: fingerprint(target)?,
        drafter,
        device: format!(
            "{processor}, {} of {} cores, GPU layers: {layers}",
            machine.physical_cores, machine.logical_cores
        ),
        build: format!(
            "slipstream {} · {} · kernels {}",
            env!("CARGO_PKG_VERSION"),
            build_info(),
            if kernels { "on" } else { "off" }
        ),
    })
}

/// The stored result, if there is one. What is damaged or foreign is set aside with a warning: never trusted, never
/// fatal.
#[must_use]
pub fn find(
    target: &Path,
    drafter: &DrafterPlan,
    gpu_layers: Option<u32>,
    kernels: bool,
    machine: &Machine,
) -> Option<Tuned> {
    // Nobody who has never tuned pays for hashing.
    let _some = fs::read_dir(folder()?).ok()?.next()?;
    let key = key(target, drafter, gpu_layers, kernels, machine).ok()?;
    let path = file(&key)?;
    let found = match fs::metadata(&path) {
        Err(_) => return None,
        Ok(metadata) if !metadata.is_file() => Err(Misfit::Malformed("it is not a regular file".to_owned())),
        Ok(metadata) if metadata.len() > LONGEST_FILE => {
            Err(Misfit::Malformed(format!("expected a file of at most {LONGEST_FILE} bytes")))
        }
        Ok(_) => fs::read(&path)
            .map_err(|error| Misfit::Malformed(error.to_string()))
            .and_then(|bytes| String::from_utf8(bytes).map_err(|error| Misfit::Malformed(error.to_string())))
            .and_then(|text| parse(&text, &key)),
    };
    match found {
        Ok(tuned) => Some(tuned),
        Err(misfit) => {
            set_aside(&path, &misfit);
            None
        }
    }
}

fn set_aside(path: &Path, misfit: &Misfit) {
    let aside = path.with_extension("bad");
    let moved = fs::rename(path, &aside).is_ok();
    let what = if moved { format!("set aside as {}", aside.display()) } else { "left out".to_owned() };
    printer::note(&format!(
        "note: the stored tune result {} was {what}: {}; `slipstream tune` makes a new one",
        path.display(),
        printer::tame(&misfit.to_string())
    ));
}

/// Stores a result and returns where: written beside its place, flushed, then moved there in one step.
///
/// # Errors
/// The system's, with the file that could not be written.
pub fn store(tuned: &Tuned) -> Result<PathBuf, (PathBuf, io::Error)> {
    let unknown = || (PathBuf::from("tune"), io::Error::other("the system names no folder for data"));
    let path = file(&tuned.key).ok_or_else(unknown)?;
    whole::write(&path, render(tuned).as_bytes()).map_err(|error| (path.clone(), error))?;
    Ok(path)
}
