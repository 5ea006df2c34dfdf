//! Tables: the types of metadata values, the types of tensors, and the names of `general.file_type`.

use std::fmt;

/// The type of a metadata value (`gguf_type` of gguf.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// 8 bits, unsigned.
    U8,
    /// 8 bits, signed.
    I8,
    /// 16 bits, unsigned.
    U16,
    /// 16 bits, signed.
    I16,
    /// 32 bits, unsigned.
    U32,
    /// 32 bits, signed.
    I32,
    /// 32-bit floating point.
    F32,
    /// One byte; anything but 0 is true.
    Bool,
    /// A length (u64) and that many bytes.
    String,
    /// An element type, a length and the elements.
    Array,
    /// 64 bits, unsigned.
    U64,
    /// 64 bits, signed.
    I64,
    /// 64-bit floating point.
    F64,
}

impl ValueType {
    /// In the order of their numbers in a file.
    const ALL: [ValueType; 13] = [
        ValueType::U8,
        ValueType::I8,
        ValueType::U16,
        ValueType::I16,
        ValueType::U32,
        ValueType::I32,
        ValueType::F32,
        ValueType::Bool,
        ValueType::String,
        ValueType::Array,
        ValueType::U64,
        ValueType::I64,
        ValueType::F64,
    ];

    /// The type with this number in a file.
    #[must_use]
    pub fn from_id(id: u32) -> Option<ValueType> {
        ValueType::ALL.get(usize::try_from(id).ok()?).copied()
    }

    /// Its number in a file.
    #[must_use]
    pub fn id(self) -> u32 {
        ValueType::ALL.iter().position(|&each| each == self).unwrap_or(0) as u32
    }

    /// Bytes of one value, `None` where they vary (strings and arrays).
    #[must_use]
    pub fn size(self) -> Option<u64> {
        match self {
            ValueType::U8 | ValueType::I8 | ValueType::Bool => Some(1),
            ValueType::U16 | ValueType::I16 => Some(2),
            ValueType::U32 | ValueType::I32 | ValueType::F32 => Some(4),
            ValueType::U64 | ValueType::I64 | ValueType::F64 => Some(8),
            ValueType::String | ValueType::Array => None,
        }
    }

    /// Bytes one value needs at least: a string's length; an array's element type and length.
    pub(super) fn least_size(self) -> u64 {
        match self {
            ValueType::String => 8,
            ValueType::Array => 12,
            fixed => fixed.size().unwrap_or(1),
        }
    }

    /// Its name as people write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ValueType::U8 => "u8",
            ValueType::I8 => "i8",
            ValueType::U16 => "u16",
            ValueType::I16 => "i16",
            ValueType::U32 => "u32",
            ValueType::I32 => "i32",
            ValueType::F32 => "f32",
            ValueType::Bool => "bool",
            ValueType::String => "string",
            ValueType::Array => "array",
            ValueType::U64 => "u64",
            ValueType::I64 => "i64",
            ValueType::F64 => "f64",
        }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The type of a tensor's elements (`ggml_type` of ggml.h): always one that this build's llama.cpp knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GgmlType(u32);

/// Number, name, elements per block, bytes per block. Sizes: `type_traits` of ggml.c and the
/// `static_assert`s of ggml-common.h (llama.cpp b11434).
const TENSOR_TYPES: [(u32, &str, u64, u64); 35] = [
    (0, "F32", 1, 4),
    (1, "F16", 1, 2),
    (2, "Q4_0", 32, 18),
    (3, "Q4_1", 32, 20),
    (6, "Q5_0", 32, 22),
    (7, "Q5_1", 32, 24),
    (8, "Q8_0", 32, 34),
    (9, "Q8_1", 32, 36),
    (10, "Q2_K", 256, 84),
    (11, "Q3_K", 256, 110),
    (12, "Q4_K", 256, 144),
    (13, "Q5_K", 256, 176),
    (14, "Q6_K", 256, 210),
    (15, "Q8_K", 256, 292),
    (16, "IQ2_XXS", 256, 66),
    (17, "IQ2_XS", 256, 74),
    (18, "IQ3_XXS", 256, 98),
    (19, "IQ1_S", 256, 50),
    (20, "IQ4_NL", 32, 18),
    (21, "IQ3_S", 256, 110),
    (22, "IQ2_S", 256, 82),
    (23, "IQ4_XS", 256, 136),
    (24, "I8", 1, 1),
    (25, "I16", 1, 2),
    (26, "I32", 1, 4),
    (27, "I64", 1, 8),
    (28, "F64", 1, 8),
    (29, "IQ1_M", 256, 56),
    (30, "BF16", 1, 2),
    (34, "TQ1_0", 256, 54),
    (35, "TQ2_0", 256, 66),
    (39, "MXFP4", 32, 17),
    (40, "NVFP4", 64, 36),
    (41, "Q1_0", 128, 18),
    (42, "Q2_0", 64, 18),
];

