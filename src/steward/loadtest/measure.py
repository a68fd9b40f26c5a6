"""Build one report from the records of all processes. The formulas are in core/load_report.py and in every report."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from steward import __version__
from steward.core.load_report import QUANTILES, ClientHealth, Latencies, LoadReport, Quantiles, Samples, Track
from steward.loadtest.config import LoadConfig, request_url
from steward.loadtest.objective import parse_objective
from steward.loadtest.recorder import COARSE_S, FINE_S, SOURCES, SenderResult, SenderStats
from steward.loadtest.response import CAUSES, HTTP, OK, UNFINISHED
from steward.loadtest.series import build_series, choose_step_s, count_max_in_flight
from steward.loadtest.slo import combine_answers
from steward.loadtest.statistics import (
    compute_dispersion,
    compute_quantiles,
    list_told_quantiles,
    quantiles_from_histogram,
)
from steward.loadtest.validity import RunFacts, collect_warnings, find_invalid_reasons
from steward.loadtest.values import count_good, has_unknown_value, judge, metric_values, read_records, select_rows

Array = NDArray[np.float64]
MAX_SAMPLES: Final = 5000
_ESTIMATED: Final = SOURCES.index("estimated")


def build_report(
    config: LoadConfig, results: Sequence[SenderResult], started_at: float, tracks: tuple[Track, ...] = ()
) -> LoadReport:
    """Everything that a run measured. `started_at` is the end of the warm-up, in seconds since the epoch."""
    rows = read_records(results)
    rows = select_rows(rows, rows["intended"] >= config.warmup_s - 1e-9)
    stats = [result.stats for result in results]
    report = _measure(config, rows, results, started_at, tracks)
    facts = RunFacts(
        budget_ms=config.late_budget_ms,
        scheduled_rate=compute_rate(np.sort(rows["intended"])),
        unfinished=int((rows["cause"] == UNFINISHED).sum()),
        unknown_tpot=int(has_unknown_value(rows, "tpot").sum()),
        text_is_exact=all(one.exact_prompts for one in stats),
        stats=stats,
    )
    invalid = find_invalid_reasons(report, facts)
    return msgspec.structs.replace(
        report, valid=not invalid, invalid_reasons=invalid, warnings=collect_warnings(report, facts),
        partial=bool(facts.stopped),
    )  # fmt: skip


def _measure(
    config: LoadConfig, rows: NDArray[Any], results: Sequence[SenderResult], started_at: float,
    tracks: tuple[Track, ...],
) -> LoadReport:  # fmt: skip
    """The numbers alone. `rows`: (requests,) of recorder.RECORD."""
    sent: Array = rows["intended"] - config.warmup_s
    ends, starts = sent + rows["end"], sent + rows["late"]
    ok = rows["cause"] == OK
    answered = select_rows(rows, ok)
    duration_s = max(float(ends.max()), 1e-9) if len(rows) else 1e-9
    step_s = choose_step_s(duration_s)
    gaps = _build_gaps(results)
    latencies = _build_latencies(answered, from_actual=False)
    actual = _build_latencies(answered, from_actual=True)
    limits = parse_objective(config.slo) if config.slo else ()
    terms = judge(rows, limits)
    return LoadReport(
        steward_version=__version__,
        url=request_url(config.url, config.endpoint),
        model=config.model,
        endpoint=config.endpoint,
        streamed=config.stream and config.endpoint != "embeddings",
        arrival=config.arrival.kind,
        started_at=started_at,
        duration_s=duration_s,
        seed=config.seed,
        processes=len(results),
        requested_rate=config.arrival.rate,
        achieved_rate=compute_rate(np.sort(starts)),
        requested_concurrency=config.arrival.concurrency,
        concurrency_mean=float((ends - starts).sum() / duration_s) if len(rows) else 0.0,
        concurrency_max=count_max_in_flight(starts, ends),
        sent=len(rows),
        answered=len(answered),
        failed=int((~ok & (rows["cause"] != UNFINISHED)).sum()),
        errors=_count_errors(rows),
        ttft_ms=latencies.ttft_ms,
        ttfo_ms=compute_quantiles(metric_values(answered, "ttfo")),
        tpot_ms=latencies.tpot_ms,
        itl_ms=gaps,
        e2e_ms=latencies.e2e_ms,
        from_actual_send=msgspec.structs.replace(actual, itl_ms=gaps, tpot_ms=latencies.tpot_ms),
        **_token_fields(answered, duration_s),
        answered_rate=len(answered) / duration_s,
        slo=config.slo,
        slo_met={"holds": True, "fails": False, "unclear": None}[combine_answers(terms)] if terms else None,
        slo_terms=tuple(term.describe() for term in terms),
        goodput_rate=count_good(rows, limits) / duration_s if limits else None,
        valid=True,
        client=_build_client_health(rows, sent, [result.stats for result in results], config.late_budget_ms),
        series=build_series(rows, sent, starts, ends, step_s, duration_s),
        series_step_s=step_s,
        tracks=tracks,
        samples=_build_samples(answered, sent[ok], starts, ends, starts[ok]),
    )


def _token_fields(answered: NDArray[Any], duration_s: float) -> dict[str, Any]:
    """The report's fields about tokens. `answered`: (requests,)."""
    inputs, outputs = answered["input_tokens"].astype(np.float64), answered["output_tokens"].astype(np.float64)
    return {
        "input_tokens": compute_quantiles(inputs, intervals=False),
        "output_tokens": compute_quantiles(outputs, intervals=False),
        "input_tokens_mean": _mean_or_none(inputs),
        "output_tokens_mean": _mean_or_none(outputs),
        "tokens_per_event_mean": _tokens_per_event(answered),
        "tokens_from": SOURCES[int(answered["source"].max())] if len(answered) else "none",
        "input_tok_s": float(inputs.sum()) / duration_s,
        "output_tok_s": float(outputs.sum()) / duration_s,
    }


