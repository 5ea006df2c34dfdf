//! Plain rows with AVX-512 VNNI: four rows of weights at a time, half a block of each in a register, so that one product of
//! scales serves both halves.

use std::arch::x86_64::{
    __m128, __m256i, __m512, __m512i, _MM_HINT_T0, _mm_add_ps, _mm_cvtph_ps, _mm_fmadd_ps, _mm_loadu_si128,
    _mm_mask_storeu_ps, _mm_prefetch, _mm_set1_ps, _mm_setr_epi16, _mm_setzero_ps, _mm256_castsi128_si256,
    _mm256_castsi256_si128, _mm256_loadu_si256, _mm512_add_epi8, _mm512_add_ps, _mm512_and_si512,
    _mm512_broadcast_i32x4, _mm512_castps128_ps512, _mm512_castps512_ps128, _mm512_castsi128_si512,
    _mm512_castsi256_si512, _mm512_cvtepi32_ps, _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_inserti32x4,
    _mm512_inserti64x4, _mm512_maskz_set1_epi8, _mm512_mul_ps, _mm512_or_si512, _mm512_permute_ps,
    _mm512_permutexvar_ps, _mm512_set1_epi8, _mm512_set1_ps, _mm512_setr_epi32, _mm512_setzero_ps,
    _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_shuffle_i64x2, _mm512_srli_epi16,
};
use std::marker::PhantomData;

use super::super::kernel::{Batch, Rows, WIDEST};
use super::formats::IQ4_NL_RAISED;
use super::{Format, LaneBlock, last_block};

/// Rows of weights at a time.
pub const TILE: usize = 4;

/// Bytes that the prefetch runs ahead, in each of the four rows.
const AHEAD: usize = 1024;

/// With AVX-512 F, BW, VL and VNNI, FMA and F16C.
pub struct Avx512Vnni<F>(PhantomData<F>);

/// Columns 0..16 and 16..32 of each row.
type Halves = [__m512; 2];

impl<F: Format> Rows for Avx512Vnni<F> {
    /// # Safety
    /// See [`Rows::rows`]; the processor has the instructions.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
    unsafe fn rows<const ROWS: usize>(weights: *const u8, blocks: usize, groups: usize, batch: &Batch) {
        let activations = batch.activations.map(<*const u8>::cast::<LaneBlock>);
        for group in (0..groups).step_by(TILE) {
            let alone = (groups - group).min(TILE);
            // Places of rows that do not exist are taken by the last one; their results are not stored.
            let rows: [*const F; TILE] = std::array::from_fn(|row| {
                weights.cast::<F>().wrapping_add((group + row.min(alone - 1)) * blocks)
            });
            let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
            let mut odd_sums = [[_mm512_setzero_ps(); 2]; ROWS];
            let mut minima = [_mm_setzero_ps(); ROWS];
            for index in (0..blocks - 1).step_by(2) {
                ask_ahead(&rows, index, blocks);
                // SAFETY: so many blocks have the rows of weights and of activations, by the caller's promise.
                unsafe {
                    step::<F, ROWS>(&rows, &activations, index, &mut sums, &mut minima);
                    let odd = if F::IS_CHOSEN { &mut odd_sums } else { &mut sums };
                    step::<F, ROWS>(&rows, &activations, index + 1, odd, &mut minima);
                }
            }
            if blocks % 2 == 1 && !F::IS_CHOSEN {
                // SAFETY: as above.
                unsafe { step::<F, ROWS>(&rows, &activations, blocks - 1, &mut sums, &mut minima) };
            }
            for row in 0..ROWS {
                let mut halves = sums[row];
                if F::IS_CHOSEN {
                    halves = [0, 1].map(|half| _mm512_add_ps(halves[half], odd_sums[row][half]));
                }
                let mut results = meet(halves);
                if F::HAS_MINIMUM {
                    results = _mm_add_ps(results, minima[row]);
                }
                // SAFETY: room for the rows of all groups is the caller's promise; the mask keeps to it.
                unsafe {
                    let at = batch.outputs[row].add(group);
                    _mm_mask_storeu_ps(at, (1 << alone) - 1, results);
                    if blocks % 2 == 1 && F::IS_CHOSEN {
                        for (number, weights) in rows.iter().take(alone).enumerate() {
                            let last = &*weights.add(blocks - 1);
                            let activation = &*activations[row].add(blocks - 1);
                            at.add(number).write(last_block(last, activation, at.add(number).read()));
                        }
                    }
                }
            }
        }
    }
}

/// One block of four rows of weights with all rows of activations.
///
/// # Safety
/// The block is there in all of them.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
#[inline]
unsafe fn step<F: Format, const ROWS: usize>(
    rows: &[*const F; TILE],
    activations: &[*const LaneBlock; WIDEST],
    index: usize,
    sums: &mut [Halves; ROWS],
    minima: &mut [__m128; ROWS],
) {
    // SAFETY: the caller's promise.
    let blocks = rows.map(|row| unsafe { &*row.add(index) });
    let parts = unpack(blocks);
    let scales = singles(blocks.map(F::scale));
    let scales = _mm512_permutexvar_ps(
        _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3),
        _mm512_castps128_ps512(scales),
    );
    let minimum = singles(blocks.map(F::minimum));
    for row in 0..ROWS {
        // SAFETY: the caller's promise.
        let activation = unsafe { &*activations[row].add(index) };
        let scale = _mm512_mul_ps(scales, _mm512_set1_ps(activation.scale));
        for half in 0..2 {
            let start =
                if F::OFFSET == 0 { _mm512_setzero_si512() } else { sixteen(&activation.corrections[half]) };
            let values = sixteen(&activation.values[half]);
            let whole = _mm512_dpbusd_epi32(start, parts[half], values);
            sums[row][half] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(whole), scale, sums[row][half]);
        }
        if F::HAS_MINIMUM {
            minima[row] = _mm_fmadd_ps(minimum, _mm_set1_ps(activation.sum), minima[row]);
        }
    }
}

