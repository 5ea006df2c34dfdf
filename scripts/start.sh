#!/usr/bin/env bash
# From a bare machine to a chat: installs what the build needs, builds, and opens the chat on the built-in pair.
# Arguments go to slipstream instead, e.g.: scripts/start.sh run pocket -p 'What is a lantern?'
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/setup.sh
source scripts/setup.sh
[ -x target/release/slipstream ] || say "building; the first time takes about ten minutes, most of it llama.cpp"
cargo build --release --locked
if [ $# -gt 0 ]; then
    exec target/release/slipstream "$@"
fi
exec target/release/slipstream chat pocket
