"""The gateway beside compiled proxies and other gateways, and what each of its layers costs: one table.

    make bench-gateway                                              # and all else of the gateway
    python benchmarks/bench_gateway_peers.py --rounds 7             # about a minute a round
    python benchmarks/bench_gateway_peers.py --only steward SMG nginx
    python benchmarks/bench_gateway_peers.py --compiled build/compiled        # after `make unpack-compiled`

Each of them is pinned to core 0, mock upstream and load (and steward's keeper and console) to core 1, and one is asked
at a time, the order turned round from round to round. On a machine that others use, processor time holds and requests
a second do not. Ratios are of one round each; printed are their median and their middle half.

steward checks its key, counts requests and tokens per minute and writes its ledger and metrics; LiteLLM checks its key;
none of the others does any of it. The bare proxies are the floor: what no gateway can pass on uvloop and httptools.
Layers are added one after another, and asked with a message of personal data that nobody sent before. The log of
administrative acts is always on; as a layer, its heads go to a second place. With `--compiled` all layers are asked
once more, in the wheel whose detectors are compiled.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import peers
from bench_gateway import Mock, Up, additions_s, load
from bench_gateway_ab import PERSONAL, processor_s
from peers import Peer, family, proportional_mb, resident_mb

CHUNKS, GAP_MS, STREAMS, CONNECTIONS = 64, 20.0, 256, 32
STALL_MS: Final = 40.0
PEERS: Final[dict[str, Callable[[str], Peer | None]]] = {
    "SMG": peers.smg,
    "nginx": peers.nginx,
    "bare proxy": peers.bare_proxy,
    "bare proxy, compiled": peers.compiled_bare_proxy,
    "Portkey": peers.portkey,
    "LiteLLM": peers.litellm,
}
SLOW: Final = frozenset({"Portkey", "LiteLLM"})  # so many streams would take them minutes
LAYERS: Final[dict[str, dict[str, str]]] = {  # settings that come on top of those before
    "personal data, no layer": {},
    "+ TLS": {"STEWARD_GATEWAY__TLS": "auto"},
    "+ mask and restore": {"STEWARD_PRIVACY__PROFILE": "gdpr"},
    "+ monitoring": {
        "STEWARD_MONITORING__TRACES__SAMPLE": "1.0",
        "STEWARD_MONITORING__DRIFT__EVERY_S": "1.0",
    },
    "+ audit": {"STEWARD_AUDIT__WITNESS": "file:{folder}/witness"},
}
ALL_ON: Final = list(LAYERS)[-1]
ALL_COMPILED: Final = "all layers, compiled wheel"


class Entrant(NamedTuple):
    """Who is asked, by which processes its time is counted, and what its requests need in the environment."""

    name: str
    to: Any  # Up or Peer: `url`, `key` and `target`
    pids: list[int]
    environment: dict[str, str]
    streams: bool = True


class Rounds:
    """Values of one name after another, in the order of the rounds."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str], list[float]] = {}

    def add(self, name: str, what: str, value: float) -> None:
        self.values.setdefault((name, what), []).append(value)

    def median(self, name: str, what: str) -> float | None:
        values = self.values.get((name, what))
        return statistics.median(values) if values else None

    def ratio(self, one: str, other: str, what: str) -> str:
        """one / other, as a median with the middle half; "-" where either was left out."""
        above, below = self.values.get((one, what)), self.values.get((other, what))
        if not above or not below:
            return "-"
        ratios = [a / b for a, b in zip(above, below, strict=True)]
        if len(ratios) < 2:
            return f"{ratios[0]:.2f} x"
        low, middle, high = statistics.quantiles(ratios, n=4)
        return f"{middle:.2f} x ({low:.2f} to {high:.2f})"


