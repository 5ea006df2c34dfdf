//! Rows of numbers in ggml's types, as llama.cpp makes them. Any thread may call, many at once: the tables of the
//! smallest types are made on first use, under ggml's own lock, and freed by nobody as long as the process lives
//! (the [`Backend`](super::Backend) never ends).

use llama_cpp_sys_2 as sys;

/// The largest size of a weight that is quantized: 127 steps of the largest half. No scale of half precision reaches
/// further, and the searches of the smallest types abort the process where their sums of squares overflow.
pub const LARGEST_WEIGHT: f32 = 127.0 * 65_504.0;

/// The largest importance of a column: with larger ones, the same searches overflow.
pub const LARGEST_IMPORTANCE: f32 = 1e20;

/// Why rows were not quantized.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum QuantizeError {
    /// A number that is no type, or no type for weights.
    #[error("ggml quantizes nothing to its type number {ggml_type}")]
    Type {
        /// The number.
        ggml_type: u32,
    },
    /// Rows that are no whole number of blocks, or buffers of other sizes than the rows need.
    #[error(
        "{values} values in rows of {columns} cannot become {bytes} bytes of blocks of {block}, weighed by {weighed} columns"
    )]
    Shape {
        /// Values given.
        values: usize,
        /// Columns of a row.
        columns: usize,
        /// Values of a block.
        block: usize,
        /// Bytes there is room for.
        bytes: usize,
        /// Columns of the importance matrix.
        weighed: usize,
    },
    /// A type that is garbage without an importance matrix, and there is none.
    #[error("this type needs an importance matrix")]
    NeedsImportance,
    /// A weight that is no number, or too large for any scale.
    #[error("the weight at row {row}, column {column} is {value}")]
    Weight {
        /// Its row, from 0.
        row: usize,
        /// Its column, from 0.
        column: usize,
        /// It.
        value: f32,
    },
    /// An importance that is no number from 0 to [`LARGEST_IMPORTANCE`].
    #[error("the importance of column {column} is {value}")]
    Importance {
        /// The column, from 0.
        column: usize,
        /// It.
        value: f32,
    },
    /// The result holds scales that are no finite numbers.
    #[error("the weights do not fit the type: a scale became infinite or no number")]
    Invalid,
}

/// Types that `ggml_quantize_chunk` knows; it aborts on others.
fn is_for_weights(kind: sys::ggml_type) -> bool {
    const FOR_WEIGHTS: [sys::ggml_type; 28] = [
        sys::GGML_TYPE_F32,
        sys::GGML_TYPE_F16,
        sys::GGML_TYPE_BF16,
        sys::GGML_TYPE_Q1_0,
        sys::GGML_TYPE_Q2_0,
        sys::GGML_TYPE_Q4_0,
        sys::GGML_TYPE_Q4_1,
        sys::GGML_TYPE_Q5_0,
        sys::GGML_TYPE_Q5_1,
        sys::GGML_TYPE_Q8_0,
        sys::GGML_TYPE_MXFP4,
        sys::GGML_TYPE_NVFP4,
        sys::GGML_TYPE_Q2_K,
        sys::GGML_TYPE_Q3_K,
        sys::GGML_TYPE_Q4_K,
        sys::GGML_TYPE_Q5_K,
        sys::GGML_TYPE_Q6_K,
        sys::GGML_TYPE_TQ1_0,
        sys::GGML_TYPE_TQ2_0,
        sys::GGML_TYPE_IQ2_XXS,
        sys::GGML_TYPE_IQ2_XS,
        sys::GGML_TYPE_IQ3_XXS,
        sys::GGML_TYPE_IQ3_S,
        sys::GGML_TYPE_IQ2_S,
        sys::GGML_TYPE_IQ1_S,
        sys::GGML_TYPE_IQ1_M,
        sys::GGML_TYPE_IQ4_NL,
        sys::GGML_TYPE_IQ4_XS,
    ];
    FOR_WEIGHTS.contains(&kind)
}

