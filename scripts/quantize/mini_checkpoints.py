#!/usr/bin/env python3
"""Small random checkpoints of each architecture, as transformers writes them, and as older or other programs do.

    scripts/quantize/mini_checkpoints.py LLAMA_CPP FOLDER

LLAMA_CPP is a source tree of the llama.cpp that slipstream is built with: its test vocabulary makes a checkpoint with the
real tokenizer. FOLDER gets a folder for each checkpoint; scripts/quantize/reference.sh compares what becomes of them.

Needs transformers >= 5.24, torch, safetensors, tokenizers, gguf. Deterministic; about half a minute.
"""

import json
import sys
from pathlib import Path

import numpy
import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    Gemma4AssistantConfig,
    Gemma4AssistantForCausalLM,
    Gemma4Config,
    Gemma4ForCausalLM,
    Gemma4ForConditionalGeneration,
    Gemma4TextConfig,
    Gemma4UnifiedAssistantConfig,
    Gemma4UnifiedAssistantForCausalLM,
    Gemma4UnifiedConfig,
    Gemma4UnifiedForConditionalGeneration,
    Gemma4UnifiedTextConfig,
)

SPECIAL = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
NAMED = {
    "audio_token": "<|audio|>", "boa_token": "<|audio>", "boi_token": "<|image>", "bos_token": "<bos>",
    "eoa_token": "<audio|>", "eoc_token": "<channel|>", "eoi_token": "<image|>", "eos_token": "<eos>",
    "eot_token": "<turn|>", "escape_token": '<|"|>', "etc_token": "<tool_call|>", "etd_token": "<tool|>",
    "etr_token": "<tool_response|>", "image_token": "<|image|>", "mask_token": "<mask>", "pad_token": "<pad>",
    "soc_token": "<|channel>", "sot_token": "<|turn>", "stc_token": "<|tool_call>", "std_token": "<|tool>",
    "str_token": "<|tool_response>", "think_token": "<|think|>", "unk_token": "<unk>",
}
VIDEO = "<|video|>"
TEMPLATE = "{{ bos_token }}{% for m in messages %}<|turn>{{ m['role'] }}\n{{ m['content'] }}<turn|>\n{% endfor %}"
LETTERS = "abcdefghijklmnopqrstuvwxyz▁äß語 "


