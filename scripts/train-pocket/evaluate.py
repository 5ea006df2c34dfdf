"""Measures the finished pair and prints JSON: evaluate.py WORK_FOLDER ASSETS_FOLDER

Losses are computed in PyTorch; replies, acceptance and speed come from the GGUF files in llama.cpp."""

import json
import sys
from pathlib import Path

import numpy as np
import torch

import llama_tools
from ngram import ORDER, KneserNey
from shape import TARGET
from target import Target
from tokenizer import PocketTokenizer

PROMPTS, LIMIT, GUESSES = 100, 256, 3
LENGTH = 512


@torch.no_grad()
def target_losses(model: Target, ids: np.ndarray) -> np.ndarray:
    """-log p of every token but the first of each stretch, where it is 0; stretches of LENGTH begin without a past."""
    out = np.zeros(len(ids))
    for start in range(0, len(ids) - 1, LENGTH):
        piece = torch.from_numpy(ids[start : start + LENGTH][None])
        hidden, _, _ = model(piece)
        loss = torch.nn.functional.cross_entropy(model.logits(hidden)[0, :-1], piece[0, 1:], reduction="none")
        out[start + 1 : start + 1 + len(loss)] = loss.numpy()
    return out


def held_out_losses(work: Path) -> dict:
    state = torch.load(work / "target.pt", weights_only=True)
    model = Target()
    model.load_state_dict(state["average"])
    held, train = np.load(work / "held_out.npz"), np.load(work / "train.npz")
    ids, written = held["ids"].astype(np.int64)[:60_000], held["model"][:60_000]
    counted = written.copy()
    counted[:ORDER] = False
    counted[::LENGTH] = False
    # The n-gram model gets as many tokens as the target has seen.
    seen = min(state["tokens"], len(train["ids"]))
    ngram = KneserNey(train["ids"][:seen].astype(np.int64), TARGET.vocab).losses(ids)
    ngram = np.concatenate((np.zeros(ORDER - 1), ngram))
    return {
        "training_tokens": state["tokens"],
        "training_minutes": round(state["seconds"] / 60, 1),
        "target": round(float(target_losses(model, ids)[counted].mean()), 4),
        "five_gram": round(float(ngram[counted].mean()), 4),
    }


def loops(reply: list[int]) -> bool:
    """The reply's end says the same 2 to 12 tokens four times over, or one token six times."""
    for size in range(1, 13):
        times = 4 if size > 1 else 6
        tail = reply[-size * times :]
        if len(tail) == size * times and tail == tail[:size] * times:
            return True
    return False


def rate(results: list[dict]) -> float:
    return sum(len(r["tokens"]) - 1 for r in results) / sum(r["seconds"] for r in results)


def summary(results: list[dict]) -> dict:
    tested, accepted = (np.sum([r[k] for r in results], 0) for k in ("tested", "accepted"))
    rounds = sum(r["rounds"] for r in results)
    return {
        "acceptance_by_position": [round(float(a / t), 4) for a, t in zip(accepted, tested, strict=True)],
        "length_per_round": round(sum(len(r["tokens"]) - 1 for r in results) / rounds, 3),
        "tokens_per_second": round(rate(results), 1),
    }


def main() -> None:
    work, assets = Path(sys.argv[1]), Path(sys.argv[2])
    target, drafter = (next(assets.glob(f"pocket-{name}-*.gguf")) for name in ("target", "drafter"))
    tok = PocketTokenizer(work / "tokenizer.json")
    questions = json.loads((work / "held_out_prompts.json").read_text())[:PROMPTS]
    prompts = [tok.prompt(q) for q in questions]
    plain = llama_tools.chat(target, drafter, prompts, 0, LIMIT)
    drafted = llama_tools.chat(target, drafter, prompts, GUESSES, LIMIT)
    speed = llama_tools.speed(target, drafter)
    one = speed["batch_seconds"]["1"]
    report = {
        "files": {p.name: p.stat().st_size for p in (target, drafter)},
        "held_out_loss_per_model_token": held_out_losses(work),
        "greedy_replies": {
            "prompts": len(prompts),
            "ended_by_themselves": sum(r["ended"] for r in plain) / len(plain),
            "looping": sum(loops(r["tokens"][:-1]) for r in plain) / len(plain),
            "mean_tokens": round(sum(len(r["tokens"]) for r in plain) / len(plain), 1),
            "same_text_with_drafter": sum(a["tokens"] == b["tokens"] for a, b in zip(plain, drafted, strict=True)) / len(plain),
        },
        "plain_tokens_per_second": round(rate(plain), 1),
        "drafted": {"guesses": GUESSES, **summary(drafted)},
        "cost": {
            "batch_over_single": {w: round(t / one, 3) for w, t in speed["batch_seconds"].items()},
            "draft_over_single": round(speed["draft_seconds"] / one, 3),
            "single_token_microseconds": round(one * 1e6, 1),
        },
        "samples": [{"prompt": q, "reply": tok.decode(r["tokens"])} for q, r in list(zip(questions, plain, strict=True))[:12]],
    }
    report["drafted"]["gain"] = round(report["drafted"]["tokens_per_second"] / report["plain_tokens_per_second"], 3)
    print(json.dumps(report, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
