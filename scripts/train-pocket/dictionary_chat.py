"""Chat exchanges about dictionary words, in a few fixed markdown layouts.

A word in a reply follows a space wherever the layout allows it: it then has the tokens it had in the question, and
copying it is easy for a model of this size.
"""

import json
import random

from wordnet import Entry

Exchange = tuple[str, str]

DEFINE = [
    "Define {w}.", "Define {w}", "define {w}", "What does {w} mean?", "what does {w} mean?", "What is {w}?",
    "What is the meaning of {w}?", "Meaning of {w}?", "Tell me about {w}.", "Explain {w}.", "Explain the word {w}.",
    "What does the word {w} mean?", "Do you know the word {w}?", "{w}", "{w}?", "Please define {w}.",
    "Can you define {w}?", "What does \"{w}\" mean?", "Look up {w}.",
]
DEFINE_NOUN = ["What is {a} {w}?", "what is {a} {w}?", "What is {a} {w}", "what's {a} {w}?", "Tell me about {a} {w}."]
SENTENCE = [
    "Use {w} in a sentence.", "Give me a sentence with {w}.", "Write a sentence with the word {w}.",
    "Show me an example of {w}.", "use {w} in a sentence",
]
SYNONYM = [
    "Give me a synonym for {w}.", "What is another word for {w}?", "Synonyms of {w}?", "List synonyms for {w}.",
    "synonym for {w}", "What words are like {w}?",
]
PART = ["What part of speech is {w}?", "Is {w} a noun or a verb?", "What kind of word is {w}?"]
RECORD = ["Give me {w} as JSON.", "Define {w} as JSON.", "JSON for {w}, please.", "Write {w} as a JSON object."]
GLOSSARY = ["Make a glossary of {ws}.", "Define {ws}.", "Explain {ws}.", "Compare {ws}.", "What do {ws} mean?"]


def article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def joined(words: list[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def define(entry: Entry) -> str:
    senses = entry.senses[:2]
    lines = [f"## {entry.word} ({senses[0].part})", ""]
    for number, sense in enumerate(senses, 1):
        # The part is repeated only where it changes, so that the common line stays short.
        mark = f"*{sense.part}*: " if sense.part != senses[0].part else ""
        lines.append(f"{number}. {mark}{sense.meaning}")
    if synonyms := [s for sense in senses for s in sense.synonyms][:3]:
        lines += ["", f"Synonyms: {', '.join(dict.fromkeys(synonyms))}"]
    return "\n".join(lines)


def sentence(entry: Entry) -> str:
    for sense in entry.senses:
        for example in sense.examples:
            if entry.word in example.lower().split():
                return f"Here is a sentence with {entry.word}:\n\n> {example}"
    sense = entry.senses[0]
    return f"I have no sentence with {entry.word}, but it means:\n\n> {sense.meaning}"


def synonyms(entry: Entry) -> str:
    found = list(dict.fromkeys(s for sense in entry.senses for s in sense.synonyms))[:4]
    if not found:
        return f"I know no synonym for {entry.word}."
    return f"Synonyms for {entry.word}:\n\n" + "\n".join(f"- {s}" for s in found)


def part_of_speech(entry: Entry) -> str:
    parts = [f"{article(p)} {p}" for p in entry.parts]
    return f"The word {entry.word} can be {joined(parts)}." if len(parts) > 1 else f"The word {entry.word} is {parts[0]}."


def record(entry: Entry) -> str:
    sense = entry.senses[0]
    fields = {"word": entry.word, "part": sense.part, "meaning": sense.meaning, "synonyms": sense.synonyms[:2]}
    return "```json\n" + json.dumps(fields, indent=2) + "\n```"


def glossary(entries: list[Entry]) -> str:
    return "\n".join(f"- {e.word} ({e.senses[0].part}): {e.senses[0].meaning}" for e in entries)


def one_word(entry: Entry, rng: random.Random) -> Exchange:
    kind = rng.random()
    if kind < 0.60:
        questions = DEFINE + (DEFINE_NOUN * 2 if entry.senses[0].part == "noun" else [])
        question, reply = rng.choice(questions), define(entry)
    elif kind < 0.72:
        question, reply = rng.choice(SENTENCE), sentence(entry)
    elif kind < 0.84:
        question, reply = rng.choice(SYNONYM), synonyms(entry)
    elif kind < 0.90:
        question, reply = rng.choice(PART), part_of_speech(entry)
    else:
        question, reply = rng.choice(RECORD), record(entry)
    return question.format(w=entry.word, a=article(entry.word)), reply


def several_words(entries: list[Entry], rng: random.Random) -> Exchange:
    return rng.choice(GLOSSARY).format(ws=joined([e.word for e in entries])), glossary(entries)
