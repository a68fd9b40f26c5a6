"""Gathering the maintenance calendar."""

from __future__ import annotations

from pathlib import Path

import pytest

from steward.adapters.stores.sql import SqlStore
from steward.core.calendar import CalendarPlan
from steward.core.errors import InputError
from steward.core.series import HISTOGRAMS, SUMS, SeriesRow
from steward.monitoring.maintenance import Advisory
from steward.workflows.maintenance import (
    check_maintenance,
    find_first_answers,
    list_installed,
    read_advisory_file,
)


def test_the_first_day_of_each_model() -> None:
    rows = [SeriesRow(start, model, "r", "k", (0.0,) * len(SUMS), (b"",) * len(HISTOGRAMS))
            for start, model in ((172_800, "a"), (86_400, "a"), (86_400, "b"))]  # fmt: skip
    assert find_first_answers(rows) == {"a": 86_400.0, "b": 86_400.0}


def test_a_file_of_advisories(tmp_path: Path) -> None:
    assert read_advisory_file(CalendarPlan()) == ()
    file = tmp_path / "a.json"
    file.write_text('[{"package": "a", "version": "1", "id": "X"}]')
    assert read_advisory_file(CalendarPlan(advisories=str(file))) == (Advisory("a", "1", "X"),)
    file.write_text("{")
    with pytest.raises(InputError, match="not JSON"):
        read_advisory_file(CalendarPlan(advisories=str(file)))
    with pytest.raises(InputError, match="make it with: pip-audit"):
        read_advisory_file(CalendarPlan(advisories=str(tmp_path / "none.json")))


def test_installed_packages_have_versions() -> None:
    assert list_installed()["msgspec"]


def test_nothing_is_due_where_nothing_is_served(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path}/s.db")
    assert check_maintenance(store, None, 0.0) == []
    store.close()
