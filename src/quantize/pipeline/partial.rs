//! The file while it is not whole: `OUT.partial` and its journal, locked, and given the final name at the end.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::error::PipelineError;
use super::journal::{Journal, Mark, agreeing, append, first_line};

/// Behind the final name, while the file is not whole.
pub const PARTIAL_SUFFIX: &str = ".partial";
/// Behind the final name: how far it is.
pub const JOURNAL_SUFFIX: &str = ".partial.journal";

/// Where the file goes.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Its final name.
    pub path: &'a Path,
    /// A file of that name is overwritten, at the end.
    pub force: bool,
    /// What was begun is continued.
    pub resume: bool,
    /// What was begun stays when it is interrupted, so that it can be continued; else it is removed.
    pub keep: bool,
    /// Bytes between two points from which it can be continued; each costs waiting for the disk, beside the work.
    pub mark_every: u64,
}

impl Target<'_> {
    /// 128 MiB: at most a second or two of a disk's work is lost.
    pub const MARK_EVERY: u64 = 128 << 20;
}

/// The unfinished file.
pub(super) struct Partial {
    target: PathBuf,
    force: bool,
    /// Its name.
    pub path: PathBuf,
    journal_path: PathBuf,
    /// Holds the lock.
    pub file: File,
    /// Stands at its end.
    pub journal: File,
}

/// Where to go on.
#[derive(Default)]
pub(super) struct Start {
    /// Pieces that are there.
    pub pieces: usize,
    /// Bytes that are there.
    pub bytes: u64,
    /// Their hash.
    pub hash: Sha256,
    /// Everything the marks say.
    pub marks: Vec<Mark>,
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Opens a file to go on with, or a new one.
fn open(path: &Path) -> Result<File, PipelineError> {
    let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).clone();
    options.open(path).map_err(|source| PipelineError::Create { path: path.to_owned(), source })
}

/// Opens the partial file and locks it.
fn open_locked(target: &Target<'_>, path: &Path) -> Result<File, PipelineError> {
    /// Tries, where file systems number a file anew each time they are asked.
    const TRIES: u32 = 8;
    let mut tries = 0;
    loop {
        tries += 1;
        if !target.force && target.path.symlink_metadata().is_ok() {
            return Err(PipelineError::Exists { path: target.path.to_owned() });
        }
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(PipelineError::Busy { path: path.to_owned() }),
            // A file system without locks: nobody can be asked.
            Err(fs::TryLockError::Error(_)) => {}
        }
        // Between the two, another process may have given it its final name: what is cut off then is a whole file.
        if is_named(&file, path) || tries == TRIES {
            return Ok(file);
        }
    }
}

/// Whether a path still leads to an open file.
#[cfg(unix)]
fn is_named(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let place = |about: fs::Metadata| (about.dev(), about.ino());
    matches!((file.metadata().map(place), fs::metadata(path).map(place)), (Ok(open), Ok(named)) if open == named)
}

/// Whether a path still leads to an open file; where the system does not tell, it does.
#[cfg(not(unix))]
fn is_named(_file: &File, _path: &Path) -> bool {
    true
}

impl Partial {
    /// Opens and locks it; where it is to be continued and can be, says from where. `whole` is the length it will have.
    pub(super) fn open(
        target: &Target<'_>,
        job: &str,
        whole: u64,
    ) -> Result<(Partial, Start), PipelineError> {
        let path = beside(target.path, PARTIAL_SUFFIX);
        let journal_path = beside(target.path, JOURNAL_SUFFIX);
        let mut file = open_locked(target, &path)?;
        let mut journal = open(&journal_path)?;
        let start = match target.resume {
            true => Start::find(&mut file, &mut journal, job, &path)?,
            false => Start::default(),
        };
        if let Some(folder) = fs::canonicalize(&path).ok().as_deref().and_then(Path::parent)
            && let Ok(available) = fs4::available_space(folder)
        {
            // What lies behind the point of continuing is freed.
            let held = file.metadata().map_or(0, |metadata| metadata.len());
            let needed = whole - start.bytes.min(whole);
            if needed > available.saturating_add(held - start.bytes.min(held)) {
                if held == 0 {
                    let _ = (fs::remove_file(&path), fs::remove_file(&journal_path));
                }
                return Err(PipelineError::Disk { path: target.path.to_owned(), needed, available });
            }
        }
        let partial = Partial {
            target: target.path.to_owned(),
            force: target.force,
            path,
            journal_path,
            file,
            journal,
        };
        partial.rewind(job, &start)?;
        Ok((partial, start))
    }

