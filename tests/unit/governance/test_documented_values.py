"""Limits that `steward check`, incidents and fairness reports name, as docs/reference/checks and their errors do.

One more or one less would reach people without another test's notice.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("checks.LEAST_FREE_DISK", 0.1),
        ("checks.LARGEST_LAG_S", 300.0),
        ("checks.UNUSED_AFTER_S", 7_776_000.0),  # 90 days
        ("controls.OLD_AFTER_S", 15_552_000.0),  # 180 days
        ("disparity.SMALLEST", 50),
        ("disparity.MARGIN", 0.02),
        ("disparity.ALPHA", 0.05),
        ("disparity.LEAST_EXPECTED", 10.0),
        ("disparity.SLOW_SHARE", 0.1),
        ("evidence_page.MOST_SHOWN", 500),
        ("fairness_schedule.RETRY_S", 3600.0),
        ("fairness_schedule.ANSWERED", {0: "alike", 1: "different", 3: "cannot tell"}),  # exit codes
        ("readiness.DAY_S", 86_400.0),
        ("readiness.LONGEST_WAIVER_S", 7_776_000.0),  # 90 days
        ("readiness.CLOCK_SKEW_S", 300.0),
    ],
)
def test_the_limit_is_the_documented_one(name: str, value: Any) -> None:
    module, _, constant = name.rpartition(".")
    assert getattr(import_module(f"steward.governance.{module}"), constant) == value
