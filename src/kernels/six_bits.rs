//! Eight scales and eight minima of 6 bits in twelve bytes, as llama.cpp's Q4_K and Q5_K pack them.

/// Bytes of eight scales and eight minima.
pub const PACKED: usize = 12;

/// The scales, then the minima.
///
/// Bytes 0..4 hold scales 0..4 and bytes 4..8 minima 0..4 in their low six bits. Bytes 8..12 hold the low four bits of scales
/// 4..8 and above them those of minima 4..8; what these lack stands in the high bits of bytes 0..4 and of bytes 4..8.
#[inline]
#[must_use]
pub fn unpack(packed: &[u8; PACKED]) -> [[u8; 8]; 2] {
    let fours = packed.as_chunks::<4>().0;
    let [scales, minima, rest] = [0, 1, 2].map(|at| u32::from_le_bytes(fours[at]));
    let first = |four: u32| four & 0x3f3f_3f3f;
    let second = |four: u32, low: u32| (four >> 2) & 0x3030_3030 | low & 0x0f0f_0f0f;
    let joined = |first: u32, second: u32| (u64::from(second) << 32 | u64::from(first)).to_le_bytes();
    [joined(first(scales), second(scales, rest)), joined(first(minima), second(minima, rest >> 4))]
}

#[cfg(test)]
mod tests {
    use super::unpack;

    #[test]
    fn every_bit_has_its_place() {
        // As llama.cpp's `get_scale_min_k4` reads them.
        for bit in 0..96 {
            let mut packed = [0_u8; 12];
            packed[bit / 8] = 1 << (bit % 8);
            let [scales, minima] = unpack(&packed);
            for at in 0..8 {
                let (scale, minimum) = if at < 4 {
                    (packed[at] & 63, packed[at + 4] & 63)
                } else {
                    (
                        packed[at + 4] & 15 | (packed[at - 4] >> 6) << 4,
                        packed[at + 4] >> 4 | (packed[at] >> 6) << 4,
                    )
                };
                assert_eq!((scales[at], minima[at]), (scale, minimum), "bit {bit}, number {at}");
            }
        }
    }
}
