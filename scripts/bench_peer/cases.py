"""The cases: what is run on both sides, how often, in which order, and which figure is taken.

Every case runs the sides one after the other on the same files, prompt, lengths, threads, context, micro-batch and KV
type, in turned order every other time (ours first, then peer first), so that a machine that warms up or is disturbed
treats both alike. One pair of runs gives one ratio; the table shows the median of these ratios and their spread.

- plain, mtp: tokens per second of the reply by each program's own clock, from the first token on: slipstream's
  predicted_per_second, llama-server's timings.predicted_per_second (wall time, over one token fewer than the reply has)
  and llama-speculative-simple's "decoded" line (wall time of its loop). Greedy; end of turn ignored.
- prefill: prompt tokens per second by the same clocks ("encoded" line; it leaves out the last token's row). The
  drafter is loaded and set to 3 guesses; `prefill-plain` is without one.
- start: from outside, by our clock. Plain: process start to the first byte of text, against llama-completion without
  its warm-up. Pair: the whole process for one token, against llama-speculative-simple with -n 0 (it draws one).
- memory: peak resident memory of the whole process as the kernel counts it (wait4), for 32 tokens.
- accept: share of tested guesses that were accepted, at temperature 1.0, top-k 64, top-p 0.95 and the reply's own end.
  Same prompts on all sides, one seed for each. Tested = not behind a rejected guess, not behind the end of turn, on
  both sides (sides.count_tested).
"""

import math
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from sides import Ours, Pair, Reply, Server, Setup, Simple, completion_argv, run_child

DRAFT_LENGTHS = (1, 2, 3)
ACCEPT_DRAFT = 3
ACCEPT_REPLY_TOKENS = 256

WORDS = """anchor apple arrow autumn badge bakery balance bridge butter candle canyon carpet castle chapter circle
climate cloud coast copper cotton crystal dancer desert dinner doctor dragon eagle engine evening fabric falcon farmer
feather fence flower forest fountain garden ginger glacier guitar hammer harbor harvest helmet history hunter island
jacket journey kettle kitchen ladder lantern leather lemon library magnet marble market meadow mirror mountain museum
needle ocean orange orchard palace pepper piano pillow planet pocket prince quarter rabbit ribbon river rocket saddle
sailor school season shadow silver singer spider spring statue storm summer sunset table temple thunder tiger tower
tunnel valley velvet violin wagon walnut water weather whale window winter wolf wonder yellow""".split()
QUESTIONS = ["What does {w} mean?", "Define {w}.", "What is {w}?", "Tell me about {w}.", "Explain the word {w}."]
SENTENCES = re.split(r"(?<=\.) ", " ".join("""The harbour town wakes before the sun does. Boats come in with the first
light and the market opens on the quay. A baker carries bread from door to door while the lamps are still burning. Old
maps show a bridge where the ferry runs today. In winter the river freezes and children cross it on foot. Nobody
remembers who built the stone tower on the hill. It was a lighthouse first, then a prison, and now it holds the
library. Students climb the stairs with their books and complain about the wind. From the top you can see three
villages and the long road to the mountains. The road was paved in a single summer by people who had never built one.
They learned as they went, and the first mile is still the worst.""".split()))


@dataclass
class Row:
    """One pair of runs: one line of the CSV."""

    case: str
    setting: str
    repeat: int
    unit: str
    peer_program: str
    ours: float
    peer: float
    ours_tested: int = 0
    ours_accepted: int = 0
    peer_tested: int = 0
    peer_accepted: int = 0
    note: str = ""

    @property
    def ratio(self) -> float:
        return self.ours / self.peer if self.peer else math.nan


