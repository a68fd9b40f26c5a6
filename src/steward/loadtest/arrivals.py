"""When requests are sent: absolute times, made before the run starts and never moved.

One schedule serves all processes: each takes every n-th arrival, so that what the server sees is the process asked for,
however many send it. (Drawing in each process apart, with the same seed or with a fixed share of constant gaps, makes
bursts: research on a peer found an index of dispersion of 3.3 where Poisson has 1.)
"""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Iterator

from steward.core.errors import InputError
from steward.loadtest.config import Arrival

MAX_ARRIVALS = 20_000_000  # arrivals of one run: 160 MB


def make_schedule(arrival: Arrival, until_s: float | None, requests: int | None, seed: int) -> array[float]:
    """Seconds from the start, rising. One of `until_s` and `requests` ends it, whichever comes first.

    :raises InputError: more arrivals than one run keeps
    """
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


def take_share(times: array[float], index: int, of: int) -> array[float]:
    """What process `index` of `of` sends: every `of`-th."""
    return times[index::of]


def _times(arrival: Arrival, until_s: float | None, random: random.Random) -> Iterator[float]:
    rate = arrival.rate or 0.0
    if arrival.kind == "constant":
        for number in range(MAX_ARRIVALS + 1):
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
    """Poisson with a rate that rises, or falls, in a straight line: a unit Poisson process through the inverse of
    the cumulated rate first*t + (last - first) * t^2 / (2 * span) (time rescaling; Lewis and Shedler 1979)."""
    slope, total = (last - first) / span_s, 0.0
    while True:
        total += random.expovariate(1.0)
        if abs(slope) < 1e-12:
            yield total / first
            continue
        under = first * first + 2 * slope * total
        if under < 0:
            return  # a falling rate has reached 0
        yield (math.sqrt(under) - first) / slope
