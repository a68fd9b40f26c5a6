"""Waits until what workers have written is in the store, so that whoever looks for a person looks at all of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from steward.core.files import write_file
from steward.core.process_ids import is_process_there
from steward.workflows.drain import ROTATE, LedgerDrain
from steward.workflows.rights.home import RightsHome
from steward.workflows.sealing import LEDGER_FOLDERS
from steward.workflows.spool import make_intake

PATIENCE_S: Final = 15.0
_POLL_S: Final = 0.1


class _Process(msgspec.Struct):
    pid: int


def take_in(home: RightsHome, patience_s: float = PATIENCE_S, sleep: Callable[[float], None] = time.sleep) -> list[str]:
    """Take in all that workers had written when this was called, and have its files deleted.

    Where the deployment runs, its keeper does it, after workers have begun new files; else it is done here. Returns the
    files that are still there after `patience_s`.
    """
    before = list_segments(home.path)
    if not before:
        return []
    if not is_running(home.path):
        intake = make_intake(home.store, home.roots)
        LedgerDrain([home.path / name for name in LEDGER_FOLDERS], home.store.ledger, intake).run()
        return [name for name in list_segments(home.path) if name in before]
    write_file(home.path / "run" / ROTATE, str(time.time_ns()).encode())
    limit = time.monotonic() + patience_s
    while (left := [name for name in list_segments(home.path) if name in before]) and time.monotonic() < limit:
        sleep(_POLL_S)
    return left


def list_segments(home: Path) -> list[str]:
    """Files of the ledger and the spools that hold something."""
    paths = [path for name in LEDGER_FOLDERS for path in sorted((home / name).glob("*.seg"))]
    return [f"{path.parent.name}/{path.name}" for path in paths if _size(path)]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # the keeper was faster
        return 0


def is_running(home: Path) -> bool:
    """Whether a supervisor serves from this home."""
    try:
        process = msgspec.json.decode((home / "run" / "state.json").read_bytes(), type=_Process)
    except (OSError, msgspec.MsgspecError):
        return False
    return is_process_there(process.pid)
