"""Records of a plan."""

import pytest

from steward.capacity.plan import FORMAT, PredictionInterval, build_interval


def test_an_interval_divides_by_the_ratio_of_predicted_to_measured() -> None:
    """Predicted 100; predictions were 0.8 to 1.25 times what was measured, so 80 to 125 is measured."""
    found = build_interval(100.0, {"ttft_ms": (0.8, 1.25), "tpot_ms": (0.5, 4.0)}, "tpot_ms")
    assert found == PredictionInterval(pytest.approx(25.0), 100.0, pytest.approx(200.0))


def test_without_ratios_it_cannot_tell() -> None:
    assert build_interval(7.0, None, "tpot_ms") == PredictionInterval(None, 7.0, None)


def test_a_saved_plan_has_format_1() -> None:
    """Plans that a home keeps are read by later versions, which tell by it what they read."""
    assert FORMAT == 1
