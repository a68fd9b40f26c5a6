"""What a plan's page says of other objectives."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from steward.capacity.sizing import Requirements
from steward.workflows.plan import report
from steward.workflows.plan.deployment import DeploymentSpec
from steward.workflows.plan.report import choose_objective, list_costs, simulate_rates


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


@pytest.mark.parametrize(
    ("objectives", "chosen"),
    [
        ({}, ("tpot_p95_ms", 30.0)),
        ({"tpot_p95_ms": 50.0}, ("tpot_p95_ms", 50.0)),
        ({"ttft_p95_ms": 800.0}, ("ttft_p95_ms", 800.0)),
        ({"tpot_p95_ms": 50.0, "ttft_p95_ms": 800.0}, ("tpot_p95_ms", 50.0)),
    ],
)
def test_costs_are_shown_along_the_objective_that_was_asked_for(
    objectives: dict[str, float], chosen: tuple[str, float]
) -> None:
    wanted = Requirements(rate=1.0, input_tokens=10, output_tokens=10, **objectives)
    assert choose_objective(wanted, 30.0) == chosen


def test_latency_is_shown_at_a_tenth_of_the_most_up_to_a_fifth_beyond(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two replicas serve 40 requests a second at most, so that each gets half; a saturated one has no latency."""
    asked: list[float] = []

    def predict(deployment: object, load: Any, terms: object, *, memory: object) -> Any:
        asked.append(load.rate)
        assert (load.kind, load.input_tokens, load.output_tokens, load.requests) == ("open", 10, 20, 300)
        latency = SimpleNamespace(p95=load.rate)
        return SimpleNamespace(saturated=load.rate > 20.0, ttft_ms=latency, tpot_ms=latency)

    monkeypatch.setattr(report, "predict", predict)
    monkeypatch.setattr(report, "rebuild_deployment", lambda *_: None)
    monkeypatch.setattr(report, "load_calibrations", lambda _: SimpleNamespace(find_terms=lambda *_: None))
    option: Any = SimpleNamespace(max_rate=40.0, replicas=2, memory=None)
    wanted = Requirements(rate=1.0, input_tokens=10, output_tokens=20)
    curve = simulate_rates(option, wanted, DeploymentSpec(model="m"), None)
    assert asked == pytest.approx([2.0, 5.0, 8.0, 11.0, 14.0, 16.0, 18.0, 20.0, 22.0, 24.0])
    assert [point.rate for point in curve] == pytest.approx([4, 10, 16, 22, 28, 32, 36, 40, 44, 48])
    assert [point.ttft_p95_ms is None for point in curve] == [False] * 8 + [True] * 2
