//! Plain rows with 256-bit instructions: two rows of weights at a time, half a block of each in a register, so that one product
//! of scales serves both halves. And their activations.

use std::arch::x86_64::{
    __m128, __m128i, __m256, __m256i, _MM_HINT_T0, _mm_add_ps, _mm_cvtph_ps, _mm_fmadd_ps, _mm_loadu_si128,
    _mm_prefetch, _mm_set1_ps, _mm_setr_epi16, _mm_setzero_ps, _mm_storeu_ps, _mm256_abs_epi8,
    _mm256_add_epi8, _mm256_add_ps, _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_castps128_ps256,
    _mm256_castps256_ps128, _mm256_castsi128_si256, _mm256_cmpeq_epi8, _mm256_cvtepi32_ps,
    _mm256_dpbusd_avx_epi32, _mm256_fmadd_ps, _mm256_inserti128_si256, _mm256_madd_epi16,
    _mm256_maddubs_epi16, _mm256_mul_ps, _mm256_mullo_epi32, _mm256_or_si256, _mm256_permute_ps,
    _mm256_permutevar8x32_ps, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_epi64x,
    _mm256_set1_ps, _mm256_setr_epi32, _mm256_setr_epi64x, _mm256_setzero_ps, _mm256_setzero_si256,
    _mm256_shuffle_epi8, _mm256_sign_epi8, _mm256_srli_epi16, _mm256_storeu_si256,
};
use std::marker::PhantomData;

use super::super::activation::BLOCK;
use super::super::activation::avx2::{any, fours, marked, quantize_block, through_half, total};
use super::super::kernel::{Batch, Rows, WIDEST};
use super::formats::IQ4_NL_RAISED;
use super::{Format, LaneBlock, last_block};

/// Rows of weights at a time.
pub const TILE: usize = 2;

/// Bytes that the prefetch runs ahead, in each of the two rows.
const AHEAD: usize = 1024;

/// With AVX2, FMA and F16C.
pub struct Avx2<F>(PhantomData<F>);
/// With AVX-VNNI beside those.
pub struct AvxVnni<F>(PhantomData<F>);

/// Columns 0..16 and 16..32 of each row.
type Halves = [__m256; 2];

/// The two kernels differ in one function and the instructions it may use.
macro_rules! kernel {
    ($set:ident, $step:ident, $features:literal, $dot:ident) => {
        impl<F: Format> Rows for $set<F> {
            /// # Safety
            /// See [`Rows::rows`]; the processor has the instructions.
            #[target_feature(enable = $features)]
            unsafe fn rows<const ROWS: usize>(
                weights: *const u8,
                blocks: usize,
                groups: usize,
                batch: &Batch,
            ) {
                let activations = batch.activations.map(<*const u8>::cast::<LaneBlock>);
                for group in (0..groups).step_by(TILE) {
                    let alone = (groups - group).min(TILE);
                    // A last row without a neighbour is multiplied twice; its second result is not stored.
                    let rows: [*const F; TILE] = std::array::from_fn(|row| {
                        weights.cast::<F>().wrapping_add((group + row.min(alone - 1)) * blocks)
                    });
                    let mut sums = [[_mm256_setzero_ps(); 2]; ROWS];
                    let mut odd_sums = [[_mm256_setzero_ps(); 2]; ROWS];
                    let mut minima = [_mm_setzero_ps(); ROWS];
                    for index in (0..blocks - 1).step_by(2) {
                        ask_ahead(&rows, index, blocks);
                        // SAFETY: so many blocks have the rows of weights and of activations, by the caller's promise.
                        unsafe {
                            $step::<F, ROWS>(&rows, &activations, index, &mut sums, &mut minima);
                            let odd = if F::IS_CHOSEN { &mut odd_sums } else { &mut sums };
                            $step::<F, ROWS>(&rows, &activations, index + 1, odd, &mut minima);
                        }
                    }
                    if blocks % 2 == 1 && !F::IS_CHOSEN {
                        // SAFETY: as above.
                        unsafe { $step::<F, ROWS>(&rows, &activations, blocks - 1, &mut sums, &mut minima) };
                    }
                    for row in 0..ROWS {
                        let mut halves = sums[row];
                        if F::IS_CHOSEN {
                            halves = [0, 1].map(|half| _mm256_add_ps(halves[half], odd_sums[row][half]));
                        }
                        let mut results = meet(halves);
                        if F::HAS_MINIMUM {
                            results = _mm_add_ps(results, minima[row]);
                        }
                        let mut singles = [0.0; 4];
                        // SAFETY: four numbers.
                        unsafe { _mm_storeu_ps(singles.as_mut_ptr(), results) };
                        for (number, mut result) in singles.into_iter().take(alone).enumerate() {
                            // SAFETY: the last block of each row is there; room for the rows of all groups is the caller's
                            // promise.
                            unsafe {
                                if blocks % 2 == 1 && F::IS_CHOSEN {
                                    let last = &*rows[number].add(blocks - 1);
                                    result = last_block(last, &*activations[row].add(blocks - 1), result);
                                }
                                batch.outputs[row].add(group + number).write(result);
                            }
                        }
                    }
                }
            }
        }

        /// One block of two rows of weights with all rows of activations.
        ///
        /// # Safety
        /// The block is there in all of them.
        #[target_feature(enable = $features)]
        #[inline]
        unsafe fn $step<F: Format, const ROWS: usize>(
            rows: &[*const F; TILE],
            activations: &[*const LaneBlock; WIDEST],
            index: usize,
            sums: &mut [Halves; ROWS],
            minima: &mut [__m128; ROWS],
        ) {
            // SAFETY: the caller's promise.
            let blocks = rows.map(|row| unsafe { &*row.add(index) });
            let parts = unpack(blocks);
            let scales = _mm256_permutevar8x32_ps(
                _mm256_castps128_ps256(singles(blocks.map(F::scale))),
                _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1),
            );
            let minimum = singles(blocks.map(F::minimum));
            for row in 0..ROWS {
                // SAFETY: the caller's promise.
                let activation = unsafe { &*activations[row].add(index) };
                let scale = _mm256_mul_ps(scales, _mm256_set1_ps(activation.scale));
                for half in 0..2 {
                    let whole = $dot::<F>(parts[half], activation, half);
                    sums[row][half] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(whole), scale, sums[row][half]);
                }
                if F::HAS_MINIMUM {
                    minima[row] = _mm_fmadd_ps(minimum, _mm_set1_ps(activation.sum), minima[row]);
                }
            }
        }
    };
}

