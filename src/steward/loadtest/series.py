"""The course of a run over time: steps of equal width, and the number of requests in flight."""

from __future__ import annotations

import itertools
import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from steward.core.load_report import LoadPoint, count_needed_values
from steward.loadtest.response import OK, UNFINISHED

Array = NDArray[np.float64]
MAX_POINTS: Final = 90
MIN_STEP_S: Final = 0.5


def choose_step_s(duration_s: float) -> float:
    """The width of a step: the run in equal parts of about 0.5, 1, 2, 5, 10, … s, at most 90 of them.

    >>> choose_step_s(60.0), choose_step_s(100.0), choose_step_s(10.5)
    (1.0, 2.0, 0.5)
    """
    nice = next(
        leading * 10.0**power
        for power in itertools.count()
        for leading in (MIN_STEP_S, 1.0, 2.0)
        if duration_s / (leading * 10.0**power) <= MAX_POINTS
    )
    return duration_s / max(1, math.ceil(duration_s / nice - 1e-9))


def build_series(
    rows: NDArray[Any], sent: Array, starts: Array, ends: Array, step_s: float, duration_s: float
) -> tuple[LoadPoint, ...]:
    """One point per step. All arrays are (requests,); `sent`, `starts` and `ends` are in s since the start: intended
    sends, actual sends and ends."""
    if not len(rows):
        return ()
    count = round(duration_s / step_s)
    edges: Array = np.arange(count + 1, dtype=np.float64) * step_s
    in_flight = np.diff(integrate_counts(np.sort(starts), edges) - integrate_counts(np.sort(ends), edges)) / step_s
    places = np.clip((sent / step_s).astype(np.int64), 0, count - 1)
    ended = np.clip((ends / step_s).astype(np.int64), 0, count - 1)
    tokens = np.bincount(ended, weights=rows["output_tokens"], minlength=count)  # (steps,)
    order = np.argsort(places, kind="stable")
    bounds = np.searchsorted(places[order], np.arange(count + 1))
    return tuple(
        _build_point(
            rows[order[bounds[place] : bounds[place + 1]]], float(edges[place]), float(in_flight[place]), tokens[place]
        )
        for place in range(count)
    )


def _build_point(rows: NDArray[Any], at_s: float, in_flight: float, output_tokens: float) -> LoadPoint:
    answered = rows[rows["cause"] == OK]
    first, last = 1000 * answered["first"].astype(np.float64), 1000 * answered["last"].astype(np.float64)
    first = first[~np.isnan(first)]
    return LoadPoint(
        at_s=at_s,
        sent=len(rows),
        answered=len(answered),
        failed=int(((rows["cause"] != OK) & (rows["cause"] != UNFINISHED)).sum()),
        in_flight=in_flight,
        output_tokens=int(output_tokens),
        ttft_p50_ms=quantile_or_none(first, 0.5),
        ttft_p95_ms=quantile_or_none(first, 0.95),
        ttft_max_ms=float(first.max()) if len(first) else None,
        e2e_p50_ms=quantile_or_none(last, 0.5),
        e2e_p95_ms=quantile_or_none(last, 0.95),
        e2e_max_ms=float(last.max()) if len(last) else None,
    )


def quantile_or_none(values: Array, quantile: float) -> float | None:
    """None where there are too few values for it. `values`: (n,), in any order."""
    return float(np.quantile(values, quantile)) if len(values) >= count_needed_values(quantile) else None


def integrate_counts(times: Array, edges: Array) -> Array:
    """The integral of "how many `times` are before t" from 0 to each edge: (edges,). `times`: (n,), sorted.

    >>> integrate_counts(np.array([1.0, 3.0]), np.array([0.0, 2.0, 4.0]))
    array([0., 1., 4.])
    """
    below = np.searchsorted(times, edges)
    sums = np.concatenate([[0.0], np.cumsum(times)])
    integral: Array = edges * below - sums[below]
    return integral


def count_max_in_flight(starts: Array, ends: Array) -> int:
    """The most requests in flight at one time. Both are (requests,), in s."""
    if not len(starts):
        return 0
    ordered = np.sort(starts)
    return int((np.arange(1, len(ordered) + 1) - np.searchsorted(np.sort(ends), ordered)).max())
