"""Rows of a store's file are counted wherever the file is named from."""

from __future__ import annotations

from pathlib import Path

import pytest

from steward.adapters.stores.snapshot import count_rows
from steward.adapters.stores.sql import SqlStore


def test_a_file_is_named_relative_to_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 'steward.db'}")
    store.migrate()
    store.close()
    monkeypatch.chdir(tmp_path)
    assert count_rows(Path("steward.db")) == count_rows(tmp_path / "steward.db")
