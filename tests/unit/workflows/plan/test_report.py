"""What a plan's page says of other objectives."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from steward.workflows.plan.report import list_costs


def option(gpus: int, usd: float | None) -> Any:
    return SimpleNamespace(gpus=gpus, usd_per_hour=usd)


def test_p7_a_looser_objective_never_costs_more() -> None:
    """The second search misses the cheap option of the first, and lists a dearer one first."""
    found = list_costs([20.0, 40.0, 80.0], [[option(8, 1.2)], [option(1, 1.35), option(2, 1.3)], [option(4, 0.9)]])
    assert [(cost.objective_ms, cost.gpus, cost.usd_per_hour) for cost in found] == [
        (20.0, 8, 1.2), (40.0, 8, 1.2), (80.0, 4, 0.9)
    ]  # fmt: skip


@pytest.mark.parametrize(("usd", "first"), [(None, 2), (5.0, 2)])
def test_p7_where_nothing_holds_there_is_no_cost(usd: float | None, first: int) -> None:
    none, some = list_costs([20.0, 40.0], [[], [option(4, usd), option(first, usd)]])
    assert (none.gpus, none.usd_per_hour, some.gpus, some.usd_per_hour) == (None, None, first, usd)
