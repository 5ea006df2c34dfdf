//! The lattice search beside ggml's own Q4_0: the same bytes where ggml finds the lattice, better ones where it does not.

use slipstream::gguf::GgmlType;
use slipstream::quantize::{Ggml, Quantizer, lattice};

/// Blocks of BF16(code × scale) whose largest magnitude is at the code `extreme`.
fn blocks(extreme: i32) -> Vec<f32> {
    let mut values = Vec::new();
    for block in 0..256 {
        let scale = (129 + block % 127) as f32 * 2.0_f32.powi(-14 - block % 3);
        for place in 0..32 {
            let within = extreme.abs() - 1;
            let code = if place == block % 32 {
                extreme
            } else {
                (block * 7 + place * 11) % (2 * within + 1) - within
            };
            let bits = (code as f32 * scale).to_bits();
            values.push(f32::from_bits((bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff_0000));
        }
    }
    values
}

fn both(values: &[f32]) -> (Vec<u8>, Vec<u8>, lattice::Exactness) {
    let bytes = values.len() / lattice::BLOCK * lattice::BLOCK_BYTES;
    let (mut ours, mut theirs) = (vec![0; bytes], vec![0; bytes]);
    let exactness = lattice::quantize(values, &mut ours);
    Ggml.quantize(GgmlType::Q4_0, values, values.len(), None, &mut theirs).expect("ggml quantizes them");
    (ours, theirs, exactness)
}

/// The weights that bytes of Q4_0 stand for.
fn values_of(bytes: &[u8]) -> Vec<f32> {
    let half = |bytes: &[u8]| {
        let bits = u32::from(u16::from_le_bytes([bytes[0], bytes[1]]));
        let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
        // The scales here are normal numbers.
        sign * f32::from_bits(((bits & 0x7fff) + (112 << 10)) << 13)
    };
    let block = |block: &[u8]| -> Vec<f32> {
        let codes = block[2..].iter().map(|byte| byte & 15).chain(block[2..].iter().map(|byte| byte >> 4));
        codes.map(|code| (f32::from(code) - 8.0) * half(block)).collect()
    };
    bytes.chunks_exact(lattice::BLOCK_BYTES).flat_map(block).collect()
}

#[test]
fn where_ggml_finds_the_lattice_the_bytes_are_its_own() {
    let (ours, theirs, exactness) = both(&blocks(-8));
    assert_eq!(exactness.exact, exactness.weights);
    // Codes and sign agree. The scale may be a neighbour: ggml's comes from one weight, rounded to BF16, ours fits all.
    let mut near = 0;
    for (ours, theirs) in ours.chunks_exact(18).zip(theirs.chunks_exact(18)) {
        assert_eq!(ours[2..], theirs[2..]);
        let scale = |block: &[u8]| u16::from_le_bytes([block[0], block[1]]);
        near += u32::from(scale(ours).abs_diff(scale(theirs)) <= 4);
    }
    assert_eq!(near, 256);
}

#[test]
fn where_ggml_misses_the_lattice_ours_is_exact() {
    // At 4 the half of the scale fits, and ggml finds that.
    for extreme in [7, -7, 6, -6, 5, -5] {
        let values = blocks(extreme);
        let (_, theirs, exactness) = both(&values);
        assert_eq!(exactness.exact, exactness.weights, "extreme {extreme}");
        let back = values_of(&theirs);
        let is_missed = |(back, value): &(&f32, &f32)| (*back - *value).abs() > value.abs() * 0.01;
        let missed = back.iter().zip(&values).filter(is_missed).count();
        assert!(missed > values.len() / 4, "extreme {extreme}: ggml's own misses {missed}");
    }
}
