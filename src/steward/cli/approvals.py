"""`steward approve|reject|approvals`."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Annotated

import typer

from steward.cli.common import (
    MOST_LINES,
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

if TYPE_CHECKING:
    from steward.core.approvals import ApprovalVerdict
    from steward.workflows.approvals import ApprovalView

RequestArgument = Annotated[str, typer.Argument(help="Id of the request; `steward approvals` lists them.")]


def approvals(
    context: typer.Context,
    all_states: Annotated[bool, typer.Option("--all", help="Rejected and expired ones too.")] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=1, max=MOST_LINES, help="Number of requests to show.")
    ] = 20,
    tenant: OnlyTenantOption = None,
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows()] = False,
) -> None:
    """List the changes that wait for approval."""
    if context.invoked_subcommand is not None:
        return
    from steward.core.identity import operator
    from steward.workflows.approvals import list_approvals

    views = list_approvals(
        find_home(home), time.time(), lines, actor=operator(os.getuid()), all_states=all_states, tenant=tenant
    )
    if json:
        show_json(views)
        return
    if not views:
        show_lines(["Nothing waits for approval."])
        return
    rows = [
        [view.request.id, view.request.subject, view.state, view.request.requested_by, _when(view.request.requested_at)]
        for view in views
    ]
    show_table(["request", "change", "state", "by", "at"], rows)


def list_(
    context: typer.Context,
    all_states: Annotated[bool, typer.Option("--all", help="Rejected and expired ones too.")] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=1, max=MOST_LINES, help="Number of requests to show.")
    ] = 20,
    tenant: OnlyTenantOption = None,
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows()] = False,
) -> None:
    """List the changes that wait for approval, as `steward approvals` does."""
    approvals(context, all_states, lines, tenant, home, json)


def show(request: RequestArgument, home: HomeOption = None, json: JsonOption = False) -> None:
    """Show a request: what would change, who decided what, and which requirements are met."""
    from steward.core.identity import operator
    from steward.workflows.approvals import show_approval

    view = show_approval(find_home(home), request, time.time(), actor=operator(os.getuid()))
    if json:
        show_json(view)
    else:
        show_lines(_describe(view))


def approve(
    request: RequestArgument, reason: ReasonOption = "", home: HomeOption = None, json: JsonOption = False
) -> None:
    """Approve a change of somebody else."""
    _decide(request, "approve", reason, home, json)


def reject(
    request: RequestArgument, reason: ReasonOption = "", home: HomeOption = None, json: JsonOption = False
) -> None:
    """Reject a change. It stays rejected until you approve it or it is changed."""
    _decide(request, "reject", reason, home, json)


def _decide(request: str, verdict: ApprovalVerdict, reason: str, home: HomeOption, json: bool) -> None:
    from steward.core.identity import operator
    from steward.workflows.approvals import decide

    view = decide(find_home(home), request, verdict, time.time(), actor=operator(os.getuid(), reason))
    if json:
        show_json(view)
        return
    lines = [f"{view.request.id} ({view.request.subject}): {view.state}"]
    show_lines([*lines, *_describe_requirements(view)])


def _describe(view: ApprovalView) -> list[str]:
    request = view.request
    lines = [
        f"{request.id}: {request.subject}, {view.state}",
        f"  digest     {request.digest}",
        f"  asked by   {request.requested_by} at {_when(request.requested_at)}; until {_when(request.expires_at)}",
        f"  authors    {', '.join(request.authors)}",
    ]
    lines += [f"  {item.verdict:<9}  {item.person} at {_when(item.at)}" for item in view.decisions]
    return [*lines, *_describe_requirements(view), "", *view.diff]


def _describe_requirements(view: ApprovalView) -> list[str]:
    return [
        f"  {'met' if item.met else 'not met':<9}  {item.requirement}: {item.because}"
        + (f"; {item.next}" if item.next else "")
        for item in view.requirements
    ]


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))
