"""The two sides: how each program is started, with which flags, and how its figures are read."""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

LOAD_LIMIT_S = 600


@dataclass(frozen=True)
class Pair:
    """A target, perhaps with its drafter, and the lengths that suit its speed."""

    label: str
    target: Path
    drafter: Path | None
    reply_tokens: int
    prefill_chars: int


@dataclass(frozen=True)
class Setup:
    """What both sides get alike."""

    slipstream: str
    peer: Path
    threads: int
    ctx: int
    ubatch: int
    kv: str


@dataclass(frozen=True)
class Reply:
    """What either side says of one reply; a figure that a program does not give is None."""

    program: str
    prompt_n: int | None = None
    prompt_per_second: float | None = None
    predicted_per_second: float | None = None
    tokens: tuple[int, ...] | None = None
    tested: int = 0
    accepted: int = 0


@dataclass(frozen=True)
class Child:
    """A finished process, seen from outside."""

    wall_s: float
    first_byte_s: float | None
    peak_mib: float
    out: str
    err: str


def peak_mib(usage) -> float:
    """Peak resident memory; macOS counts in bytes, Linux in KiB."""
    return usage.ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)


def run_child(argv: list[str]) -> Child:
    with tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=err)
        first, chunks = None, []
        try:
            while chunk := os.read(child.stdout.fileno(), 65536):
                first = first or time.perf_counter() - start
                chunks.append(chunk)
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:
            # A stopped run must not leave a model in memory behind it.
            child.kill()
            child.wait()
            raise
        wall = time.perf_counter() - start
        child.stdout.close()
        child.returncode = os.waitstatus_to_exitcode(status)
        err.seek(0)
        out, err_text = b"".join(chunks).decode("utf-8", "replace"), err.read().decode("utf-8", "replace")
    if child.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}\nexit code {child.returncode}\n{out[-500:]}\n{err_text[-2000:]}")
    return Child(wall, first, peak_mib(usage), out, err_text)


class Ours:
    """`slipstream run`, one process a reply, as people start it."""

    name = "slipstream"

    def __init__(self, setup: Setup, pair: Pair):
        self.setup, self.pair = setup, pair

    def argv(self, prompt: str, n: int, draft: int | None, *, temp: float = 0.0, seed: int = 1, json_out=True,
             ignore_eos=True) -> list[str]:
        drafter = self.pair.drafter if draft else None
        return [
            self.setup.slipstream, "run", str(self.pair.target), "-d", str(drafter or "none"),
            "--draft", str(draft or "off"), "-p", prompt, "-n", str(n), "--seed", str(seed), "--temp", str(temp),
            "--top-k", "64", "--top-p", "0.95", "--min-p", "0",
            "-c", str(self.setup.ctx), "-t", str(self.setup.threads), "--threads-batch", str(self.setup.threads),
            "--kv-type", self.setup.kv, "--raw", *(["--ignore-eos"] if ignore_eos else []),
            *(["--json"] if json_out else []),
        ]

    def reply(self, prompt: str, n: int, draft: int | None, **options) -> Reply:
        said = json.loads(run_child(self.argv(prompt, n, draft, **options)).out)
        # Tested and accepted by position, so that both sides count alike: no guess behind the first rejected one.
        return Reply(self.name, said["prompt_n"], said["prompt_per_second"], said["predicted_per_second"],
                     tuple(said["tokens"]), sum(said.get("tested_by_position") or []),
                     sum(said.get("accepted_by_position") or []))


def common_flags(setup: Setup, pair: Pair) -> list[str]:
    kv = setup.kv
    return ["-m", str(pair.target), "-c", str(setup.ctx), "-t", str(setup.threads), "-tb", str(setup.threads),
            "-b", "2048", "-ub", str(setup.ubatch), "-ctk", kv, "-ctv", kv, "-fit", "off"]


def draft_flags(setup: Setup, pair: Pair, draft: int | None, sampling: str = "greedy") -> list[str]:
    """A draft file alone (`-md`) enables nothing: `--spec-type` does. p-min 0 is the peer's default, said aloud."""
    if not draft:
        return []
    return ["-md", str(pair.drafter), "--spec-type", "draft-mtp", "--spec-draft-n-max", str(draft),
            "--spec-draft-p-min", "0", "--spec-draft-sampling", sampling]


