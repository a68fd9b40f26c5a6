"""Functions of an operator's own: what they may return."""

from __future__ import annotations

from pathlib import Path

import pytest

from steward.adapters.detectors.function import FunctionDetector
from steward.core.errors import InputError, Unavailable, UnknownName
from steward.core.extend import DetectedSpan


def write(folder: Path, body: str) -> FunctionDetector:
    file = folder / "own.py"
    file.write_text(f"def find(text):\n    {body}\n")
    return FunctionDetector(f"{file}:find")


def test_rows_of_two_to_four_values_are_finds(tmp_path: Path) -> None:
    detector = write(tmp_path, "return [(0, len(text)), [1, 2, 'PERSON'], (1, 2, 'PERSON', 0.7)]")
    assert list(detector.detect("Bo")) == [
        DetectedSpan(0, 2), DetectedSpan(1, 2, "PERSON"), DetectedSpan(1, 2, "PERSON", 0.7)
    ]  # fmt: skip
    assert list(write(tmp_path, "return []").detect("Bo")) == []


@pytest.mark.parametrize("row", ["(1,)", "(1, 2, 'PERSON', 0.7, 5)", "{'start': 1}", "7"])
def test_other_rows_are_a_failure(tmp_path: Path, row: str) -> None:
    with pytest.raises(Unavailable, match="something else than"):
        list(write(tmp_path, f"return [{row}]").detect("Bo"))


def test_a_span_may_be_returned_as_such(tmp_path: Path) -> None:
    body = "from steward.core.extend import DetectedSpan; return [DetectedSpan(0, 1)]"
    assert list(write(tmp_path, body).detect("Bo")) == [DetectedSpan(0, 1)]


def test_what_does_not_load_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"privacy\.detectors: no file"):
        FunctionDetector(f"{tmp_path}/none.py:find")
    (tmp_path / "own.py").write_text("")
    with pytest.raises(UnknownName):
        FunctionDetector(f"{tmp_path}/own.py:find")
