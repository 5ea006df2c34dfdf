//! Telling model files apart without reading all of them: fifteen gigabytes would take longer than loading them.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// Places of a file that are read, evenly spaced, the first and the last bytes among them.
const SAMPLES: u64 = 64;
/// Bytes read at each.
const SAMPLE_BYTES: u64 = 16 << 10;

/// SHA-256 over the length of a file and 64 samples of 16 KiB, as hexadecimal digits: the whole of a small file, 1 MiB of
/// a large one. Other weights, or another quantization of the same, differ nearly everywhere; a deliberate forgery is not
/// what this is for.
///
/// # Errors
/// The system's.
pub fn fingerprint(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut hash = Sha256::new();
    hash.update(length.to_le_bytes());
    let mut sample = Vec::new();
    let whole = length <= SAMPLES * SAMPLE_BYTES;
    for index in 0..if whole { 1 } else { SAMPLES } {
        let span = length.saturating_sub(SAMPLE_BYTES);
        // Below 2^64 for every file that exists: spans are split before they are multiplied.
        let from = span / (SAMPLES - 1) * index + span % (SAMPLES - 1) * index / (SAMPLES - 1);
        file.seek(SeekFrom::Start(from))?;
        sample.clear();
        let count = if whole { length } else { SAMPLE_BYTES };
        (&mut file).take(count).read_to_end(&mut sample)?;
        hash.update(&sample);
    }
    Ok(hex::encode(hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_apart_by_length_beginning_and_end() {
        let folder = tempfile::tempdir().unwrap();
        let print = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            fingerprint(&path).unwrap()
        };
        let small = print("small", b"abc");
        assert_eq!(small.len(), 64);
        assert_eq!(small, print("copy", b"abc"));
        assert_ne!(small, print("other", b"abd"));
        assert_ne!(print("empty", b""), small);
        let mut large = vec![7_u8; 3 << 20];
        let before = print("large", &large);
        *large.last_mut().unwrap() = 8;
        assert_ne!(print("large", &large), before);
        large.push(8);
        assert_ne!(print("large", &large), before);
        assert!(fingerprint(&folder.path().join("none")).is_err());
    }
}
