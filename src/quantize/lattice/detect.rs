//! Whether a checkpoint was trained for quantization, seen on a sample of each tensor.

use std::collections::BTreeSet;

use super::super::category::kept;
use super::super::model::ModelFacts;
use super::super::source::{Source, SourceError};
use super::{BLOCK, Exactness, measure};

/// Places of a tensor that are looked at, evenly spread.
const PLACES: u64 = 16;
/// Weights looked at in each place, in whole rows.
const WEIGHTS: u64 = 8192;

/// What the sample of a tensor shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampled {
    /// The tensor's name.
    pub name: String,
    /// All its weights, not only those of the sample.
    pub elements: u64,
    /// How well the sample comes back.
    pub exactness: Exactness,
}

/// What the samples of a checkpoint's matrices show.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detection {
    /// One for each matrix that may be quantized.
    pub tensors: Vec<Sampled>,
}

impl Detection {
    /// Whether it is a QAT checkpoint: more than half of its weights lie on a lattice.
    #[must_use]
    pub fn is_qat(&self) -> bool {
        let weights =
            |tensors: &mut dyn Iterator<Item = &Sampled>| tensors.map(|each| each.elements).sum::<u64>();
        let on_lattice = weights(&mut self.tensors.iter().filter(|each| each.exactness.is_lattice()));
        on_lattice > weights(&mut self.tensors.iter()) / 2
    }

    /// The names of the tensors on a lattice: what `Options::on_lattice` wants.
    #[must_use]
    pub fn on_lattice(&self) -> BTreeSet<String> {
        let found = self.tensors.iter().filter(|each| each.exactness.is_lattice());
        found.map(|each| each.name.clone()).collect()
    }

    /// The matrices that do not lie on one: worth a warning where the others do.
    pub fn off_lattice(&self) -> impl Iterator<Item = &Sampled> {
        self.tensors.iter().filter(|each| !each.exactness.is_lattice())
    }
}

/// Looks at some rows of every matrix that may be quantized: about 130,000 weights of each.
///
/// # Errors
/// Where rows cannot be read.
pub fn detect(source: &dyn Source, facts: &ModelFacts) -> Result<Detection, SourceError> {
    let mut found = Detection::default();
    for (index, tensor) in source.tensors().iter().enumerate() {
        let (columns, rows) = (tensor.columns(), tensor.rows());
        let is_kept =
            tensor.always_f32 || kept(&facts.architecture, &tensor.name, &tensor.shape, false).is_some();
        if is_kept || columns == 0 || rows == 0 || !columns.is_multiple_of(BLOCK as u64) {
            continue;
        }
        let at_once = (WEIGHTS / columns).clamp(1, rows);
        let places = PLACES.min(rows / at_once);
        let mut exactness = Exactness::default();
        let mut values = vec![0.0; (at_once * columns) as usize];
        for place in 0..places {
            let first = (rows - at_once) * place / places.saturating_sub(1).max(1);
            source.read_rows(index, first..first + at_once, &mut values)?;
            exactness.add(measure(&values));
        }
        let (name, elements) = (tensor.name.clone(), tensor.elements());
        found.tensors.push(Sampled { name, elements, exactness });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;
    use crate::gguf::{GgmlType, Value};
    use crate::quantize::SourceTensor;

    /// Tensors with `lattice` in their names lie on one; those with `zero` are empty.
    struct Made(Vec<SourceTensor>);

    impl Source for Made {
        fn metadata(&self) -> &[(String, Value)] {
            &[]
        }

        fn tensors(&self) -> &[SourceTensor] {
            &self.0
        }

        fn read_rows(&self, tensor: usize, rows: Range<u64>, into: &mut [f32]) -> Result<(), SourceError> {
            assert!(rows.end <= self.0[tensor].rows());
            assert_eq!(into.len() as u64, (rows.end - rows.start) * self.0[tensor].columns());
            let name = &self.0[tensor].name;
            let mut state = rows.start as u32 + 1;
            for value in into {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *value = match () {
                    () if name.contains("zero") => 0.0,
                    () if name.contains("lattice") => ((state >> 28) as f32 - 8.0) * 0.0078125,
                    () => f32::from_bits(((state >> 8) as f32 * 1e-7 - 0.8).to_bits() & 0xffff_0000),
                };
            }
            Ok(())
        }
    }

    fn facts() -> ModelFacts {
        ModelFacts {
            architecture: "gemma4".to_owned(),
            layers: 1,
            experts: 0,
            heads_per_kv_head: 1,
            is_70b: false,
        }
    }

    #[test]
    fn matrices_on_a_lattice_are_told_from_the_others() {
        let tensor = |name: &str, shape: &[u64]| SourceTensor {
            name: name.to_owned(),
            shape: shape.to_vec(),
            dtype: GgmlType::BF16,
            always_f32: false,
        };
        let mut made = Made(vec![
            tensor("blk.0.lattice.weight", &[704, 3, 5]),
            tensor("blk.0.large_lattice.weight", &[65_536, 2]),
            tensor("blk.0.plain.weight", &[64, 1000]),
            tensor("blk.0.zero.weight", &[64, 100]),
            tensor("blk.0.lattice_norm.weight", &[64, 100]),
            tensor("blk.0.odd_lattice.weight", &[40, 100]),
        ]);
        let found = detect(&made, &facts()).expect("a detection");
        assert_eq!(found.tensors.len(), 4);
        let names: Vec<String> = found.on_lattice().into_iter().collect();
        assert_eq!(names, ["blk.0.large_lattice.weight", "blk.0.lattice.weight"]);
        assert!(found.is_qat());
        made.0.push(tensor("blk.0.other.weight", &[1024, 1024]));
        assert!(!detect(&made, &facts()).expect("a detection").is_qat(), "most weights are ordinary");
    }
}