@contextmanager
def set_environment(values: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def start_layers(folder: Path, mock: Mock, compiled: Path | None, stack: ExitStack) -> list[Entrant]:
    """A deployment for each layer, with all layers before it."""
    settings: dict[str, str] = {}
    entrants = []
    layers = LAYERS if compiled is None else {**LAYERS, ALL_COMPILED: {"PYTHONPATH": str(compiled.resolve())}}
    for number, (name, added) in enumerate(layers.items()):
        settings |= {key: value.format(folder=folder) for key, value in added.items()}
        with set_environment(settings):
            up = Up(folder / f"layer{number}", "--model", mock.url)
        stack.callback(up.stop)
        asks = {"BENCH_CONTENT": PERSONAL, "SSL_CERT_FILE": str(up.home / "tls" / "ca.pem")}  # unused without TLS
        entrants.append(Entrant(name, up, [up.worker()], asks))
    return entrants


def start(folder: Path, mock: Mock, given: argparse.Namespace, stack: ExitStack) -> list[Entrant]:
    """All that are asked for, and steward first."""
    only: list[str] = given.only
    up = Up(folder / "plain", "--model", mock.url)
    stack.callback(up.stop)
    entrants = [Entrant("steward", up, [up.worker()], {})]
    for name, make in PEERS.items():
        peer = make(mock.url) if not only or name in only else None
        if peer is not None:
            stack.callback(peer.stop)
            entrants.append(Entrant(name, peer, family(peer.process.pid), {}, streams=name not in SLOW))
    if not only or "layers" in only:
        entrants += start_layers(folder, mock, given.compiled, stack)
    return entrants


def measure(rounds: Rounds, entrant: Entrant, seconds: float) -> None:
    """One round of one entrant: whole answers, then streams."""

    def used_s() -> float:
        return sum(processor_s(pid) for pid in entrant.pids)

    to = entrant.to
    with set_environment(entrant.environment):
        before = used_s()
        rate = load("rate", to.url, to.key, "mock", CONNECTIONS, seconds, to.target)["requests_per_s"]
        rounds.add(entrant.name, "requests/s", rate)
        rounds.add(entrant.name, "us a request", (used_s() - before) / (rate * seconds) * 1e6)
        if entrant.streams:
            before = used_s()
            events = load("streams", to.url, to.key, "mock", STREAMS, seconds, to.target)["events"]
            rounds.add(entrant.name, "events/s of a core", events / (used_s() - before))


def measure_stalls(rounds: Rounds, up: Up, counts: list[int], seconds: float) -> None:
    """Many streams at one worker: the longest wait between two events, and how many streams had one of over 40 ms."""
    for count in counts:
        found = load("streams", up.url, up.key, "mock", count, seconds)
        rounds.add("steward", f"longest gap ms, {count} streams", found["longest_gap_ms"])
        rounds.add("steward", f"streams with a stall, {count} at once", found["stalled"] / found["streams"])


def run(given: argparse.Namespace, folder: Path) -> Rounds:
    rounds, mock = Rounds(), Mock(CHUNKS, GAP_MS)
    with ExitStack() as stack:
        stack.callback(mock.stop)
        entrants = start(folder, mock, given, stack)
        up: Up = entrants[0].to
        keeper = up.process_of("keeper")
        for entrant in entrants:
            measure(Rounds(), entrant, 0.5)  # warm
        for number in range(given.rounds):
            for entrant in entrants if number % 2 else reversed(entrants):
                before = processor_s(keeper)
                measure(rounds, entrant, given.seconds)
                if entrant.to is up:
                    time.sleep(0.5)  # the keeper's last round
                    requests = rounds.values["steward", "requests/s"][-1] * given.seconds
                    rounds.add("keeper", "us a request", (processor_s(keeper) - before) / requests * 1e6)
            if "stalls" in given.only or not given.only:
                measure_stalls(rounds, up, given.streams, given.seconds)
        rounds.add("steward", "worker MB", resident_mb(up.worker()))
        rounds.add("steward", "worker's share MB", proportional_mb(up.worker()))
    return rounds


def print_entrants(rounds: Rounds) -> None:
    """A row for each: rates, and processor time."""
    print("| | requests/s | processor time a request | relayed events/s of a core |")
    print("|---|---|---|---|")
    there = {name for name, _ in rounds.values}
    for name in (name for name in ("steward", *PEERS, *LAYERS, ALL_COMPILED) if name in there):
        values = [rounds.median(name, what) for what in ("requests/s", "us a request", "events/s of a core")]
        rate, request_us, events = ("-" if value is None else f"{value:,.0f}" for value in values)
        print(f"| {name} | {rate} | {request_us} us | {events} |")
    print()


def print_goals(rounds: Rounds, streams: list[int]) -> None:
    """Beside what is aimed at."""
    rows: list[tuple[str, str, str]] = []
    for peer in ("SMG", "nginx", "bare proxy", "bare proxy, compiled"):
        goal = "0.7 x (stretch 1.0 x)" if peer == "SMG" else ""
        rows.append((f"whole answers beside {peer}, requests/s", rounds.ratio("steward", peer, "requests/s"), goal))
        rows.append((f"processor time of {peer}, over steward's", rounds.ratio(peer, "steward", "us a request"), goal))
        rows.append((f"events/s of a core beside {peer}", rounds.ratio("steward", peer, "events/s of a core"), goal))
    rows.append(("floor: bare proxy beside SMG, requests/s", rounds.ratio("bare proxy", "SMG", "requests/s"), ""))
    rows.append(("floor: events/s of a core", rounds.ratio("bare proxy", "SMG", "events/s of a core"), ""))
    goal = "30 x (stretch 45 x)"
    for name, which in ((ALL_ON, "all layers"), (ALL_COMPILED, ALL_COMPILED)):
        rows.append((f"{which}, beside LiteLLM bare, requests/s", rounds.ratio(name, "LiteLLM", "requests/s"), goal))
        rows.append((f"processor time of LiteLLM, over {which}", rounds.ratio("LiteLLM", name, "us a request"), goal))
    for before, after in pairwise(LAYERS):
        values = [rounds.median(name, "us a request") for name in (before, after)]
        if values[0] is not None and values[1] is not None:
            rows.append((f"{after}: a request", f"{values[1] - values[0]:+.0f} us", ""))
    for count in streams:
        share = rounds.median("steward", f"streams with a stall, {count} at once")
        longest = rounds.median("steward", f"longest gap ms, {count} streams")
        if share is not None:
            goal = "none at 1,024 (stretch 2,048)"
            rows.append((f"{count} streams, stalled > {STALL_MS:g} ms", f"{share:.1%}, longest {longest:.0f} ms", goal))
    for name, goal in (("steward", "120 us (stretch 80)"), ("keeper", "20 us (stretch 10)")):
        rows.append((f"{name}: processor time a request", f"{rounds.median(name, 'us a request') or 0:.0f} us", goal))
    resident, share = (rounds.median("steward", what) or 0 for what in ("worker MB", "worker's share MB"))
    rows.append(("memory of a worker, resident; its share", f"{resident:.0f}; {share:.0f} MB", "at most 80 MB"))
    print("| what | measured | reach |")
    print("|---|---|---|")
    for row in rows:
        if row[1] != "-":
            print("| " + " | ".join(row) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--streams", type=int, nargs="*", default=[512, 1024], help="at once, looked at for stalls")
    parser.add_argument("--only", nargs="*", default=[], help=f"of {', '.join(PEERS)}, layers, stalls; all without")
    parser.add_argument("--compiled", type=Path, help="where the compiled wheel is unpacked")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is ended then, too
    os.sched_setaffinity(0, {1})
    speeds = [additions_s()]
    with tempfile.TemporaryDirectory() as name:
        rounds = run(given, Path(name))
    speeds.append(additions_s())
    if given.json:
        print(json.dumps([[*names, values] for names, values in rounds.values.items()], indent=2))
        return
    print_entrants(rounds)
    print_goals(rounds, given.streams)
    took = f"{min(speeds):.2f} to {max(speeds):.2f} s"
    print(f"\nthis machine: 5 million additions in {took}, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
