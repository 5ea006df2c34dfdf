"""Builds the tokenizer and the packed training, held-out and prompt files: corpus.py WORK_FOLDER"""

import hashlib
import json
import random
import sys
from pathlib import Path

import numpy as np

import tokenizer as bpe
from dictionary_chat import Exchange, one_word, several_words
from shape import TARGET
from small_talk import small_talk
from wordnet import Entry, read_entries

TRAIN_TOKENS = 12_000_000
HELD_OUT_TOKENS = 150_000
SYSTEM = ["You are a helpful assistant.", "Be brief.", "You are a dictionary.", "Answer in markdown.", "You are kind."]


def held_out(word: str) -> bool:
    """One word in 43, chosen by hash so that the split never moves."""
    return hashlib.sha256(word.encode()).digest()[0] < 6


class Writer:
    """Draws exchanges: mostly dictionary, common words (many senses) more often than rare ones."""

    def __init__(self, entries: list[Entry], rng: random.Random):
        self.entries, self.rng = entries, rng
        self.weights = np.cumsum([min(len(e.senses), 6) ** 1.5 for e in entries])
        self.common = [e.word for e in entries if len(e.senses) >= 3]

    def entry(self) -> Entry:
        return self.entries[int(np.searchsorted(self.weights, self.rng.random() * self.weights[-1]))]

    def exchange(self) -> Exchange:
        kind = self.rng.random()
        if kind < 0.20:
            return small_talk(self.common, self.rng)
        if kind < 0.26:
            return several_words([self.entry() for _ in range(self.rng.randint(2, 4))], self.rng)
        return one_word(self.entry(), self.rng)


def encode_chats(writer: Writer, tok: bpe.PocketTokenizer, total: int):
    """One endless row of chats, each of 3 to 30 exchanges, with a flag for the tokens that the model has to write."""
    ids: list[int] = []
    model: list[bool] = []

    def put(tokens: list[int], flag: bool):
        ids.extend(tokens)
        model.extend([flag] * len(tokens))

    header = [bpe.TURN, *tok.line("model\n")]
    starts = []
    while len(ids) < total:
        starts.append(len(ids))
        put([bpe.BOS], False)
        if writer.rng.random() < 0.1:
            put(tok.turn("system", writer.rng.choice(SYSTEM)), False)
        for _ in range(writer.rng.choice([3, 6, 6, 6, 12, 30])):
            question, reply = writer.exchange()
            put(tok.turn("user", question), False)
            put(header, False)
            put([*tok.encode(reply), bpe.END_OF_TURN], True)
            put(tok.line("\n"), False)
    return np.array(ids, np.uint16), np.array(model, bool), np.array(starts, np.int64)


def main() -> None:
    work = Path(sys.argv[1])
    work.mkdir(parents=True, exist_ok=True)
    rng = random.Random(1)
    entries = read_entries()
    train = Writer([e for e in entries if not held_out(e.word)], rng)
    test = Writer([e for e in entries if held_out(e.word)], random.Random(2))
    path = work / "tokenizer.json"
    if not path.exists():
        sample = [f"user\n{q}\nmodel\n{r}\nsystem" for q, r in (train.exchange() for _ in range(60_000))]
        bpe.train(sample, TARGET.vocab, path)
    tok = bpe.PocketTokenizer(path)
    assert len(tok.tokens) == TARGET.vocab, len(tok.tokens)
    for name, writer, total in (("held_out", test, HELD_OUT_TOKENS), ("train", train, TRAIN_TOKENS)):
        ids, model, starts = encode_chats(writer, tok, total)
        np.savez(work / f"{name}.npz", ids=ids, model=model, starts=starts)
        print(f"{name}: {len(ids)} tokens, {model.mean():.2f} of them written by the model", flush=True)
    # Prompts for the drafter's on-policy text, and unseen ones for evaluation.
    draws = {"train_prompts": [train.exchange() for _ in range(20_000)], "held_out_prompts": [test.exchange() for _ in range(400)]}
    for name, drawn in draws.items():
        (work / f"{name}.json").write_text(json.dumps([q for q, _ in drawn]))


if __name__ == "__main__":
    main()
