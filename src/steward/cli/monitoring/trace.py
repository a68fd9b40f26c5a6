"""`steward trace`: the timeline of one request."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from steward.cli.common import HomeOption, JsonOption, find_home, show_json, show_lines, show_table
from steward.cli.lazy import CsvRows

WIDTH = 40  # letters of the bars


def trace(
    request_id: Annotated[str, typer.Argument(help="Id of the request, as in the header x-request-id.")],
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows("stages")] = False,
) -> None:
    """Show where the time of one request went, without its content."""
    from steward.workflows.traces import find_trace

    timeline = find_trace(find_home(home), request_id)
    if json:
        show_json(timeline)
        return
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(timeline.at))
    show_lines(
        [
            f"{timeline.outcome} {timeline.status}, {1000 * timeline.duration_s:,.1f} ms, {at}",
            f"{timeline.endpoint}, route {timeline.route}, model {timeline.model or 'none'}, key {timeline.key_id}",
            f"{timeline.input_tokens:,} tokens in, {timeline.output_tokens:,} out; trace {timeline.trace_id}",
            "",
        ]
    )
    rows = [
        [
            stage.name,
            f"{1000 * stage.start_s:,.1f}",
            f"{1000 * stage.duration_s:,.1f}",
            draw_bar(stage.start_s, stage.duration_s, timeline.duration_s),
            stage.detail,
        ]
        for stage in timeline.stages
    ]
    show_table(["stage", "starts, ms", "took, ms", "", "detail"], rows)
    show_lines(["Times count from when the key was known."])
    if timeline.guards:
        show_lines([f"Guards: {', '.join(timeline.guards)}"])


def draw_bar(start_s: float, duration_s: float, whole_s: float, width: int = WIDTH) -> str:
    """
    >>> draw_bar(1.0, 2.0, 4.0, width=8)
    '  ====  '
    """
    if whole_s <= 0.0:
        return " " * width
    first = min(width - 1, max(0, round(width * start_s / whole_s)))
    last = min(width, max(first + 1, round(width * (start_s + duration_s) / whole_s)))
    return " " * first + "=" * (last - first) + " " * (width - last)
