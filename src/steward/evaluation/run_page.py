"""One run as people read it: scores with intervals, slices, how values spread, the worst items, what failed.

One HTML file below `LIMIT_BYTES`, whole without a network or scripts: texts are cut, tables have fixed lengths.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Final

import msgspec

from steward.evaluation.metrics import higher_is_better
from steward.evaluation.numbers import format_number
from steward.evaluation.run import EvalRun, RunResults, score_items, score_run
from steward.evaluation.score import Score, ScoredItems
from steward.evaluation.suite import SuiteItem
from steward.web.charts import ChartInterval, ChartSeries, bar_chart, interval_chart
from steward.web.page import card, figures, report_page, table

LIMIT_BYTES: Final = 500_000
WORST: Final = 15  # items shown in full
FAILED: Final = 50
SLICES: Final = 60  # of one field
TEXT: Final = 1_200  # characters of one text
_BINS: Final = 20


def render_run_page(run: EvalRun) -> str:
    """Scores, slices, spreads, the worst items and failures of one run."""
    results = score_run(run.manifest, run.items, run.answers)
    wholes = [
        score_items(spec, run.items, run.answers, run.manifest.suite.filters)
        for spec in run.manifest.suite.metric_specs()
    ]
    parts = [figures(_summary_figures(results)), _render_scores(results.scores)]
    parts += [_render_slices(results, field) for field in run.manifest.suite.slices]
    parts.append(f'<section class="charts">{"".join(_render_spreads(wholes))}{_render_latency(run)}</section>')
    parts += [_render_worst(wholes, run), _render_failures(results, wholes), _render_method(run, results)]
    name = run.manifest.suite.name
    kicker = f"evaluation · suite {escape(name)} · data {run.manifest.data_sha256[:12]}"
    return report_page(f"{run.manifest.model} on {name}", kicker, "".join(parts))


def _summary_figures(results: RunResults) -> list[tuple[str, str, str]]:
    shown = [
        (
            score.metric,
            _format_short(score.value),
            "no item scored" if score.value is None else f"{format_interval(score)}",
        )
        for score in results.scores[:3]
    ]
    answered = results.items - len(results.errored)
    return [*shown, ("Answered", f"{answered:,}", f"of {results.items:,} items")]


def format_interval(score: Score) -> str:
    """ "0.78 to 0.86", or that there is none."""
    return (
        "no interval"
        if score.low is None or score.high is None
        else f"{_format_short(score.low)} to {_format_short(score.high)}"
    )


def _render_scores(scores: Sequence[Score]) -> str:
    rows = [
        [s.metric, format_number(s.value), format_number(s.low), format_number(s.high), s.n, s.unscored, s.errored]
        for s in scores
    ]
    return card("All items", table("metric|#value|#low|#high|#scored|#unscored|#failed", rows))


def _render_slices(results: RunResults, field: str) -> str:
    """A chart of the first metric, worst first, and a table of all metrics."""
    first = results.scores[0]
    sign = 1 if higher_is_better(first.metric) else -1
    mine = [row for row in results.slices if row.field == field and row.score.metric == first.metric]
    known = [(row.name, row.score, row.score.value) for row in mine if row.score.value is not None]
    known.sort(key=lambda row: sign * row[2])
    spans = [
        ChartInterval(f"{name} ({score.n})", value, score.low, score.high, _bar_style(score, first.value, sign))
        for name, score, value in known[:SLICES]
    ]
    chart = (
        interval_chart(f"{first.metric} by {field}, worst first", spans, _format_short, mark=first.value)
        if spans
        else ""
    )
    order = {name: number for number, (name, _, _) in enumerate(known)}
    rows = [
        [
            *(row.name, row.score.metric),
            *map(format_number, (row.score.value, row.score.low, row.score.high)),
            *(row.score.n, row.score.unscored, row.score.errored),
        ]
        for row in sorted(results.slices, key=lambda row: order.get(row.name, len(order)))
        if row.field == field
    ]
    shown = rows[: SLICES * len(results.scores)]
    inside = table(f"{field}|metric|#value|#low|#high|#scored|#unscored|#failed", shown)
    more = f'<p class="quiet">and {len(rows) - len(shown):,} more</p>' if len(rows) > len(shown) else ""
    return chart + card(f"Slices by {field}", f"<details><summary>{len(shown)} rows</summary>{inside}{more}</details>")


def _bar_style(score: Score, whole: float | None, sign: int) -> str:
    """Another colour where the whole interval is on the bad side of all items' value."""
    end = score.high if sign > 0 else score.low
    return "d" if whole is not None and end is not None and sign * (whole - end) > 0 else "a"


def _render_spreads(wholes: Sequence[ScoredItems]) -> list[str]:
    """A histogram of item values for each metric whose items are not just right or wrong."""
    return [
        render_histogram(f"Items by {whole.score.metric}", whole.values, whole.score.metric)
        for whole in wholes
        if len(set(whole.values)) > 2
    ]


