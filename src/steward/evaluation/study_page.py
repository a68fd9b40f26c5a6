"""A human study's result as one HTML file. Whole without a network or scripts."""

from __future__ import annotations

import math
from html import escape

from steward.evaluation.numbers import format_p, format_percent
from steward.evaluation.statistics import Interval
from steward.evaluation.votes import (
    Coefficient,
    PairReport,
    RaterReport,
    StudyReport,
    coefficient_title,
    format_estimate,
)
from steward.web.charts import ChartInterval, interval_chart
from steward.web.page import Html, card, figures, report_page, table


def render_study_page(found: StudyReport) -> str:
    """Who is preferred, how sure that is, how far raters agree, and whether the side mattered."""
    parts = [figures(_summary_figures(found))]
    if found.pairs:
        parts += [
            _render_wins(found),
            card("Votes per pair of runs", _render_pairs(found)),
            card("Bradley-Terry", _render_strengths(found)),
        ]
    if found.levels:
        parts.append(_render_levels(found))
    if found.agreement:
        spans = [_make_span(coefficient_title(one), one) for one in found.agreement if not math.isnan(one.value)]
        parts.append(interval_chart("Agreement", spans, _format_number, mark=0.0))
        rows = [[coefficient_title(one), one.tasks, _format_row(one)] for one in found.agreement]
        parts.append(card("Agreement between raters", table("coefficient|#tasks|#value", rows)))
    parts.append(card("Raters", _render_raters(found)))
    if found.unsafe:
        parts.append(card("Flagged as unsafe", f"<p>{', '.join(map(escape, found.unsafe))}</p>"))
    parts.append(card("How this was counted", _render_method(found)))
    return report_page(found.title, "human study", "".join(parts))


def _summary_figures(found: StudyReport) -> list[tuple[str, str, str]]:
    shown = [("Tasks judged", f"{found.judged:,}", f"of {found.tasks:,}, by {_count(len(found.raters), 'rater')}")]
    if found.pairs and found.pairs[0].share is not None:
        shown.append(_describe_preference(found.pairs[0], found.pairs[0].share))
    alpha = next((one for one in found.agreement if "alpha" in one.name), None)
    if alpha is not None:
        shown.append(
            (
                "Alpha",
                "–" if math.isnan(alpha.value) else f"{alpha.value:.2f}",
                f"over {_count(alpha.tasks, 'shared task')}",
            )
        )
    gold, right = sum(one.gold for one in found.raters), sum(one.gold_right for one in found.raters)
    if gold:
        shown.append(("Gold right", f"{100 * right / gold:.0f} %", f"{right} of {gold}"))
    elif found.position is not None and found.position.share is not None:
        shown.append(("Share of A", f"{100 * found.position.share.value:.0f} %", "50 % if the side does not matter"))
    return shown


def _describe_preference(pair: PairReport, share: Interval) -> tuple[str, str, str]:
    """Who is preferred, as far as the interval allows to say it."""
    n = pair.wins + pair.losses
    ends = f"{format_percent(share.low)} to {format_percent(share.high)} with 95 % confidence"
    won = f"{pair.first} won {pair.wins} of {n} without ties: {format_percent(share.value)}, {ends}"
    if share.low <= 0.5 <= share.high:
        return "Preferred", "undecided", won
    return "Preferred", pair.first if share.low > 0.5 else pair.second, won


def _render_wins(found: StudyReport) -> str:
    spans = [
        ChartInterval(
            f"{pair.first} over {pair.second}", pair.share.value, pair.share.low, pair.share.high, _bar_style(pair)
        )
        for pair in found.pairs
        if pair.share is not None
    ]
    return interval_chart("Win rate among tasks with a winner", spans, lambda value: f"{100 * value:.0f} %", mark=0.5)


def _bar_style(pair: PairReport) -> str:
    """Another colour where the interval leaves a half on one side."""
    if pair.share is None or pair.share.low <= 0.5 <= pair.share.high:
        return "b"
    return "a"


