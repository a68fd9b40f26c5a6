"""The gateway's speed beside LiteLLM's and Portkey's: same machine, same mock upstream, one run.

    make bench-gateway                                   # everything, about 5 minutes
    python benchmarks/bench_gateway.py --minutes 10      # with the memory test at its full length

One worker, or the peer's process, on core 0; mock upstream and load on core 1, where steward's keeper and console run
too: what the keeper costs is printed beside. Medians of rounds that alternate between all, five where peers are, three
elsewhere. steward checks its key, counts requests and tokens per minute, writes its ledger and its metrics; LiteLLM
checks its key; Portkey does neither.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from peers import family, litellm, mapped_mb, portkey, proportional_mb, resident_mb

HERE = Path(__file__).parent
ROUNDS = 5  # of the comparison: a shared machine changes its speed within a minute


def load(what: str, url: str, key: str, model: str, number: int, seconds: float, target: str = "") -> dict[str, Any]:
    """One measurement by benchmarks/load.py, in a process of its own on core 1."""
    command = [sys.executable, str(HERE / "load.py"), what, url, key, model, str(number), str(seconds)]
    done = subprocess.run(
        [*command, *([target] if target else [])], capture_output=True, text=True, check=True, preexec_fn=first_in_line
    )
    found: dict[str, Any] = json.loads(done.stdout)
    if found["failed"]:
        raise SystemExit(f"{url}: {found['failed']} requests failed, such as {found['example']}")
    return found


def first_in_line() -> None:
    """Mock and load stand for other machines: on their core they go before the keeper, where we may say so (root).

    Else its commits, 40 ms of work five times a second, hold them up for 2 to 6 ms: that is the 99th percentile then.
    """
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


class Mock:
    """The upstream, on core 1."""

    def __init__(self, chunks: int, gap_ms: float) -> None:
        command = [sys.executable, str(HERE / "mock_upstream.py"), "--chunks", str(chunks), "--gap-ms", str(gap_ms)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=first_in_line)
        assert self.process.stdout
        self.url = f"http://127.0.0.1:{self.process.stdout.readline().strip()}"

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


class Up:
    """A deployment whose one worker has core 0 (and the others core 1), or all have `cores`; ended by its id."""

    def __init__(self, folder: Path, *arguments: str, cores: set[int] | None = None) -> None:
        folder.mkdir(exist_ok=True)
        self.name, self.target, self.home = "steward", "", folder / "home"
        command = [sys.executable, "-m", "steward", "up", "--home", str(self.home), "--workers", "1"]
        command += ["--port", "0", "--console-port", "0", *arguments]
        log = (folder / "log").open("w")
        self.process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, cores or {0, 1}),
        )
        atexit.register(self.process.send_signal, signal.SIGTERM)  # for whom nobody has stopped by then
        began = time.monotonic()
        limit = began + 60
        while "Stop: Ctrl-C" not in (folder / "log").read_text():
            if time.monotonic() > limit or self.process.poll() is not None:
                raise SystemExit((folder / "log").read_text())
            time.sleep(0.02)
        self.ready_s = time.monotonic() - began
        state = json.loads((self.home / "run" / "state.json").read_text())
        self.url = state["gateway_url"]
        options = ["--rpm", "1000000", "--tpm", "1000000000", "--home", str(self.home), "--json"]
        command = [sys.executable, "-m", "steward", "keys", "create", "--name", "bench", *options]
        made = subprocess.run(command, capture_output=True, check=True)
        self.key = json.loads(made.stdout)["key"]
        if cores is None:
            for pid in family(self.process.pid):
                pin(pid, 0 if pid == self.worker() else 1)
        time.sleep(0.6)

    def worker(self) -> int:
        return self.process_of("worker")

    def process_of(self, what: str) -> int:
        """The id of the worker, keeper or console."""
        for pid in family(self.process.pid):
            if f"steward.processes.{what}" in Path(f"/proc/{pid}/cmdline").read_text():
                return pid
        raise SystemExit(f"no {what} found")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def pin(pid: int, core: int) -> None:
    """All threads of a process."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(ProcessLookupError):  # it has ended since
            os.sched_setaffinity(int(thread.name), {core})


