"""A byte-fallback BPE with Gemma 4's special tokens, applied exactly as llama.cpp applies a `gemma4` vocabulary."""

import json
import re
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

PAD, EOS, BOS, UNK, MASK = range(5)
SPECIAL = [
    "<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<|turn>", "<turn|>", "<|channel>", "<channel|>", "<|think|>",
    "<|tool>", "<tool|>", "<|tool_call>", "<tool_call|>", "<|tool_response>", "<tool_response|>", '<|"|>', "<|image|>",
]
TURN, END_OF_TURN = SPECIAL.index("<|turn>"), SPECIAL.index("<turn|>")
# llama.cpp's chat parser has to see these, so Gemma 4 files mark them as user-defined instead of control.
USER_DEFINED = {"<|channel>", "<channel|>", "<|tool_call>", "<tool_call|>", "<|tool_response>", "<tool_response|>", '<|"|>'}
BYTES = [f"<0x{i:02X}>" for i in range(256)]
NEWLINES = ["\n", "\n\n"]
SPACE = "\u2581"


def train(texts: list[str], size: int, path: Path) -> None:
    """Learns merges inside words only (a leading space, letters | one digit | a run of signs). llama.cpp runs the merges
    over whole lines, which gives the same pieces: no merge that crosses a word was ever learned."""
    fixed = SPECIAL + BYTES + NEWLINES
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Replace(" ", SPACE)
    word = Regex(rf"{SPACE}?[A-Za-z]+|{SPACE}?[0-9]|{SPACE}?[^A-Za-z0-9{SPACE}]+|{SPACE}")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(word, "isolated")
    trainer = trainers.BpeTrainer(
        vocab_size=size - len(fixed),
        show_progress=False,
        initial_alphabet=[chr(c) for c in range(33, 127)] + [SPACE],
        limit_alphabet=140,
    )
    lines = (line for text in texts for line in text.split("\n") if line)
    tokenizer.train_from_iterator(lines, trainer)
    learned = json.loads(tokenizer.to_str())["model"]
    pieces = sorted(learned["vocab"], key=learned["vocab"].get)
    tokens = fixed + [p for p in pieces if p not in fixed]
    merges = [list(m) if isinstance(m, list) else m.split(" ") for m in learned["merges"]]
    path.write_text(json.dumps({"tokens": tokens, "merges": merges}, ensure_ascii=False))


class PocketTokenizer:
    def __init__(self, path: Path):
        stored = json.loads(path.read_text())
        self.tokens: list[str] = stored["tokens"]
        self.merges: list[list[str]] = stored["merges"]
        self.ids = {t: i for i, t in enumerate(self.tokens)}
        self.bpe = Tokenizer(
            models.BPE(vocab=self.ids, merges=[tuple(m) for m in self.merges], byte_fallback=True, unk_token="<unk>")
        )
        self.cache: dict[str, list[int]] = {}

    def encode(self, text: str) -> list[int]:
        """Plain text without special tokens. Runs of newlines are taken apart first, as llama.cpp does."""
        ids: list[int] = []
        for part in re.findall(r"[^\n]+|\n+", text):
            if part in self.ids and part[0] == "\n":
                ids.append(self.ids[part])
            elif part[0] == "\n":
                ids += [self.ids["\n"]] * len(part)
            else:
                ids += self.bpe.encode(part.replace(" ", SPACE)).ids
        return ids

    def line(self, text: str) -> list[int]:
        """encode() with a memory, for the few strings that every turn repeats."""
        if text not in self.cache:
            self.cache[text] = self.encode(text)
        return self.cache[text]

    def turn(self, role: str, content: str) -> list[int]:
        """<|turn>role, newline, content, <turn|>, newline."""
        return [TURN, *self.encode(f"{role}\n{content}"), END_OF_TURN, *self.line("\n")]

    def prompt(self, question: str, system: str | None = None) -> list[int]:
        """A whole one-turn prompt, up to where the model begins to write."""
        head = self.turn("system", system) if system else []
        return [BOS, *head, *self.turn("user", question), TURN, *self.line("model\n")]

    def decode(self, ids: list[int]) -> str:
        raw = b"".join(
            bytes([int(t[3:5], 16)]) if t in BYTES else t.replace(SPACE, " ").encode() for t in (self.tokens[i] for i in ids)
        )
        return raw.decode("utf-8", "replace")
