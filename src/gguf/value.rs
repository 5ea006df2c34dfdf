//! Metadata values. Arrays stay the raw bytes of the file and are decoded when somebody looks at them, so that a
//! vocabulary costs what it weighs in the file and no more.

use super::types::ValueType;

/// A metadata value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// 8 bits, unsigned.
    U8(u8),
    /// 8 bits, signed.
    I8(i8),
    /// 16 bits, unsigned.
    U16(u16),
    /// 16 bits, signed.
    I16(i16),
    /// 32 bits, unsigned.
    U32(u32),
    /// 32 bits, signed.
    I32(i32),
    /// 32-bit floating point.
    F32(f32),
    /// True or false.
    Bool(bool),
    /// Text; bytes that are not UTF-8 are replaced.
    String(String),
    /// Several of one type.
    Array(Array),
    /// 64 bits, unsigned.
    U64(u64),
    /// 64 bits, signed.
    I64(i64),
    /// 64-bit floating point.
    F64(f64),
}

impl Value {
    /// Its type.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        match self {
            Value::U8(_) => ValueType::U8,
            Value::I8(_) => ValueType::I8,
            Value::U16(_) => ValueType::U16,
            Value::I16(_) => ValueType::I16,
            Value::U32(_) => ValueType::U32,
            Value::I32(_) => ValueType::I32,
            Value::F32(_) => ValueType::F32,
            Value::Bool(_) => ValueType::Bool,
            Value::String(_) => ValueType::String,
            Value::Array(_) => ValueType::Array,
            Value::U64(_) => ValueType::U64,
            Value::I64(_) => ValueType::I64,
            Value::F64(_) => ValueType::F64,
        }
    }

    /// The text of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Any whole number that is not negative; writers differ in the width and sign they choose.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Value::U8(value) => Some(value.into()),
            Value::U16(value) => Some(value.into()),
            Value::U32(value) => Some(value.into()),
            Value::U64(value) => Some(value),
            Value::I8(value) => value.try_into().ok(),
            Value::I16(value) => value.try_into().ok(),
            Value::I32(value) => value.try_into().ok(),
            Value::I64(value) => value.try_into().ok(),
            _ => None,
        }
    }

    /// A whole number that fits.
    #[must_use]
    pub fn as_u32(&self) -> Option<u32> {
        self.as_u64()?.try_into().ok()
    }

    /// A floating point number.
    #[must_use]
    pub fn as_f32(&self) -> Option<f32> {
        match *self {
            Value::F32(value) => Some(value),
            Value::F64(value) => Some(value as f32),
            _ => None,
        }
    }

    /// True or false.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match *self {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// Several.
    #[must_use]
    pub fn as_array(&self) -> Option<&Array> {
        match self {
            Value::Array(array) => Some(array),
            _ => None,
        }
    }

    /// Decodes a value of fixed size from its bytes in the file.
    pub(super) fn fixed(value_type: ValueType, bytes: &[u8]) -> Option<Value> {
        Some(match value_type {
            ValueType::U8 => Value::U8(u8::from_le_bytes(bytes.try_into().ok()?)),
            ValueType::I8 => Value::I8(i8::from_le_bytes(bytes.try_into().ok()?)),
            ValueType::U16 => Value::U16(u16::from_le_bytes(bytes.try_into().ok()?)),
            ValueType::I16 => Value::I16(i16::from_le_bytes(bytes.try_into().ok()?)),
            ValueType::U32 => Value::U32(u32::from_le_bytes(bytes.try_into().ok()?)),
            ValueType::I32 => Value::I32(i32::from_le_bytes(bytes.try_into().ok()?)),
            ValueType::F32 => Value::F32(f32::from_le_bytes(bytes.try_into().ok()?)),
            ValueType::Bool => Value::Bool(u8::from_le_bytes(bytes.try_into().ok()?) != 0),
            ValueType::U64 => Value::U64(u64::from_le_bytes(bytes.try_into().ok()?)),
            ValueType::I64 => Value::I64(i64::from_le_bytes(bytes.try_into().ok()?)),
            ValueType::F64 => Value::F64(f64::from_le_bytes(bytes.try_into().ok()?)),
            ValueType::String | ValueType::Array => return None,
        })
    }
}

/// Several values of one type.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// The type of each.
    pub element: ValueType,
    /// How many.
    pub length: u64,
    /// A hash of the content, kept or not: equal arrays have equal hashes, and unequal ones do not by accident
    /// (it is not made to withstand intent).
    pub hash: u64,
    /// The elements as in the file; `None` where there were more than was asked to keep.
    pub(super) bytes: Option<Vec<u8>>,
}

impl Array {
    /// An array of texts.
    #[must_use]
    pub fn of_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Array {
        let (mut bytes, mut length, mut hash) = (Vec::new(), 0, ContentHash::default());
        for text in texts {
            let count = (text.len() as u64).to_le_bytes();
            bytes.extend(count);
            bytes.extend(text.as_bytes());
            // In the reader's pieces, so that what was written and what is read have one hash.
            hash.add(&count);
            hash.add(text.as_bytes());
            length += 1;
        }
        Array { element: ValueType::String, length, hash: hash.finish(), bytes: Some(bytes) }
    }

