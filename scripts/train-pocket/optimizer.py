"""Muon for the weight matrices (far fewer steps than Adam to the same loss, which is what counts on two cores)."""

from collections import defaultdict

import torch
import torch.distributed as dist


def split_parameters(model: torch.nn.Module):
    """Hidden matrices for Muon; embeddings, the router, norms and scales for Adam."""
    matrices, rest = [], []
    for name, p in model.named_parameters():
        is_matrix = p.ndim >= 2 and not name.endswith(("embed", "router"))
        (matrices if is_matrix else rest).append(p)
    return matrices, rest


def orthogonalize(g: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """Newton-Schulz iteration on a stack of matrices [n, rows, columns]: all singular values towards 1."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g.bfloat16()
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.transpose(1, 2)
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        s = x @ x.transpose(1, 2)
        x = a * x + (b * s + c * (s @ s)) @ x
    return (x.transpose(1, 2) if tall else x).float()


class Muon:
    def __init__(self, parameters: list[torch.Tensor], rate: float, momentum: float = 0.95, decay: float = 0.05):
        self.rate, self.momentum, self.decay = rate, momentum, decay
        self.buffers = [torch.zeros_like(p) for p in parameters]
        self.parameters = parameters
        # Matrices of one shape are orthogonalized together: one batched product instead of hundreds of small ones.
        self.groups: dict[tuple[int, int], list[int]] = defaultdict(list)
        for i, p in enumerate(parameters):
            self.groups[tuple(p.shape[-2:])].append(i)

    @torch.no_grad()
    def step(self, scale: float) -> None:
        for (rows, columns), members in self.groups.items():
            stack = []
            for i in members:
                g, buffer = self.parameters[i].grad, self.buffers[i]
                buffer.lerp_(g, 1 - self.momentum)
                stack.append(g.lerp(buffer, self.momentum).view(-1, rows, columns))
            updates = self.shared_orthogonalize(torch.cat(stack))
            rate = self.rate * scale * max(1.0, rows / columns) ** 0.5
            at = 0
            for i in members:
                p = self.parameters[i]
                count = p.numel() // (rows * columns)
                p.mul_(1 - rate * self.decay).add_(updates[at : at + count].view_as(p), alpha=-rate)
                at += count

    @staticmethod
    def shared_orthogonalize(stack: torch.Tensor) -> torch.Tensor:
        """Each process does its share of the matrices; the sum over processes puts the shares together."""
        if not dist.is_initialized():
            return orthogonalize(stack)
        rank, processes, n = dist.get_rank(), dist.get_world_size(), len(stack)
        mine = slice(n * rank // processes, n * (rank + 1) // processes)
        updates = torch.zeros_like(stack)
        if mine.start < mine.stop:
            updates[mine] = orthogonalize(stack[mine])
        dist.all_reduce(updates)
        return updates
