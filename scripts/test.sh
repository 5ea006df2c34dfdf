#!/usr/bin/env bash
# Installs what the build needs and runs all tests. Arguments go to the test runner: scripts/test.sh lossless
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/setup.sh
source scripts/setup.sh
# One profile for everything: llama.cpp is compiled once.
cargo test --release --locked --workspace -- "$@"
