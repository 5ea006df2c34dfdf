//! Names the built-in models by their content, so that the program need not hash 13 MB at every start.

use sha2::{Digest, Sha256};

fn main() {
    for (variable, file) in [
        ("SLIPSTREAM_POCKET_TARGET_HASH", "assets/pocket/pocket-target-Q8_0.gguf"),
        ("SLIPSTREAM_POCKET_DRAFTER_HASH", "assets/pocket/pocket-drafter-Q4_0.gguf"),
    ] {
        println!("cargo:rerun-if-changed={file}");
        let content = std::fs::read(file).unwrap_or_else(|error| panic!("read {file}: {error}"));
        let hash: String =
            Sha256::digest(&content).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        println!("cargo:rustc-env={variable}={hash}");
    }
    println!("cargo:rerun-if-changed=build.rs");
}