/// Asks for what comes some blocks later, at the end of the rows for the next four.
#[target_feature(enable = "avx512f")]
#[inline]
fn ask_ahead<F>(rows: &[*const F; TILE], index: usize, blocks: usize) {
    let ahead = index + AHEAD / size_of::<F>();
    let at = if ahead < blocks { ahead } else { ahead + (TILE - 1) * blocks };
    for row in rows {
        _mm_prefetch::<_MM_HINT_T0>(row.wrapping_add(at).cast());
    }
}

/// 16 bytes four times.
#[target_feature(enable = "avx512f")]
#[inline]
fn sixteen<T, const COUNT: usize>(from: &[T; COUNT]) -> __m512i {
    const { assert!(size_of::<[T; COUNT]>() == 16) };
    // SAFETY: so many bytes are there.
    _mm512_broadcast_i32x4(unsafe { _mm_loadu_si128(from.as_ptr().cast()) })
}

#[target_feature(enable = "avx,f16c")]
#[inline]
fn singles(halves: [u16; TILE]) -> __m128 {
    let [first, second, third, fourth] = halves.map(u16::cast_signed);
    _mm_cvtph_ps(_mm_setr_epi16(first, second, third, fourth, 0, 0, 0, 0))
}

/// The lanes of each row meet, in llama.cpp's order: four apart, two apart, neighbours.
#[target_feature(enable = "avx512f")]
#[inline]
fn meet(halves: Halves) -> __m128 {
    let four = _mm512_add_ps(halves[1], halves[0]);
    let two = _mm512_add_ps(four, _mm512_permute_ps::<0b11_10_11_10>(four));
    let one = _mm512_add_ps(two, _mm512_permute_ps::<0b01_01_01_01>(two));
    let firsts = _mm512_setr_epi32(0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12);
    _mm512_castps512_ps128(_mm512_permutexvar_ps(firsts, one))
}

/// The numbers of a block of four rows, `OFFSET` more: columns 0..16 of each row, then columns 16..32.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn unpack<F: Format>(blocks: [&F; TILE]) -> [__m512i; 2] {
    if F::IS_WHOLE {
        return split(blocks.map(|block| load(block)))
            .map(|numbers| _mm512_add_epi8(numbers, _mm512_set1_epi8(-128)));
    }
    let (packed, low) = (beside(blocks.map(|block| load(block))), _mm512_set1_epi8(15));
    let nibbles = [_mm512_and_si512(packed, low), _mm512_and_si512(_mm512_srli_epi16::<4>(packed), low)];
    if F::IS_CHOSEN {
        return nibbles.map(|nibbles| _mm512_shuffle_epi8(sixteen(&IQ4_NL_RAISED), nibbles));
    }
    if F::HAS_FIFTHS {
        let fifths = fifths(blocks.map(F::fifths));
        return [_mm512_or_si512(nibbles[0], fifths[0]), _mm512_or_si512(nibbles[1], fifths[1])];
    }
    nibbles
}

/// The numbers of a block as they lie there.
#[target_feature(enable = "avx2")]
#[inline]
fn load<F: Format>(block: &F) -> __m256i {
    let numbers = block.numbers();
    // SAFETY: a block has 16 bytes of numbers, 32 where they are whole.
    unsafe {
        if F::IS_WHOLE {
            _mm256_loadu_si256(numbers.as_ptr().cast())
        } else {
            _mm256_castsi128_si256(_mm_loadu_si128(numbers.as_ptr().cast()))
        }
    }
}

/// The first 16 bytes of each row, side by side.
#[target_feature(enable = "avx512f")]
#[inline]
fn beside(rows: [__m256i; TILE]) -> __m512i {
    let [first, second, third, fourth] = rows.map(|row| _mm256_castsi256_si128(row));
    let low = _mm512_inserti32x4::<1>(_mm512_castsi128_si512(first), second);
    _mm512_inserti32x4::<3>(_mm512_inserti32x4::<2>(low, third), fourth)
}

/// The first 16 bytes of each row side by side, and the others.
#[target_feature(enable = "avx512f")]
#[inline]
fn split(rows: [__m256i; TILE]) -> [__m512i; 2] {
    halves(
        _mm512_inserti64x4::<1>(_mm512_castsi256_si512(rows[0]), rows[1]),
        _mm512_inserti64x4::<1>(_mm512_castsi256_si512(rows[2]), rows[3]),
    )
}

/// The same of two registers that hold two rows each.
#[target_feature(enable = "avx512f")]
#[inline]
fn halves(upper: __m512i, lower: __m512i) -> [__m512i; 2] {
    [_mm512_shuffle_i64x2::<0b10_00_10_00>(upper, lower), _mm512_shuffle_i64x2::<0b11_01_11_01>(upper, lower)]
}

/// The fifth bits in their places.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn fifths(bits: [u32; TILE]) -> [__m512i; 2] {
    let [first, second, third, fourth] = bits.map(u64::from);
    halves(_mm512_maskz_set1_epi8(first | second << 32, 16), _mm512_maskz_set1_epi8(third | fourth << 32, 16))
}
