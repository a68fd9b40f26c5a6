"""A guard's numbers as people read them, on the scale of its margin."""

from __future__ import annotations

from typing import Final

from steward.improvement.canary import GuardReport

_SHARES: Final = frozenset({"cost"})  # guards whose estimate is a share; ratios and points are plain numbers
_POINTS: Final = frozenset({"judge", "ratings"})


def format_estimate(guard: GuardReport, value: float | None) -> str | None:
    """None where nothing is known."""
    if value is None:
        return None
    if guard.name in _SHARES:
        return f"{value:+.1%}"
    return f"{value:+.3f}" if guard.name in _POINTS else f"{value:.2f} x"


def format_interval(guard: GuardReport) -> str | None:
    """Both ends; "?" for one that has no number."""
    if guard.interval is None:
        return None
    return " to ".join(format_estimate(guard, end) or "?" for end in guard.interval)


def format_margin(guard: GuardReport) -> str:
    """What the guard allows."""
    if guard.name in _SHARES:
        return f"up to +{guard.margin:.0%}"
    if guard.name in _POINTS:
        return f"down to -{guard.margin:g}"
    return f"up to {guard.margin:g} x" if guard.name != "rating_rate" else f"1/{guard.margin:g} to {guard.margin:g} x"
