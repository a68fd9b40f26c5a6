"""What an evaluation costs beside the model: `steward eval run` over a mock upstream, and the paired bootstrap.

    python benchmarks/bench_eval.py [--items 2000] [--concurrency 64] [--rounds 3]

Run: the whole command, from start to results.json, less what the mock itself takes for as many requests at the same
concurrency (benchmarks/load.py: no parsing, no files), an item. The command with one item shows what the start takes.
Bootstrap: 10,000 samples of the difference of two runs over 5,000 items, beside the plain NumPy way of writing it.
A loop of five million additions is timed with it: 0.18 to 0.33 s on the machine of performance.md.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from steward.evaluation.statistics import paired_bootstrap

HERE = Path(__file__).parent
SAMPLES, ITEMS = 10_000, 5_000
SUITE = (
    'name: bench\ndata: items.jsonl\nid: id\nprompt: "{question}"\nmetrics: [exact_match, token_f1]\nslices: [kind]\n'
)


def run_command(suite: Path, url: str, out: Path, concurrency: int, limit: int | None) -> tuple[float, float]:
    """Seconds of the whole command, and its processor time, which other work on the machine moves less."""
    command = [sys.executable, "-m", "steward", "eval", "run", str(suite), "--model", "mock", "--url", url, "--json"]
    command += ["--out", str(out), "--concurrency", str(concurrency)]
    started, before = time.perf_counter(), processor_s()
    subprocess.run(command + (["--limit", str(limit)] if limit else []), check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started, processor_s() - before


def processor_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)  # of children that ended, so without the mock
    return used.ru_utime + used.ru_stime


def server_seconds(url: str, concurrency: int) -> float:
    """What the mock takes for one request at this concurrency."""
    command = [sys.executable, str(HERE / "load.py"), "rate", url, "key", "mock", str(concurrency), "2"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return 1 / float(found["requests_per_s"])


def bench_run(items: int, concurrency: int, rounds: int) -> None:
    mock = subprocess.Popen([sys.executable, str(HERE / "mock_upstream.py")], stdout=subprocess.PIPE, text=True)
    try:
        assert mock.stdout is not None
        url = f"http://127.0.0.1:{mock.stdout.readline().strip()}"
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            rows = [
                {"id": n, "question": f"What is {n}?", "kind": n % 4, "references": ["Hello."]} for n in range(items)
            ]
            (folder / "items.jsonl").write_text("\n".join(map(json.dumps, rows)))
            (folder / "suite.yaml").write_text(SUITE)
            wholes, starts, servers = [], [], []
            for round_ in range(rounds):
                servers.append(server_seconds(url, concurrency))
                wholes.append(run_command(folder / "suite.yaml", url, folder / f"all{round_}", concurrency, None))
                starts.append(run_command(folder / "suite.yaml", url, folder / f"one{round_}", concurrency, 1))
    finally:
        mock.terminate()
        mock.wait()
        if mock.stdout is not None:
            mock.stdout.close()
    whole, start = (statistics.median(each[0] for each in given) for given in (wholes, starts))
    used, used_start = (statistics.median(each[1] for each in given) for given in (wholes, starts))
    server = statistics.median(servers)
    over_ms = (whole / items - server) * 1e3
    print(f"run: {items} items, concurrency {concurrency}: {whole:.2f} s, {whole / items * 1e3:.2f} ms an item")
    print(f"  the mock alone {server * 1e3:.3f} ms a request; one item {start:.2f} s")
    print(f"  overhead {over_ms:.2f} ms an item (reach 1.5), of it start {start / items * 1e3:.2f} ms")
    print(f"  processor time {used / items * 1e3:.2f} ms an item, of it start {used_start / items * 1e3:.2f} ms")


def plain(a: np.ndarray, b: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """As one would write it: an index for each draw, in blocks that fit into memory."""
    difference, found = b - a, np.empty(SAMPLES)
    for start in range(0, SAMPLES, 1000):
        found[start : start + 1000] = difference[random.integers(0, len(a), (1000, len(a)))].mean(axis=1)
    return found


def bench_bootstrap(rounds: int) -> None:
    random = np.random.default_rng(7)
    a = (random.random(ITEMS) < 0.7).astype(float)
    b = np.where(random.random(ITEMS) < 0.9, a, 1 - a)
    ours, theirs = [], []
    for _ in range(rounds):
        started = time.perf_counter()
        found = paired_bootstrap(a.tolist(), b.tolist(), samples=SAMPLES)
        ours.append(time.perf_counter() - started)
        started = time.perf_counter()
        low, high = np.quantile(plain(a, b, random), [0.025, 0.975])
        theirs.append(time.perf_counter() - started)
    print(f"bootstrap: {SAMPLES} samples of {ITEMS} pairs: {statistics.median(ours):.2f} s (reach 1)")
    print(
        f"  plain NumPy {statistics.median(theirs):.2f} s; [{found.low:.4f}, {found.high:.4f}], [{low:.4f}, {high:.4f}]"
    )


def additions() -> float:
    started, total = time.perf_counter(), 0
    for number in range(5_000_000):
        total += number
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print(f"five million additions: {additions():.2f} s (usual 0.25)")
    bench_run(arguments.items, arguments.concurrency, arguments.rounds)
    bench_bootstrap(arguments.rounds)


if __name__ == "__main__":
    main()
