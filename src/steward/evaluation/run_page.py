"""One run as people read it: scores with intervals, slices, how values spread, all items, what failed.

One HTML file below `LIMIT_BYTES`, whole without a network or scripts: texts are cut where there are many. What is cut
stands in full on a page of its own, `render_items_page`, which has no limit.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from html import escape
from itertools import pairwise
from typing import Final

import msgspec

from steward.core.excerpts import cut_digest
from steward.evaluation.item_list import ListedItem, render_changes, render_item_list, shorten_text
from steward.evaluation.metrics import UNBOUNDED, higher_is_better
from steward.evaluation.numbers import format_number
from steward.evaluation.run import EvalRun, RunResults, score_metrics, summarise_run
from steward.evaluation.score import Score, ScoredItems
from steward.evaluation.spend import RunSpend, TokenPrices, find_prices, format_date, format_usd, measure_spend
from steward.evaluation.suite import SuiteItem
from steward.web.axes import nice_step
from steward.web.charts import ChartInterval, ChartSeries, bar_chart, interval_chart
from steward.web.page import card, figures, report_page, table

LIMIT_BYTES: Final = 500_000
WORST: Final = 15  # items shown in full
FAILED: Final = 50
SLICES: Final = 60  # of one field
SCRIPT: Final = "items.js"
_BINS: Final = 20
SHELL_BYTES: Final = 30_000  # of the page around what is measured: styles, script, headings


class RunPage(msgspec.Struct, frozen=True):
    """The page, and whether every word of every item is on it."""

    html: str
    whole: bool


def render_run_page(run: EvalRun, prices: TokenPrices | None = None, more: str = "") -> RunPage:
    """Scores, slices, spreads, all items and failures of one run. `more`: the name of the file beside it that holds
    the items in full, linked where they are not whole here."""
    wholes = score_metrics(run.manifest, run.items, run.answers)
    results = summarise_run(run.manifest, run.items, run.answers, wholes)
    parts = [figures(_summary_figures(results)), _render_scores(results.scores), render_facts([run], prices)]
    parts += [_render_slices(results, field) for field in run.manifest.suite.slices]
    parts.append(f'<section class="charts">{"".join(_render_spreads(wholes))}{_render_latency(run)}</section>')
    parts += [_render_worst(wholes, run), _render_failures(results, wholes)]
    end = _render_method(run, results)
    room = LIMIT_BYTES - SHELL_BYTES - len("".join([*parts, end]).encode())
    items = render_item_list(list_items(wholes, run), room, more=more)
    name = run.manifest.suite.name
    kicker = f"evaluation · suite {escape(name)} · data {cut_digest(run.manifest.data_sha256)}"
    body = "".join([*parts, items.html, end])
    return RunPage(report_page(f"{run.manifest.model} on {name}", kicker, body, SCRIPT), items.whole)


def render_items_page(run: EvalRun) -> str:
    """Every item in full, as large as it gets."""
    wholes = score_metrics(run.manifest, run.items, run.answers)
    listed = list_items(wholes, run)
    longest = max((len(words) for item in listed for _, words in item.texts), default=1)
    found = render_item_list(listed, sys.maxsize, longest)
    kicker = f"evaluation · suite {escape(run.manifest.suite.name)} · data {cut_digest(run.manifest.data_sha256)}"
    return report_page(f"{run.manifest.model}: all items", kicker, found.html, SCRIPT)


def list_items(wholes: Sequence[ScoredItems], run: EvalRun) -> list[ListedItem]:
    """Failed and unscored items first, then those that are not perfect by the first metric, then the others."""
    first = wholes[0]
    values = [dict(zip(whole.ids, whole.values, strict=True)) for whole in wholes]

    def list_item(item: SuiteItem) -> ListedItem:
        said = [
            f"{w.score.metric} {_format_short(v[item.id])}" for w, v in zip(wholes, values, strict=True) if item.id in v
        ]
        slices = [f"{field} {name}" for field, name in item.slices.items()]
        answer = run.answers[item.id]
        reason = answer.error or first.unscored.get(item.id, "")
        texts = [*item_texts(item), ("answer", answer.prediction or "")]
        if answer.transcript:
            texts.append(("conversation", "\n".join(f"{role}: {text}" for role, text in answer.transcript)))
        return ListedItem(
            id=item.id,
            state=_item_state(item.id, first, values[0]),
            note=" · ".join([*said, *slices]),
            texts=(*texts, *([("why", reason)] if reason else [])),
        )

    return sorted(map(list_item, run.items), key=lambda item: _STATES.index(item.state))


_STATES: Final = ("failed", "unscored", "not perfect", "scored", "perfect")


def _item_state(name: str, first: ScoredItems, values: dict[str, float]) -> str:
    if name in first.errored:
        return "failed"
    if name not in values:
        return "unscored"
    if first.score.metric.partition("@")[0] in UNBOUNDED:
        return "scored"
    return "perfect" if abs(values[name] - _best_value(first.score.metric)) <= 1e-9 else "not perfect"


def item_texts(item: SuiteItem) -> list[tuple[str, str]]:
    asked = "\n".join(message.content for message in item.messages)
    return [("asked", asked), ("right", "\n".join(str(reference) for reference in item.references))]


def render_facts(runs: Sequence[EvalRun], prices: TokenPrices | None = None) -> str:
    """When each run was asked, with which parameters, and what it took."""
    heads = [run.manifest.model for run in runs]
    if len(set(heads)) < len(heads):
        heads = [f"{head} ({role})" for head, role in zip(heads, ("baseline", "candidate"), strict=True)]
    spends = [measure_spend(run.answers.values()) for run in runs]
    rows = [
        ["asked", *map(_describe_dates, spends)],
        ["parameters", *map(_describe_parameters, runs)],
        ["tokens", *map(_describe_tokens, spends)],
        [
            "cost",
            *(
                _describe_cost(s, prices or find_prices(r.manifest.suite.metric_specs()))
                for s, r in zip(spends, runs, strict=True)
            ),
        ],
        ["intervals", *["95 %"] * len(runs)],
    ]
    inside = table("|" + "|".join(heads), rows)
    return card("How it was asked", f'<div class="facts">{inside}</div>')


def _describe_dates(spend: RunSpend) -> str:
    if spend.first_at is None or spend.last_at is None:
        return "not recorded"
    first, last = format_date(spend.first_at), format_date(spend.last_at)
    return first if first == last else f"{first} to {last}"


def _describe_parameters(run: EvalRun) -> str:
    spec = run.manifest.suite
    given = msgspec.json.encode(spec.parameters).decode() if spec.parameters else "the server's defaults"
    return given + (f", each item {spec.repeats} times" if spec.repeats > 1 else "")


def _describe_tokens(spend: RunSpend) -> str:
    if not spend.counted:
        return "not reported by the server"
    of = "" if spend.counted == spend.answered else f" of {spend.counted:,} of {spend.answered:,} answers"
    cached = f"; {spend.cached:,} answers from the cache" if spend.cached else ""
    return f"{spend.input_tokens:,} in, {spend.output_tokens:,} out{of}{cached}"


def _describe_cost(spend: RunSpend, prices: TokenPrices | None) -> str:
    if prices is None:
        return "no prices given (--input-price, --output-price of steward eval report)"
    if not spend.counted:
        return "cannot tell: the server reported no tokens"
    usd = format_usd(prices.cost_usd(spend.input_tokens, spend.output_tokens))
    return f"{usd} at ${prices.input:g} in, ${prices.output:g} out a million tokens"


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
    """ "95 % interval 0.78 to 0.86", or that there is none."""
    if score.low is None or score.high is None:
        return "no interval"
    return f"95 % interval {_format_short(score.low)} to {_format_short(score.high)}"


def _render_scores(scores: Sequence[Score]) -> str:
    rows = [
        [s.metric, format_number(s.value), format_number(s.low), format_number(s.high), s.n, s.unscored, s.errored]
        for s in scores
    ]
    return card("All items", table("metric|#value|#95 % low|#95 % high|#scored|#unscored|#failed", rows))


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
        interval_chart(
            f"{first.metric} by {field}, 95 % intervals, worst first", spans, _format_short, mark=first.value
        )
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
    inside = table(f"{field}|metric|#value|#95 % low|#95 % high|#scored|#unscored|#failed", shown)
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
    """Counts in equal, round steps; the greatest value belongs to the last step."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return ""
    least, most = min(finite), max(finite)
    step = nice_step((most - least) / _BINS or 1.0)
    first = math.floor(least / step + 1e-9)
    bins = max(1, math.ceil(most / step - 1e-9) - first)
    counts = [0.0] * bins
    for value in finite:
        counts[min(bins - 1, max(0, math.floor(value / step + 1e-9) - first))] += 1
    edges = [(first + number) * step for number in range(bins + 1)]
    labels = [f"{low:.6g} to {high:.6g}" for low, high in pairwise(edges)]
    series = [ChartSeries("items", tuple(counts), "a")]
    return bar_chart(title, labels, series, lambda value: f"{value:,.0f}", head=head, edges=edges)


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
        scores = [
            f"{w.score.metric} {_format_short(v[name])}" for w, v in zip(wholes, values, strict=True) if name in v
        ]
        answer = run.answers[name].prediction or ""
        cases.append(render_case(items[name], ", ".join(scores), [("answer", answer)]))
    shown = f"{len(cases)} of {len(bad):,} that are not perfect"
    return card(f"Worst items by {wholes[0].score.metric}, {shown}", "".join(cases))


