"""The target: llama.cpp's `gemma4` mixture-of-experts graph (src/models/gemma4.cpp) in PyTorch."""

import torch
import torch.nn.functional as F
from torch import nn

from layers import GatedMlp, Norm, attend, linear, rms, rope_table, rotate
from shape import TARGET, TargetShape


class Attention(nn.Module):
    def __init__(self, s: TargetShape, layer: int):
        super().__init__()
        self.heads, self.kv_heads, self.dim, self.eps = s.heads, s.kv_heads(layer), s.head_dim(layer), s.norm_eps
        self.q = linear(s.hidden, self.heads * self.dim)
        self.k = linear(s.hidden, self.kv_heads * self.dim)
        self.v = linear(s.hidden, self.kv_heads * self.dim) if s.is_sliding(layer) else None
        self.out = linear(self.heads * self.dim, s.hidden)
        # Scores have scale 1.0, so the two weights start where their product is 1/sqrt(dim).
        self.q_norm, self.k_norm = (Norm(self.dim, s.norm_eps, self.dim**-0.25) for _ in range(2))

    def project(self, x: torch.Tensor, table):
        """Queries, keys and values of x, as [batch, heads, position, dim]."""

        def split(y, heads):
            return y.view(*x.shape[:2], heads, self.dim).transpose(1, 2)

        q, k = split(self.q(x), self.heads), split(self.k(x), self.kv_heads)
        v = k if self.v is None else split(self.v(x), self.kv_heads)
        q, k = rotate(self.q_norm(q), table), rotate(self.k_norm(k), table)
        return q.to(x.dtype), k.to(x.dtype), rms(v, self.eps).to(x.dtype)


class Experts(nn.Module):
    """Top-2 routing. The router reads the residual stream itself, not the experts' normed input."""

    def __init__(self, s: TargetShape):
        super().__init__()
        self.s = s
        self.router = nn.Parameter(torch.randn(s.experts, s.hidden) * s.hidden**-0.5)
        # The graph divides the router's input by sqrt(hidden); this weight starts by undoing it.
        self.router_scale = nn.Parameter(torch.full((s.hidden,), s.hidden**0.5))
        self.gate_up = nn.Parameter(torch.randn(s.experts, 2 * s.expert_ff, s.hidden) * s.hidden**-0.5)
        self.down = nn.Parameter(torch.randn(s.experts, s.hidden, s.expert_ff) * s.expert_ff**-0.5)
        self.scale = nn.Parameter(torch.ones(s.experts))

    def route(self, residual: torch.Tensor):
        x = rms(residual, self.s.norm_eps) * self.s.hidden**-0.5 * self.router_scale
        # float32 always: a near tie must fall the way it falls in llama.cpp.
        with torch.autocast("cpu", enabled=False):
            probs = (x @ self.router.t()).softmax(-1)
        weights, chosen = probs.topk(self.s.experts_used, -1)
        return probs, weights / weights.sum(-1, keepdim=True), chosen

    def forward(self, x: torch.Tensor, weights: torch.Tensor, chosen: torch.Tensor, capacity: int) -> torch.Tensor:
        """x [n, hidden]. Rows are sorted by expert into a padded [experts, capacity] block, so that one batched
        matrix product serves all experts; rows past an expert's capacity are dropped (training only: the load
        balancing loss keeps them rare; capacity = n drops none)."""
        n, e = x.shape[0], self.s.experts
        flat = chosen.reshape(-1)
        order = flat.argsort(stable=True)
        experts = flat[order]
        counts = F.one_hot(flat, e).sum(0)
        starts = counts.cumsum(0) - counts
        place = torch.arange(flat.shape[0]) - starts[experts]
        slot = torch.where(place < capacity, experts * capacity + place, e * capacity)
        token = order // self.s.experts_used
        block = x.new_zeros(e * capacity + 1, x.shape[1]).index_copy(0, slot, x[token])[:-1].view(e, capacity, -1)
        gate, up = torch.bmm(block, self.gate_up.to(x.dtype).transpose(1, 2)).chunk(2, -1)
        out = torch.bmm(F.gelu(gate, approximate="tanh") * up, self.down.to(x.dtype).transpose(1, 2))
        out = torch.cat((out.reshape(e * capacity, -1), out.new_zeros(1, x.shape[1])))
        share = (weights.reshape(-1) * self.scale[flat])[order]
        return torch.zeros(n, x.shape[1]).index_add(0, token, out[slot].float() * share[:, None])


