"""Names of the folders in which a suite's changed copies run."""

from __future__ import annotations

import hashlib

import pytest

from steward.workflows.evaluate.changes import make_folder_name


@pytest.mark.parametrize("title", ["typos", "typos-0-1", "a"])
def test_a_title_that_is_safe_is_the_name(title: str) -> None:
    assert make_folder_name(title) == title


@pytest.mark.parametrize(
    ("title", "safe"),
    [("Typos", "typos"), ("he → she", "he-she"), ("../up", "up"), ("-x-", "x"), ("y" * 41 + " ", "y" * 40)],
)
def test_others_are_told_apart_by_six_digits_of_their_sha256(title: str, safe: str) -> None:
    assert make_folder_name(title) == f"{safe}-{hashlib.sha256(title.encode()).hexdigest()[:6]}"
