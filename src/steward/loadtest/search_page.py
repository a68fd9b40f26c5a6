"""The HTML pages of a sweep and of a search for the highest rate. Self-contained, without scripts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Final

from steward.loadtest.page_format import (
    TimeUnit,
    choose_unit,
    format_count,
    format_number,
    format_percent,
    format_rate,
)
from steward.loadtest.search import FindMax, RateTrial
from steward.loadtest.slo import TermResult
from steward.loadtest.sweep import Sweep, SweepPoint
from steward.web.charts import ChartInterval, ChartPoint, ChartSeries, interval_chart, line_chart, scatter_chart
from steward.web.page import card, figures, report_page, table

ANSWER_STYLES: Final = {"holds": "a", "fails": "d", "unclear": "b"}
ANSWER_WORDS: Final = {"holds": "met", "fails": "missed", "unclear": "undecided"}
_LEGEND: Final = [(ANSWER_WORDS[answer], style) for answer, style in ANSWER_STYLES.items()]


def render_sweep(result: Sweep) -> str:
    unit = choose_unit(point.e2e_p95_ms for point in result.points)
    what = "users" if any(point.concurrency for point in result.points) else "requests per second"

    def latency(name: str) -> Callable[[SweepPoint], float | None]:
        return lambda point: unit.convert(getattr(point, name))

    charts = [
        _chart_latency_of_throughput(result.points, unit),
        _chart_of_load(
            result.points, f"Answers per second, by {what}", {"answers": lambda point: point.answered_rate}, what
        ),
        _chart_of_load(
            result.points, f"Time to first token, {unit.name}, by {what}",
            {"p50": latency("ttft_p50_ms"), "p95": latency("ttft_p95_ms")}, what,
        ),
        _chart_of_load(
            result.points, f"Time per output token, {unit.name}, by {what}",
            {"p50": latency("tpot_p50_ms"), "p95": latency("tpot_p95_ms")}, what,
        ),
    ]  # fmt: skip
    columns = (
        f"#{what}|#answers/s|#tokens/s|#in flight|#TTFT p50, {unit.name}|#TTFT p95|#TPOT p50, {unit.name}|#TPOT p95"
        f"|#E2E p50, {unit.name}|#E2E p95|#failed|"
    )
    steps = table(columns, [_step_row(point, unit) for point in result.points])
    if result.notes:
        steps += f"<ul>{''.join(f'<li>{escape(note)}</li>' for note in result.notes)}</ul>"
    return report_page(
        result.describe(),
        f"load test · {escape(result.model)} at {escape(result.url)} · {result.arrival} · sweep of "
        f"{format_count(len(result.points), 'step')}",
        f'<section class="charts">{"".join(charts)}</section>{card("Steps", steps)}',
    )


def _step_row(point: SweepPoint, unit: TimeUnit) -> list[object]:
    latencies = (
        *(point.ttft_p50_ms, point.ttft_p95_ms, point.tpot_p50_ms),
        *(point.tpot_p95_ms, point.e2e_p50_ms, point.e2e_p95_ms),
    )
    return [
        f"{point.load:.4g}",
        format_rate(point.answered_rate),
        format_number(point.output_tok_s),
        format_number(point.concurrency_mean),
        *(format_number(unit.convert(value)) for value in latencies),
        f"{point.failed:,}",
        "invalid" if not point.valid else "saturated" if point.saturated else "",
    ]


def _chart_latency_of_throughput(points: Sequence[SweepPoint], unit: TimeUnit) -> str:
    """Each step at its answers per second: throughput against latency."""
    spots = [
        ChartPoint(
            point.describe_load(), point.answered_rate, latency, latency, latency, "d" if point.saturated else "a"
        )
        for point in points
        if (latency := unit.convert(point.e2e_p95_ms)) is not None
    ]
    return scatter_chart(
        f"Latency against throughput: end to end p95, {unit.name}, by answers per second", spots, format_number,
        format_number, legend=[("kept up", "a"), ("saturated", "d")],
    )  # fmt: skip


def _chart_of_load(
    points: Sequence[SweepPoint], title: str, series: dict[str, Callable[[SweepPoint], float | None]], what: str
) -> str:
    """One or more values of each step, at its load on a numeric axis."""
    lines = [
        ChartSeries(name, tuple(read(point) for point in points), style)
        for (name, read), style in zip(series.items(), ("a", "b"), strict=False)
    ]
    loads = [point.load for point in points]
    return line_chart(title, [f"{load:.4g}" for load in loads], lines, format_number, at=loads, head=what)


def render_find_max(search: FindMax) -> str:
    trials = sorted(search.trials, key=lambda trial: trial.rate)
    capacity = max((trial.answered_rate for trial in trials), default=0.0)
    low, high = search.interval
    boxes = [
        ("Highest rate that meets it", _per_second(search.rate), search.slo.replace(",", ", ")),
        ("Clearly met up to", _format_end(low), "the low end of the interval"),
        ("Clearly missed from", _format_end(high), "the high end of the interval"),
        ("Most answers", _per_second(capacity), "of any trial, while requests were sent"),
    ]
    terms = list(dict.fromkeys(term.term for trial in trials for term in trial.terms))
    measured = [term.value for trial in trials for term in trial.terms if not term.term.startswith("tps")]
    unit = choose_unit([*measured, *(trial.ttft_p95_ms for trial in trials)])
    charts = "".join(
        _chart_latency(term, trials, search.rate, unit) + _chart_share(term, trials, search.rate) for term in terms
    )
    rows = [
        (format_rate(trial.rate), ANSWER_WORDS[trial.answer] if trial.valid else "invalid", f"{trial.sent:,}",
         format_rate(trial.answered_rate), format_number(unit.convert(trial.ttft_p95_ms)),
         format_number(unit.convert(trial.tpot_p95_ms)), trial.why)
        for trial in trials
    ]  # fmt: skip
    columns = f"#requests per second|objective|#sent|#answers/s|#TTFT p95, {unit.name}|#TPOT p95, {unit.name}|why"
    return report_page(
        search.describe(),
        f"load test · {escape(search.model)} at {escape(search.url)} · {search.arrival} arrivals · search for the "
        f"highest rate, {format_count(len(trials), 'trial')}",
        f"{figures(boxes)}{_chart_interval(search)}"
        f'<section class="charts">{charts}</section>{card("Trials", table(columns, rows))}',
    )


def _chart_interval(search: FindMax) -> str:
    """The rate in its interval, an end that was not found as an arrow; empty where there is no rate."""
    if search.rate is None:
        return ""
    span = ChartInterval(search.slo, search.rate, *search.interval)
    title = "Requests per second, from clearly met to clearly missed"
    return interval_chart(
        title if None not in search.interval else f"{title}; arrow: no end found", [span], format_rate
    )


def _chart_latency(name: str, trials: Sequence[RateTrial], chosen: float | None, unit: TimeUnit) -> str:
    """The value of one term at each rate, with its interval; empty for terms without one, such as an error rate."""
    metric = name.partition("<")[0].partition(">")[0]
    if metric.startswith("tps"):
        unit = TimeUnit("tokens per second")
    spots = [
        ChartPoint(
            f"{trial.rate:.4g}/s",
            trial.rate,
            term.value / unit.ms,
            (term.value if term.value_low is None else term.value_low) / unit.ms,
            None if term.value_high is None else term.value_high / unit.ms,
            ANSWER_STYLES[trial.answer],
        )
        for trial, term in _results_of(name, trials)
        if term.value is not None
    ]
    if not spots:
        return ""
    title = f"{metric.replace('_', ' ')}, {unit.name}, by requests per second; dashed: the rate chosen"
    if any(spot.high is None for spot in spots):
        title += "; arrow: too few answers for an upper end"
    return scatter_chart(title, spots, format_number, format_number, mark=chosen, legend=_LEGEND)


def _chart_share(name: str, trials: Sequence[RateTrial], chosen: float | None) -> str:
    """The share of requests beyond one term's limit at each rate, with its interval."""
    results = [(trial, term) for trial, term in _results_of(name, trials) if term.n]
    spots = [
        ChartPoint(f"{trial.rate:.4g}/s", trial.rate, term.share_over, term.low, term.high, ANSWER_STYLES[trial.answer])
        for trial, term in results
    ]
    allowed = results[0][1].allowed if results else 0.0
    return scatter_chart(
        f"Requests beyond {name}, by requests per second; dashed: {format_percent(allowed)} allowed, the rate chosen",
        spots, format_number, format_percent, level=allowed, mark=chosen, legend=_LEGEND,
    )  # fmt: skip


def _results_of(name: str, trials: Sequence[RateTrial]) -> list[tuple[RateTrial, TermResult]]:
    return [(trial, term) for trial in trials for term in trial.terms if term.term == name]


def _format_end(rate: float | None) -> str:
    return "not found" if rate is None else _per_second(rate)


def _per_second(rate: float | None) -> str:
    return "–" if rate is None else f"{format_rate(rate)}/s"
