"""`steward metrics query`: latency, tokens, money and satisfaction over time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steward.cli.common import HomeOption, JsonOption, find_home, show_json, show_lines, show_table
from steward.cli.lazy import CsvRows
from steward.core.errors import InputError


def query(
    question: Annotated[
        str, typer.Argument(help='Metric, statistic, grouping and conditions, such as "ttft p95 by model".')
    ],
    since: Annotated[str, typer.Option(help="How far back to look, such as 24h or 7d.")] = "24h",
    html: Annotated[Path | None, typer.Option("--html", help="Write a page with a chart to this file.")] = None,
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows("groups")] = False,
) -> None:
    """Answer a question such as "ttft p95 by model" from the recorded series."""
    from steward.core.files import write_file
    from steward.monitoring.metric_answer import SHARE
    from steward.monitoring.metric_page import format_interval, format_value, make_metric_page, name_group
    from steward.workflows.metrics import query_metrics

    answer = query_metrics(find_home(home), question, since)
    if html is not None:
        try:
            write_file(html, make_metric_page(answer).encode())
        except OSError as error:
            raise InputError(f"--html {html}: {error.strerror}; choose a file in a folder that exists") from error
    if json:
        show_json(answer)
        return
    if not answer.groups:
        show_lines([f"No requests in the last {since}."])
    else:
        rows = [
            [
                name_group(group),
                format_value(group.value, answer.unit),
                *(format_interval(group) or ["-"] if answer.unit == SHARE else []),
                group.count,
            ]
            for group in answer.groups
        ]
        by = answer.query.partition(" by ")[2].partition(" where ")[0] or "group"
        asked = answer.query.partition(" by ")[0].partition(" where ")[0]
        interval = ["95 % interval"] if answer.unit == SHARE else []
        show_table([by, asked, *interval, "of" if interval else "requests"], rows)
    span = {60: "minutes", 3600: "hours", 86400: "days"}[answer.resolution_s]
    exactness = f"; values are within {answer.relative_error:.0%} of the exact ones" if answer.relative_error else ""
    show_lines([f"From {span}{exactness}."])
    if html is not None:
        show_lines([f"Page: {html}"])
