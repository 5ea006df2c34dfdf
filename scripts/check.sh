#!/usr/bin/env bash
# Everything that must be green before a change lands: formatting, lints, documentation, tests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/setup.sh
source scripts/setup.sh
say "formatting"
cargo fmt --all --check
say "lints"
cargo clippy --release --locked --workspace --all-targets -- -D warnings
say "documentation"
RUSTDOCFLAGS="-D warnings -C target-cpu=native" cargo doc --release --locked --workspace --no-deps --quiet
say "fuzz targets"
# Compiled, not linked: so libFuzzer itself is not needed, and any compiler does.
CUSTOM_LIBFUZZER_PATH=./libfuzzer.a CARGO_TARGET_DIR=target/fuzz \
  cargo check --locked --quiet --manifest-path fuzz/Cargo.toml
say "kernels alone: sanitizer and mutations"
scripts/check-kernels.sh
say "tests"
scripts/test.sh
