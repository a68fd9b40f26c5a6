"""`steward privacy report|holds|breach`: what an organisation keeps account of."""

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
from steward.cli.lazy import CsvRows
from steward.cli.rights.people import ProjectOption, TenantOption

if TYPE_CHECKING:
    from steward.workflows.rights.breaches import BreachView
    from steward.workflows.rights.report import PrivacyReport

MomentOption = Annotated[str | None, typer.Option(metavar="AT", help="2026-11-29T12:00Z, or a span back, such as 24h.")]


def report(
    html: Annotated[Path | None, typer.Option("--html", help="Write a page to this file.")] = None,
    scan: Annotated[int, typer.Option(min=0, help="Kept exchanges of each purpose to look into.")] = 200,
    tenant: TenantOption = "default",
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows("inventory")] = False,
) -> None:
    """Show what personal data lies where, what for, how long, and who else gets it."""
    from steward.workflows.rights.report import write_report
    from steward.workflows.rights.report_page import render_privacy_report

    written = write_report(find_home(home), time.time(), actor=act_for(tenant), scan=scan)
    if html is not None:
        from steward.core.files import write_file

        write_file(html, render_privacy_report(written).encode())
    if json:
        show_json(written)
    elif html is None:
        _show_report(written)
    else:
        show_lines([str(html)])


def _show_report(report: PrivacyReport) -> None:
    rows = [
        [one.data, one.place, one.purpose, one.rows, _when(one.oldest), one.kept_for, "yes" if one.sealed else "no"]
        for one in report.inventory
    ]
    show_table(["data", "place", "purpose", "rows", "oldest", "kept for", "sealed"], rows)
    if report.masked:
        show_table(["route", "replaced in requests", "values"], [[m.route, m.entity, m.values] for m in report.masked])
    if report.in_texts:
        found = [[one.purpose, one.route, one.entity, one.values] for one in report.in_texts]
        show_table(["purpose", "route", "found in kept texts", "values"], found)
    if report.processors:
        listed = [[one.name, one.purpose, one.country, one.transfer, one.keeps_days] for one in report.processors]
        show_table(["processor", "purpose", "country", "ground", "keeps for (days)"], listed)
    show_lines(
        [f"Model {name} is served by others, and no entry of processors names it." for name in report.unregistered]
    )
    show_lines([f"Legal hold {hold.id}: {hold.reason}" for hold in report.holds])


def list_holds(
    all_states: Annotated[bool, typer.Option("--all", help="Released ones too.")] = False,
    tenant: TenantOption = "default",
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows()] = False,
) -> None:
    """List the legal holds in force."""
    from steward.workflows.rights import holds

    rows = holds.list_holds(find_home(home), time.time(), actor=act_for(tenant), all_states=all_states)
    if json:
        show_json(rows)
    elif rows:
        table = [
            [one.id, one.subject or "everybody", one.reason, one.created_by, _when(one.released_at)] for one in rows
        ]
        show_table(["hold", "of", "reason", "by", "released"], table)
    else:
        show_lines(["No legal holds."])


def add_hold(
    why: Annotated[str, typer.Argument(metavar="REASON", help="Why, such as a case number.")],
    subject: Annotated[str | None, typer.Option("--subject", help="The person. Default: everybody.")] = None,
    tenant: TenantOption = "default",
    project: ProjectOption = None,
    reason: ReasonOption = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Hold what is kept of a person, or of everybody: nothing of it is erased or swept until you release it."""
    from steward.workflows.rights import holds

    added = holds.add_hold(find_home(home), subject, why, time.time(), actor=act_for(tenant, reason), project=project)
    if json:
        show_json(added)
    else:
        show_lines([f"{one.id}: held until `steward privacy holds release {one.id}`." for one in added])


def release_hold(
    hold: Annotated[str, typer.Argument(help="Id of the hold.")],
    tenant: TenantOption = "default",
    reason: ReasonOption = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Release a legal hold."""
    from steward.workflows.rights import holds

    released = holds.release_hold(find_home(home), hold, time.time(), actor=act_for(tenant, reason))
    show_json(released) if json else show_lines([f"{released.id} is released."])


def open_breach(
    summary: Annotated[str, typer.Argument(help="What happened, without names.")],
    since: Annotated[str, typer.Option(metavar="AT", help="When it began: a date, or a span back, such as 48h.")],
    until: MomentOption = None,
    known: MomentOption = None,
    route: Annotated[list[str] | None, typer.Option("--route", help="Route that it touches. Default: all.")] = None,
    tenant: TenantOption = "default",
    reason: ReasonOption = "",
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows("affected")] = False,
) -> None:
    """Start the clock of 72 hours for a breach, and list whom it touches."""
    from steward.workflows.rights import breaches

    now = time.time()
    view = breaches.open_breach(
        find_home(home),
        summary,
        _moment(since, now, "--since"),
        now if until is None else _moment(until, now, "--until"),
        now,
        actor=act_for(tenant, reason),
        known_at=None if known is None else _moment(known, now, "--known"),
        routes=tuple(route or ()),
    )
    show_json(view) if json else _show_breach(view)


def breach_status(
    breach: Annotated[str | None, typer.Argument(help="Id of a breach. Default: all.")] = None,
    tenant: TenantOption = "default",
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows()] = False,
) -> None:
    """Show how much of the 72 hours is left, and whom a breach touches. Exits with 1 where one is late."""
    from steward.workflows.rights import breaches

    now, actor = time.time(), act_for(tenant)
    if breach is None:
        views = breaches.list_breaches(find_home(home), now, actor=actor)
    else:
        views = [breaches.show_breach(find_home(home), breach, now, actor=actor)]
    if json:
        show_json(views)
    elif views:
        for view in views:
            _show_breach(view)
    else:
        show_lines(["No breaches."])
    if any(view.state == "late" for view in views):
        raise typer.Exit(1)


def close_breach(
    breach: Annotated[str, typer.Argument(help="Id of the breach.")],
    outcome: Annotated[str, typer.Argument(help="What was done.")],
    notified: Annotated[
        str | None,
        typer.Option("--notified", metavar="AT", help="When the authority was told; leave out if it was not."),
    ] = None,
    tenant: TenantOption = "default",
    reason: ReasonOption = "",
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows("affected")] = False,
) -> None:
    """Close a breach and say what was done."""
    from steward.workflows.rights import breaches

    now = time.time()
    at = None if notified is None else _moment(notified, now, "--notified")
    view = breaches.close_breach(find_home(home), breach, outcome, now, actor=act_for(tenant, reason), notified_at=at)
    show_json(view) if json else _show_breach(view)


def _show_breach(view: BreachView) -> None:
    breach = view.breach
    hours = f"{view.left_s / 3600:.1f} of 72 hours left" if view.state == "open" else view.state
    show_lines([f"{breach.id}: {breach.summary}", f"{hours}; notify by {_when(view.notify_by)} UTC."])
    show_lines([f"{view.people} people, and {view.nameless_requests} requests that name nobody."])
    rows = [[one.project, one.subject, one.requests, ", ".join(one.routes)] for one in view.affected if one.subject]
    if rows:
        show_table(["project", "person", "requests", "routes"], rows)


def _moment(text: str, now: float, name: str) -> float:
    from steward.workflows.rights.breaches import parse_past_moment

    return parse_past_moment(text, now, name)


def _when(at: float | None) -> str | None:
    return None if at is None else time.strftime("%Y-%m-%d %H:%M", time.gmtime(at))
