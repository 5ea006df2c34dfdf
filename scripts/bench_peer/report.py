"""The CSV rows of a run and the Markdown table of their medians."""

import csv
import statistics
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path

from cases import Row

# (case, pair label or None for any) -> what the project asks of ours / llama.cpp, and the direction.
BARS = {
    ("plain", None): (">=", 0.99), ("mtp", "pocket"): (">=", 1.05), ("mtp", None): (">=", 1.00),
    ("prefill", None): (">=", 1.00), ("start", None): ("<=", 1.01), ("memory", None): ("<=", 1.00),
}
ROW_FIELDS = [f.name for f in fields(Row)]


def write_csv(path: Path, facts: dict[str, object], rows: Iterable[Row]) -> list[dict[str, str]]:
    """Adds the rows to the file of the day; rows of an earlier run of the same case on that day give way.
    Returns all rows that the file then has."""
    header = [*facts, *ROW_FIELDS, "ratio"]
    new = [{**facts, **asdict(row), "ratio": f"{row.ratio:.4f}"} for row in rows]
    for line in new:
        line["ours"], line["peer"] = f"{line['ours']:.4f}", f"{line['peer']:.4f}"
    replaced = {line["case"] for line in new}
    kept = []
    if path.exists():
        with path.open(newline="") as file:
            kept = [line for line in csv.DictReader(file) if line["case"] not in replaced]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        # Not csv's own default of \r\n: the file lives in Git.
        writer = csv.DictWriter(file, header, restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept + new)
    return [{key: str(value) for key, value in line.items()} for line in kept + new]


def groups(lines: list[dict[str, str]]) -> dict[tuple[str, str, str], list[dict[str, str]]]:
    found: dict[tuple[str, str, str], list[dict[str, str]]] = {}
    for line in lines:
        found.setdefault((line["case"], line["setting"], line["peer_program"]), []).append(line)
    return found


def verdict(case: str, label: str, ratio: float) -> str:
    sign, bar = BARS.get((case, label)) or BARS.get((case, None)) or (None, 0.0)
    if sign is None:
        return ""
    met = ratio >= bar if sign == ">=" else ratio <= bar
    return f"{'≥' if sign == '>=' else '≤'} {bar:.2f}: {'yes' if met else '**no**'}"


def pooled(lines: list[dict[str, str]], side: str) -> tuple[float, int]:
    tested = sum(int(line[f"{side}_tested"]) for line in lines)
    return 100 * sum(int(line[f"{side}_accepted"]) for line in lines) / tested, tested


def table(label: str, lines: list[dict[str, str]]) -> str:
    """The rates first, then acceptance, which is a difference in points and not a ratio."""
    first = lines[0]
    out = [
        f"### {label}: {first['model']}" + (f" with {first['drafter']}" if first["drafter"] else ""),
        "",
        f"{first['date']}, {first['cpu']}, {first['cores']} cores, {first['threads']} threads, context {first['ctx']}, "
        f"micro-batch {first['ubatch']}, KV {first['kv']}; slipstream {first['commit']}, llama.cpp b{first['llama_build']}.",
        "",
        "| case | setting | against | slipstream | llama.cpp | ratio (median of pairs) | spread | runs | bar |",
        "|---|---|---|---:|---:|---:|---|---:|---|",
    ]
    notes: list[str] = []
    for (case, setting, program), rows in groups(lines).items():
        if case == "accept":
            continue
        ratios = [float(row["ratio"]) for row in rows]
        ours, peer = (statistics.median(float(row[side]) for row in rows) for side in ("ours", "peer"))
        middle, digits = statistics.median(ratios), 3 if rows[0]["unit"] == "s" else 1
        out.append(f"| {case} | {setting} | {program} | {ours:.{digits}f} {rows[0]['unit']} | {peer:.{digits}f} | "
                   f"**{middle:.3f}** | {min(ratios):.3f}–{max(ratios):.3f} | {len(rows)} | "
                   f"{verdict(case, label, middle)} |")
        notes += [f"- {case}, {setting}, {program}, run {row['repeat']}: {row['note']}" for row in rows if row["note"]]
    accepts = {key: rows for key, rows in groups(lines).items() if key[0] == "accept"}
    if accepts:
        out += ["", "| acceptance | against | slipstream | llama.cpp | difference | spread of blocks | tested (ours, peer) |",
                "|---|---|---:|---:|---:|---|---|"]
    for (_, setting, program), rows in accepts.items():
        (ours, ours_n), (peer, peer_n) = pooled(rows, "ours"), pooled(rows, "peer")
        points = [float(row["ours"]) - float(row["peer"]) for row in rows]
        out.append(f"| {setting} | {program} | {ours:.1f} % | {peer:.1f} % | **{ours - peer:+.1f} points** | "
                   f"{min(points):+.1f} to {max(points):+.1f} | {ours_n:,}, {peer_n:,} |")
    return "\n".join(out + ([""] + notes if notes else [])) + "\n"
