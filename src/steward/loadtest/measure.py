"""From the books of all processes to one report. Formulas are in core/load_report.py and in every report."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from steward import __version__
from steward.core.load_report import ClientHealth, Latencies, LoadPoint, LoadReport, Quantiles, Samples, Track
from steward.loadtest import objective, slo
from steward.loadtest.config import LoadConfig, request_url
from steward.loadtest.config import parse_lengths as lengths_of
from steward.loadtest.recorder import COARSE_S, FINE_S, RECORD, SOURCES, SenderResult, SenderStats
from steward.loadtest.response import CAUSES, HTTP, OK, UNFINISHED
from steward.loadtest.statistics import compute_dispersion, compute_quantiles, quantiles_from_histogram
from steward.loadtest.validity import collect_warnings, find_invalid_reasons

Array = NDArray[np.float64]
MAX_SAMPLES: Final = 5000
_POINTS: Final = 90  # of the time series


def read_records(results: Sequence[SenderResult]) -> NDArray[Any]:
    """All rows as one structured array, in order of the intended send.

    One process's rows are put in order where they are: a million would take 48 MB once more.
    """
    parts = [np.frombuffer(result.rows, dtype=np.dtype(RECORD)) for result in results]
    rows = np.concatenate(parts) if len(parts) != 1 else parts[0]
    order = np.argsort(rows["intended"], kind="stable")
    if not rows.flags.writeable:
        return rows[order]
    rows[:] = rows[order]
    return rows


def build_report(
    config: LoadConfig, results: Sequence[SenderResult], started_at: float, tracks: tuple[Track, ...] = ()
) -> LoadReport:
    """What the run found."""
    rows = read_records(results)
    rows = _select_rows(rows, rows["intended"] >= config.warmup_s - 1e-9)
    stats = [result.stats for result in results]
    sent = rows["intended"] - config.warmup_s
    ends = sent + rows["end"]
    ok = rows["cause"] == OK
    answered = _select_rows(rows, ok)
    duration = max(float(ends.max()), 1e-9) if len(rows) else 0.0
    duration = max(duration, min(config.duration_s or 0.0, duration)) or 1e-9
    starts = sent + rows["late"]
    late = _build_latencies(answered, from_actual=False, config=config)
    actual = _build_latencies(answered, from_actual=True, config=config)
    gaps = _build_gaps(results)
    client = _build_client_health(rows, sent, stats, config.late_budget_ms)
    failed = int(((rows["cause"] != OK) & (rows["cause"] != UNFINISHED)).sum())
    step = _choose_step(duration)
    limits = objective.parse_objective(config.slo) if config.slo else ()
    decided = tuple(slo.judge_limit(limit, values_with_failures_ms(rows, limit.metric, config)) for limit in limits)
    found = LoadReport(
        steward_version=__version__,
        url=request_url(config.url, config.endpoint),
        model=config.model,
        endpoint=config.endpoint,
        streamed=config.stream and config.endpoint != "embeddings",
        arrival=config.arrival.kind,
        started_at=started_at,
        duration_s=duration,
        seed=config.seed,
        processes=len(results),
        requested_rate=config.arrival.rate,
        achieved_rate=_compute_rate(np.sort(starts)),
        requested_concurrency=config.arrival.concurrency,
        concurrency_mean=float((ends - starts).sum() / duration) if len(rows) else 0.0,
        concurrency_max=_count_max_in_flight(starts, ends),
        sent=len(rows),
        answered=len(answered),
        failed=failed,
        errors=_count_errors(rows),
        ttft_ms=late.ttft_ms,
        tpot_ms=late.tpot_ms,
        itl_ms=gaps,
        e2e_ms=late.e2e_ms,
        from_actual_send=msgspec.structs.replace(actual, itl_ms=gaps, tpot_ms=late.tpot_ms),
        input_tokens=compute_quantiles(answered["input_tokens"].astype(np.float64), intervals=False),
        output_tokens=compute_quantiles(answered["output_tokens"].astype(np.float64), intervals=False),
        input_tokens_mean=_mean_or_none(answered["input_tokens"]),
        output_tokens_mean=_mean_or_none(answered["output_tokens"]),
        tokens_per_event_mean=_tokens_per_event(answered),
        tokens_from=SOURCES[int(answered["source"].max())] if len(answered) else "none",
        input_tok_s=float(answered["input_tokens"].sum()) / duration,
        output_tok_s=float(answered["output_tokens"].sum()) / duration,
        answered_rate=len(answered) / duration,
        slo=config.slo,
        slo_met={"holds": True, "fails": False, "unclear": None}[slo.combine_answers(decided)] if decided else None,
        goodput_rate=_count_good(rows, limits, config) / duration if limits else None,
        valid=True,
        client=client,
        series=_build_series(rows, sent, starts, ends, step, duration),
        series_step_s=step,
        tracks=tracks,
        samples=_build_samples(answered, sent[ok], starts, ends, starts[ok], config),
    )
    wrong = find_invalid_reasons(
        found, config.late_budget_ms, _compute_rate(np.sort(sent)), answered_any=bool(len(answered))
    )
    partial = next((one.stopped for one in stats if one.stopped), "")
    warnings = collect_warnings(
        found,
        rows_unfinished=int((rows["cause"] == UNFINISHED).sum()),
        partial=partial,
        stats=stats,
        asked_output=lengths_of(config.output_tokens),
        endpoint=config.endpoint,
    )
    return msgspec.structs.replace(
        found, valid=not wrong, invalid_reasons=wrong, warnings=warnings, partial=bool(partial)
    )


def _select_rows(rows: NDArray[Any], kept: NDArray[np.bool_]) -> NDArray[Any]:
    """The rows that are kept; all of them without a copy, which a million would take 48 MB for."""
    return rows if bool(kept.all()) else rows[kept]


def values_ms(rows: NDArray[Any], metric: str, config: LoadConfig, *, from_actual: bool = False) -> Array:
    """One value a row; NaN where the row has none of the metric."""
    offset = rows["late"].astype(np.float64) if from_actual else 0.0
    if metric == "ttft":
        return 1000 * (rows["first"].astype(np.float64) - offset)
    if metric == "e2e":
        return 1000 * (rows["last"].astype(np.float64) - offset)
    counts = rows["output_tokens"].astype(np.float64) - 1
    spans = rows["last"].astype(np.float64) - rows["first"]
    found: Array = np.divide(1000 * spans, counts, out=np.full(len(rows), np.nan), where=counts >= 1)
    return found


def values_with_failures_ms(rows: NDArray[Any], metric: str, config: LoadConfig) -> Array:
    """As `values_ms`, with what failed, or was not answered in the time there was, slower than any limit."""
    found = values_ms(rows, metric, config)
    found[rows["cause"] != OK] = np.inf
    return found


def _count_good(rows: NDArray[Any], limits: Sequence[objective.Limit], config: LoadConfig) -> int:
    """Requests that met every limit; a metric that a request does not have is met."""
    good = rows["cause"] == OK
    for limit in limits:
        good &= ~(values_ms(rows, limit.metric, config) > limit.limit_ms)
    return int(good.sum())


def _build_latencies(answered: NDArray[Any], *, from_actual: bool, config: LoadConfig) -> Latencies:
    ttft, tpot, e2e = (
        compute_quantiles(values_ms(answered, metric, config, from_actual=from_actual), intervals=not from_actual)
        for metric in ("ttft", "tpot", "e2e")
    )
    return Latencies(ttft_ms=ttft, tpot_ms=tpot, e2e_ms=e2e)


def _build_gaps(results: Sequence[SenderResult]) -> Quantiles:
    counts = np.zeros(200_000, dtype=np.uint64)
    for result in results:
        counts += np.frombuffer(result.gaps, dtype=np.uint32)
    fine = (np.arange(100_000) + 0.5) * FINE_S
    coarse = (np.arange(100_000) + 0.5) * COARSE_S
    return quantiles_from_histogram(counts, 1000 * np.concatenate([fine, coarse]))


def _build_client_health(
    rows: NDArray[Any], sent: Array, stats: Sequence[SenderStats], budget_ms: float
) -> ClientHealth:
    lags = np.array([one.lag_ms for one in stats if one.lag_ms])  # (processes, quantiles); the worst counts
    worst = [float(value) for value in lags.max(axis=0)] if len(lags) else []
    names = ("p50", "p90", "p95", "p99", "p999", "max")
    lag = msgspec.convert(dict(zip(names, worst, strict=False)), Quantiles)
    starts = np.sort(sent + rows["late"])
    span = float(sent.max() - sent.min()) if len(rows) > 1 else 0.0
    windows = min(1000, len(rows) // 5, int(span / (0.004 * budget_ms)))  # wide beside the lateness that is allowed
    return ClientHealth(
        late_ms=compute_quantiles(1000 * rows["late"].astype(np.float64), intervals=False),
        loop_lag_ms=lag,
        cpu_share=max((one.cpu_share for one in stats), default=0.0),
        dispersion_asked=compute_dispersion(sent - sent.min(), span, windows) if windows >= 4 else None,
        dispersion_achieved=compute_dispersion(starts - starts[0], span, windows) if windows >= 4 else None,
        connect_ms=compute_quantiles(1000 * rows["connect"].astype(np.float64), intervals=False),
        connections=sum(one.connections for one in stats),
        peak_mb=sum(one.peak_mb for one in stats),
    )


def _compute_rate(times: Array) -> float:
    """Events a second of sorted times."""
    span = float(times[-1] - times[0]) if len(times) > 1 else 0.0
    return (len(times) - 1) / span if span > 0 else float(len(times))


def _count_max_in_flight(starts: Array, ends: Array) -> int:
    """The most requests that were under way at one time."""
    if not len(starts):
        return 0
    ordered = np.sort(starts)
    return int((np.arange(1, len(ordered) + 1) - np.searchsorted(np.sort(ends), ordered)).max())


def _count_errors(rows: NDArray[Any]) -> dict[str, int]:
    """Counts by cause, and by status where the server gave one."""
    bad = rows[rows["cause"] != OK]
    names = [
        f"http_{status}" if cause == HTTP else CAUSES[cause]
        for cause, status in zip(bad["cause"].tolist(), bad["status"].tolist(), strict=True)
    ]
    return dict(Counter(names).most_common())


def _mean_or_none(values: NDArray[Any]) -> float | None:
    return float(values.mean()) if len(values) else None


def _tokens_per_event(answered: NDArray[Any]) -> float | None:
    """Tokens of one event, of streams whose server counts its tokens."""
    streamed = answered[(answered["events"] > 0) & (answered["source"] < 2)]
    events = int(streamed["events"].sum())
    return float(streamed["output_tokens"].sum()) / events if events else None


def _choose_step(duration: float) -> float:
    """Of the time series: 0.5, 1, 2, 5, 10, … s, so that there are at most 90."""
    step = 0.5
    for factor in range(12):
        for leading in (0.5, 1.0, 2.0):
            step = leading * 10.0**factor if leading != 2.0 else 2.0 * 10.0**factor
            if duration / step <= _POINTS:
                return step
    return step


def _build_series(
    rows: NDArray[Any], sent: Array, starts: Array, ends: Array, step: float, duration: float
) -> tuple[LoadPoint, ...]:
    count = max(1, math.ceil(duration / step)) if len(rows) else 0
    if not count:
        return ()
    edges: Array = np.arange(count + 1, dtype=np.float64) * step
    flying = np.diff(_integrate_counts(np.sort(starts), edges) - _integrate_counts(np.sort(ends), edges))
    places = np.clip((sent / step).astype(np.int64), 0, count - 1)
    ended = np.clip((ends / step).astype(np.int64), 0, count - 1)
    tokens = np.bincount(ended, weights=rows["output_tokens"], minlength=count)
    points = []
    order = np.argsort(places, kind="stable")
    bounds = np.searchsorted(places[order], np.arange(count + 1))
    for place in range(count):
        part = rows[order[bounds[place] : bounds[place + 1]]]
        answered = part[part["cause"] == OK]
        first, last = 1000 * answered["first"].astype(np.float64), 1000 * answered["last"].astype(np.float64)
        first = first[~np.isnan(first)]
        width = min(step, duration - float(edges[place]))
        points.append(
            LoadPoint(
                at_s=float(edges[place]),
                sent=len(part),
                answered=len(answered),
                failed=int(((part["cause"] != OK) & (part["cause"] != UNFINISHED)).sum()),
                in_flight=float(flying[place]) / max(width, 1e-9),
                output_tokens=int(tokens[place]),
                ttft_p50_ms=float(np.quantile(first, 0.5)) if len(first) else None,
                ttft_p95_ms=float(np.quantile(first, 0.95)) if len(first) else None,
                e2e_p50_ms=float(np.quantile(last, 0.5)) if len(last) else None,
                e2e_p95_ms=float(np.quantile(last, 0.95)) if len(last) else None,
            )
        )
    return tuple(points)


def _integrate_counts(times: Array, edges: Array) -> Array:
    """Of the number of `times` before t, from 0 to each edge; times are sorted."""
    below = np.searchsorted(times, edges)
    sums = np.concatenate([[0.0], np.cumsum(times)])
    found: Array = edges * below - sums[below]
    return found


def _build_samples(
    answered: NDArray[Any], sent: Array, starts: Array, ends: Array, own: Array, config: LoadConfig
) -> Samples:
    every = max(1, math.ceil(len(answered) / MAX_SAMPLES))
    kept = answered[::every]
    flying = np.searchsorted(np.sort(starts), own[::every], side="right") - np.searchsorted(
        np.sort(ends), own[::every], side="right"
    )
    return Samples(
        every=every,
        at_s=_rounded(sent[::every], 4),
        ttft_ms=_optional(values_ms(kept, "ttft", config)),
        tpot_ms=_optional(values_ms(kept, "tpot", config)),
        e2e_ms=_rounded(values_ms(kept, "e2e", config), 3),
        input_tokens=tuple(kept["input_tokens"].tolist()),
        output_tokens=tuple(kept["output_tokens"].tolist()),
        in_flight=tuple(flying.tolist()),
    )


def _rounded(values: Array, digits: int) -> tuple[float, ...]:
    return tuple(np.round(values, digits).tolist())


def _optional(values: Array) -> tuple[float | None, ...]:
    return tuple(None if value != value else value for value in np.round(values, 3).tolist())