def cpu_s(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def private_mb(pid: int) -> float:
    """Resident memory that is no file's."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")) / 1024


def additions_s() -> float:
    """Seconds for a loop of five million additions: tells a fast hour of a shared machine from a slow one."""
    started = time.perf_counter()
    total = 0
    for number in range(5_000_000):
        total += number
    return time.perf_counter() - started


class Notes:
    """Values by name; the median of each is what is reported."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {}

    def add(self, name: str, value: float) -> None:
        self._values.setdefault(name, []).append(value)

    def medians(self) -> dict[str, float]:
        return {name: statistics.median(values) for name, values in self._values.items()}


def compare(notes: Notes, folder: Path, seconds: float) -> None:
    """Requests a second and added latency, all in turn."""
    mock = Mock(64, 20)
    ours = Up(folder / "compare", "--model", mock.url)
    entrants: list[Any] = [ours, *(peer for peer in (portkey(mock.url), litellm(mock.url)) if peer)]
    for _ in range(ROUNDS):
        rates: dict[str, float] = {}
        alone = load("latency", mock.url, "none", "mock", 1, 1.0)
        notes.add("mock alone: p99 ms, 1 connection", alone["p99_ms"])
        notes.add(
            "mock alone: req/s, 32 connections", load("rate", mock.url, "none", "mock", 32, 1.0)["requests_per_s"]
        )
        for one in entrants:
            used = [cpu_s(pid) for pid in (ours.worker(), ours.process_of("keeper"))]
            fast = load("rate", one.url, one.key, "mock", 32, seconds, one.target)
            if one is ours:
                time.sleep(0.5)  # the keeper's last round
                answered = fast["requests_per_s"] * seconds / 1e6
                for name, before in zip(("worker", "keeper"), used, strict=True):
                    notes.add(f"{name}: CPU us a request", (cpu_s(ours.process_of(name)) - before) / answered)
            rates[one.name] = fast["requests_per_s"]
            notes.add(f"{one.name}: req/s, 32 connections", fast["requests_per_s"])
            notes.add(f"{one.name}: p50 ms, 32 connections", fast["p50_ms"])
            single = load("latency", one.url, one.key, "mock", 1, seconds, one.target)
            notes.add(f"{one.name}: added latency p50 ms, 1 connection", single["p50_ms"] - alone["p50_ms"])
            notes.add(f"{one.name}: added latency p99 ms, 1 connection", single["p99_ms"] - alone["p99_ms"])
        for peer in entrants[1:]:
            notes.add(f"steward / {peer.name}, req/s of a round", rates["steward"] / rates[peer.name])
    for one in entrants:
        one.stop()
    mock.stop()


def streams(notes: Notes, folder: Path) -> None:
    """Many streams of 64 chunks at 20 ms: how many without a gap over 40 ms, and what they add to the first token.

    And one short stream after another, for what a stream adds where nothing else waits.
    """
    mock = Mock(64, 20)
    up = Up(folder / "streams", "--model", mock.url)
    for _ in range(3):
        first_token(notes, mock, up, 128, "p50", "p99")
        for count in (256, 512):
            base, found = both(mock, up, count)
            notes.add(f"{count} streams: longest gap ms (20 is none)", found["longest_gap_ms"])
            notes.add(f"{count} streams: longest gap ms, mock alone", base["longest_gap_ms"])
    up.stop()
    mock.stop()
    short = Mock(8, 2)
    up = Up(folder / "one", "--model", short.url)
    for _ in range(3):
        first_token(notes, short, up, 1, "p50")
    up.stop()
    short.stop()


def both(mock: Mock, up: Up, count: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """So many streams for four seconds: without steward, and through it."""
    alone = load("streams", mock.url, "none", "mock", count, 4.0)
    return alone, load("streams", up.url, up.key, "mock", count, 4.0)


def first_token(notes: Notes, mock: Mock, up: Up, count: int, *shares: str) -> None:
    alone, through = both(mock, up, count)
    for share in shares:
        added = through[f"ttft_{share}_ms"] - alone[f"ttft_{share}_ms"]
        notes.add(f"{count} streams at once: added time to first token {share} ms", added)


def memory(notes: Notes, folder: Path, minutes: float) -> None:
    """The worker's memory under load: all that is resident, and the growth over the second half of what is its own.

    What is not: pages of the mapped window of the key's limit, up to 8 MB for its million requests a minute.
    """
    mock = Mock(16, 5)
    up = Up(folder / "memory", "--model", mock.url)
    seen: list[tuple[float, float]] = []
    end = time.monotonic() + minutes * 60
    while time.monotonic() < end:
        load("rate", up.url, up.key, "mock", 32, 3.0)
        load("streams", up.url, up.key, "mock", 64, 2.0)
        seen.append((time.monotonic(), private_mb(up.worker())))
    notes.add(f"worker after {minutes:g} min of load, MB", resident_mb(up.worker()))
    notes.add("of it, the window of the key's million requests a minute, MB", mapped_mb(up.worker(), ".window"))
    notes.add("of it, what it shares divided by who shares it, MB", proportional_mb(up.worker()))
    later = seen[len(seen) // 2 :]
    notes.add("of it its own, MB", seen[-1][1])
    if len(later) > 1:
        spent = (later[-1][0] - later[0][0]) / 60
        notes.add("worker: growth in the second half, MB/min", (later[-1][1] - later[0][1]) / spent)
    up.stop()
    mock.stop()


def starter(notes: Notes, folder: Path) -> None:
    """The embedded model, on both cores: time to the first event; events a second within a stream, and with the
    requests between the streams."""
    os.sched_setaffinity(0, {0, 1})
    up = Up(folder / "starter", cores={0, 1})
    for _ in range(3):
        found = load("streams", up.url, up.key, "starter", 1, 3.0)
        notes.add("starter: first event p50 ms", found["ttft_p50_ms"])
        notes.add("starter: events/s of one stream, 1 / TPOT", found["events_per_s_of_one"])
        notes.add("starter: events/s, stream after stream", found["events"] / found["seconds"])
    up.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--minutes", type=float, default=1.0, help="of the memory test")
    parser.add_argument("--only", choices=["compare", "streams", "memory", "starter"])
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is ended then, too
    os.sched_setaffinity(0, {1})
    notes = Notes()
    notes.add("this machine: 5 million additions, s", additions_s())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.only in (None, "compare"):
            compare(notes, folder, given.seconds)
        if given.only in (None, "streams"):
            streams(notes, folder)
        if given.only in (None, "memory"):
            memory(notes, folder, given.minutes)
        if given.only in (None, "starter"):
            starter(notes, folder)
    notes.add("this machine: 5 million additions, s", additions_s())
    medians = notes.medians()
    if given.json:
        print(json.dumps(medians, indent=2))
    else:
        for what, value in medians.items():
            print(f"{what:<66} {value:>12,.2f}")


if __name__ == "__main__":
    main()
