"""Building blocks shared by target and drafter, equal to the operations of llama.cpp's gemma4 graphs."""

import torch
import torch.nn.functional as F
from torch import nn


def rms(x: torch.Tensor, eps: float) -> torch.Tensor:
    """RMS norm without a weight, in float32: the values and the router use it bare."""
    x = x.float()
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps)


class Norm(nn.Module):
    """RMS norm with a weight that multiplies (Gemma 4 adds no 1 to it)."""

    def __init__(self, size: int, eps: float, fill: float = 1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.full((size,), fill))
        self.eps = eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return rms(x, self.eps) * self.weight


def linear(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, bias=False)
    nn.init.normal_(layer.weight, std=inputs**-0.5)
    return layer


def rope_factors(head_dim: int, fraction: float) -> torch.Tensor:
    """Proportional rope: the frequencies past the rotated fraction are divided by 1e30, so those pairs stand still."""
    factors = torch.full((head_dim // 2,), 1e30)
    factors[: int(head_dim * fraction / 2)] = 1.0
    return factors


def rope_table(positions: torch.Tensor, head_dim: int, base: float, fraction: float = 1.0):
    frequencies = base ** (-torch.arange(0, head_dim, 2).float() / head_dim) / rope_factors(head_dim, fraction)
    angles = positions.float()[..., None] * frequencies
    return angles.cos(), angles.sin()


def rotate(x: torch.Tensor, table) -> torch.Tensor:
    """NeoX rope on [..., positions, head_dim]."""
    cos, sin = table
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


class GatedMlp(nn.Module):
    def __init__(self, hidden: int, ff: int):
        super().__init__()
        self.gate, self.up = linear(hidden, ff), linear(hidden, ff)
        self.down = linear(ff, hidden)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down(F.gelu(self.gate(x), approximate="tanh") * self.up(x))


def attend(q, k, v, mask) -> torch.Tensor:
    """Attention with scale 1 (queries and keys are normed) and grouped KV heads; returns [batch, position, heads*dim]."""
    groups = q.shape[1] // k.shape[1]
    if groups > 1:
        k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=1.0)
    return out.transpose(1, 2).flatten(2)
