"""Checks that PyTorch and llama.cpp compute the same thing: check_parity.py WORK_FOLDER [--random]

Exports unquantized files, then compares the tokens of 200 texts, the target's logits and four draft steps."""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from gguf import GGMLQuantizationType as Q

import export
import llama_tools
from drafter import Drafter
from shape import TARGET
from target import Target
from tokenizer import PocketTokenizer

STEPS = 4


@torch.no_grad()
def torch_rows(target: Target, drafter: Drafter, ids: list[int]) -> np.ndarray:
    hidden, _, kv = target(torch.tensor([ids]), want_kv=True)
    out = [target.logits(hidden)[0]]
    t = len(ids) - 1
    context = drafter.context(torch.tensor([t]), t)
    past = {sliding: (k[:, :, :t], v[:, :, :t]) for sliding, (k, v) in kv.items()}
    token, h = torch.tensor([[ids[t]]]), hidden[:, t - 1 : t]
    for _ in range(STEPS):
        logits, h = drafter(target.embed[token] * TARGET.hidden**0.5, h, past, context)
        out.append(logits[0])
        token = logits.argmax(-1)
    return torch.cat(out).numpy()


def main() -> None:
    work = Path(sys.argv[1])
    tok = PocketTokenizer(work / "tokenizer.json")
    torch.manual_seed(5)
    target, drafter = Target(), Drafter()
    if "--random" in sys.argv:
        for p in (*target.parameters(), *drafter.parameters()):
            p.data.mul_(1 + 0.3 * torch.rand_like(p))  # no norm or scale stays at 1, where a mistake would not show
    else:
        target.load_state_dict(torch.load(work / "target.pt", weights_only=True)["average"])
        drafter.load_state_dict(torch.load(work / "drafter.pt", weights_only=True)["average"])
    held = np.load(work / "held_out.npz")["ids"].astype(int)
    texts = json.loads((work / "held_out_prompts.json").read_text())[:150]
    texts += [tok.decode([i for i in held[a : a + 120] if i > 17]) for a in range(0, 6000, 120)]
    texts += ["na\u00efve caf\u00e9 \u4f60\u597d\n\n\n  two  spaces\tand a tab 1234", "\n\nx", "  ", "user\nHi!!! (a) ```rust"]
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("target.gguf", "drafter.gguf")]
        export.write_target(target, tok, files[0], Q.F32)
        export.write_drafter(drafter, tok, files[1], Q.F32)
        theirs = llama_tools.encode(files[0], texts)
        differing = [t for t, ids in zip(texts, theirs, strict=True) if tok.encode(t) != ids]
        ids = [int(i) for i in held[:600]]
        got, want = llama_tools.rows(*files, ids, STEPS, TARGET.vocab), torch_rows(target, drafter, ids)
    gap = np.abs(got - want)
    top = got.argmax(-1) == want.argmax(-1)
    print(f"{len(texts)} texts, {len(differing)} tokenized differently {differing[:2]}")
    print(f"target: largest logit difference {gap[:-STEPS].max():.4f}, mean {gap[:-STEPS].mean():.5f}, same argmax {top[:-STEPS].mean():.4f}")
    print(f"drafter: largest per step {gap[-STEPS:].max(-1).round(4)}, same argmax {top[-STEPS:].all()}")
    if differing or gap.mean() > 0.02 or not top[-STEPS:].all():
        sys.exit("the two implementations disagree")


if __name__ == "__main__":
    main()
