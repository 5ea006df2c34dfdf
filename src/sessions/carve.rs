//! The rows of a damaged SQLite file, read page by page without its tables of contents: whatever page still holds rows
//! gives them, wherever the damage is. Pure reading; nothing is believed that does not add up.
//!
//! Format: <https://sqlite.org/fileformat2.html>, sections 1.6 (b-tree pages), 2.1 (records), 4.1 (the log).

use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom};

use rusqlite::types::Value;

/// First byte of a page that holds rows of a table.
const TABLE_LEAF: u8 = 0x0d;
/// The file's header, on the first page before the page's own.
const FILE_HEADER: usize = 100;
const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// A row's bytes at most: SQLite's own limit.
const LONGEST_ROW: u64 = 1_000_000_000;

/// A row: its number and its columns. Of the text that a row ends with, the rest may be missing.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CarvedRow {
    pub(super) id: i64,
    pub(super) values: Vec<Value>,
}

/// A file and its log.
pub(super) struct Carver<F> {
    file: F,
    log: Option<F>,
    page_bytes: usize,
    pages: u32,
    /// Where the newest committed content of a page begins in the log.
    in_log: HashMap<u32, u64>,
}

impl<F: Read + Seek> Carver<F> {
    /// Of files with pages of this size.
    pub(super) fn new(mut file: F, mut log: Option<F>, page_bytes: usize) -> std::io::Result<Carver<F>> {
        let length = file.seek(SeekFrom::End(0))?;
        let in_log = log.as_mut().map(|log| committed(log, page_bytes)).transpose()?.unwrap_or_default();
        let in_file = u32::try_from(length.div_ceil(page_bytes as u64)).unwrap_or(u32::MAX);
        let pages = in_log.keys().copied().max().unwrap_or(0).max(in_file);
        Ok(Carver { file, log, page_bytes, pages, in_log })
    }

    /// All pages: their numbers begin with 1.
    pub(super) fn pages(&self) -> impl Iterator<Item = u32> + use<F> {
        1..=self.pages
    }

    /// A page as the last complete change left it, with zeros where the file ends within it; `None` where it ends before.
    fn page(&mut self, number: u32) -> Option<Vec<u8>> {
        let mut page = vec![0; self.page_bytes];
        let offset = (u64::from(number) - 1) * self.page_bytes as u64;
        let filled = match (self.in_log.get(&number), &mut self.log) {
            (Some(at), Some(log)) => read_at(log, *at, &mut page),
            _ => read_at(&mut self.file, offset, &mut page),
        };
        (filled > 0).then_some(page)
    }

    /// The rows on a page; none where it is another kind of page.
    pub(super) fn rows(&mut self, number: u32) -> Vec<CarvedRow> {
        let Some(page) = self.page(number) else { return Vec::new() };
        let start = if number == 1 { FILE_HEADER } else { 0 };
        if page.get(start) != Some(&TABLE_LEAF) {
            return Vec::new();
        }
        let count = usize::from(be16(&page, start + 3).unwrap_or(0));
        let cells = (0..count).filter_map(|cell| be16(&page, start + 8 + 2 * cell));
        cells.filter_map(|at| self.row(page.get(usize::from(at)..)?)).collect()
    }

    /// The row of a cell. (2.1: up to `most` bytes of it are on its page; of a longer one, a part, and the number of the
    /// page that goes on.)
    fn row(&mut self, cell: &[u8]) -> Option<CarvedRow> {
        let (length, rest) = varint(cell)?;
        let (id, rest) = varint(rest)?;
        if !(1..=LONGEST_ROW).contains(&length) {
            return None;
        }
        let length = length as usize;
        let (most, least) = (self.page_bytes - 35, (self.page_bytes - 12) * 32 / 255 - 23);
        let mut here = length;
        if length > most {
            here = least + (length - least) % (self.page_bytes - 4);
            if here > most {
                here = least;
            }
        }
        let mut payload = rest.get(..here)?.to_vec();
        let mut next = if length > here { be32(rest, here)? } else { 0 };
        while payload.len() < length && (1..=self.pages).contains(&next) {
            let Some(page) = self.page(next) else { break };
            let more = (length - payload.len()).min(self.page_bytes - 4);
            payload.extend_from_slice(&page[4..4 + more]);
            next = be32(&page, 0)?;
        }
        Some(CarvedRow { id: id.cast_signed(), values: record(&payload)? })
    }
}

