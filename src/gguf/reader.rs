//! The parser, and the header it makes.

use std::io::Read;

use super::error::{GgufError, Part};
use super::layout::{Tensor, check_layout};
use super::source::Source;
use super::types::ValueType;
use super::value::{Array, ContentHash, Value};
use super::{
    DEFAULT_ALIGNMENT, MAGIC, MAX_ALIGNMENT, MAX_ARRAY_DEPTH, MAX_DIMS, MAX_KEY, MAX_KEY_VALUES, MAX_STRING,
    MAX_TENSOR_NAME, MAX_TENSORS,
};

/// A key (8 + 1 bytes), a type (4) and a value of one byte.
const LEAST_KEY_VALUE: u64 = 14;
/// A name (8 + 1 bytes), a number of dimensions (4), one of them (8), a type (4) and an offset (8).
const LEAST_TENSOR: u64 = 33;

/// What to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadOptions {
    /// Arrays up to this many elements are kept; of longer ones the length and a hash.
    pub keep_elements: u64,
}

impl Default for ReadOptions {
    /// Keeps what is per layer and lets go what is per token.
    fn default() -> Self {
        ReadOptions { keep_elements: 1024 }
    }
}

impl ReadOptions {
    /// Keeps every array.
    pub const EVERYTHING: ReadOptions = ReadOptions { keep_elements: u64::MAX };
}

/// One metadata entry.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyValue {
    /// The key, e.g. `general.architecture`.
    pub key: String,
    /// The value.
    pub value: Value,
    offset: u64,
}

/// A model cut into several files: which of them this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// This file's number, from 0.
    pub index: u32,
    /// How many there are.
    pub count: u32,
}

/// Everything in a GGUF file before the weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// The format version, 2 or 3.
    pub version: u32,
    /// Metadata, in the file's order.
    pub key_values: Vec<KeyValue>,
    /// Tensors, in the file's order.
    pub tensors: Vec<Tensor>,
    /// Alignment of tensor data.
    pub alignment: u64,
    /// Where the data section begins.
    pub data_offset: u64,
    /// Bytes of the whole file.
    pub file_len: u64,
    /// Indices into `key_values`, sorted by key.
    by_key: Vec<u32>,
}

impl Header {
    /// Reads the header of a file of `file_len` bytes. Reads from where `reader` stands, which must be the
    /// file's beginning; the weights are not touched.
    ///
    /// # Errors
    /// [`GgufError`] where the file is not a well-formed GGUF, or cannot be read.
    pub fn read<R: Read>(reader: R, file_len: u64, options: ReadOptions) -> Result<Header, GgufError> {
        Parser { source: Source::new(reader, file_len), options }.header()
    }

    /// Reads the header of a file that is in memory.
    ///
    /// # Errors
    /// As [`Header::read`].
    pub fn from_bytes(bytes: &[u8], options: ReadOptions) -> Result<Header, GgufError> {
        Header::read(bytes, bytes.len() as u64, options)
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        let at = |index: &u32| self.key_values.get(*index as usize);
        let found =
            self.by_key.binary_search_by(|index| at(index).map(|each| each.key.as_str()).cmp(&Some(key)));
        at(self.by_key.get(found.ok()?)?).map(|each| &each.value)
    }

    /// A text.
    #[must_use]
    pub fn get_str(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_str()
    }

    /// A whole number that fits, of whatever width in the file.
    #[must_use]
    pub fn get_u32(&self, key: &str) -> Option<u32> {
        self.get(key)?.as_u32()
    }

    /// A whole number that is not negative, of whatever width in the file.
    #[must_use]
    pub fn get_u64(&self, key: &str) -> Option<u64> {
        self.get(key)?.as_u64()
    }

    /// A floating point number.
    #[must_use]
    pub fn get_f32(&self, key: &str) -> Option<f32> {
        self.get(key)?.as_f32()
    }

    /// A truth value.
    #[must_use]
    pub fn get_bool(&self, key: &str) -> Option<bool> {
        self.get(key)?.as_bool()
    }

    /// An array, kept or not.
    #[must_use]
    pub fn get_array(&self, key: &str) -> Option<&Array> {
        self.get(key)?.as_array()
    }

    /// `general.architecture`.
    #[must_use]
    pub fn architecture(&self) -> Option<&str> {
        self.get_str("general.architecture")
    }

    /// The value of a key of this file's architecture: `arch("block_count")` is `gemma4.block_count`.
    #[must_use]
    pub fn arch(&self, suffix: &str) -> Option<&Value> {
        self.get(&format!("{}.{suffix}", self.architecture()?))
    }

    /// A whole number of this file's architecture.
    #[must_use]
    pub fn arch_u32(&self, suffix: &str) -> Option<u32> {
        self.arch(suffix)?.as_u32()
    }