def _render_pairs(found: StudyReport) -> str:
    rows = [
        [
            *(f"{pair.first} over {pair.second}", pair.wins, pair.losses, pair.ties, pair.bad),
            *(_format_interval(pair.share), _format_interval(pair.share_with_ties), format_p(pair.p)),
        ]
        for pair in found.pairs
    ]
    notes = [f"{pair.first} over {pair.second}: {note}" for pair in found.pairs if (note := _describe_exclusions(pair))]
    shown = f'<p class="quiet">{escape("; ".join(notes))}</p>' if notes else ""
    return table("|#wins|#losses|#ties|#both bad|#win rate|#ties as halves|#p", rows) + shown


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _describe_exclusions(pair: PairReport) -> str:
    """What the counts leave out."""
    reasons = [
        f"{_count(pair.same, 'item')} with identical answers, not shown" if pair.same else "",
        f"{pair.failed} with a missing answer" if pair.failed else "",
        f"interval by {pair.method}" if pair.method not in ("", "tango") else "",
    ]
    return ", ".join(filter(None, reasons))


def _render_strengths(found: StudyReport) -> str:
    if not found.strengths:
        return f"<p>{escape(found.no_strengths)}</p>"
    return table(
        "run|#logits|#standard error", [[s.name, f"{s.value:+.3f}", f"{s.error:.3f}"] for s in found.strengths]
    )


def _render_levels(found: StudyReport) -> str:
    means = [_make_span(f"{row.criterion}: {row.run}", row) for row in found.levels if not row.against]
    gains = [row for row in found.levels if row.against]
    chart = interval_chart("Mean level", means, _format_number)
    rows = [[row.criterion, row.run, row.against, row.tasks, _format_row(row)] for row in gains]
    return chart + (
        card("Gains over the same items", table("criterion|run|against|#items|#gain", rows)) if rows else ""
    )


def _render_raters(found: StudyReport) -> str:
    rows = [
        [
            *(one.name, one.judged, one.skipped, _describe_pace(one)),
            *(
                f"{one.gold_right} of {one.gold}" if one.gold else None,
                _format_interval(one.gold_share),
                _format_interval(one.left),
            ),
        ]
        for one in found.raters
    ]
    side = ""
    if found.position is not None and found.position.share is not None:
        side = (
            f"<p>Raters chose A in {_format_interval(found.position.share)} of the {found.position.votes} votes that "
            f"prefer one side (p {format_p(found.position.p)}). A is assigned at random, so 0.5 is expected.</p>"
        )
    return table("rater|#judged|#skipped|#seconds per task|#gold right|#gold share|#share of A", rows) + side


def _describe_pace(one: RaterReport) -> Html | str | None:
    if one.median_s is None:
        return None
    return (
        Html(f'<span class="down">{one.median_s:.1f}, too fast to read</span>')
        if one.hurried
        else f"{one.median_s:.1f}"
    )


def _render_method(found: StudyReport) -> str:
    return (
        f"<p>{found.votes} votes, {found.corrected} of them corrected later (the last one counts), {found.settled} "
        "settled by the lead. Each task counts once: the lead's decision if there is one, else the majority, else "
        "a tie. Agreement is measured on the raters' own votes without gold tasks; its intervals are percentile "
        "bootstraps over tasks. Win rates have "
        "Tango's interval, or a bootstrap of clusters where items belong together; p is the two-sided sign test, "
        "mid-p. Bradley and Terry's strengths are maximum likelihood, ties as halves, errors from the observed "
        "information.</p>"
    )


def _make_span(name: str, one: Coefficient | object) -> ChartInterval:
    value, low, high = (float(getattr(one, field)) for field in ("value", "low", "high"))
    return ChartInterval(name, value, None if math.isnan(low) else low, None if math.isnan(high) else high)


def _format_row(one: object) -> str:
    return format_estimate(*(float(getattr(one, field)) for field in ("value", "low", "high")))


def _format_interval(found: Interval | None) -> str | None:
    return None if found is None else format_estimate(found.value, found.low, found.high)


def _format_number(value: float) -> str:
    return f"{value:g}"