kernel!(Avx2, step_avx2, "avx2,fma,f16c", byte_products);
kernel!(AvxVnni, step_vnni, "avx2,fma,f16c,avxvnni", dot_products);

/// Two products of bytes have to fit into 16 bits: magnitudes of weights with activations of their sign.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn byte_products<F: Format>(raised: __m256i, activation: &LaneBlock, half: usize) -> __m256i {
    let values = sixteen(&activation.values[half]);
    let products = if F::OFFSET == 0 {
        _mm256_maddubs_epi16(raised, values)
    } else {
        let weights = _mm256_add_epi8(raised, _mm256_set1_epi8((-F::OFFSET) as i8));
        _mm256_maddubs_epi16(_mm256_abs_epi8(weights), _mm256_sign_epi8(values, weights))
    };
    _mm256_madd_epi16(products, _mm256_set1_epi16(1))
}

#[target_feature(enable = "avx2,fma,f16c,avxvnni")]
#[inline]
fn dot_products<F: Format>(raised: __m256i, activation: &LaneBlock, half: usize) -> __m256i {
    let values = sixteen(&activation.values[half]);
    let start = if F::OFFSET == 0 { _mm256_setzero_si256() } else { sixteen(&activation.corrections[half]) };
    _mm256_dpbusd_avx_epi32(start, raised, values)
}

/// Asks for what comes some blocks later, at the end of the rows for the next two.
#[target_feature(enable = "avx2")]
#[inline]
fn ask_ahead<F>(rows: &[*const F; TILE], index: usize, blocks: usize) {
    let ahead = index + AHEAD / size_of::<F>();
    let at = if ahead < blocks { ahead } else { ahead + (TILE - 1) * blocks };
    for row in rows {
        _mm_prefetch::<_MM_HINT_T0>(row.wrapping_add(at).cast());
    }
}

/// 16 bytes twice.
#[target_feature(enable = "avx2")]
#[inline]
fn sixteen<T, const COUNT: usize>(from: &[T; COUNT]) -> __m256i {
    const { assert!(size_of::<[T; COUNT]>() == 16) };
    // SAFETY: so many bytes are there.
    _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(from.as_ptr().cast()) })
}

