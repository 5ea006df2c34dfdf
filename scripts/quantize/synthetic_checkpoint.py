"""A large checkpoint of random weights, to measure with: the shape of a real one, cut to fewer layers.

    scripts/quantize/synthetic_checkpoint.py LLAMA_CPP FOLDER [--shape e4b|26b] [--gb 6.2]

LLAMA_CPP is a source tree of llama.cpp, for its vocabulary. FOLDER gets config.json, a tokenizer of the real size and BF16
safetensors files of at least so many GB (10^9 bytes) together, written as they are made (reading the vocabulary takes 3 GB).
Every weight is one of 16 million random ones: speed does not depend on more. About as long as the disk takes; remove the
folder when done.
"""

import argparse
import json
import struct
from pathlib import Path

import numpy

from mini_checkpoints import GENERATION, real_tokenizer, write_json

SHARD = 4 * 10**9
# A prime number of values: rows never repeat in step.
POOL = 16_777_213

E4B = dict(hidden_size=2560, intermediate_size=10240, num_attention_heads=8, num_key_value_heads=2, head_dim=256,
           global_head_dim=512, hidden_size_per_layer_input=256, sliding_window=512, final_logit_softcapping=30.0,
           max_position_embeddings=131072, moe_intermediate_size=None)
MIXTURE = dict(hidden_size=2816, intermediate_size=2112, num_attention_heads=16, num_key_value_heads=8, head_dim=256,
               global_head_dim=512, num_global_key_value_heads=2, attention_k_eq_v=True, hidden_size_per_layer_input=0,
               enable_moe_block=True, num_experts=128, top_k_experts=8, moe_intermediate_size=704, sliding_window=1024,
               final_logit_softcapping=30.0, max_position_embeddings=262144)


def config(shape, layers, tokens):
    text = dict(E4B if shape == "e4b" else MIXTURE, vocab_size=tokens, vocab_size_per_layer_input=tokens,
                num_hidden_layers=layers)
    # Of the E4B's 42 layers 18 use the keys and values of others.
    text["num_kv_shared_layers"] = layers * 18 // 42 if shape == "e4b" else 0
    types = ["full_attention" if layer % 6 == 5 else "sliding_attention" for layer in range(layers)]
    text["layer_types"] = types[:-1] + ["full_attention"]
    return text


def tensors(text):
    """Names and shapes, in the order of the model."""
    hidden, tokens, layers = text["hidden_size"], text["vocab_size"], text["num_hidden_layers"]
    own, heads = text["hidden_size_per_layer_input"], text["num_attention_heads"]
    yield "embed_tokens.weight", (tokens, hidden)
    yield "norm.weight", (hidden,)
    if own:
        yield "embed_tokens_per_layer.weight", (tokens, layers * own)
        yield "per_layer_model_projection.weight", (layers * own, hidden)
        yield "per_layer_projection_norm.weight", (own,)
    for layer in range(layers):
        is_full = text["layer_types"][layer] == "full_attention"
        head = text["global_head_dim" if is_full else "head_dim"]
        shares_kv = is_full and text.get("attention_k_eq_v", False)
        kv = head * (text["num_global_key_value_heads"] if shares_kv else text["num_key_value_heads"])
        inner = text["intermediate_size"]
        shapes = {
            "self_attn.q_proj.weight": (heads * head, hidden), "self_attn.q_norm.weight": (head,),
            "self_attn.o_proj.weight": (hidden, heads * head), "mlp.gate_proj.weight": (inner, hidden),
            "mlp.up_proj.weight": (inner, hidden), "mlp.down_proj.weight": (hidden, inner), "layer_scalar": (1,),
        }
        norms = ["input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm"]
        if layer < layers - text["num_kv_shared_layers"]:
            shapes |= {"self_attn.k_proj.weight": (kv, hidden), "self_attn.k_norm.weight": (head,)}
            if not shares_kv:
                shapes["self_attn.v_proj.weight"] = (kv, hidden)
        if own:
            shapes |= {"per_layer_input_gate.weight": (own, hidden), "per_layer_projection.weight": (hidden, own)}
            norms.append("post_per_layer_input_norm")
        if text.get("enable_moe_block"):
            experts, width = text["num_experts"], text["moe_intermediate_size"]
            shapes |= {
                "router.proj.weight": (experts, hidden), "router.scale": (hidden,), "router.per_expert_scale": (experts,),
                "experts.gate_up_proj": (experts, 2 * width, hidden), "experts.down_proj": (experts, hidden, width),
            }
            norms += ["pre_feedforward_layernorm_2", "post_feedforward_layernorm_1", "post_feedforward_layernorm_2"]
        shapes |= {f"{norm}.weight": (hidden,) for norm in norms}
        for name, shape in shapes.items():
            yield f"layers.{layer}.{name}", shape


def size(shape):
    return 2 * int(numpy.prod(shape, dtype=numpy.int64))


def write_weights(folder, shapes):
    generator = numpy.random.default_rng(1)
    values = generator.standard_normal(POOL, numpy.float32) * 0.02
    # To the nearest BF16 number; none is so large that it would overflow.
    pool = ((values.view(numpy.uint32) + 0x8000) >> 16).astype("<u2").view(numpy.uint8)
    shards, filled = [[]], 0
    for name, shape in shapes:
        if shards[-1] and filled + size(shape) > SHARD:
            shards.append([])
            filled = 0
        shards[-1].append((f"model.language_model.{name}", shape))
        filled += size(shape)
    places = {}
    for number, shard in enumerate(shards, 1):
        file_name = f"model-{number:05}-of-{len(shards):05}.safetensors"
        header, end = {"__metadata__": {"format": "pt"}}, 0
        for name, shape in shard:
            header[name] = dict(dtype="BF16", shape=shape, data_offsets=[end, end + size(shape)])
            end += size(shape)
            places[name] = file_name
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with open(folder / file_name, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            for _, shape in shard:
                left, at = size(shape), 2 * int(generator.integers(POOL))
                while left:
                    count = min(left, pool.size - at)
                    file.write(memoryview(pool)[at : at + count])
                    left, at = left - count, 0
    total = sum(size(shape) for _, shape in shapes)
    write_json(folder / "model.safetensors.index.json", dict(metadata=dict(total_size=total), weight_map=places))
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("llama_cpp", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shape", choices=["e4b", "26b"], default="e4b")
    parser.add_argument("--gb", type=float, default=6.2)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    tokens = real_tokenizer(options.llama_cpp, options.folder)
    for layers in range(2, 61):
        text = config(options.shape, layers, tokens)
        shapes = list(tensors(text))
        if sum(size(shape) for _, shape in shapes) >= options.gb * 1e9:
            break
    root = dict(architectures=["Gemma4ForConditionalGeneration"], model_type="gemma4", text_config=text, eos_token_id=[1, 106])
    write_json(options.folder / "config.json", root)
    write_json(options.folder / "generation_config.json", GENERATION)
    total = write_weights(options.folder, shapes)
    print(f"{options.folder}: {layers} layers, {len(shapes)} tensors, {total / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
