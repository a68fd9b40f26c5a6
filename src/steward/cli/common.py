"""What commands share: where the deployment is, and how records are printed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from steward.core.errors import InputError, Unavailable

HomeOption = Annotated[Path | None, typer.Option("--home", help="Folder of the deployment's data.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the record as JSON.")]


def find_home(given: Path | None) -> Path:
    """`--home`, else `.steward` beside steward.yaml or here, else STEWARD_HOME.

    :raises InputError: none of them exists
    """
    if given is not None:
        if not given.is_dir():
            raise InputError(f"--home {given}: no such folder; `steward up --home {given}` makes it")
        return given.absolute()
    local = Path.cwd() / ".steward"
    if local.is_dir():
        return local
    named = os.environ.get("STEWARD_HOME")
    if named and Path(named).is_dir():
        return Path(named).absolute()
    raise InputError("no deployment here: no folder .steward, no STEWARD_HOME; run `steward up`, or give --home DIR")


def read_state(home: Path) -> dict[str, Any]:
    """What the running supervisor wrote. :raises Unavailable: nothing runs"""
    try:
        state: dict[str, Any] = json.loads((home / "run" / "state.json").read_text())
    except (OSError, ValueError) as error:
        raise Unavailable(f"no steward is running in {home}; start it with `steward up`") from error
    return state


def show_lines(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)
    sys.stdout.flush()


def show_json(record: object) -> None:
    """One record, the same that the library returns."""
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(record), indent=2).decode())


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Numbers to the right."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    listed = [list(row) for row in rows]
    for index, column in enumerate(columns):
        numeric = any(isinstance(row[index], int | float) for row in listed)
        table.add_column(column, justify="right" if numeric else "left", no_wrap=index == 0)
    for row in listed:
        table.add_row(
            *("" if value is None else f"{value:,}" if isinstance(value, int) else str(value) for value in row)
        )
    Console().print(table)
