"""The tables of the case `kinds`: medians over the repeats, with the least and the most, and whether the bars are met.

Every ratio is of two figures of the same repeat. Ours to ours: both × plain of their own process, so that a start that
did not measure the fixed lengths itself is compared fairly. The peer's: × our plain (cold). The best length is the one
with the best median; plain counts among ours as length 0, not among the peer's.
"""

import statistics
from collections.abc import Callable

from kinds import LOOKUP, Ours, Plan, Row, expected_tokens

PEER_DEFAULT = "3"
OF_PLAIN, OF_BEST_FIXED = 0.98, 0.97


class Figures:
    """The rows by what they are looked up with."""

    def __init__(self, plan: Plan, rows: list[Row]):
        self.plan, self.rows = plan, {row.key: row for row in rows}
        self.kinds = list(dict.fromkeys(row.kind for row in rows))
        self.repeats = sorted({row.repeat for row in rows})

    def ours(self, start: str, kind: str, setting: str, repeat: int) -> Row | None:
        return self.rows.get((Ours.side, start, str(repeat), kind, setting))

    def peer(self, kind: str, setting: str, repeat: int) -> Row | None:
        return self.rows.get(("llama-server", "", str(repeat), kind, setting))

    def of_plain(self, start: str, kind: str, setting: str, repeat: int) -> float | None:
        row, plain = (self.ours(start, kind, which, repeat) for which in (setting, "plain"))
        return row.per_second / plain.per_second if row and plain else None

    def peer_rate(self, kind: str, setting: str, repeat: int) -> float | None:
        """As measured; under forced acceptance as derived, with our luck."""
        row = self.peer(kind, setting, repeat)
        if row is None or not self.plan.forced or not setting.isdigit():
            return row.per_second if row else None
        model = self.ours("cold", kind, setting, repeat)
        return rounds_per_second(row) * tokens_a_round(model) if model else None

    def peer_of_plain(self, kind: str, setting: str, repeat: int) -> float | None:
        plain, rate = self.ours("cold", kind, "plain", repeat), self.peer_rate(kind, setting, repeat)
        return rate / plain.per_second if plain and rate else None

    def over(self, figure: Callable[..., float | None], *which: str) -> list[float]:
        return [value for repeat in self.repeats if (value := figure(*which, repeat)) is not None]

    def best(self, figure: Callable[..., float | None], *which: str, settings: list[str]) -> str | None:
        values = {setting: self.over(figure, *which, setting) for setting in settings}
        known = {setting: statistics.median(found) for setting, found in values.items() if found}
        return max(known, key=known.get) if known else None


def tokens_a_round(row: Row) -> float:
    return (row.predicted_n - 1) / row.rounds


def rounds_per_second(row: Row) -> float:
    return row.per_second / tokens_a_round(row)


def spread(values: list[float]) -> str:
    if not values:
        return "–"
    return f"{statistics.median(values):.3f} ({min(values):.3f}–{max(values):.3f})"


def middle(values: list[float]) -> str:
    return f"{statistics.median(values):.2f}" if values else "–"


def speed(rows: list[Row | None]) -> str:
    values = [row.per_second for row in rows if row]
    return f"{statistics.median(values):.4g}" if values else "–"


def verdict(met: bool) -> str:
    return "yes" if met else "**no**"


def automatic(figures: Figures) -> list[str]:
    """The automatic length of every start on every kind, and what they come to."""
    plan, summary = figures.plan, []
    out = ["| start | kind | plain t/s | best fixed | auto t/s | auto × plain | auto ÷ best fixed | "
           f"≥ {OF_PLAIN} | ≥ {OF_BEST_FIXED} |", "|---|---|---:|---|---:|---|---|---|---|"]
    fixed = ["plain", *map(str, plan.lengths)]
    for start in plan.starts:
        least: dict[str, list[tuple[float, str]]] = {"plain": [], "fixed": []}
        for kind in figures.kinds:
            best = figures.best(figures.of_plain, "cold", kind, settings=fixed)
            auto = figures.over(figures.of_plain, start, kind, "auto")
            if best is None or not auto:
                continue

            def of_best(repeat: int) -> float | None:
                ours, other = (figures.of_plain(*which, repeat) for which in ((start, kind, "auto"), ("cold", kind, best)))
                return ours / other if ours and other else None

            share = figures.over(of_best)
            least["plain"].append((statistics.median(auto), kind))
            least["fixed"].append((statistics.median(share), kind))
            best_of_plain = middle(figures.over(figures.of_plain, "cold", kind, best))
            ours = [[figures.ours(start, kind, setting, repeat) for repeat in figures.repeats]
                    for setting in ("plain", "auto")]
            out.append(f"| {start} | {kind} | {speed(ours[0])} | {best}: × {best_of_plain} | {speed(ours[1])} | "
                       f"{spread(auto)} | {spread(share)} | {verdict(least['plain'][-1][0] >= OF_PLAIN)} | "
                       f"{verdict(least['fixed'][-1][0] >= OF_BEST_FIXED)} |")
        for what, bar, words in (("plain", OF_PLAIN, "of plain"), ("fixed", OF_BEST_FIXED, "of the best fixed length")):
            if least[what]:
                lowest, kind = min(least[what])
                count = sum(value >= bar for value, _ in least[what])
                summary.append(f"- auto, {start}, at least {bar} {words} on every kind: {verdict(lowest >= bar)} "
                               f"({count} of {len(least[what])}; least {lowest:.3f}, {kind})")
    return [*out, "", *summary]


