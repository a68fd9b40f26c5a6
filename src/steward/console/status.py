"""What the status page says, from one snapshot. Pure."""

from __future__ import annotations

import time
from typing import Any

from markupsafe import Markup

from steward.core.records import ExchangeRow, SeriesPoint, Snapshot
from steward.web.charts import Line, bar_chart, line_chart


def milliseconds(seconds: float) -> str:
    """Three figures at most.

    >>> milliseconds(0.0042), milliseconds(0.25), milliseconds(2.5)
    ('4.2 ms', '250 ms', '2.5 s')
    """
    if seconds >= 1:
        return f"{seconds:.1f} s"
    value = seconds * 1000
    return f"{value:.1f} ms" if 0 < value < 10 else f"{value:.0f} ms"


def compact(value: float) -> str:
    """1,234 and 12.3k."""
    return f"{value / 1000:.1f}k" if value >= 10_000 else f"{value:,.0f}"


def view(snapshot: Snapshot) -> dict[str, Any]:
    """The values of status.html."""
    down = [item.name for item in (*snapshot.models, *snapshot.processes) if item.state != "ok"]
    usage, bucket = snapshot.usage, span_of(snapshot.bucket_s)
    whole = span_of(snapshot.bucket_s * len(snapshot.series))
    return {
        "calm": not down,
        "sentence": "Everything answers."
        if not down
        else f"{', '.join(down)} {'is' if len(down) == 1 else 'are'} down.",
        "snapshot": snapshot,
        "span": whole,
        "up_for": span(snapshot.at - snapshot.started_at),
        "figures": [
            ("Requests", compact(usage.requests), f"in the last {whole}"),
            (
                "Errors",
                f"{100 * usage.errors / usage.requests:.1f} %" if usage.requests else "–",
                f"{usage.errors:,} request{'' if usage.errors == 1 else 's'}",
            ),
            ("Latency p95", _worst(snapshot.series), f"slowest {bucket}"),
            ("Output tokens", compact(usage.output_tokens), f"{compact(usage.input_tokens)} in"),
        ],
        "charts": [Markup(chart) for chart in _charts(snapshot.series, bucket)] if usage.requests else [],
        "rows": [_row(row) for row in snapshot.last],
    }


def span_of(seconds: float) -> str:
    """
    >>> span_of(60), span_of(15), span_of(900), span_of(3600)
    ('minute', '15 s', '15 minutes', 'hour')
    """
    named = {60.0: "minute", 3600.0: "hour"}
    return named.get(seconds) or (f"{seconds / 60:.0f} minutes" if seconds > 60 else f"{seconds:.0f} s")


def span(seconds: float) -> str:
    """
    >>> span(42), span(3720), span(200000)
    ('42 s', '1 h 2 min', '2 d 7 h')
    """
    whole = int(seconds)
    for size, unit, smaller, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // smaller} {name}"
    return f"{whole} s"


def _worst(series: tuple[SeriesPoint, ...]) -> str:
    known = [point.p95_s for point in series if point.p95_s is not None]
    return milliseconds(max(known)) if known else "–"


def _charts(series: tuple[SeriesPoint, ...], bucket: str) -> list[str]:
    labels = [time.strftime("%H:%M", time.localtime(point.at)) for point in series]
    latency = [
        Line("p50", tuple(point.p50_s for point in series), "a"),
        Line("p95", tuple(point.p95_s for point in series), "b"),
        Line("p99", tuple(point.p99_s for point in series), "c"),
    ]
    traffic = [
        Line("ok", tuple(float(point.requests - point.errors) for point in series), "a"),
        Line("errors", tuple(float(point.errors) for point in series), "d"),
    ]
    return [
        line_chart("Latency", labels, latency, milliseconds),
        bar_chart(f"Requests per {bucket}", labels, traffic, compact),
    ]


def _row(row: ExchangeRow) -> dict[str, str]:
    return {
        "time": time.strftime("%H:%M:%S", time.localtime(row.at)),
        "outcome": row.outcome,
        "status": str(row.status),
        "model": row.model or "–",
        "kind": row.endpoint.removeprefix("/v1/") + (", streamed" if row.streamed else ""),
        "input": f"{row.input_tokens:,}",
        "output": f"{row.output_tokens:,}",
        "ttft": milliseconds(row.ttft_s) if row.ttft_s is not None else "–",
        "duration": milliseconds(row.duration_s),
    }
