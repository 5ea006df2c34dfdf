"""Writes the pair as GGUF files: export.py WORK_FOLDER OUT_FOLDER [--random]

--random writes untrained weights of the final shape, for measuring speed before training and for building against."""

import sys
from pathlib import Path

import gguf
import torch
from gguf import GGMLQuantizationType as Q
from gguf import GGUFWriter

from drafter import Drafter
from layers import rope_factors
from shape import DRAFTER, TARGET
from target import Target
from tokenizer import BOS, BYTES, EOS, MASK, PAD, SPECIAL, UNK, USER_DEFINED, PocketTokenizer

TARGET_TYPE, DRAFTER_TYPE = Q.Q8_0, Q.Q4_0
FILE_TYPES = {Q.Q8_0: gguf.LlamaFileType.MOSTLY_Q8_0, Q.Q4_0: gguf.LlamaFileType.MOSTLY_Q4_0, Q.F32: gguf.LlamaFileType.ALL_F32}
TEMPLATE = Path(__file__).with_name("chat_template.jinja")


def add_tokenizer(w: GGUFWriter, tok: PocketTokenizer) -> None:
    kinds = gguf.TokenType
    types = [kinds.NORMAL] * len(tok.tokens)
    for i, token in enumerate(tok.tokens):
        if token in BYTES:
            types[i] = kinds.BYTE
        elif token in SPECIAL:
            types[i] = kinds.USER_DEFINED if token in USER_DEFINED else kinds.CONTROL
    w.add_tokenizer_model("gemma4")
    w.add_token_list(tok.tokens)
    w.add_token_scores([-1000.0] * len(tok.tokens))
    w.add_token_types(types)
    w.add_token_merges([" ".join(m) for m in tok.merges])
    w.add_bos_token_id(BOS)
    w.add_eos_token_id(EOS)
    w.add_unk_token_id(UNK)
    w.add_pad_token_id(PAD)
    w.add_mask_token_id(MASK)
    w.add_chat_template(TEMPLATE.read_text())
    w.add_add_space_prefix(False)
    w.add_add_bos_token(True)


def add_shape(w: GGUFWriter, s, name: str, kind: Q, ff: int) -> None:
    """The keys that both architectures share; s is a TargetShape or a DrafterShape."""
    layers, t = range(s.layers), TARGET
    w.add_type("model")
    w.add_name(name)
    w.add_license("other")
    w.add_license_name("WordNet 3.0")
    w.add_block_count(s.layers)
    w.add_context_length(t.context)
    w.add_embedding_length(s.hidden)
    w.add_feed_forward_length(ff)
    w.add_head_count(s.heads)
    w.add_head_count_kv([s.kv_heads(i) for i in layers])
    w.add_rope_freq_base(t.rope_base_full)
    w.add_rope_freq_base_swa(t.rope_base_sliding)
    w.add_layer_norm_rms_eps(t.norm_eps)
    w.add_key_length(t.full_head_dim)
    w.add_value_length(t.full_head_dim)
    w.add_key_length_swa(t.sliding_head_dim)
    w.add_value_length_swa(t.sliding_head_dim)
    w.add_sliding_window(t.window)
    w.add_sliding_window_pattern([s.is_sliding(i) for i in layers])
    w.add_rope_dimension_count(t.full_head_dim)
    w.add_rope_dimension_count_swa(t.sliding_head_dim)
    w.add_file_type(FILE_TYPES[kind])
    w.add_quantization_version(gguf.GGML_QUANT_VERSION)


class Tensors:
    def __init__(self, writer: GGUFWriter, kind: Q):
        self.writer, self.kind = writer, kind

    def f32(self, name: str, value: torch.Tensor) -> None:
        self.writer.add_tensor(name, value.detach().float().numpy())

    def matrix(self, name: str, value: torch.Tensor) -> None:
        data = gguf.quants.quantize(value.detach().float().numpy(), self.kind)
        self.writer.add_tensor(name, data, raw_dtype=self.kind)

    def mlp(self, prefix: str, mlp) -> None:
        for part in ("gate", "up", "down"):
            self.matrix(f"{prefix}ffn_{part}.weight", getattr(mlp, part).weight)

    def finish(self) -> None:
        self.writer.write_header_to_file()
        self.writer.write_kv_data_to_file()
        self.writer.write_tensors_to_file()
        self.writer.close()


