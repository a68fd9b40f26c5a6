"""An answer about series as one HTML file: a chart and a table."""

from __future__ import annotations

import time
from typing import Final

from steward.core.series import DAY_S
from steward.monitoring.metric_answer import MetricAnswer, MetricGroup, has_intervals
from steward.web.charts import ChartSeries, line_chart
from steward.web.page import card, report_page, table

STYLES: Final = "abcd"  # of the chart: the groups with the most requests


def format_value(value: float | None, unit: str) -> str:
    """
    >>> format_value(0.0123, "s"), format_value(2.5, "s"), format_value(0.985, "share"), format_value(None, "s")
    ('12.3 ms', '2.50 s', '98.50 %', '–')
    """
    if value is None:
        return "–"
    match unit:
        case "s":
            return f"{value:.2f} s" if value >= 1.0 else f"{1000.0 * value:.3g} ms"
        case "share":
            return f"{100.0 * value:.2f} %"
        case "bytes":
            return f"{value / 2**30:,.2f} GiB" if value >= 2**30 else f"{value / 2**20:,.1f} MiB"
        case "USD":
            return f"${value:,.4f}" if value < 1.0 else f"${value:,.2f}"
    text = f"{value:.3g}"
    return f"{value:,.0f}" if float(text).is_integer() else text


def name_group(group: MetricGroup) -> str:
    return ", ".join(group.labels.values()) or "all"


def format_interval(group: MetricGroup) -> list[str]:
    """Of a share; else nothing.

    >>> format_interval(MetricGroup({}, 0.5, 10, (), 0.237, 0.763))
    ['23.7-76.3 %']
    """
    if group.low is None or group.high is None:
        return []
    return [f"{100.0 * group.low:.1f}-{100.0 * group.high:.1f} %"]


def choose_time_pattern(resolution_s: int, span_s: int) -> str:
    """Of the times below a chart: short enough for four on a phone; the line above the page has the whole dates."""
    if resolution_s == DAY_S:
        return "%Y-%m-%d"
    return "%H:%M" if span_s <= DAY_S + 3600 else "%d. %H:%M"


def make_metric_page(answer: MetricAnswer) -> str:
    """The page, in UTC."""
    pattern = choose_time_pattern(answer.resolution_s, answer.until - answer.since)
    points = answer.groups[0].points if answer.groups else ()
    labels = [time.strftime(pattern, time.gmtime(point.at)) for point in points]
    lines = [
        ChartSeries(name_group(group), tuple(point.value for point in group.points), style)
        for group, style in zip(answer.groups, STYLES, strict=False)
    ]
    chart = line_chart(answer.query, labels, lines, lambda value: format_value(value, answer.unit)) if lines else ""
    shares = has_intervals(answer)
    rows = [
        [
            name_group(group),
            format_value(group.value, answer.unit),
            *(format_interval(group) or ["–"] if shares else []),
            f"{group.count:,}",
        ]
        for group in answer.groups
    ]
    note = f"Values are within {answer.relative_error:.0%} of the exact ones." if answer.relative_error else ""
    since, until = (time.strftime("%Y-%m-%d %H:%M", time.gmtime(at)) for at in (answer.since, answer.until))
    body = (
        f'<section class="charts">{chart}</section>'
        if chart
        else card("Over time", '<p class="quiet">No requests in this time.</p>')
    )
    body += card(
        "Over the whole time",
        table("group|#value|#95 % interval|#of" if shares else "group|#value|#requests", rows)
        + f'<p class="quiet">{note}</p>',
    )
    return report_page(answer.query, f"{since} to {until} UTC", body)
