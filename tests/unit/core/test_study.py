"""What a study's records say of themselves."""

from __future__ import annotations

from typing import Any

import pytest

from steward.core.study import RaterProgress, StudyDesign, Vote, is_hurried


@pytest.mark.parametrize(("median_s", "hurried"), [(0.3, True), (0.999, True), (1.0, False), (None, False)])
def test_pages_raters_who_cannot_have_read_are_flagged(median_s: float | None, hurried: bool) -> None:
    assert is_hurried(median_s) == hurried
    assert RaterProgress("r", 1, 2, 0, median_s).hurried == hurried


@pytest.mark.parametrize(
    ("left", "choice", "chosen"),
    [
        (0, "left", "first"),
        (0, "right", "second"),
        (1, "left", "second"),
        (1, "right", "first"),
        (1, "tie", "tie"),
        (0, "bad", "bad"),
        (0, "skip", ""),
        (1, "rated", ""),
    ],
)
def test_a_vote_is_for_an_answer_whatever_side_it_stood_on(left: int, choice: Any, chosen: str) -> None:
    assert Vote(at=0.0, rater="r", task="t", left=left, choice=choice).chosen == chosen


def test_a_study_file_is_of_the_first_format() -> None:
    """Files of the format that releases so far have written must open; another number is another format."""
    design = StudyDesign(
        title="t",
        mode="pairs",
        question="q",
        guide="g",
        runs=(),
        data_sha256="",
        items=1,
        overlap=0.0,
        seed=1,
        detect=0.6,
    )
    assert design.format == 1
