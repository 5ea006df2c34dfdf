"""The drafter: llama.cpp's `gemma4-assistant` graph (src/models/gemma4-assistant.cpp) in PyTorch."""

import torch
import torch.nn.functional as F
from torch import nn

from layers import GatedMlp, Norm, attend, linear, rope_table, rotate
from shape import DRAFTER, DrafterShape


class DrafterBlock(nn.Module):
    def __init__(self, s: DrafterShape, layer: int):
        super().__init__()
        eps, small = s.target.norm_eps, (2 * s.layers) ** -0.5
        self.heads, self.dim = s.heads, s.head_dim(layer)
        self.attn_norm, self.attn_post_norm = Norm(s.hidden, eps), Norm(s.hidden, eps, small)
        self.q, self.out = linear(s.hidden, s.heads * self.dim), linear(s.heads * self.dim, s.hidden)
        # The target's key norm carries the other factor dim**-0.25.
        self.q_norm = Norm(self.dim, eps, self.dim**-0.25)
        self.ffn_norm, self.ffn_post_norm = Norm(s.hidden, eps), Norm(s.hidden, eps, small)
        self.mlp = GatedMlp(s.hidden, s.ff)
        self.out_scale = nn.Parameter(torch.ones(1))

    def forward(self, x, k, v, mask, table, dtype):
        q = self.q(self.attn_norm(x).to(dtype)).view(*x.shape[:2], self.heads, self.dim).transpose(1, 2)
        q = rotate(self.q_norm(q), table).to(dtype)
        x = x + self.attn_post_norm(self.out(attend(q, k, v, mask)))
        return (x + self.ffn_post_norm(self.mlp(self.ffn_norm(x).to(dtype)))) * self.out_scale


class Drafter(nn.Module):
    def __init__(self, s: DrafterShape = DRAFTER):
        super().__init__()
        self.s, backbone = s, s.target.hidden
        self.embed = nn.Parameter(torch.randn(s.target.vocab, s.hidden) * 0.5 * s.hidden**-0.5)
        self.pre, self.post = linear(2 * backbone, s.hidden), linear(s.hidden, backbone)
        self.blocks = nn.ModuleList(DrafterBlock(s, i) for i in range(s.layers))
        self.norm = Norm(s.hidden, s.target.norm_eps)

    def context(self, positions: torch.Tensor, length: int):
        """Rope tables and masks for drafts made at `positions`. A draft at t sees the cache up to t - 1 only (x_t has
        not been decoded yet), and in the sliding layer the window that ends at t. Position 0 has no past: it may see
        itself, so that the softmax stays finite, and is left out of the loss."""
        t = self.s.target
        tables = {
            True: rope_table(positions, t.sliding_head_dim, t.rope_base_sliding),
            False: rope_table(positions, t.full_head_dim, t.rope_base_full, t.rotary_fraction_full),
        }
        distance = positions[:, None] - torch.arange(length)[None]
        past = (distance > 0) | ((positions[:, None] == 0) & (distance == 0))
        return tables, {True: past & (distance < t.window), False: past}

    def rows(self, embedded: torch.Tensor, h: torch.Tensor, kv: dict, context, dtype=torch.float32):
        """embedded: the target's embedding of the token, times sqrt(hidden); h: the row that predicted it.
        Returns the normed rows, from which the head makes logits, and the target-sized rows for the next step."""
        tables, masks = context
        x = self.pre(torch.cat((embedded, h), -1).to(dtype)).float()
        for i, block in enumerate(self.blocks):
            sliding = self.s.is_sliding(i)
            k, v = kv[sliding]
            x = block(x, k.to(dtype), v.to(dtype), masks[sliding], tables[sliding], dtype)
        x = self.norm(x)
        return x, self.post(x.to(dtype)).float()

    def forward(self, embedded, h, kv, context):
        """Logits and the rows for the next step, in float32."""
        x, after = self.rows(embedded, h, kv, context)
        return F.linear(x, self.embed), after
