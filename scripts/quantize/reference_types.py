"""Which type llama-quantize gives each tensor, for real shapes, all file types, with and without an imatrix.

    reference_types.py LLAMA_QUANTIZE SHAPES OUT FOLDER

SHAPES is tests/data/quantize/shapes.txt. For each model in it a sparse GGUF file of full size is made in FOLDER (no
weights: it takes no room), `llama-quantize --dry-run` is run on it, and its log lines are written to OUT in short:

    model file-type,options plain|imatrix MiB  type:class[layers],class ...

`both` stands for plain and imatrix where they do not differ. Needs the Python packages gguf and numpy.
"""
import os
import re
import struct
import subprocess
import sys

import gguf

# Options, each tried on every model.
OPTIONS = [
    "Q4_K_M,--pure",
    "IQ2_M,--pure",
    "Q4_0,--token-embedding-type,q4_0",
    "Q4_K_M,--output-tensor-type,q5_k",
    "Q5_K_M,--leave-output-tensor",
    "IQ3_M,--tensor-type,ATTN_[QK]=q8_0,--tensor-type,^blk\\.[0-9]\\.ffn=q6_k,--tensor-type,per_layer_token_embd=q5_1,--token-embedding-type,q8_0",
    "Q4_K_M,--tensor-type,ffn_(up|gate)=iq4_xs,--tensor-type,attn=f16,--output-tensor-type,q8_0",
    "F16,--tensor-type,attn_q=q8_0,--token-embedding-type,bf16",
]
LINE = re.compile(r"^\[ *\d+/ *\d+\] +(\S+) +- \[.*\], type = +(\S+), size = .*?(?:\((\S+)\))?$")


def models(path):
    """(header words, [(tensor name, shape, is F32)]) for each model of the shapes file."""
    found = []
    for line in open(path):
        words = line.split()
        if not words or line.startswith("#"):
            continue
        if line.startswith("["):
            words[0] = words[0].strip("[]")
            found.append((words, []))
            continue
        header, tensors = found[-1]
        layers, full = int(header[2]), header[6].split(",")
        shape = [int(size) for size in words[1].split("x")]
        for layer in selected(words[2], layers, full):
            name = words[0] if layer is None else f"blk.{layer}.{words[0]}"
            tensors.append((name, shape, len(words) > 3))
    return found


def selected(conditions, layers, full):
    if conditions == "-":
        return [None]
    kept = list(range(layers))
    for condition in conditions.split(","):
        if condition in ("local", "full"):
            kept = [layer for layer in kept if (str(layer) in full) == (condition == "full")]
        elif condition != "all":
            first, last = map(int, condition.split("-"))
            kept = [layer for layer in kept if first <= layer <= last]
    return kept


