"""What drawing an arm and noting it costs the gateway: processor time of its worker a request, in a release and not.

    python benchmarks/bench_release_cost.py --rounds 30 --seconds 1

One home serves two routes to the same two models. One of them is in a release at 50 %, so that the only difference is
the draw, its record and the guards' fields. Rounds alternate (first one, then the other, and the other way round),
since a busy machine's seconds are worth more and less; told is the median of the rounds' ratios with its 95 % interval
(from their order: a sign test turned around). Beside other work that interval is wider than what it looks for. So the
parts that differ are timed alone, too: the draw, the admitted record and its bytes, the least of many short loops.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench_gateway import Mock, Up, load

from steward.core.identity import Caller, Principal
from steward.gateway.exchange import Exchange
from steward.gateway.ledger import encode_frame
from steward.gateway.middleware import assign
from steward.gateway.middleware.settle import build_admitted
from steward.gateway.route_records import Route, ServedRelease, Target
from steward.gateway.wire_fields import Request

CALLER = Caller(principal=Principal(kind="key", id="k"))
FILE = """
watch: false
models:
  - {name: old, backend: openai, url: "URL"}
  - {name: new, backend: openai, url: "URL"}
routes:
  - {name: support, targets: [{model: old}]}
  - {name: another, targets: [{model: old, weight: 1}, {model: new, weight: 1}]}
release: {steps: [0.5], shadow: {sample: 0}, guards: {judge: {required: false}}}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    arguments = parser.parse_args()
    mock = Mock(1, 0)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        file = Path(place) / "steward.yaml"
        file.write_text(FILE.replace("URL", mock.url))
        up = Up(Path(place) / "up", "--config", str(file))
        try:
            release(up, "start", "support", "--candidate", "new")
            for route in ("another", "support"):  # warm
                measure(up, route, arguments.seconds)
            costs: dict[str, list[float]] = {"another": [], "support": []}
            for number in range(arguments.rounds):
                for route in ("another", "support") if number % 2 else ("support", "another"):
                    costs[route].append(measure(up, route, arguments.seconds))
        finally:
            up.stop()
            mock.stop()
    alone = {route: time_parts(in_release) for route, in_release in (("another", False), ("support", True))}
    print(json.dumps({name: [round(one, 1) for one in values] for name, values in costs.items()}))
    ratios = sorted(during / without for without, during in zip(costs["another"], costs["support"], strict=True))
    low, high = (ratios[at] for at in find_ranks(len(ratios)))
    middle = statistics.median(ratios)
    print(
        f"{statistics.median(costs['another']):.1f} µs a request without, {statistics.median(costs['support']):.1f} µs "
        f"in a release: {middle - 1:+.1%} ({low - 1:+.1%} to {high - 1:+.1%})"
    )
    more = alone["support"] - alone["another"]
    share = more / min(costs["another"])
    met = share <= 0.02
    parts = f"{alone['another']:.2f} and {alone['support']:.2f} µs"
    print(f"the parts alone: {parts}; {more:.2f} µs more are {share:.1%}: {'met' if met else 'missed'}")
    raise SystemExit(not met)


def time_parts(in_release: bool) -> float:
    """Microseconds of what a release changes in a request: assignment, the admitted record, its frame."""
    candidate = Route("support", (Target("new"),))
    release = ServedRelease(id="rel_0123456789ab", route="support", candidate=candidate, weight=0.5)
    exchange = Exchange("req_0123456789abcdef", "/v1/chat/completions", {}, b"{}", 0.0, 0.0, CALLER)
    exchange.request, exchange.subject = Request(model="support"), None
    answer: Any = object()

    def note(one: Exchange) -> Any:
        encode_frame(build_admitted(one))
        return answer

    handle = assign({"support" if in_release else "elsewhere": release})(note)
    least = math.inf
    for _ in range(2_000):
        began = time.thread_time_ns()
        for _ in range(200):
            handle(exchange)
        least = min(least, (time.thread_time_ns() - began) / 200)
    return least / 1000.0


def find_ranks(n: int) -> tuple[int, int]:
    """Places of the ends of a median's 95 % interval among n sorted values, by the binomial's normal approximation."""
    half = 1.96 * math.sqrt(n) / 2
    low = max(0, math.floor(n / 2 - half))
    return low, n - 1 - low


def measure(up: Up, route: str, seconds: float) -> float:
    """Microseconds of the worker's processor time a request."""
    before = worker_ns(up.worker())
    found = load("rate", up.url, up.key, route, 16, seconds)
    requests: float = found["requests_per_s"] * seconds
    return (worker_ns(up.worker()) - before) / requests / 1000.0


def worker_ns(pid: int) -> int:
    """Nanoseconds of processor time of all threads; ticks of a hundredth of a second are too coarse for a second."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat"))


def release(up: Up, *words: str) -> None:
    command = [sys.executable, "-m", "steward", "release", *words, "--home", str(up.home)]
    subprocess.run(command, check=True, capture_output=True)


if __name__ == "__main__":
    main()
