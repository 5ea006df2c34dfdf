//! The metadata of the new file.

use super::file_type::FileType;
use super::imatrix::Imatrix;
use crate::gguf::Value;

const FILE_TYPE: &str = "general.file_type";

/// `GGML_QNT_VERSION` of ggml.h: how ggml's quantized types are laid out.
pub const QUANTIZATION_VERSION: u32 = 2;

/// As llama-quantize writes them: what the source has, but the two entries about quantization come last, and what is
/// to be said of the importance matrix behind them.
#[must_use]
pub fn quantized_metadata(
    source: &[(String, Value)],
    file_type: FileType,
    imatrix: Option<&Imatrix>,
) -> Vec<(String, Value)> {
    let about_imatrix = imatrix.map(Imatrix::metadata).unwrap_or_default();
    let added = [
        ("general.quantization_version".to_owned(), Value::U32(QUANTIZATION_VERSION)),
        (FILE_TYPE.to_owned(), Value::U32(file_type.id())),
    ];
    let added: Vec<(String, Value)> = added.into_iter().chain(about_imatrix).collect();
    let is_kept = |key: &str| !added.iter().any(|each| each.0 == key);
    let kept: Vec<(String, Value)> = source.iter().filter(|entry| is_kept(&entry.0)).cloned().collect();
    kept.into_iter().chain(added).collect()
}

/// As the reference converter writes them: the source's order, and the file type in its place there.
#[must_use]
pub fn converted_metadata(source: &[(String, Value)], file_type: FileType) -> Vec<(String, Value)> {
    let mut all = source.to_vec();
    match all.iter_mut().find(|entry| entry.0 == FILE_TYPE) {
        Some(entry) => entry.1 = Value::U32(file_type.id()),
        None => all.push((FILE_TYPE.to_owned(), Value::U32(file_type.id()))),
    }
    all
}
