//! Lists the GGUF files of folders, within limits: a scan must end soon on any disk, and a link that points in a
//! circle must not keep it going.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Headers read in one search at most. A Hugging Face repository of one model has up to 40 files.
pub(super) const MAX_FILES: usize = 200;

/// Entries looked at in one folder.
const MAX_ENTRIES: usize = 10_000;

/// Folders looked at in one search.
const MAX_FOLDERS: usize = 2_000;

/// Files found so far, each once, however many names it has.
#[derive(Debug, Default)]
pub(super) struct Walk {
    seen: HashSet<PathBuf>,
    folders: usize,
    taken: usize,
    /// Files left out because there were too many.
    pub(super) skipped: usize,
}

impl Walk {
    /// Whether this file is new; counts it. Two links to one blob are one file.
    pub(super) fn take(&mut self, path: &Path) -> bool {
        if !self.seen.insert(identity(path)) {
            return false;
        }
        if self.taken == MAX_FILES {
            self.skipped += 1;
            return false;
        }
        self.taken += 1;
        true
    }

    /// Marks a file as one that is not wanted.
    pub(super) fn exclude(&mut self, path: &Path) {
        self.seen.insert(identity(path));
    }

    /// The entries of a folder, sorted by name; none where it cannot be listed.
    pub(super) fn entries(&mut self, folder: &Path) -> Vec<PathBuf> {
        if self.folders == MAX_FOLDERS {
            return Vec::new();
        }
        self.folders += 1;
        let Ok(entries) = std::fs::read_dir(folder) else {
            return Vec::new();
        };
        let mut paths: Vec<PathBuf> = entries.flatten().take(MAX_ENTRIES).map(|entry| entry.path()).collect();
        paths.sort_unstable();
        paths
    }

    /// New GGUF files in a folder and `depth` levels below it, nearest first. Links are followed but kept as
    /// they are named: a Hugging Face snapshot consists of links into a folder without names.
    pub(super) fn gguf_files(&mut self, folder: &Path, depth: usize) -> Vec<PathBuf> {
        let entries = self.entries(folder);
        let mut found: Vec<PathBuf> = entries
            .iter()
            .filter(|path| is_model_name(path) && !path.is_dir() && self.take(path))
            .cloned()
            .collect();
        if depth > 0 {
            let mut below: Vec<&PathBuf> =
                entries.iter().filter(|path| !is_hidden(path) && path.is_dir()).collect();
            // Links last: one that leads in a circle then finds nothing new, and files keep their shortest name.
            below.sort_by_key(|path| path.is_symlink());
            for folder in below {
                found.extend(self.gguf_files(folder, depth - 1));
            }
        }
        found
    }
}

/// The file behind all its names. A link to nowhere is known by its name in its folder, for a folder, too, can be
/// reached by several ways.
fn identity(path: &Path) -> PathBuf {
    let in_folder = || Some(std::fs::canonicalize(path.parent()?).ok()?.join(path.file_name()?));
    std::fs::canonicalize(path).ok().or_else(in_folder).unwrap_or_else(|| path.to_owned())
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

/// `*.gguf`, but not a later part of a split model: the first part stands for all.
fn is_model_name(path: &Path) -> bool {
    let is_gguf = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"));
    is_gguf
        && !is_hidden(path)
        && !path.file_stem().is_some_and(|stem| is_later_part(&stem.to_string_lossy()))
}

/// `NAME-00002-of-00004`.
fn is_later_part(stem: &str) -> bool {
    let digits = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut words = stem.rsplitn(4, '-');
    match (words.next(), words.next(), words.next()) {
        (Some(count), Some("of"), Some(number)) => digits(count) && digits(number) && number != "00001",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_part_of_a_split_model_is_listed() {
        for (name, listed) in [
            ("a-00001-of-00004.gguf", true),
            ("a-00002-of-00004.gguf", false),
            ("a-2-of-4.gguf", true),
            ("a.GGUF", true),
            ("a.gguf.part", false),
            ("._a.gguf", false),
        ] {
            assert_eq!(is_model_name(Path::new(name)), listed, "{name}");
        }
    }
}
