"""Compares slipstream's files with those of llama.cpp's two programs, whole file by whole file.

    scripts/quantize/reference.py FOLDER [OUT.md [CHECKPOINT...]]

For each checkpoint in FOLDER: convert_hf_to_gguf.py makes a GGUF of 16 bits, llama-quantize makes every file type of it, with
an importance matrix (in both of its formats) and without; `slipstream quantize` makes the same of the checkpoint itself. Paths
come from the environment: CONVERTER (convert_hf_to_gguf.py), LLAMA_QUANTIZE, SLIPSTREAM. Needs numpy, and what the converter
needs.

Checkpoints named after one of ARCHITECTURES go through all types; the others, which differ in their small files, through a
few. Ends with 1 where a file differs, and says in which entries and tensors.
"""

import collections
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import numpy

CONVERTER, QUANTIZE, SLIPSTREAM = (os.path.realpath(os.environ[key]) for key in ("CONVERTER", "LLAMA_QUANTIZE", "SLIPSTREAM"))
# The reader that knows this llama.cpp's types.
sys.path.insert(0, str(Path(CONVERTER).parent / "gguf-py"))
import gguf  # noqa: E402
ARCHITECTURES = ["mixture", "edge", "dense", "dense_f32", "dense_f16", "unified", "assistant", "unified_assistant"]
FEW = ["Q8_0", "Q4_K_M", "IQ4_XS"]
# What the converter makes alone: no second program.
CONVERTED = ["BF16", "F16", "F32"]
# Options of both programs: llama-quantize's words, and ours.
OPTIONS = [
    ("Q4_K_M", ["--pure"], ["--pure"]),
    ("Q4_0", ["--token-embedding-type", "q4_0"], ["--embedding-type", "q4_0"]),
    ("Q5_K_M", ["--output-tensor-type", "q6_k"], ["--output-type", "q6_k"]),
    ("IQ4_NL", ["--tensor-type", "attn_[qk]=q8_0", "--tensor-type", "ffn_down=q5_1"],
     ["--tensor-type", "attn_[qk]=q8_0", "--tensor-type", "ffn_down=q5_1"]),
]


