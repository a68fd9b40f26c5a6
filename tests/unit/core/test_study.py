"""What a study's records say of themselves."""

from __future__ import annotations

import pytest

from steward.core.study import RaterProgress, is_hurried


@pytest.mark.parametrize(("median_s", "hurried"), [(0.3, True), (0.999, True), (1.0, False), (None, False)])
def test_pages_raters_who_cannot_have_read_are_flagged(median_s: float | None, hurried: bool) -> None:
    assert is_hurried(median_s) == hurried
    assert RaterProgress("r", 1, 2, 0, median_s).hurried == hurried
