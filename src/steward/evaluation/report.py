"""Comparison and gate as people read them: one HTML file, Markdown, JUnit. Whole without a network or scripts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from steward.core.build_results import render_junit
from steward.core.excerpts import cut_digest
from steward.evaluation.build_cases import list_gate_cases
from steward.evaluation.compare import Comparison, MetricComparison
from steward.evaluation.gate import GateDecision
from steward.evaluation.item_list import ListedItem, render_item_list
from steward.evaluation.numbers import format_ends, format_gain, format_number, format_p
from steward.evaluation.run import EvalRun
from steward.evaluation.run_page import (
    LIMIT_BYTES,
    SCRIPT,
    SHELL_BYTES,
    SLICES,
    item_texts,
    render_case,
    render_facts,
)
from steward.evaluation.suite import SuiteItem
from steward.web.charts import ChartInterval, interval_chart
from steward.web.page import Html, card, figures, report_page, table

_WORST: Final = 15  # regressions shown side by side
_BEST: Final = 5
_STYLES: Final = {"up": "a", "down": "d", "": "b"}  # better, worse, undecided
COMPARISON_COLUMNS: Final = "|#baseline|#candidate|#gain|#95 % low|#95 % high|#p|#items|#better|#worse"


def render_comparison_page(found: Comparison, baseline: EvalRun, candidate: EvalRun) -> str:
    """Gains with intervals, overall and by slice, and the worst regressions side by side; below 500 KB."""
    suite = baseline.manifest.suite.name
    parts = [figures([_summary_figure(whole) for whole in found.wholes[:4]])]
    if not found.same_prompts:
        parts.append(card("Different prompts", "<p>The two runs used different prompts.</p>"))
    note = "<p>Gain: candidate minus baseline; above 0 is always better. Only items scored in both runs count.</p>"
    parts.append(
        card(
            "Metrics over all items",
            table(COMPARISON_COLUMNS, [comparison_row(whole) for whole in found.wholes]) + note,
        )
    )
    parts.append(render_facts([baseline, candidate]))
    parts += _render_slices(found)
    for whole in found.wholes[:1]:
        parts.append(_render_cases(f"Worst regressions by {whole.metric}", whole.worse, _WORST, baseline, candidate))
        if whole.better:
            parts.append(_render_cases(f"Greatest gains by {whole.metric}", whole.better, _BEST, baseline, candidate))
    signatures = escape("\n".join(whole.signature for whole in found.wholes))
    end = card("How this was measured", f'<p class="signature">{signatures}</p>')
    room = LIMIT_BYTES - SHELL_BYTES - len("".join([*parts, end]).encode())
    items = render_item_list(list_pairs(found.wholes[0], baseline, candidate), room)
    kicker = f"comparison · suite {escape(suite)} · data {cut_digest(baseline.manifest.data_sha256)}"
    return report_page(
        f"{found.candidate} against {found.baseline}", kicker, "".join([*parts, items.html, end]), SCRIPT
    )


_STATES: Final = ("worse", "better", "failed in one", "other answer", "same answer")


def list_pairs(whole: MetricComparison, baseline: EvalRun, candidate: EvalRun) -> list[ListedItem]:
    """Every item with both answers, what changed between them marked; worse ones first."""
    worse, better = set(whole.worse), set(whole.better)

    def list_pair(item: SuiteItem) -> ListedItem:
        one, other = baseline.answers[item.id], candidate.answers[item.id]
        if one.error is not None or other.error is not None:
            state = "failed in one"
        elif item.id in worse or item.id in better:
            state = "worse" if item.id in worse else "better"
        else:
            state = "same answer" if one.prediction == other.prediction else "other answer"
        sides = [(f"{run.manifest.model} ({role})", run.answers[item.id]) for run, role in _roles(baseline, candidate)]
        return ListedItem(
            id=item.id,
            state=state,
            note=" · ".join(f"{field} {name}" for field, name in item.slices.items()),
            texts=(*item_texts(item), *((head, answer.prediction or answer.error or "") for head, answer in sides)),
            compared=2,
        )

    return sorted(map(list_pair, baseline.items), key=lambda pair: _STATES.index(pair.state))


def _roles(baseline: EvalRun, candidate: EvalRun) -> tuple[tuple[EvalRun, str], tuple[EvalRun, str]]:
    return (baseline, "baseline"), (candidate, "candidate")


def _summary_figure(whole: MetricComparison) -> tuple[str, str, str]:
    if whole.gain is None:
        return whole.metric, "–", "no item was scored in both runs"
    verdict = {"up": "better", "down": "worse", "": "undecided"}[_direction(whole)]
    interval = f"gain {format_gain(whole.gain)}, 95 % interval {format_ends(whole.low, whole.high)}"
    return whole.metric, verdict, f"{interval}; {len(whole.worse)} items worse, {len(whole.better)} better"


def _direction(row: MetricComparison) -> str:
    """ "up" or "down" where the interval leaves 0 on one side, else empty."""
    if row.low is None or row.high is None:
        return ""
    return "up" if row.low > 0 else "down" if row.high < 0 else ""


def comparison_row(row: MetricComparison) -> list[object]:
    """Of a table of `COMPARISON_COLUMNS`."""
    numbers: list[object] = [format_number(row.baseline), format_number(row.candidate)]
    numbers += [format_gain(row.gain), format_gain(row.low), format_gain(row.high), format_p(row.p)]
    if sure := _direction(row):
        numbers[2] = Html(f'<span class="{sure}">{numbers[2]}</span>')
    return [row.title, *numbers, f"{row.n} of {row.items}", len(row.better), len(row.worse)]


def _render_slices(found: Comparison) -> list[str]:
    """Of the first metric: gains, the greatest loss first; of all metrics, a table."""
    rows = [row for row in found.slices if row.metric == found.wholes[0].metric and row.gain is not None]
    rows = sorted(rows, key=lambda row: row.gain or 0.0)[:SLICES]
    if not rows:
        return []
    spans = [
        ChartInterval(f"{row.name} ({row.n})", row.gain or 0.0, row.low, row.high, _STYLES[_direction(row)])
        for row in rows
    ]
    listed = found.slices[: SLICES * len(found.wholes)]
    inside = table(COMPARISON_COLUMNS, [comparison_row(row) for row in listed])
    return [
        interval_chart(
            f"Gain in {found.wholes[0].metric} by slice, 95 % intervals, greatest loss first",
            spans,
            _format_signed,
            mark=0.0,
        ),
        card("Slices", f"<details><summary>{len(listed)} rows</summary>{inside}</details>"),
    ]


def _format_signed(value: float) -> str:
    return f"{value:+.3g}" if value else "0"


def _render_cases(title: str, names: Sequence[str], most: int, baseline: EvalRun, candidate: EvalRun) -> str:
    if not names:
        return card(title, "<p>None.</p>")
    items = {item.id: item for item in baseline.items}
    cases = [
        render_case(
            items[name],
            "",
            [
                (f"{run.manifest.model} ({role})", run.answers[name].prediction or "")
                for run, role in _roles(baseline, candidate)
            ],
            compared=True,
        )
        for name in names[:most]
    ]
    return card(f"{title}, {len(cases)} of {len(names):,}", "".join(cases))


def render_gate_markdown(found: GateDecision) -> str:
    """For a pull request's comment."""
    lines = [f"**Gate: {found.verdict}** ({found.candidate} against {found.baseline})", ""]
    lines += ["| check | verdict | gain | interval | margin | why |", "|---|---|---|---|---|---|"]
    for check in found.checks:
        gain = format_gain(check.gain) or ""
        interval = "" if check.low is None or check.high is None else format_ends(check.low, check.high)
        margin = "" if check.margin is None else f"{check.margin:g}"
        cells = [check.name, check.verdict, gain, interval, margin, check.why]
        lines.append("| " + " | ".join(cell.replace("|", r"\|").replace("\n", " ") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def render_gate_junit(found: GateDecision) -> str:
    """A test case for each check; what is inconclusive is an error, which no build server takes for a pass."""
    return render_junit("steward gate", list_gate_cases(found))
