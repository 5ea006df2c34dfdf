//! Cuts a plan into pieces of work.

use std::ops::Range;

use crate::quantize::imatrix::Imatrix;
use crate::quantize::{Importance, Plan, Row, SourceTensor};

/// Weights of a piece, unless one row has more: 4 MiB as [`f32`]. Part of what a resumed file depends on.
pub(super) const PIECE_WEIGHTS: u64 = 1 << 20;

/// Bytes that a piece's weights take while it is worked on, at most: as [`f32`], as read, and as quantized.
const BYTES_PER_WEIGHT: u64 = 4 + 4 + 4;

/// What else there is: the program itself, the tables of ggml's smallest types.
const BESIDE: u64 = 64 << 20;

/// Rows of one matrix of one tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The tensor's number in the plan.
    pub row: usize,
    /// The rows, counted over all matrices of the tensor.
    pub rows: Range<u64>,
    /// Bytes they take in the new file.
    pub bytes: u64,
}

/// The pieces of a plan, in the order they are written.
#[must_use]
pub fn pieces(plan: &Plan) -> Vec<Piece> {
    let mut all = Vec::new();
    for (row, planned) in plan.rows.iter().enumerate() {
        let (columns, in_matrix, rows) = extent(planned);
        let step = (PIECE_WEIGHTS / columns.max(1)).max(1);
        let row_bytes = planned.given.bytes_of(columns);
        let mut begin = 0;
        while begin < rows {
            let matrix_end = (begin / in_matrix + 1) * in_matrix;
            let end = (begin + step).min(matrix_end).min(rows);
            all.push(Piece { row, rows: begin..end, bytes: (end - begin) * row_bytes });
            begin = end;
        }
    }
    all
}

/// Columns, rows of one matrix, rows of all.
fn extent(planned: &Row) -> (u64, u64, u64) {
    let columns = planned.shape.first().copied().unwrap_or(1);
    let in_matrix = planned.shape.get(1).copied().unwrap_or(1).max(1);
    (columns, in_matrix, planned.shape.iter().skip(1).product())
}

/// The columns' importance for a piece: those of its expert.
pub(super) fn importance<'a>(
    planned: &Row,
    piece: &Piece,
    imatrix: Option<&'a Imatrix>,
) -> Option<&'a [f32]> {
    if planned.importance != Importance::Weighted {
        return None;
    }
    let (columns, in_matrix, _) = extent(planned);
    let values = &imatrix?.entry(&planned.name)?.values;
    let columns = usize::try_from(columns).ok()?;
    let begin = usize::try_from(piece.rows.start / in_matrix).ok()?.checked_mul(columns)?;
    values.get(begin..begin.checked_add(columns)?)
}

/// Pieces that lie ready before their turn, at most, beside those that are worked on.
pub(super) fn window(threads: usize) -> usize {
    2 * threads + 2
}

/// Bytes of memory that making a file takes at most, its header of `header_bytes` included.
#[must_use]
pub fn memory_needed(plan: &Plan, tensors: &[SourceTensor], header_bytes: u64, threads: usize) -> u64 {
    let widest = tensors.iter().map(SourceTensor::columns).max().unwrap_or(0);
    let weights = PIECE_WEIGHTS.max(widest);
    let largest = pieces(plan).iter().map(|piece| piece.bytes).max().unwrap_or(0);
    let threads = threads as u64;
    // The metadata are held by the source, encoded once more, and written from there.
    let working = weights.saturating_mul(BYTES_PER_WEIGHT).saturating_mul(threads);
    let ready = largest.saturating_mul(window(threads as usize) as u64);
    BESIDE.saturating_add(header_bytes.saturating_mul(3)).saturating_add(working).saturating_add(ready)
}
