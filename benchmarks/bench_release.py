"""How often a release decides wrongly, and how soon rightly: simulated requests through `steward.improvement`.

    python benchmarks/bench_release.py --simulations 2000

Requests come from people who come again (intra-class correlation 0.1), the error rate drifts over the release, and the
weight grows 5, 25, 50 % unless a cell fixes it. Every cell prints how often each decision came with Wilson's interval,
and the median and the 80th percentile of the requests and the time that it took.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

from steward.improvement.backtest import backtest
from steward.improvement.config import ReleaseConfig
from steward.improvement.events import ReleaseEvent

ICC = 0.1
WEEKLY = 40_000 / (7 * 86400.0)  # requests a second


@dataclass(frozen=True)
class Traffic:
    """Requests of a simulated release. Pairs: the champion's, the candidate's."""

    requests: int = 40_000
    people: int = 4_000
    rate: float = 1.0
    weights: tuple[float, ...] = (0.05, 0.25, 0.5)
    errors: tuple[float, float] = (0.01, 0.01)
    slow: tuple[float, float] = (0.05, 0.05)
    judge: tuple[float, float] = (0.5, 0.5)
    usd: tuple[float, float] = (0.002, 0.002)
    drift: float = 1.0  # the error rate grows linearly to this many times its first
    guards: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """What is simulated, and the decision that counts."""

    name: str
    counted: str
    traffic: Traffic
    reach: str


CELLS = (
    Cell("A/A week, steps, drifting errors", "roll back", Traffic(rate=WEEKLY, drift=4.0), "<= 1 %"),
    Cell("A/A week at 25 %", "roll back", Traffic(rate=WEEKLY, weights=(0.25,)), "<= 1 %"),
    Cell("A/A week at 5 %", "roll back", Traffic(rate=WEEKLY, weights=(0.05,)), "<= 1 %"),
    Cell("errors exactly at the margin (1, 2 %)", "promote", Traffic(errors=(0.01, 0.02), weights=(0.25,)), "<= 5 %"),
    Cell("slow exactly at the margin (5, 7.5 %)", "promote", Traffic(slow=(0.05, 0.075), weights=(0.25,)), "<= 5 %"),
    Cell("cost exactly at the margin (+5 %)", "promote", Traffic(usd=(0.002, 0.0021), weights=(0.25,)), "<= 5 %"),
    Cell("judge exactly at the margin (-0.03)", "promote", Traffic(judge=(0.5, 0.47), weights=(0.25,)), "<= 5 %"),
    Cell("errors 1 to 3 %, 25 %", "roll back", Traffic(errors=(0.01, 0.03), weights=(0.25,)), ">= 80 %"),
    Cell("slow 5 to 10 %, 25 %", "roll back", Traffic(slow=(0.05, 0.10), weights=(0.25,)), ">= 80 %"),
    Cell("judge -0.1, 25 %", "roll back", Traffic(judge=(0.5, 0.4), weights=(0.25,)), ">= 80 %"),
    Cell("cost +20 %, 25 %", "roll back", Traffic(usd=(0.002, 0.0024), weights=(0.25,)), ">= 80 %"),
    Cell("healthy, 25 %", "promote", Traffic(requests=120_000, people=12_000, weights=(0.25,)), ">= 80 %"),
    Cell("healthy, 50 %", "promote", Traffic(requests=120_000, people=12_000, weights=(0.5,)), ">= 80 %"),
)


def draw_requests(traffic: Traffic, seed: int) -> Iterator[ReleaseEvent]:
    """Requests in time order. A person keeps an arm, unless the weight grows past what was drawn for the person."""
    rng = random.Random(seed)
    spread = 1.0 / ICC - 1.0
    draws = [rng.random() for _ in range(traffic.people)]
    errors = [rng.betavariate(traffic.errors[0] * spread, (1 - traffic.errors[0]) * spread) for _ in draws]
    slow = [rng.betavariate(traffic.slow[0] * spread, (1 - traffic.slow[0]) * spread) for _ in draws]
    tastes = [rng.gauss(0.0, math.sqrt(ICC)) for _ in draws]
    lengths = [rng.gauss(0.0, math.sqrt(ICC)) for _ in draws]
    now = 0.0
    for number in range(traffic.requests):
        now += rng.expovariate(traffic.rate)
        done = number / traffic.requests
        weight = traffic.weights[min(len(traffic.weights) - 1, int(done * len(traffic.weights)))]
        person = rng.randrange(traffic.people)
        candidate = draws[person] < weight
        drifted = 1.0 + (traffic.drift - 1.0) * done
        error = errors[person] * drifted * (traffic.errors[1] / traffic.errors[0] if candidate else 1.0)
        late = slow[person] * (traffic.slow[1] / traffic.slow[0] if candidate else 1.0)
        noise = math.sqrt(1.0 - ICC)
        yield ReleaseEvent(
            at=now,
            subject=str(person),
            arm="candidate" if candidate else "champion",
            weight=weight,
            bad=rng.random() < error,
            slow=rng.random() < late,
            usd=traffic.usd[candidate] * math.exp(0.8 * (lengths[person] + noise * rng.gauss(0.0, 1.0)) - 0.32),
            judge=max(-1.0, min(1.0, traffic.judge[candidate] + 0.35 * (tastes[person] + noise * rng.gauss(0.0, 1.0)))),
            score=rng.choice((1.0, 1.0, 1.0, 1.0, -1.0)) if rng.random() < 0.02 else None,
        )


def run_one(cell: Cell, seed: int) -> tuple[str, float, int, str]:
    decision = backtest(draw_requests(cell.traffic, seed), ReleaseConfig.model_validate(cell.traffic.guards).plan())
    return decision.decision, decision.at or 0.0, decision.events, decision.why


def wilson(hits: int, n: int, z: float = 1.96) -> tuple[float, float]:
    share, denominator = hits / n, 1 + z * z / n
    middle = (share + z * z / (2 * n)) / denominator
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / denominator
    return middle - half, middle + half


def summarise(cell: Cell, results: list[tuple[str, float, int, str]]) -> dict[str, Any]:
    counted = [result for result in results if result[0] == cell.counted]
    low, high = wilson(len(counted), len(results))
    requests = sorted(result[2] for result in counted) or [0]
    times = sorted(result[1] for result in counted) or [0.0]
    return {
        "cell": cell.name,
        "decision": cell.counted,
        "share": len(counted) / len(results),
        "interval": [low, high],
        "reach": cell.reach,
        "simulations": len(results),
        "median_requests": statistics.median(requests),
        "p80_requests": requests[int(0.8 * (len(requests) - 1))],
        "median_s": statistics.median(times),
    }


def describe(row: dict[str, Any]) -> str:
    low, high = row["interval"]
    return (
        f"{row['cell']:<39} {row['decision']} {row['share']:>7.2%} ({low:.2%} to {high:.2%}), reach {row['reach']:<7}"
        f" {row['median_requests']:>9,.0f} requests in the median, {row['p80_requests']:>9,.0f} at 80 %"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=200, help="of each cell")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--cells", default="", help="only cells whose names contain this")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = []
    with ProcessPoolExecutor(arguments.processes) as pool:
        for cell in (cell for cell in CELLS if arguments.cells in cell.name):
            began = time.perf_counter()
            rows.append(
                summarise(cell, list(pool.map(run_one, repeat(cell), range(arguments.simulations), chunksize=4)))
            )
            print(describe(rows[-1]), file=sys.stderr if arguments.json else sys.stdout, flush=True)
            print(f"  {time.perf_counter() - began:.0f} s", file=sys.stderr)
    if arguments.json:
        print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
