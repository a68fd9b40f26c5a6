"""What a limit is, and whether money is one."""

from __future__ import annotations

import pytest

from steward.core.records import LimitSpec


@pytest.mark.parametrize(
    ("limits", "is_any", "has_budget"),
    [
        (LimitSpec(), False, False),
        (LimitSpec(requests_per_minute=1), True, False),
        (LimitSpec(tokens_per_minute=0), True, False),
        (LimitSpec(concurrent=1), True, False),
        (LimitSpec(usd_per_day=0.0), True, True),
        (LimitSpec(usd_per_month=1.0), True, True),
    ],
)
def test_a_limit_of_zero_is_one(limits: LimitSpec, is_any: bool, has_budget: bool) -> None:
    assert (limits.any(), limits.has_budget()) == (is_any, has_budget)
