//! A GGUF file of F32, F16 or BF16, of any architecture, as a source; in one file or in parts.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::source::{Source, SourceError, SourceTensor};
use super::source_file::SourceFile;
use super::widen::is_number;
use crate::gguf::{GgufError, Header, ReadOptions, Value};

/// A GGUF file as a source.
#[derive(Debug)]
pub struct GgufSource {
    files: Vec<SourceFile>,
    metadata: Vec<(String, Value)>,
    tensors: Vec<SourceTensor>,
    places: Vec<Place>,
}

/// Where a tensor lies.
#[derive(Clone, Copy, Debug)]
struct Place {
    part: usize,
    offset: u64,
}

/// Why a file is no source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GgufSourceError {
    /// It cannot be opened.
    #[error("opening {path} failed: {source}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is no well-formed GGUF.
    #[error("reading {path} failed: {source}")]
    Gguf {
        /// The file.
        path: PathBuf,
        /// Why.
        source: GgufError,
    },
    /// A part that is not the first one, or whose name does not say where the others are.
    #[error("{path} is part {} of {count} of a model, expected the first, named NAME-00001-of-{count:05}.gguf", .index + 1)]
    Part {
        /// The file.
        path: PathBuf,
        /// Its number, from 0.
        index: u32,
        /// Parts there are.
        count: u32,
    },
    /// Two parts with a tensor of the same name.
    #[error("the tensor `{name}` occurs in two parts of {path}", name = crate::gguf::Printable::short(.name, 80))]
    Duplicate {
        /// The first part.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
}

impl GgufSourceError {
    /// What a person can do about it.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            GgufSourceError::Open { .. } => "Check the path, and that you may read the file.",
            GgufSourceError::Gguf { source, .. } => source.help(),
            GgufSourceError::Part { .. } => "Give the first part; the others must lie beside it.",
            GgufSourceError::Duplicate { .. } => "The parts are not of one model: fetch them again.",
        }
    }
}

impl GgufSource {
    /// Opens a file; of a model in parts, the first one.
    ///
    /// # Errors
    /// [`GgufSourceError`].
    pub fn open(path: &Path) -> Result<GgufSource, GgufSourceError> {
        let (first, header) = open_part(path)?;
        let split = header.split();
        let mut headers = vec![header];
        let mut files = vec![first];
        if let Some(split) = split {
            let others = other_parts(path, split.count).filter(|_| split.index == 0);
            let others = others.ok_or_else(|| GgufSourceError::Part {
                path: path.to_owned(),
                index: split.index,
                count: split.count,
            })?;
            for path in others {
                let (part, header) = open_part(&path)?;
                headers.push(header);
                files.push(part);
            }
        }
        let (mut tensors, mut places) = (Vec::new(), Vec::new());
        for (part, header) in headers.iter().enumerate() {
            for tensor in &header.tensors {
                tensors.push(SourceTensor {
                    name: tensor.name.clone(),
                    shape: tensor.shape().to_vec(),
                    dtype: tensor.tensor_type,
                    always_f32: false,
                });
                places.push(Place { part, offset: header.data_offset + tensor.offset });
            }
        }
        let mut names: Vec<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(GgufSourceError::Duplicate { path: path.to_owned(), name: pair[0].to_owned() });
        }
        let entries = headers.swap_remove(0).key_values.into_iter();
        // The new file is whole, and aligned as all new files are.
        let is_kept = |key: &str| !key.starts_with("split.") && key != "general.alignment";
        let metadata =
            entries.filter(|entry| is_kept(&entry.key)).map(|entry| (entry.key, entry.value)).collect();
        Ok(GgufSource { files, metadata, tensors, places })
    }

    /// The files it consists of.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(SourceFile::path)
    }

    /// The part and the offset at which `rows` of a tensor begin, and their bytes; `None` where it has no such rows.
    fn range(&self, tensor: usize, rows: &Range<u64>) -> Option<(&SourceFile, u64, u64)> {
        let described = self.tensors.get(tensor)?;
        let bytes = described.dtype.bytes_of(described.elements_of(rows)?);
        let before = described.dtype.bytes_of(described.elements_of(&(0..rows.start))?);
        let place = self.places[tensor];
        // Within the file: the header was checked against its length.
        Some((&self.files[place.part], place.offset + before, bytes))
    }
}

impl Source for GgufSource {
    fn metadata(&self) -> &[(String, Value)] {
        &self.metadata
    }

    fn tensors(&self) -> &[SourceTensor] {
        &self.tensors
    }

    fn read_rows(&self, tensor: usize, rows: Range<u64>, into: &mut [f32]) -> Result<(), SourceError> {
        let Some((part, offset, bytes)) = self.range(tensor, &rows) else {
            return Err(SourceError::no_rows(&self.tensors, tensor, rows, into.len()));
        };
        let dtype = self.tensors[tensor].dtype;
        if !is_number(dtype) {
            let tensor = self.tensors[tensor].name.clone();
            return Err(SourceError::Type { tensor, found: dtype });
        }
        let width = dtype.block_bytes() as usize;
        if bytes != into.len() as u64 * width as u64 {
            return Err(SourceError::no_rows(&self.tensors, tensor, rows, into.len()));
        }
        part.read_numbers(dtype, offset, into)
    }

    fn read_bytes(&self, tensor: usize, rows: Range<u64>, into: &mut [u8]) -> Result<(), SourceError> {
        match self.range(tensor, &rows) {
            Some((part, offset, bytes)) if bytes == into.len() as u64 => part.read(into, offset),
            _ => Err(SourceError::no_rows(&self.tensors, tensor, rows, into.len())),
        }
    }

    fn check_unchanged(&self) -> Result<(), SourceError> {
        self.files.iter().try_for_each(SourceFile::check_unchanged)
    }
}

fn open_part(path: &Path) -> Result<(SourceFile, Header), GgufSourceError> {
    let file =
        SourceFile::open(path).map_err(|source| GgufSourceError::Open { path: path.to_owned(), source })?;
    let header = Header::read(file.reader(), file.length(), ReadOptions::EVERYTHING)
        .map_err(|source| GgufSourceError::Gguf { path: path.to_owned(), source })?;
    Ok((file, header))
}

/// Parts of a model at most; real ones have a few dozen.
const MAX_PARTS: u32 = 1024;

/// The parts behind the first one, in order; `None` where its name says nothing of them.
fn other_parts(path: &Path, count: u32) -> Option<Vec<PathBuf>> {
    let name = path.file_name()?.to_str().filter(|_| count <= MAX_PARTS)?;
    let stem = name.strip_suffix(&format!("-00001-of-{count:05}.gguf"))?;
    Some(
        (2..=count)
            .map(|number| path.with_file_name(format!("{stem}-{number:05}-of-{count:05}.gguf")))
            .collect(),
    )
}
