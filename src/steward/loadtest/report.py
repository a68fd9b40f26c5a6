"""One self-contained HTML page of a load test, a sweep or a search: verdict, latencies, percentiles, client, server.

No script, no network. Under 500 KB: its tables and series have fixed lengths.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby
from typing import Final

from steward.core.load_report import LoadReport, Quantiles, Track
from steward.loadtest.search import FindMax, Sweep, Trial
from steward.web.charts import Line, Spot, line_chart, scatter_chart
from steward.web.page import card, figures, report_page
from steward.web.page import table as table_of

_PERCENTILES: Final = (*range(5, 95, 5), *range(90, 100), 99.5, 99.9)
_STYLES: Final = ("a", "b", "c", "d")


def render_report(report: LoadReport) -> str:
    """The page of one run."""
    title = _title(report)
    return render_page(
        title,
        f"{escape(report.model)} at {escape(report.url)} · {_asked(report)} · {report.duration_s:.0f} s"
        f" · version {escape(report.steward_version)}",
        [
            _figures(report),
            _verdict(report),
            f'<section class="charts">{_over_time(report)}</section>',
            f'<section class="card"><h2>Latencies, from the intended send</h2>{_latencies(report)}</section>',
            _tracks(report.tracks, report.duration_s),
            f'<section class="card"><h2>The client</h2>{_client(report)}</section>',
            _errors(report),
        ],
    )


def render_sweep(found: Sweep) -> str:
    """The page of a sweep."""
    labels = [f"{point.concurrency or point.rate:.4g}" for point in found.points]
    what = "users" if any(point.concurrency for point in found.points) else "requests a second"
    title = (
        f"Up to {found.capacity_rate:.4g} answers a second"
        + (f", saturated from {found.saturates_at:.4g} {what}" if found.saturates_at else ", not saturated")
    )  # fmt: skip

    def lines(*pairs: tuple[str, str]) -> list[Line]:
        return [
            Line(name, tuple(getattr(point, field) for point in found.points), style)
            for (name, field), style in zip(pairs, _STYLES, strict=False)
        ]

    charts = [
        line_chart(f"Answers a second, by {what}", labels, lines(("answered", "answered_rate")), format_short),
        line_chart(
            f"Time to first token, ms, by {what}",
            labels,
            lines(("p50", "ttft_p50_ms"), ("p95", "ttft_p95_ms")),
            format_short,
        ),
        line_chart(f"Output tokens a second, by {what}", labels, lines(("tokens", "output_tok_s")), format_short),
        line_chart(
            f"Time per output token, ms, by {what}",
            labels,
            lines(("p50", "tpot_p50_ms"), ("p95", "tpot_p95_ms")),
            format_short,
        ),
    ]
    rows = []
    for label, point in zip(labels, found.points, strict=True):
        state = "invalid" if not point.valid else "saturated" if point.saturated else ""
        cells = (
            *(point.answered_rate, point.output_tok_s, point.concurrency_mean, point.ttft_p50_ms, point.ttft_p95_ms),
            *(point.tpot_p50_ms, point.tpot_p95_ms, point.e2e_p50_ms, point.e2e_p95_ms),
        )
        numbers = "".join(f'<td class="n">{format_number(cell)}</td>' for cell in cells)
        rows.append(f'<tr><td class="n">{label}</td>{numbers}<td class="n">{point.failed:,}</td><td>{state}</td></tr>')
    head = (
        f"#{what}|#answers/s|#tokens/s|#in flight|#TTFT p50, ms|#TTFT p95|#TPOT p50, ms|#TPOT p95|#E2E p50, ms|#E2E p95"
        "|#failed|"
    )
    notes = "".join(f"<li>{escape(note)}</li>" for note in found.notes)
    return render_page(
        title,
        f"{escape(found.model)} at {escape(found.url)} · {found.arrival} · sweep of {len(found.points)} steps",
        [
            f'<section class="charts">{"".join(charts)}</section>',
            f'<section class="card"><h2>Steps</h2>{render_table(head, rows)}'
            f"{f'<ul>{notes}</ul>' if notes else ''}</section>",
        ],
    )


def render_find_max(found: FindMax) -> str:
    """The page of a search for the highest rate: each trial against the objective, and the rate that was chosen."""
    trials = sorted(found.trials, key=lambda trial: trial.rate)
    held = "No rate" if found.rate is None else f"{found.rate:.4g} requests a second"
    above = "" if found.fails_at is None else f"; {found.fails_at:.4g} does not"
    slo = found.slo.replace(",", ", ")
    capacity = max((trial.answered_rate for trial in trials), default=0.0)
    boxes = [
        ("Highest rate that holds", "–" if found.rate is None else f"{found.rate:.4g}/s", found.reason or slo),
        ("Lowest that does not", "–" if found.fails_at is None else f"{found.fails_at:.4g}/s", "the rate lies between"),
        ("Most answers", f"{capacity:.4g}/s", "of any trial, while requests were sent"),
        ("Trials", str(len(trials)), f"{sum(trial.sent for trial in trials):,} requests"),
    ]
    names = list(dict.fromkeys(term.term for trial in trials for term in trial.terms))
    pictures = "".join(_trials_of(name, trials, found.rate) for name in names)
    rows = [
        (f"{trial.rate:.4g}", trial.answer if trial.valid else "invalid", f"{trial.sent:,}",
         format_number(trial.answered_rate), format_number(trial.ttft_p95_ms), format_number(trial.tpot_p95_ms),
         trial.why)
        for trial in trials
    ]  # fmt: skip
    head = "#requests a second||#sent|#answers/s|#TTFT p95, ms|#TPOT p95, ms|why"
    return render_page(
        f"{held} holds {slo}{above}",
        f"{escape(found.model)} at {escape(found.url)} · {found.arrival} arrivals · search for the highest rate",
        [figures(boxes), f'<section class="charts">{pictures}</section>', card("Trials", table_of(head, rows))],
    )


def _trials_of(term: str, trials: Sequence[Trial], chosen: float | None) -> str:
    """Of one term of the objective: the share of requests over its limit at each rate, with its interval."""
    styles = {"holds": "a", "fails": "b", "unclear": "c"}
    spots = [
        Spot(f"{trial.rate:.4g}/s", trial.rate, one.share_over, one.low, one.high, styles[trial.answer])
        for trial in trials
        for one in trial.terms
        if one.term == term and one.n
    ]
    allowed = next((one.allowed for trial in trials for one in trial.terms if one.term == term), 0.0)
    return scatter_chart(
        f"Over the limit of {term}, by requests a second; dashed: the {_percent(allowed)} that may be, the rate chosen",
        spots, format_short, _percent, level=allowed, mark=chosen,
        legend=[("held", "a"), ("did not", "b"), ("unclear", "c")],
    )  # fmt: skip


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def render_page(title: str, line: str, parts: Sequence[str]) -> str:
    """The parts in the shell of all reports; `line` is HTML already."""
    return report_page(title, f"load test · {line}", "\n".join(parts))


def _title(report: LoadReport) -> str:
    metric, found = ("first token", report.ttft_ms) if report.ttft_ms.n else ("answer", report.e2e_ms)
    if found.p95 is None:
        return "No request was answered"
    where = f"{report.achieved_rate:.4g} requests a second"
    if report.requested_concurrency:
        where = f"{report.requested_concurrency} users"
    return f"95 of 100 had their {metric} within {format_ms(found.p95)} at {where}"


def _asked(report: LoadReport) -> str:
    if report.requested_concurrency:
        return f"{report.requested_concurrency} users, closed loop"
    rate = f" of {report.requested_rate:g} a second" if report.requested_rate else ""
    return f"{report.arrival} arrivals{rate}, {report.processes} process{'es' * (report.processes > 1)}"


def _figures(report: LoadReport) -> str:
    def box(name: str, value: float | None, unit: str, note: str) -> str:
        shown = "–" if value is None else f'{format_short(value)}<span class="unit">{unit}</span>'
        return f'<div><p class="name">{name}</p><p class="value">{shown}</p><p class="quiet">{escape(note)}</p></div>'

    ttft, tpot = report.ttft_ms, report.tpot_ms
    last = (
        box("Goodput", report.goodput_rate, "/s", f"answers within {report.slo}")
        if report.goodput_rate is not None
        else box("Answered", float(report.answered), "", f"{report.failed:,} failed of {report.sent:,} sent")
    )
    boxes = [
        box("Time to first token, p95", ttft.p95, "ms", f"p50 {_ms(ttft.p50)}, p99 {_ms(ttft.p99)}")
        if ttft.n or not report.e2e_ms.n
        else box("End to end, p95", report.e2e_ms.p95, "ms", f"p50 {_ms(report.e2e_ms.p50)}"),
        box("Time per output token, p95", tpot.p95, "ms", f"p50 {_ms(tpot.p50)}, p99 {_ms(tpot.p99)}"),
        box("Output", report.output_tok_s, "tokens/s", f"{report.answered_rate:.4g} answers a second"),
        last,
    ]
    return f'<section class="figures">{"".join(boxes)}</section>'


def _verdict(report: LoadReport) -> str:
    notes = "".join(f"<li>{escape(text)}</li>" for text in report.warnings)
    reasons = "".join(f"<li>{escape(text)}</li>" for text in report.invalid_reasons)
    if not report.valid:
        head = "Invalid: these numbers say more of the client than of the server"
    elif report.partial:
        head = "Valid as far as it went: the run was stopped before its end"
    else:
        head = "Valid: the client kept to its schedule"
    if report.slo is not None:
        met = {True: "held", False: "not held", None: "not to be told from so few requests"}[report.slo_met]
        notes = f"<li>objective {escape(report.slo)}: {met}</li>{notes}"
    listed = f"<ul>{reasons}{notes}</ul>" if reasons or notes else ""
    return f'<section class="card verdict{" no" * (not report.valid)}"><h2>{head}</h2>{listed}</section>'


def _over_time(report: LoadReport) -> str:
    points = report.series
    labels = [format_clock(point.at_s) for point in points]
    charts = []
    if report.ttft_ms.n:
        lines = [
            Line("p50", tuple(point.ttft_p50_ms for point in points), "a"),
            Line("p95", tuple(point.ttft_p95_ms for point in points), "b"),
        ]
        charts.append(line_chart("Time to first token, ms, by the time of sending", labels, lines, format_short))
    lines = [
        Line("p50", tuple(point.e2e_p50_ms for point in points), "a"),
        Line("p95", tuple(point.e2e_p95_ms for point in points), "b"),
    ]
    charts.append(line_chart("End to end, ms, by the time of sending", labels, lines, format_short))
    step = report.series_step_s
    last = max((point.at_s for point in points if point.sent), default=0.0)  # the drain after it is no fall
    counts = [
        Line("sent", tuple(point.sent / step if point.at_s <= last else None for point in points), "a"),
        Line("failed", tuple(point.failed / step for point in points), "d"),
    ]
    charts.append(line_chart("Requests a second", labels, counts, format_short))
    flying = [Line("requests", tuple(point.in_flight for point in points), "c")]
    charts.append(line_chart("In flight", labels, flying, format_short, area=True))
    charts.append(_percentiles(report))
    tokens = [Line("of answers that ended", tuple(point.output_tokens / step for point in points), "a")]
    charts.append(line_chart("Output tokens a second", labels, tokens, format_short, area=True))
    return "".join(charts[: len(charts) // 2 * 2] if len(charts) % 2 else charts)


def _percentiles(report: LoadReport) -> str:
    """Latency below which so many percent of the requests are, out of the samples."""
    samples = report.samples
    lines = []
    ttft = sorted(value for value in samples.ttft_ms if value is not None)
    for name, values, style in (("first token", ttft, "a"), ("end to end", sorted(samples.e2e_ms), "c")):
        if values:
            found = tuple(values[min(len(values) - 1, int(share / 100 * len(values)))] for share in _PERCENTILES)
            lines.append(Line(name, found, style))
    return line_chart("Percentiles, ms", [f"p{share:g}" for share in _PERCENTILES], lines, format_short)


def _latencies(report: LoadReport) -> str:
    actual = report.from_actual_send
    rows = []
    for name, key, found, beside in (
        ("Time to first token", "ttft_ms", report.ttft_ms, actual.ttft_ms),
        ("Time per output token", "tpot_ms", report.tpot_ms, None),
        ("Gap between events", "itl_ms", report.itl_ms, None),
        ("End to end", "e2e_ms", report.e2e_ms, actual.e2e_ms),
    ):
        if found.n:
            rows.append(_latency_row(name, found, report.formulas.get(key, "")))
        if found.n and beside is not None:
            rows.append(_latency_row(f"{name}, from the actual send", beside, ""))
    return render_table("Milliseconds|#mean|#p50|#p90|#p95|#p99|#p99.9|#n|Formula", rows)


def _latency_row(name: str, found: Quantiles, formula: str) -> str:
    cells = [f'<td class="n">{format_number(found.mean)}</td>']
    for key in ("p50", "p90", "p95", "p99", "p999"):
        ends = found.intervals.get(key)
        small = f"<small>{format_number(ends[0])} – {format_number(ends[1])}</small>" if ends else ""
        cells.append(f'<td class="n">{format_number(getattr(found, key))}{small}</td>')
    return (
        f'<tr><td>{escape(name)}</td>{"".join(cells)}<td class="n">{found.n:,}</td>'
        f'<td class="formula">{escape(formula)}</td></tr>'
    )


def _tracks(tracks: Sequence[Track], duration_s: float) -> str:
    """Charts of the server's and the GPUs' numbers on the run's time axis, one for each unit and title."""
    charts = []
    steps = min(90, max(2, round(duration_s)))
    ordered = sorted(tracks, key=_title_of)
    for title, group in groupby(ordered, key=_title_of):
        lines = [
            Line(track.name, _resampled(track, steps, duration_s), _STYLES[place % 4])
            for place, track in enumerate(list(group)[:4])
        ]
        labels = [format_clock(duration_s * (place + 0.5) / steps) for place in range(steps)]
        charts.append(line_chart(title, labels, lines, format_short))
    return f'<section class="charts">{"".join(charts)}</section>' if charts else ""


