"""`steward metrics query|engines`: latency, tokens, money and satisfaction over time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steward.cli.common import HomeOption, JsonOption, OnlyTenantOption, find_home, show_json, show_lines, show_table
from steward.cli.lazy import CsvRows
from steward.core.errors import InputError
from steward.core.gauges import EngineState


def query(
    question: Annotated[
        str, typer.Argument(help='Metric, statistic, grouping and conditions, such as "ttft p95 by model".')
    ],
    since: Annotated[str, typer.Option(help="How far back to look, such as 24h or 7d.")] = "24h",
    html: Annotated[Path | None, typer.Option("--html", help="Write a page with a chart to this file.")] = None,
    tenant: OnlyTenantOption = None,
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows("groups")] = False,
) -> None:
    """Answer a question such as "ttft p95 by model" from the recorded series."""
    from steward.core.files import write_file
    from steward.monitoring.metric_answer import has_intervals
    from steward.monitoring.metric_page import format_interval, format_value, make_metric_page, name_group
    from steward.workflows.metrics import query_metrics

    answer = query_metrics(find_home(home), question, since, tenant=tenant)
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
        intervals = has_intervals(answer)
        rows = [
            [
                name_group(group),
                format_value(group.value, answer.unit),
                *(format_interval(group) or ["-"] if intervals else []),
                group.count,
            ]
            for group in answer.groups
        ]
        by = answer.query.partition(" by ")[2].partition(" where ")[0] or "group"
        asked = answer.query.partition(" by ")[0].partition(" where ")[0]
        show_table([by, asked, *(["95 % interval"] if intervals else []), _name_count(answer.query)], rows)
    span = {60: "minutes", 3600: "hours", 86400: "days"}[answer.resolution_s]
    exactness = f"; values are within {answer.relative_error:.0%} of the exact ones" if answer.relative_error else ""
    show_lines([f"From {span}{exactness}."])
    if html is not None:
        show_lines([f"Page: {html}"])


def _name_count(query: str) -> str:
    from steward.monitoring.metric_query import parse_query

    kind = parse_query(query).metric.kind
    return {"share": "of", "gauge": "samples", "counter": "samples"}.get(kind, "requests")


def engines(home: HomeOption = None, json: Annotated[JsonOption, CsvRows()] = False) -> None:
    """Show what each model's engine told of itself last. Exits with 1 if one tells nothing, or less than before."""
    from steward.monitoring.engine_metrics import list_missing
    from steward.workflows.engine_metrics import read_engine_states

    states = read_engine_states(find_home(home))
    if json:
        show_json(states)
    elif not states:
        show_lines(["No engine is asked. Set metrics_url on a model in steward.yaml, then run `steward reload`."])
    else:
        _show_engines(states)
    if any(state.state != "ok" or list_missing(state) for state in states):
        raise typer.Exit(1)


def _show_engines(states: list[EngineState]) -> None:
    rows = []
    for state in states:
        if state.state != "ok":
            rows.append([state.model, state.engine or None, None, state.state, None, state.error])
            continue
        for name, metric in state.metrics.items():
            value = None if metric.value is None else f"{metric.value:,.4g}"
            rows.append([state.model, state.engine, name, metric.state, value, metric.source or None])
    show_table(["model", "engine", "metric", "state", "value", "name there, or why"], rows)
    show_lines(
        f"{state.model}: {state.rejected:,} values that no engine can have were left out."
        for state in states
        if state.rejected
    )
