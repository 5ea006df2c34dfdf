#!/usr/bin/env bash
# Moves the pinned llama.cpp: scripts/upgrade-llama.sh SYS_VERSION LLAMA_CPP_2_VERSION
# (versions of the crates llama-cpp-sys-2, which carries the source, and llama-cpp-2). It rewrites the pins, rebuilds,
# runs the tests, and prints which symbols that our shim and bindings use have come, gone or changed. Nothing is
# committed; where a step fails, `git checkout Cargo.toml Cargo.lock vendor` goes back.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/setup.sh
source scripts/setup.sh

if [ $# -ne 2 ]; then
    echo "usage: scripts/upgrade-llama.sh SYS_VERSION LLAMA_CPP_2_VERSION   (e.g. 0.1.161 0.1.160)" >&2
    exit 2
fi
sys="$1" safe="$2"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

# Declarations of the headers that the shim wraps, one a line, comments and white space taken out.
declarations() {
    local source
    source="$(cargo metadata --format-version 1 --locked 2>/dev/null | python3 -c '
import json, sys, os
packages = json.load(sys.stdin)["packages"]
print(os.path.dirname(next(p["manifest_path"] for p in packages if p["name"] == "llama-cpp-sys-2")))')/llama.cpp"
    for header in include/llama.h src/llama-ext.h common/chat.h ggml/include/ggml-backend.h ggml/include/gguf.h; do
        python3 - "$source/$header" "$header" <<'PY'
import re, sys
text = open(sys.argv[1]).read()
text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
text = re.sub(r"//[^\n]*|^\s*#[^\n]*", " ", text, flags=re.M)
for statement in re.split(r"[;{}]", text):
    statement = " ".join(statement.split())
    if "(" in statement:
        print(f"{sys.argv[2]}: {statement}")
PY
    done | sort -u
}

declarations > "$work/before"
say "moving the pins to llama-cpp-sys-2 =$sys, llama-cpp-2 =$safe"
sed -i.bak -E "s/^(llama-cpp-sys-2 = \{ version = \")=[^\"]*/\1=$sys/; s/^(llama-cpp-2 = \{ version = \")=[^\"]*/\1=$safe/" \
    Cargo.toml vendor/ggml-sys/Cargo.toml
sed -i.bak -E "s/(llama-cpp-sys-2 \`)=[0-9.]+/\1=$sys/" vendor/ggml-sys/README.md
rm -f Cargo.toml.bak vendor/ggml-sys/Cargo.toml.bak vendor/ggml-sys/README.md.bak
cargo update -p llama-cpp-sys-2 --precise "$sys"
cargo update -p llama-cpp-2 --precise "$safe"
declarations > "$work/after"

say "declarations that went (-) and came (+)"
diff -U0 "$work/before" "$work/after" | grep -E '^[-+][^-+]' || echo "none"
say "building and testing"
scripts/test.sh
say "done: read the differences above, then update the build number in vendor/ggml-sys/README.md"
