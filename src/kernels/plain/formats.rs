//! The blocks of ggml's plain formats, made of bytes so that they may lie anywhere.

use super::super::activation::{BLOCK, Raised};

/// A block of 32 weights of a row: its scale, minimum, fifth bits and numbers, so many bytes of each as the format has. The
/// numbers are nibbles where there are 16 bytes, and choose from [`IQ4_NL`] where `CHOSEN`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Block<const MINIMUM: usize, const FIFTHS: usize, const NUMBERS: usize, const CHOSEN: bool> {
    scale: [u8; 2],
    minimum: [u8; MINIMUM],
    fifths: [u8; FIFTHS],
    numbers: [u8; NUMBERS],
}

/// 4 bits that stand for -8..7.
pub type Q4_0 = Block<0, 0, 16, false>;
/// 4 bits above a minimum.
pub type Q4_1 = Block<2, 0, 16, false>;
/// 5 bits that stand for -16..15.
pub type Q5_0 = Block<0, 4, 16, false>;
/// 5 bits above a minimum.
pub type Q5_1 = Block<2, 4, 16, false>;
/// 8 bits.
pub type Q8_0 = Block<0, 0, 32, false>;
/// 4 bits that choose from a table.
pub type Iq4Nl = Block<0, 0, 16, true>;

const _: () = assert!(size_of::<Q4_0>() == 18 && size_of::<Q4_1>() == 20 && size_of::<Q5_0>() == 22);
const _: () = assert!(size_of::<Q5_1>() == 24 && size_of::<Q8_0>() == 34 && size_of::<Iq4Nl>() == 18);

/// What the kernels want to know of a block.
pub trait Format: Raised + Copy {
    /// Whether weights are worth `scale · number + minimum`.
    const HAS_MINIMUM: bool;
    /// Whether weights have 5 bits.
    const HAS_FIFTHS: bool;
    /// Whether weights have 8 bits.
    const IS_WHOLE: bool;
    /// Whether weights are chosen from a table. llama.cpp then keeps two sums, of the even and of the odd blocks.
    const IS_CHOSEN: bool;

    /// In half precision.
    fn scale(&self) -> u16;
    /// In half precision; zero where there is none.
    fn minimum(&self) -> u16;
    /// A bit for each column; zero where there are none.
    fn fifths(&self) -> u32;
    /// 16 bytes, or twice as many where weights are whole. Columns 0..16 lie in low nibbles, 16 further in high ones.
    fn numbers(&self) -> &[u8];

    /// The number of a column, its sign included.
    fn weight(&self, column: usize) -> i32 {
        if Self::IS_WHOLE {
            return i32::from(self.numbers()[column].cast_signed());
        }
        let nibble = self.numbers()[column % 16] >> (column / 16 * 4) & 15;
        if Self::IS_CHOSEN {
            return i32::from(IQ4_NL[usize::from(nibble)]);
        }
        let fifth = (self.fifths() >> column & 1) << 4;
        i32::from(nibble) + fifth.cast_signed() - Self::OFFSET
    }
}

impl<const MINIMUM: usize, const FIFTHS: usize, const NUMBERS: usize, const CHOSEN: bool> Raised
    for Block<MINIMUM, FIFTHS, NUMBERS, CHOSEN>
{
    const OFFSET: i32 = match (Self::HAS_MINIMUM, Self::HAS_FIFTHS) {
        _ if Self::IS_WHOLE || CHOSEN => 128,
        (true, _) => 0,
        (false, true) => 16,
        (false, false) => 8,
    };
}

impl<const MINIMUM: usize, const FIFTHS: usize, const NUMBERS: usize, const CHOSEN: bool> Format
    for Block<MINIMUM, FIFTHS, NUMBERS, CHOSEN>
{
    const HAS_MINIMUM: bool = MINIMUM > 0;
    const HAS_FIFTHS: bool = FIFTHS > 0;
    const IS_WHOLE: bool = NUMBERS == BLOCK;
    const IS_CHOSEN: bool = CHOSEN;

    #[inline]
    fn scale(&self) -> u16 {
        u16::from_le_bytes(self.scale)
    }

    #[inline]
    fn minimum(&self) -> u16 {
        self.minimum.first_chunk().map_or(0, |bytes| u16::from_le_bytes(*bytes))
    }

    #[inline]
    fn fifths(&self) -> u32 {
        self.fifths.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
    }

    #[inline]
    fn numbers(&self) -> &[u8] {
        &self.numbers
    }
}

/// What the 4 bits of IQ4_NL stand for: ggml's `kvalues_iq4nl`.
pub const IQ4_NL: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/// The same, 128 more.
pub const IQ4_NL_RAISED: [u8; 16] = {
    let mut raised = [0; 16];
    let mut at = 0;
    while at < raised.len() {
        raised[at] = IQ4_NL[at].cast_unsigned() ^ 128;
        at += 1;
    }
    raised
};
