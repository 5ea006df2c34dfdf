#!/usr/bin/env bash
# Compares `slipstream quantize CHECKPOINT` with llama.cpp's own two programs: random small checkpoints of each architecture are
# made, every file type of each is made by both, with and without importance matrices, and whole files are compared. Then the
# hashes that the test suite knows are made anew. The table goes to OUT.md. Half an hour on one core.
#
#   CONVERTER=…/convert_hf_to_gguf.py LLAMA_QUANTIZE=…/llama-quantize scripts/quantize/reference.sh FOLDER [OUT.md]
#
# Both of the llama.cpp that slipstream is built with (scripts/bench-peer.sh builds one). PYTHON: one with transformers >= 5.24,
# torch, safetensors, tokenizers, gguf. SLIPSTREAM: the program, if not target/release/slipstream.
set -euo pipefail
folder=$(realpath -m "${1:?give a folder for the checkpoints}")
out=$(realpath -m "${2:-$folder/reference.md}")
converter=$(realpath "${CONVERTER:?give the path of convert_hf_to_gguf.py}")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export CONVERTER=$converter LLAMA_QUANTIZE=${LLAMA_QUANTIZE:?give the path of llama-quantize}
export SLIPSTREAM=${SLIPSTREAM:-$PWD/target/release/slipstream} SLIPSTREAM_THREADS=${SLIPSTREAM_THREADS:-1}
python=${PYTHON:-python3}

"$python" scripts/quantize/mini_checkpoints.py "$(dirname "$converter")" "$folder"
"$python" scripts/quantize/reference.py "$folder" "$out"

# The test writes its checkpoints there, whatever it finds.
hashes=tests/data/quantize/converted.txt
scripts/test.sh checkpoint::converted || true
{
  echo '# SHA-256 of what convert_hf_to_gguf.py makes of the checkpoints of tests/it/checkpoint: scripts/quantize/reference.sh'
  for checkpoint in target/tmp/checkpoints/*/; do
    for type in bf16 f16 f32; do
      "$python" "$converter" "$checkpoint" --outtype $type --outfile "$folder/file.gguf" > /dev/null 2>&1
      echo "$(basename "$checkpoint") $type $(sha256sum < "$folder/file.gguf" | cut -d' ' -f1)"
    done
  done
} > $hashes
rm "$folder/file.gguf"
git diff --stat $hashes
