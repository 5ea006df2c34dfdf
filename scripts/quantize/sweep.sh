#!/usr/bin/env bash
# Several types of one pair, measured alike, in one table.
#
#   scripts/quantize/sweep.sh TARGET DRAFTER OUT_DIR TYPE...
#
# Each type's files and card lie in OUT_DIR/TYPE, the table in OUT_DIR/sweep.md. KEEP=0 removes the files once measured.
set -euo pipefail
target=${1:?give the target}
drafter=${2:?give its assistant}
out=${3:?give a folder}
here=$(dirname "${BASH_SOURCE[0]}")
mkdir -p "$out"
for type in "${@:4}"; do
  "$here/pair.sh" "$target" "$drafter" "$out/$type" "$type" --force > /dev/null
  if [ "${KEEP:-1}" = 0 ]; then rm -f "$out/$type"/*.gguf; fi
done
{
  echo '| type | GB | bits per weight | mean KLD | same top token | plain t/s | with drafter | accepted |'
  echo '|---|---:|---:|---:|---:|---:|---:|---:|'
  for type in "${@:4}"; do
    python3 - "$out/$type/card.json" << 'END'
import json, sys
card = json.load(open(sys.argv[1]))
target, measured = card["target"], card["measured"]
quality = measured["quality"] or {}
number = lambda value, form: "…" if value is None else format(value, form)
tested, accepted = (sum(measured[key]) for key in ("tested_by_position", "accepted_by_position"))
print("|", " | ".join([
    target["file_type"], number(target["bytes"] / 1e9, ".2f"), number(target["bits_per_weight"], ".2f"),
    number(quality.get("kld_mean"), ".4f"), number(quality.get("same_top"), ".1%"),
    number(measured["plain_per_second"], ".1f"), number(measured["predicted_per_second"], ".1f"),
    number(accepted / max(tested, 1), ".0%")]), "|")
END
  done
} | tee "$out/sweep.md"
