//! Rows of numbers in ggml's quantized types, as llama.cpp makes them.

use llama_cpp_sys_2 as sys;

/// Quantizes rows of `columns` values each to the type with ggml's number `ggml_type`, without an importance matrix.
/// None where ggml has no such type, where it wants an importance matrix, or where rows are no whole number of its blocks.
#[must_use]
pub fn quantize_rows(ggml_type: u32, values: &[f32], columns: usize) -> Option<Vec<u8>> {
    let kind = ggml_type as sys::ggml_type;
    if kind >= sys::GGML_TYPE_COUNT || columns == 0 || !values.len().is_multiple_of(columns) {
        return None;
    }
    // SAFETY: the type's number is in range; these read tables.
    let (block, row_bytes, needs_matrix) = unsafe {
        let block = usize::try_from(sys::ggml_blck_size(kind)).unwrap_or(0);
        let whole = block > 0 && columns.is_multiple_of(block);
        let row_bytes = if whole { sys::ggml_row_size(kind, columns as i64) } else { 0 };
        (block, row_bytes, sys::ggml_quantize_requires_imatrix(kind))
    };
    if block == 0 || row_bytes == 0 || needs_matrix {
        return None;
    }
    let rows = values.len() / columns;
    let mut bytes = vec![0_u8; rows * row_bytes];
    // SAFETY: `values` holds so many whole rows, `bytes` has room for as many quantized ones.
    let written = unsafe {
        let (rows, columns) = (rows as i64, columns as i64);
        sys::ggml_quantize_chunk(
            kind,
            values.as_ptr(),
            bytes.as_mut_ptr().cast(),
            0,
            rows,
            columns,
            std::ptr::null(),
        )
    };
    (written == bytes.len()).then_some(bytes)
}