def write_tokenizer(folder, beyond=(), post_processor=None, old_merges=False):
    """A tokenizer of Gemma's form. `beyond`: tokens behind the vocabulary's end."""
    others = [text for text in NAMED.values() if text not in SPECIAL] + [VIDEO, "<unused0>"]
    texts = SPECIAL + others + [f"<0x{byte:02X}>" for byte in range(256)] + list(LETTERS)
    merges = [("t", "h"), ("th", "e"), ("a", "n"), ("an", "d"), ("▁", "a"), (" ", "a"), ("▁", "the")]
    texts += ["".join(pair) for pair in merges]
    vocab = {text: number for number, text in enumerate(texts)}
    tokenizer = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    if post_processor:
        tokenizer.post_processor = post_processor
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in SPECIAL + others])
    for text, is_special in beyond:
        add = tokenizer.add_special_tokens if is_special else tokenizer.add_tokens
        add([AddedToken(text, special=is_special, normalized=False)])
    tokenizer.save(str(folder / "tokenizer.json"))
    if old_merges:
        edit(folder / "tokenizer.json", lambda all: all["model"].update(
            merges=[" ".join(pair) for pair in all["model"]["merges"] if " " not in pair]))
    extra = [VIDEO] + [text for text, is_special in beyond if is_special]
    config = dict(NAMED, backend="tokenizers", extra_special_tokens=extra, model_max_length=10**30,
                  padding_side="left", processor_class="Gemma4Processor", tokenizer_class="GemmaTokenizer")
    write_json(folder / "tokenizer_config.json", config)
    (folder / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    return tokenizer.get_vocab_size()


def write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def edit(path, change):
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    write_json(path, value)


def randomize(model, dtype):
    """Nothing stays 0 or 1: a scale that is forgotten must show."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for tensor in list(model.parameters()) + list(model.buffers()):
            if tensor.is_floating_point():
                tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.1 + 0.02)
    return model.to(dtype)


def text(layers, full_every=3, **others):
    types = ["full_attention" if layer % full_every == full_every - 1 else "sliding_attention" for layer in range(layers)]
    types[-1] = "full_attention"
    # Rows of 256 for the types with large blocks, and of 128, 96, 64 and 32 for what takes their place.
    values = dict(hidden_size=256, intermediate_size=512, num_hidden_layers=layers, num_attention_heads=4,
                  num_key_value_heads=2, head_dim=32, global_head_dim=64, layer_types=types, sliding_window=64,
                  max_position_embeddings=4096, hidden_size_per_layer_input=0, final_logit_softcapping=30.0)
    return {**values, **others}


VISION = dict(hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
              num_key_value_heads=2, head_dim=8, position_embedding_size=16)
AUDIO = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, output_proj_dims=16,
             subsampling_conv_channels=[4, 4])
GENERATION = dict(bos_token_id=2, do_sample=True, eos_token_id=[1, 106, 50], pad_token_id=0, temperature=1.0,
                  top_k=64, top_p=0.95)


def save(model, folder, dtype=torch.bfloat16, **options):
    randomize(model, dtype).save_pretrained(folder, **options)
    write_json(folder / "generation_config.json", GENERATION)


def mixture(folder, tokens):
    config = text(6, vocab_size=tokens, intermediate_size=96, num_experts=16, top_k_experts=4, moe_intermediate_size=64,
                  enable_moe_block=True, attention_k_eq_v=True, num_global_key_value_heads=1)
    model = Gemma4ForConditionalGeneration(Gemma4Config(
        text_config=config, vision_config=VISION, audio_config=None))
    save(model, folder, max_shard_size="2MB")


def edge(folder, tokens):
    config = text(7, vocab_size=tokens, vocab_size_per_layer_input=tokens, hidden_size_per_layer_input=32,
                  num_kv_shared_layers=3, use_double_wide_mlp=True)
    save(Gemma4ForConditionalGeneration(Gemma4Config(
        text_config=config, vision_config=VISION, audio_config=AUDIO)), folder)


def dense(folder, tokens, hidden=256, **options):
    config = text(6, vocab_size=tokens, attention_k_eq_v=True, num_global_key_value_heads=1, rms_norm_eps=1e-5,
                  hidden_size=hidden)
    save(Gemma4ForCausalLM(Gemma4TextConfig(**config)), folder, **options)


def unified(folder, tokens):
    config = text(6, vocab_size=tokens, attention_k_eq_v=True, num_global_key_value_heads=1)
    del config["hidden_size_per_layer_input"]
    model = Gemma4UnifiedForConditionalGeneration(Gemma4UnifiedConfig(
        text_config=config,
        vision_config=dict(mm_embed_dim=16, mm_posemb_size=8, patch_size=4, pooling_kernel_size=1, output_proj_dims=16),
        audio_config=dict(audio_embed_dim=16)))
    save(model, folder)
    edit(folder / "generation_config.json", lambda all: all.update(suppress_tokens=[7, 8, 9]))


def assistant(folder, tokens, ordered=False):
    config = text(4, full_every=4, vocab_size=tokens, vocab_size_per_layer_input=0, num_kv_shared_layers=4,
                  attention_k_eq_v=True, num_global_key_value_heads=1, final_logit_softcapping=None)
    values = dict(text_config=Gemma4TextConfig(**config), backbone_hidden_size=320, num_centroids=8,
                  use_ordered_embeddings=ordered)
    save(Gemma4AssistantForCausalLM(Gemma4AssistantConfig(**values)), folder)


def unified_assistant(folder, tokens):
    config = text(4, full_every=4, vocab_size=tokens, num_kv_shared_layers=4, attention_k_eq_v=True,
                  num_global_key_value_heads=1)
    del config["hidden_size_per_layer_input"]
    save(Gemma4UnifiedAssistantForCausalLM(Gemma4UnifiedAssistantConfig(
        text_config=Gemma4UnifiedTextConfig(**config), backbone_hidden_size=512)), folder)


def say_no_experts(folder):
    """The converter fails without this entry (KeyError); transformers 5.24 leaves it out for the 12B's classes."""
    edit(folder / "config.json", lambda root: root["text_config"].update(moe_intermediate_size=None))


def older_config(folder):
    """The form of config.json before transformers 5.2: two numbers instead of a table of layers."""
    def change(root):
        part = root.get("text_config", root)
        full = next(iter(part.pop("per_layer_config").values()))
        part["global_head_dim"] = full["head_dim"]
        if "num_key_value_heads" in full:
            part["num_global_key_value_heads"] = full["num_key_value_heads"]
    edit(folder / "config.json", change)


def re_saved(folder, dtype):
    """Other programs write all tensors into one file, of another type."""
    tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        tensors |= load_file(path)
        path.unlink()
    (folder / "model.safetensors.index.json").unlink(missing_ok=True)
    save_file({name: tensor.to(dtype).contiguous() for name, tensor in tensors.items()}, folder / "model.safetensors")


def with_readme(folder):
    readme = """---
library_name: transformers
license: apache-2.0
license_link: https://ai.google.dev/gemma/docs/gemma_4_license
pipeline_tag: image-text-to-text
tags:
- gemma
- "small"
language:
- en
- no
base_model: google/gemma-4-26B-A4B
datasets:
- https://huggingface.co/datasets/some-v2
- someone/other-data
---
# Mini
"""
    (folder / "README.md").write_text(readme, encoding="utf-8")


def prompt_template():
    """As in Gemma 3's tokenizer.json."""
    return processors.TemplateProcessing(single="<bos> $A", pair="<bos> $A <bos> $B", special_tokens=[("<bos>", 2)])


def turn_template():
    """A prompt that ends in another token than a text, and a separator."""
    return processors.TemplateProcessing(
        single="<bos> $A <turn|>", pair="<bos> $A <eos> $B <turn|>",
        special_tokens=[("<bos>", 2), ("<eos>", 1), ("<turn|>", 11)])


def older_tokenizer(folder):
    """As transformers 4 wrote it: objects for tokens, more files, templates with names."""
    token = lambda text: dict(content=text, lstrip=False, normalized=False, rstrip=False, single_word=False)
    numbers = {entry["content"]: entry["id"] for entry in json.loads(
        (folder / "tokenizer.json").read_text(encoding="utf-8"))["added_tokens"]}
    def change(config):
        for key in ("bos_token", "eos_token", "pad_token", "unk_token"):
            config[key] = dict(token(config[key]), __type="AddedToken")
        del config["mask_token"], config["backend"], config["extra_special_tokens"]
        config["additional_special_tokens"] = ["<|turn>", "<turn|>"]
        config["add_bos_token"] = True
        config["add_eos_token"] = False
        config["chat_template"] = [dict(name="default", template="{{ 1 }}"), dict(name="tool-use", template="{{ 2 }}")]
        config["added_tokens_decoder"] = {
            str(number): dict(token(text), special=True) for text, number in numbers.items()}
    edit(folder / "tokenizer_config.json", change)
    write_json(folder / "special_tokens_map.json", {"bos_token": token("<bos>"), "cls_token": "<unused0>"})


def oldest_tokenizer(folder):
    """Special tokens in a file of their own only."""
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<bos>"})
    write_json(folder / "special_tokens_map.json", {
        "bos_token": {"content": "<bos>"}, "eos_token": "<turn|>", "additional_special_tokens": ["<|turn>", "<unused0>"]})
    (folder / "chat_template.jinja").unlink()
    write_json(folder / "chat_template.json", {"chat_template": TEMPLATE})


def real_tokenizer(source, folder):
    """The real vocabulary, out of the file that llama.cpp tests its tokenizers with; returns its length."""
    import gguf  # pylint: disable=import-outside-toplevel
    write_tokenizer(folder)
    fields = gguf.GGUFReader(source / "models" / "ggml-vocab-gemma-4.gguf").fields
    texts, merges, types = (
        fields[f"tokenizer.ggml.{key}"].contents() for key in ("tokens", "merges", "token_type"))
    def change(tokenizer):
        tokenizer["model"]["vocab"] = {text: number for number, text in enumerate(texts)}
        tokenizer["model"]["merges"] = [merge.split(" ") for merge in merges]
        like = tokenizer["added_tokens"][0]
        tokenizer["added_tokens"] = [
            dict(like, id=number, content=text) for number, text in enumerate(texts) if types[number] in (3, 4)]
    edit(folder / "tokenizer.json", change)
    return len(texts)


def vocabulary(source, folder):
    dense(folder, real_tokenizer(source, folder), hidden=32)


def make(root, name, build, tokenizer=None, after=(), **options):
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    tokens = write_tokenizer(folder, **(tokenizer or {}))
    build(folder, tokens, **options)
    for change in after:
        change(folder)


def main():
    source, root = Path(sys.argv[1]), Path(sys.argv[2])
    f32, f16 = (lambda folder, dtype=dtype: re_saved(folder, dtype) for dtype in (torch.float32, torch.float16))
    make(root, "mixture", mixture)
    make(root, "mixture_older", mixture, after=[older_config])
    make(root, "edge", edge)
    make(root, "edge_older", edge, after=[older_config])
    make(root, "dense", dense, tokenizer=dict(post_processor=prompt_template()))
    make(root, "dense_f32", dense, after=[f32], tokenizer=dict(old_merges=True), dtype=torch.float32)
    make(root, "dense_f16", dense, after=[f16], dtype=torch.float32,
         tokenizer=dict(beyond=[("<more>", True), ("<plain>", False)]))
    make(root, "gemma-4-3M-it", dense, after=[with_readme])
    make(root, "unified", unified, after=[say_no_experts])
    make(root, "assistant", assistant)
    make(root, "assistant_ordered", assistant, ordered=True)
    make(root, "assistant_older", assistant, after=[older_config])
    make(root, "unified_assistant", unified_assistant, after=[say_no_experts])
    make(root, "turns", dense, tokenizer=dict(post_processor=turn_template()))
    make(root, "older_tokenizer", dense, after=[older_tokenizer])
    make(root, "oldest_tokenizer", dense, after=[oldest_tokenizer])
    make(root, "vocabulary", lambda folder, _: vocabulary(source, folder))


if __name__ == "__main__":
    main()