def run(command):
    """Whether it succeeded, and what it said."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, errors="replace", check=False)
    return done.returncode == 0, done.stdout + done.stderr


def file_types():
    usage = run([QUANTIZE, "--help"])[1]
    names = re.findall(r"^ +\d+  or  (\S+) *:", usage, re.M)
    return [name for name in names if name not in ("Q3_K", "Q4_K", "Q5_K", *CONVERTED)]


def write_imatrix(source, folder):
    """The same numbers in both formats, one expert never reached; the older format lacks a matrix."""
    numbers = numpy.random.default_rng(5)
    entries = []
    for tensor in gguf.GGUFReader(source).tensors:
        shape = [int(size) for size in tensor.shape]
        if tensor.tensor_type == gguf.GGMLQuantizationType.F32 or "token_embd" in tensor.name:
            continue
        experts = shape[2] if len(shape) > 2 else 1
        counts = numpy.full((experts, 1), 16, numpy.float32)
        if experts > 2:
            counts[2] = 0
        sums = numbers.gamma(0.7, 2.0, (experts, shape[0])).astype(numpy.float32) * counts
        entries.append((tensor.name, sums, counts))
    writer = gguf.GGUFWriter(folder / "imatrix.gguf", arch="")
    writer.add_type("imatrix")
    writer.add_array("imatrix.datasets", ["random.txt"])
    writer.add_uint32("imatrix.chunk_count", 3)
    writer.add_uint32("imatrix.chunk_size", 512)
    for name, sums, counts in entries:
        writer.add_tensor(f"{name}.in_sum2", sums)
        writer.add_tensor(f"{name}.counts", counts)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    entries = [entry for entry in entries if not entry[0].startswith("blk.2.ffn_up.")]
    with open(folder / "imatrix.dat", "wb") as file:
        file.write(struct.pack("<i", len(entries)))
        for name, sums, _ in entries:
            word = name.encode()
            file.write(struct.pack("<i", len(word)) + word + struct.pack("<ii", 16, sums.size) + sums.tobytes())
        file.write(struct.pack("<i", 3) + struct.pack("<i", 10) + b"random.txt")


def difference(ours, theirs):
    """None, or in which entries and tensors two files differ."""
    if ours.read_bytes() == theirs.read_bytes():
        return None
    found = []
    ours, theirs = gguf.GGUFReader(ours), gguf.GGUFReader(theirs)
    keys = [list(reader.fields) for reader in (ours, theirs)]
    if keys[0] != keys[1]:
        found.append(f"keys: only ours {sorted(set(keys[0]) - set(keys[1]))}, only theirs {sorted(set(keys[1]) - set(keys[0]))}, or their order")
    for key in set(keys[0]) & set(keys[1]):
        values = [reader.fields[key].contents() for reader in (ours, theirs)]
        if values[0] != values[1]:
            found.append(f"{key}: {str(values[0])[:60]} and {str(values[1])[:60]}")
    tensors = [{tensor.name: tensor for tensor in reader.tensors} for reader in (ours, theirs)]
    if list(tensors[0]) != list(tensors[1]):
        found.append("the tensors or their order")
    for name in set(tensors[0]) & set(tensors[1]):
        mine, other = tensors[0][name], tensors[1][name]
        if mine.tensor_type != other.tensor_type:
            found.append(f"{name}: {mine.tensor_type.name} and {other.tensor_type.name}")
        elif mine.data.tobytes() != other.data.tobytes():
            found.append(f"the weights of {name}")
    return found or ["something that no reader sees"]


class Table:
    """Results by checkpoint."""

    def __init__(self):
        self.equal, self.refused, self.tensors = collections.Counter(), collections.Counter(), collections.Counter()
        self.bytes, self.wrong = collections.Counter(), []

    def add(self, name, what, theirs, ours, reference, file):
        """`theirs` and `ours`: whether a file was made, and what was said."""
        if theirs[0] != ours[0]:
            self.wrong.append(f"{name} {what}: theirs {theirs[0]}, ours {ours[0]}: {(ours if theirs[0] else theirs)[1][-300:]}")
        elif not ours[0]:
            self.refused[name] += 1
        else:
            found = difference(file, reference)
            if found is None:
                self.equal[name] += 1
                self.bytes[name] += file.stat().st_size
                self.tensors[name] += struct.unpack("<Q", file.read_bytes()[8:16])[0]
            else:
                self.wrong.append(f"{name} {what}: {'; '.join(found[:5])}")
        for path in (file, reference):
            path.unlink(missing_ok=True)
        if self.wrong and self.wrong[-1].startswith(f"{name} {what}:"):
            print(self.wrong[-1], flush=True)

    def text(self, types):
        names = [name for name in self.equal | self.refused]
        lines = ["| checkpoint | equal files | refused by both | tensors in them | MB |", "|---|---:|---:|---:|---:|"]
        for name in names:
            lines.append(f"| {name} | {self.equal[name]} | {self.refused[name]} | {self.tensors[name]:,} | {self.bytes[name] / 1e6:,.0f} |")
        lines.append(f"| all | {self.equal.total()} | {self.refused.total()} | {self.tensors.total():,} | {self.bytes.total() / 1e6:,.0f} |")
        return "\n".join([f"{len(types) + len(CONVERTED)} file types; different files: {len(self.wrong)}.", "", *lines, "", *self.wrong]).rstrip() + "\n"


def compare(table, checkpoint, types, folder):
    name = checkpoint.name
    # Weights of half precision stay what they are; all others become BF16 first.
    outtype = "f16" if name.endswith("f16") else "bf16"
    source, file, reference = (folder / each for each in ("source.gguf", "ours.gguf", "reference.gguf"))
    convert = lambda kind, to: run([sys.executable, CONVERTER, checkpoint, "--outtype", kind, "--outfile", to])
    quantize = lambda kind, *more: run([SLIPSTREAM, "quantize", checkpoint, file, "--force", "--type", kind, *more])
    for kind in CONVERTED:
        table.add(name, kind, convert(kind.lower(), reference), quantize(kind), reference, file)
    made = convert(outtype, source)
    if not made[0]:
        table.wrong.append(f"{name}: {made[1][-300:]}")
        return
    write_imatrix(source, folder)
    is_whole = name in ARCHITECTURES
    requests = [(kind, [], []) for kind in (types if is_whole else FEW)] + (OPTIONS if is_whole else [])
    for imatrix in ([], ["--imatrix", "imatrix.gguf"], ["--imatrix", "imatrix.dat"]):
        for kind, their_options, our_options in requests:
            theirs = run([QUANTIZE, *imatrix, *their_options, source, reference, kind, "1"])
            what = " ".join([kind, *imatrix, *our_options])
            table.add(name, what, theirs, quantize(kind, "--qat", "off", *imatrix, *our_options), reference, file)


def main():
    root = Path(sys.argv[1]).resolve()
    work = root / ".work"
    work.mkdir(exist_ok=True)
    out = Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else None
    types, table = file_types(), Table()
    chosen = sys.argv[3:] or sorted(path.name for path in root.iterdir() if (path / "config.json").is_file())
    os.chdir(work)
    for name in chosen:
        compare(table, root / name, types, work)
        print(f"{name}: {table.equal[name]} equal, {table.refused[name]} refused by both", flush=True)
    print(table.text(types))
    if out:
        out.write_text(table.text(types), encoding="utf-8")
    sys.exit(bool(table.wrong))


if __name__ == "__main__":
    main()