/// Numbers once given out and taken back, with the names they had (comments of `ggml_type` in ggml.h).
const RETIRED_TYPES: [(u32, &str); 8] = [
    (4, "Q4_2"),
    (5, "Q4_3"),
    (31, "Q4_0_4_4"),
    (32, "Q4_0_4_8"),
    (33, "Q4_0_8_8"),
    (36, "IQ4_NL_4_4"),
    (37, "IQ4_NL_4_8"),
    (38, "IQ4_NL_8_8"),
];

impl GgmlType {
    /// 32-bit floating point.
    pub const F32: GgmlType = GgmlType(0);
    /// 16-bit floating point.
    pub const F16: GgmlType = GgmlType(1);
    /// 4 bits, one scale for 32 weights: the fastest on a CPU.
    pub const Q4_0: GgmlType = GgmlType(2);
    /// 4 bits, a scale and an offset for 32 weights.
    pub const Q4_1: GgmlType = GgmlType(3);
    /// 5 bits, one scale for 32 weights.
    pub const Q5_0: GgmlType = GgmlType(6);
    /// 5 bits, a scale and an offset for 32 weights.
    pub const Q5_1: GgmlType = GgmlType(7);
    /// 8 bits, one scale for 32 weights.
    pub const Q8_0: GgmlType = GgmlType(8);
    /// 2 bits, blocks of 256.
    pub const Q2_K: GgmlType = GgmlType(10);
    /// 3 bits, blocks of 256.
    pub const Q3_K: GgmlType = GgmlType(11);
    /// 4 bits, blocks of 256.
    pub const Q4_K: GgmlType = GgmlType(12);
    /// 5 bits, blocks of 256.
    pub const Q5_K: GgmlType = GgmlType(13);
    /// 6 bits, blocks of 256.
    pub const Q6_K: GgmlType = GgmlType(14);
    /// A codebook, 2.06 bits.
    pub const IQ2_XXS: GgmlType = GgmlType(16);
    /// A codebook, 2.31 bits.
    pub const IQ2_XS: GgmlType = GgmlType(17);
    /// A codebook, 3.06 bits.
    pub const IQ3_XXS: GgmlType = GgmlType(18);
    /// A codebook, 1.56 bits.
    pub const IQ1_S: GgmlType = GgmlType(19);
    /// 4 bits on an uneven scale, one scale for 32 weights.
    pub const IQ4_NL: GgmlType = GgmlType(20);
    /// A codebook, 3.44 bits.
    pub const IQ3_S: GgmlType = GgmlType(21);
    /// A codebook, 2.56 bits.
    pub const IQ2_S: GgmlType = GgmlType(22);
    /// 4 bits on an uneven scale, blocks of 256.
    pub const IQ4_XS: GgmlType = GgmlType(23);
    /// A codebook, 1.75 bits.
    pub const IQ1_M: GgmlType = GgmlType(29);
    /// The upper half of a 32-bit floating point number.
    pub const BF16: GgmlType = GgmlType(30);
    /// Three values, 1.69 bits.
    pub const TQ1_0: GgmlType = GgmlType(34);
    /// Three values, 2.06 bits.
    pub const TQ2_0: GgmlType = GgmlType(35);
    /// 4-bit floating point, a power of two for 32 weights.
    pub const MXFP4: GgmlType = GgmlType(39);
    /// 1 bit, one scale for 128 weights.
    pub const Q1_0: GgmlType = GgmlType(41);
    /// 2 bits, one scale for 64 weights.
    pub const Q2_0: GgmlType = GgmlType(42);

    /// The type with this number in a file; `None` where this build's llama.cpp has none.
    #[must_use]
    pub fn from_id(id: u32) -> Option<GgmlType> {
        TENSOR_TYPES.iter().any(|entry| entry.0 == id).then_some(GgmlType(id))
    }

