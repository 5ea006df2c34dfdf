//! Who turns rows into bytes: ggml, or a fake in tests.

use crate::gguf::GgmlType;

/// Turns rows of weights into the bytes of a type. Called from many threads at once.
pub trait Quantizer: Sync {
    /// Writes rows of `columns` values each as `tensor_type` into `into`, which is exactly as long as they need.
    /// `importance` weighs the columns.
    ///
    /// # Errors
    /// [`QuantizerError`]; what is in `into` then means nothing.
    fn quantize(
        &self,
        tensor_type: GgmlType,
        values: &[f32],
        columns: usize,
        importance: Option<&[f32]>,
        into: &mut [u8],
    ) -> Result<(), QuantizerError>;
}

/// Why rows were not quantized.
#[derive(Clone, Debug, PartialEq)]
pub enum QuantizerError {
    /// A weight that is no number, or too large for any scale.
    Weight {
        /// Its row within those given, from 0.
        row: usize,
        /// Its column, from 0.
        column: usize,
        /// It.
        value: f32,
    },
    /// What else is wrong.
    Refused(String),
}
