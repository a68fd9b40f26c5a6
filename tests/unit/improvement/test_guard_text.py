"""Numbers of guards in the unit of their margin."""

from __future__ import annotations

from typing import Any

import pytest

from steward.improvement.canary import GuardReport
from steward.improvement.guard_text import format_estimate, format_interval, format_margin


def guard(name: Any, margin: float, interval: Any = None) -> GuardReport:
    return GuardReport(
        name=name, verdict="passed", required=True, margin=margin, estimate=None, interval=interval, e_value=None,
        units={"candidate": 1, "champion": 1}, why="",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "margin", "estimate", "allowed"),
    [
        ("errors", 2.0, "0.12 x", "up to 2 x"),
        ("slow", 1.5, "0.12 x", "up to 1.5 x"),
        ("refusals", 1.5, "0.12 x", "up to 1.5 x"),
        ("guard_hits", 1.25, "0.12 x", "up to 1.25 x"),
        ("rating_rate", 1.5, "0.12 x", "1/1.5 to 1.5 x"),
        ("cost", 0.05, "+12.3%", "up to +5%"),
        ("judge", 0.03, "+0.123", "down to -0.03"),
        ("ratings", 0.1, "+0.123", "down to -0.1"),
    ],
)
def test_a_value_and_what_is_allowed(name: str, margin: float, estimate: str, allowed: str) -> None:
    one = guard(name, margin)
    assert (format_estimate(one, 0.1234), format_margin(one)) == (estimate, allowed)
    assert format_estimate(one, None) is None


def test_an_end_without_a_number_is_a_question() -> None:
    assert format_interval(guard("errors", 2.0, (0.9, None))) == "0.90 x to ?"
    assert format_interval(guard("cost", 0.05, (-0.01, 0.2))) == "-1.0% to +20.0%"
    assert format_interval(guard("cost", 0.05)) is None
