"""Rows of a store's file are counted wherever the file is named from."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from steward.adapters.stores.snapshot import check_database, copy_database, count_rows
from steward.adapters.stores.sql import SqlStore
from steward.core.errors import InputError, Unavailable


def test_a_file_is_named_relative_to_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 'steward.db'}")
    store.migrate()
    store.close()
    monkeypatch.chdir(tmp_path)
    assert count_rows(Path("steward.db")) == count_rows(tmp_path / "steward.db")


def test_a_copy_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.db") as made:
        made.execute("CREATE TABLE t (x)")
    made.close()
    copy_database(tmp_path / "a.db", tmp_path / "b.db")
    assert (tmp_path / "b.db").stat().st_mode & 0o777 == 0o600
    check_database(tmp_path / "b.db")


def test_a_writer_that_holds_the_file_is_waited_for_half_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    def connect(name: str, uri: bool, timeout: float) -> Any:
        waits.append(timeout)
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr("steward.adapters.stores.snapshot.sqlite3.connect", connect)
    with pytest.raises(Unavailable, match="database is locked"):
        copy_database(tmp_path / "a.db", tmp_path / "b.db")
    with pytest.raises(InputError, match="database is locked"):
        check_database(tmp_path / "a.db")
    with pytest.raises(InputError, match="database is locked"):
        count_rows(tmp_path / "a.db")
    assert waits == [30.0] * 3
