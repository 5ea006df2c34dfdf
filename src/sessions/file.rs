//! The file and what lies beside it: names, rights, and the lock that makes opening one process's at a time.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::PATIENCE;
use super::error::StoreError;

/// Between two looks at a lock that another process holds.
const NAP: Duration = Duration::from_millis(20);

/// A file's own number on its device.
pub(super) type FileNumber = (u64, u64);

/// Chats are private: the folder and the files are the person's own.
pub(super) fn make_folder(folder: &Path) -> std::io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

pub(super) fn make_file(path: &Path) -> std::io::Result<()> {
    match private().create_new(true).open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map(|_| ()),
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Waits until no other process opens the file. Where the file system knows no locks, there are none.
pub(super) fn lock(path: &Path) -> Result<Option<File>, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = private().create(true).open(name).map_err(|error| StoreError::io(&error, "locking", path))?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) if begun.elapsed() < PATIENCE => std::thread::sleep(NAP),
            Err(fs::TryLockError::WouldBlock) => {
                return Err(StoreError::Busy { path: path.to_owned(), seconds: PATIENCE.as_secs() });
            }
            Err(fs::TryLockError::Error(_)) => return Ok(None),
        }
    }
}

#[cfg(unix)]
pub(super) fn file_number(path: &Path) -> Option<FileNumber> {
    use std::os::unix::fs::MetadataExt as _;
    // A file that is gone differs from every other.
    Some(fs::metadata(path).map_or((0, 0), |metadata| (metadata.dev(), metadata.ino())))
}

#[cfg(not(unix))]
pub(super) fn file_number(_: &Path) -> Option<FileNumber> {
    None
}

/// `sessions.WORD.db` for `sessions.db`.
pub(super) fn beside(path: &Path, word: &str) -> PathBuf {
    let name = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    path.with_file_name(format!("{}.{word}.{}", name(path.file_stem()), name(path.extension())))
}

/// The same, with a number where that name is taken.
pub(super) fn free_name(path: &Path, word: &str) -> PathBuf {
    let names = std::iter::once(word.to_owned()).chain((2..).map(|number| format!("{word}-{number}")));
    names.map(|word| beside(path, &word)).find(|path| !path.exists()).unwrap_or_default()
}

/// Takes everyone else's rights to a file away. A convenience: the folder, too, is the person's own.
pub(super) fn make_private(path: &Path) {
    #[cfg(unix)]
    let _ = std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600));
    #[cfg(not(unix))]
    let _ = path;
}
