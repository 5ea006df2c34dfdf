//! The only place that reads bytes. It knows how long the file is, so that nothing is allocated, and no loop is
//! begun, for data that cannot be there.

use std::io::{self, Read};
use std::ops::Range;

use super::error::{GgufError, Part};
use super::value::ContentHash;
use super::{MAX_HEADER, MAX_STRING};

/// Bytes read at a time from long data. A multiple of 8, so that a hash over pieces equals one over the whole.
const PIECE: usize = 8192;

/// Bytes asked of the system at a time.
const BUFFER: usize = 1 << 16;

/// A reader with a position and an end. It keeps its own buffer: a vocabulary is a million short strings, and
/// each must cost a few instructions, for a header is read on every start.
pub(super) struct Source<R> {
    reader: R,
    file_len: u64,
    /// Bytes taken from `buffer` so far, over all.
    position: u64,
    buffer: Box<[u8]>,
    /// The bytes of `buffer` that were read and not taken.
    ready: Range<usize>,
}

impl<R: Read> Source<R> {
    pub(super) fn new(reader: R, file_len: u64) -> Self {
        Source { reader, file_len, position: 0, buffer: vec![0; BUFFER].into_boxed_slice(), ready: 0..0 }
    }

    /// Bytes read so far.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Bytes the file still has.
    pub(super) fn remaining(&self) -> u64 {
        self.file_len.saturating_sub(self.position)
    }

    /// Fails where fewer than `needed` bytes are left.
    pub(super) fn require(&self, part: Part, needed: u64) -> Result<(), GgufError> {
        let (offset, available) = (self.position, self.remaining());
        if needed > available {
            return Err(GgufError::Truncated { part, offset, needed, available });
        }
        if offset.saturating_add(needed) > MAX_HEADER {
            return Err(GgufError::HeaderTooLong { offset });
        }
        Ok(())
    }

    /// The next `len` bytes, in one piece; `len` is at most [`PIECE`].
    fn take(&mut self, part: Part, len: usize) -> Result<&[u8], GgufError> {
        if self.ready.len() < len {
            self.refill(part, len)?;
        }
        let start = self.ready.start;
        self.ready.start += len;
        self.position += len as u64;
        Ok(&self.buffer[start..start + len])
    }

    /// Reads on until `len` bytes are ready, and as many more as come with them.
    #[cold]
    fn refill(&mut self, part: Part, len: usize) -> Result<(), GgufError> {
        self.buffer.copy_within(self.ready.clone(), 0);
        self.ready = 0..self.ready.len();
        while self.ready.len() < len {
            let offset = self.position + self.ready.len() as u64;
            match self.reader.read(&mut self.buffer[self.ready.end..]) {
                // The file is shorter than its length said: it shrank, or the caller was wrong.
                Ok(0) => {
                    let (offset, available) = (self.position, self.ready.len() as u64);
                    return Err(GgufError::Truncated { part, offset, needed: len as u64, available });
                }
                Ok(count) => self.ready.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(GgufError::Io { offset, source }),
            }
        }
        Ok(())
    }

    /// `N` bytes, `N` small.
    pub(super) fn bytes<const N: usize>(&mut self, part: Part) -> Result<[u8; N], GgufError> {
        self.require(part, N as u64)?;
        let mut found = [0; N];
        found.copy_from_slice(self.take(part, N)?);
        Ok(found)
    }

    pub(super) fn u32(&mut self, part: Part) -> Result<u32, GgufError> {
        Ok(u32::from_le_bytes(self.bytes(part)?))
    }

    pub(super) fn u64(&mut self, part: Part) -> Result<u64, GgufError> {
        Ok(u64::from_le_bytes(self.bytes(part)?))
    }

    /// Reads `len` bytes, feeds them to `hash` and appends them to `keep`. The buffer grows with what has
    /// really been read, not with what was claimed.
    pub(super) fn stream(
        &mut self,
        part: Part,
        len: u64,
        hash: &mut ContentHash,
        mut keep: Option<&mut Vec<u8>>,
    ) -> Result<(), GgufError> {
        self.require(part, len)?;
        let mut left = len;
        while left > 0 {
            let now = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
            let piece = self.take(part, now)?;
            hash.add(piece);
            if let Some(keep) = keep.as_deref_mut() {
                keep.extend_from_slice(piece);
            }
            left -= now as u64;
        }
        Ok(())
    }

    /// A string's length, checked against the limit and the bytes left.
    pub(super) fn string_length(&mut self, part: Part, most: u64) -> Result<u64, GgufError> {
        let offset = self.position;
        let found = self.u64(part)?;
        let most = most.min(MAX_STRING);
        if found > most && found <= self.remaining() {
            return Err(GgufError::StringTooLong { part, offset, found, most });
        }
        self.require(part, found)?;
        Ok(found)
    }

    /// A string's bytes.
    pub(super) fn string(&mut self, part: Part, most: u64) -> Result<Vec<u8>, GgufError> {
        let len = self.string_length(part, most)?;
        let mut bytes = Vec::new();
        self.stream(part, len, &mut ContentHash::default(), Some(&mut bytes))?;
        Ok(bytes)
    }
}
