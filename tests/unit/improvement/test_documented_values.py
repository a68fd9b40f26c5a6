"""Limits that a release, a training and a recipe meet, as docs and messages name them.

One more or one less would reach people without another test's notice.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dataset.compare._EXAMPLES", 10),
        ("dataset.manifest.FORMAT", 1),
        ("dataset.rows._ORDER", {"correction": 0, "file": 1, "rating": 2, "exchange": 3, "replay": 4}),
        ("dataset.selection.SELECT_FROM", 80),
        ("dataset.selection.JUDGE_FROM", 90),
        ("anytime.SPLIT_CONCENTRATION", 1000.0),
        ("anytime._CONCENTRATIONS", ((0.05, 60.0), (0.25, 30.0), (0.5, 20.0))),
        ("canary._RANGE", 2.0),  # of scores from -1 to 1
        ("canary.SPLIT_ALARM", 1000.0),
        ("events.MOST_USD", 1e6),
        ("events.MAX_LINE_BYTES", 1_048_576),
        ("events._LATEST", 32_503_680_000.0),  # 3000-01-01T00:00Z, as `date -u -d 3000-01-01 +%s` says
        ("events._FIRST", 2000),
        ("events._DIGITS", 9),
        ("sums._FARTHEST", 1000.0),
        ("rollout._MOST_WAITING", 100_000),
        ("sums.DAY_S", 86_400.0),
        ("training.MOST_STEPS", 9_007_199_254_740_992),  # RFC 8259, section 6
        ("training.MOST_WARNINGS", 100),
        ("training.LONGEST_MESSAGE", 2000),
        ("training.CURVE_POINTS", 500),
        ("triggers.WINDOWS", 3),
        ("triggers.NEEDED", 2),
        ("triggers.FEWEST", 20),
        ("triggers.Z", 1.645),  # one-sided 5 %
    ],
)
def test_the_limit_is_the_documented_one(name: str, value: Any) -> None:
    module, _, constant = name.rpartition(".")
    assert getattr(import_module(f"steward.improvement.{module}"), constant) == value