def _best_value(metric: str) -> float:
    """The best that an item can have: sacreBLEU's metrics go to 100."""
    if not higher_is_better(metric):
        return 0.0
    return 100.0 if metric in ("bleu", "chrf", "chrf++") else 1.0


def render_case(item: SuiteItem, note: str, answers: Sequence[tuple[str, str]], compared: bool = False) -> str:
    """An item with what was asked, the right answers and what came, side by side; `compared`: the words of the last
    answer that are not the first's are marked."""
    slices = ", ".join(f"{field} {name}" for field, name in item.slices.items())
    shown = [(head, escape(shorten_text(words))) for head, words in (*item_texts(item), *answers)]
    if compared:
        shown[-1] = (answers[-1][0], render_changes(*(shorten_text(words) for _, words in (answers[0], answers[-1]))))
    sides = "".join(
        f'<div><h3>{escape(head)}</h3><p class="words">{words or "<em>empty</em>"}</p></div>' for head, words in shown
    )
    head = " · ".join(filter(None, (f"item {item.id}", slices, note)))
    return f'<div class="case"><p class="quiet">{escape(head)}</p><div class="sides">{sides}</div></div>'


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
        f"seed: {manifest.seed}",
        *(score.signature for score in results.scores),
    ]
    return card("How this was measured", f'<p class="signature">{escape(chr(10).join(lines))}</p>')


def _format_short(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"
