"""`steward appeals list|show|answer`: people who object to an answer, and what a person decided."""

from __future__ import annotations

import os
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from steward.cli.common import HomeOption, JsonOption, ReasonOption, find_home, show_json, show_lines, show_table
from steward.cli.lazy import CsvRows
from steward.core.errors import InputError
from steward.core.identity import operator


class OutcomeName(StrEnum):
    """What a person decided."""

    UPHELD = "upheld"
    PARTLY = "partly"
    REJECTED = "rejected"


AppealArgument = Annotated[str, typer.Argument(metavar="APPEAL", help="Id, as `steward appeals list` shows it.")]


def list_(
    every: Annotated[bool, typer.Option("--all", help="Also those that are decided.")] = False,
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows()] = False,
) -> None:
    """List the appeals that wait for a person, with the day by which somebody decides."""
    from steward.workflows.appeals import list_appeals

    now = time.time()
    appeals = list_appeals(find_home(home), now, tenant=None, every=every)
    if json:
        show_json(appeals)
        return
    if not appeals:
        show_lines(["No appeal waits. Clients send them to POST /v1/appeals." if not every else "Nobody has appealed."])
        return
    rows = [[one.id, _day(one.at), one.decide_by, one.state, one.request_id, one.model] for one in appeals]
    show_table(["appeal", "came", "decide by", "state", "request", "model"], rows)
    if any(one.outcome is None for one in appeals):
        show_lines(["", "Read one: steward appeals show APPEAL --reason 'decide the appeal'"])


def show(appeal: AppealArgument, reason: ReasonOption = "", home: HomeOption = None, json: JsonOption = False) -> None:
    """Decrypt and print what somebody wrote. The audit log records who read it and why."""
    from steward.workflows.appeals import open_appeal

    words = open_appeal(find_home(home), appeal, actor=operator(os.getuid(), reason), tenant=None)
    if json:
        show_json(words)
        return
    if words.erased:
        show_lines([f"{words.id}: its words were erased."])
        return
    lines = [f"{words.id}, on {words.request_id}", f"  ground    {words.ground}", f"  wish      {words.wish or '-'}"]
    if words.reason is not None:
        lines += [f"  decision  {words.reason}", f"  remedy    {words.remedy or '-'}"]
    else:
        lines += [f"The request: steward trace {words.request_id} --content --reason 'decide the appeal'"]
    show_lines(lines)


def answer(
    appeal: AppealArgument,
    outcome: Annotated[OutcomeName, typer.Option(help="What you decided.")],
    words: Annotated[str, typer.Option(help="Why, in a sentence that the person can be told. Kept sealed.")],
    remedy: Annotated[str, typer.Option(help="What was done about it. Kept sealed.")] = "",
    item: Annotated[
        Path | None, typer.Option(help="Add the case to this file of evaluation items; with --expected.")
    ] = None,
    expected: Annotated[str, typer.Option(help="The answer that would have been right, for --item.")] = "",
    question: Annotated[str, typer.Option(help="What was asked, for --item where the request was not captured.")] = "",
    reason: ReasonOption = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Keep what you decided. A decision stays; the audit log has it without its words."""
    from steward.workflows import appeals

    if item is None and (expected or question):
        raise InputError("--expected and --question are for an evaluation item: --item items.jsonl")
    folder, actor = find_home(home), operator(os.getuid(), reason)
    made = None
    if item is not None:
        made = appeals.make_item(folder, appeal, question, expected, actor=actor, tenant=None)
    decision = appeals.answer_appeal(
        folder,
        appeal,
        outcome.value,
        words,
        time.time(),
        actor=actor,
        tenant=None,
        remedy=remedy,
        item=made,
        item_file=item,
    )
    if json:
        show_json(decision)
        return
    added = f" The case is an item of {decision.item}." if decision.item else ""
    show_lines([f"{decision.appeal}: {decision.outcome}, decided by {decision.by}.{added}"])


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(at))