/// The place of the first value that is no number or whose size is beyond `largest`.
fn first_beyond(values: &[f32], largest: f32) -> Option<usize> {
    /// 4 KB: still in the nearest cache when the place is looked for.
    const AT_ONCE: usize = 1024;
    let is_beyond = |value: &f32| value.is_nan() || value.abs() > largest;
    // Without a branch for each value this is vector code: one value after the other took a seventh of the time of Q8_0.
    let is_good = |values: &&[f32]| !values.iter().fold(false, |found, value| found | is_beyond(value));
    let before = values.chunks(AT_ONCE).take_while(is_good).map(<[f32]>::len).sum::<usize>();
    values[before..].iter().position(is_beyond).map(|at| before + at)
}

/// Quantizes rows of `columns` values each to the type with ggml's number `ggml_type` into `into`, which is exactly as
/// long as they need. `importance` weighs the columns: one number for each.
///
/// # Errors
/// [`QuantizeError`]; what is in `into` then means nothing.
pub fn quantize_into(
    ggml_type: u32,
    values: &[f32],
    columns: usize,
    importance: Option<&[f32]>,
    into: &mut [u8],
) -> Result<(), QuantizeError> {
    let kind = ggml_type as sys::ggml_type;
    if !is_for_weights(kind) {
        return Err(QuantizeError::Type { ggml_type });
    }
    // SAFETY: the type is one of ggml's, so these read its tables.
    let (block, block_bytes, needs_importance) = unsafe {
        let block = usize::try_from(sys::ggml_blck_size(kind)).unwrap_or(0);
        (block, sys::ggml_type_size(kind), sys::ggml_quantize_requires_imatrix(kind))
    };
    let is_whole = block > 0
        && columns > 0
        && columns.is_multiple_of(block)
        && values.len().is_multiple_of(columns)
        && into.len() == values.len() / block * block_bytes
        && importance.is_none_or(|weights| weights.len() == columns);
    if !is_whole {
        let (values, bytes, weighed) = (values.len(), into.len(), importance.map_or(0, <[f32]>::len));
        return Err(QuantizeError::Shape { values, columns, block, bytes, weighed });
    }
    if needs_importance && importance.is_none() {
        return Err(QuantizeError::NeedsImportance);
    }
    let largest = if block > 1 { LARGEST_WEIGHT } else { f32::MAX };
    if let Some(at) = first_beyond(values, largest) {
        return Err(QuantizeError::Weight { row: at / columns, column: at % columns, value: values[at] });
    }
    let is_bad = |weight: &f32| !(0.0..=LARGEST_IMPORTANCE).contains(weight);
    if let Some((column, &value)) =
        importance.unwrap_or_default().iter().enumerate().find(|(_, weight)| is_bad(weight))
    {
        return Err(QuantizeError::Importance { column, value });
    }
    let rows = values.len() / columns;
    // SAFETY: `values` holds so many whole rows and `into` has room for as many of the type's, both checked above;
    // `importance` is null or holds a number for each column.
    let written = unsafe {
        sys::ggml_quantize_chunk(
            kind,
            values.as_ptr(),
            into.as_mut_ptr().cast(),
            0,
            rows as i64,
            columns as i64,
            importance.map_or(std::ptr::null(), <[f32]>::as_ptr),
        )
    };
    // SAFETY: reads as many bytes of `into` as it has.
    let is_valid = unsafe { sys::ggml_validate_row_data(kind, into.as_ptr().cast(), into.len()) };
    if written == into.len() && is_valid { Ok(()) } else { Err(QuantizeError::Invalid) }
}

