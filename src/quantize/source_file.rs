//! A file that weights are read from: by several threads at once, and noticed when it changes meanwhile.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::source::SourceError;
use super::widen::widen;
use crate::gguf::GgmlType;

/// Bytes read at once.
const READ: usize = 1 << 20;

/// An open file, and what it was when it was opened.
#[derive(Debug)]
pub struct SourceFile {
    path: PathBuf,
    file: File,
    length: u64,
    modified: Option<SystemTime>,
}

impl SourceFile {
    /// Opens it.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(path: &Path) -> io::Result<SourceFile> {
        let file = File::open(path)?;
        let about = file.metadata()?;
        if about.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let (length, modified) = (about.len(), about.modified().ok());
        Ok(SourceFile { path: path.to_owned(), file, length, modified })
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its length when it was opened.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// A reader from the start on; two readers at once would disturb each other.
    #[must_use]
    pub fn reader(&self) -> &File {
        &self.file
    }

    /// Fills `into` from `offset` on; from any thread.
    ///
    /// # Errors
    /// [`SourceError::Changed`] where the file has become shorter, else [`SourceError::Io`].
    pub fn read(&self, into: &mut [u8], offset: u64) -> Result<(), SourceError> {
        read_exact_at(&self.file, into, offset).map_err(|source| {
            // Its length was enough when it was opened.
            match (source.kind(), self.check_unchanged()) {
                (io::ErrorKind::UnexpectedEof, Err(changed)) => changed,
                _ => SourceError::Io { path: self.path.clone(), offset, source },
            }
        })
    }

    /// Reads as many numbers of a type as there is room for, from `offset` on; from any thread.
    ///
    /// # Errors
    /// As [`read`](SourceFile::read).
    pub fn read_numbers(
        &self,
        dtype: GgmlType,
        mut offset: u64,
        into: &mut [f32],
    ) -> Result<(), SourceError> {
        let width = dtype.block_bytes() as usize;
        let mut buffer = vec![0; READ.min(into.len() * width)];
        for values in into.chunks_mut(READ / width) {
            let bytes = &mut buffer[..values.len() * width];
            self.read(bytes, offset)?;
            widen(dtype, bytes, values);
            offset += bytes.len() as u64;
        }
        Ok(())
    }

    /// Whether it is still what was opened.
    ///
    /// # Errors
    /// [`SourceError::Changed`], or [`SourceError::Io`] where the system does not say.
    pub fn check_unchanged(&self) -> Result<(), SourceError> {
        let now = self.file.metadata().map_err(|source| SourceError::Io {
            path: self.path.clone(),
            offset: 0,
            source,
        })?;
        let changed = |found, expected| SourceError::Changed { path: self.path.clone(), found, expected };
        if now.len() != self.length {
            return Err(changed(format!("{} bytes", now.len()), format!("{} bytes", self.length)));
        }
        if now.modified().ok() != self.modified {
            return Err(changed("written again".to_owned(), "an untouched file".to_owned()));
        }
        Ok(())
    }
}

/// Fills `into` from `offset` on; the file's own position does not matter, so that threads may share it.
#[cfg(unix)]
fn read_exact_at(file: &File, into: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, into, offset)
}

/// Fills `into` from `offset` on; the file's own position does not matter, so that threads may share it.
#[cfg(windows)]
fn read_exact_at(file: &File, mut into: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !into.is_empty() {
        let count = match std::os::windows::fs::FileExt::seek_read(file, into, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        into = &mut into[count..];
        offset += count as u64;
    }
    Ok(())
}
