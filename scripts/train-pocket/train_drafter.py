"""Trains the drafter with the target frozen: train_drafter.py WORK_FOLDER MINUTES [PROCESSES]

At every position t it drafts several tokens as llama.cpp does: the first from the target's row, each further one from
its own row, all at position t and all looking at the target's cache of positions before t. The loss is the cross entropy
to a mix of the target's distribution and its first choice. Most rows come from text that the target wrote."""

import os
import sys
from pathlib import Path

import numpy as np
import torch
import torch.multiprocessing as mp
import torch.nn.functional as F

from drafter import Drafter
from parallel import Trainer, join
from shape import TARGET
from target import Target
from tokenizer import BOS

LENGTH, ROWS, STEPS = 384, 6, 4
HEAD_ROWS = 1200  # of the rows that count in a step, as many go through the head, which is most of the cost
MUON_RATE, ADAM_RATE = 0.02, 3e-3
OWN_SHARE = 0.6
FIRST_CHOICE = 0.5  # share of the first choice in the mix: acceptance is about the argmax


class Rows:
    """Rows of the corpus and of the target's own text, each from the start of a chat."""

    def __init__(self, work: Path, rank: int, done: int):
        self.sources = []
        for name in ("train.npz", "own.npz"):
            data = np.load(work / name)
            ids = data["ids"].astype(np.int64)
            starts = np.flatnonzero(ids == BOS)
            self.sources.append((ids, data["model"], starts[starts < len(ids) - LENGTH]))
        self.rng = np.random.default_rng((rank, done))

    def batch(self):
        ids, written = [], []
        for _ in range(ROWS):
            tokens, model, starts = self.sources[int(self.rng.random() < OWN_SHARE)]
            at = int(self.rng.choice(starts))
            ids.append(tokens[at : at + LENGTH])
            written.append(model[at : at + LENGTH])
        return torch.from_numpy(np.stack(ids)), torch.from_numpy(np.stack(written))


def start_from(drafter: Drafter, target: Target) -> None:
    """The drafter's space begins as the main directions of the target's embeddings: its head then knows the tokens, and
    both projections agree with it, before the first step."""
    _, _, v = torch.linalg.svd(target.embed.detach(), full_matrices=False)
    v = v[: drafter.s.hidden]
    with torch.no_grad():
        drafter.embed.copy_(target.embed @ v.t())
        drafter.pre.weight.copy_(0.5 * torch.cat((v, v), 1))
        drafter.post.weight.copy_(v.t())


@torch.compile(dynamic=False)
def teach(hidden, embed):
    """The target's distribution at every position, and its first choice."""
    raw = F.linear(hidden.bfloat16(), embed.bfloat16()).float()
    logits = TARGET.softcap * torch.tanh(raw / TARGET.softcap)
    return logits.softmax(-1), logits.argmax(-1)


@torch.compile(dynamic=False)
def step_loss(x, head, teacher, best, weight):
    """x: normed drafter rows; teacher: the target's probabilities. Returns the loss and the share of agreeing argmaxes."""
    logits = F.linear(x.bfloat16(), head.bfloat16()).float()
    chosen = logits.gather(-1, best[..., None])[..., 0]
    wanted = (1 - FIRST_CHOICE) * (teacher * logits).sum(-1) + FIRST_CHOICE * chosen
    each = torch.logsumexp(logits, -1) - wanted
    agree = (chosen >= logits.amax(-1)).float()
    total = weight.sum() + 1e-6
    return (each * weight).sum() / total, (agree * weight).sum() / total


def draft_loss(drafter: Drafter, target: Target, ids, written, context):
    with torch.no_grad():
        hidden, _, kv = target(ids, torch.bfloat16, 4.0, want_kv=True)
        teacher, best = (part.flatten(0, 1) for part in teach(hidden, target.embed))
        embedded = target.embed[ids] * TARGET.hidden**0.5
    h = F.pad(hidden[:, :-1], (0, 0, 1, 0))
    loss, shares = 0.0, []
    for i in range(STEPS):
        # Step i at position t reads token t + i and guesses token t + i + 1; the rows past the end are never counted.
        x, h = drafter.rows(F.pad(embedded[:, i:], (0, 0, 0, i)), h, kv, context, torch.bfloat16)
        counted = torch.zeros_like(written)
        counted[:, 1 : LENGTH - i - 1] = written[:, 1 : LENGTH - i - 1] & written[:, i + 2 :]
        places = counted.flatten().nonzero()[:, 0]
        places = places[torch.randperm(len(places))[:HEAD_ROWS]]
        weight = torch.ones(HEAD_ROWS)
        weight[len(places) :] = 0
        places = F.pad(places, (0, HEAD_ROWS - len(places)))
        term, share = step_loss(x.flatten(0, 1)[places], drafter.embed, teacher[places + i], best[places + i], weight)
        # Later steps count a little less: they are reached only when the earlier guesses were right.
        loss = loss + term * 0.9**i
        shares.append(share.detach())
    return loss / STEPS, torch.stack(shares)


def worker(rank: int, processes: int, work: Path, minutes: float) -> None:
    join(rank, processes, "29518")
    target, drafter = Target(), Drafter()
    target.load_state_dict(torch.load(work / "target.pt", weights_only=True)["average"])
    target.requires_grad_(False)
    start_from(drafter, target)
    trainer = Trainer(drafter, work / "drafter.pt", minutes, rank, MUON_RATE, ADAM_RATE)
    for block in (*target.blocks, *drafter.blocks):
        block.compile(dynamic=False)
    data = Rows(work, rank, trainer.draws)
    context = drafter.context(torch.arange(LENGTH), LENGTH)
    draws = trainer.draws
    while (progress := trainer.progress()) < 1:
        ids, written = data.batch()
        draws += ROWS
        trainer.backward(lambda: draft_loss(drafter, target, ids, written, context))
        trainer.step(progress, ids.numel(), draws)
    if rank == 0:
        trainer.save()


if __name__ == "__main__":
    count = int(sys.argv[3]) if len(sys.argv) > 3 else os.cpu_count() or 1
    mp.spawn(worker, (count, Path(sys.argv[1]), float(sys.argv[2])), nprocs=count)
