//! File types: the words of `llama-quantize` for a whole file, and the tensor type each begins with.

use std::fmt;

use crate::gguf::{GgmlType, file_type_name};

/// What a file is quantized to (`llama_ftype` of llama.h): a mixture of tensor types. Always one that
/// `llama-quantize` of this build offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileType(u32);

macro_rules! file_types {
    ($($name:ident = $id:literal begins with $base:ident),* $(,)?) => {
        #[allow(missing_docs, reason = "the names are llama-quantize's own")]
        impl FileType {
            $(pub const $name: FileType = FileType($id);)*

            /// Every file type with the type most of its tensors get (`llama_ftype_get_default_type` of
            /// llama-quant.cpp).
            const TABLE: &[(FileType, GgmlType)] = &[$((FileType::$name, GgmlType::$base)),*];
        }
    };
}

file_types! {
    F32 = 0 begins with F32,
    F16 = 1 begins with F16,
    Q4_0 = 2 begins with Q4_0,
    Q4_1 = 3 begins with Q4_1,
    Q8_0 = 7 begins with Q8_0,
    Q5_0 = 8 begins with Q5_0,
    Q5_1 = 9 begins with Q5_1,
    Q2_K = 10 begins with Q2_K,
    Q3_K_S = 11 begins with Q3_K,
    Q3_K_M = 12 begins with Q3_K,
    Q3_K_L = 13 begins with Q3_K,
    Q4_K_S = 14 begins with Q4_K,
    Q4_K_M = 15 begins with Q4_K,
    Q5_K_S = 16 begins with Q5_K,
    Q5_K_M = 17 begins with Q5_K,
    Q6_K = 18 begins with Q6_K,
    IQ2_XXS = 19 begins with IQ2_XXS,
    IQ2_XS = 20 begins with IQ2_XS,
    Q2_K_S = 21 begins with Q2_K,
    IQ3_XS = 22 begins with IQ3_S,
    IQ3_XXS = 23 begins with IQ3_XXS,
    IQ1_S = 24 begins with IQ1_S,
    IQ4_NL = 25 begins with IQ4_NL,
    IQ3_S = 26 begins with IQ3_S,
    IQ3_M = 27 begins with IQ3_S,
    IQ2_S = 28 begins with IQ2_XS,
    IQ2_M = 29 begins with IQ2_S,
    IQ4_XS = 30 begins with IQ4_XS,
    IQ1_M = 31 begins with IQ1_M,
    BF16 = 32 begins with BF16,
    TQ1_0 = 36 begins with TQ1_0,
    TQ2_0 = 37 begins with TQ2_0,
    MXFP4_MOE = 38 begins with MXFP4,
    Q1_0 = 40 begins with Q1_0,
    Q2_0 = 41 begins with Q2_0,
}

/// Other names people type, as llama-quantize understands them.
const ALIASES: [(&str, FileType); 3] =
    [("Q3_K", FileType::Q3_K_M), ("Q4_K", FileType::Q4_K_M), ("Q5_K", FileType::Q5_K_M)];

impl FileType {
    /// Every file type, in the order of their numbers.
    pub fn all() -> impl Iterator<Item = FileType> {
        FileType::TABLE.iter().map(|entry| entry.0)
    }

    /// The file type with this name or alias, in whatever letters.
    #[must_use]
    pub fn named(name: &str) -> Option<FileType> {
        let alias = ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(name));
        alias
            .map(|entry| entry.1)
            .or_else(|| FileType::all().find(|each| each.name().eq_ignore_ascii_case(name)))
    }

    /// Its number, written as `general.file_type`.
    #[must_use]
    pub fn id(self) -> u32 {
        self.0
    }

    /// Its name, e.g. `Q4_K_M`.
    #[must_use]
    pub fn name(self) -> &'static str {
        file_type_name(self.0).unwrap_or("unknown")
    }

    /// The type of every tensor that no rule gives another one.
    #[must_use]
    pub fn base(self) -> GgmlType {
        FileType::TABLE.iter().find(|entry| entry.0 == self).map_or(GgmlType::F32, |entry| entry.1)
    }
}

impl fmt::Display for FileType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_constants_agree_with_the_table_of_gguf() {
        assert_eq!(FileType::all().count(), 35);
        for each in FileType::all() {
            assert_eq!(FileType::named(&each.name().to_lowercase()), Some(each), "{each}");
        }
        assert_eq!(FileType::IQ2_M.name(), "IQ2_M");
        assert_eq!(FileType::MXFP4_MOE.name(), "MXFP4_MOE");
        assert_eq!(FileType::named("q4_k"), Some(FileType::Q4_K_M));
        assert_eq!(FileType::named("NVFP4"), None, "llama-quantize does not offer it");
    }

    #[test]
    fn a_file_type_begins_with_a_tensor_type() {
        assert_eq!(FileType::IQ3_XS.base(), GgmlType::IQ3_S);
        assert_eq!(FileType::IQ2_S.base(), GgmlType::IQ2_XS);
        assert_eq!(FileType::Q5_K_S.base(), GgmlType::Q5_K);
    }
}