class Block(nn.Module):
    def __init__(self, s: TargetShape, layer: int):
        super().__init__()
        # Post-norms start small, so that an untrained stack of layers is close to the identity.
        small = (2 * s.layers) ** -0.5
        self.attn_norm, self.attn_post_norm = Norm(s.hidden, s.norm_eps), Norm(s.hidden, s.norm_eps, small)
        self.attn = Attention(s, layer)
        self.ffn_norm, self.ffn_post_norm_1 = Norm(s.hidden, s.norm_eps), Norm(s.hidden, s.norm_eps)
        self.ffn_norm_2, self.ffn_post_norm_2 = Norm(s.hidden, s.norm_eps), Norm(s.hidden, s.norm_eps)
        self.ffn_post_norm = Norm(s.hidden, s.norm_eps, small)
        self.mlp = GatedMlp(s.hidden, s.dense_ff)
        self.experts = Experts(s)
        self.out_scale = nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor, table, mask, dtype: torch.dtype, capacity_factor: float):
        """Residual in, residual out; also returns the load-balancing term and the layer's keys and values."""
        q, k, v = self.attn.project(self.attn_norm(x).to(dtype), table)
        x, balance = self.finish(x, attend(q, k, v, mask), dtype, capacity_factor)
        return x, balance, (k, v)

    def finish(self, x: torch.Tensor, attended: torch.Tensor, dtype: torch.dtype, capacity_factor: float):
        """Everything after the attention. capacity_factor 0: no row is ever dropped."""
        x = x + self.attn_post_norm(self.attn.out(attended))
        dense = self.ffn_post_norm_1(self.mlp(self.ffn_norm(x).to(dtype)))
        probs, weights, chosen = self.experts.route(x)
        s = self.experts.s
        rows = chosen.shape[0] * chosen.shape[1]
        capacity = min(rows, int(rows * s.experts_used / s.experts * capacity_factor)) if capacity_factor else rows
        sparse = self.experts(
            self.ffn_norm_2(x).to(dtype).flatten(0, 1), weights.flatten(0, 1), chosen.flatten(0, 1), capacity
        ).view_as(x)
        mixed = self.ffn_post_norm(dense + self.ffn_post_norm_2(sparse))
        used = F.one_hot(chosen, s.experts).float().mean((0, 1, 2))
        balance = s.experts * (used * probs.mean((0, 1))).sum()
        return (x + mixed) * self.out_scale, balance


class Target(nn.Module):
    def __init__(self, s: TargetShape = TARGET):
        super().__init__()
        self.s = s
        self.embed = nn.Parameter(torch.randn(s.vocab, s.hidden) * 0.5 * s.hidden**-0.5)
        self.blocks = nn.ModuleList(Block(s, i) for i in range(s.layers))
        self.norm = Norm(s.hidden, s.norm_eps)

    def tables(self, positions: torch.Tensor):
        s = self.s
        return {
            True: rope_table(positions, s.sliding_head_dim, s.rope_base_sliding),
            False: rope_table(positions, s.full_head_dim, s.rope_base_full, s.rotary_fraction_full),
        }

    def masks(self, length: int):
        """True where a query may look. A sliding query sees itself and the window - 1 positions before it."""
        distance = torch.arange(length)[:, None] - torch.arange(length)[None]
        return {True: (distance >= 0) & (distance < self.s.window), False: distance >= 0}

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        raw = F.linear(hidden, self.embed.to(hidden.dtype)).float()
        return self.s.softcap * torch.tanh(raw / self.s.softcap)

    def forward(self, tokens: torch.Tensor, dtype=torch.float32, capacity_factor: float = 0.0, want_kv: bool = False):
        """tokens [batch, length] -> hidden rows after the final norm (float32), balance loss, and, when asked for,
        the keys and values of the last two layers (what a drafter attends to)."""
        s, length = self.s, tokens.shape[1]
        tables, masks = self.tables(torch.arange(length)), self.masks(length)
        x = self.embed[tokens] * s.hidden**0.5
        balance, kv = 0.0, {}
        for i, block in enumerate(self.blocks):
            sliding = s.is_sliding(i)
            x, term, keys_values = block(x, tables[sliding], masks[sliding], dtype, capacity_factor)
            balance = balance + term / s.layers
            if want_kv and i >= s.layers - 2:
                kv[sliding] = keys_values
        return self.norm(x), balance, kv
