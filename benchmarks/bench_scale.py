"""What the gateway and the console take where there is much: streams, idle connections, keys, rows, workers.

    python benchmarks/bench_scale.py                           # about a quarter of an hour, 10 GB of disk
    python benchmarks/bench_scale.py --only idle keys
    python benchmarks/bench_scale.py --only ledger --rows 100000 1000000

Everything is on this machine and ends by itself. Rows of the ledger are written into SQLite as the keeper would leave
them, ten a second up to now; the series beside them are those of a week. Processor time counts where others use the
machine too.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

from bench_console import NOW, fill_keys, measure_pages, open_home
from bench_gateway import HERE, Mock, Up, first_in_line, load, private_mb
from bench_gateway_ab import processor_s
from peers import family, resident_mb

from steward.workflows.keys import open_keys
from steward.workflows.serve.deployment import HomeDeployment

DAYS: Final = 7  # of series beside the rows of the ledger
CHUNK: Final = 500_000  # rows of a transaction
ROUNDS: Final = 3
GROWN: Final = 1.5  # times the processor time, from which on a page is named
ROW: Final = """
WITH RECURSIVE number(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM number WHERE i < :last)
INSERT INTO exchanges (request_id, at, settled_at, key_id, project, endpoint, route, model, route_version, streamed,
    outcome, status, input_tokens, output_tokens, estimated, usd, ttft_s, duration_s, subject, attempts, guards, tenant)
SELECT printf('req_%011x%013x', CAST((:now - (:total - i) / 10.0) * 1000 AS INTEGER), i), :now - (:total - i) / 10.0,
    :now - (:total - i) / 10.0 + 1, 'key-' || (i % 10), 'p', '/v1/chat/completions', 'route-' || (i % 3),
    'model-' || (i % 3), 1, 1, CASE WHEN i % 300 THEN 'ok' ELSE 'upstream_error' END,
    CASE WHEN i % 300 THEN 200 ELSE 502 END, 300, 100, 0, 0.001, 0.2, 1.0,
    CASE WHEN i % 10 THEN NULL ELSE printf('%032x', i % 5000) END, x'90', '', 'default'
