"""`steward batch list|show|cancel`."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Annotated

import typer

from steward.cli.common import HomeOption, JsonOption, ReasonOption, find_home, show_json, show_lines, show_table
from steward.cli.lazy import CsvRows

if TYPE_CHECKING:
    from steward.workflows.batches import BatchView

Name = Annotated[str, typer.Argument(help="Id of the batch.")]


def list_(home: HomeOption = None, json: Annotated[JsonOption, CsvRows()] = False) -> None:
    """List the batches of this home, newest first."""
    from steward.workflows import batches

    listed = batches.list_batches(find_home(home))
    if json:
        show_json(listed)
        return
    if not listed:
        show_lines(["No batches. Clients make them with client.batches.create (POST /v1/batches)."])
        return
    rows = [
        [one.id, one.status, _format_progress(one), one.failed, one.project, one.key_id, _format_time(one.created_at)]
        for one in listed
    ]
    show_table(["id", "status", "done", "failed", "project", "key", "created"], rows)


def show(
    name: Name,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing until the batch is over.")] = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Show a batch and how far it is."""
    from steward.workflows import batches

    folder = find_home(home)
    batch = batches.show_batch(folder, name)
    while follow and batch.ended_at is None:
        if not json:
            show_lines([f"{batch.status}: {_format_progress(batch)}, {batch.failed:,} failed"])
        time.sleep(2.0)
        batch = batches.show_batch(folder, name)
    if json:
        show_json(batch)
        return
    show_lines(
        [
            f"{batch.id}: {batch.status}",
            f"  requests  {_format_progress(batch)}, {batch.failed:,} failed",
            f"  endpoint  {batch.endpoint}",
            f"  key       {batch.key_id} (project {batch.project}, tenant {batch.tenant})",
            f"  created   {_format_time(batch.created_at)}",
            f"  {'ended' if batch.ended_at else 'expires':<8}  {_format_time(batch.ended_at or batch.expires_at)}",
            f"  input     {batch.input_file_id}",
            *([f"  output    {batch.output_file_id}"] if batch.output_file_id else []),
            *([f"  errors    {batch.error_file_id}"] if batch.error_file_id else []),
            *(f"  {words}" for words in batch.errors),
        ]
    )


def cancel(name: Name, reason: ReasonOption = "", home: HomeOption = None, json: JsonOption = False) -> None:
    """Cancel a batch: requests under way are answered, no others are sent."""
    from steward.core.identity import operator
    from steward.workflows import batches

    batch = batches.cancel_batch(find_home(home), name, actor=operator(os.getuid(), reason))
    if json:
        show_json(batch)
    else:
        show_lines([f"{batch.id} is being cancelled. Watch it with: steward batch show {batch.id} --follow"])


def _format_progress(batch: BatchView) -> str:
    return f"{batch.completed + batch.failed:,} of {batch.total:,} ({batch.share:.0%})"


def _format_time(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))
