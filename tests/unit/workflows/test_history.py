"""Versions of the configuration: what served, what comes next, and what changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from steward.core.errors import InputError, UnknownName
from steward.workflows.history import (
    ConfigVersion,
    diff_versions,
    get_version,
    list_accepted,
    list_versions,
    next_number,
    save_version,
)


def version(number: int, outcome: str = "serving", **prompts: str) -> ConfigVersion:
    return ConfigVersion(version=number, at=1.0, digest="d", outcome=outcome, prompts=prompts)  # type: ignore[arg-type]


def test_the_first_has_number_one(tmp_path: Path) -> None:
    assert next_number(tmp_path) == 1 and list_versions(tmp_path) == []


def test_a_number_is_never_given_twice(tmp_path: Path) -> None:
    save_version(tmp_path, version(1), "a: 1\n")
    save_version(tmp_path, version(3, "failed"), "a: 2\n")
    assert next_number(tmp_path) == 4
    assert [one.version for one in list_versions(tmp_path)] == [1, 3]
    assert [one.version for one in list_accepted(tmp_path)] == [1]
    assert (tmp_path / "config" / "0003.yaml").read_text() == "a: 2\n"
    assert (tmp_path / "config").stat().st_mode & 0o777 == 0o700


def test_only_what_served_can_be_gone_back_to(tmp_path: Path) -> None:
    save_version(tmp_path, version(1), "a: 1\n")
    save_version(tmp_path, version(2, "tried"), "a: 2\n")
    assert get_version(tmp_path, 1).version == 1
    with pytest.raises(UnknownName, match="configuration version '2'"):
        get_version(tmp_path, 2)
    save_version(tmp_path, version(2), "a: 2\n")  # its new outcome
    assert get_version(tmp_path, 2).version == 2


def test_a_difference_tells_prompts_too(tmp_path: Path) -> None:
    save_version(tmp_path, version(1, p="v1"), "a: 1\nb: 2\n")
    save_version(tmp_path, version(2, p="v2"), "a: 1\nb: 3\n")
    assert diff_versions(tmp_path, 1, 2) == [
        "--- version 1", "+++ version 2", "@@ -1,3 +1,3 @@", " a: 1", "-b: 2", "-# in use: prompt p v1", "+b: 3",
        "+# in use: prompt p v2",
    ]  # fmt: skip


def test_a_file_that_was_changed_by_hand_is_named(tmp_path: Path) -> None:
    save_version(tmp_path, version(1), "a: 1\n")
    (tmp_path / "config" / "0001.json").write_text("{}")
    with pytest.raises(InputError, match=r"0001\.json.*restore it from a backup"):
        list_versions(tmp_path)