FROM number
"""
COUNT: Final = """
INSERT INTO meters (meter, labels, part, value)
VALUES ('requests', '[["operation","chat"],["route","route-0"],["model","model-0"],["traffic","client"]]', '', :rows)
ON CONFLICT (meter, labels, part) DO UPDATE SET value = value + excluded.value
"""


def tell(what: str, *values: str) -> None:
    print(f"{what:<44} {'  '.join(values)}  load {os.getloadavg()[0]:.1f}", flush=True)


def start_mock(stack: ExitStack, chunks: int, gap_ms: float) -> Mock:
    mock = Mock(chunks, gap_ms)
    stack.callback(mock.stop)
    return mock


def start(stack: ExitStack, folder: Path, *arguments: str, cores: set[int] | None = None) -> Up:
    up = Up(folder, *arguments, cores=cores)
    stack.callback(up.stop)
    return up


def measure_streams(given: argparse.Namespace, folder: Path, stack: ExitStack) -> None:
    """Streams of 64 events, one every 20 ms, at one worker, and at the mock without it."""
    mock = start_mock(stack, 64, 20)
    up = start(stack, folder / "streams", "--model", mock.url)
    for count in given.streams:
        for name, to in (("mock alone", mock), ("one worker", up)):
            used = processor_s(up.worker())
            found = load("streams", to.url, up.key, "mock", count, 6.0)
            share = (processor_s(up.worker()) - used) / found["seconds"]
            stalled, worst = found["stalled"] / found["streams"], found["longest_gap_ms"]
            tell(
                f"{count:,} streams, {name}",
                f"stalled over 40 ms {stalled:.1%}, longest {worst:.0f} ms, p99 {found['gap_p99_ms']:.0f} ms",
                f"{found['events'] / found['seconds']:,.0f} events/s",
                f"{share:.0%} of the worker's core" if to is up else "",
            )
    tell("memory of the worker after it", f"{resident_mb(up.worker()):.0f} MB")


def measure_idle(given: argparse.Namespace, folder: Path, stack: ExitStack) -> None:
    """Connections that are kept and hardly used: memory of the worker, and what a request takes beside them."""
    mock = start_mock(stack, 1, 0)
    up = start(stack, folder / "idle", "--model", mock.url)
    load("latency", up.url, up.key, "mock", 1, 1.0)
    before_mb, worker = private_mb(up.worker()), up.worker()
    alone = load("latency", up.url, up.key, "mock", 1, 2.0)
    command = [sys.executable, str(HERE / "load.py"), "idle", up.url, up.key, "mock", str(given.connections), "8"]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=first_in_line)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "open\n"
    open_now = count_connections(worker)
    used_mb = private_mb(worker) - before_mb
    beside = load("latency", up.url, up.key, "mock", 1, 2.0)
    used = processor_s(worker)
    time.sleep(2)
    share = (processor_s(worker) - used) / 2
    holder.communicate(timeout=120)
    tell(f"{open_now:,} idle connections", f"{used_mb:.1f} MB, {used_mb * 1024 / max(1, open_now):.1f} KiB each")
    tell(
        "a request beside them, p50; p99",
        *(f"{beside[f'{p}_ms']:.2f} ms (alone {alone[f'{p}_ms']:.2f})" for p in ("p50", "p99")),
    )
    tell("processor time of the worker beside them", f"{share:.1%} of a core")
    time.sleep(1)
    tell("memory after they have gone", f"{private_mb(worker) - before_mb:+.1f} MB")


def count_connections(pid: int) -> int:
    """Sockets of a process, but for a few that listen or lead to its upstream."""
    names = (os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink())
    return sum(name.startswith("socket:") for name in names)


def measure_keys(given: argparse.Namespace, folder: Path, stack: ExitStack) -> None:
    """A home with so many keys beside one with ten."""
    mock = start_mock(stack, 1, 0)
    for count in (10, given.keys):
        home = folder / f"keys{count}" / "home"
        with open_keys(HomeDeployment(home=home), time.time()) as (store, _, _):
            fill_keys(store, count, time.time())
        began = processor_children_s()
        up = start(stack, home.parent, "--model", mock.url)
        tell(f"{count:,} keys: a new key is known after", f"{wait_for_key(up):.1f} s")
        latency = load("latency", up.url, up.key, "mock", 1, 2.0)
        used = processor_s(up.worker())
        rate = load("rate", up.url, up.key, "mock", 32, 2.0)["requests_per_s"]
        request_us = (processor_s(up.worker()) - used) / (rate * 2.0) * 1e6
        processes = {what: f"{resident_mb(up.process_of(what)):.0f} MB" for what in ("worker", "keeper", "console")}
        tell(f"{count:,} keys: ready after", f"{up.ready_s:.1f} s", f"memory {processes}")
        tell(
            f"{count:,} keys: a request",
            f"p50 {latency['p50_ms']:.2f} ms, p99 {latency['p99_ms']:.2f} ms",
            f"{request_us:.0f} us",
        )
        for command in (("keys", "list"), ("keys", "create", "--name", "one"), ("keys", "list", "--json")):
            tell(
                f"{count:,} keys: steward {' '.join(command)}", f"{time_command(home, *command):.2f} s of the processor"
            )
        up.stop()
        tell(
            f"{count:,} keys: all processes, start to stop", f"{processor_children_s() - began:.1f} s of the processor"
        )
    with open_home(1, given.keys) as (_, app, _):
        asyncio.run(
            measure_pages(app, ("/access", "/access?words=999", "/search?q=person-77", "/usage?by=key"), ROUNDS)
        )


def wait_for_key(up: Up) -> float:
    """Seconds until the worker takes the key that was created last, from half a second after it was created"""
    began = time.monotonic()
    request = urllib.request.Request(up.url + "/v1/models", headers={"authorization": f"Bearer {up.key}"})
    while time.monotonic() < began + 60:
        try:
            with urllib.request.urlopen(request, timeout=5):
                return time.monotonic() - began
        except urllib.error.HTTPError:
            time.sleep(0.05)
    raise SystemExit("a new key is not known after a minute")


def processor_children_s() -> float:
    """Of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def time_command(home: Path, *command: str) -> float:
    before = processor_children_s()
    subprocess.run([sys.executable, "-m", "steward", *command, "--home", str(home)], capture_output=True, check=True)
    return processor_children_s() - before


