"""The files of a load test are written whole, and a folder that is missing is said before a long run."""

from __future__ import annotations

from pathlib import Path

import pytest

from steward.core.errors import InputError
from steward.workflows.loadtest.files import check_writable, encode_report


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    check_writable(None, tmp_path / "r.json", tmp_path / "r.csv")
    with pytest.raises(InputError, match=r"gone/r\.json: no folder .*gone; make it first"):
        check_writable(None, tmp_path / "gone" / "r.json")


def test_a_report_is_json_that_people_can_read() -> None:
    assert encode_report({"a": [1]}) == b'{\n "a": [\n  1\n ]\n}\n'
