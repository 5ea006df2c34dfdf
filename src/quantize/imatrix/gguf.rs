//! The GGUF format: for each weight matrix `NAME.in_sum2` {columns, experts} and `NAME.counts` {1, experts}.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};

use super::{Entry, Imatrix, ImatrixError};
use crate::gguf::{GgmlType, Header, ReadOptions, Tensor, ValueType};

/// The two tensors of one entry.
#[derive(Default)]
struct Parts<'a> {
    sums: Option<&'a Tensor>,
    counts: Option<&'a Tensor>,
}

pub(super) fn read(mut reader: impl Read + Seek, length: u64, file: String) -> Result<Imatrix, ImatrixError> {
    let header = Header::read(&mut reader, length, ReadOptions::default())
        .map_err(|source| ImatrixError::Gguf { source })?;
    let mut parts: BTreeMap<&str, Parts<'_>> = BTreeMap::new();
    for tensor in &header.tensors {
        if let Some(name) = tensor.name.strip_suffix(".in_sum2") {
            parts.entry(name).or_default().sums = Some(tensor);
        } else if let Some(name) = tensor.name.strip_suffix(".counts") {
            parts.entry(name).or_default().counts = Some(tensor);
        }
    }
    if parts.is_empty() {
        return Err(ImatrixError::OtherGguf { found: described(&header) });
    }
    for key in ["imatrix.datasets", "imatrix.chunk_count", "imatrix.chunk_size"] {
        if header.get(key).is_none() {
            return Err(ImatrixError::MissingKey { key });
        }
    }
    let mut entries = BTreeMap::new();
    for (name, parts) in parts {
        let entry = entry(&mut reader, &header, name, &parts)?;
        entries.insert(name.to_owned(), entry);
    }
    Ok(Imatrix {
        file,
        datasets: datasets(&header),
        chunks: header.get_u32("imatrix.chunk_count").unwrap_or(0),
        entries,
    })
}

/// What a GGUF file is that holds no imatrix.
fn described(header: &Header) -> String {
    let kind = header.get_str("general.type").unwrap_or("model");
    let architecture = header.get_str("general.architecture").unwrap_or("unknown architecture");
    format!("its type is `{kind}` ({architecture}), with {} tensors", header.tensors.len())
}

fn datasets(header: &Header) -> Vec<String> {
    let array = header.get_array("imatrix.datasets").filter(|array| array.element == ValueType::String);
    let items = array.and_then(|array| array.items()).into_iter().flatten();
    items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

fn entry(
    reader: &mut (impl Read + Seek),
    header: &Header,
    name: &str,
    parts: &Parts<'_>,
) -> Result<Entry, ImatrixError> {
    let broken = |what: String| ImatrixError::BadEntry { tensor: name.to_owned(), what };
    let (Some(sums), Some(counts)) = (parts.sums, parts.counts) else {
        let missing = if parts.sums.is_none() { ".in_sum2" } else { ".counts" };
        return Err(broken(format!("there is no `{missing}` with it")));
    };
    if sums.tensor_type != GgmlType::F32 || counts.tensor_type != GgmlType::F32 {
        let types = format!("{} and {}", sums.tensor_type, counts.tensor_type);
        return Err(broken(format!("sums and counts are {types}, expected F32")));
    }
    if !sums.elements.is_multiple_of(counts.elements) {
        return Err(broken(format!(
            "{} sums cannot be shared out to {} counts",
            sums.elements, counts.elements
        )));
    }
    let mut values = floats(reader, header, sums)?;
    let counts = floats(reader, header, counts)?;
    let mut unseen = 0;
    let columns = values.len() / counts.len();
    for (columns, &count) in values.chunks_exact_mut(columns).zip(&counts) {
        if !count.is_finite() || count < 0.0 {
            return Err(broken(format!("{count} tokens were counted")));
        }
        // `lround` of imatrix-loader.cpp. Of more than 2^24 the neighbours are whole numbers anyway.
        let count = count.round();
        if count > 0.0 {
            columns.iter_mut().for_each(|value| *value /= count);
        } else {
            columns.fill(1.0);
            unseen += 1;
        }
    }
    // Tensors are limited far below 2^32 elements by the bytes they were read from.
    Ok(Entry { values, experts: u32::try_from(counts.len()).unwrap_or(u32::MAX), unseen })
}

/// The numbers of an F32 tensor. The header was checked against the file's length, so no more is allocated than
/// the file has.
fn floats(
    reader: &mut (impl Read + Seek),
    header: &Header,
    tensor: &Tensor,
) -> Result<Vec<f32>, ImatrixError> {
    let io = |source| ImatrixError::Io { source };
    reader.seek(SeekFrom::Start(header.data_offset + tensor.offset)).map_err(io)?;
    let mut bytes = Vec::new();
    reader.by_ref().take(tensor.bytes).read_to_end(&mut bytes).map_err(io)?;
    if (bytes.len() as u64) < tensor.bytes {
        return Err(io(std::io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}