def question(pair: Pair, number: int) -> str:
    """Prompt number N: a chat turn for the Gemma models, the start of a text for others."""
    text = QUESTIONS[number // len(WORDS) % len(QUESTIONS)].format(w=WORDS[number % len(WORDS)])
    return f"<|turn>user\n{text}<turn|>\n<|turn>model\n" if pair.drafter else f"Question: {text}\nAnswer:"


def long_prompt(pair: Pair, number: int) -> str:
    """About prefill_chars of prose, beginning at another sentence every time."""
    at = number % len(SENTENCES)
    turned = " ".join(SENTENCES[at:] + SENTENCES[:at])
    return (turned + "\n\n") * (pair.prefill_chars // len(turned)) + turned[: pair.prefill_chars % len(turned)]


def in_turn(repeat: int, runs: list[Callable]) -> list:
    """Runs all in this order or, every other time, in the opposite one. Results come in the given order."""
    order = list(range(len(runs)))
    done = {i: runs[i]() for i in (order if repeat % 2 == 0 else reversed(order))}
    return [done[i] for i in order]


def by_server(setup: Setup, pair: Pair, prompt: str, n: int, draft: int | None) -> Reply:
    with Server(setup, pair, draft) as server:
        return server.reply(prompt, n)


def difference(ours: Reply, peer: Reply) -> str:
    """Says where a pair of greedy runs did not do the same work; empty when it did."""
    notes = []
    if peer.tokens is not None and ours.tokens != peer.tokens:
        at = next((i for i, (a, b) in enumerate(zip(ours.tokens, peer.tokens)) if a != b), None)
        notes.append(f"texts differ from token {at}" if at is not None else "lengths differ")
    if ours.prompt_n != peer.prompt_n:
        notes.append(f"prompt {ours.prompt_n} and {peer.prompt_n} tokens")
    return "; ".join(notes)


def speed(setup: Setup, pair: Pair, repeats: int, case: str, draft: int | None, figure: str, prompt: Callable, n: int):
    """The cases that compare one reply's rate."""
    for repeat in range(repeats):
        text = prompt(pair, repeat)
        runs = [lambda: Ours(setup, pair).reply(text, n, draft), lambda: by_server(setup, pair, text, n, draft)]
        if draft:
            runs.append(lambda: Simple(setup, pair).reply(text, n, draft))
        ours, *peers = in_turn(repeat, runs)
        for peer in peers:
            yield Row(case, f"n={draft}" if draft else "no drafter", repeat, "t/s", peer.program,
                      getattr(ours, figure), getattr(peer, figure), ours.tested, ours.accepted, peer.tested,
                      peer.accepted, difference(ours, peer))


def plain(setup: Setup, pair: Pair, repeats: int) -> Iterator[Row]:
    yield from speed(setup, pair, repeats, "plain", None, "predicted_per_second", question, pair.reply_tokens)


def mtp(setup: Setup, pair: Pair, repeats: int) -> Iterator[Row]:
    for draft in DRAFT_LENGTHS if pair.drafter else ():
        yield from speed(setup, pair, repeats, "mtp", draft, "predicted_per_second", question, pair.reply_tokens)


def prefill(setup: Setup, pair: Pair, repeats: int) -> Iterator[Row]:
    if pair.drafter:
        yield from speed(setup, pair, repeats, "prefill", 3, "prompt_per_second", long_prompt, 8)
    yield from speed(setup, pair, repeats, "prefill-plain", None, "prompt_per_second", long_prompt, 8)


def start(setup: Setup, pair: Pair, repeats: int) -> Iterator[Row]:
    ours_side, prompt = Ours(setup, pair), question(pair, 0)
    for repeat in range(repeats):
        ours, peer = in_turn(repeat, [lambda: run_child(ours_side.argv(prompt, 4, None, json_out=False)),
                                      lambda: run_child(completion_argv(setup, pair, prompt, 4))])
        silent = ours.first_byte_s is None or peer.first_byte_s is None
        figures = (ours.wall_s, peer.wall_s) if silent else (ours.first_byte_s, peer.first_byte_s)
        yield Row("start", "no drafter", repeat, "s", "llama-completion", *figures,
                  note="no text came out: whole process" if silent else "")
        if pair.drafter:
            ours, peer = in_turn(repeat, [lambda: run_child(ours_side.argv(prompt, 1, 3, json_out=False)),
                                          lambda: run_child(Simple(setup, pair).argv(prompt, 0, 3))])
            yield Row("start", "pair, one token", repeat, "s", Simple.name, ours.wall_s, peer.wall_s)


def memory(setup: Setup, pair: Pair, repeats: int) -> Iterator[Row]:
    ours_side, prompt = Ours(setup, pair), question(pair, 0)
    for repeat in range(repeats):
        ours, peer = in_turn(repeat, [lambda: run_child(ours_side.argv(prompt, 32, None)),
                                      lambda: run_child(completion_argv(setup, pair, prompt, 32))])
        yield Row("memory", "no drafter", repeat, "MiB", "llama-completion", ours.peak_mib, peer.peak_mib)
        if pair.drafter:
            ours, peer = in_turn(repeat, [lambda: run_child(ours_side.argv(prompt, 32, 3)),
                                          lambda: run_child(Simple(setup, pair).argv(prompt, 32, 3))])
            yield Row("memory", "n=3", repeat, "MiB", Simple.name, ours.peak_mib, peer.peak_mib)


def accept(setup: Setup, pair: Pair, repeats: int, tested_at_least: int) -> Iterator[Row]:
    """Each repeat is a block of prompts that is long enough for its share of the guesses, on every side."""
    if not pair.drafter:
        return
    options = {"temp": 1.0, "ignore_eos": False}
    with ExitStack() as stack:
        sides: dict[str, Callable[..., Reply]] = {
            "ours": lambda text, seed: Ours(setup, pair).reply(text, ACCEPT_REPLY_TOKENS, ACCEPT_DRAFT, seed=seed,
                                                               **options)}
        for sampling in ("greedy", "probabilistic"):
            server = stack.enter_context(Server(setup, pair, ACCEPT_DRAFT, sampling, trace=True))
            sides[f"llama-server, {sampling} drafts"] = (
                lambda text, seed, server=server: server.reply(text, ACCEPT_REPLY_TOKENS, seed=seed, **options))
        number = 0
        for repeat in range(repeats):
            counts, first = {name: [0, 0] for name in sides}, number
            while min(tested for tested, _ in counts.values()) < tested_at_least / repeats:
                text = question(pair, number)
                number += 1
                if number - first > 50 and not all(tested for tested, _ in counts.values()):
                    raise RuntimeError(f"no guess was tested in 50 replies on some side: {counts}")
                for name, run in sides.items():
                    reply = run(text, number)
                    counts[name][0] += reply.tested
                    counts[name][1] += reply.accepted
            ours = counts.pop("ours")
            for name, peer in counts.items():
                yield Row("accept", f"n={ACCEPT_DRAFT}, temp 1", repeat, "%", name, 100 * ours[1] / ours[0],
                          100 * peer[1] / peer[0], *ours, *peer)
