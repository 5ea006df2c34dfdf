"""Calls the measuring program harness/pocket_run.cpp, which runs the pair in llama.cpp."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np

PROGRAM = Path(os.environ.get("POCKET_RUN", Path(__file__).parent / "harness" / "pocket_run"))


def run(*arguments, stdin: bytes = b"") -> bytes:
    return subprocess.run([PROGRAM, *map(str, arguments)], input=stdin, stdout=subprocess.PIPE, check=True).stdout


def id_lines(prompts: list[list[int]]) -> bytes:
    return "".join(" ".join(map(str, p)) + "\n" for p in prompts).encode()


def encode(target: Path, texts: list[str]) -> list[list[int]]:
    out = run("encode", target, stdin="\0".join(texts).encode())
    return [[int(i) for i in line.split()] for line in out.decode().splitlines()]


def chat(target: Path, drafter: Path, prompts: list[list[int]], guesses: int, limit: int) -> list[dict]:
    """Greedy replies with `guesses` drafted tokens per round (0: plain)."""
    out = run("chat", target, drafter, guesses, limit, stdin=id_lines(prompts))
    return [json.loads(line) for line in out.decode().splitlines()]


def speed(target: Path, drafter: Path) -> dict:
    return json.loads(run("speed", target, drafter))


def rows(target: Path, drafter: Path, ids: list[int], steps: int, vocab: int) -> np.ndarray:
    """Target logits of every token, followed by the logits of `steps` greedy draft steps at the last one."""
    return np.frombuffer(run("rows", target, drafter, steps, stdin=id_lines([ids])), np.float32).reshape(-1, vocab)
