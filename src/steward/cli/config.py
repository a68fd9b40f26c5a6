"""`steward config check|show|schema` and `steward init`."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from steward import __version__
from steward.cli.common import JsonOption, show_json, show_lines, show_table
from steward.cli.lazy import CsvRows
from steward.core.files import try_lock

FileOption = Annotated[Path | None, typer.Option("--config", help="Another file than steward.yaml.")]


def check(
    config: FileOption = None,
    live: Annotated[bool, typer.Option("--live", help="Ask the servers of the models, too.")] = False,
    json: JsonOption = False,
) -> None:
    """Check for all that `steward up` would refuse. Exits with 2 if it would, with 4 if a server does not answer."""
    from steward.core.identity import operator
    from steward.processes.ports import check_ports
    from steward.settings import resolve_home
    from steward.workflows.approvals import require_file_approval
    from steward.workflows.reload import check_config
    from steward.workflows.serve.check import check_live, find_unpriced

    loaded, plan = check_config(config, __version__)
    home = resolve_home(loaded)
    if loaded.path is not None:
        text, actor = loaded.path.read_text(encoding="utf-8"), operator(os.getuid())
        require_file_approval(home, loaded.path, text, time.time(), actor=actor, ask=False)
    if not _is_served(home):  # its own ports are in use then
        check_ports(plan)
    if live:
        check_live(plan)
    file, privacy = str(loaded.path) if loaded.path else None, loaded.settings.privacy.describe()
    if json:
        show_json({"ok": True, "file": file, "privacy": privacy, "warnings": find_unpriced(plan)})
    else:
        show_lines([f"{file or 'No steward.yaml; the defaults'}: fine", privacy, *find_unpriced(plan)])


def _is_served(home: Path) -> bool:
    """Whether a `steward up` runs in this home."""
    if not (home / "up.lock").exists():
        return False
    lock = try_lock(home / "up.lock")
    if lock is not None:
        os.close(lock)
    return lock is None


def show(config: FileOption = None, json: Annotated[JsonOption, CsvRows()] = False) -> None:
    """Print each value and where it came from."""
    from steward.settings import list_values, load_settings

    loaded = load_settings(config)
    rows = list(list_values(loaded.settings, loaded.origins))
    if json:
        show_json([{"key": key, "value": value, "origin": origin} for key, value, origin in rows])
    else:
        show_table(["key", "value", "from"], [[key, str(value), origin] for key, value, origin in rows])


def schema(json: JsonOption = True) -> None:
    """Print the JSON Schema of steward.yaml; it is JSON with or without --json."""
    from steward.settings import build_json_schema

    show_json(build_json_schema())


def init(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("steward.yaml"), json: JsonOption = False
) -> None:
    """Write a short commented steward.yaml; never overwrites one."""
    from steward.workflows.init import write

    write(path)
    if json:
        show_json({"file": str(path)})
    else:
        show_lines([f"Wrote {path}. Next: steward up"])
