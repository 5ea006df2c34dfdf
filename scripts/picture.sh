#!/usr/bin/env bash
# The pictures of the README and the recording beside them, from a real run of the program on the built-in pair:
# assets/screen.svg, tokens.svg, each for dark and light, and chat.cast (`asciinema play assets/chat.cast`).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/setup.sh
source scripts/setup.sh
cargo bench --locked --bench picture -- "$PWD/assets"
