//! The older format, `.dat`: a count of entries; for each a name, how many batches it saw, and its sums; then,
//! optionally, the number of chunks and the name of the text. No magic number, so plausibility has to tell.

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::{Entry, Imatrix, ImatrixError};

/// Entries believed: one for each tensor of the largest models, and some.
const MAX_ENTRIES: u32 = 1 << 18;
/// Bytes of a name believed; ggml's names have 63 at most.
const MAX_NAME: u32 = 255;
/// Bytes of a text's path believed.
const MAX_DATASET: u32 = 1 << 16;

struct Source<R> {
    reader: R,
    offset: u64,
    length: u64,
    /// The entry being read, from 1.
    entry: u32,
    entries: u32,
}

impl<R: Read> Source<R> {
    fn bytes(&mut self, needed: u64) -> Result<Vec<u8>, ImatrixError> {
        let available = self.length.saturating_sub(self.offset);
        let cut_off = |available| ImatrixError::Truncated {
            entry: self.entry,
            entries: self.entries,
            offset: self.offset,
            needed,
            available,
        };
        if needed > available {
            return Err(cut_off(available));
        }
        let mut bytes = Vec::new();
        let read = self.reader.by_ref().take(needed).read_to_end(&mut bytes);
        read.map_err(|source: io::Error| ImatrixError::Io { source })?;
        if (bytes.len() as u64) < needed {
            return Err(cut_off(bytes.len() as u64));
        }
        self.offset += needed;
        Ok(bytes)
    }

    fn number(&mut self) -> Result<i32, ImatrixError> {
        let bytes = self.bytes(4)?;
        Ok(i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// A name; what cannot be one shows that the file is something else.
    fn name(&mut self) -> Result<String, ImatrixError> {
        let found = self.number()?;
        let length = u32::try_from(found).ok().filter(|length| (1..=MAX_NAME).contains(length));
        let length = length.ok_or_else(|| ImatrixError::NotImatrix {
            what: format!("entry {} has a name of {found} bytes", self.entry),
        })?;
        let bytes = self.bytes(length.into())?;
        let name = String::from_utf8(bytes).ok().filter(|name| !name.contains(char::is_control));
        name.ok_or_else(|| ImatrixError::NotImatrix {
            what: format!("entry {} has no readable name", self.entry),
        })
    }

    fn entry(&mut self) -> Result<(String, Entry), ImatrixError> {
        let name = self.name()?;
        let batches = self.number()?;
        let found = self.number()?;
        let columns = u64::try_from(found).ok().filter(|&columns| columns > 0);
        let columns = columns.ok_or_else(|| ImatrixError::BadEntry {
            tensor: name.clone(),
            what: format!("it claims {found} values"),
        })?;
        let bytes = self.bytes(columns * 4)?;
        let sums = bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        // The sums are means already, times the batches.
        let values =
            if batches > 0 { sums.map(|sum| sum / batches as f32).collect() } else { sums.collect() };
        Ok((name, Entry { values, experts: 1, unseen: 0 }))
    }
}

pub(super) fn read(reader: impl Read, length: u64, file: String) -> Result<Imatrix, ImatrixError> {
    let mut source = Source { reader, offset: 0, length, entry: 0, entries: 0 };
    if length < 4 {
        return Err(ImatrixError::NotImatrix { what: format!("the file has {length} bytes") });
    }
    let found = source.number()?;
    let count = u32::try_from(found).ok().filter(|count| (1..=MAX_ENTRIES).contains(count));
    source.entries =
        count.ok_or_else(|| ImatrixError::NotImatrix { what: format!("it claims {found} entries") })?;
    let mut entries = BTreeMap::new();
    for entry in 1..=source.entries {
        source.entry = entry;
        let (name, entry) = source.entry()?;
        if entries.insert(name.clone(), entry).is_some() {
            return Err(ImatrixError::Duplicate { tensor: name });
        }
    }
    // What follows is optional, and old tools wrote only a part of it.
    let chunks = source.number().ok().and_then(|chunks| u32::try_from(chunks).ok()).unwrap_or(0);
    let dataset = source.number().ok().and_then(|length| u32::try_from(length).ok());
    let dataset = dataset.filter(|length| (1..=MAX_DATASET).contains(length));
    let dataset = dataset.and_then(|length| source.bytes(length.into()).ok());
    let datasets = dataset.into_iter().map(|bytes| {
        // C's strings end at the first zero.
        let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
        String::from_utf8_lossy(&bytes[..end]).into_owned()
    });
    Ok(Imatrix { file, datasets: datasets.collect(), chunks, entries })
}
