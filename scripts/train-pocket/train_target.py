"""Trains the target: train_target.py WORK_FOLDER MINUTES [PROCESSES]

Each process runs on one thread with its own share of the batch, and gradients are averaged once per step: on a machine
that is busy with other work this wastes far less time than threads that meet after every small operation. The time
budget, not a step count, sets the schedule, so a slow machine ends with a usable model too. A cut-off loses at most one
checkpoint interval; starting again continues from the checkpoint.
"""

import os
import sys
from pathlib import Path

import numpy as np
import torch
import torch.multiprocessing as mp
import torch.nn.functional as F

from parallel import Trainer, join
from shape import TARGET
from target import Target

LENGTH, ROWS = 384, 8  # tokens per row, rows per process and step
LONG_LENGTH, LONG_ROWS, LONG_FROM = 1024, 3, 0.92  # the end: long chats, so that a full context stays sane
MUON_RATE, ADAM_RATE = 0.02, 4e-3
USER_WEIGHT = 0.1  # loss weight of the tokens that the model never has to write
BALANCE_WEIGHT = 0.01
CAPACITY = 1.5


class Rows:
    """Rows cut from the packed chats. Each begins where a chat begins, as every prompt does in use."""

    def __init__(self, path: Path, rank: int, processes: int, done: int):
        data = np.load(path)
        self.ids, self.model, starts = data["ids"].astype(np.int64), data["model"], data["starts"]
        self.starts = np.random.default_rng(7).permutation(starts[starts < len(self.ids) - LONG_LENGTH - 1])[rank::processes]
        self.next = done

    def batch(self, rows: int, length: int):
        at = [int(self.starts[i % len(self.starts)]) for i in range(self.next, self.next + rows)]
        self.next += rows
        ids = np.stack([self.ids[a : a + length + 1] for a in at])
        written = np.stack([self.model[a + 1 : a + length + 1] for a in at])
        return torch.from_numpy(ids), torch.from_numpy(written)


@torch.compile(dynamic=False)
def head_loss(hidden: torch.Tensor, embed: torch.Tensor, next_ids: torch.Tensor, written: torch.Tensor):
    """Weighted loss and the plain loss on the model's own tokens. Compiled apart: the softcap and the softmax over
    the vocabulary cost as much as four layers when each is a pass of its own."""
    raw = F.linear(hidden.bfloat16(), embed.bfloat16()).float().flatten(0, 1)
    logits = TARGET.softcap * torch.tanh(raw / TARGET.softcap)
    # |logits| <= 30, so the sum of exponentials is safe without subtracting a maximum.
    each = logits.exp().sum(-1).log() - logits.gather(1, next_ids.flatten()[:, None])[:, 0]
    weight = torch.where(written.flatten(), 1.0, USER_WEIGHT)
    mine = written.flatten().float()
    return (each * weight).sum() / weight.sum(), (each * mine).sum() / mine.sum()


def loss_of(model: Target, ids, written):
    hidden, balance, _ = model(ids[:, :-1], torch.bfloat16, CAPACITY)
    loss, shown = head_loss(hidden, model.embed, ids[:, 1:].contiguous(), written)
    return loss + BALANCE_WEIGHT * balance, shown.detach()


def worker(rank: int, processes: int, work: Path, minutes: float) -> None:
    join(rank, processes, "29517")
    model = Target()
    trainer = Trainer(model, work / "target.pt", minutes, rank, MUON_RATE, ADAM_RATE)
    data = Rows(work / "train.npz", rank, processes, trainer.draws)
    for block in model.blocks:
        block.compile(dynamic=False)  # block by block: two graphs instead of one of twelve layers
    while (progress := trainer.progress()) < 1:
        long = progress >= LONG_FROM
        ids, written = data.batch(LONG_ROWS if long else ROWS, LONG_LENGTH if long else LENGTH)
        trainer.backward(lambda: loss_of(model, ids, written))
        trainer.step(progress, ids[:, 1:].numel(), data.next)
    if rank == 0:
        trainer.save()


if __name__ == "__main__":
    count = int(sys.argv[3]) if len(sys.argv) > 3 else os.cpu_count() or 1
    mp.spawn(worker, (count, Path(sys.argv[1]), float(sys.argv[2])), nprocs=count)
