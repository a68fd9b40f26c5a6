"""The section `monitoring.traces`."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from ranges import read_ranges
from steward.core.traces import TracePolicy
from steward.monitoring.traces_config import TracesConfig, TracesPlan


def test_the_plan_has_what_was_said() -> None:
    assert TracesConfig().plan() == TracesPlan(policy=TracePolicy(0.01, 30.0), keep_for_days=30)
    config = TracesConfig(sample=0.5, slow_ms=1500.0, otlp="env:OTLP", otlp_headers={"authorization": "file:KEY"})
    plan = config.plan()
    assert plan.policy == TracePolicy(0.5, 1.5)
    assert (plan.otlp, plan.otlp_headers) == ("env:OTLP", {"authorization": "file:KEY"})


@pytest.mark.parametrize(
    "section",
    [
        {"sample": 1.1}, {"sample": -0.1}, {"slow_ms": 0}, {"keep_for_days": 0}, {"otlp": "grpc://h:4317"},
        {"otlp_headers": {"authorization": "Bearer plain"}},
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(section: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TracesConfig.model_validate(section)


def test_ranges_of_numbers_that_are_accepted() -> None:
    assert read_ranges(TracesConfig) == {
        "sample": "0.0 <= x <= 1.0",
        "slow_ms": "0 < x",
        "keep_for_days": "1 <= x <= 3660",  # ten years
    }
