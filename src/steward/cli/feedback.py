"""`steward feedback`: how clients rated the answers."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from steward.cli.common import HomeOption, JsonOption, find_home, show_json, show_lines, show_table
from steward.cli.lazy import CsvRows
from steward.core.durations import parse_span_s


def feedback(
    since: Annotated[str | None, typer.Option(help="How far back to look, such as 24h or 30d.")] = None,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=1, max=500, help="Number of ratings to show, newest first.")
    ] = 20,
    show_content: Annotated[
        bool, typer.Option("--show-content", help="Decrypt and print comments and corrections.")
    ] = False,
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows("last", "contents")] = False,
) -> None:
    """Show scores by label and the latest ratings."""
    from steward.workflows import feedback as workflow

    folder = find_home(home)
    report = workflow.read_report(folder, time.time() - parse_span_s(since) if since else 0.0, lines)
    contents = workflow.open_contents(folder, report) if show_content else []
    if json:
        show_json({"feedback": report, "contents": contents} if show_content else report)
        return
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
            f"{row.score:+.2f}",
            row.label,
            row.model,
        ]
        for row in report.last
    ]
    show_table(["request", "at", "score", "label", "model"], rows)
    for content in contents:
        show_lines(
            [f"{content.request_id}  comment: {content.comment or '-'}  correction: {content.correction or '-'}"]
        )
