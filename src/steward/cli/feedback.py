"""`steward feedback`: how clients rated the answers, and what else they did with them."""

from __future__ import annotations

import os
import time
from typing import Annotated

import msgspec
import typer

from steward.cli.common import (
    HomeOption,
    JsonOption,
    OnlyTenantOption,
    ReasonOption,
    find_home,
    show_json,
    show_lines,
    show_table,
)
from steward.cli.lazy import CsvRows
from steward.core.durations import parse_span_s
from steward.core.identity import operator
from steward.core.rates import Rate
from steward.core.records import FeedbackReport
from steward.monitoring.satisfaction import SatisfactionField, SatisfactionRow


def feedback(
    since: Annotated[str | None, typer.Option(help="How far back to look, such as 24h or 30d.")] = None,
    by: Annotated[
        SatisfactionField,
        typer.Option(help="Show rates by model, prompt (version), route (and version of the configuration), or all."),
    ] = "model",
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=1, max=500, help="Number of ratings to show, newest first.")
    ] = 20,
    show_content: Annotated[
        bool,
        typer.Option("--show-content", help="Decrypt and print comments and corrections. The audit log records it."),
    ] = False,
    tenant: OnlyTenantOption = None,
    reason: ReasonOption = "",
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows("satisfaction", "last", "contents")] = False,
) -> None:
    """Show satisfaction with its interval, what people did with answers, and the latest ratings."""
    from steward.workflows import feedback as workflow

    folder, start = find_home(home), time.time() - parse_span_s(since) if since else 0.0
    report = workflow.read_report(folder, start, lines, tenant=tenant)
    rates = workflow.read_satisfaction(folder, start, by, tenant=tenant)
    contents = workflow.open_contents(folder, report, actor=operator(os.getuid(), reason)) if show_content else []
    if json:
        record = {**msgspec.structs.asdict(report), "satisfaction": rates}
        show_json({"feedback": record, "contents": contents} if show_content else record)
        return
    _show_rates(rates, by)
    _show_ratings(report)
    for content in contents:
        show_lines(
            [f"{content.request_id}  comment: {content.comment or '-'}  correction: {content.correction or '-'}"]
        )


def _show_rates(rates: tuple[SatisfactionRow, ...], by: str) -> None:
    rows = [
        [
            row.name,
            _rate(row.satisfaction),
            row.ratings,
            row.people,
            _share(row.response_rate),
            *(_share(rate) for rate in (row.regenerate, row.abandon, row.copied, row.rephrase)),
            _rate(row.quality),
        ]
        for row in rates
    ]
    columns = ["satisfied", "ratings", "people", "answers rated", "regenerate", "abandon", "copy", "rephrase"]
    show_table([by, *columns, "quality"], rows)


def _show_ratings(report: FeedbackReport) -> None:
    mean = "-" if report.mean_score is None else f"{report.mean_score:+.2f}"
    rest = f"{report.unmatched} more match no request that their key may rate"
    show_lines([f"{report.count} ratings, mean score {mean}; {rest}"])
    show_table(
        ["label", "count", "mean score"], [[row.name, row.count, f"{row.mean_score:+.2f}"] for row in report.by_label]
    )
    rows = [
        [
            row.request_id,
            time.strftime("%Y-%m-%d %H:%M", time.localtime(row.at)),
            row.kind,
            f"{row.score:+.2f}" if row.kind in ("explicit", "judge") else None,
            row.label,
            row.model,
        ]
        for row in report.last
    ]
    show_table(["request", "at", "kind", "score", "label", "model"], rows)


def _rate(rate: Rate) -> str | None:
    """
    >>> _rate(Rate(0.8, 0.7, 0.9))
    '80% (70-90)'
    """
    if rate.value is None or rate.low is None or rate.high is None:
        return None
    return f"{rate.value:.0%} ({100 * rate.low:.0f}-{100 * rate.high:.0f})"


def _share(rate: Rate) -> str | None:
    return None if rate.value is None else f"{rate.value:.1%}"
