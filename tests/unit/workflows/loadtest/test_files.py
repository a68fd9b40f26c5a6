"""The files of a load test are written whole, and a folder that is missing is said before a long run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from steward.core.errors import InputError
from steward.workflows.loadtest.files import check_writable, encode_report, write_file


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    check_writable(None, tmp_path / "r.json", tmp_path / "r.csv")
    with pytest.raises(InputError, match=r"gone/r\.json: no folder .*gone; make it first"):
        check_writable(None, tmp_path / "gone" / "r.json")


def test_a_file_is_replaced_as_a_whole_and_readable_by_all(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(b"before")
    write_file(path, b"after")
    assert path.read_bytes() == b"after" and path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_file_is_written_to(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_file(path, b"report")
        assert os.read(reader, 100) == b"report"
    finally:
        os.close(reader)


def test_a_report_is_json_that_people_can_read() -> None:
    assert encode_report({"a": [1]}) == b'{\n "a": [\n  1\n ]\n}\n'
