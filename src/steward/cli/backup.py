"""`steward backup` and `steward restore`."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steward.cli.common import HomeOption, JsonOption, ReasonOption, find_home, keep_finding, show_json, show_lines
from steward.core.files import quote_path

if TYPE_CHECKING:
    from steward.workflows.backup import BackupResult
    from steward.workflows.backup_archive import Report
    from steward.workflows.restore import RestoreResult

PassphraseOption = Annotated[
    str | None, typer.Option("--passphrase", help="env:NAME or file:PATH of a passphrase that seals the key backup.")
]


def backup(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Archive to write; it must not exist.")],
    keys: Annotated[
        Path | None,
        typer.Option("--keys", help="Folder for the key backup. Default: `keys` beside the archive."),
    ] = None,
    passphrase: PassphraseOption = None,
    reason: ReasonOption = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Back up the home while it serves; its keys go into a file of their own."""
    from steward.core.identity import operator
    from steward.workflows.backup import backup_home
    from steward.workflows.findings import describe_backup

    folder = keys or out.absolute().parent / "keys"
    with _progress() as report:
        result = backup_home(
            find_home(home), out, folder, _reveal(passphrase), time.time(), report, actor=operator(os.getuid(), reason)
        )
    keep_finding(describe_backup(result), find_home(home))
    if json:
        show_json(result)
    else:
        show_lines(_describe_backup(result))


def restore(
    archive: Annotated[Path, typer.Argument(metavar="IN", help="Archive that `steward backup` wrote.")],
    keys: Annotated[
        Path | None,
        typer.Option("--keys", help="Key backup, or a folder of them: the newest. Default: `keys` beside the archive."),
    ] = None,
    passphrase: PassphraseOption = None,
    erasures: Annotated[
        Path | None,
        typer.Option(
            "--erasures",
            help="Journal of erasures, or the home that has it; `none` if nobody's content was erased since. Default: "
            "the copy beside the key backup.",
        ),
    ] = None,
    reason: ReasonOption = "",
    home: Annotated[
        Path, typer.Option("--home", help="Folder to restore into; it must not exist, or be empty.")
    ] = Path(".steward"),
    json: JsonOption = False,
) -> None:
    """Restore a home and check it; exit 2 for a damaged archive, 5 when the home is not as it was."""
    from steward.core.identity import operator
    from steward.workflows.findings import describe_restore
    from steward.workflows.restore import restore_home

    place = keys or archive.absolute().parent / "keys"
    with _progress() as report:
        actor = operator(os.getuid(), reason)
        result = restore_home(archive, place, _reveal(passphrase), home, report, actor=actor, erasures=erasures)
    if home.absolute() != Path.cwd() / ".steward":  # a rehearsal beside the home that is backed up
        keep_finding(describe_restore(result.archive, result.home, result.files, result.problems))
    if json:
        show_json(result)
    else:
        show_lines(_describe_restore(result))


def _reveal(reference: str | None) -> str | None:
    from steward.core.secret import resolve

    return None if reference is None else resolve(reference).reveal().strip()


def _describe_backup(result: BackupResult) -> list[str]:
    rows = ", ".join(f"{count:,} {name}" for name, count in result.rows.items() if count)
    lines = [
        f"Wrote {result.archive}: {result.files:,} files{f', {rows}' if rows else ''}, {result.bytes:,} bytes, sealed.",
        f"Wrote {result.key_backup}: the keys that open it. Keep it in another place than the archive.",
        *(f"Deleted {path}: key backups are kept for 7 days." for path in result.pruned),
    ]
    if result.store != "sqlite":
        lines += [
            "The store is a PostgreSQL server, which is not in the archive. Back it up now, its secrets apart:",
            "  pg_dump --format=custom --exclude-table-data=secrets --exclude-table-data=subject_keys \\",
            "    --file=steward.dump $STEWARD_STORE_URL",
            "  pg_dump --format=custom --data-only --table=secrets --table=subject_keys \\",
            "    --file=steward-secrets.dump $STEWARD_STORE_URL",
        ]
    return lines


def _describe_restore(result: RestoreResult) -> list[str]:
    made_at = time.strftime("%Y-%m-%d %H:%M", time.localtime(result.made_at))
    rows = ", ".join(f"{count:,} {name}" for name, count in result.rows.items() if count)
    lines = [
        f"Restored {result.home} from the backup of {made_at}: {result.files:,} files{f', {rows}' if rows else ''}.",
        f"Checked: the ledger balances, the secrets open, {result.audit_entries:,} entries of the audit log verify.",
    ]
    if result.erasures:
        lines.append(f"Erased again: {result.erasures:,} subjects whose content was erased after the backup was made.")
    lines += [f"Still there: {why}." for why in result.unerased]
    if result.settings is not None:
        lines.append(f"Wrote {result.settings}.")
    if result.store != "sqlite":
        lines.append("The store is a PostgreSQL server: restore it with pg_restore before you start.")
    return [*lines, f"Start it with: steward up --home {quote_path(Path(result.home))}"]


@contextmanager
def _progress() -> Iterator[Report]:
    """What is being done and how far it is, for what takes a while; nothing where nobody looks."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("starting", total=None)

        def report(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, completed=done, total=total or None)

        yield report
