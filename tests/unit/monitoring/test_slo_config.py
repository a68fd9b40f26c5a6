"""The section `slos`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ranges import read_ranges
from steward.core.errors import InputError
from steward.monitoring.slo import SloPlan
from steward.monitoring.slo_config import SloConfig
from steward.settings import load_settings


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kind": "ttft"}, "kind: ttft needs threshold_ms"),
        ({"kind": "cost"}, "kind: cost needs threshold_usd"),
        ({"kind": "cost", "threshold_usd": 1, "threshold_ms": 1}, "kind: cost takes no threshold_ms"),
        ({"threshold_ms": 1}, "kind: availability takes no threshold_ms"),
        ({"kind": "satisfaction", "threshold_usd": 1}, "kind: satisfaction takes no threshold_usd"),
        ({"objective": 1.0}, "less than 1"),
        ({"objective": 0.0}, "greater than 0"),
        ({"window_days": 6}, "greater than or equal to 7"),
        ({"window_days": 91}, "less than or equal to 90"),
        ({"name": "Two Words"}, "name"),
        ({"kind": "quality", "threshold_usd": 1}, "kind: quality takes no threshold_usd"),
        ({"kind": "goodness"}, "kind"),
    ],
)
def test_an_objective_that_cannot_be_judged_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SloConfig.model_validate({"name": "a", "kind": "availability", "objective": 0.99, **changed})


def test_thresholds_become_seconds_and_dollars() -> None:
    fast = SloConfig(name="a", kind="ttft", objective=0.95, threshold_ms=500.0, model="m").plan()
    assert fast == SloPlan(name="a", kind="ttft", objective=0.95, threshold=0.5, window_days=28, model="m")
    cheap = SloConfig(name="b", kind="cost", objective=0.95, threshold_usd=0.01, window_days=7, route="r").plan()
    assert (cheap.threshold, cheap.window_days, cheap.route) == (0.01, 7, "r")


def settings(tmp_path: Path, text: str) -> None:
    (tmp_path / "steward.yaml").write_text(f"models: [{{name: big, backend: openai, url: 'http://b:1'}}]\n{text}")
    load_settings(tmp_path / "steward.yaml", environ={})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("slos: [{name: a, kind: availability, objective: 0.9, model: bog}]", "unknown model (in slo 'a') 'bog'"),
        ("slos: [{name: a, kind: availability, objective: 0.9, route: bog}]", "unknown route (in slo 'a') 'bog'"),
        (
            "slos: [{name: a, kind: availability, objective: 0.9}, {name: a, kind: availability, objective: 0.9}]",
            "two slos are called 'a'",
        ),
        (
            "monitoring: {keep_hours_for_days: 20}\nslos: [{name: a, kind: availability, objective: 0.9}]",
            "slo a looks back 28 days, and series of hours are kept for 20",
        ),
    ],
)
def test_objectives_of_what_there_is_not(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        settings(tmp_path, text)
    assert message in str(caught.value)


def test_objectives_may_name_models_as_routes(tmp_path: Path) -> None:
    settings(tmp_path, "slos: [{name: a, kind: availability, objective: 0.9, model: big, route: big}]")


def test_ranges_of_numbers_that_are_accepted() -> None:
    assert read_ranges(SloConfig) == {
        "objective": "0.0 < x < 1.0",
        "threshold_ms": "0 < x",
        "threshold_usd": "0 < x",
        "window_days": "7 <= x <= 90",
    }
