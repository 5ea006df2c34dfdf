"""What both trainers share: processes that average gradients, a schedule by the clock, averaged weights, checkpoints."""

import os
import time
from pathlib import Path

import torch
import torch.distributed as dist

from optimizer import Muon, split_parameters

CHECKPOINT_SECONDS = 150
AVERAGE_FROM = 0.6  # weights are averaged over the last part: steadier than the final step alone


def join(rank: int, processes: int, port: str) -> None:
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
    dist.init_process_group("gloo", rank=rank, world_size=processes)
    torch.manual_seed(1)


def rate(progress: float) -> float:
    """Warm-up, plateau, then a linear fall to a small rest over the last half."""
    return min(1.0, progress / 0.02, max(0.04, (1 - progress) / 0.5))


class Trainer:
    """Steps a model until its minutes are over. The clock, not a step count, sets the schedule, so that a slow or busy
    machine also ends with a finished model."""

    def __init__(self, model: torch.nn.Module, path: Path, minutes: float, rank: int, muon_rate: float, adam_rate: float):
        self.model, self.path, self.minutes, self.rank, self.adam_rate = model, path, minutes, rank, adam_rate
        self.spent, self.tokens, self.draws, self.steps, self.averaged = 0.0, 0, 0, 0, 0
        if path.exists():
            state = torch.load(path, weights_only=True)
            model.load_state_dict(state["last"])
            self.spent, self.tokens, self.draws = state["seconds"], state["tokens"], state["draws"]
        self.average = {k: v.clone() for k, v in model.state_dict().items()}
        matrices, rest = split_parameters(model)
        self.muon = Muon(matrices, muon_rate)
        self.adam = torch.optim.AdamW(rest, lr=adam_rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
        self.parameters = list(model.parameters())
        self.last = self.saved = time.time()
        self.shown = 0.0

    def progress(self) -> float:
        """Rank 0's clock decides, so that all processes agree."""
        clock = torch.tensor([self.spent])
        dist.broadcast(clock, 0)
        return float(clock) / (self.minutes * 60)

    def backward(self, compute_loss):
        """Runs compute_loss() -> (loss, value to show) and its gradient. At the first step one process compiles alone,
        and the others then find its work in the cache."""
        if self.steps == 0 and self.rank > 0:
            dist.barrier()
        with torch.autocast("cpu", torch.bfloat16):
            loss, shown = compute_loss()
        loss.backward()
        if self.steps == 0 and self.rank == 0:
            dist.barrier()
        self.shown = shown if self.steps == 0 else 0.95 * self.shown + 0.05 * shown

    def step(self, progress: float, tokens: int, draws: int) -> None:
        flat = torch.cat([p.grad.flatten() for p in self.parameters])
        dist.all_reduce(flat)
        flat /= dist.get_world_size()
        flat *= min(1.0, 1.0 / (float(flat.norm()) + 1e-6))
        at = 0
        for p in self.parameters:
            p.grad.copy_(flat[at : at + p.numel()].view_as(p))
            at += p.numel()
        self.muon.step(rate(progress))
        for group in self.adam.param_groups:
            group["lr"] = self.adam_rate * rate(progress)
        self.adam.step()
        self.model.zero_grad(set_to_none=True)
        if progress >= AVERAGE_FROM:
            self.averaged += 1
            for k, v in self.model.state_dict().items():
                self.average[k].lerp_(v, max(0.01, 1 / self.averaged))
        now = time.time()
        # The first step compiles; that is not training time.
        self.spent += now - self.last if self.steps else 0.0
        self.last, self.steps, self.draws = now, self.steps + 1, draws
        self.tokens += tokens * dist.get_world_size()
        if self.rank == 0 and self.steps % 10 == 0:
            print(f"{self.spent / 60:5.1f} min  step {self.steps}  {self.tokens / 1e6:.2f} M tokens  {self.shown}", flush=True)
        if self.rank == 0 and now - self.saved > CHECKPOINT_SECONDS:
            self.saved = now
            self.save()

    def save(self) -> None:
        state = {
            "last": self.model.state_dict(),
            "average": self.average if self.averaged else self.model.state_dict(),
            "seconds": self.spent, "tokens": self.tokens, "draws": self.draws,
        }
        part = self.path.with_suffix(".part")
        torch.save(state, part)
        part.rename(self.path)
