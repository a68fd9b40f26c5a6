"""The HTML page of one load test: verdict, latencies, percentiles, client, server.

One self-contained file without scripts or network, under 500 KB: its tables and series have fixed lengths.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from itertools import groupby
from typing import Final

from steward.core.load_report import LoadPoint, LoadReport, Quantiles, Track, count_needed_values
from steward.loadtest.page_format import (
    TimeUnit,
    choose_unit,
    format_clock,
    format_count,
    format_number,
    format_percent,
    format_quantile,
    format_rate,
)
from steward.web.charts import ChartSeries, line_chart
from steward.web.page import Html, card, figures, report_page, table

PERCENTILES: Final = (50.0, 75.0, 90.0, 95.0, 99.0, 99.9)
_STYLES: Final = ("a", "b", "c", "d")


def render_report(report: LoadReport) -> str:
    unit = choose_unit(times.max if times.p99 is None else times.p99 for times in (report.ttft_ms, report.e2e_ms))
    line = (
        f"load test · {escape(report.model)} at {escape(report.url)} · {_describe_load(report)} · "
        f"{report.duration_s:.0f} s · version {escape(report.steward_version)}"
    )
    parts = [
        _render_figures(report, unit),
        _render_verdict(report),
        f'<section class="charts">{_render_course(report, unit)}</section>',
        card("Latencies, from the intended send", _render_latencies(report, unit)),
        _render_tracks(report.tracks, report.duration_s),
        card("The client", _render_client(report)),
        _render_errors(report),
    ]
    return report_page(describe_result(report, unit), line, "\n".join(parts))


def describe_result(report: LoadReport, unit: TimeUnit) -> str:
    """The result in one sentence, the title of the page."""
    name, times = ("first token", report.ttft_ms) if report.ttft_ms.n else ("answer", report.e2e_ms)
    if times.max is None:
        return "No request was answered"
    load = f"{format_rate(report.achieved_rate)} requests per second"
    if report.requested_concurrency:
        load = format_count(report.requested_concurrency, "user")
    elif report.arrival == "burst":
        load = f"{format_count(report.sent, 'request')} at once"
    if times.p95 is None or times.n < count_needed_values(0.95):
        return f"{format_count(times.n, 'answer')}: {name} within {unit.format(times.max)} at {load}"
    return f"95 % of {format_count(times.n, 'answer')} had their {name} within {unit.format(times.p95)} at {load}"


def _describe_load(report: LoadReport) -> str:
    if report.requested_concurrency:
        return f"{format_count(report.requested_concurrency, 'user')}, closed loop"
    rate = f" at {format_rate(report.requested_rate)} per second" if report.requested_rate else ""
    return f"{report.arrival} arrivals{rate}, {format_count(report.processes, 'process', 'processes')}"


def _render_figures(report: LoadReport, unit: TimeUnit) -> str:
    ttft, tpot, e2e = report.ttft_ms, report.tpot_ms, report.e2e_ms
    boxes = [
        ("Time per output token, p95", _format_p95(tpot, unit), _describe_spread(tpot, unit)),
        ("Output", f"{format_number(report.output_tok_s)} tokens/s", f"{format_rate(report.answered_rate)} answers/s"),
    ]
    if ttft.n or not e2e.n:
        boxes.insert(0, ("Time to first token, p95", _format_p95(ttft, unit), _describe_spread(ttft, unit)))
    else:
        boxes.insert(0, ("End to end, p95", _format_p95(e2e, unit), _describe_spread(e2e, unit)))
    if report.goodput_rate is not None:
        boxes.append(("Goodput", f"{format_rate(report.goodput_rate)}/s", f"answers within {report.slo}"))
    else:
        failed = f"{report.failed:,} failed of {format_count(report.sent, 'request')}"
        boxes.append(("Answered", f"{report.answered:,}", failed))
    return figures(boxes)


def _format_p95(quantiles: Quantiles, unit: TimeUnit) -> str:
    return "too few" if quantiles.p95 is None and quantiles.n else unit.format(quantiles.p95)


def _describe_spread(quantiles: Quantiles, unit: TimeUnit, noun: str = "answer") -> str:
    """The median, and p99 or, of too few answers for one, the largest."""
    if quantiles.p99 is None and quantiles.n:
        spread = f"p50 {unit.format(quantiles.p50)}, the largest {unit.format(quantiles.max)}"
        return spread if quantiles.p95 is not None else f"{format_count(quantiles.n, noun)}: {spread}"
    return f"p50 {unit.format(quantiles.p50)}, p99 {unit.format(quantiles.p99)}"


def describe_verdict(report: LoadReport) -> tuple[str, str]:
    """The heading of the verdict, and its CSS class: green only where everything that was asked for is met."""
    if not report.valid:
        return "Invalid: these numbers describe the client rather than the server", "no"
    if report.partial:
        return "Partial: the run was stopped before its end, and is valid as far as it went", "maybe"
    if report.slo is None:
        return "Valid: the client kept its schedule", ""
    if report.slo_met is None:
        return "Undecided: the run is valid, but it cannot tell whether the objective is met", "maybe"
    if report.slo_met:
        return "Objective met: the client kept its schedule", ""
    return "Objective missed: the client kept its schedule, the server was too slow or failed", "no"


def _render_verdict(report: LoadReport) -> str:
    head, style = describe_verdict(report)
    items = "".join(
        f"<li>{escape(text)}</li>" for text in (*report.invalid_reasons, *report.slo_terms, *report.warnings)
    )
    listed = f"<ul>{items}</ul>" if items else ""
    return f'<section class="card verdict {style}"><h2>{head}</h2>{listed}</section>'


def _render_course(report: LoadReport, unit: TimeUnit) -> str:
    """The run over time, and its percentiles."""
    points, step_s = report.series, report.series_step_s
    labels = [format_clock(point.at_s) for point in points]

    def latency_lines(name: str) -> list[ChartSeries]:
        return [
            ChartSeries(
                "largest" if level == "max" else level,
                tuple(unit.convert(getattr(point, f"{name}_{level}_ms")) for point in points),
                style,
            )
            for level, style in (("p50", "a"), (_choose_upper_level(points, name), "b"))
        ]

    charts = []
    if report.ttft_ms.n:
        title = f"Time to first token, {unit.name}, by the time of sending"
        charts.append(line_chart(title, labels, latency_lines("ttft"), format_number))
    title = f"End to end, {unit.name}, by the time of sending"
    charts.append(line_chart(title, labels, latency_lines("e2e"), format_number))
    last = max((point.at_s for point in points if point.sent), default=0.0)  # what follows is the drain
    counts = [
        ChartSeries("sent", tuple(point.sent / step_s if point.at_s <= last else None for point in points), "a"),
        ChartSeries("failed", tuple(point.failed / step_s for point in points), "d"),
    ]
    charts.append(line_chart("Requests per second", labels, counts, format_number))
    in_flight = [ChartSeries("requests", tuple(point.in_flight for point in points), "c")]
    charts.append(line_chart("Requests in flight", labels, in_flight, format_number, area=True))
    charts.append(_render_percentiles(report, unit))
    tokens = [ChartSeries("of answers that ended", tuple(point.output_tokens / step_s for point in points), "a")]
    charts.append(line_chart("Output tokens per second", labels, tokens, format_number, area=True))
    return "".join(charts[: len(charts) - len(charts) % 2])  # in pairs


def _choose_upper_level(points: Sequence[LoadPoint], name: str) -> str:
    """p95 where most steps have answers enough for one, else the largest."""
    told = [getattr(point, f"{name}_p95_ms") is not None for point in points if point.answered]
    return (
        "p95" if sum(told) > len(told) / 2 or not any(getattr(point, f"{name}_max_ms") for point in points) else "max"
    )


def _render_percentiles(report: LoadReport, unit: TimeUnit) -> str:
    """The percentiles that so many answers can tell, from the samples."""
    samples = report.samples
    levels = [level for level in PERCENTILES if report.answered >= count_needed_values(level / 100)]
    ttft = sorted(value for value in samples.ttft_ms if value is not None)

    def read(values: Sequence[float], level: float) -> float | None:
        enough = samples.every > 1 or len(values) >= count_needed_values(level / 100)
        return unit.convert(interpolate(values, level / 100)) if enough else None

    lines = [
        ChartSeries(name, tuple(read(values, level) for level in levels), style)
        for name, values, style in (("first token", ttft, "a"), ("end to end", sorted(samples.e2e_ms), "c"))
        if values
    ]
    title = f"Percentiles of {format_count(report.answered, 'answer')}, {unit.name}"
    return line_chart(title, [f"p{level:g}" for level in levels], lines, format_number)


def interpolate(ordered: Sequence[float], quantile: float) -> float:
    """A quantile of sorted values, as numpy's default interpolates it.

    >>> interpolate([1.0, 2.0, 3.0, 4.0], 0.5)
    2.5
    """
    place = (len(ordered) - 1) * quantile
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def _render_latencies(report: LoadReport, unit: TimeUnit) -> str:
    actual = report.from_actual_send
    named = (
        ("Time to first token", "ttft_ms", report.ttft_ms, actual.ttft_ms),
        ("Time to first output token", "ttfo_ms", report.ttfo_ms if _has_reasoning(report) else Quantiles(), None),
        ("Time per output token", "tpot_ms", report.tpot_ms, None),
        ("Gap between events", "itl_ms", report.itl_ms, None),
        ("End to end", "e2e_ms", report.e2e_ms, actual.e2e_ms),
    )
    rows = []
    for name, key, quantiles, beside in named:
        if quantiles.n:
            rows.append(_latency_row(name, quantiles, unit, report.formulas.get(key, "")))
        if quantiles.n and beside is not None:
            rows.append(_latency_row(f"{name}, from the actual send", beside, unit, ""))
    return table(f"{unit.name}|#mean|#p50|#p90|#p95|#p99|#p99.9|#n|Formula", rows)


def _has_reasoning(report: LoadReport) -> bool:
    return report.ttfo_ms.p50 != report.ttft_ms.p50 or report.ttfo_ms.n != report.ttft_ms.n


def _latency_row(name: str, quantiles: Quantiles, unit: TimeUnit, formula: str) -> list[object]:
    cells: list[object] = [name, format_number(unit.convert(quantiles.mean))]
    for key in ("p50", "p90", "p95", "p99", "p999"):
        ends = quantiles.intervals.get(key)
        small = ""
        if ends:
            small = f"<small>{' – '.join(format_number(unit.convert(end)) for end in ends)}</small>"
        cells.append(Html(format_quantile(getattr(quantiles, key), quantiles.n, unit) + small))
    return [*cells, f"{quantiles.n:,}", Html(f'<span class="formula">{escape(formula)}</span>')]


def _render_tracks(tracks: Sequence[Track], duration_s: float) -> str:
    """Charts of the server's and the GPUs' numbers on the time axis of the run, one for each title and unit."""
    charts = []
    steps = min(90, max(2, round(duration_s)))
    labels = [format_clock(duration_s * (place + 0.5) / steps) for place in range(steps)]
    for title, group in groupby(sorted(tracks, key=_track_title), key=_track_title):
        lines = [
            ChartSeries(track.name, resample(track, steps, duration_s), _STYLES[place])
            for place, track in enumerate(list(group)[: len(_STYLES)])
        ]
        charts.append(line_chart(title, labels, lines, format_number))
    return f'<section class="charts">{"".join(charts)}</section>' if charts else ""


def _track_title(track: Track) -> str:
    if track.source == "gpu":
        return f"GPU {track.name.split(' ', 2)[2]}, {track.unit}"
    return f"Server: {track.name}, {track.unit}"


def resample(track: Track, steps: int, duration_s: float) -> tuple[float | None, ...]:
    """The last value of each of `steps` equal steps; None for a step without one."""
    values: list[float | None] = [None] * steps
    for at_s, value in zip(track.at_s, track.values, strict=True):
        place = int(at_s / duration_s * steps)
        if 0 <= place < steps:
            values[place] = value
    return tuple(values)


def _render_client(report: LoadReport) -> str:
    client, ms = report.client, TimeUnit()
    opened = f", those opened during the run in {ms.format(client.connect_ms.p50)} (p50)" if client.connect_ms.n else ""
    asked, achieved = (
        "–" if value is None else f"{value:.2f}" for value in (client.dispersion_asked, client.dispersion_achieved)
    )
    rows = [
        (
            "Late by (actual - intended send)",
            _describe_spread(client.late_ms, ms, "request"),
        ),
        ("Event loop late by", _describe_spread(client.loop_lag_ms, ms, "heartbeat")),
        ("Share of a core used, busiest process", format_percent(client.cpu_share)),
        ("Index of dispersion of arrivals", f"scheduled {asked}, sent {achieved} (Poisson 1, constant 0)"),
        (
            "Connections",
            f"{client.connections:,}{opened}",
        ),
        ("Token counts from", report.tokens_from),
        ("Memory, all processes", f"{client.peak_mb:.0f} MB"),
    ]
    return table("|", rows)


def _render_errors(report: LoadReport) -> str:
    if not report.errors:
        return ""
    rows = [(name, f"{count:,}") for name, count in report.errors.items()]
    return card("Not answered", table("Cause|#Requests", rows))
