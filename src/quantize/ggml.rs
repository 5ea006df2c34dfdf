//! The quantizer of the linked llama.cpp: the only place here that knows it.

use super::quantizer::{Quantizer, QuantizerError};
use crate::gguf::GgmlType;
use crate::llama::{QuantizeError, quantize_into};

/// ggml's own quantization.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ggml;

impl Quantizer for Ggml {
    fn quantize(
        &self,
        tensor_type: GgmlType,
        values: &[f32],
        columns: usize,
        importance: Option<&[f32]>,
        into: &mut [u8],
    ) -> Result<(), QuantizerError> {
        quantize_into(tensor_type.id(), values, columns, importance, into).map_err(|error| match error {
            QuantizeError::Weight { row, column, value } => QuantizerError::Weight { row, column, value },
            other => QuantizerError::Refused(other.to_string()),
        })
    }
}