    /// An array of unsigned numbers of 32 bits.
    #[must_use]
    pub fn of_u32s(values: &[u32]) -> Array {
        Array::of_fixed(ValueType::U32, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    /// An array of signed numbers of 32 bits.
    #[must_use]
    pub fn of_i32s(values: &[i32]) -> Array {
        Array::of_fixed(ValueType::I32, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    /// An array of floating point numbers of 32 bits.
    #[must_use]
    pub fn of_f32s(values: &[f32]) -> Array {
        Array::of_fixed(ValueType::F32, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    /// An array of truth values.
    #[must_use]
    pub fn of_bools(values: &[bool]) -> Array {
        Array::of_fixed(ValueType::Bool, values.iter().map(|&value| u8::from(value)).collect())
    }

    /// Elements of fixed size, encoded.
    fn of_fixed(element: ValueType, bytes: Vec<u8>) -> Array {
        let mut hash = ContentHash::default();
        hash.add(&bytes);
        let length = bytes.len() as u64 / element.least_size();
        Array { element, length, hash: hash.finish(), bytes: Some(bytes) }
    }

    /// The elements; `None` where there were more than the reader was asked to keep.
    #[must_use]
    pub fn items(&self) -> Option<Items<'_>> {
        let bytes = self.bytes.as_deref()?;
        Some(Items { element: self.element, left: self.length, bytes })
    }

    /// All elements as whole numbers; `None` where they were not kept or one is something else.
    #[must_use]
    pub fn to_u32s(&self) -> Option<Vec<u32>> {
        self.items()?.map(|item| item.as_u32()).collect()
    }

    /// All elements as truth values; `None` where they were not kept or one is something else.
    #[must_use]
    pub fn to_bools(&self) -> Option<Vec<bool>> {
        self.items()?.map(|item| item.as_bool()).collect()
    }
}

/// Decodes the elements of an array one after the other.
#[derive(Clone, Debug)]
pub struct Items<'a> {
    element: ValueType,
    left: u64,
    bytes: &'a [u8],
}

impl<'a> Items<'a> {
    fn cut(&mut self, len: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(usize::try_from(len).ok()?)?;
        self.bytes = rest;
        Some(taken)
    }

    fn take_u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.cut(8)?.try_into().ok()?))
    }

    /// Bytes of `length` elements of this type from here on: the reader has walked them once already.
    fn extent(&self, element: ValueType, length: u64) -> Option<u64> {
        if let Some(size) = element.size() {
            return length.checked_mul(size);
        }
        let mut rest = self.clone();
        for _ in 0..length {
            if element == ValueType::String {
                let len = rest.take_u64()?;
                rest.cut(len)?;
            } else {
                rest.take_array()?;
            }
        }
        Some((self.bytes.len() - rest.bytes.len()) as u64)
    }

    fn take_array(&mut self) -> Option<Array> {
        let element = ValueType::from_id(u32::from_le_bytes(self.cut(4)?.try_into().ok()?))?;
        let length = self.take_u64()?;
        let bytes = self.cut(self.extent(element, length)?)?;
        let mut hash = ContentHash::default();
        hash.add(bytes);
        Some(Array { element, length, hash: hash.finish(), bytes: Some(bytes.to_vec()) })
    }
}

impl Iterator for Items<'_> {
    type Item = Value;

    fn next(&mut self) -> Option<Value> {
        self.left = self.left.checked_sub(1)?;
        match self.element {
            ValueType::String => {
                let len = self.take_u64()?;
                Some(Value::String(String::from_utf8_lossy(self.cut(len)?).into_owned()))
            }
            ValueType::Array => self.take_array().map(Value::Array),
            fixed => Value::fixed(fixed, self.cut(fixed.size()?)?),
        }
    }
}

/// A cheap 64-bit hash, eight bytes at a time: a vocabulary of 5 MB takes a few milliseconds, so that every
/// file of a folder can be compared. Pieces that are multiples of 8 bytes may be added one by one.
#[derive(Clone, Copy, Debug)]
pub(super) struct ContentHash(u64);

impl Default for ContentHash {
    fn default() -> Self {
        ContentHash(0x9e37_79b9_7f4a_7c15)
    }
}

impl ContentHash {
    fn word(&mut self, word: u64) {
        // The multiplier of MurmurHash64A; the shift brings the mixed upper half down again.
        self.0 = (self.0 ^ word).wrapping_mul(0xc6a4_a793_5bd1_e995);
        self.0 ^= self.0 >> 32;
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            // The length goes in as well: a trailing zero byte is content.
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            self.word(u64::from_le_bytes(word));
            self.word(rest.len() as u64);
        }
    }

    pub(super) fn finish(self) -> u64 {
        self.0
    }
}
