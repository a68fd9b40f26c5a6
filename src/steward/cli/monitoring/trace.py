"""`steward trace`: the timeline of one request."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

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
from steward.core.identity import operator

WIDTH = 40  # letters of the bars


def trace(
    request_id: Annotated[str, typer.Argument(help="Id of the request, as in the header x-request-id.")],
    content: Annotated[
        bool,
        typer.Option(
            "--content", help="Show what was asked and answered, where it was captured. Needs --reason; it is recorded."
        ),
    ] = False,
    tenant: OnlyTenantOption = None,
    reason: ReasonOption = "",
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows("stages")] = False,
) -> None:
    """Show where the time of one request went; its content only with --content."""
    if content:
        _show_content(request_id, reason, tenant, home, json)
        return
    from steward.workflows.traces import find_trace

    timeline = find_trace(find_home(home), request_id, tenant=tenant)
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


def _show_content(request_id: str, reason: str, tenant: str | None, home: Path | None, json: bool) -> None:
    from steward.workflows.request_content import open_request_content

    actor = operator(os.getuid(), reason)
    read = open_request_content(find_home(home), request_id, time.time(), actor=actor, tenant=tenant)
    if json:
        show_json(read)
        return
    if read.purpose is None:
        show_lines(["What was asked and answered is not kept. Rules of `capture` in steward.yaml say what is."])
    elif read.erased:
        show_lines(["What was asked and answered was erased: its key is destroyed."])
    else:
        kept = time.strftime("%Y-%m-%d", time.localtime(read.expires_at))
        form = "as the client sent it" if read.form == "as_sent" else "masked by the guards"
        show_lines([f"Kept for {read.purpose} until {kept}, {form}.", "", "Request", read.request])
        for text in read.answer:
            show_lines(["", f"Answer {text.choice + 1}, {text.field}", text.text])
        show_lines([] if read.complete else ["", "The answer broke off here."])
    for rating in read.ratings:
        words = (
            "erased" if rating.erased else f"comment: {rating.comment or '-'}  correction: {rating.correction or '-'}"
        )
        show_lines(["", f"Rating {rating.id}", words])


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
