"""`steward privacy export|erase|correct`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steward.cli.common import (
    HomeOption,
    JsonOption,
    ReasonOption,
    act_for,
    find_home,
    show_json,
    show_lines,
    show_table,
)
from steward.core.excerpts import cut_digest

if TYPE_CHECKING:
    from steward.workflows.rights.erase import ErasureResult

SubjectArgument = Annotated[
    str, typer.Argument(help="The name that requests carry (X-Steward-Subject, user), or a pseudonym.")
]
TenantOption = Annotated[str, typer.Option("--tenant", help="Whose tenant the person is in.")]
ProjectOption = Annotated[str | None, typer.Option("--project", help="Look in this project only.")]


def export(
    subject: SubjectArgument,
    out: Annotated[Path, typer.Argument(metavar="OUT.zip", help="Archive to write; it must not exist.")],
    tenant: TenantOption = "default",
    project: ProjectOption = None,
    reason: ReasonOption = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Write everything that is kept of a person into one archive: JSON, and a page to read.

    Exits with 3 where something could not be looked into.
    """
    from steward.workflows.rights.export import export_person, write_export

    found = export_person(find_home(home), subject, time.time(), actor=act_for(tenant, reason), project=project)
    result = write_export(found, out)
    if json:
        show_json(result)
    else:
        show_table(["where", "finds"], sorted(result.counts.items())) if result.counts else show_lines(
            ["Nothing is kept of this person."]
        )
        show_lines([f"{result.archive}: {result.bytes:,} bytes, in clear; hand it over safely and delete it."])
        show_lines([f"Not looked into: {one}" for one in result.unread])
    if result.unread:
        raise typer.Exit(3)


def erase(
    subject: SubjectArgument,
    rebuild_datasets: Annotated[
        bool, typer.Option("--rebuild-datasets", help="Replace training sets that hold the person by versions without.")
    ] = False,
    tenant: TenantOption = "default",
    project: ProjectOption = None,
    reason: ReasonOption = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Erase a person: destroy the key of their texts, delete what is kept of them, and leave a receipt.

    Exits with 1 where something is left, with 3 where something could not be looked into.
    """
    from steward.workflows.rights.erase import erase_person

    result = erase_person(
        find_home(home),
        subject,
        time.time(),
        actor=act_for(tenant, reason),
        project=project,
        rebuild_datasets=rebuild_datasets,
    )
    if json:
        show_json(result)
    else:
        _show_erasure(result)
    if not result.is_complete:
        raise typer.Exit(1 if result.remaining else 3)


def _show_erasure(result: ErasureResult) -> None:
    if result.erased:
        show_table(["where", "erased"], sorted(result.erased.items()))
    else:
        show_lines(["Nothing was kept of this person."])
    show_lines([f"Keys destroyed: {result.keys}. Receipt: {result.receipt}."])
    show_lines([f"Left in {place}: {count}" for place, count in sorted(result.remaining.items())])
    show_lines([f"Not looked into: {one}" for one in result.unread])
    if result.rebuilt:
        show_lines([f"Training set without the person: {one.folder}" for one in result.rebuilt])
    else:
        names = [f"{one.name} ({one.folder})" for one in result.datasets]
        show_lines([f"Training set {name} holds the person; --rebuild-datasets makes it anew." for name in names])
    show_lines(
        [
            f"Model {one.name} {cut_digest(one.digest)} was trained on such a set, and is marked."
            for one in result.models
        ]
    )
    show_lines(
        [
            f"{one.name} keeps data for {one.keeps_days:g} days: ask {one.delete_at or 'it'} to delete them."
            for one in result.processors
            if one.keeps_days is not None
        ]
    )


def correct(
    subject: SubjectArgument,
    note: Annotated[str, typer.Argument(help="What is wrong, and what is right.")],
    about: Annotated[str, typer.Option("--about", help="A request or feedback that the note is about.")] = "",
    replace: Annotated[bool, typer.Option(help="Put the note in the place of the feedback's words.")] = False,
    tenant: TenantOption = "default",
    project: ProjectOption = None,
    reason: ReasonOption = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Note what a person says is wrong in what is kept of them."""
    from steward.workflows.rights.corrections import correct_person

    result = correct_person(
        find_home(home),
        subject,
        note,
        time.time(),
        actor=act_for(tenant, reason),
        about=about,
        replace=replace,
        project=project,
    )
    if json:
        show_json(result)
    else:
        done = "; the feedback's words were replaced" if result.feedback_replaced else ""
        show_lines([f"Noted: {', '.join(result.notes)}{done}."])
