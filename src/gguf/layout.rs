//! Shapes, sizes and offsets of tensors: whether each one is possible by itself, and whether all of them fit
//! into the file side by side.

use super::MAX_DIMS;
use super::error::GgufError;
use super::printable::{Printable, printable};
use super::types::GgmlType;

/// What the file says about one tensor, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Its name, e.g. `blk.0.attn_q.weight`.
    pub name: String,
    /// The type of its elements.
    pub tensor_type: GgmlType,
    /// Bytes from the beginning of the data section.
    pub offset: u64,
    /// Elements.
    pub elements: u64,
    /// Bytes, without padding.
    pub bytes: u64,
    dims: [u64; MAX_DIMS],
    dim_count: u8,
}

impl Tensor {
    /// Checks shape and type; `dims` holds 1 to 4 sizes.
    pub(super) fn new(name: String, dims: &[u64], type_id: u32, offset: u64) -> Result<Tensor, GgufError> {
        let mut all = [1; MAX_DIMS];
        let slots = all.get_mut(..dims.len()).filter(|slots| !slots.is_empty());
        let Some(slots) = slots else {
            return Err(GgufError::BadDimensions { name, found: dims.len() as u32 });
        };
        slots.copy_from_slice(dims);
        if let Some(dimension) = dims.iter().position(|&size| size == 0) {
            return Err(GgufError::EmptyTensor { name, dimension });
        }
        let Some(tensor_type) = GgmlType::from_id(type_id) else {
            let retired = GgmlType::retired_name(type_id);
            return Err(GgufError::UnknownTensorType { name, found: type_id, retired });
        };
        // llama.cpp counts in i64, so that is the limit here too.
        let countable = |value: u64| i64::try_from(value).is_ok().then_some(value);
        let elements = dims.iter().try_fold(1_u64, |product, &size| product.checked_mul(size));
        let Some(elements) = elements.and_then(countable) else {
            return Err(GgufError::ShapeOverflow { name, shape: dims.to_vec() });
        };
        let block = tensor_type.block_size();
        if !dims[0].is_multiple_of(block) {
            return Err(GgufError::RaggedRow { name, row: dims[0], type_name: tensor_type.name(), block });
        }
        let bytes = (elements / block).checked_mul(tensor_type.block_bytes()).and_then(countable);
        let Some(bytes) = bytes else {
            return Err(GgufError::ShapeOverflow { name, shape: dims.to_vec() });
        };
        let dim_count = dims.len() as u8;
        Ok(Tensor { name, tensor_type, offset, elements, bytes, dims: all, dim_count })
    }

    /// Its sizes, the row length first (ggml's order, the reverse of PyTorch's).
    #[must_use]
    pub fn shape(&self) -> &[u64] {
        &self.dims[..usize::from(self.dim_count)]
    }

    /// The size of one dimension, 1 beyond the last.
    #[must_use]
    pub fn dim(&self, index: usize) -> u64 {
        self.shape().get(index).copied().unwrap_or(1)
    }

    /// Its name, safe for a terminal.
    #[must_use]
    pub fn printable_name(&self) -> Printable<'_> {
        printable(&self.name)
    }
}

/// Checks that all tensors lie inside the file, aligned, and that no two share bytes.
///
/// Gaps and any order are let through: they are legal, though llama.cpp (which wants the tensors back to back)
/// refuses them with an error of its own.
pub(super) fn check_layout(
    tensors: &[Tensor],
    data_offset: u64,
    alignment: u64,
    file_len: u64,
) -> Result<(), GgufError> {
    for tensor in tensors {
        if !tensor.offset.is_multiple_of(alignment) {
            let (name, offset) = (tensor.name.clone(), tensor.offset);
            return Err(GgufError::UnalignedTensor { name, offset, alignment });
        }
        let end = data_offset.checked_add(tensor.offset).and_then(|begin| begin.checked_add(tensor.bytes));
        let end = end.unwrap_or(u64::MAX);
        if end > file_len {
            return Err(GgufError::TensorPastEnd { name: tensor.name.clone(), end, file_len });
        }
    }
    let mut by_offset: Vec<&Tensor> = tensors.iter().collect();
    by_offset.sort_unstable_by_key(|tensor| tensor.offset);
    for pair in by_offset.windows(2) {
        // Cannot overflow: both ends lie in the file.
        let expected = pair[0].offset + pair[0].bytes;
        if pair[1].offset < expected {
            return Err(GgufError::OverlappingTensors {
                first: pair[0].name.clone(),
                second: pair[1].name.clone(),
                offset: pair[1].offset,
                expected,
            });
        }
    }
    Ok(())
}
