"""The files of a load test are written whole, and a folder that is missing is said before a long run."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from steward.core.errors import InputError, Unavailable
from steward.workflows.loadtest.files import check_writable, encode_report, write_reports


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    check_writable(None, tmp_path / "r.json", tmp_path / "r.csv")
    with pytest.raises(InputError, match=r"gone/r\.json: no folder .*gone; make it first"):
        check_writable(None, tmp_path / "gone" / "r.json")


def test_a_report_is_json_that_people_can_read() -> None:
    assert encode_report({"a": [1]}) == b'{\n "a": [\n  1\n ]\n}\n'


def test_others_may_read_what_was_asked_for_and_nothing_else_is_written(tmp_path: Path) -> None:
    finished = cast(Any, SimpleNamespace(report={"a": 1}))
    assert write_reports(finished, out=tmp_path / "r.json", csv=None, html=None) == [tmp_path / "r.json"]
    assert list(tmp_path.iterdir()) == [tmp_path / "r.json"]
    assert (tmp_path / "r.json").stat().st_mode & 0o777 == 0o644
    with pytest.raises(Unavailable, match=r"gone/r\.json: .*; the run has ended and its numbers are above"):
        write_reports(finished, out=tmp_path / "gone" / "r.json", csv=None, html=None)