    /// The tensor of this name.
    #[must_use]
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }

    /// Which part of a split model this is; `None` where the model is one file.
    #[must_use]
    pub fn split(&self) -> Option<Split> {
        let count = self.get_u32("split.count").filter(|&count| count > 1)?;
        Some(Split { index: self.get_u32("split.no").unwrap_or(0), count })
    }

    /// Elements of all tensors.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        self.tensors.iter().fold(0, |sum, tensor| sum.saturating_add(tensor.elements))
    }

    /// Bytes of all tensors.
    #[must_use]
    pub fn tensor_bytes(&self) -> u64 {
        self.tensors.iter().map(|tensor| tensor.bytes).sum()
    }
}

struct Parser<R> {
    source: Source<R>,
    options: ReadOptions,
}

impl<R: Read> Parser<R> {
    fn header(mut self) -> Result<Header, GgufError> {
        let version = self.version()?;
        let tensor_count = self.count(Part::Tensors, LEAST_TENSOR, MAX_TENSORS)?;
        let key_value_count = self.count(Part::KeyValues, LEAST_KEY_VALUE, MAX_KEY_VALUES)?;

        // Grown as they come, not reserved: a count is a claim.
        let mut key_values = Vec::new();
        for _ in 0..key_value_count {
            key_values.push(self.key_value()?);
        }
        let by_key = sorted_by_key(&key_values)?;
        let alignment = alignment(key_values.iter().map(|entry| (entry.key.as_str(), &entry.value)))?;

        let mut tensors = Vec::new();
        for _ in 0..tensor_count {
            tensors.push(self.tensor()?);
        }
        check_names(&tensors)?;

        let file_len = self.source.position() + self.source.remaining();
        let data_offset = self.source.position().next_multiple_of(alignment);
        check_layout(&tensors, data_offset, alignment, file_len)?;
        Ok(Header { version, key_values, tensors, alignment, data_offset, file_len, by_key })
    }

    fn version(&mut self) -> Result<u32, GgufError> {
        let found = self.source.bytes::<4>(Part::Magic)?;
        if found != MAGIC {
            return Err(GgufError::NotGguf { found });
        }
        let version = self.source.u32(Part::Version)?;
        match version {
            2 | 3 => Ok(version),
            // A small number in the other byte order has its low half empty.
            _ if version != 0 && version.trailing_zeros() >= 16 => {
                Err(GgufError::BigEndian { version: version.swap_bytes() })
            }
            found => Err(GgufError::UnsupportedVersion { found }),
        }
    }

    /// A number of things that take at least `least` bytes each.
    fn count(&mut self, part: Part, least: u64, limit: u64) -> Result<u64, GgufError> {
        let offset = self.source.position();
        let found = self.source.u64(Part::Counts)?;
        let most = limit.min(self.source.remaining() / least);
        if found > most {
            return Err(GgufError::TooMany { part, offset, found, most });
        }
        Ok(found)
    }

    fn name(&mut self, part: Part, most: u64) -> Result<String, GgufError> {
        let offset = self.source.position();
        let bytes = self.source.string(part, most)?;
        if bytes.is_empty() {
            return Err(GgufError::EmptyName { part, offset });
        }
        String::from_utf8(bytes).map_err(|_| GgufError::InvalidUtf8 { part, offset })
    }

    fn key_value(&mut self) -> Result<KeyValue, GgufError> {
        let offset = self.source.position();
        let key = self.name(Part::Key, MAX_KEY)?;
        let value = match self.value_type(&key)? {
            ValueType::String => {
                let bytes = self.source.string(Part::Value, MAX_STRING)?;
                let text = String::from_utf8(bytes)
                    .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
                Value::String(text)
            }
            ValueType::Array => Value::Array(self.array(&key)?),
            fixed => {
                let mut bytes = Vec::new();
                let size = fixed.least_size();
                self.source.stream(Part::Value, size, &mut ContentHash::default(), Some(&mut bytes))?;
                // `fixed` has a size and `bytes` is that long.
                Value::fixed(fixed, &bytes).unwrap_or(Value::U8(0))
            }
        };
        Ok(KeyValue { key, value, offset })
    }

    fn value_type(&mut self, key: &str) -> Result<ValueType, GgufError> {
        let offset = self.source.position();
        let found = self.source.u32(Part::Value)?;
        ValueType::from_id(found).ok_or_else(|| GgufError::UnknownValueType {
            key: key.to_owned(),
            found,
            offset,
        })
    }

    /// An array's element type and length, checked against the bytes left.
    fn array_head(&mut self, key: &str) -> Result<(ValueType, u64), GgufError> {
        let element = self.value_type(key)?;
        let offset = self.source.position();
        let length = self.source.u64(Part::Array)?;
        let most = self.source.remaining() / element.least_size();
        if length > most {
            return Err(GgufError::TooMany { part: Part::Array, offset, found: length, most });
        }
        Ok((element, length))
    }

