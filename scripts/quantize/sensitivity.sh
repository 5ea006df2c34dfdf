#!/usr/bin/env bash
# How strongly each class of tensors answers to coarse types: the table in src/quantize/sensitivity.rs. The built-in model
# writes some text; then one class at a time goes to TYPE, all else staying Q8_0, and the mean KL divergence to all Q8_0
# over that text is measured with llama.cpp's own programs. Two minutes on one core.
#
#   scripts/quantize/sensitivity.sh LLAMA_BIN_FOLDER [TYPE]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
bin=${1:?give the folder of llama-completion, llama-quantize and llama-perplexity}
type=${2:-q4_0}
model=assets/pocket/pocket-target-Q8_0.gguf
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for word in lantern bank river stone engine music planet soldier doctor winter garden bridge mirror horse letter window \
  market silver temple captain forest candle bottle basket hammer pencil ladder kitchen feather; do
  printf '<|turn>user\nDefine %s.<turn|>\n<|turn>model\n' "$word" | tee -a "$work/text" > "$work/prompt"
  "$bin/llama-completion" -m $model -f "$work/prompt" -n 180 --ignore-eos -no-cnv -t 1 -s 7 --temp 1.0 \
    --no-display-prompt 2> /dev/null >> "$work/text"
  printf '<turn|>\n' >> "$work/text"
done

perplexity() { "$bin/llama-perplexity" -f "$work/text" -c 512 -t 1 --kl-divergence-base "$work/base" "$@" 2> /dev/null; }
perplexity -m $model > /dev/null

for class in weight token_embd attn_q attn_k attn_v attn_output 'ffn_(gate|up)\.' 'ffn_down\.' ffn_gate_up_exps ffn_down_exps \
  'blk\.[01]\.' 'blk\.[56]\.' 'blk\.1[01]\.'; do
  "$bin/llama-quantize" --allow-requantize --tensor-type "$class=$type" $model "$work/model.gguf" Q8_0 1 > /dev/null 2>&1
  printf '%-18s %s\n' "$class" "$(perplexity -m "$work/model.gguf" --kl-divergence | grep 'Mean    KLD')"
done
