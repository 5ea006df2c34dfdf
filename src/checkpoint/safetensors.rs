//! The header of a safetensors file: which tensors it holds, of what type and shape, and where.
//!
//! Eight bytes of length, low byte first, then that much JSON, then the data. The rules are those of the format's own
//! reader (safetensors 0.8): the data of all tensors together fill the rest of the file, without gaps or overlaps.
//! Nothing is allocated for a length that the file does not have.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::safetensors_error::HeaderError;

/// Bytes of a header at most; the format's own reader has the same limit.
pub const MAX_HEADER: u64 = 100_000_000;

/// Dimensions of a tensor at most. The weights of Gemma 4 have up to three; towers that are left out have four.
pub const MAX_DIMS: usize = 8;

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dtype {
    /// Its name in the file, e.g. `BF16`.
    pub name: &'static str,
    /// Bits of an element.
    pub bits: u64,
}

/// All types of the format (safetensors 0.8).
const DTYPES: [(&str, u64); 22] = [
    ("BOOL", 8),
    ("F4", 4),
    ("F6_E2M3", 6),
    ("F6_E3M2", 6),
    ("U8", 8),
    ("I8", 8),
    ("F8_E5M2", 8),
    ("F8_E4M3", 8),
    ("F8_E8M0", 8),
    ("F8_E4M3FNUZ", 8),
    ("F8_E5M2FNUZ", 8),
    ("I16", 16),
    ("U16", 16),
    ("F16", 16),
    ("BF16", 16),
    ("I32", 32),
    ("U32", 32),
    ("F32", 32),
    ("C64", 64),
    ("F64", 64),
    ("I64", 64),
    ("U64", 64),
];

impl Dtype {
    /// The type with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Dtype> {
        DTYPES.iter().find(|entry| entry.0 == name).map(|&(name, bits)| Dtype { name, bits })
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A tensor of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTensor {
    /// Its name.
    pub name: String,
    /// The type of its elements.
    pub dtype: Dtype,
    /// Its sizes as PyTorch counts them: rows first, the row length last. None for a single number.
    pub shape: Vec<u64>,
    /// Where its data begin in the file.
    pub offset: u64,
    /// Bytes of its data.
    pub bytes: u64,
}

/// Reads a header; `file_len` is the length of the whole file. The tensors come sorted by name, as in the format's own
/// reader.
///
/// # Errors
/// [`HeaderError`].
pub fn read_header(mut reader: impl Read, file_len: u64) -> Result<Vec<StoredTensor>, HeaderError> {
    /// Bytes of the length before the header.
    const PREFIX: u64 = 8;
    if file_len < PREFIX {
        return Err(HeaderError::TooShort { file_len });
    }
    let mut prefix = [0; PREFIX as usize];
    reader.read_exact(&mut prefix).map_err(io_error)?;
    let length = u64::from_le_bytes(prefix);
    let most = MAX_HEADER.min(file_len - PREFIX);
    if length > most {
        return Err(HeaderError::HeaderLength { found: length, most });
    }
    let mut json = Vec::new();
    let read = reader.by_ref().take(length).read_to_end(&mut json).map_err(io_error)?;
    if read as u64 != length {
        return Err(HeaderError::TooShort { file_len: PREFIX + read as u64 });
    }
    // Other JSON is no header; and the space of padding may stand at the end only.
    if json.first() != Some(&b'{') {
        return Err(HeaderError::NotSafetensors);
    }
    let Entries(entries) = serde_json::from_slice(&json).map_err(HeaderError::json)?;
    drop(json);
    let data_len = file_len - PREFIX - length;
    let mut tensors = BTreeMap::new();
    for (name, entry) in entries {
        let tensor = entry.located(&name, data_len)?;
        if tensors.insert(name.clone(), tensor).is_some() {
            return Err(HeaderError::Duplicate { name });
        }
    }
    let mut tensors: Vec<StoredTensor> = tensors.into_values().collect();
    check_cover(&tensors, data_len)?;
    for tensor in &mut tensors {
        tensor.offset += PREFIX + length;
    }
    Ok(tensors)
}

fn io_error(source: io::Error) -> HeaderError {
    HeaderError::Io { source }
}

/// Checks that the data of all tensors follow each other from the first byte to the last.
fn check_cover(tensors: &[StoredTensor], data_len: u64) -> Result<(), HeaderError> {
    let mut by_place: Vec<&StoredTensor> = tensors.iter().collect();
    by_place.sort_by_key(|tensor| (tensor.offset, tensor.bytes));
    let (mut end, mut before) = (0, "");
    for tensor in by_place {
        let (name, offset) = (tensor.name.clone(), tensor.offset);
        if offset < end {
            return Err(HeaderError::Overlap {
                first: before.to_owned(),
                second: name,
                offset,
                expected: end,
            });
        }
        if offset > end {
            return Err(HeaderError::Gap { name, offset, expected: end });
        }
        // Within the data: `located` has checked it.
        end += tensor.bytes;
        before = &tensor.name;
    }
    if end != data_len {
        return Err(HeaderError::Trailing { end, data_len });
    }
    Ok(())
}

/// An entry of the header, as written.
#[derive(serde::Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

impl Entry {
    /// The tensor, its offset counted from the start of the data.
    fn located(self, name: &str, data_len: u64) -> Result<StoredTensor, HeaderError> {
        let name = name.to_owned();
        let Some(dtype) = Dtype::named(&self.dtype) else {
            return Err(HeaderError::UnknownDtype { name, found: self.dtype });
        };
        let (begin, end) = self.data_offsets;
        if self.shape.len() > MAX_DIMS {
            return Err(HeaderError::Dimensions { name, found: self.shape.len() });
        }
        if begin > end || end > data_len {
            return Err(HeaderError::Range { name, begin, end, data_len });
        }
        let elements = self.shape.iter().try_fold(1_u64, |product, &size| product.checked_mul(size));
        let bits = elements.and_then(|elements| elements.checked_mul(dtype.bits));
        // Types of 4 and 6 bits fill whole bytes or are no tensor.
        match bits.filter(|bits| bits.is_multiple_of(8)).map(|bits| bits / 8) {
            Some(bytes) if bytes == end - begin => {
                Ok(StoredTensor { name, dtype, shape: self.shape, offset: begin, bytes })
            }
            expected => {
                Err(HeaderError::Size { name, found: end - begin, expected, dtype, shape: self.shape })
            }
        }
    }
}

/// All entries in the order of the file, those of the same name too; `__metadata__` left out.
struct Entries(Vec<(String, Entry)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Header;
        impl<'de> Visitor<'de> for Header {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let (mut entries, mut has_metadata) = (Vec::new(), false);
                while let Some(name) = map.next_key::<String>()? {
                    if name != "__metadata__" {
                        entries.push((name, map.next_value()?));
                        continue;
                    }
                    map.next_value::<IgnoredAny>()?;
                    if std::mem::replace(&mut has_metadata, true) {
                        return Err(A::Error::custom("`__metadata__` occurs twice"));
                    }
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Header)
    }
}
