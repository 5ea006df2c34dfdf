"""How long quantizing a large checkpoint takes: slipstream in one pass against llama.cpp's converter and llama-quantize.

    CONVERTER=…/convert_hf_to_gguf.py LLAMA_QUANTIZE=…/llama-quantize scripts/quantize/speed.py CHECKPOINT FOLDER [OUT.md]
        [--types Q4_0,Q8_0,Q4_K_M,IQ4_XS] [--repeats 3] [--threads 2]

CHECKPOINT: scripts/quantize/synthetic_checkpoint.py makes one. FOLDER holds the outputs: room for the checkpoint again and twice
the largest type. Run it with a Python that has the converter's packages, on a machine that does nothing else. All runs alternate;
before each one what was written is brought to the disk. The first run of each side is not counted: it fills the page cache.

The bound: reading the checkpoint (`cat`), or quantizing its weights from memory (`cargo bench --bench quantize`), whichever takes
longer; both measured in each round. SLIPSTREAM: the program, if not target/release/slipstream.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SLIPSTREAM = os.environ.get("SLIPSTREAM", str(ROOT / "target/release/slipstream"))


def run(command):
    """Wall seconds, processor seconds, and the most memory in MB of a command that must succeed."""
    subprocess.run(["sync"], check=True)
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - start
    if status != 0:
        sys.exit(f"{command} ended with {status}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6


def rates(threads, types):
    """Weights a second of each type, from memory."""
    command = ["cargo", "bench", "--quiet", "--bench", "quantize", "--", str(threads), *sorted(types)]
    lines = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    return {line["type"]: line["weights_per_second"] for line in map(json.loads, lines.splitlines())}


def plan(checkpoint, out, file_type):
    """Weights of each type in the output."""
    command = [SLIPSTREAM, "quantize", checkpoint, out, "--type", file_type, "--dry-run", "--json"]
    tensors = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["tensors"]
    weights = {}
    for tensor in tensors:
        count = 1
        for extent in tensor["shape"]:
            count *= extent
        weights[tensor["given"]] = weights.get(tensor["given"], 0) + count
    return {name: count for name, count in weights.items() if name not in ("F32", "F16", "BF16")}


def spread(values, digits=1):
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("checkpoint"), parser.add_argument("folder", type=Path), parser.add_argument("out", nargs="?")
    parser.add_argument("--types", default="Q4_0,Q8_0,Q4_K_M,IQ4_XS")
    parser.add_argument("--repeats", type=int, default=3), parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    types, threads = options.types.split(","), str(options.threads)
    middle, theirs, ours = (str(options.folder / name) for name in ("middle.gguf", "theirs.gguf", "ours.gguf"))
    convert = [sys.executable, os.environ["CONVERTER"], options.checkpoint, "--outtype", "bf16", "--outfile", middle]
    shards = sorted(str(shard) for shard in Path(options.checkpoint).glob("*.safetensors"))
    plans = {file_type: plan(options.checkpoint, ours, file_type) for file_type in types}
    measured = {}

    def note(what, figures):
        measured.setdefault(what, []).append(figures)
        print(json.dumps({"what": what, "figures": figures}), file=sys.stderr, flush=True)

    for repeat in range(options.repeats + 1):
        counted = repeat > 0
        figures = run(convert)
        if counted:
            note("convert", figures)
        read = run(["cat", *shards])
        if counted:
            note("cat", read)
            alone = rates(options.threads, {name for weights in plans.values() for name in weights})
        for file_type in types if counted else types[:1]:
            quantized = run([os.environ["LLAMA_QUANTIZE"], middle, theirs, file_type, threads])
            single = run([SLIPSTREAM, "quantize", options.checkpoint, ours, "--type", file_type, "--threads", threads, "--force"])
            if counted:
                note(f"theirs {file_type}", quantized), note(f"ours {file_type}", single)
                seconds = sum(count / alone[name] for name, count in plans[file_type].items())
                note(f"bound {file_type}", max(seconds, read[0]))
            if repeat == options.repeats and subprocess.run(["cmp", theirs, ours]).returncode != 0:
                sys.exit(f"{file_type}: the files differ")
            os.remove(theirs), os.remove(ours)
        left = sorted(path.name for path in options.folder.iterdir())
        assert left == ["middle.gguf"], left
        between = os.path.getsize(middle) / 1e9
        os.remove(middle)

    rows = ["| type | converter + llama-quantize, s | slipstream, s | ratio | ratio to llama-quantize alone | ratio to the bound | peak memory, theirs | ours |",
            "|---|---:|---:|---:|---:|---:|---:|---:|"]
    for file_type in types:
        convert, quantize, single, bound = (measured[name] for name in ("convert", f"theirs {file_type}", f"ours {file_type}", f"bound {file_type}"))
        both = [one[0] + other[0] for one, other in zip(convert, quantize)]
        ratio = [one[0] / other for one, other in zip(single, both)]
        alone = [one[0] / other[0] for one, other in zip(single, quantize)]
        above = [one[0] / other for one, other in zip(single, bound)]
        memory = [max(figures[2] for figures in part) for part in (convert, quantize, single)]
        rows.append(f"| {file_type} | {spread([c[0] for c in convert])} + {spread([q[0] for q in quantize])} | {spread([o[0] for o in single])} "
                    f"| {spread(ratio, 2)} | {spread(alone, 2)} | {spread(above, 2)} | {memory[0]:.0f}, {memory[1]:.0f} MB | {memory[2]:.0f} MB |")
    table = "\n".join(rows) + f"\n\nA file between the two steps: theirs {between:.1f} GB, ours none. The files are equal, byte for byte.\n"
    print(table)
    if options.out:
        Path(options.out).write_text(table)


main()
