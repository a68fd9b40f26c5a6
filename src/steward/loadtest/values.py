"""The records of a run as arrays, and the value of each metric for each request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steward.loadtest.objective import ERROR_RATE, SPEED, Limit
from steward.loadtest.recorder import RECORD, SenderResult
from steward.loadtest.response import OK
from steward.loadtest.slo import TermResult, is_over, judge_limit

Array = NDArray[np.float64]


def read_records(results: Sequence[SenderResult]) -> NDArray[Any]:
    """All records as one structured array, (requests,) of RECORD, in order of the intended send.

    The records of a single process are sorted in place: for a million requests a copy would take 56 MB.
    """
    parts = [np.frombuffer(result.rows, dtype=np.dtype(RECORD)) for result in results]
    rows = np.concatenate(parts) if len(parts) != 1 else parts[0]
    order = np.argsort(rows["intended"], kind="stable")
    if not rows.flags.writeable:
        return rows[order]
    rows[:] = rows[order]
    return rows


def select_rows(rows: NDArray[Any], kept: NDArray[np.bool_]) -> NDArray[Any]:
    """The rows where `kept`, both (requests,); without a copy if all are kept."""
    return rows if bool(kept.all()) else rows[kept]


def metric_values(rows: NDArray[Any], metric: str, *, from_actual: bool = False) -> Array:
    """(requests,) of a metric, in ms or, for `tps`, in tokens per second; NaN where a request has no such value.

    Latencies count from the intended send, or with `from_actual` from the actual one.
    """
    if metric in ("tpot", SPEED):
        tokens = rows["output_tokens"].astype(np.float64) - rows["first_tokens"]
        span_ms = 1000 * (rows["last"].astype(np.float64) - rows["first"])
        has_value = (rows["first_tokens"] > 0) & (tokens >= 1)
        tpot_ms: Array = np.divide(span_ms, tokens, out=np.full(len(rows), np.nan), where=has_value)
        if metric == "tpot":
            return tpot_ms
        speed: Array = np.divide(1000.0, tpot_ms, out=np.full(len(rows), np.nan), where=tpot_ms > 0)
        return speed
    field = {"ttft": "first", "ttfo": "first_output", "e2e": "last"}[metric]
    offset = rows["late"].astype(np.float64) if from_actual else 0.0
    values: Array = 1000 * (rows[field].astype(np.float64) - offset)
    return values


def has_unknown_value(rows: NDArray[Any], metric: str) -> NDArray[np.bool_]:
    """(requests,): where the metric exists but cannot be told, because all tokens of a stream arrived at one time."""
    if metric not in ("tpot", SPEED):
        return np.zeros(len(rows), dtype=np.bool_)
    streamed = (rows["cause"] == OK) & ~np.isnan(rows["first"])
    unknown: NDArray[np.bool_] = streamed & (rows["output_tokens"] > 1) & (rows["first_tokens"] == 0)
    return unknown


def values_with_failures(rows: NDArray[Any], metric: str) -> Array:
    """As `metric_values`, (requests,); a request that was not answered is slower than any limit.

    For an error rate, 1 if it failed.
    """
    failed = rows["cause"] != OK
    if metric == ERROR_RATE:
        failures: Array = failed.astype(np.float64)
        return failures
    values = metric_values(rows, metric)
    values[failed] = 0.0 if metric == SPEED else np.inf
    return values


def judge(rows: NDArray[Any], limits: Sequence[Limit]) -> tuple[TermResult, ...]:
    """Judge an objective on the records of one run, (requests,)."""
    return tuple(
        judge_limit(limit, values_with_failures(rows, limit.metric), has_unknown_value(rows, limit.metric))
        for limit in limits
    )


def count_good(rows: NDArray[Any], limits: Sequence[Limit]) -> int:
    """Answered requests of `rows`, (requests,), that met every limit.

    One without the metric meets it; one that cannot be told does not.
    """
    good = rows["cause"] == OK
    for limit in limits:
        good &= ~is_over(limit, values_with_failures(rows, limit.metric)) & ~has_unknown_value(rows, limit.metric)
    return int(good.sum())