def write_rows(file: Path, first: int, last: int, total: int) -> float:
    """Rows `first` to `last` of `total`, of which the last is now. -> seconds"""
    began = time.monotonic()
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        for start in range(first, last, CHUNK):
            place = {"first": start, "last": min(start + CHUNK, last) - 1, "total": total, "now": NOW}
            connection.execute(ROW, place)
            connection.execute(COUNT, {"rows": place["last"] - start + 1})
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return time.monotonic() - began


def measure_ledger(given: argparse.Namespace, folder: Path, stack: ExitStack) -> None:
    """All pages of the console over a ledger of so many rows, and how their processor time grows."""
    with open_home(DAYS, 0) as (console, app, paths):
        file, total = console.home / "steward.db", given.rows[-1]
        seen: list[dict[str, float]] = []
        there = 0
        for rows in given.rows:
            took_s = write_rows(file, total - rows, total - there, total)
            there = rows
            tell(f"{rows:,} rows", f"written in {took_s:.0f} s, {file.stat().st_size / 1e6:,.0f} MB")
            measured = asyncio.run(measure_pages(app, paths, ROUNDS))
            seen.append({row["page"]: max(row["cpu_ms"], row["cold_cpu_ms"]) for row in measured})
        tell_growth(seen, given.rows)


def tell_growth(seen: Sequence[dict[str, float]], rows: Sequence[int]) -> None:
    first, last = seen[0], seen[-1]
    grown = {page: last[page] / max(first[page], 1.0) for page in first}
    tell(f"from {rows[0]:,} to {rows[-1]:,} rows", f"slowest page {max(last.values()):.0f} ms of the processor")
    for page, times in sorted(grown.items(), key=lambda item: -item[1]):
        if times >= GROWN:
            print(f"  {page:<50} {first[page]:8.0f} {last[page]:8.0f} ms  x {times:.1f}")


def measure_workers(given: argparse.Namespace, folder: Path, stack: ExitStack) -> None:
    """One worker and several: the processor time of a request, of all workers together, in alternating rounds."""
    mock = start_mock(stack, 1, 0)
    ups = {
        n: start(stack, folder / f"workers{n}", "--model", mock.url, "--workers", str(n), cores={0, 1})
        for n in given.workers
    }
    seen: dict[int, list[float]] = {n: [] for n in ups}
    for number in range(4 * ROUNDS):
        for count, up in ups.items() if number % 2 else reversed(ups.items()):
            request_us, shares, rate = measure_request(up)
            seen[count].append(request_us)
            told = ", ".join(f"{share:.0%}" for share in shares)
            tell(f"{count} workers", f"{rate:,.0f} requests/s, {request_us:.0f} us a request ({told})")
    alone = seen[given.workers[0]]
    for count, values in seen.items():
        low, middle, high = statistics.quantiles(
            [value / first for value, first in zip(values, alone, strict=True)], n=4
        )
        ratio = f"{middle:.2f} x ({low:.2f} to {high:.2f}) of {given.workers[0]}"
        tell(f"{count} workers, median", f"{statistics.median(values):.0f} us a request", ratio)


def measure_request(up: Up) -> tuple[float, list[float], float]:
    """Microseconds of the processor that a request takes of all workers together, each worker's share of them, and
    requests a second."""
    workers = [pid for pid in family(up.process.pid) if "processes.worker" in read_command(pid)]
    used = [processor_s(pid) for pid in workers]
    rate = load("rate", up.url, up.key, "mock", 32, 2.0)["requests_per_s"]
    spent = [processor_s(pid) - before for pid, before in zip(workers, used, strict=True)]
    return sum(spent) / (rate * 2.0) * 1e6, [each / sum(spent) for each in spent], rate


def read_command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


PARTS: Final[dict[str, Callable[[argparse.Namespace, Path, ExitStack], None]]] = {
    "streams": measure_streams,
    "idle": measure_idle,
    "keys": measure_keys,
    "ledger": measure_ledger,
    "workers": measure_workers,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--streams", type=int, nargs="+", default=[512, 1024])
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is ended then, too
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for name in given.only:
        if name != "ledger":
            os.sched_setaffinity(0, {1})
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:  # which ends all that a part has started
            PARTS[name](given, Path(folder), stack)
        os.sched_setaffinity(0, {0, 1})


if __name__ == "__main__":
    main()
