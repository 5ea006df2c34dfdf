"""The relative squared error of each tensor type, with and without an imatrix: the table in src/quantize/sensitivity.rs.

    type_error.py LLAMA_QUANTIZE FOLDER

Weights are drawn from a normal distribution and from Student's t with 5 degrees of freedom (a few large ones, as trained
matrices have); llama-quantize makes each type of them with --pure, gguf-py reads them back. Columns: type, bits a weight,
squared error over squared weights for normal plain, normal imatrix, t plain, t imatrix. The imatrix is uneven, as
measured ones are (log-normal, sigma 1), and the error is weighed with it.
"""
import os
import struct
import subprocess
import sys

import gguf
import numpy as np

TYPES = ["IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_M", "Q2_K", "IQ3_XXS", "IQ3_S", "Q3_K_S", "IQ4_XS", "IQ4_NL", "Q4_0", "Q4_1",
         "Q4_K_S", "MXFP4_MOE", "Q5_0", "Q5_1", "Q5_K_S", "Q6_K", "Q8_0"]
ROWS, COLUMNS = 256, 2048


def main():
    quantize, folder = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    rng = np.random.default_rng(1)
    name = "blk.0.ffn_up.weight"
    importance = np.exp(rng.normal(0, 1, COLUMNS)).astype(np.float32)
    imatrix = os.path.join(folder, "i.dat")
    with open(imatrix, "wb") as file:
        file.write(struct.pack("<ii", 1, len(name)) + name.encode() + struct.pack("<ii", 1, COLUMNS) + importance.tobytes())
    errors = {}
    for shape, values in (("normal", rng.normal(0, 1, (ROWS, COLUMNS))), ("t", rng.standard_t(5, (ROWS, COLUMNS)))):
        values = (values * 0.02).astype(np.float32)
        path = os.path.join(folder, "in.gguf")
        writer = gguf.GGUFWriter(path, "llama")
        for key, value in (("block_count", 1), ("context_length", 64), ("embedding_length", COLUMNS), ("feed_forward_length", ROWS),
                           ("attention.head_count", 8)):
            writer.add_uint32(f"llama.{key}", value)
        writer.add_float32("llama.attention.layer_norm_rms_epsilon", 1e-6)
        writer.add_tensor(name, values)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        for kind in TYPES:
            for word, given in (("plain", []), ("imatrix", ["--imatrix", imatrix])):
                out = os.path.join(folder, "out.gguf")
                done = subprocess.run([quantize, "--pure", *given, path, out, kind, "1"], capture_output=True)
                if done.returncode:
                    continue
                tensor = gguf.GGUFReader(out).tensors[0]
                back = gguf.dequantize(tensor.data, tensor.tensor_type)
                weights = importance if given else np.ones(COLUMNS, np.float32)
                error = float((((back - values) ** 2) * weights).sum() / ((values**2) * weights).sum())
                errors.setdefault((kind, tensor.tensor_type.name), {})[f"{shape} {word}"] = error
    for (_, kind), found in errors.items():
        block, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]]
        columns = [f"{found.get(column, float('nan')):.2e}" for column in ("normal plain", "normal imatrix", "t plain", "t imatrix")]
        print(f"{kind:8} {8 * size / block:6.3f}", *columns)


if __name__ == "__main__":
    main()
