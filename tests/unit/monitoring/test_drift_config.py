import pytest
from pydantic import ValidationError

from ranges import read_ranges
from steward.monitoring.drift_config import DriftConfig, DriftPlan


def test_the_section_becomes_the_plan() -> None:
    assert DriftConfig(every_s=0, keep_for_days=7).plan() == DriftPlan(every_s=0.0, keep_for_days=7)
    assert DriftConfig().plan() == DriftPlan(every_s=10.0, keep_for_days=35)


@pytest.mark.parametrize("values", [{"every_s": -1}, {"every_s": 3601}, {"keep_for_days": 1}, {"every": 5}])
def test_what_is_none_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        DriftConfig.model_validate(values)


def test_features_of_at_least_two_days_are_compared() -> None:
    assert read_ranges(DriftConfig) == {"every_s": "0.0 <= x <= 3600.0", "keep_for_days": "2 <= x <= 400"}
