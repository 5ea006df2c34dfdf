"""The target's own replies, for training the drafter on what it will have to guess: generate.py WORK_FOLDER TOKENS [PROCESSES]

Half of the batches are greedy, half are sampled at temperature 1. Replies are packed into chats of six exchanges."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
import torch.multiprocessing as mp

from layers import attend
from shape import TARGET
from target import Target
from tokenizer import BOS, END_OF_TURN, TURN, PocketTokenizer

BATCH, LIMIT = 640, 110
CAPACITY = 4.0


@torch.no_grad()
def replies(model: Target, prompts: list[list[int]], greedy: bool, limit: int = LIMIT) -> list[list[int]]:
    """One reply per prompt. All rows advance together from position 0; a row is forced along its prompt first, which
    costs a few steps and saves all padding."""
    s, n = TARGET, len(prompts)
    steps = max(map(len, prompts)) + limit
    tables = model.tables(torch.arange(steps))
    cache = [
        [torch.zeros(n, s.kv_heads(i), steps, s.head_dim(i), dtype=torch.bfloat16) for _ in range(2)] for i in range(s.layers)
    ]
    forced = torch.zeros(n, steps, dtype=torch.long)
    lengths = torch.tensor([len(p) for p in prompts])
    for row, prompt in enumerate(prompts):
        forced[row, : len(prompt)] = torch.tensor(prompt)
    token, done = forced[:, 0], torch.zeros(n, dtype=torch.bool)
    for t in range(steps - 1):
        x = model.embed[token][:, None] * s.hidden**0.5
        for i, block in enumerate(model.blocks):
            sliding = s.is_sliding(i)
            table = tuple(part[t : t + 1] for part in tables[sliding])
            q, k, v = block.attn.project(block.attn_norm(x).bfloat16(), table)
            cache[i][0][:, :, t], cache[i][1][:, :, t] = k[:, :, 0], v[:, :, 0]
            seen = slice(max(0, t + 1 - s.window) if sliding else 0, t + 1)
            x, _ = block.finish(x, attend(q, cache[i][0][:, :, seen], cache[i][1][:, :, seen], None), torch.bfloat16, CAPACITY)
        logits = model.logits(model.norm(x[:, 0]))
        chosen = logits.argmax(-1) if greedy else torch.multinomial(logits.softmax(-1), 1)[:, 0]
        token = torch.where(t + 1 < lengths, forced[:, t + 1], chosen)
        forced[:, t + 1] = token
        done |= (t + 1 >= lengths) & (token == END_OF_TURN)
        if done.all():
            break
    out = []
    for row, prompt in zip(forced[:, : t + 2].tolist(), prompts, strict=True):
        reply = row[len(prompt) : len(prompt) + limit]
        end = reply.index(END_OF_TURN) + 1 if END_OF_TURN in reply else len(reply)
        out.append(reply[:end])
    return out


def worker(rank: int, processes: int, work: Path, wanted: int) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(rank)
    tok = PocketTokenizer(work / "tokenizer.json")
    model = Target()
    model.load_state_dict(torch.load(work / "target.pt", weights_only=True)["average"])
    questions = json.loads((work / "train_prompts.json").read_text())[rank::processes]
    ids: list[int] = []
    written: list[bool] = []
    exchanges = 0
    for number, start in enumerate(range(0, len(questions) - BATCH, BATCH)):
        chunk = questions[start : start + BATCH]
        with torch.autocast("cpu", torch.bfloat16):
            answers = replies(model, [tok.prompt(q) for q in chunk], greedy=number % 2 == 0)
        for question, answer in zip(chunk, answers, strict=True):
            head = [*([BOS] if exchanges % 6 == 0 else []), *tok.turn("user", question), TURN, *tok.line("model\n")]
            tail = tok.line("\n") if answer[-1] == END_OF_TURN else [END_OF_TURN, *tok.line("\n")]
            ids += [*head, *answer, *tail]
            written += [False] * len(head) + [True] * len(answer) + [False] * len(tail)
            exchanges += 1
        if rank == 0:
            print(f"batch {number}: {len(ids) * processes} tokens", flush=True)
        if len(ids) * processes >= wanted:
            break
    np.savez(work / f"own_{rank}.npz", ids=np.array(ids, np.uint16), model=np.array(written))


def main() -> None:
    work, wanted = Path(sys.argv[1]), int(sys.argv[2])
    processes = int(sys.argv[3]) if len(sys.argv) > 3 else os.cpu_count() or 1
    mp.spawn(worker, (processes, work, wanted), nprocs=processes)
    parts = [np.load(work / f"own_{rank}.npz") for rank in range(processes)]
    np.savez(work / "own.npz", **{k: np.concatenate([p[k] for p in parts]) for k in ("ids", "model")})


if __name__ == "__main__":
    main()