def _title_of(track: Track) -> str:
    if track.source == "gpu":
        return f"GPU {track.name.split(' ', 2)[2]}, {track.unit}"
    return f"Server: {track.name}, {track.unit}"


def _resampled(track: Track, steps: int, duration_s: float) -> tuple[float | None, ...]:
    """The last value of each step; steps without one are gaps."""
    found: list[float | None] = [None] * steps
    for at, value in zip(track.at_s, track.values, strict=True):
        place = int(at / duration_s * steps)
        if 0 <= place < steps:
            found[place] = value
    return tuple(found)


def _client(report: LoadReport) -> str:
    client = report.client
    asked = "–" if client.dispersion_asked is None else f"{client.dispersion_asked:.2f}"
    achieved = "–" if client.dispersion_achieved is None else f"{client.dispersion_achieved:.2f}"
    rows = [
        ("Late by (actual - intended send)", f"p50 {_ms(client.late_ms.p50)}, p99 {_ms(client.late_ms.p99)}"),
        ("Event loop late by", f"p50 {_ms(client.loop_lag_ms.p50)}, p99 {_ms(client.loop_lag_ms.p99)}"),
        ("Share of a core used, busiest process", f"{client.cpu_share:.0%}"),
        ("Index of dispersion of arrivals", f"scheduled {asked}, sent {achieved} (Poisson 1, constant 0)"),
        ("Connections", f"{client.connections:,}, opened in {_ms(client.connect_ms.p50)} (p50)"),
        ("Token counts from", report.tokens_from),
        ("Memory, all processes", f"{client.peak_mb:.0f} MB"),
    ]
    return render_table("|", [f"<tr><td>{name}</td><td>{escape(value)}</td></tr>" for name, value in rows])


