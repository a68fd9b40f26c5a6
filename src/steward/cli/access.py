"""`steward access explain|list|grant|remove|roles|role|matrix`."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from steward.cli.common import (
    HomeOption,
    JsonOption,
    ReasonOption,
    find_home,
    keep_finding,
    show_json,
    show_lines,
    show_table,
)
from steward.cli.lazy import CsvRows

if TYPE_CHECKING:
    from steward.core.identity import Right
    from steward.security.access_matrix import AccessRow

Subject = Annotated[str, typer.Argument(help="Name of a user, or group:NAME.")]
RoleArgument = Annotated[str, typer.Argument(help="Name of the role; `steward access roles` lists them.")]
PlaceOption = Annotated[
    str, typer.Option("--at", help="TENANT, TENANT/PROJECT, TENANT/PROJECT/route:NAME, or route:NAME.")
]


def explain(
    who: Annotated[str, typer.Argument(help="Id or name of a key or a user, or `operator`.")],
    what: Annotated[str, typer.Argument(help="A right (infer), with a place (infer@route:small), or an endpoint.")],
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Explain whether somebody may do something, and which grant decides it. Exits with 1 if not."""
    from steward.core.identity import operator
    from steward.workflows.explain_access import explain_access
    from steward.workflows.serve.endpoints import list_gateway_endpoints

    explanation = explain_access(
        find_home(home),
        who,
        what,
        time.time(),
        actor=operator(os.getuid()),
        endpoints=list_gateway_endpoints(),
    )
    if json:
        show_json(explanation)
    else:
        show_lines([f"{'allowed' if explanation.allowed else 'denied'}: {explanation.because}"])
    if not explanation.allowed:
        raise typer.Exit(1)


def list_(home: HomeOption = None, json: Annotated[JsonOption, CsvRows()] = False) -> None:
    """List who has which role where."""
    from steward.core.identity import operator
    from steward.workflows import access

    grants = access.list_grants(find_home(home), time.time(), actor=operator(os.getuid()))
    if json:
        show_json(grants)
    else:
        rows = [[grant.subject, grant.role, str(grant.place), grant.created_by] for grant in grants]
        show_table(["who", "role", "at", "granted by"], rows)


def grant(
    subject: Subject,
    role: RoleArgument,
    at: PlaceOption = "default",
    reason: ReasonOption = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Give a role to a user or a group."""
    from steward.core.identity import DEFAULT_TENANT, operator
    from steward.security.access import parse_place
    from steward.workflows import access

    place = parse_place(at, DEFAULT_TENANT)
    granted = access.grant_role(find_home(home), subject, role, place, time.time(), actor=operator(os.getuid(), reason))
    if json:
        show_json(granted)
    else:
        show_lines([f"{granted.subject} has the role {granted.role} at {granted.place}."])


def remove(
    subject: Subject,
    role: RoleArgument,
    at: PlaceOption = "default",
    reason: ReasonOption = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Remove a role from a user or a group. Its rights end within a second."""
    from steward.core.identity import DEFAULT_TENANT, operator
    from steward.security.access import parse_place
    from steward.workflows import access

    place = parse_place(at, DEFAULT_TENANT)
    gone = access.remove_grants(find_home(home), subject, role, place, time.time(), actor=operator(os.getuid(), reason))
    if json:
        show_json(gone)
    else:
        show_lines([f"{gone.subject} no longer has the role {gone.role} at {gone.place}."])


def roles(home: HomeOption = None, json: Annotated[JsonOption, CsvRows()] = False) -> None:
    """List the roles and their rights."""
    from steward.workflows import access

    known = access.list_roles(find_home(home), time.time())
    if json:
        show_json(known)
    else:
        rows = [[role.name, "built in" if role.built_in else "", ", ".join(sorted(role.rights))] for role in known]
        show_table(["role", "", "rights"], rows)


def role(
    name: Annotated[str, typer.Argument(help="Name of the role.")],
    rights: Annotated[str, typer.Option(help="Its rights, separated by commas.")],
    reason: ReasonOption = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Create a role, or change its rights."""
    from steward.core.identity import operator
    from steward.workflows import access

    names = [part.strip() for part in rights.split(",") if part.strip()]
    stored = access.put_role(find_home(home), name, names, time.time(), actor=operator(os.getuid(), reason))
    if json:
        show_json(stored)
    else:
        show_lines([f"{stored.name}: {', '.join(sorted(stored.rights))}"])


def matrix(
    apart: Annotated[
        list[str] | None,
        typer.Option(help="Rights that nobody may hold together, such as prompts.manage,approvals.decide; repeatable."),
    ] = None,
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows("rows")] = False,
) -> None:
    """Show who may do what where, of all tenants, and what breaks a rule; kept as evidence. Exits with 1 if a rule is
    broken, and with 3 if nobody has access."""
    from steward.security.access_matrix import RULES, parse_apart
    from steward.workflows.access_matrix import list_matrix
    from steward.workflows.findings import describe_access

    shown = list_matrix(find_home(home), time.time(), parse_apart(apart or []))
    finding = describe_access(shown)
    keep_finding(finding, home)
    if json:
        show_json(shown)
    else:
        rows = [[row.who, row.at, _describe_rights(row.rights), _describe_models(row)] for row in shown.rows]
        show_table(["who", "at", "may", "models"], rows)
        show_lines(["", finding.value.partition("; ")[0] + "."])
        show_lines([f"Broken: {RULES[one.rule]}: {one.who} {one.problem}. Mend it: {one.fix}" for one in shown.faults])
    if finding.verdict != "pass":
        raise typer.Exit(1 if finding.verdict == "fail" else 3)


def _describe_rights(rights: Sequence[Right]) -> str:
    from steward.core.identity import ALL_RIGHTS

    return "everything" if set(rights) >= ALL_RIGHTS else ", ".join(rights) or "nothing"


def _describe_models(row: AccessRow) -> str | None:
    if "infer" not in row.rights:
        return None
    return "all" if row.models is None else ", ".join(row.models) or "none"
