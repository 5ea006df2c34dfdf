//! Where each tensor of the GGUF comes from, and its rows.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use super::config::Config;
use super::error::CheckpointError;
use super::expected::{Expected, expected};
use super::keys::rope_factors;
use super::names::{Fate, fate, is_always_f32};
use super::safetensors::{Dtype, StoredTensor};
use super::shards::Shards;
use crate::gguf::GgmlType;
use crate::quantize::widen::to_bf16;
use crate::quantize::{SourceError, SourceFile, SourceTensor};

/// Tensors with a row for each token: rows behind the vocabulary's end are padding.
const ROWS_OF_TOKENS: [&str; 3] = ["token_embd.weight", "output.weight", "per_layer_token_embd.weight"];

/// All tensors of the GGUF in the reference converter's order: what is computed, then the files' tensors.
#[derive(Debug)]
pub(super) struct Weights {
    files: Vec<SourceFile>,
    tensors: Vec<SourceTensor>,
    places: Vec<Place>,
    dropped: Vec<String>,
}

/// Where a tensor's values come from.
#[derive(Debug)]
enum Place {
    /// Nowhere: they are computed.
    Made(Vec<f32>),
    /// A file: which one, where, and how they are stored there.
    Stored { file: usize, offset: u64, stored: GgmlType },
}

impl Weights {
    /// Finds a place for every tensor and compares all with the numbers of the model.
    pub(super) fn new(shards: Shards, config: &Config, tokens: u64) -> Result<Weights, CheckpointError> {
        let mut expected = expected(config, tokens);
        // Only tensors that are there can be there twice.
        let mut taken: BTreeMap<String, String> = BTreeMap::new();
        let factors = rope_factors(config);
        let mut weights = Weights {
            files: shards.files,
            tensors: vec![SourceTensor {
                name: "rope_freqs.weight".to_owned(),
                shape: vec![factors.len() as u64],
                dtype: GgmlType::F32,
                always_f32: true,
            }],
            places: vec![Place::Made(factors)],
            dropped: Vec::new(),
        };
        for (file, stored) in shards.tensors {
            let name = match fate(config.class, &stored.name) {
                Fate::Kept(name) => name,
                Fate::Dropped => {
                    weights.dropped.push(stored.name);
                    continue;
                }
                Fate::Unknown => return Err(CheckpointError::UnknownTensor { name: stored.name }),
            };
            if let Some(first) = taken.insert(name.clone(), stored.name.clone()) {
                return Err(CheckpointError::Twice { first, second: stored.name, name });
            }
            let Some(place) = expected.remove(&name) else {
                return Err(CheckpointError::Surplus { name: stored.name });
            };
            weights.add(file, stored, name, place)?;
        }
        let missing = expected.into_iter().filter(|(_, place)| place.is_required);
        let missing: Vec<String> = missing.map(|(name, _)| name).collect();
        if missing.is_empty() { Ok(weights) } else { Err(CheckpointError::MissingTensors { names: missing }) }
    }

    fn add(
        &mut self,
        file: usize,
        stored: StoredTensor,
        name: String,
        expected: Expected,
    ) -> Result<(), CheckpointError> {
        let Some(stored_type) = weight_type(stored.dtype) else {
            return Err(CheckpointError::Type { name: stored.name, found: stored.dtype });
        };
        let mut shape: Vec<u64> = stored.shape.iter().rev().copied().collect();
        if shape.is_empty() {
            // A single number.
            shape.push(1);
        }
        if let ([_, rows], [_, tokens]) = (&mut shape[..], &expected.shape[..])
            && ROWS_OF_TOKENS.contains(&name.as_str())
        {
            *rows = (*rows).min(*tokens);
        }
        if shape != expected.shape {
            let expected = expected.shape.into_iter().rev().collect();
            return Err(CheckpointError::Shape { name: stored.name, found: stored.shape, expected });
        }
        let always_f32 = is_always_f32(&name, shape.len());
        let is_rounded = stored_type == GgmlType::F32 && !always_f32;
        let dtype = if is_rounded { GgmlType::BF16 } else { stored_type };
        self.tensors.push(SourceTensor { name, shape, dtype, always_f32 });
        self.places.push(Place::Stored { file, offset: stored.offset, stored: stored_type });
        Ok(())
    }

    /// Calls everything what it is stored as; then nothing is rounded.
    pub(super) fn unround(&mut self) {
        for (tensor, place) in self.tensors.iter_mut().zip(&self.places) {
            if let Place::Stored { stored, .. } = place {
                tensor.dtype = *stored;
            }
        }
    }

    pub(super) fn tensors(&self) -> &[SourceTensor] {
        &self.tensors
    }

    pub(super) fn dropped(&self) -> &[String] {
        &self.dropped
    }

    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(SourceFile::path)
    }

    pub(super) fn check_unchanged(&self) -> Result<(), SourceError> {
        self.files.iter().try_for_each(SourceFile::check_unchanged)
    }

    pub(super) fn read_rows(
        &self,
        tensor: usize,
        rows: Range<u64>,
        into: &mut [f32],
    ) -> Result<(), SourceError> {
        let described = self.tensors.get(tensor);
        let Some(described) = described.filter(|each| each.elements_of(&rows) == Some(into.len() as u64))
        else {
            return Err(SourceError::no_rows(&self.tensors, tensor, rows, into.len()));
        };
        let place = &self.places[tensor];
        // Within the tensor, which is within its file: no sum of these can overflow.
        let first = rows.start * described.columns();
        match place {
            Place::Made(values) => into.copy_from_slice(&values[first as usize..][..into.len()]),
            Place::Stored { file, offset, stored } => {
                let offset = offset + first * stored.block_bytes();
                self.files[*file].read_numbers(*stored, offset, into)?;
                if *stored == GgmlType::F32 && described.dtype == GgmlType::BF16 {
                    into.iter_mut().for_each(|value| *value = as_bf16(*value));
                }
            }
        }
        Ok(())
    }
}

fn weight_type(dtype: Dtype) -> Option<GgmlType> {
    match dtype.name {
        "BF16" => Some(GgmlType::BF16),
        "F16" => Some(GgmlType::F16),
        "F32" => Some(GgmlType::F32),
        _ => None,
    }
}

/// The nearest number of 16 bits, as gguf-py and ggml round. What is no number stays none, and what is too large becomes
/// infinite: both are found when they are quantized.
#[inline(always)]
fn as_bf16(value: f32) -> f32 {
    let quiet = f32::from_bits((value.to_bits() | 0x40_0000) & 0xffff_0000);
    if value.is_nan() { quiet } else { to_bf16(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_to_the_nearest_and_ties_to_the_even() {
        for (bits, expected) in [
            (0x3f80_0000_u32, 0x3f80_0000_u32),
            (0x3f80_7fff, 0x3f80_0000),
            (0x3f80_8000, 0x3f80_0000),
            (0x3f80_8001, 0x3f81_0000),
            (0x3f81_8000, 0x3f82_0000),
            (0xbf81_8000, 0xbf82_0000),
            (0x3fff_ffff, 0x4000_0000),
            (0x0000_0001, 0x0000_0000),
            (0x7f7f_ffff, 0x7f80_0000),
            (0x7f80_0000, 0x7f80_0000),
            (0x7f80_0001, 0x7fc0_0000),
            (0xffff_ffff, 0xffff_0000),
        ] {
            assert_eq!(as_bf16(f32::from_bits(bits)).to_bits(), expected, "{bits:#x}");
        }
    }
}