def beside_the_peer(figures: Figures, lookup: bool) -> list[str]:
    """Every length of both sides, all × our plain of the same repeat."""
    plan = figures.plan
    lengths = list(map(str, plan.lengths))
    default, choices = (LOOKUP, [LOOKUP, *lengths]) if lookup else (PEER_DEFAULT, lengths)
    derived = " (derived)" if plan.forced else ""
    out = [f"| kind | our auto (cold) | llama-server plain | its default ({default}){derived} | its best{derived} |",
           "|---|---|---|---|---|"]
    every = ["| × our plain | side | " + " | ".join(lengths) + " |", "|---|---|" + "---:|" * len(lengths)]
    summary = []
    for kind in figures.kinds:
        auto = figures.over(figures.of_plain, "cold", kind, "auto")
        theirs = figures.over(figures.peer_of_plain, kind, default)
        best = figures.best(figures.peer_of_plain, kind, settings=choices)
        out.append(f"| {kind} | {spread(auto)} | {spread(figures.over(figures.peer_of_plain, kind, 'plain'))} | "
                   f"{spread(theirs)} | "
                   + (f"{best}: {spread(figures.over(figures.peer_of_plain, kind, best))} |" if best else "– |"))
        every.append(f"| {kind} | slipstream | "
                     + " | ".join(middle(figures.over(figures.of_plain, "cold", kind, n)) for n in lengths) + " |")
        every.append(f"| {kind} | llama-server{derived} | "
                     + " | ".join(middle(figures.over(figures.peer_of_plain, kind, n)) for n in lengths) + " |")
        if plan.forced and auto and theirs:
            ours_up, theirs_down = statistics.median(auto) > 1, statistics.median(theirs) < 1
            summary.append(f"- {kind}: auto above plain {verdict(ours_up)}, where the peer's default is below it "
                           f"{verdict(theirs_down)}")
    return [*out, "", *every, *([""] if summary else []), *summary]


def derivation(figures: Figures) -> list[str]:
    """What the peer's derived rates are made of."""
    plan = figures.plan
    out = [f"Forced acceptance {', '.join(map(str, plan.forced))} by place. The peer's rate = its rounds per second × tokens "
           "a round; the tables take the drawn ones (ours, same outcomes on both sides), the mean is beside them.", "",
           "| kind | n | peer rounds/s | tokens a round: mean, drawn | peer t/s at the mean | drawn | "
           "as it ran, with its own luck | ours t/s |", "|---|---:|---:|---|---:|---:|---:|---:|"]
    for kind in figures.kinds:
        for length in plan.lengths:
            pairs = [(figures.peer(kind, str(length), repeat), figures.ours("cold", kind, str(length), repeat))
                     for repeat in figures.repeats]
            pairs = [(peer, ours) for peer, ours in pairs if peer and ours]
            if not pairs:
                continue
            rounds = statistics.median(rounds_per_second(peer) for peer, _ in pairs)
            drawn = statistics.median(tokens_a_round(ours) for _, ours in pairs)
            mean = expected_tokens(plan.forced, length)
            out.append(f"| {kind} | {length} | {rounds:.3f} | {mean:.2f}, {drawn:.2f} | {rounds * mean:.2f} | "
                       f"{rounds * drawn:.2f} | {speed([peer for peer, _ in pairs])} | "
                       f"{speed([ours for _, ours in pairs])} |")
    return out


def report(label: str, plan: Plan, facts: dict[str, object], rows: list[Row], lookup: bool) -> str:
    figures = Figures(plan, rows)
    drafter = facts["drafter"] or "look-up"
    differ = sum(row.same_text == "no" for row in rows)
    compared = sum(row.same_text != "" for row in rows)
    out = [
        f"### Kinds of text, {label}: {facts['model']} with {drafter}",
        "",
        f"{facts['date']}, {facts['cpu']}, {facts['cores']} cores, {facts['threads']} threads, context {facts['ctx']}, "
        f"KV {facts['kv']}, {facts['tokens']} tokens a reply, temperature 1, {len(figures.repeats)} repeats; slipstream "
        f"{facts['commit']}, llama.cpp b{facts['llama_build']}. Median (least–most).",
        "",
        *automatic(figures), "", *beside_the_peer(figures, lookup),
        *(["", *derivation(figures)] if plan.forced else []),
        *(["", f"{differ} of {compared} of our drafted replies differ from the plain one."] if compared else []),
    ]
    notes = [f"- {row.side} {row.setting}, {row.kind}, repeat {row.repeat + 1}: {row.note}" for row in rows if row.note]
    return "\n".join([*out, *([""] if notes else []), *notes]) + "\n"