def _build_latencies(answered: NDArray[Any], *, from_actual: bool) -> Latencies:
    ttft, tpot, e2e = (
        compute_quantiles(metric_values(answered, metric, from_actual=from_actual), intervals=not from_actual)
        for metric in ("ttft", "tpot", "e2e")
    )
    return Latencies(ttft_ms=ttft, tpot_ms=tpot, e2e_ms=e2e)


def _build_gaps(results: Sequence[SenderResult]) -> Quantiles:
    counts = np.zeros(200_000, dtype=np.uint64)  # (bins,)
    for result in results:
        counts += np.frombuffer(result.gaps, dtype=np.uint32)
    fine = (np.arange(100_000) + 0.5) * FINE_S
    coarse = (np.arange(100_000) + 0.5) * COARSE_S
    return quantiles_from_histogram(counts, 1000 * np.concatenate([fine, coarse]))


def _build_client_health(
    rows: NDArray[Any], sent: Array, stats: Sequence[SenderStats], budget_ms: float
) -> ClientHealth:
    lags = np.array([one.lag_ms for one in stats if one.lag_ms])  # (processes, quantiles); the worst process counts
    worst = dict(zip((*QUANTILES, "max"), lags.max(axis=0).tolist() if len(lags) else [], strict=False))
    beats = min((one.lags for one in stats if one.lag_ms), default=0)
    told = {name: value for name, value in worst.items() if name == "max" or name in list_told_quantiles(beats)}
    starts = np.sort(sent + rows["late"])
    span = float(sent.max() - sent.min()) if len(rows) else 0.0
    windows = min(1000, len(rows) // 5, int(span / (0.004 * budget_ms)))  # wide compared with the allowed lateness
    return ClientHealth(
        late_ms=compute_quantiles(1000 * rows["late"].astype(np.float64), intervals=False),
        loop_lag_ms=msgspec.convert({"n": beats, **told}, Quantiles),
        cpu_share=max((one.cpu_share for one in stats), default=0.0),
        dispersion_asked=compute_dispersion(sent - sent.min(), span, windows) if windows >= 4 else None,
        dispersion_achieved=compute_dispersion(starts - starts[0], span, windows) if windows >= 4 else None,
        connect_ms=compute_quantiles(1000 * rows["connect"].astype(np.float64), intervals=False),
        connections=sum(one.connections for one in stats),
        peak_mb=sum(one.peak_mb for one in stats),
    )


def compute_rate(times: Array) -> float:
    """Events per second. `times`: (events,), sorted, in s.

    >>> compute_rate(np.array([0.0, 0.5, 1.0]))
    2.0
    """
    span = float(times[-1] - times[0]) if len(times) else 0.0
    return (len(times) - 1) / span if span > 0 else float(len(times))


def _count_errors(rows: NDArray[Any]) -> dict[str, int]:
    """Counts by cause, and by status if the server sent one."""
    bad = rows[rows["cause"] != OK]
    names = [
        f"http_{status}" if cause == HTTP else CAUSES[cause]
        for cause, status in zip(bad["cause"].tolist(), bad["status"].tolist(), strict=True)
    ]
    return dict(Counter(names).most_common())


def _mean_or_none(values: Array) -> float | None:
    return float(values.mean()) if len(values) else None


def _tokens_per_event(answered: NDArray[Any]) -> float | None:
    """Tokens per event with text, for streams whose tokens are counted rather than estimated."""
    streamed = answered[(answered["events"] > 0) & (answered["source"] < _ESTIMATED)]
    events = int(streamed["events"].sum())
    return float(streamed["output_tokens"].sum()) / events if events else None


def _build_samples(answered: NDArray[Any], sent: Array, starts: Array, ends: Array, own: Array) -> Samples:
    """At most 5,000 of the answered requests. `answered`, `sent` and `own` (actual sends) are (answered,); `starts` and
    `ends` are (requests,), all in s."""
    every = max(1, math.ceil(len(answered) / MAX_SAMPLES))
    kept = answered[::every]
    in_flight = np.searchsorted(np.sort(starts), own[::every], side="right") - np.searchsorted(
        np.sort(ends), own[::every], side="right"
    )
    return Samples(
        every=every,
        at_s=tuple(np.round(sent[::every], 4).tolist()),
        ttft_ms=_optional(metric_values(kept, "ttft")),
        tpot_ms=_optional(metric_values(kept, "tpot")),
        e2e_ms=tuple(np.round(metric_values(kept, "e2e"), 3).tolist()),
        input_tokens=tuple(kept["input_tokens"].tolist()),
        output_tokens=tuple(kept["output_tokens"].tolist()),
        in_flight=tuple(in_flight.tolist()),
    )


def _optional(values: Array) -> tuple[float | None, ...]:
    """Rounded to 0.001; None for NaN."""
    return tuple(None if math.isnan(value) else value for value in np.round(values, 3).tolist())