def sparse(path, header, tensors):
    """A GGUF file of these tensors, without a byte of weights."""
    name, arch, layers, experts, heads, kv_heads, full = header
    layers, experts, heads, kv_heads = map(int, (layers, experts, heads, kv_heads))
    writer = gguf.GGUFWriter(path, arch)
    hidden = next(shape[0] for tensor, shape, _ in tensors if tensor == "token_embd.weight")
    number = lambda key, value: writer.add_uint32(f"{arch}.{key}", value)
    number("block_count", layers)
    number("context_length", 4096)
    number("embedding_length", hidden)
    number("feed_forward_length", 2048)
    number("attention.head_count", heads)
    number("attention.head_count_kv", kv_heads)
    number("attention.key_length", 512)
    number("attention.value_length", 512)
    writer.add_float32(f"{arch}.attention.layer_norm_rms_epsilon", 1e-6)
    if experts:
        number("expert_count", experts)
        number("expert_used_count", 2)
    if arch.startswith("gemma4"):
        number("attention.sliding_window", 1024)
        number("attention.key_length_swa", 256)
        number("attention.value_length_swa", 256)
        number("attention.shared_kv_layers", 0)
        number("embedding_length_per_layer_input", 0)
        writer.add_array(f"{arch}.attention.sliding_window_pattern", [str(i) not in full.split(",") for i in range(layers)])
    if arch == "gemma4-assistant":
        number("embedding_length_out", 2816)
        number("nextn_predict_layers", layers)
    end = 0
    for tensor, shape, is_f32 in tensors:
        kind = gguf.GGMLQuantizationType.F32 if is_f32 else gguf.GGMLQuantizationType.BF16
        size = 4 if is_f32 else 2
        for each in shape:
            size *= each
        writer.add_tensor_info(tensor, shape[::-1], None, size, raw_dtype=kind)
        end += -(-size // 32) * 32
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    os.truncate(path, -(-os.path.getsize(path) // 32) * 32 + end)


def dry_run(quantize, path, request, imatrix):
    """{tensor: type}, and the size it says, or why it refuses."""
    file_type, *options = request.split(",")
    command = [quantize, "--dry-run", *options] + (["--imatrix", imatrix] if imatrix else []) + [path, file_type]
    log = subprocess.run(command, capture_output=True, text=True, errors="replace")
    text = log.stdout + log.stderr
    # Warnings about rows that do not fit are printed before, on lines of their own.
    types = {}
    for line in text.splitlines():
        match = LINE.match(line)
        if match:
            types[match[1]] = match[3] or match[2]
    refusal = re.search(r"failed to quantize: (.*)|(GGML_ASSERT\(.*\)) failed", text)
    size = re.search(r"quant size  = +([\d.]+) MiB", text)
    return types, size[1] if size else None, (refusal[1] or refusal[2]).strip() if refusal else None


def ranges(layers):
    out, at = [], 0
    while at < len(layers):
        end = at
        while end + 1 < len(layers) and layers[end + 1] == layers[end] + 1:
            end += 1
        out.append(str(layers[at]) if end == at else f"{layers[at]}-{layers[end]}")
        at = end + 1
    return "+".join(out)


def short(types):
    """Types by class of tensor; layers are listed where not all of a class have the same type."""
    classes = {}
    for name, kind in types.items():
        match = re.match(r"blk\.(\d+)\.(.*)", name)
        key, layer = (match[2], int(match[1])) if match else (name, -1)
        classes.setdefault(key.removesuffix(".weight"), {}).setdefault(kind.upper(), []).append(layer)
    by_type = {}
    for key, kinds in classes.items():
        for kind, layers in kinds.items():
            text = key if len(kinds) == 1 else f"{key}[{ranges(sorted(layers))}]"
            by_type.setdefault(kind, []).append(text)
    # What is never quantized is F32 in every row; it need not be said each time.
    by_type.pop("F32", None)
    return " ".join(f"{kind}:{','.join(sorted(names))}" for kind, names in sorted(by_type.items()))


def main():
    quantize, shapes, out, folder = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    imatrix = os.path.join(folder, "any.dat")
    with open(imatrix, "wb") as file:
        name = b"blk.0.attn_q.weight"
        file.write(struct.pack("<ii", 1, len(name)) + name + struct.pack("<ii4f", 1, 4, 1, 1, 1, 1))
    usage = subprocess.run([quantize, "--help"], capture_output=True, text=True).stdout
    file_types = re.findall(r"^ +\d+  or  (\S+) *:", usage, re.M)
    file_types = [each for each in file_types if each not in ("Q3_K", "Q4_K", "Q5_K")]
    with open(out, "w") as table:
        print("# What llama-quantize --dry-run gives each tensor: scripts/quantize/reference_types.py", file=table)
        for header, tensors in models(shapes):
            path = os.path.join(folder, header[0] + ".gguf")
            sparse(path, header, tensors)
            for request in file_types + OPTIONS:
                lines = []
                for given in (None, imatrix):
                    types, size, refusal = dry_run(quantize, path, request, given)
                    if refusal:
                        lines.append(f"refused {refusal}")
                        continue
                    missing = {name for name, _, _ in tensors} - set(types)
                    assert not missing, (header[0], request, sorted(missing)[:3])
                    lines.append(f"{size} {short(types)}")
                words = ["both"] if lines[0] == lines[1] else ["plain", "imatrix"]
                for word, line in zip(words, lines):
                    print(f"{header[0]} {request} {word} {line}".rstrip(), file=table)
            os.remove(path)
            print(header[0], len(tensors), "tensors", file=sys.stderr)


if __name__ == "__main__":
    main()
