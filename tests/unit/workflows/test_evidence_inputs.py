"""Files that a proof speaks of, and when they are no longer the same."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from steward.core.evidence import EvidenceInput
from steward.workflows import evidence_inputs
from steward.workflows.evidence_inputs import describe_inputs, find_change


def write(path: Path, text: str, at: int) -> Path:
    path.write_text(text)
    os.utime(path, ns=(at, at))
    return path


def test_a_file_is_named_with_its_size_time_and_digest(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", "abc", 7)
    assert describe_inputs([file, str(file)]) == (
        EvidenceInput(path=str(file), size=3, mtime_ns=7, sha256=hashlib.sha256(b"abc").hexdigest()),
    )
    assert describe_inputs(["s3://bucket/a", tmp_path / "gone"]) == ()


def test_content_decides_where_only_the_time_has_changed(tmp_path: Path) -> None:
    file = write(tmp_path / "a", "abc", 7)
    inputs = describe_inputs([file])
    assert find_change(inputs) == ""
    write(file, "abc", 8)
    assert find_change(inputs) == ""
    write(file, "abd", 8)
    assert find_change(inputs) == "a has changed since"
    write(file, "abcd", 7)
    assert find_change(inputs) == "a has changed since"
    file.unlink()
    assert find_change(inputs) == "a is not on this machine any more"


def test_a_large_file_is_known_by_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence_inputs, "LARGEST_BYTES", 3)
    small, large = describe_inputs([write(tmp_path / "a", "abc", 7), write(tmp_path / "b", "abcd", 7)])
    assert small.sha256 and large.sha256 == ""
    assert find_change([large]) == ""
    write(tmp_path / "b", "abcd", 8)
    assert find_change([large]) == "b has changed since"


def test_a_new_file_of_a_pattern_is_a_change(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", "1", 7)
    pattern = str(tmp_path / "*.jsonl")
    inputs = describe_inputs([pattern])
    assert [(one.path, one.size) for one in inputs] == [(pattern, 1), (str(tmp_path / "a.jsonl"), 1)]
    write(tmp_path / "b.txt", "1", 7)
    assert find_change(inputs) == ""
    write(tmp_path / "b.jsonl", "1", 7)
    assert find_change(inputs) == f"{pattern} has other files since"


def test_a_folder_is_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "with [marks]"
    folder.mkdir()
    write(folder / "a", "1", 7)
    (folder / "deeper").mkdir()
    inputs = describe_inputs([folder])
    assert [Path(one.path).name for one in inputs] == ["*", "a"] and find_change(inputs) == ""
    write(folder / "b", "1", 7)
    assert "has other files since" in find_change(inputs)
