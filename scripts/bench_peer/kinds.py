"""The case `kinds`: every draft length and the automatic one on several kinds of text, beside llama-server.

Each repeat starts every process anew and gives each its turn: ours, then the peer's one by one, and backwards in every
other repeat. `slipstream bench` is one process for all lengths. llama-server takes its draft length when it starts (the
request's "speculative.n_max" is compiled out in b11434), so it is one process a length, and its plain decoding has no
drafter in the process. n = 3 is the peer's default; its p-min and its way of drafting are left at their defaults.
Without a drafter both sides look up: the peer's is ngram-simple as it is by default, and with N guesses behind N tokens.

Both sides continue the same text as it stands for the same number of tokens at temperature 1, top-k 64, top-p 0.95, and
may not end it. Both clocks run from the first token on. The seed is the number of the repeat: all lengths of a side
write the same text (but for roundings of wider batches, which bench counts), and the two sides draw different ones.

Ours starts in three ways, kept apart as `start`:
- cold: `auto` begins every reply knowing nothing, as the program's first start. The fixed lengths are measured here.
- warm: it has just written another reply to the same prompt (with the seed before), which is not counted.
- tuned: it begins every reply with what `slipstream tune` has stored, once before the first repeat.

Random weights accept nothing. With a plan's `forced` rates both sides accept guesses at these rates by place while all
work is done: ours by --force-acceptance, the peer by --spec-synth-rates, whose rates are not conditional. Ours accepts by
position, the same at every length and in every repeat; the peer draws its luck anew. What a few dozen rounds accept
varies by several percent, so the peer's rate is derived, and labelled so: its measured rounds per second times the tokens
per round that ours had at this length (kinds_report.py shows it at the mean of the rates too).

Every row is written as soon as it is known, and a run that was cut off goes on where it ended.
"""

import csv
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import accumulate
from operator import mul
from pathlib import Path

from sides import Pair, Server, Setup, run_child

BUILT_IN = Path("assets/bench")
OWN = Path(__file__).parent / "prompts"
LENGTHS = (1, 2, 3, 4, 5, 6)
STARTS = ("cold", "warm", "tuned")
WARM_UP_TOKENS = 16
# The leanest chain of the peer that draws from the same distribution as ours.
PEER_REQUEST = {"samplers": ["top_k", "top_p", "temperature"], "cache_prompt": True}
# The peer's look-up as it is by default: up to 48 guesses behind 12 tokens that occurred before.
LOOKUP = "ngram-simple"


@dataclass(frozen=True)
class Plan:
    """What is measured with a pair. Prompts are files; a file's name is the kind of text."""

    prompts: tuple[Path, ...]
    tokens: int
    starts: tuple[str, ...] = STARTS
    lengths: tuple[int, ...] = LENGTHS
    # Acceptance by place, given that all places before were accepted; the last rate goes on. Empty: the real one.
    forced: tuple[float, ...] = ()
    n_max: int | None = None

    def texts(self) -> dict[str, str]:
        """By kind. slipstream takes the white space off a prompt's end, so it is taken off for both."""
        return {path.stem: path.read_text(encoding="utf-8").rstrip() for path in self.prompts}


def built_in(*kinds: str) -> tuple[Path, ...]:
    return tuple(BUILT_IN / f"{kind}.txt" for kind in kinds)


PLANS = {
    "pocket": Plan(built_in("code", "prose", "maths", "translation", "extraction", "chat", "noise"), 400),
    # A start takes most of a minute, and a token a quarter of a second: one kind, and not `warm`.
    "shape26": Plan(built_in("prose"), 96, ("cold", "tuned"), forced=(0.85, 0.7, 0.55)),
    "shape12": Plan(built_in("prose"), 96, forced=(0.85, 0.7, 0.55)),
    "smollm2": Plan((OWN / "list.txt", OWN / "story.txt"), 256),
}


@dataclass
class Row:
    """One reply: one line of the CSV. `accepted` and `tested` are sums over all places."""

    side: str
    start: str
    repeat: int
    kind: str
    setting: str
    predicted_n: int
    per_second: float
    # Batches after the first token, which both sides draw from the prompt's: each gives one token more than it accepts.
    rounds: int
    tested: int = 0
    accepted: int = 0
    by_place: str = ""
    same_text: str = ""
    note: str = field(default="")

    @property
    def key(self) -> tuple[str, ...]:
        return tuple(str(part) for part in (self.side, self.start, self.repeat, self.kind, self.setting))


def expected_tokens(rates: tuple[float, ...], length: int) -> float:
    """Mean tokens of a round of `length` guesses: 1 + a1 + a1·a2 + …"""
    return 1.0 + sum(reached(rates, length))