def _errors(report: LoadReport) -> str:
    if not report.errors:
        return ""
    rows = [f'<tr><td>{escape(name)}</td><td class="n">{count:,}</td></tr>' for name, count in report.errors.items()]
    return f'<section class="card"><h2>Not answered</h2>{render_table("Cause|#Requests", rows)}</section>'


def render_table(head: str, rows: Sequence[str]) -> str:
    """A table that scrolls by itself where it is too wide; a column's name that begins with # stands to the right."""
    cells = "".join(
        f'<th class="n">{name[1:]}</th>' if name[:1] == "#" else f"<th>{name}</th>" for name in head.split("|")
    )
    top = f"<thead><tr>{cells}</tr></thead>" if head.strip("|") else ""
    return f'<div class="scroll"><table>{top}<tbody>{"".join(rows)}</tbody></table></div>'


def format_ms(value: float) -> str:
    """
    >>> format_ms(0.52), format_ms(52.3), format_ms(5230)
    ('0.52 ms', '52.3 ms', '5.23 s')
    """
    return f"{value / 1000:.3g} s" if value >= 1000 else f"{value:.3g} ms"


def _ms(value: float | None) -> str:
    return "–" if value is None else "0" if value == 0 else format_ms(value)


def format_number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def format_short(value: float) -> str:
    """
    >>> format_short(1234.5), format_short(12.345), format_short(0.5)
    ('1,234', '12.3', '0.5')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def format_clock(at_s: float) -> str:
    """
    >>> format_clock(75)
    '1:15'
    """
    return f"{int(at_s) // 60}:{int(at_s) % 60:02d}"
