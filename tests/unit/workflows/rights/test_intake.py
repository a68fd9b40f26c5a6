"""What workers have written is taken in before anybody looks for a person."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from steward.workflows.drain import ROTATE
from steward.workflows.rights.intake import is_running, list_segments, take_in


def make_home(path: Path, pid: int | None) -> Any:
    (path / "run").mkdir()
    for folder in ("ledger", "spool", "captures"):
        (path / folder).mkdir()
    if pid is not None:
        (path / "run" / "state.json").write_text(json.dumps({"pid": pid, "more": 1}))
    return SimpleNamespace(path=path, store=SimpleNamespace(ledger=None))


def test_only_files_that_hold_something_are_waited_for(tmp_path: Path) -> None:
    make_home(tmp_path, None)
    (tmp_path / "ledger" / "w-000000.seg").write_bytes(b"x")
    (tmp_path / "captures" / "c-000000.seg").write_bytes(b"")
    assert list_segments(tmp_path) == ["ledger/w-000000.seg"]


def test_a_home_runs_while_its_supervisor_lives(tmp_path: Path) -> None:
    make_home(tmp_path, os.getpid())
    assert is_running(tmp_path)
    (tmp_path / "run" / "state.json").write_text('{"pid": 2147483647}')
    assert not is_running(tmp_path)
    (tmp_path / "run" / "state.json").unlink()
    assert not is_running(tmp_path)


def test_workers_are_told_to_begin_new_files_and_what_stays_is_named(tmp_path: Path) -> None:
    home = make_home(tmp_path, os.getpid())
    for name in ("a", "b"):
        (tmp_path / "ledger" / f"{name}.seg").write_bytes(b"x")

    def keeper(_: float) -> None:
        assert (tmp_path / "run" / ROTATE).exists()
        (tmp_path / "ledger" / "a.seg").unlink(missing_ok=True)

    assert take_in(home, patience_s=0.2, sleep=keeper) == ["ledger/b.seg"]
    (tmp_path / "ledger" / "b.seg").unlink()
    assert take_in(home) == []


def test_a_home_that_stands_still_is_taken_in_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the drain leaves, such as a damaged file, is named; what came since is not waited for."""
    home, drained = make_home(tmp_path, None), list[Path]()
    for name in ("a", "b"):
        (tmp_path / "ledger" / f"{name}.seg").write_bytes(b"x")

    class Drain:
        def __init__(self, folders: list[Path], *_: object) -> None:
            drained.extend(folders)

        def run(self) -> None:
            (tmp_path / "ledger" / "a.seg").unlink()
            (tmp_path / "ledger" / "c.seg").write_bytes(b"x")

    monkeypatch.setattr("steward.workflows.rights.intake.LedgerDrain", Drain)
    monkeypatch.setattr("steward.workflows.rights.intake.make_intake", lambda *_: None)
    home.roots = None
    assert take_in(home) == ["ledger/b.seg"]
    assert drained == [tmp_path / "ledger", tmp_path / "spool", tmp_path / "captures"]