class Server:
    """`llama-server`, started for one setting; its own `timings` are the peer's figures.

    One slot, no prompt cache and no checkpoints: slipstream's `run` has none of them, and each would cost the peer.
    LLAMA_TRACE makes it log every round ("accepted 2/3 draft tokens"), which is the only exact source of what was
    tested: its draft_n also counts the guesses behind a rejected one.
    """

    name = "llama-server"
    round_line = re.compile(rb"accepted\s+(\d+)/\s*(\d+) draft tokens")

    def __init__(self, setup: Setup, pair: Pair, draft: int | None, sampling: str = "greedy", trace: bool = False,
                 speculation: list[str] | None = None):
        """`speculation`: flags in place of those that `draft` and `sampling` give."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url, self.trace = f"http://127.0.0.1:{port}", trace
        self.log = tempfile.TemporaryFile()
        self.read_to = 0
        argv = [str(setup.peer / "llama-server"), *common_flags(setup, pair), "-np", "1", "--cache-ram", "0",
                "--ctx-checkpoints", "0", "--no-ui", "--host", "127.0.0.1", "--port", str(port),
                *(draft_flags(setup, pair, draft, sampling) if speculation is None else speculation)]
        env = {**os.environ, **({"LLAMA_TRACE": "1"} if trace else {})}
        self.child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=env)

    def __enter__(self) -> "Server":
        deadline = time.monotonic() + LOAD_LIMIT_S
        while time.monotonic() < deadline and self.child.poll() is None:
            try:
                urllib.request.urlopen(f"{self.url}/health", timeout=5).close()
                return self
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.02)
        self.child.kill()
        raise RuntimeError(f"llama-server did not start:\n{self.log_text()[-3000:].decode('utf-8', 'replace')}")

    def __exit__(self, *_) -> None:
        self.child.terminate()
        self.child.wait()
        self.log.close()

    def log_text(self) -> bytes:
        """What was logged since the last call. Reads by position: the child writes to the same open file."""
        size = os.fstat(self.log.fileno()).st_size
        chunk = os.pread(self.log.fileno(), size - self.read_to, self.read_to)
        self.read_to += len(chunk)
        return chunk

    def reply(self, prompt: str, n: int, *, temp: float = 0.0, seed: int = 1, ignore_eos=True,
              more: dict[str, object] | None = None) -> Reply:
        """`more`: further fields of the request."""
        body = {"prompt": prompt, "n_predict": n, "temperature": temp, "seed": seed, "top_k": 64, "top_p": 0.95,
                "min_p": 0.0, "cache_prompt": False, "ignore_eos": ignore_eos, "return_tokens": True}
        if temp == 0.0:
            # The leanest greedy chain that the peer has: the default one sorts and filters first.
            body |= {"samplers": ["top_k"], "top_k": 1}
        body |= more or {}
        self.log_text()
        request = urllib.request.Request(f"{self.url}/completion", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=3600) as answer:
            said = json.load(answer)
        timings = said["timings"]
        tested, accepted = timings.get("draft_n", 0), timings.get("draft_n_accepted", 0)
        if self.trace and tested:
            rounds = self.rounds(tested, accepted)
            tested, accepted = count_tested(rounds, timings["predicted_n"], said["stop_type"] == "eos")
        return Reply(self.name, timings["prompt_n"], timings["prompt_per_second"], timings["predicted_per_second"],
                     tuple(said["tokens"]), tested, accepted)

    def rounds(self, drafted: int, accepted: int) -> list[tuple[int, int]]:
        """(accepted, drafted) of each round of the last reply. The log is written by a thread of its own, so the lines
        may come later than the reply: wait until they add up to what the reply says."""
        text, deadline = b"", time.monotonic() + 5
        while time.monotonic() < deadline:
            text += self.log_text()
            found = [(int(a), int(k)) for a, k in self.round_line.findall(text)]
            if sum(k for _, k in found) == drafted and sum(a for a, _ in found) == accepted:
                return found
            time.sleep(0.001)
        raise RuntimeError(f"llama-server's log does not add up to {accepted} of {drafted} guesses")


def count_tested(rounds: list[tuple[int, int]], predicted: int, ended: bool) -> tuple[int, int]:
    """Guesses tested and accepted: none behind a rejected one, and none behind the end of turn, which the peer's own
    counts include. `predicted` tokens came out: one from the prompt, then accepted + 1 each round."""
    tested = sum(min(a + 1, k) for a, k in rounds)
    accepted = sum(a for a, _ in rounds)
    behind_the_end = 1 + sum(a + 1 for a, _ in rounds) - predicted if ended else 0
    if behind_the_end > 0:
        a, k = rounds[-1]
        accepted -= behind_the_end - 1
        tested -= behind_the_end - (a == k)
    return tested, accepted


class Simple:
    """`llama-speculative-simple`: the peer's driver without a server around it. Greedy only in this comparison."""

    name = "llama-speculative-simple"
    speeds = re.compile(r"(encoded|decoded)\s+(\d+) tokens in .*?speed:\s+([\d.]+|inf) t/s")

    def __init__(self, setup: Setup, pair: Pair):
        self.setup, self.pair = setup, pair

    def argv(self, prompt: str, n: int, draft: int | None) -> list[str]:
        return [str(self.setup.peer / "llama-speculative-simple"), *common_flags(self.setup, self.pair),
                *draft_flags(self.setup, self.pair, draft), "-p", prompt, "--no-escape", "-n", str(n),
                "--samplers", "top_k", "--top-k", "1", "--temp", "0", "--ignore-eos", "--seed", "1"]

    def reply(self, prompt: str, n: int, draft: int | None) -> Reply:
        # It draws one token more than asked for, which does not matter to a rate. About one run in 20 ends before its
        # log thread has written the last lines: such a run tells nothing and is taken again.
        for _ in range(5):
            child = run_child(self.argv(prompt, n, draft))
            text = child.err + child.out
            speed = {kind: (int(count), float(rate)) for kind, count, rate in self.speeds.findall(text)}
            if set(speed) == {"encoded", "decoded"} and "n_accept" in text:
                break
        else:
            raise RuntimeError(f"llama-speculative-simple gave no speeds:\n{text[-2000:]}")
        found = {k: int(v) for k, v in re.findall(r"n_(drafted|accept)\s+= (\d+)", text)}
        return Reply(self.name, speed["encoded"][0], speed["encoded"][1], speed["decoded"][1], None,
                     found.get("drafted", 0), found.get("accept", 0))


def completion_argv(setup: Setup, pair: Pair, prompt: str, n: int) -> list[str]:
    """`llama-completion`: the peer's plain program, for time to the first token and for memory without a drafter."""
    return [str(setup.peer / "llama-completion"), *common_flags(setup, pair), "-p", prompt, "--no-escape",
            "-n", str(n), "-no-cnv", "--no-display-prompt", "--no-warmup", "--no-jinja", "--temp", "0",
            "--ignore-eos", "--seed", "1"]
