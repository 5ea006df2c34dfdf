//! Which kernels this processor can run.

/// The instructions a kernel is written in; of one kind of processor slowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum InstructionSet {
    /// Plain code, for tests.
    Reference,
    /// AVX2, FMA and F16C.
    Avx2,
    /// AVX-VNNI beside those.
    AvxVnni,
    /// AVX-512 F, BW, VL and VNNI.
    Avx512Vnni,
    /// NEON with the dot-product extension of ARMv8.2: Apple's M processors, and ARM laptops since about 2018.
    Neon,
}

impl InstructionSet {
    /// All; of one kind of processor slowest first.
    pub const ALL: [InstructionSet; 5] =
        [Self::Reference, Self::Avx2, Self::AvxVnni, Self::Avx512Vnni, Self::Neon];

    /// The fastest of this processor; none where only the reference would run, which is slower than llama.cpp.
    #[must_use]
    pub fn fastest() -> Option<InstructionSet> {
        Self::ALL.into_iter().rev().find(|set| *set != Self::Reference && set.is_supported())
    }

    /// Whether this processor has it.
    #[must_use]
    pub fn is_supported(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            let base = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c");
            match self {
                Self::Reference => true,
                Self::Avx2 => base,
                Self::AvxVnni => base && is_x86_feature_detected!("avxvnni"),
                Self::Avx512Vnni => {
                    base && is_x86_feature_detected!("avx512f")
                        && is_x86_feature_detected!("avx512bw")
                        && is_x86_feature_detected!("avx512vl")
                        && is_x86_feature_detected!("avx512vnni")
                }
                Self::Neon => false,
            }
        }
        #[cfg(target_arch = "aarch64")]
        {
            use std::arch::is_aarch64_feature_detected;
            match self {
                Self::Reference => true,
                Self::Neon => is_aarch64_feature_detected!("neon") && is_aarch64_feature_detected!("dotprod"),
                Self::Avx2 | Self::AvxVnni | Self::Avx512Vnni => false,
            }
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        {
            self == Self::Reference
        }
    }

    /// As a person writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reference => "plain code",
            Self::Avx2 => "AVX2",
            Self::AvxVnni => "AVX-VNNI",
            Self::Avx512Vnni => "AVX-512 VNNI",
            Self::Neon => "NEON with dot products",
        }
    }

    /// The set with this number, as `self as u8` gives it.
    #[must_use]
    pub fn from_number(number: u8) -> Option<InstructionSet> {
        Self::ALL.into_iter().find(|set| *set as u8 == number)
    }
}
