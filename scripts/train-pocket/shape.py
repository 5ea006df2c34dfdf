"""The shape of the pocket pair: one place that training, export and evaluation all read."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class TargetShape:
    """A Gemma 4 mixture-of-experts decoder, deep and thin.

    Deep and thin on purpose: each layer costs little arithmetic but a fixed amount of scheduling, so a batch of
    four tokens costs much less than four single steps, and that is what makes drafting pay on a model this small.
    """

    vocab: int = 6144
    hidden: int = 192
    layers: int = 12
    # Few wide heads: llama.cpp's flash attention on a CPU costs per head and position, so heads raise the price of a
    # batch. Sliding layers have two KV heads; full layers one, whose keys are also the values, as in the 26B.
    heads: int = 2
    sliding_head_dim: int = 64
    sliding_kv_heads: int = 2
    full_head_dim: int = 128
    full_kv_heads: int = 1
    window: int = 256
    dense_ff: int = 256
    # Not 8 experts: llama.cpp's quantizer treats 8-expert models as Mixtral.
    experts: int = 16
    experts_used: int = 2
    expert_ff: int = 64
    rope_base_full: float = 1e6
    rope_base_sliding: float = 1e4
    rotary_fraction_full: float = 0.25
    norm_eps: float = 1e-6
    softcap: float = 30.0
    context: int = 4096

    def is_sliding(self, layer: int) -> bool:
        """Two sliding layers, then a full one; the last two are [sliding, full], which is what a drafter reads."""
        return layer % 3 != 2

    def head_dim(self, layer: int) -> int:
        return self.sliding_head_dim if self.is_sliding(layer) else self.full_head_dim

    def kv_heads(self, layer: int) -> int:
        return self.sliding_kv_heads if self.is_sliding(layer) else self.full_kv_heads


@dataclass(frozen=True)
class DrafterShape:
    """The assistant: two layers without keys or values of their own; they read the target's last two layers."""

    target: TargetShape = field(default_factory=TargetShape)
    # llama.cpp requires a hidden size that differs from the target's.
    hidden: int = 128
    layers: int = 2
    heads: int = 2
    ff: int = 384

    def is_sliding(self, layer: int) -> bool:
        return layer == 0

    def head_dim(self, layer: int) -> int:
        return self.target.sliding_head_dim if self.is_sliding(layer) else self.target.full_head_dim

    def kv_heads(self, layer: int) -> int:
        return self.target.sliding_kv_heads if self.is_sliding(layer) else self.target.full_kv_heads


TARGET = TargetShape()
DRAFTER = DrafterShape(TARGET)