    fn array(&mut self, key: &str) -> Result<Array, GgufError> {
        let (element, length) = self.array_head(key)?;
        let mut kept = (length <= self.options.keep_elements).then(Vec::new);
        let mut hash = ContentHash::default();
        self.elements(key, element, length, 1, &mut hash, kept.as_mut())?;
        Ok(Array { element, length, hash: hash.finish(), bytes: kept })
    }

    /// Walks the elements of an array, of arrays in it too, hashing and keeping their bytes.
    fn elements(
        &mut self,
        key: &str,
        element: ValueType,
        length: u64,
        depth: u32,
        hash: &mut ContentHash,
        mut keep: Option<&mut Vec<u8>>,
    ) -> Result<(), GgufError> {
        if let Some(size) = element.size() {
            // Cannot overflow: `array_head` compared the length with the bytes left.
            return self.source.stream(Part::Array, length * size, hash, keep);
        }
        if element == ValueType::Array && depth >= MAX_ARRAY_DEPTH {
            let offset = self.source.position();
            return Err(GgufError::NestedTooDeep { key: key.to_owned(), offset });
        }
        for _ in 0..length {
            if element == ValueType::String {
                let len = self.source.string_length(Part::Array, MAX_STRING)?;
                hash.add(&len.to_le_bytes());
                if let Some(keep) = keep.as_deref_mut() {
                    keep.extend_from_slice(&len.to_le_bytes());
                }
                self.source.stream(Part::Array, len, hash, keep.as_deref_mut())?;
            } else {
                let (inner, count) = self.array_head(key)?;
                hash.add(&u64::from(inner.id()).to_le_bytes());
                hash.add(&count.to_le_bytes());
                if let Some(keep) = keep.as_deref_mut() {
                    keep.extend_from_slice(&inner.id().to_le_bytes());
                    keep.extend_from_slice(&count.to_le_bytes());
                }
                self.elements(key, inner, count, depth + 1, hash, keep.as_deref_mut())?;
            }
        }
        Ok(())
    }

    fn tensor(&mut self) -> Result<Tensor, GgufError> {
        let name = self.name(Part::TensorName, MAX_TENSOR_NAME)?;
        let count = self.source.u32(Part::TensorInfo)?;
        let mut dims = [0; MAX_DIMS];
        let Some(dims) = dims.get_mut(..count as usize) else {
            return Err(GgufError::BadDimensions { name, found: count });
        };
        for dim in dims.iter_mut() {
            *dim = self.source.u64(Part::TensorInfo)?;
        }
        let type_id = self.source.u32(Part::TensorInfo)?;
        let offset = self.source.u64(Part::TensorInfo)?;
        Tensor::new(name, dims, type_id, offset)
    }
}

/// The entries' indices sorted by key. Sorting finds a key that occurs twice without a second copy of the keys.
fn sorted_by_key(key_values: &[KeyValue]) -> Result<Vec<u32>, GgufError> {
    let key = |index: u32| key_values[index as usize].key.as_str();
    // The number of entries is limited far below 2^32.
    let mut by_key: Vec<u32> = (0..key_values.len() as u32).collect();
    by_key.sort_by(|&left, &right| key(left).cmp(key(right)));
    match by_key.windows(2).find(|pair| key(pair[0]) == key(pair[1])) {
        None => Ok(by_key),
        Some(pair) => {
            let again = &key_values[pair[1] as usize];
            Err(GgufError::DuplicateKey { key: again.key.clone(), offset: again.offset })
        }
    }
}

/// The alignment that entries ask for.
pub(super) fn alignment<'a>(
    entries: impl IntoIterator<Item = (&'a str, &'a Value)>,
) -> Result<u64, GgufError> {
    let Some((key, value)) = entries.into_iter().find(|(key, _)| *key == "general.alignment") else {
        return Ok(DEFAULT_ALIGNMENT);
    };
    // llama.cpp accepts no other width here.
    let Value::U32(found) = *value else {
        let (key, found) = (key.to_owned(), value.value_type());
        return Err(GgufError::WrongValueType { key, found, expected: ValueType::U32 });
    };
    let found = u64::from(found);
    if !found.is_power_of_two() || found > MAX_ALIGNMENT {
        return Err(GgufError::BadAlignment { found });
    }
    Ok(found)
}

/// Checks that no two tensors have one name.
pub(super) fn check_names(tensors: &[Tensor]) -> Result<(), GgufError> {
    let mut names: Vec<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(()),
        Some(pair) => Err(GgufError::DuplicateTensor { name: pair[0].to_owned() }),
    }
}
