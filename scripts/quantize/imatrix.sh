#!/usr/bin/env bash
# Collects an importance matrix with llama.cpp's own tool, on text of yours: chats, code, several languages. The model may be
# a quantized one (Q8_0 of the source does). Drafters have none: llama-imatrix does not run them.
#
#   scripts/quantize/imatrix.sh LLAMA_IMATRIX MODEL.gguf TEXT OUT.gguf [more options of llama-imatrix]
#
# Then: slipstream quantize SOURCE NEW.gguf --type IQ3_XXS --imatrix OUT.gguf
set -euo pipefail
tool=${1:?give the path of llama-imatrix}
model=${2:?give a GGUF of the model}
text=${3:?give a text file}
out=${4:?give the name of the new file}
# Special tokens in the text count as such, so that turns of a chat are turns.
"$tool" -m "$model" -f "$text" -o "$out" --parse-special "${@:5}"
# An imatrix that does not fit a model is refused: this shows it before hours are spent.
slipstream=${SLIPSTREAM:-$(dirname "${BASH_SOURCE[0]}")/../../target/release/slipstream}
"$slipstream" inspect "$out" | sed -n '1,12p'
