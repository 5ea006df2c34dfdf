//! Writes GGUF files, version 3: first the whole header, for every size is known before a byte of weights is; then
//! the tensors' data, in the header's order, in pieces of any size. Pure: it knows `io::Write` and nothing of files.
//!
//! The bytes are those of llama.cpp's own writer (gguf.cpp, b11434): entries in the order given, the header and every
//! tensor, the last one too, padded with zeros to the alignment.

use std::io::{self, Write};

use super::error::GgufError;
use super::layout::Tensor;
use super::printable::Printable;
use super::reader::{alignment, check_names};
use super::types::{GgmlType, ValueType};
use super::value::Value;
use super::{MAGIC, MAX_KEY, MAX_STRING, MAX_TENSOR_NAME};

/// The version written.
const VERSION: u32 = 3;

/// A tensor to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewTensor<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its sizes, the row length first.
    pub shape: &'a [u64],
    /// The type of its elements.
    pub tensor_type: GgmlType,
}

/// Why no file can be made of metadata and tensors.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// What no reader would accept.
    #[error(transparent)]
    Refused(#[from] GgufError),
    /// Two entries of the same key.
    #[error("the key `{}` occurs twice", Printable::short(.key, 80))]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// A name or text without characters, or longer than a reader accepts.
    #[error("{what} `{}` has {found} bytes, expected 1 to {most}", Printable::short(.text, 80))]
    Length {
        /// Of what.
        what: &'static str,
        /// It.
        text: String,
        /// Bytes.
        found: u64,
        /// The limit.
        most: u64,
    },
    /// An array of which a reader kept the length and the hash only.
    #[error("the {length} elements of `{}` were not kept by the reader", Printable::short(.key, 80))]
    NotKept {
        /// The key.
        key: String,
        /// Elements.
        length: u64,
    },
}

/// Everything about a file to be written, except the weights.
#[derive(Clone, Debug)]
pub struct Layout {
    header: Vec<u8>,
    tensors: Vec<Tensor>,
    alignment: u64,
}

impl Layout {
    /// Lays out a file of these metadata and tensors, both in this order.
    ///
    /// # Errors
    /// [`LayoutError`] where no reader would accept the file.
    pub fn new(metadata: &[(String, Value)], tensors: &[NewTensor<'_>]) -> Result<Layout, LayoutError> {
        let mut keys: Vec<&str> = metadata.iter().map(|entry| entry.0.as_str()).collect();
        keys.sort_unstable();
        if let Some(pair) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(LayoutError::DuplicateKey { key: pair[0].to_owned() });
        }
        let alignment = alignment(metadata.iter().map(|(key, value)| (key.as_str(), value)))?;
        let mut placed = Vec::with_capacity(tensors.len());
        let mut offset = 0_u64;
        for tensor in tensors {
            check_length("the tensor's name", tensor.name, 1, MAX_TENSOR_NAME)?;
            let tensor = Tensor::new(tensor.name.to_owned(), tensor.shape, tensor.tensor_type.id(), offset)?;
            let end =
                offset.checked_add(tensor.bytes).and_then(|end| end.checked_next_multiple_of(alignment));
            offset = end.filter(|&end| i64::try_from(end).is_ok()).ok_or_else(|| {
                GgufError::ShapeOverflow { name: tensor.name.clone(), shape: tensor.shape().to_vec() }
            })?;
            placed.push(tensor);
        }
        check_names(&placed)?;
        let mut layout = Layout { header: Vec::new(), tensors: placed, alignment };
        layout.header = layout.encode(metadata)?;
        Ok(layout)
    }

    fn encode(&self, metadata: &[(String, Value)]) -> Result<Vec<u8>, LayoutError> {
        let mut out = MAGIC.to_vec();
        out.extend(VERSION.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((metadata.len() as u64).to_le_bytes());
        for (key, value) in metadata {
            check_length("the key", key, 1, MAX_KEY)?;
            put_text(&mut out, key);
            out.extend(value.value_type().id().to_le_bytes());
            put_value(&mut out, key, value)?;
        }
        for tensor in &self.tensors {
            put_text(&mut out, &tensor.name);
            out.extend((tensor.shape().len() as u32).to_le_bytes());
            out.extend(tensor.shape().iter().flat_map(|size| size.to_le_bytes()));
            out.extend(tensor.tensor_type.id().to_le_bytes());
            out.extend(tensor.offset.to_le_bytes());
        }
        // The alignment is limited far below the address space.
        out.resize(out.len().next_multiple_of(self.alignment as usize), 0);
        Ok(out)
    }

    /// The header's bytes, padding included: the data of the first tensor begin behind them.
    #[must_use]
    pub fn header(&self) -> &[u8] {
        &self.header
    }

    /// The tensors, in the order of their data.
    #[must_use]
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// Bytes of the whole file.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        let data = self.tensors.last().map_or(0, |last| last.offset + self.padded(last));
        self.header.len() as u64 + data
    }

    /// Bytes of a tensor's data with the zeros behind them.
    fn padded(&self, tensor: &Tensor) -> u64 {
        tensor.bytes.next_multiple_of(self.alignment)
    }
}

