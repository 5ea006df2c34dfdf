#!/usr/bin/env bash
# From a downloaded target and its assistant to a pair that is ready to chat, with a card of what it is worth. Goes on where
# it was interrupted.
#
#   scripts/quantize/pair.sh TARGET DRAFTER OUT_DIR [TYPE [more options of `slipstream quantize`]]
#
# TARGET and DRAFTER are checkpoint folders or GGUF files of 16 or 32 bits. TYPE: Q4_K_M unless given; for a QAT checkpoint
# Q4_0, which stores it without loss.
set -euo pipefail
target=${1:?give the target}
drafter=${2:?give its assistant}
out=${3:?give a folder for the new files}
slipstream=${SLIPSTREAM:-$(dirname "${BASH_SOURCE[0]}")/../../target/release/slipstream}
"$slipstream" quantize --pair "$target" "$drafter" "$out" --type "${4:-Q4_K_M}" --resume "${@:5}"
