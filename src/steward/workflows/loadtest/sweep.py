"""Sweep over rates or numbers of users: throughput against latency, up to where the server is saturated."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from steward.loadtest.config import Arrival, LoadConfig
from steward.loadtest.response import OK
from steward.loadtest.statistics import is_growing
from steward.loadtest.sweep import (
    Sweep,
    SweepPoint,
    choose_next_sweep_rate,
    make_sweep_point,
    share_in_time,
    summarize_sweep,
)
from steward.loadtest.values import metric_values, read_records
from steward.workflows.loadtest.alone import measure_request_s
from steward.workflows.loadtest.find_max import GROWTH_OF_MEAN
from steward.workflows.loadtest.run import require_extra, run_load

OnLine = Callable[[str], None]


def sweep(
    config: LoadConfig,
    *,
    rates: Sequence[float] = (),
    users: Sequence[int] = (),
    step_s: float = 20.0,
    most: int = 10,
    on_line: OnLine = lambda line: None,
) -> Sweep:
    """Run the given rates or numbers of users; without any, doubling rates until the server is saturated.

    An interrupt ends the sweep with `partial` set; the step that was running is left out.

    :raises Unavailable: the server does not answer
    """
    require_extra()
    points: list[SweepPoint] = []
    notes: list[str] = []
    arrivals = [Arrival(kind="concurrency", concurrency=count) for count in users]
    arrivals += [msgspec.structs.replace(config.arrival, rate=rate) for rate in rates]
    partial = False
    try:
        for arrival in arrivals:
            _add_step(config, arrival, step_s, points, notes, on_line)
        if not arrivals:
            _sweep_until_saturated(config, step_s, most, points, notes, on_line)
    except KeyboardInterrupt:
        partial = True
        notes.append(_describe_resume(points, arrivals[len(points) :]))  # each step that ended has its point
    kind = "concurrency" if users else config.arrival.kind
    return summarize_sweep(config.model, config.url, kind, points, notes, partial)


def _sweep_until_saturated(
    config: LoadConfig, step_s: float, most: int, points: list[SweepPoint], notes: list[str], on_line: OnLine
) -> None:
    start = 1 / measure_request_s(config)
    while (rate := choose_next_sweep_rate(points, start, most)) is not None:
        _add_step(config, msgspec.structs.replace(config.arrival, rate=rate), step_s, points, notes, on_line)
        if not points[-1].valid:
            return


def _add_step(
    config: LoadConfig, arrival: Arrival, step_s: float, points: list[SweepPoint], notes: list[str], on_line: OnLine
) -> None:
    """:raises KeyboardInterrupt: the step was interrupted"""
    processes = min(config.processes, arrival.concurrency or config.processes)
    step = msgspec.structs.replace(config, arrival=arrival, duration_s=step_s, requests=None, processes=processes)
    finished = run_load(step)
    if finished.interrupted:
        raise KeyboardInterrupt
    rows = read_records(finished.results)
    values = metric_values(rows[rows["cause"] == OK], "e2e")
    mean_ms = float(values.mean()) if len(values) else 0.0
    in_time = share_in_time(rows["intended"], rows["intended"] + rows["end"])
    point = make_sweep_point(finished.report, in_time, is_growing(values, GROWTH_OF_MEAN * mean_ms))
    points.append(point)
    on_line(_format_step(point))
    if not point.valid:
        notes.append(f"{point.describe_load()}: {'; '.join(finished.report.invalid_reasons)}")


def _describe_resume(points: Sequence[SweepPoint], waiting: Sequence[Arrival]) -> str:
    done = f"interrupted after {len(points)} {'step' if len(points) == 1 else 'steps'}"
    if waiting:
        option = "--users" if waiting[0].concurrency else "--rates"
        rest = ",".join(f"{arrival.concurrency or arrival.rate:g}" for arrival in waiting)
        return f"{done}; run the others with {option} {rest}"
    return f"{done}; run the command again for a whole sweep"


def _format_step(point: SweepPoint) -> str:
    ttft = "–" if point.ttft_p95_ms is None else f"{point.ttft_p95_ms:.0f} ms"
    return (
        f"{point.describe_load():>14}: {point.answered_rate:.4g} answers/s, {point.output_tok_s:,.0f} output tokens/s, "
        f"TTFT p95 {ttft}{', saturated' if point.saturated else ''}{'' if point.valid else ', INVALID'}"
    )
