"""`steward users add|list|role|disable|enable|password|totp`."""

from __future__ import annotations

import os
import time
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

NameArgument = Annotated[str, typer.Argument(help="The user's name.")]


def add(
    name: NameArgument,
    role: Annotated[str | None, typer.Option(help="Role in the tenant: viewer, developer, … Default: none.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Tenant that the user belongs to. Default: `default`.")] = None,
    groups: Annotated[str, typer.Option(help="Groups, separated by commas; roles can be granted to them.")] = "",
    reason: ReasonOption = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Add a user."""
    from steward.core.identity import operator
    from steward.workflows import access

    added = access.add_person(
        find_home(home),
        name,
        time.time(),
        actor=operator(os.getuid(), reason),
        tenant=tenant,
        groups=[part.strip() for part in groups.split(",") if part.strip()],
        role=role,
    )
    if json:
        show_json(added)
        return
    show_lines([f"Added {added.id} of the tenant {added.tenant}: {', '.join(added.roles) or 'no role yet'}."])
    if not added.roles:
        show_lines([f"Give a role with: steward users role {added.id} viewer"])


def list_(
    tenant: OnlyTenantOption = None, home: HomeOption = None, json: Annotated[JsonOption, CsvRows()] = False
) -> None:
    """List all users and their roles."""
    from steward.core.identity import operator
    from steward.workflows import access

    people = access.list_people(find_home(home), time.time(), actor=operator(os.getuid()), tenant=tenant)
    if json:
        show_json(people)
        return
    if not people:
        show_lines(["No users yet. Add one with: steward users add anna --role viewer"])
        return
    rows = [
        [person.id, person.tenant, ", ".join(person.roles), "disabled" if person.disabled_at is not None else ""]
        for person in people
    ]
    show_table(["user", "tenant", "roles", ""], rows)


def role(
    name: NameArgument,
    role: Annotated[str, typer.Argument(help="Name of the role; `steward access roles` lists them.")],
    at: Annotated[
        str | None,
        typer.Option("--at", help="TENANT/PROJECT or TENANT/PROJECT/route:NAME. Default: the user's tenant."),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the role away.")] = False,
    reason: ReasonOption = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Give a user a role, or remove it. The change takes effect within a second."""
    from steward.core.identity import operator
    from steward.workflows import access

    folder, now, actor = find_home(home), time.time(), operator(os.getuid(), reason)
    place = access.find_place(folder, name, at, now, actor=actor)
    change = access.remove_grants if remove else access.grant_role
    done = change(folder, name, role, place, now, actor=actor)
    if json:
        show_json(done)
    else:
        show_lines([f"{name} {'no longer has' if remove else 'has'} the role {role} at {place}."])


def disable(name: NameArgument, reason: ReasonOption = "", home: HomeOption = None, json: JsonOption = False) -> None:
    """Disable a user: the user and the keys that the user created lose every right within a second."""
    from steward.core.identity import operator
    from steward.workflows import access

    done = access.disable_person(find_home(home), name, time.time(), actor=operator(os.getuid(), reason))
    if json:
        show_json(done)
    else:
        show_lines([f"{done.id} is disabled, and so are the keys that {done.id} created."])


def enable(name: NameArgument, reason: ReasonOption = "", home: HomeOption = None, json: JsonOption = False) -> None:
    """Enable a disabled user again, with the same roles."""
    from steward.core.identity import operator
    from steward.workflows import access

    done = access.disable_person(find_home(home), name, time.time(), actor=operator(os.getuid(), reason), enable=True)
    if json:
        show_json(done)
    else:
        show_lines([f"{done.id} has these roles again: {', '.join(done.roles) or 'none'}."])


def password(
    name: NameArgument,
    stdin: Annotated[bool, typer.Option("--stdin", help="Read the password from standard input.")] = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Give a user a password for the console. All sessions of the user end."""
    import sys

    from steward.core.identity import operator
    from steward.workflows import people

    text = (
        sys.stdin.readline().rstrip("\n")
        if stdin
        else typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    )
    people.set_password(find_home(home), name, text, time.time(), actor=operator(os.getuid()))
    if json:
        show_json({"user": name})
    else:
        show_lines([f"{name} can sign in to the console with the new password."])


def totp(
    name: NameArgument,
    off: Annotated[bool, typer.Option("--off", help="Ask for no codes any more, when a phone is lost.")] = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Ask a user for codes of an authenticator app from now on. The secret is shown only once."""
    from steward.core.identity import operator
    from steward.workflows import people

    folder, now, actor = find_home(home), time.time(), operator(os.getuid())
    if off:
        people.remove_code(folder, name, now, actor=actor)
        if json:
            show_json({"user": name})
        else:
            show_lines([f"{name} signs in without codes again."])
        return
    made = people.enroll_code(folder, name, now, actor=actor)
    if json:
        show_json(made)
    else:
        show_lines(
            [f"Secret for the authenticator app: {made.secret}", f"As an address:                    {made.uri}"]
        )