/// Quantizes rows without an importance matrix. None where [`quantize_into`] answers with an error.
#[must_use]
pub fn quantize_rows(ggml_type: u32, values: &[f32], columns: usize) -> Option<Vec<u8>> {
    let kind = ggml_type as sys::ggml_type;
    if !is_for_weights(kind) || columns == 0 {
        return None;
    }
    // SAFETY: the type is one of ggml's; a row that is no whole number of blocks is refused below.
    let row_bytes = unsafe { sys::ggml_type_size(kind) * columns / sys::ggml_blck_size(kind) as usize };
    let mut bytes = vec![0; values.len() / columns * row_bytes];
    quantize_into(ggml_type, values, columns, None, &mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const Q4_K: u32 = 12;
    const IQ2_XXS: u32 = 16;

    #[test]
    fn what_ggml_would_abort_on_is_an_error() {
        let values = vec![0.5; 512];
        let to = |ggml_type, columns, importance: Option<&[f32]>, bytes| {
            quantize_into(ggml_type, &values, columns, importance, &mut vec![0; bytes]).expect_err("refused")
        };
        // Retired; activations; whole numbers; none.
        for none in [4, 9, 26, 1000, u32::MAX] {
            assert_eq!(to(none, 256, None, 288), QuantizeError::Type { ggml_type: none });
        }
        assert!(matches!(to(Q4_K, 128, None, 288), QuantizeError::Shape { .. }), "half a block");
        assert!(matches!(to(Q4_K, 0, None, 288), QuantizeError::Shape { .. }));
        assert!(matches!(to(Q4_K, 256, None, 287), QuantizeError::Shape { .. }), "too little room");
        let short = [1.0; 255];
        assert!(matches!(to(Q4_K, 256, Some(&short), 288), QuantizeError::Shape { .. }));
        assert_eq!(to(IQ2_XXS, 256, None, 132), QuantizeError::NeedsImportance);
        assert!(quantize_into(Q4_K, &values, 256, None, &mut [0; 288]).is_ok());
    }

    #[test]
    fn the_first_of_several_bad_weights_is_found_wherever_it_is() {
        for place in [0, 1, 1023, 1024, 2047, 2048, 2999] {
            let mut values = vec![-0.25; 3000];
            assert_eq!(first_beyond(&values, 0.25), None);
            values[2999] = f32::INFINITY;
            values[place] = -0.5;
            assert_eq!(first_beyond(&values, 0.25), Some(place));
            values[place] = f32::NAN;
            assert_eq!(first_beyond(&values, f32::MAX), Some(place));
        }
    }

    #[test]
    fn a_weight_that_is_no_number_is_named() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e9] {
            let mut values = vec![0.5; 512];
            values[259] = bad;
            let error = quantize_into(IQ2_XXS, &values, 256, Some(&[1.0; 256]), &mut [0; 132]);
            let Err(QuantizeError::Weight { row: 1, column: 3, .. }) = error else { panic!("{error:?}") };
        }
    }

    #[test]
    fn an_importance_that_would_abort_is_named() {
        let values = vec![0.5; 256];
        for bad in [f32::NAN, f32::INFINITY, -1.0, 3e38] {
            let mut weights = vec![1.0; 256];
            weights[7] = bad;
            let error = quantize_into(IQ2_XXS, &values, 256, Some(&weights), &mut [0; 66]);
            let Err(QuantizeError::Importance { column: 7, .. }) = error else { panic!("{error:?}") };
        }
    }

    #[test]
    fn the_largest_weights_do_not_abort() {
        let values: Vec<f32> = (0..512_u32)
            .map(|at| if at.is_multiple_of(3) { LARGEST_WEIGHT } else { -1e-3 * at as f32 })
            .collect();
        for ggml_type in 0..43 {
            let kind = ggml_type as sys::ggml_type;
            if !is_for_weights(kind) {
                continue;
            }
            for weight in [0.0, 1e-20, 1.0, LARGEST_IMPORTANCE] {
                // SAFETY: the type is one of ggml's.
                let bytes = unsafe { sys::ggml_row_size(kind, 512) };
                let outcome =
                    quantize_into(ggml_type, &values, 512, Some(&[weight; 512]), &mut vec![0; bytes]);
                assert!(matches!(outcome, Ok(()) | Err(QuantizeError::Invalid)), "{ggml_type}: {outcome:?}");
            }
        }
    }
}