def reached(rates: tuple[float, ...], length: int) -> list[float]:
    """For each place, how often it is reached and accepted."""
    return list(accumulate((rates[min(place, len(rates) - 1)] for place in range(length)), mul))


class Book:
    """The CSV of a pair: what it holds already, and one line more whenever a reply is measured."""

    def __init__(self, path: Path, facts: dict[str, object]):
        self.path, self.facts = path, {name: str(value) for name, value in facts.items()}
        self.lines: list[dict[str, str]] = []
        if path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                # A line that was cut off in the middle has no last column.
                self.lines = [line for line in csv.DictReader(file) if None not in line.values()]
        for line in self.lines:
            if differs := [name for name, value in self.facts.items() if line.get(name) != value]:
                sys.exit(f"bench-peer: going on with {path} failed: its {differs[0]} is {line.get(differs[0])!r}, this "
                         f"run's {self.facts[differs[0]]!r}; move the file away, or give another folder with --out")
        self.header = [*self.facts, *(f.name for f in fields(Row))]
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            self.writer(file).writeheader()
            self.writer(file).writerows(self.lines)

    def writer(self, file) -> csv.DictWriter:
        # Not csv's own default of \r\n: the file lives in Git.
        return csv.DictWriter(file, self.header, lineterminator="\n")

    def rows(self) -> list[Row]:
        kinds = {f.name: f.type for f in fields(Row)}
        return [Row(**{name: kinds[name](line[name]) for name in kinds}) for line in self.lines]

    def keys(self) -> set[tuple[str, ...]]:
        return {row.key for row in self.rows()}

    def add(self, row: Row) -> None:
        line = self.facts | {name: str(value) for name, value in asdict(row).items()}
        self.lines.append(line)
        with self.path.open("a", newline="", encoding="utf-8") as file:
            self.writer(file).writerow(line)
        print(f"{row.kind} {row.side} {row.start} {row.setting} #{row.repeat}: {row.per_second:.4g} t/s, "
              f"{row.accepted}/{row.tested} in {row.rounds} rounds {row.note}", file=sys.stderr, flush=True)


class Ours:
    """`slipstream bench` and `tune`, with a data folder of their own: nothing stored before takes part."""

    side = "slipstream"

    def __init__(self, setup: Setup, pair: Pair, plan: Plan, data: Path):
        self.setup, self.pair, self.plan, self.data = setup, pair, plan, data

    def flags(self) -> list[str]:
        setup, drafter = self.setup, self.pair.drafter
        return [str(self.pair.target), *(["-d", str(drafter)] if drafter else ["--drafter-kind", "lookup"]),
                "-c", str(setup.ctx), "-t", str(setup.threads), "--threads-batch", str(setup.threads),
                "--kv-type", setup.kv]

    def run(self, start: str, *words: str) -> str:
        """Each start has its data folder; that of `tuned` alone is ever filled."""
        os.environ["SLIPSTREAM_DATA"] = str(self.data / start)
        return run_child([self.setup.slipstream, words[0], *self.flags(), *words[1:]]).out

    def tune(self) -> None:
        if not (self.data / "tuned").exists():
            found = json.loads(self.run("tuned", "tune", "--json"))
            print(f"tune: {found['plain_per_second']:.4g} t/s plain, {found['threads_draft']} threads for drafts, ms by "
                  f"width {[(at['width'], round(at['ms'], 3)) for at in found['verify']]}", file=sys.stderr, flush=True)

    def measure(self, start: str, repeat: int) -> Iterator[Row]:
        plan, warm = self.plan, start == "warm"
        if start == "tuned":
            self.tune()
        settings = ["0", *(map(str, plan.lengths) if start == "cold" else ()), "auto"]
        out = self.run(
            start, "bench", "--raw", "--csv", "-n", str(plan.tokens), "--fixed", ",".join(settings),
            "--temp", "1", "--top-k", "64", "--top-p", "0.95", "--min-p", "0",
            *(["--warm", "--repeats", "2", "--seed", str(repeat)] if warm else
              ["--repeats", "1", "--seed", str(repeat + 1)]),
            *(["--force-acceptance", ",".join(map(str, plan.forced))] if plan.forced else []),
            *(["--n-max", str(plan.n_max)] if plan.n_max else []),
            *(word for path in plan.prompts for word in ("--prompt-file", str(path))))
        for line in csv.DictReader(out.splitlines()):
            if warm and line["repeat"] == "1":
                continue
            tested, accepted = (line[f"{what}_by_position"].split() for what in ("tested", "accepted"))
            yield Row(self.side, start, repeat, line["kind"], line["setting"], int(line["predicted_n"]),
                      # Its count of rounds has the first token's too.
                      float(line["predicted_per_second"]), int(line["draft_rounds"]) - 1, sum(map(int, tested)),
                      sum(map(int, accepted)), " ".join(f"{a}/{t}" for a, t in zip(accepted, tested)),
                      line["same_text"])


