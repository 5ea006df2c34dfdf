//! Small files that are there whole or not at all: a reader, and whoever comes after a crash or a full disk, finds what was
//! there before or what is there now, never a part of it.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// Writes a file: beside its place, flushed, then moved there in one step. Its folder is created where it is missing.
///
/// # Errors
/// The system's; nothing of the new content is left then.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    // Unlike any other writer's: processes and threads may do this at the same time.
    static WRITERS: AtomicU32 = AtomicU32::new(0);
    let writer = WRITERS.fetch_add(1, Ordering::Relaxed);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}-{writer}.partial", std::process::id()));
    let partial = path.with_file_name(name);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let written = fs::File::create(&partial).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&partial, path)
    });
    if written.is_err() {
        let _ = fs::remove_file(&partial);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("an entry"));
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_file_is_replaced_in_one_step() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("new/file");
        for content in ["first", "", "third"] {
            write(&path, content.as_bytes()).expect("written");
            assert_eq!(fs::read_to_string(&path).expect("read"), content);
        }
        assert_eq!(names(&folder.path().join("new")), ["file"]);
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        // A folder that is not empty cannot be replaced by a file.
        fs::create_dir_all(folder.path().join("file/inner")).expect("folders");
        write(&folder.path().join("file"), b"text").expect_err("refused");
        assert_eq!(names(folder.path()), ["file"]);
    }
}
