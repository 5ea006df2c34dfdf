//! Damaged importance matrices, by the thousand: an error or an imatrix, never a panic. (fuzz/ has the same for
//! libFuzzer.)

use proptest::prelude::*;
use slipstream::gguf::GgmlType;
use slipstream::quantize::Imatrix;

use crate::gguf_builder::Builder;

/// A good file of the newer format.
fn newer() -> Vec<u8> {
    Builder::new()
        .text("general.type", "imatrix")
        .texts("imatrix.datasets", &["chat.txt".to_owned()])
        .number("imatrix.chunk_count", 7)
        .number("imatrix.chunk_size", 512)
        .tensor("blk.0.attn_q.weight.in_sum2", &[8], GgmlType::F32)
        .tensor("blk.0.attn_q.weight.counts", &[1], GgmlType::F32)
        .tensor("blk.0.ffn_down_exps.weight.in_sum2", &[8, 4], GgmlType::F32)
        .tensor("blk.0.ffn_down_exps.weight.counts", &[1, 4], GgmlType::F32)
        .build()
}

/// A good file of the older format.
fn older() -> Vec<u8> {
    let mut bytes = 2_i32.to_le_bytes().to_vec();
    for name in ["blk.0.attn_q.weight", "blk.0.attn_k.weight"] {
        bytes.extend((name.len() as i32).to_le_bytes());
        bytes.extend(name.as_bytes());
        bytes.extend(3_i32.to_le_bytes());
        bytes.extend(8_i32.to_le_bytes());
        bytes.extend([0_u8; 32]);
    }
    bytes.extend(5_i32.to_le_bytes());
    bytes.extend(4_i32.to_le_bytes());
    bytes.extend(b"wiki");
    bytes
}

fn check(bytes: &[u8]) {
    match Imatrix::from_bytes(bytes, "x") {
        Ok(imatrix) => {
            let values: usize = imatrix.entries().map(|(_, entry)| entry.values.len()).sum();
            assert!(values * 4 <= bytes.len());
            assert!(imatrix.entries().all(|(_, entry)| entry.values.iter().all(|value| *value >= 0.0)));
        }
        Err(error) => assert!(!format!("{error} {}", error.help()).contains(char::is_control)),
    }
}

#[test]
fn the_undamaged_files_are_read() {
    assert_eq!(Imatrix::from_bytes(&newer(), "x").expect("an imatrix").entries().len(), 2);
    assert_eq!(Imatrix::from_bytes(&older(), "x").expect("an imatrix").chunks, 5);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn damaged_files_end_in_an_error_or_an_imatrix(
        is_older in any::<bool>(),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
        cut in proptest::option::of(any::<proptest::sample::Index>()),
    ) {
        let mut bytes = if is_older { older() } else { newer() };
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        check(&bytes);
    }

    #[test]
    fn any_bytes_end_in_an_error_or_an_imatrix(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        check(&bytes);
    }
}
