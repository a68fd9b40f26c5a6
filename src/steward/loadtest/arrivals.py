"""When requests are sent: absolute times, made before the run starts and never moved.

One schedule serves all processes: each takes every n-th arrival, so the server sees the arrival process that was asked
for, however many processes send it. (If each process drew its own times, with the same seed or with a fixed share of
constant gaps, the sum would have bursts: one peer has an index of dispersion of 3.3 where Poisson has 1.)
"""

from __future__ import annotations

import itertools
import math
import random
from array import array
from collections.abc import Iterator, Sequence

from steward.core.errors import InputError
from steward.loadtest.config import Arrival, LoadConfig

MAX_ARRIVALS = 20_000_000  # arrivals of one run: 160 MB


def make_schedule(arrival: Arrival, until_s: float | None, requests: int | None, seed: int) -> array[float]:
    """Seconds from the start, in rising order. `until_s` or `requests` ends the schedule, whichever comes first.

    :raises InputError: more arrivals than one run keeps
    """
    if arrival.kind == "burst":
        return array("d", bytes(8 * (requests or 0)))
    times: array[float] = array("d")
    if requests is None and until_s is not None and (arrival.rate or 0) * until_s > MAX_ARRIVALS:
        raise InputError(
            f"{arrival.rate} requests a second for {until_s:.0f} s: expected at most {MAX_ARRIVALS:,} requests"
        )
    most = MAX_ARRIVALS if requests is None else requests
    for at in _times(arrival, until_s, random.Random(seed)):
        if len(times) >= most or (until_s is not None and at >= until_s):
            break
        times.append(at)
    return times


def replay_schedule(at_s: Sequence[float], speed: float, until_s: float | None, requests: int | None) -> array[float]:
    """The times of a trace, from its first request, `speed` times as fast."""
    times = array("d", ((at - at_s[0]) / speed for at in at_s))
    return array("d", (at for at in times if until_s is None or at < until_s))[:requests]


def take_share(times: array[float], index: int, of: int) -> array[float]:
    """What process `index` of `of` sends: every `of`-th arrival."""
    return times[index::of]


def share_of_run(config: LoadConfig, trace_s: Sequence[float], index: int, of: int) -> array[float]:
    """The schedule of process `index` of `of`; empty for a closed loop. `trace_s`: the times of a trace's rows."""
    if config.arrival.kind == "concurrency":
        return array("d")
    until_s = None if config.duration_s is None else config.warmup_s + config.duration_s
    if config.trace:
        times = replay_schedule(trace_s, config.speed, until_s, config.requests)
    else:
        times = make_schedule(config.arrival, until_s, config.requests, config.seed)
    return take_share(times, index, of)


def _times(arrival: Arrival, until_s: float | None, random: random.Random) -> Iterator[float]:
    rate = arrival.rate or 0.0
    if arrival.kind == "constant":
        for number in itertools.count():
            yield number / rate
    elif arrival.kind == "ramp":
        yield from _ramp(arrival.start_rate, rate, until_s or 0.0, random)
    else:
        at = 0.0
        while True:
            at += _gap(arrival, rate, random)
            yield at


def _gap(arrival: Arrival, rate: float, random: random.Random) -> float:
    if arrival.kind == "poisson":
        return random.expovariate(rate)
    return random.gammavariate(arrival.burstiness, 1 / (rate * arrival.burstiness))  # mean 1 / rate


def _ramp(first: float, last: float, span_s: float, random: random.Random) -> Iterator[float]:
    """Poisson arrivals whose rate rises or falls linearly: a unit Poisson process through the inverse of the cumulative
    rate first*t + (last - first) * t^2 / (2 * span) (time rescaling; Lewis and Shedler 1979)."""
    slope, total = (last - first) / span_s, 0.0
    while True:
        total += random.expovariate(1.0)
        if abs(slope) < 1e-12:
            yield total / first
            continue
        under = first * first + 2 * slope * total
        if under < 0:
            return  # the falling rate has reached 0
        yield (math.sqrt(under) - first) / slope