    /// The name a number had that is no longer used.
    #[must_use]
    pub fn retired_name(id: u32) -> Option<&'static str> {
        RETIRED_TYPES.iter().find(|entry| entry.0 == id).map(|entry| entry.1)
    }

    /// Every type, in the order of their numbers.
    pub fn all() -> impl Iterator<Item = GgmlType> {
        TENSOR_TYPES.iter().map(|entry| GgmlType(entry.0))
    }

    fn entry(self) -> &'static (u32, &'static str, u64, u64) {
        // The constructor admits no number that is not in the table.
        TENSOR_TYPES.iter().find(|entry| entry.0 == self.0).unwrap_or(&TENSOR_TYPES[0])
    }

    /// Its number in a file.
    #[must_use]
    pub fn id(self) -> u32 {
        self.0
    }

    /// Its name, e.g. `Q4_0`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.entry().1
    }

    /// Elements stored together; a row is a whole number of blocks.
    #[must_use]
    pub fn block_size(self) -> u64 {
        self.entry().2
    }

    /// Bytes of one block.
    #[must_use]
    pub fn block_bytes(self) -> u64 {
        self.entry().3
    }

    /// Bytes of so many weights in whole blocks.
    #[must_use]
    pub fn bytes_of(self, weights: u64) -> u64 {
        weights / self.block_size() * self.block_bytes()
    }

    /// Whether weights share a scale, in ggml's words: a quantized type.
    #[must_use]
    pub fn is_quantized(self) -> bool {
        self.block_size() > 1
    }

    /// The type with this name, in whatever letters (`q4_k` is Q4_K).
    #[must_use]
    pub fn named(name: &str) -> Option<GgmlType> {
        GgmlType::all().find(|each| each.name().eq_ignore_ascii_case(name))
    }

    /// Bits a weight takes.
    #[must_use]
    pub fn bits_per_weight(self) -> f64 {
        self.block_bytes() as f64 * 8.0 / self.block_size() as f64
    }
}

impl fmt::Display for GgmlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What `general.file_type` says of a whole file (`llama_ftype` of llama.h), in the words of llama-quantize.
#[must_use]
pub fn file_type_name(id: u32) -> Option<&'static str> {
    /// Set where llama.cpp guessed the type from the tensors.
    const GUESSED: u32 = 1024;
    Some(match id & !GUESSED {
        0 => "F32",
        1 => "F16",
        2 => "Q4_0",
        3 => "Q4_1",
        7 => "Q8_0",
        8 => "Q5_0",
        9 => "Q5_1",
        10 => "Q2_K",
        11 => "Q3_K_S",
        12 => "Q3_K_M",
        13 => "Q3_K_L",
        14 => "Q4_K_S",
        15 => "Q4_K_M",
        16 => "Q5_K_S",
        17 => "Q5_K_M",
        18 => "Q6_K",
        19 => "IQ2_XXS",
        20 => "IQ2_XS",
        21 => "Q2_K_S",
        22 => "IQ3_XS",
        23 => "IQ3_XXS",
        24 => "IQ1_S",
        25 => "IQ4_NL",
        26 => "IQ3_S",
        27 => "IQ3_M",
        28 => "IQ2_S",
        29 => "IQ2_M",
        30 => "IQ4_XS",
        31 => "IQ1_M",
        32 => "BF16",
        36 => "TQ1_0",
        37 => "TQ2_0",
        38 => "MXFP4_MOE",
        39 => "NVFP4",
        40 => "Q1_0",
        41 => "Q2_0",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_value_types_are_those_of_gguf_h() {
        for (id, name) in [(0, "u8"), (4, "u32"), (6, "f32"), (8, "string"), (9, "array"), (12, "f64")] {
            assert_eq!(ValueType::from_id(id).map(ValueType::name), Some(name));
        }
        assert!(ValueType::from_id(13).is_none());
        assert!(ValueType::ALL.iter().all(|each| ValueType::from_id(each.id()) == Some(*each)));
    }

    #[test]
    fn every_number_below_the_count_is_known_or_retired() {
        for id in 0..43 {
            assert!(GgmlType::from_id(id).is_some() != GgmlType::retired_name(id).is_some(), "{id}");
        }
        assert!(GgmlType::from_id(43).is_none());
    }

    #[test]
    fn bits_per_weight_are_the_published_ones() {
        let bits = |name| GgmlType::all().find(|each| each.name() == name).map(GgmlType::bits_per_weight);
        for (name, expected) in [
            ("Q4_0", 4.5),
            ("Q8_0", 8.5),
            ("Q4_K", 4.5),
            ("Q5_K", 5.5),
            ("Q6_K", 6.5625),
            ("IQ2_XXS", 2.0625),
            ("IQ4_XS", 4.25),
            ("IQ1_S", 1.5625),
        ] {
            assert_eq!(bits(name), Some(expected), "{name}");
        }
    }
}