    /// Cuts both files to what counts.
    fn rewind(&self, job: &str, start: &Start) -> Result<(), PipelineError> {
        let failed = |path: &Path, source| PipelineError::Write {
            path: path.to_owned(),
            position: start.bytes,
            source,
        };
        let cut = |mut file: &File, length: u64| {
            file.set_len(length)?;
            file.seek(SeekFrom::Start(length)).map(|_| ())
        };
        cut(&self.file, start.bytes).map_err(|source| failed(&self.path, source))?;
        let text = first_line(job) + &start.marks.iter().map(Mark::line).collect::<String>();
        cut(&self.journal, 0)
            .and_then(|()| (&self.journal).write_all(text.as_bytes()))
            .map_err(|source| failed(&self.journal_path, source))
    }

    /// Notes that the file is whole and durable so far.
    pub(super) fn mark(&self, mark: &Mark) -> io::Result<()> {
        self.file.sync_data()?;
        append(&self.journal, &mark.line())
    }

    /// Makes the file durable and gives it its name.
    pub(super) fn finish(self) -> Result<(), PipelineError> {
        let position = self.file.metadata().map_or(0, |metadata| metadata.len());
        let failed = |path: &Path, source| PipelineError::Write { path: path.to_owned(), position, source };
        self.file.sync_all().map_err(|source| failed(&self.path, source))?;
        // Hours may have passed since the first look.
        if !self.force && self.target.symlink_metadata().is_ok() {
            return Err(PipelineError::Exists { path: self.target });
        }
        fs::rename(&self.path, &self.target).map_err(|source| failed(&self.target, source))?;
        // The name is durable when the folder is; where folders cannot be opened, the system sees to it.
        if let Some(folder) = self.target.parent() {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
        let _ = fs::remove_file(&self.journal_path);
        Ok(())
    }

    /// Removes what cannot become a file.
    pub(super) fn remove(self) {
        let _ = fs::remove_file(&self.path);
        let _ = fs::remove_file(&self.journal_path);
    }
}

impl Start {
    /// The last point that the journal names and the file agrees with.
    fn find(file: &mut File, journal: &mut File, job: &str, path: &Path) -> Result<Start, PipelineError> {
        let failed = |source| PipelineError::Write { path: path.to_owned(), position: 0, source };
        let Some(journal) = Journal::read(journal).map_err(failed)? else { return Ok(Start::default()) };
        if journal.job != job {
            return Err(PipelineError::OtherJob { path: path.to_owned() });
        }
        let (count, hash) = agreeing(file, &journal.marks).map_err(failed)?;
        let mut marks = journal.marks;
        marks.truncate(count);
        let (pieces, bytes) = marks.last().map_or((0, 0), |last| (last.pieces, last.bytes));
        Ok(Start { pieces, bytes, hash, marks })
    }
}

/// Hashes what goes through to the file.
pub(super) struct Hashed<'a> {
    /// Where it goes.
    pub file: &'a File,
    /// Of everything from the file's beginning.
    pub hash: Sha256,
}

impl Write for Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hash.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// What a second process opened while the first one finished is the whole file by now: to be left alone.
    #[test]
    fn a_file_that_was_renamed_or_removed_meanwhile_is_noticed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out.gguf.partial");
        let held = open(&path).expect("a file");
        assert!(is_named(&held, &path));
        fs::rename(&path, folder.path().join("out.gguf")).expect("renamed");
        assert!(!is_named(&held, &path));
        let second = open(&path).expect("a file");
        assert!(is_named(&second, &path) && !is_named(&held, &path));
        fs::remove_file(&path).expect("removed");
        assert!(!is_named(&second, &path));
    }
}
