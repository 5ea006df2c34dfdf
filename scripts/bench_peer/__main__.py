"""Compares slipstream with llama.cpp's programs. Started by scripts/bench-peer.sh, which builds the peer."""

import argparse
import datetime
import os
import platform
import re
import signal
import subprocess
import sys
from pathlib import Path

import cases
import kinds
import kinds_report
from report import table, write_csv
from sides import Pair, Setup

RESULTS = Path("docs/bench")
CASES = ("plain", "mtp", "prefill", "accept", "start", "memory")
# Long, and with tables of its own: only where it is asked for, and by itself.
KINDS = "kinds"


def found(folder: Path, pattern: str) -> Path | None:
    return next(iter(sorted(folder.glob(pattern))), None)


def pairs(models: Path | None) -> list[Pair]:
    """The pairs that are here. Lengths: a second or more a reply, and 1000 or about 400 tokens to prefill."""
    pocket = Path("assets/pocket")
    known = [("pocket", found(pocket, "*target*.gguf"), found(pocket, "*drafter*.gguf"), 512, 3600)]
    if models:
        known += [
            ("smollm2", found(models, "smollm2/*.gguf"), None, 256, 3600),
            ("shape12", found(models, "shape-12b-*layer-*.gguf"), found(models, "shape-12b-assistant-*.gguf"), 48, 1400),
            ("shape26", found(models, "shape-26b-a4b-*.gguf"), found(models, "shape-26b-assistant-*.gguf"), 64, 1400),
        ]
    for label, target, *_ in known:
        if target is None:
            print(f"bench-peer: no file for {label}, left out", file=sys.stderr)
    return [Pair(*entry) for entry in known if entry[1]]


def cpu_model() -> str:
    if sys.platform == "darwin":
        return subprocess.check_output(["sysctl", "-n", "machdep.cpu.brand_string"], text=True).strip()
    names = re.findall(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return names[0] if names else platform.processor() or platform.machine()


def commit() -> str:
    """The commit that was measured, marked when the tree has changes that it does not hold (other than results)."""
    def git(*words: str) -> str:
        return subprocess.run(["git", *words], capture_output=True, text=True).stdout.strip()
    changes = git("status", "--porcelain", "--", ".", f":(exclude){RESULTS}")
    return (git("rev-parse", "--short", "HEAD") or "none") + ("+changes" if changes else "")


def quant(model: Path) -> str:
    hit = re.search(r"[-.](I?Q\d\w*|BF16|F16|F32)\.gguf$", model.name, re.IGNORECASE)
    return hit[1] if hit else "?"


def measure_kinds(setup: Setup, pair: Pair, chosen: argparse.Namespace, facts: dict[str, object]) -> None:
    """The case `kinds`, which keeps its rows as it goes and goes on where it was cut off."""
    plan = kinds.changed(kinds.PLANS[pair.label], chosen.kinds, chosen.starts, chosen.lengths, tokens=chosen.tokens,
                         n_max=chosen.n_max)
    facts |= {"tokens": plan.tokens, "temperature": 1, "forced": " ".join(map(str, plan.forced)),
              "n_max": plan.n_max or "default"}
    stem = chosen.out / f"kinds-{facts['date']}-{pair.label}"
    book = kinds.Book(stem.with_suffix(".csv"), facts)
    try:
        kinds.measure(setup, pair, plan, chosen.repeats, book)
    finally:
        if rows := book.rows():
            text = kinds_report.report(pair.label, plan, facts, rows, lookup=pair.drafter is None)
            stem.with_suffix(".md").write_text(text, encoding="utf-8")
            print(text)


def main() -> None:
    words = argparse.ArgumentParser(prog="scripts/bench-peer.sh", description=__doc__)
    words.add_argument("--slipstream", required=True, help=argparse.SUPPRESS)
    words.add_argument("--peer", type=Path, required=True, help=argparse.SUPPRESS)
    words.add_argument("--llama-build", required=True, help=argparse.SUPPRESS)
    words.add_argument("--models", type=lambda text: Path(text) if text else None, help=argparse.SUPPRESS)
    words.add_argument("--pairs", help="some of pocket,smollm2,shape12,shape26 (default: all found)")
    words.add_argument("--cases", default=",".join(CASES), help=f"some of {','.join(CASES)} (default: all), or {KINDS}")
    words.add_argument("--repeats", type=int, default=5)
    words.add_argument("--threads", type=int, default=os.cpu_count())
    words.add_argument("--ctx", type=int, default=2048)
    words.add_argument("--ubatch", type=int, default=512, help="the peer's; slipstream's own must be the same")
    words.add_argument("--kv", default="f16", choices=("f16", "q8_0"))
    words.add_argument("--tested", type=int, default=20_000, help="guesses a side in the case accept")
    only = words.add_argument_group(f"only with --cases {KINDS} (defaults: kinds.py, by pair)")
    only.add_argument("--kinds", help="kinds of text: built-in ones, or those of the pair")
    only.add_argument("--tokens", type=int, help="length of a reply")
    only.add_argument("--lengths", help="draft lengths, of both sides")
    only.add_argument("--starts", help="some of cold,warm,tuned; cold has the fixed lengths")
    only.add_argument("--n-max", type=int, help="slipstream's --n-max for auto")
    words.add_argument("--out", type=Path, default=RESULTS, help="folder of the results (default: docs/bench)")
    chosen = words.parse_args()

    # A stopped run leaves by way of the exits that end its servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    setup = Setup(chosen.slipstream, chosen.peer, chosen.threads, chosen.ctx, chosen.ubatch, chosen.kv)
    measured = commit()
    today = datetime.date.today().isoformat()
    wanted = chosen.pairs.split(",") if chosen.pairs else None
    names = chosen.cases.split(",")
    if unknown := set(names) - set(CASES) - ({KINDS} if len(names) == 1 else set()):
        words.error(f"unknown case: {', '.join(sorted(unknown))}")
    if hasattr(os, "getloadavg"):
        print(f"bench-peer: load average {os.getloadavg()[0]:.2f} at the start", file=sys.stderr)
    for pair in pairs(chosen.models):
        if wanted and pair.label not in wanted:
            continue
        facts = {"date": today, "cpu": cpu_model(), "cores": os.cpu_count(), "threads": setup.threads,
                 "ctx": setup.ctx, "ubatch": setup.ubatch, "kv": setup.kv, "commit": measured,
                 "llama_build": chosen.llama_build, "model": pair.target.name, "quant": quant(pair.target),
                 "drafter": pair.drafter.name if pair.drafter else ""}
        if names == [KINDS]:
            measure_kinds(setup, pair, chosen, facts)
            continue
        stem = chosen.out / f"peer-{today}-{pair.label}"
        for name in names:
            # Acceptance needs a trained pair: random weights accept next to nothing, and would take hours.
            if name == "accept" and pair.label != "pocket":
                continue
            more = (chosen.tested,) if name == "accept" else ()
            rows = []
            for row in getattr(cases, name)(setup, pair, chosen.repeats, *more):
                print(f"{pair.label} {row.case} {row.setting} #{row.repeat} {row.peer_program}: {row.ours:.4g} and "
                      f"{row.peer:.4g} {row.unit}, {row.ratio:.3f} {row.note}", file=sys.stderr, flush=True)
                rows.append(row)
            # Written case by case: an interrupted run keeps what it has.
            if rows:
                lines = write_csv(stem.with_suffix(".csv"), facts, rows)
                stem.with_suffix(".md").write_text(table(pair.label, lines), encoding="utf-8")
        if stem.with_suffix(".md").exists():
            print(stem.with_suffix(".md").read_text(encoding="utf-8"))


main()