def peer_settings(pair: Pair, plan: Plan) -> list[str]:
    return ["plain", *([] if pair.drafter else [LOOKUP]), *map(str, plan.lengths)]


def peer_flags(pair: Pair, plan: Plan, setting: str) -> list[str]:
    if setting == "plain":
        return []
    if setting == LOOKUP:
        return ["--spec-type", LOOKUP]
    if pair.drafter is None:
        # It guesses nothing where fewer tokens follow the place that was found than it was found by.
        return ["--spec-type", LOOKUP, "--spec-ngram-simple-size-n", setting, "--spec-ngram-simple-size-m", setting]
    flags = ["-md", str(pair.drafter), "--spec-type", "draft-mtp", "--spec-draft-n-max", setting]
    if plan.forced:
        flags += ["--spec-synth-rates", ",".join(f"{rate:.6f}" for rate in reached(plan.forced, int(setting)))]
    return flags


def peer(setup: Setup, pair: Pair, plan: Plan, setting: str, repeat: int, kinds: list[str]) -> Iterator[Row]:
    texts = plan.texts()
    options = {"temp": 1.0, "seed": repeat + 1, "more": PEER_REQUEST}
    with Server(setup, pair, None, speculation=peer_flags(pair, plan, setting)) as server:
        server.reply(texts[kinds[0]], WARM_UP_TOKENS, **options)
        for kind in kinds:
            reply = server.reply(texts[kind], plan.tokens, **options)
            count = len(reply.tokens)
            yield Row(Server.name, "", repeat, kind, setting, count, round(reply.predicted_per_second, 3),
                      count - 1 - reply.accepted, reply.tested, reply.accepted,
                      note="" if count == plan.tokens else f"{count} of {plan.tokens} tokens")


def measure(setup: Setup, pair: Pair, plan: Plan, repeats: int, book: Book) -> None:
    """All repeats, without what the book holds already."""
    kinds = [path.stem for path in plan.prompts]

    def missing(side: str, start: str, repeat: int, settings: list[str]) -> list[str]:
        known = book.keys()
        return [kind for kind in kinds
                if any((side, start, str(repeat), kind, setting) not in known for setting in settings)]

    with tempfile.TemporaryDirectory(prefix="slipstream-kinds-") as folder:
        ours = Ours(setup, pair, plan, Path(folder))

        def our_turn(start: str, repeat: int) -> None:
            lengths = map(str, plan.lengths) if start == "cold" else ()
            if missing(ours.side, start, repeat, ["plain", *lengths, "auto"]):
                known = book.keys()
                for row in ours.measure(start, repeat):
                    if row.key not in known:
                        book.add(row)

        def peer_turn(setting: str, repeat: int) -> None:
            if left := missing(Server.name, "", repeat, [setting]):
                for row in peer(setup, pair, plan, setting, repeat, left):
                    book.add(row)

        turns: list[tuple[Callable[[str, int], None], str]] = [(our_turn, start) for start in plan.starts]
        turns += [(peer_turn, setting) for setting in peer_settings(pair, plan)]
        for repeat in range(repeats):
            for take, what in turns if repeat % 2 == 0 else reversed(turns):
                take(what, repeat)


def changed(plan: Plan, kinds: str | None, starts: str | None, lengths: str | None, **numbers: int | None) -> Plan:
    """The plan with what was asked for on the command line; None leaves the plan's."""
    wishes = {name: value for name, value in numbers.items() if value}
    if kinds:
        own = {path.stem: path for path in plan.prompts}
        wishes["prompts"] = tuple(own.get(kind, BUILT_IN / f"{kind}.txt") for kind in kinds.split(","))
        if missing := [path.stem for path in wishes["prompts"] if not path.exists()]:
            sys.exit(f"bench-peer: --kinds {missing[0]}: there is no such kind of text; this pair has {', '.join(own)}, "
                     f"and all have {', '.join(sorted(path.stem for path in BUILT_IN.glob('*.txt')))}")
    if starts:
        wishes["starts"] = tuple(starts.split(","))
        if "cold" not in wishes["starts"] or not set(wishes["starts"]) <= set(STARTS):
            sys.exit(f"bench-peer: --starts {starts}: expected some of {','.join(STARTS)}, cold among them: all is "
                     "compared with its lengths")
    if lengths:
        if not all(length.isdigit() and int(length) for length in lengths.split(",")):
            sys.exit(f"bench-peer: --lengths {lengths}: expected numbers from 1, for instance 1,2,3")
        wishes["lengths"] = tuple(map(int, lengths.split(",")))
    return replace(plan, **wishes)
