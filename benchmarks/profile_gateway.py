"""Where a worker's processor time goes, by module: of a request, and of a relayed event.

    python benchmarks/profile_gateway.py
    git worktree add /tmp/before COMMIT
    python benchmarks/profile_gateway.py --before /tmp/before --seconds 20
    python benchmarks/profile_gateway.py --layers --folders    # beside it, all layers of bench_gateway_peers.py

Each checkout is loaded twice, as by `bench_gateway_ab.py`. Once a signal notes, for every few milliseconds of
processor time, whose code runs: calls
of C and of the system are their caller's. Once Python counts calls (of Python's functions and of C's), which slows it
down by half, so that only the counts are taken from there. A worker's periodic work is in both.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from bench_gateway import Mock, Up, load
from bench_gateway_ab import CHUNKS, CONNECTIONS, GAP_MS, HERE, PERSONAL, processor_s
from bench_gateway_peers import LAYERS, set_environment

LOADS: Final = {"rate": "request", "streams": "event"}
OTHERS: Final = "all others"
COUNTED_S: Final = 3.0  # calls are the same for each request, so that few are enough


class Share(NamedTuple):
    """Of one module in one request or event."""

    us: float = 0.0
    calls: float = 0.0  # of Python's functions
    c_calls: float = 0.0

    def plus(self, other: Share) -> Share:
        return Share(*(one + two for one, two in zip(self, other, strict=True)))


class Side(NamedTuple):
    """What is watched: the source in a checkout, with all layers or with none."""

    name: str
    checkout: Path
    layers: bool = False

    def settings(self, folder: Path) -> dict[str, str]:
        layers = LAYERS.values() if self.layers else ()
        return {key: value.format(folder=folder.parent) for added in layers for key, value in added.items()}

    def asks(self, up: Up) -> dict[str, str]:
        """The environment of its load."""
        return {"BENCH_CONTENT": PERSONAL, "SSL_CERT_FILE": str(up.home / "tls" / "ca.pem")} if self.layers else {}


@contextmanager
def probed(side: Side, folder: Path, mock: Mock, samples: bool) -> Iterator[Up]:
    """A deployment whose worker is watched; what it found goes to `folder`.json."""
    probe = {
        "PYTHONPATH": f"{side.checkout / 'src'}{os.pathsep}{HERE / 'worker_probe'}",
        "PROBE_OUT": str(folder.with_suffix(".json")),
        "PROBE_SAMPLES": "1" if samples else "0",
        "STEWARD_NO_FORK": "1",  # the probe begins where the interpreter does
    }
    with set_environment(probe | side.settings(folder)):
        up = Up(folder, "--model", mock.url)
    try:
        with set_environment(side.asks(up)):
            yield up
    finally:
        up.stop()


def watch(up: Up, out: Path, what: str, seconds: float) -> tuple[dict[str, dict[str, int]], float, float]:
    """One load. -> what the probe counted by module, requests or events, processor seconds"""
    worker = up.worker()
    load(what, up.url, up.key, "mock", CONNECTIONS, 0.5)  # warm
    out.unlink(missing_ok=True)
    os.kill(worker, signal.SIGUSR1)
    used = processor_s(worker)
    done = load(what, up.url, up.key, "mock", CONNECTIONS, seconds)
    used = processor_s(worker) - used
    os.kill(worker, signal.SIGUSR1)
    while not out.exists():
        time.sleep(0.02)
    number = done["events"] if what == "streams" else done["requests_per_s"] * seconds
    return json.loads(out.read_text()), number, used


def profile(side: Side, what: str, seconds: float) -> dict[str, Share]:
    """The share of each module in one request or event."""
    shares: dict[str, Share] = {}
    for samples in (True, False):
        mock = Mock(CHUNKS, GAP_MS)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name, "probed")
            with probed(side, folder, mock, samples) as up:
                long_s = seconds if samples else min(seconds, COUNTED_S)
                counted, number, used = watch(up, folder.with_suffix(".json"), what, long_s)
        mock.stop()
        ticks = max(1, sum(module.get("samples", 0) for module in counted.values()))
        for name, module in counted.items():
            us = module.get("samples", 0) / ticks * used / number * 1e6 if samples else 0.0
            share = Share(us, module.get("call", 0) / number, module.get("c_call", 0) / number)
            shares[name] = shares.get(name, Share()).plus(share)
    return shares


def gather(shares: dict[str, Share]) -> dict[str, Share]:
    """By folder of ours, and what is not ours by its package."""
    found: dict[str, Share] = {}
    for name, share in shares.items():
        folder = name.rpartition("/")[0] or name.removesuffix(".py")
        found[folder] = found.get(folder, Share()).plus(share)
    return found


def fold(sides: list[dict[str, Share]], most: int) -> list[tuple[str, list[Share]]]:
    """A row for each of the modules that take most, one for all others, and a sum."""
    names = {name for side in sides for name in side}
    order = sorted(names, key=lambda name: -max(side.get(name, Share()).us for side in sides))
    rows = [(name, [side.get(name, Share()) for side in sides]) for name in order[:most]]
    for title, those in ((OTHERS, order[most:]), ("sum", order)):
        sums = [Share() for _ in sides]
        for name in those:
            sums = [one.plus(side.get(name, Share())) for one, side in zip(sums, sides, strict=True)]
        rows.append((title, sums))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, help="another checkout, to stand beside this one")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each load that is sampled")
    parser.add_argument("--layers", action="store_true", help="all layers of bench_gateway_peers.py, to stand beside")
    parser.add_argument("--folders", action="store_true", help="by folder rather than by module")
    parser.add_argument("--most", type=int, default=25, help="modules that have a row of their own")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is ended then, too
    sides = [Side("before: ", given.before.resolve())] if given.before else []
    sides.append(Side("after: " if sides else "", HERE.parent))
    sides += [Side("all layers: ", HERE.parent, True)] if given.layers else []
    found = {}
    for what, unit in LOADS.items():
        shares = [profile(side, what, given.seconds) for side in sides]
        found[unit] = fold([gather(one) for one in shares] if given.folders else shares, given.most)
    if given.json:
        print(json.dumps(found, indent=2))
        return
    for unit, rows in found.items():
        heads = [f"{side.name}{name}" for side in sides for name in Share._fields]
        print(" | ".join([f"| of one {unit}", *heads]), "|")
        print("|---" * (1 + len(heads)) + "|")
        for name, shares in rows:
            print(" | ".join([f"| {name}", *(f"{value:.2f}" for share in shares for value in share)]), "|")
        print()


if __name__ == "__main__":
    main()
