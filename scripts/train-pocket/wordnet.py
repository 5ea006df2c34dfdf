"""Reads Debian's WordNet 3.0 dictd file (package dict-wn) into entries with senses."""

import gzip
import re
from dataclasses import dataclass, field
from pathlib import Path

DICTIONARY = Path("/usr/share/dictd/wn.dict.dz")
PARTS = {"n": "noun", "v": "verb", "adj": "adjective", "adv": "adverb"}
UNWANTED = re.compile(r"slur|offensive|obscene|vulgar|derogat|disparag|sexual|prostitut|penis|vagina|genital", re.IGNORECASE)
SENSE = re.compile(r"(?:(n|v|adj|adv) )?(\d+): (.*)")


@dataclass
class Sense:
    part: str
    meaning: str
    examples: list[str]
    synonyms: list[str]


@dataclass
class Entry:
    word: str
    senses: list[Sense] = field(default_factory=list)

    @property
    def parts(self) -> list[str]:
        return list(dict.fromkeys(sense.part for sense in self.senses))


def parse_sense(part: str, text: str, word: str) -> Sense | None:
    if UNWANTED.search(text):
        return None
    synonyms = []
    if match := re.search(r"\[syn: (.*?)\]", text):
        names = [re.sub(r"\(\w+\)$", "", s) for s in re.findall(r"\{(.*?)\}", match.group(1))]
        synonyms = [s for s in names if s.lower() != word]
    text = re.sub(r"\[(?:syn|ant|also): .*?\]", "", text).strip()
    examples = re.findall(r'"([^"]+)"', text)
    meaning = re.split(r';?\s*"', text)[0].strip(" ;:")
    if not 8 <= len(meaning) <= 100 or re.search(r"[{}`\[\]\\]", meaning):
        return None
    return Sense(part, meaning, [e.strip(" ;,") for e in examples if 12 <= len(e) <= 80], synonyms[:4])


def read_entries(path: Path = DICTIONARY) -> list[Entry]:
    """All single lower-case words; names, phrases and abbreviations are left out to keep the task small."""
    entries, word, chunks = [], None, []

    def finish():
        if word is None or not re.fullmatch(r"[a-z]{2,14}", word):
            return
        entry, part = Entry(word), "noun"
        for chunk in chunks:
            if match := SENSE.match(chunk):
                part = PARTS[match.group(1)] if match.group(1) else part
                if sense := parse_sense(part, match.group(3), word):
                    entry.senses.append(sense)
        if entry.senses:
            entries.append(entry)

    for line in gzip.decompress(path.read_bytes()).decode("utf-8", "replace").splitlines():
        if line and not line.startswith(" "):
            finish()
            word, chunks = line.strip(), []
        elif SENSE.match(line.strip()) and re.match(r" {4}\S", line):
            chunks.append(line.strip())
        elif chunks:
            chunks[-1] += " " + line.strip()
    finish()
    return [e for e in entries if not e.word.startswith("00-database")]