def write_target(model: Target, tok: PocketTokenizer, path: Path, kind: Q = TARGET_TYPE) -> None:
    w, s = GGUFWriter(path, "gemma4"), TARGET
    add_shape(w, s, "pocket target", kind, s.dense_ff)
    w.add_expert_count(s.experts)
    w.add_expert_used_count(s.experts_used)
    w.add_expert_feed_forward_length(s.expert_ff)
    w.add_final_logit_softcapping(s.softcap)
    w.add_shared_kv_layers(0)
    w.add_embedding_length_per_layer_input(0)
    add_tokenizer(w, tok)
    t = Tensors(w, kind)
    t.matrix("token_embd.weight", model.embed)
    t.f32("output_norm.weight", model.norm.weight)
    t.f32("rope_freqs.weight", rope_factors(s.full_head_dim, s.rotary_fraction_full))
    for i, block in enumerate(model.blocks):
        p, a, e = f"blk.{i}.", block.attn, block.experts
        t.f32(p + "attn_norm.weight", block.attn_norm.weight)
        t.matrix(p + "attn_q.weight", a.q.weight)
        t.f32(p + "attn_q_norm.weight", a.q_norm.weight)
        t.matrix(p + "attn_k.weight", a.k.weight)
        t.f32(p + "attn_k_norm.weight", a.k_norm.weight)
        if a.v is not None:
            t.matrix(p + "attn_v.weight", a.v.weight)
        t.matrix(p + "attn_output.weight", a.out.weight)
        t.f32(p + "post_attention_norm.weight", block.attn_post_norm.weight)
        t.f32(p + "ffn_norm.weight", block.ffn_norm.weight)
        t.mlp(p, block.mlp)
        t.f32(p + "ffn_gate_inp.weight", e.router)
        t.f32(p + "ffn_gate_inp.scale", e.router_scale)
        t.matrix(p + "ffn_gate_up_exps.weight", e.gate_up)
        t.matrix(p + "ffn_down_exps.weight", e.down)
        t.f32(p + "ffn_down_exps.scale", e.scale)
        t.f32(p + "pre_ffw_norm_2.weight", block.ffn_norm_2.weight)
        t.f32(p + "post_ffw_norm_1.weight", block.ffn_post_norm_1.weight)
        t.f32(p + "post_ffw_norm_2.weight", block.ffn_post_norm_2.weight)
        t.f32(p + "post_ffw_norm.weight", block.ffn_post_norm.weight)
        t.f32(p + "layer_output_scale.weight", block.out_scale)
    t.finish()


def write_drafter(model: Drafter, tok: PocketTokenizer, path: Path, kind: Q = DRAFTER_TYPE) -> None:
    w, s = GGUFWriter(path, "gemma4-assistant"), DRAFTER
    add_shape(w, s, "pocket drafter", kind, s.ff)
    w.add_shared_kv_layers(s.layers)
    w.add_embedding_length_per_layer_input(0)
    w.add_uint32("gemma4-assistant.embedding_length_out", s.target.hidden)
    w.add_uint32("gemma4-assistant.nextn_predict_layers", s.layers)
    add_tokenizer(w, tok)
    t = Tensors(w, kind)
    t.matrix("token_embd.weight", model.embed)
    t.f32("output_norm.weight", model.norm.weight)
    t.f32("rope_freqs.weight", rope_factors(s.target.full_head_dim, s.target.rotary_fraction_full))
    t.matrix("nextn.pre_projection.weight", model.pre.weight)
    t.matrix("nextn.post_projection.weight", model.post.weight)
    for i, block in enumerate(model.blocks):
        p = f"blk.{i}."
        t.f32(p + "attn_norm.weight", block.attn_norm.weight)
        t.matrix(p + "attn_q.weight", block.q.weight)
        t.f32(p + "attn_q_norm.weight", block.q_norm.weight)
        t.matrix(p + "attn_output.weight", block.out.weight)
        t.f32(p + "post_attention_norm.weight", block.attn_post_norm.weight)
        t.f32(p + "ffn_norm.weight", block.ffn_norm.weight)
        t.mlp(p, block.mlp)
        t.f32(p + "post_ffw_norm.weight", block.ffn_post_norm.weight)
        t.f32(p + "layer_output_scale.weight", block.out_scale)
    t.finish()


def main() -> None:
    work, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    tok = PocketTokenizer(work / "tokenizer.json")
    target, drafter = Target(), Drafter()
    if "--random" not in sys.argv:
        target.load_state_dict(torch.load(work / "target.pt")["average"])
        drafter.load_state_dict(torch.load(work / "drafter.pt")["average"])
    for name, write, model in (("target", write_target, target), ("drafter", write_drafter, drafter)):
        kind = TARGET_TYPE if name == "target" else DRAFTER_TYPE
        path = out / f"pocket-{name}-{kind.name}.gguf"
        write(model, tok, path, kind)
        print(path.name, path.stat().st_size, "bytes,", sum(p.numel() for p in model.parameters()), "parameters")


if __name__ == "__main__":
    main()