def render_histogram(title: str, values: Sequence[float], head: str) -> str:
    """Counts in equal steps from the least to the most."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return ""
    least, most = min(finite), max(finite)
    step = (most - least) / _BINS or 1.0
    counts = [0.0] * _BINS
    for value in finite:
        counts[min(_BINS - 1, int((value - least) / step))] += 1
    labels = [f"{least + (number + 0.5) * step:.3g}" for number in range(_BINS)]
    return bar_chart(
        title, labels, [ChartSeries("items", tuple(counts), "a")], lambda value: f"{value:,.0f}", head=head
    )


def _render_latency(run: EvalRun) -> str:
    times = sorted(answer.latency_s for answer in run.answers.values() if answer.error is None and not answer.cached)
    if not times or times[-1] <= 0:
        return ""
    half, tail = (times[min(len(times) - 1, int(share * len(times)))] for share in (0.5, 0.95))
    title = f"Seconds per answer: median {half:.3g}, p95 {tail:.3g}"
    return render_histogram(title, [t for t in times if t <= tail], "seconds, up to p95")


def _render_worst(wholes: Sequence[ScoredItems], run: EvalRun) -> str:
    """The items with the worst value of the first metric, ties by the others."""
    signs = [1 if higher_is_better(whole.score.metric) else -1 for whole in wholes]
    values = [dict(zip(whole.ids, whole.values, strict=True)) for whole in wholes]
    order = sorted(wholes[0].ids, key=lambda name: [s * v.get(name, 0.0) for s, v in zip(signs, values, strict=True)])
    bad = [name for name in order if abs(values[0][name] - _best_value(wholes[0].score.metric)) > 1e-9]
    if not bad:
        return card("Worst items", f"<p>None: every scored item has a perfect {escape(wholes[0].score.metric)}.</p>")
    items = {item.id: item for item in run.items}
    cases = []
    for name in bad[:WORST]:
        said = [f"{w.score.metric} {_format_short(v[name])}" for w, v in zip(wholes, values, strict=True) if name in v]
        answer = run.answers[name].prediction or ""
        cases.append(render_case(items[name], ", ".join(said), [("answer", answer)]))
    shown = f"{len(cases)} of {len(bad):,} that are not perfect"
    return card(f"Worst items by {wholes[0].score.metric}, {shown}", "".join(cases))


def _best_value(metric: str) -> float:
    """The best that an item can have: sacreBLEU's metrics go to 100."""
    if not higher_is_better(metric):
        return 0.0
    return 100.0 if metric in ("bleu", "chrf", "chrf++") else 1.0


def render_case(item: SuiteItem, note: str, answers: Sequence[tuple[str, str]]) -> str:
    """An item with what was asked, the right answers and what came, side by side."""
    slices = ", ".join(f"{field} {name}" for field, name in item.slices.items())
    asked = "\n".join(message.content for message in item.messages)
    right = "\n".join(str(reference) for reference in item.references)
    sides = "".join(
        f'<div><h3>{escape(head)}</h3><p class="words">{escape(shorten_text(words)) or "<em>empty</em>"}</p></div>'
        for head, words in (("asked", asked), ("right", right), *answers)
    )
    head = " · ".join(filter(None, (f"item {item.id}", slices, note)))
    return f'<div class="case"><p class="quiet">{escape(head)}</p><div class="sides">{sides}</div></div>'


def shorten_text(text: str) -> str:
    """The first `TEXT` characters, and how many are missing."""
    return text if len(text) <= TEXT else f"{text[:TEXT]}… ({len(text) - TEXT:,} more characters)"


def _render_failures(results: RunResults, wholes: Sequence[ScoredItems]) -> str:
    """Items without an answer, and answers that a metric could not judge."""
    rows = [["failed", *line.partition(": ")[::2]] for line in results.errored[:FAILED]]
    for whole in wholes:
        rows += [
            [f"unscored by {whole.score.metric}", name, why] for name, why in list(whole.unscored.items())[:FAILED]
        ]
    if not rows:
        return ""
    return card("Not scored", table("|item|why", [[kind, name, shorten_text(why)] for kind, name, why in rows]))


def _render_method(run: EvalRun, results: RunResults) -> str:
    """What decides the numbers."""
    manifest = run.manifest
    lines = [
        f"model: {manifest.model}",
        f"data sha256: {manifest.data_sha256}",
        f"prompts sha256: {manifest.prompts_sha256}",
        f"parameters: {msgspec.json.encode(manifest.suite.parameters).decode()}",
        *(score.signature for score in results.scores),
    ]
    return card("How this was measured", f'<p class="signature">{escape(chr(10).join(lines))}</p>')


def _format_short(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"