#[target_feature(enable = "avx,f16c")]
#[inline]
fn singles(halves: [u16; TILE]) -> __m128 {
    let [first, second] = halves.map(u16::cast_signed);
    _mm_cvtph_ps(_mm_setr_epi16(first, second, 0, 0, 0, 0, 0, 0))
}

/// The lanes of each row meet, in llama.cpp's order: four apart, two apart, neighbours.
#[target_feature(enable = "avx2")]
#[inline]
fn meet(halves: Halves) -> __m128 {
    let four = _mm256_add_ps(halves[1], halves[0]);
    let two = _mm256_add_ps(four, _mm256_permute_ps::<0b11_10_11_10>(four));
    let one = _mm256_add_ps(two, _mm256_permute_ps::<0b01_01_01_01>(two));
    _mm256_castps256_ps128(_mm256_permutevar8x32_ps(one, _mm256_setr_epi32(0, 4, 0, 4, 0, 4, 0, 4)))
}

/// The numbers of a block of two rows, `OFFSET` more: columns 0..16 of each row, then columns 16..32.
#[target_feature(enable = "avx2")]
#[inline]
fn unpack<F: Format>(blocks: [&F; TILE]) -> [__m256i; 2] {
    let beside = |from: usize| {
        // SAFETY: the callers below stay within a block's numbers.
        let [first, second]: [__m128i; 2] =
            blocks.map(|block| unsafe { _mm_loadu_si128(block.numbers()[from..].as_ptr().cast()) });
        _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(first), second)
    };
    if F::IS_WHOLE {
        return [beside(0), beside(16)].map(|numbers| _mm256_add_epi8(numbers, _mm256_set1_epi8(-128)));
    }
    let (packed, low) = (beside(0), _mm256_set1_epi8(15));
    let nibbles = [_mm256_and_si256(packed, low), _mm256_and_si256(_mm256_srli_epi16::<4>(packed), low)];
    if F::IS_CHOSEN {
        return nibbles.map(|nibbles| _mm256_shuffle_epi8(sixteen(&IQ4_NL_RAISED), nibbles));
    }
    if F::HAS_FIFTHS {
        let fifths = fifths(blocks.map(F::fifths));
        return [_mm256_or_si256(nibbles[0], fifths[0]), _mm256_or_si256(nibbles[1], fifths[1])];
    }
    nibbles
}

/// The fifth bits in their places.
#[target_feature(enable = "avx2")]
#[inline]
fn fifths(bits: [u32; TILE]) -> [__m256i; 2] {
    let [first, second] = bits.map(|bits| i64::from(bits.cast_signed()));
    let bits = _mm256_setr_epi64x(first, first, second, second);
    // Each byte of a result sees the byte that its bit is in, then that bit alone.
    [0x0101_0101_0101_0101, 0x0303_0303_0303_0303].map(|last: i64| {
        let first = last - 0x0101_0101_0101_0101;
        let spread = _mm256_shuffle_epi8(bits, _mm256_setr_epi64x(first, last, first, last));
        let own = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64.cast_signed());
        _mm256_and_si256(_mm256_cmpeq_epi8(_mm256_and_si256(spread, own), own), _mm256_set1_epi8(16))
    })
}

/// As the plain code's.
///
/// # Safety
/// See [`Quantize`](super::super::kernel::Quantize); the processor has AVX2, FMA and F16C.
#[target_feature(enable = "avx2,fma,f16c")]
pub unsafe fn quantize_at<F: Format>(row: &[f32], place: *mut u8) -> bool {
    let mut marks = _mm256_setzero_si256();
    for (number, values) in row.as_chunks::<BLOCK>().0.iter().enumerate() {
        let quantized = quantize_block(values);
        marks = marked(marks, quantized.values);
        let corrections = _mm256_mullo_epi32(fours(quantized.values), _mm256_set1_epi32(-F::OFFSET));
        let mut block = LaneBlock::ZERO;
        block.scale = quantized.scale;
        if F::HAS_MINIMUM {
            block.sum = through_half(quantized.step * total(quantized.sums) as f32);
        }
        // SAFETY: 32 bytes each; room for the row's blocks is the caller's promise.
        unsafe {
            _mm256_storeu_si256(block.corrections.as_mut_ptr().cast(), corrections);
            _mm256_storeu_si256(block.values.as_mut_ptr().cast(), quantized.values);
            place.cast::<LaneBlock>().add(number).write(block);
        }
    }
    any(marks)
}
