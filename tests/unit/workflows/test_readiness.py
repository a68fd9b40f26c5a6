"""What `steward check` sees of a home, and its waivers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from steward.core.errors import InputError, UnknownName
from steward.core.identity import operator
from steward.governance.readiness import DAY_S
from steward.workflows import readiness


def test_a_ledger_waits_as_long_as_its_oldest_unread_segment(tmp_path: Path) -> None:
    assert readiness.measure_lag_s(tmp_path, {}, 100.0) == 0.0
    folder = tmp_path / "ledger"
    folder.mkdir()
    for name, age in (("a-1.seg", 40.0), ("a-2.seg", 10.0), ("b.lock", 90.0)):
        (folder / name).write_bytes(b"12345")
        os.utime(folder / name, (100.0 - age, 100.0 - age))
    assert readiness.measure_lag_s(tmp_path, {}, 100.0) == 40.0
    assert readiness.measure_lag_s(tmp_path, {"a-1.seg": 5, "a-2.seg": 4}, 100.0) == 10.0
    assert readiness.measure_lag_s(tmp_path, {"a-1.seg": 5, "a-2.seg": 5}, 100.0) == 0.0


def test_a_home_that_others_may_read_is_seen(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    seen = readiness.collect_situation(tmp_path, 1.0)
    assert seen.facts.home_private is False and seen.facts.keys is None
    assert not seen.evidence and seen.subjects is None
    tmp_path.chmod(0o700)
    assert readiness.collect_situation(tmp_path, 1.0).facts.home_private is True


def test_waivers_are_kept_and_ended(tmp_path: Path) -> None:
    me = operator(7)
    made = readiness.waive(tmp_path, "infra.load", "no traffic before May", 1.0 + DAY_S, 1.0, me)
    assert readiness.list_waivers(tmp_path) == [made] and made.owner == "operator:7"
    with pytest.raises(UnknownName):
        readiness.end_waiver(tmp_path, "infra.plan", me)
    readiness.end_waiver(tmp_path, "infra.load", me)
    assert readiness.list_waivers(tmp_path) == []
    (tmp_path / "waivers" / "infra.load.json").write_text("{")
    with pytest.raises(InputError, match="delete the file, and waive the check again"):
        readiness.list_waivers(tmp_path)