/// The columns of a record. (2.1: a list of types, then the values.)
fn record(payload: &[u8]) -> Option<Vec<Value>> {
    let (header_bytes, mut types) = varint(payload)?;
    let header_bytes = usize::try_from(header_bytes).ok()?;
    let mut body = payload.get(header_bytes..)?;
    types = types.get(..header_bytes.checked_sub(payload.len() - types.len())?)?;
    let mut values = Vec::new();
    while !types.is_empty() {
        let (kind, rest) = varint(types)?;
        types = rest;
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind as usize,
            5 => 6,
            6 | 7 => 8,
            12.. => usize::try_from((kind - 12) / 2).ok()?,
            _ => return None,
        };
        // The end of a long text may have been on a page that is gone.
        let (bytes, rest) = match body.split_at_checked(length) {
            Some(parts) => parts,
            None if kind >= 12 => (body, &body[..0]),
            None => return None,
        };
        body = rest;
        values.push(match kind {
            0 => Value::Null,
            8 | 9 => Value::Integer(kind as i64 - 8),
            1..=6 => {
                let negative = bytes[0] & 0x80 != 0;
                let start = if negative { -1 } else { 0 };
                Value::Integer(bytes.iter().fold(start, |value, byte| value << 8 | i64::from(*byte)))
            }
            7 => Value::Real(f64::from_be_bytes(bytes.try_into().ok()?)),
            _ if kind % 2 == 0 => Value::Blob(bytes.to_vec()),
            _ => Value::Text(String::from_utf8_lossy(bytes).into_owned()),
        });
    }
    Some(values)
}

/// The pages in the log and where their contents begin; frames after the last commit do not count. (4.1. The frames'
/// checksums are not looked at: of a damaged frame, too, what can be read is wanted.)
fn committed<F: Read + Seek>(log: &mut F, page_bytes: usize) -> std::io::Result<HashMap<u32, u64>> {
    let length = log.seek(SeekFrom::End(0))?;
    let mut header = [0; LOG_HEADER];
    read_at(log, 0, &mut header);
    let salts = &header[16..24];
    let (mut pages, mut pending) = (HashMap::new(), HashMap::new());
    let mut at = LOG_HEADER as u64;
    while at + ((FRAME_HEADER + page_bytes) as u64) <= length {
        let mut frame = [0; FRAME_HEADER];
        read_at(log, at, &mut frame);
        // Frames of an earlier round of the log follow.
        if &frame[8..16] != salts {
            break;
        }
        let number = be32(&frame, 0).unwrap_or(0);
        if number > 0 {
            pending.insert(number, at + FRAME_HEADER as u64);
        }
        if be32(&frame, 4) != Some(0) {
            pages.extend(pending.drain());
        }
        at += (FRAME_HEADER + page_bytes) as u64;
    }
    Ok(pages)
}

/// Fills `bytes` as far as the file goes and the system can read it; returns how far.
fn read_at<F: Read + Seek>(file: &mut F, offset: u64, bytes: &mut [u8]) -> usize {
    if file.seek(SeekFrom::Start(offset)).is_err() {
        return 0;
    }
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read(&mut bytes[filled..]) {
            Ok(count) if count > 0 => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            _ => break,
        }
    }
    filled
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// SQLite's: seven bits a byte, most first; a ninth byte has eight.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().enumerate().take(9) {
        if at == 8 {
            return Some((value << 8 | u64::from(*byte), &bytes[9..]));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}
