#!/usr/bin/env bash
# Compares the type choice with llama-quantize's at full scale: writes what it says into tests/data/quantize/types.txt,
# then runs the test that plans for the same shapes. `git diff tests/data/quantize` shows what a new llama.cpp changes.
#
#   scripts/quantize/types.sh LLAMA_QUANTIZE      (PYTHON: one with the packages gguf and numpy)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
quantize=${1:?give the path of llama-quantize}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" scripts/quantize/reference_types.py \
  "$quantize" tests/data/quantize/shapes.txt tests/data/quantize/types.txt "$folder"
scripts/test.sh quantize_types
