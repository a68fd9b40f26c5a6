"""`steward reload` and `steward config history|diff|rollback`."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steward import __version__
from steward.cli.common import (
    HomeOption,
    JsonOption,
    ReasonOption,
    find_home,
    read_state,
    show_json,
    show_lines,
    show_table,
)
from steward.cli.lazy import CsvRows
from steward.core.errors import InputError, Unavailable

if TYPE_CHECKING:
    from steward.core.identity import Principal
    from steward.workflows.reload import ReloadReport

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")]


def reload(
    reason: ReasonOption = "", home: HomeOption = None, dry_run: DryRun = False, json: JsonOption = False
) -> None:
    """Serve the changed steward.yaml without dropping a request. Exits with 2 if it cannot be served."""
    from steward.core.identity import operator
    from steward.workflows.reload import request_reload

    folder = find_home(home)
    actor = operator(os.getuid(), reason)
    _show(request_reload(folder, read_state(folder)["pid"], actor, dry_run=dry_run), json)


def history(home: HomeOption = None, json: Annotated[JsonOption, CsvRows()] = False) -> None:
    """List every version of the configuration; exchanges in the ledger name theirs."""
    from steward.workflows.history import list_versions

    versions = list_versions(find_home(home))
    if json:
        show_json(versions)
        return
    rows = [[str(item.version), _when(item.at), item.outcome, item.digest[:8], item.note] for item in versions]
    show_table(["version", "from", "outcome", "digest", "note"], rows)


def diff(
    first: Annotated[int, typer.Argument(metavar="A", help="A version.")],
    second: Annotated[int, typer.Argument(metavar="B", help="Another one.")],
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Print how two versions of the configuration differ."""
    from steward.workflows.history import diff_versions

    lines = diff_versions(find_home(home), first, second)
    if json:
        show_json({"from": first, "to": second, "lines": lines})
    else:
        show_lines(lines or [f"versions {first} and {second} say the same"])


def rollback(
    version: Annotated[
        int | None, typer.Argument(help="The version to serve again; the one before by default.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Without a running steward: the file to write.")] = None,
    reason: ReasonOption = "",
    home: HomeOption = None,
    dry_run: DryRun = False,
    json: JsonOption = False,
) -> None:
    """Serve an earlier version again, as the newest one; steward.yaml is written back to it."""
    from steward.core.identity import operator
    from steward.workflows.reload import request_reload

    folder = find_home(home)
    number = _find_previous_version(folder) if version is None else version
    try:
        pid = read_state(folder)["pid"]
    except Unavailable:
        _write_back(folder, number, config, operator(os.getuid(), reason) if not dry_run else None, json)
        return
    _show(request_reload(folder, pid, operator(os.getuid(), reason), rollback=number, dry_run=dry_run), json)


def _find_previous_version(folder: Path) -> int:
    """The version that served before the newest."""
    from steward.workflows.history import list_accepted

    numbers = [item.version for item in list_accepted(folder)]
    if len(numbers) < 2:
        raise InputError(f"{folder}: no earlier version has served; `steward config history` lists them")
    return numbers[-2]


def _write_back(folder: Path, number: int, config: Path | None, actor: Principal | None, json: bool) -> None:
    """Without an actor nothing is written."""
    from steward.workflows.reload import ConfigSource, restore_version
    from steward.workflows.serve.deployment import find_deployment

    source = ConfigSource(config, {}, None, __version__)
    saved = None
    if actor is not None:
        audit = find_deployment(folder).open_audit_log()
        saved = restore_version(source, folder, number, actor, audit)
    if json:
        show_json({"version": number, "file": str(source.file), "saved": saved and str(saved)})
    else:
        show_lines([f"{source.file} says version {number} again; the next `steward up` serves it"])


def _show(report: ReloadReport, json: bool) -> None:
    """:raises InputError: it was refused; :raises Unavailable: it did not come up"""
    if json:
        show_json(report)
    else:
        show_lines(_lines(report))
    if report.outcome in ("refused", "failed"):
        if json:
            raise typer.Exit(2 if report.outcome == "refused" else 4)
        kind = InputError if report.outcome == "refused" else Unavailable
        raise kind(f"{report.error}\nversion {report.version} is still serving")


def _lines(report: ReloadReport) -> list[str]:
    lines = [f"  {item.key}: {_value(item.before)} → {_value(item.after)}" for item in report.changes]
    if report.outcome == "applied":
        took = f"{report.workers} workers, {report.duration_s:.1f} s"
        lines.append(f"Version {report.version} serves ({took}); before it, version {report.previous}")
    elif report.outcome == "unchanged":
        lines.append(f"Nothing that serves has changed; version {report.version} goes on")
    elif report.outcome == "dry-run":
        lines.append("Nothing was changed (--dry-run)" if lines else "Nothing would change")
    return lines


def _value(value: Any) -> str:
    return "none" if value is None else str(value)


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