fn check_length(what: &'static str, text: &str, least: u64, most: u64) -> Result<(), LayoutError> {
    let found = text.len() as u64;
    if (least..=most).contains(&found) {
        return Ok(());
    }
    Err(LayoutError::Length { what, text: text.to_owned(), found, most })
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn put_value(out: &mut Vec<u8>, key: &str, value: &Value) -> Result<(), LayoutError> {
    match value {
        Value::U8(value) => out.push(*value),
        Value::I8(value) => out.extend(value.to_le_bytes()),
        Value::U16(value) => out.extend(value.to_le_bytes()),
        Value::I16(value) => out.extend(value.to_le_bytes()),
        Value::U32(value) => out.extend(value.to_le_bytes()),
        Value::I32(value) => out.extend(value.to_le_bytes()),
        Value::F32(value) => out.extend(value.to_le_bytes()),
        Value::Bool(value) => out.push(u8::from(*value)),
        Value::U64(value) => out.extend(value.to_le_bytes()),
        Value::I64(value) => out.extend(value.to_le_bytes()),
        Value::F64(value) => out.extend(value.to_le_bytes()),
        Value::String(text) => {
            check_length("the text", text, 0, MAX_STRING)?;
            put_text(out, text);
        }
        Value::Array(array) => {
            let bytes = array
                .bytes
                .as_deref()
                .ok_or_else(|| LayoutError::NotKept { key: key.to_owned(), length: array.length })?;
            out.extend(array.element.id().to_le_bytes());
            out.extend(array.length.to_le_bytes());
            match array.element {
                // Any byte but 0 is true; written is 1.
                ValueType::Bool => out.extend(bytes.iter().map(|&byte| u8::from(byte != 0))),
                _ => out.extend(bytes),
            }
        }
    }
    Ok(())
}

/// Writes a laid-out file from its first byte to its last, or the rest of one.
#[derive(Debug)]
pub struct Writer<'a, W> {
    out: W,
    layout: &'a Layout,
    /// The tensor whose data come next.
    tensor: usize,
    /// Bytes of it that are there.
    written: u64,
}

impl<'a, W: Write> Writer<'a, W> {
    /// Writes the header.
    ///
    /// # Errors
    /// The medium's.
    pub fn begin(mut out: W, layout: &'a Layout) -> io::Result<Writer<'a, W>> {
        out.write_all(&layout.header)?;
        let mut writer = Writer { out, layout, tensor: 0, written: 0 };
        writer.pad()?;
        Ok(writer)
    }

    /// Goes on where `position` bytes of the file are there already; `out` stands behind them. `None` where no
    /// writer stops: within the header, within padding, or behind the end.
    #[must_use]
    pub fn resume(out: W, layout: &'a Layout, position: u64) -> Option<Writer<'a, W>> {
        let data = position.checked_sub(layout.header.len() as u64)?;
        if position == layout.file_bytes() {
            return Some(Writer { out, layout, tensor: layout.tensors.len(), written: 0 });
        }
        let tensor = layout.tensors.partition_point(|tensor| tensor.offset <= data).checked_sub(1)?;
        let written = data - layout.tensors[tensor].offset;
        (written < layout.tensors[tensor].bytes).then_some(Writer { out, layout, tensor, written })
    }

    /// Bytes of the file that are written.
    #[must_use]
    pub fn position(&self) -> u64 {
        let Some(tensor) = self.layout.tensors.get(self.tensor) else { return self.layout.file_bytes() };
        self.layout.header.len() as u64 + tensor.offset + self.written
    }

    /// Writes data of the tensor whose turn it is; with its last byte the next one's turn begins.
    ///
    /// # Errors
    /// The medium's; [`io::ErrorKind::InvalidInput`] where these are more bytes than the tensor still has.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let left = self.layout.tensors.get(self.tensor).map_or(0, |tensor| tensor.bytes - self.written);
        if bytes.len() as u64 > left {
            let message = format!("{} bytes for a tensor that lacks {left}", bytes.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        self.out.write_all(bytes)?;
        self.written += bytes.len() as u64;
        self.pad()
    }

    /// Where a tensor is whole, writes the zeros behind it.
    fn pad(&mut self) -> io::Result<()> {
        let Some(tensor) = self.layout.tensors.get(self.tensor).filter(|tensor| tensor.bytes == self.written)
        else {
            return Ok(());
        };
        let zeros = self.layout.padded(tensor) - tensor.bytes;
        io::copy(&mut io::Read::take(io::repeat(0), zeros), &mut self.out)?;
        (self.tensor, self.written) = (self.tensor + 1, 0);
        Ok(())
    }

    /// The medium, when the file is whole.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] where data are missing.
    pub fn finish(self) -> io::Result<W> {
        if let Some(tensor) = self.layout.tensors.get(self.tensor) {
            let message = format!("the data of {} are missing", tensor.printable_name());
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        Ok(self.out)
    }

    /// The medium, to flush it.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.out
    }
}
