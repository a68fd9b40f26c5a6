"""The targets of `make fuzz`, on few examples."""

import pytest
from hypothesis import HealthCheck, given, settings

from fuzz import TARGETS
from shapes import shaped


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_target(name: str) -> None:
    checks = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
    checks(given(shaped(name))(TARGETS[name]))()
